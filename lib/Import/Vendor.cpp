//===- Vendor.cpp - operators of com.microsoft -----------------------------===//
// Each is written as the body of a function of ai.onnx operators, in ONNX's text syntax, from the attributes and the
// presence of inputs of one node; the importer expands it like the bodies that libonnx has.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Import/Importer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "onnx/defs/parser.h"

using namespace mlir;
using namespace ssm;

namespace {
/// The text of a body under construction. Inputs are X0, X1, ..., outputs Y0, Y1, ...
class Body {
public:
  explicit Body(Node &n) : n(n) {}
  bool has(unsigned i) const { return i < n.operands.size() && !onnx::isNone(n.operands[i]); }
  bool wants(unsigned i) const { return i < n.outputNames.size() && !n.outputNames[i].empty(); }
  int64_t integer(StringRef name, int64_t otherwise) {
    const auto *a = attribute(name);
    return a ? a->i() : otherwise;
  }
  double real(StringRef name, double otherwise) {
    const auto *a = attribute(name);
    return a ? a->f() : otherwise;
  }
  std::vector<std::string> texts(StringRef name) {
    const auto *a = attribute(name);
    return a ? std::vector<std::string>(a->strings().begin(), a->strings().end()) : std::vector<std::string>();
  }
  StringRef word(StringRef name, StringRef otherwise) {
    const auto *a = attribute(name);
    return a ? StringRef(a->s()) : otherwise;
  }
  template <typename... Args> void line(const char *format, Args &&...args) {
    text += "  " + llvm::formatv(format, std::forward<Args>(args)...).str() + "\n";
  }
  void constant(StringRef name, int64_t v) { line("{0} = Constant <value = int64[1] {{{1}}> ()", name, v); }
  void scalar(StringRef name, double v) { line("{0} = Constant <value = float {{{1:f9}}> ()", name, v); }
  /// A real number as an attribute.
  static std::string number(double v) { return llvm::formatv("{0:e8}", v).str(); }
  void refuseInput(unsigned i, StringRef what) const {
    if (has(i))
      throw Refusal{("input '" + what + "' is not supported").str()};
  }
  void refuseOutput(unsigned i, StringRef what) const {
    if (wants(i))
      throw Refusal{("output '" + what + "' is not supported").str()};
  }
  /// Attributes that nothing asked for change the meaning; a value of 0 says that they do not apply.
  void checkAttributes() const {
    for (const auto &[name, a] : n.attributes)
      if (!asked.count(name) && (a->type() != pb::AttributeProto::INT || a->i() != 0))
        throw Refusal{("attribute '" + name + "' is not supported").str()};
  }
  pb::FunctionProto finish() const {
    SmallVector<std::string> inputs, outputs;
    for (size_t i = 0; i < n.operands.size(); ++i)
      inputs.push_back("X" + std::to_string(i));
    for (size_t i = 0; i < n.outputNames.size(); ++i)
      outputs.push_back("Y" + std::to_string(i));
    std::string whole = "<domain: \"com.microsoft\", opset_import: [\"\" : 24]>\n" + n.op + " (" + llvm::join(inputs, ", ") +
                        ") => (" + llvm::join(outputs, ", ") + ") {\n" + text + "}\n";
    pb::FunctionProto f;
    auto status = pb::OnnxParser::Parse(f, whole.c_str());
    if (!status.IsOK())
      throw Refusal{"its body cannot be read: " + status.ErrorMessage()};
    return f;
  }
  Node &n;

private:
  const pb::AttributeProto *attribute(StringRef name) {
    asked.insert(name);
    return n.attributes.lookup(name);
  }
  llvm::StringSet<> asked;
  std::string text;
};

void gelu(Body &b, StringRef op) {
  if (op == "QuickGelu") {
    b.line("Y0 = Swish <alpha = {0}> (X0)", Body::number(b.real("alpha", 1.702)));
    return;
  }
  b.line(b.has(1) ? "S = Add (X0, X1)" : "S = Identity (X0)");
  b.line("Y0 = Gelu <approximate = \"{0}\"> (S)", op == "FastGelu" ? "tanh" : "none");
}

void simplifiedNorm(Body &b) {
  b.integer("stash_type", 1);
  b.refuseOutput(1, "inv_std_var");
  b.line("Y0 = RMSNormalization <axis = {0}, epsilon = {1}> (X0, X1)", b.integer("axis", -1), Body::number(b.real("epsilon", 1e-5)));
}

void skipNorm(Body &b, bool simplified) {
  std::string epsilon = Body::number(b.real("epsilon", 1e-12));
  unsigned bias = simplified ? 3 : 4;
  b.line("S0 = Add (X0, X1)");
  b.line(b.has(bias) ? "S = Add (S0, X{0})" : "S = Identity (S0)", bias);
  if (simplified) {
    b.refuseOutput(1, "mean");
    b.refuseOutput(2, "inv_std_var");
    b.line("Y0 = RMSNormalization <axis = -1, epsilon = {0}> (S, X2)", epsilon);
  } else {
    b.line("Y0, {0}, {1} = LayerNormalization <axis = -1, epsilon = {2}> (S, X2{3})", b.wants(1) ? "Y1" : "Mean", b.wants(2) ? "Y2" : "Inverse",
           epsilon, b.has(3) ? ", X3" : "");
  }
  if (b.wants(3))
    b.line("Y3 = Identity (S)");
}

void fusedMatMul(Body &b) {
  bool a = b.integer("transA", 0), c = b.integer("transB", 0);
  if (b.integer("transBatchA", 0) || b.integer("transBatchB", 0))
    throw Refusal{"transBatchA and transBatchB are not supported"};
  double alpha = b.real("alpha", 1.0);
  StringRef product = alpha == 1.0 ? "Y0" : "P";
  if (a || c)
    b.line("{0} = Einsum <equation = \"...{1},...{2}->...ij\"> (X0, X1)", product, a ? "ki" : "ik", c ? "jk" : "kj");
  else
    b.line("{0} = MatMul (X0, X1)", product);
  if (alpha != 1.0) {
    b.scalar("Alpha", alpha);
    b.line("AlphaLike = CastLike (Alpha, P)");
    b.line("Y0 = Mul (P, AlphaLike)");
  }
}

void multiHeadAttention(Body &b) {
  int64_t heads = b.integer("num_heads", 0);
  double scale = b.real("scale", 0.0), masked = b.real("mask_filter_value", -10000.0);
  bool causal = b.integer("unidirectional", 0);
  b.refuseInput(8, "past_sequence_length");
  b.refuseInput(9, "cache_indirection");
  b.refuseOutput(3, "qk");
  if (!b.has(1) || !b.has(2))
    throw Refusal{"packed query, key and value are not supported"};
  for (unsigned i = 0; i < 3; ++i)
    b.line("In{0} = Identity (X{0})", i);
  if (b.has(3)) {
    b.constant("Zero", 0);
    b.constant("End", INT64_MAX);
    b.line("Dq = Shape <start = 2, end = 3> (X0)");
    b.line("Dk = Shape <start = 2, end = 3> (X1)");
    b.line("Dqk = Add (Dq, Dk)");
    const char *from[] = {"Zero", "Dq", "Dqk"}, *to[] = {"Dq", "Dqk", "End"};
    for (unsigned i = 0; i < 3; ++i) {
      b.line("Bias{0} = Slice (X3, {1}, {2}, Zero)", i, from[i], to[i]);
      b.line("Biased{0} = Add (In{0}, Bias{0})", i);
    }
  }
  StringRef in = b.has(3) ? "Biased" : "In";
  std::string mask;
  if (b.has(4)) { // 1 where a key takes part
    b.line("Taking = Cast <to = 1> (X4)");
    b.scalar("One", 1.0);
    b.scalar("Masked", masked);
    b.line("Left = Sub (One, Taking)");
    b.line("Penalty = Mul (Left, Masked)");
    b.line("Axes = Constant <value = int64[2] {{1, 2}> ()");
    b.line("Wide = Unsqueeze (Penalty, Axes)");
    b.line("MaskPart = CastLike (Wide, X0)");
    mask = "MaskPart";
  }
  if (b.has(5)) {
    if (mask.empty()) {
      mask = "X5";
    } else {
      b.line("Mask = Add (MaskPart, X5)");
      mask = "Mask";
    }
  }
  bool past = b.has(6) && b.has(7);
  b.line("Y0{0} = Attention <q_num_heads = {1}, kv_num_heads = {1}, is_causal = {2}{3}> ({4}0, {4}1, {4}2, {5}{6})",
         b.wants(1) ? (b.wants(2) ? ", Y1, Y2" : ", Y1") : "", heads, (int)causal, scale ? ", scale = " + Body::number(scale) : "", in, mask,
         past ? ", X6, X7" : "");
}

/// Keys and values are written behind each batch's past; a mask says what a query sees.
void groupQueryAttention(Body &b) {
  int64_t heads = b.integer("num_heads", 0), groups = b.integer("kv_num_heads", 0), window = b.integer("local_window_size", -1);
  double scale = b.real("scale", 0.0), cap = b.real("softcap", 0.0);
  bool rotary = b.integer("do_rotary", 0), interleaved = b.integer("rotary_interleaved", 0);
  b.refuseInput(11, "head_sink");
  for (unsigned i : {12u, 13u})
    b.refuseInput(i, "scale of a quantised cache");
  b.refuseOutput(3, "output_qk");
  if (!heads || !groups)
    throw Refusal{"num_heads and kv_num_heads are needed"};
  b.constant("Zero", 0);
  b.constant("One", 1);
  b.constant("Two", 2);
  b.constant("End", INT64_MAX);
  b.line("ZeroScalar = Constant <value = int64 {{0}> ()");
  b.line("OneScalar = Constant <value = int64 {{1}> ()");
  std::string q = "X0", k = "X1", v = "X2";
  if (!b.has(1)) { // one tensor of all three
    b.line("Packed = Shape <start = 2, end = 3> (X0)");
    b.constant("AllHeads", heads + 2 * groups);
    b.constant("QueryHeads", heads);
    b.constant("KeyHeads", heads + groups);
    b.line("Size = Div (Packed, AllHeads)");
    b.line("QEnd = Mul (Size, QueryHeads)");
    b.line("KEnd = Mul (Size, KeyHeads)");
    b.line("PackedQ = Slice (X0, Zero, QEnd, Two)");
    b.line("PackedK = Slice (X0, QEnd, KEnd, Two)");
    b.line("PackedV = Slice (X0, KEnd, End, Two)");
    q = "PackedQ", k = "PackedK", v = "PackedV";
  }
  // (batch, length, hidden) to (batch, heads, length, size).
  auto split = [&](StringRef to, StringRef from, int64_t n) {
    b.line("{0}Shape = Constant <value = int64[4] {{0, 0, {1}, -1}> ()", to, n);
    b.line("{0}Split = Reshape ({1}, {0}Shape)", to, from);
    b.line("{0} = Transpose <perm = [0, 2, 1, 3]> ({0}Split)", to);
  };
  split("Q", q, heads);
  split("K", k, groups);
  split("V", v, groups);
  b.line("Length = Shape <start = 1, end = 2> (X0)");
  b.line("LengthScalar = Squeeze (Length, Zero)");
  b.line("TotalGiven = Cast <to = 7> (X6)");
  b.line("Total = Reshape (TotalGiven, One)");
  b.line("Seqlens = Cast <to = 7> (X5)");
  b.constant("Minus", -1);
  b.line("SeqlensList = Reshape (Seqlens, Minus)");
  // The length of the past: none for a first prompt.
  b.line("Lengths = Add (SeqlensList, One)");
  b.line("Before = Sub (Lengths, Length)");
  b.line("First = Equal (Total, Length)");
  b.line("Past = Where (First, Zero, Before)");
  b.line("Steps = Range (ZeroScalar, LengthScalar, OneScalar)");
  b.line("PastColumn = Unsqueeze (Past, One)");
  b.line("Positions = Add (PastColumn, Steps)"); // (batch, length)
  if (rotary) {
    if (!b.has(7) || !b.has(8))
      throw Refusal{"do_rotary without cos_cache and sin_cache"};
    StringRef at = b.has(9) ? "X9" : "Positions";
    for (StringRef x : {"Q", "K"})
      b.line("Rotated{0} = RotaryEmbedding <interleaved = {1}> ({0}, X7, X8, {2})", x, (int)interleaved, at);
  }
  for (unsigned i : {0u, 1u}) {
    StringRef x = i ? "V" : "K";
    StringRef fresh = rotary && i == 0 ? "RotatedK" : x;
    if (b.has(3 + i)) {
      b.line("Have{0} = Shape <start = 2, end = 3> (X{1})", x, 3 + i);
      b.line("Room{0} = Max (Have{0}, Total)", x);
      b.line("More{0} = Sub (Room{0}, Have{0})", x);
      b.line("Pads{0} = Concat <axis = 0> (Zero, More{0})", x);
      b.line("Buffer{0} = Pad (X{1}, Pads{0}, , Two)", x, 3 + i);
    } else {
      b.line("Dims{0} = Shape ({0})", x);
      b.line("Front{0} = Slice (Dims{0}, Zero, Two, Zero)", x);
      b.line("Back{0} = Slice (Dims{0}, Minus, End, Zero)", x);
      b.line("Empty{0} = Concat <axis = 0> (Front{0}, Total, Back{0})", x);
      b.line("Nothing{0} = ConstantOfShape (Empty{0})", x);
      b.line("Buffer{0} = CastLike (Nothing{0}, {0})", x);
    }
    b.line("Present{0} = TensorScatter <axis = 2> (Buffer{0}, {1}, Past)", x, fresh);
    if (b.wants(1 + i))
      b.line("Y{0} = Identity (Present{1})", 1 + i, x);
  }
  // Query i of a batch is at its position; it sees the keys up to there.
  b.line("KeysLength = Shape <start = 2, end = 3> (PresentK)");
  b.line("KeysScalar = Squeeze (KeysLength, Zero)");
  b.line("Keys = Range (ZeroScalar, KeysScalar, OneScalar)");
  b.line("MaskAxes = Constant <value = int64[2] {{1, 3}> ()");
  b.line("Queries = Unsqueeze (Positions, MaskAxes)");
  b.line("Causal = LessOrEqual (Keys, Queries)");
  std::string mask = "Causal";
  if (window > 0) {
    b.constant("Window", window);
    b.line("Oldest = Sub (Queries, Window)");
    b.line("Recent = Greater (Keys, Oldest)");
    b.line("Seen = And (Causal, Recent)");
    mask = "Seen";
  }
  if (b.has(10)) {
    b.line("Never = Constant <value = float {{-inf}> ()");
    b.line("NeverLike = CastLike (Never, X10)");
    b.line("Bias = Where ({0}, X10, NeverLike)", mask);
    mask = "Bias";
  }
  std::string options = scale ? ", scale = " + Body::number(scale) : "";
  if (cap)
    options += ", softcap = " + Body::number(cap);
  b.line("Out = Attention <is_causal = 0{0}> ({1}, PresentK, PresentV, {2})", options, rotary ? "RotatedQ" : "Q", mask);
  b.line("OutRows = Transpose <perm = [0, 2, 1, 3]> (Out)");
  b.line("OutShape = Constant <value = int64[3] {{0, 0, -1}> ()");
  b.line("Y0 = Reshape (OutRows, OutShape)");
}

void rotaryEmbedding(Body &b, int64_t rank, int64_t positionsRank) {
  int64_t heads = b.integer("num_heads", 0), part = b.integer("rotary_embedding_dim", 0);
  if (b.real("scale", 1.0) != 1.0)
    throw Refusal{"scale other than 1 is not supported"};
  if (rank == 3 && !heads) {
    auto x = dyn_cast<RankedTensorType>(b.n.operands[0].getType()), cos = dyn_cast<RankedTensorType>(b.n.operands[2].getType());
    if (!x || !cos || x.isDynamicDim(2) || cos.isDynamicDim(1) || !cos.getDimSize(1))
      throw Refusal{"num_heads is needed"};
    heads = x.getDimSize(2) / (2 * cos.getDimSize(1));
  }
  std::string positions = "X1";
  if (positionsRank == 1) { // where the sequence begins
    b.constant("Zero", 0);
    b.line("Batch = Shape <start = 0, end = 1> (X0)");
    b.line("Length = Shape <start = {0}, end = {1}> (X0)", rank == 3 ? 1 : 2, rank == 3 ? 2 : 3);
    b.line("LengthScalar = Squeeze (Length, Zero)");
    b.line("ZeroScalar = Constant <value = int64 {{0}> ()");
    b.line("OneScalar = Constant <value = int64 {{1}> ()");
    b.line("Steps = Range (ZeroScalar, LengthScalar, OneScalar)");
    b.line("At = Add (Steps, X1)");
    b.line("Shape = Concat <axis = 0> (Batch, Length)");
    b.line("Positions = Expand (At, Shape)");
    positions = "Positions";
  }
  b.line("Y0 = RotaryEmbedding <interleaved = {0}, num_heads = {1}, rotary_embedding_dim = {2}> (X0, X2, X3, {3})",
         b.integer("interleaved", 0), rank == 3 ? heads : 0, part, positions);
}
/// An LSTM with weights of eight bits [directions, in, 4 hidden], scaled per direction or per column, that quantises
/// its whole input once and its state in every step. Gates are in the order i, o, f, c.
void dynamicQuantizeLSTM(Body &b) {
  b.integer("hidden_size", 0); // the weights say it too
  StringRef direction = b.word("direction", "forward");
  auto activations = b.texts("activations");
  double clip = b.real("clip", 0.0);
  bool coupled = b.integer("input_forget", 0);
  unsigned directions = direction == "bidirectional" ? 2 : 1;
  if (activations.empty())
    for (unsigned d = 0; d < directions; ++d)
      activations.insert(activations.end(), {"Sigmoid", "Tanh", "Tanh"});
  if (activations.size() != 3 * directions)
    throw Refusal{"activations has " + std::to_string(activations.size()) + " names, " +
                  std::to_string(3 * directions) + " are needed"};
  for (const std::string &a : activations)
    if (!llvm::is_contained({"Sigmoid", "Tanh", "Relu", "Softsign", "Softplus"}, a))
      throw Refusal{"activation '" + a + "' is not supported"};

  b.line("Front = Constant <value = int64[1] {{0}> ()");
  b.line("Second = Constant <value = int64[1] {{1}> ()");
  b.line("Time = Shape <start = 0, end = 1> (X0)");
  b.line("Batch = Shape <start = 1, end = 2> (X0)");
  b.line("Hidden = Shape <start = 1, end = 2> (X2)");
  b.line("StateShape = Concat <axis = 0> (Batch, Hidden)");
  b.line("NoState = ConstantOfShape <value = float[1] {{0}> (StateShape)");
  if (b.has(4)) {
    b.line("ZeroStep = Constant <value = int64 {{0}> ()");
    b.line("OneStep = Constant <value = int64 {{1}> ()");
    b.line("TimeScalar = Squeeze (Time, Front)");
    b.line("AllSteps = Range (ZeroStep, TimeScalar, OneStep)");
    b.line("StepColumns = Unsqueeze (AllSteps, Second)");
    b.line("Lengths = Cast <to = 7> (X4)");
    b.line("Running = Less (StepColumns, Lengths)");
    b.line("LastAxis = Constant <value = int64[1] {{2}> ()");
    b.line("Steps = Unsqueeze (Running, LastAxis)");
  }
  std::string outputs[3];
  for (unsigned d = 0; d < directions; ++d) {
    bool backward = d == 1 || direction == "reverse", turned = backward && b.has(4);
    if (turned)
      b.line("In{0} = ReverseSequence <time_axis = 0, batch_axis = 1> (X0, Lengths)", d);
    else
      b.line("In{0} = Identity (X0)", d);
    b.line("D{0} = Constant <value = int64 {{{0}}> ()", d);
    const std::pair<const char *, unsigned> taken[] = {{"W", 1}, {"R", 2},  {"Bias", 3}, {"H", 5},   {"C", 6},
                                                       {"P", 7}, {"Ws", 8}, {"Wz", 9},   {"Rs", 10}, {"Rz", 11}};
    for (auto [name, i] : taken)
      if (b.has(i))
        b.line("{0}{1} = Gather <axis = 0> (X{2}, D{1})", name, d, i);
    for (auto [name, i] : {std::pair("H", 5u), std::pair("C", 6u)})
      if (!b.has(i))
        b.line("{0}{1} = Identity (NoState)", name, d);
    b.line("Q{0}, Qs{0}, Qz{0} = DynamicQuantizeLinear (In{0})", d);
    b.line("Product{0} = MatMulInteger (Q{0}, W{0}, Qz{0}{1})", d, b.has(9) ? ", Wz" + std::to_string(d) : "");
    b.line("Real{0} = Cast <to = 1> (Product{0})", d);
    b.line("Scale{0} = Mul (Qs{0}, Ws{0})", d);
    b.line("Scaled{0} = Mul (Real{0}, Scale{0})", d);
    if (b.has(3)) {
      b.line("Bw{0}, Br{0} = Split <axis = 0, num_outputs = 2> (Bias{0})", d);
      b.line("BiasSum{0} = Add (Bw{0}, Br{0})", d);
      b.line("Gates{0} = Add (Scaled{0}, BiasSum{0})", d);
    } else {
      b.line("Gates{0} = Identity (Scaled{0})", d);
    }
    if (b.has(7))
      b.line("Pi{0}, Po{0}, Pf{0} = Split <axis = 0, num_outputs = 3> (P{0})", d);
    bool scanBackward = backward && !turned;
    b.line("Hn{0}, Cn{0}, All{0} = Scan <num_scan_inputs = {1}, scan_input_directions = [{2}], scan_output_directions "
           "= [{3}], "
           "body = step{0} (float[?,?] h, float[?,?] c, float[?,?] g{4}) => (float[?,?] hn, float[?,?] cn, float[?,?] "
           "y) {{",
           d, b.has(4) ? 2 : 1, scanBackward ? (b.has(4) ? "1, 1" : "1") : (b.has(4) ? "0, 0" : "0"),
           scanBackward ? 1 : 0, b.has(4) ? ", bool[?,?] on" : "");
    b.line("hq, hs, hz = DynamicQuantizeLinear (h)");
    b.line("product = MatMulInteger (hq, R{0}, hz{1})", d, b.has(11) ? ", Rz" + std::to_string(d) : "");
    b.line("real = Cast <to = 1> (product)");
    b.line("scale = Mul (hs, Rs{0})", d);
    b.line("scaled = Mul (real, scale)");
    b.line("gates = Add (g, scaled)");
    b.line("i0, o0, f0, c0 = Split <axis = -1, num_outputs = 4> (gates)");
    auto gate = [&](StringRef from, StringRef to, StringRef peephole, StringRef cell, StringRef activation) {
      std::string value = from.str();
      if (b.has(7) && !peephole.empty()) {
        b.line("{0}p = Mul ({1}{2}, {3})", to, peephole, d, cell);
        b.line("{0}s = Add ({1}, {0}p)", to, value);
        value = (to + "s").str();
      }
      if (clip > 0) {
        b.scalar((to + "hi").str(), clip);
        b.scalar((to + "lo").str(), -clip);
        b.line("{0}c = Clip ({1}, {0}lo, {0}hi)", to, value);
        value = (to + "c").str();
      }
      b.line("{0} = {1} ({2})", to, activation, value);
    };
    gate("i0", "i", "Pi", "c", activations[3 * d]);
    if (coupled) {
      b.scalar("one", 1.0);
      b.line("f = Sub (one, i)");
    } else {
      gate("f0", "f", "Pf", "c", activations[3 * d]);
    }
    gate("c0", "u", "", "", activations[3 * d + 1]);
    b.line("kept = Mul (f, c)");
    b.line("added = Mul (i, u)");
    b.line("cnew = Add (kept, added)");
    gate("o0", "o", "Po", "cnew", activations[3 * d]);
    b.line("ca = {0} (cnew)", activations[3 * d + 2]);
    b.line("hnew = Mul (o, ca)");
    if (b.has(4)) {
      b.line("hn = Where (on, hnew, h)");
      b.line("cn = Where (on, cnew, c)");
      b.scalar("nothing", 0.0);
      b.line("y = Where (on, hnew, nothing)");
    } else {
      b.line("hn = Identity (hnew)");
      b.line("cn = Identity (cnew)");
      b.line("y = Identity (hnew)");
    }
    b.line("}> (H{0}, C{0}, Gates{0}{1})", d, b.has(4) ? ", Steps" : "");
    if (turned)
      b.line("Turned{0} = ReverseSequence <time_axis = 0, batch_axis = 1> (All{0}, Lengths)", d);
    else
      b.line("Turned{0} = Identity (All{0})", d);
    for (auto [name, axis, i] :
         {std::tuple("Turned", "Second", 0), std::tuple("Hn", "Front", 1), std::tuple("Cn", "Front", 2)}) {
      b.line("{0}U{1} = Unsqueeze ({0}{1}, {2})", name, d, axis);
      outputs[i] += (d ? ", " : "") + std::string(name) + "U" + std::to_string(d);
    }
  }
  for (unsigned i = 0; i < 3; ++i)
    b.line("Y{0} = Concat <axis = {1}> ({2})", i, i == 0 ? 1 : 0, outputs[i]);
}
} // namespace

bool Importer::expandVendor(Node &n, Location loc) {
  StringRef op = n.op;
  Body body(n);
  if (op == "Gelu" || op == "BiasGelu" || op == "FastGelu" || op == "QuickGelu")
    gelu(body, op);
  else if (op == "SimplifiedLayerNormalization")
    simplifiedNorm(body);
  else if (op == "SkipLayerNormalization" || op == "SkipSimplifiedLayerNormalization")
    skipNorm(body, op != "SkipLayerNormalization");
  else if (op == "FusedMatMul")
    fusedMatMul(body);
  else if (op == "MultiHeadAttention")
    multiHeadAttention(body);
  else if (op == "GroupQueryAttention")
    groupQueryAttention(body);
  else if (op == "RotaryEmbedding")
    rotaryEmbedding(body, rankOf(n, 0), rankOf(n, 1));
  else if (op == "DynamicQuantizeLSTM")
    dynamicQuantizeLSTM(body);
  else
    return false;
  body.checkAttributes();
  expandFunction(body.finish(), n, loc);
  return true;
}
