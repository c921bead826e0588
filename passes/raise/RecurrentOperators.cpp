//===- RecurrentOperators.cpp - LSTM, GRU and RNN to ssm --------------------===//
// One ssm.recurrence for each direction. What the inputs give to the gates, x W^T + Wb, is one product for all steps
// before it; so is the state's bias, except where GRU multiplies it with the reset gate. A step is the product of the
// state with R^T and the gates. With sequence_lens a step also takes which sequences of the batch still run: one that
// has ended keeps its state and gives zeros. Backwards these steps come first, so that each sequence starts at its own
// end. Weights that are constants are cut into directions and gates here, and are float32 where the operator has half
// precision: it rounds only what it gives.
//===----------------------------------------------------------------------===//
#include "passes/raise/RecurrentOperators.h"
#include "dialects/Onnx/Activations.h"
#include "dialects/Ssm/SsmDialect.h"
#include "passes/raise/ConstantParts.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Tensors.h"

using namespace mlir;
using namespace ssm;

bool ssm::isRecurrentOperator(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return name == "onnx.LSTM" || name == "onnx.GRU" || name == "onnx.RNN";
}

namespace {
/// Builds the recurrences of one operator.
class Cell {
public:
  explicit Cell(Operation *op)
      : op(op), b(op), t{b, fusedLocation({op})}, name(op->getName().stripDialect()), gates(onnx::gatesOf(op)),
        directions(onnx::directionsOf(op)), batchFirst(onnx::intAttr(op, "layout")),
        late(onnx::intAttr(op, "linear_before_reset")) {}
  LogicalResult raise();

private:
  AffineExpr num(int64_t n) { return b.getAffineConstantExpr(n); }
  RankedTensorType state(AffineExpr width) { return onnx::withDims(k, {batch, width}); }
  RankedTensorType sequence(Type element, AffineExpr width) {
    return onnx::withDims(element, {batchFirst ? batch : length, batchFirst ? length : batch, width});
  }
  Value input(unsigned i) {
    return i < op->getNumOperands() && !onnx::isNone(op->getOperand(i)) ? op->getOperand(i) : Value();
  }
  Value none() { return onnx::NoValueOp::create(b, t.loc, b.getNoneType()); }
  NamedAttribute attr(StringRef attrName, int64_t v) {
    return b.getNamedAttr(attrName, IntegerAttr::get(b.getIntegerType(64, true), v));
  }
  Value add(Value x, Value y) { return t.make("Add", {x, y}, t.typeOf(x)); }
  Value zeros(RankedTensorType type) { return t.make("Expand", {t.number(0, k), none()}, type); }
  Value where(Value condition, Value x, Value y) { return t.make("Where", {condition, x, y}, t.typeOf(x)); }
  /// left matrix^T
  Value product(Value left, Value matrix, Value bias = {}) {
    auto type = onnx::withDims(k, {onnx::getDimExpr(t.typeOf(left), 0), onnx::getDimExpr(t.typeOf(matrix), 0)});
    return t.make("Gemm", {left, matrix, bias ? bias : none()}, type, attr("transB", 1));
  }
  SmallVector<Value> split(Value v, int64_t axis, int64_t parts) {
    if (parts == 1)
      return {v};
    SmallVector<AffineExpr> dims = onnx::getDimExprs(t.typeOf(v));
    dims[axis] = hidden;
    OperationState s(t.loc, "onnx.Split", {v, none()}, SmallVector<Type>(parts, onnx::withDims(k, dims)),
                     {attr("axis", axis), attr("num_outputs", parts)});
    return b.create(s)->getResults();
  }
  Value clipped(Value v) {
    double clip = onnx::floatAttr(op, "clip", 0);
    return clip > 0 ? t.make("Clip", {v, t.number(-clip, k), t.number(clip, k)}, t.typeOf(v)) : v;
  }
  Value direction(Value v, int64_t d, int64_t axis, ArrayRef<AffineExpr> dims);
  Value part(unsigned i, int64_t d, int64_t from, int64_t count, int64_t all, ArrayRef<AffineExpr> inner = {});
  std::pair<Value, Value> biases(int64_t d);
  Value running();
  Value activate(const onnx::Activation &a, Value x);
  SmallVector<Value> step(int64_t d, ArrayRef<Value> in, Value h, Value c);
  Operation *emit(int64_t d, bool reverse, Type element);

  Operation *op;
  OpBuilder b;
  Tensors t;
  StringRef name;
  int64_t gates, directions;
  bool batchFirst, late; // late: linear_before_reset
  AffineExpr length, batch, hidden;
  Type k; // of states and gates
  SmallVector<onnx::Activation> activations;
  // Of the present direction.
  SmallVector<Value> matrices, peepholes; // peepholes: of i, o, f
  Value resetBias;
};

/// What belongs to direction d along an axis, as a tensor of these sizes.
Value Cell::direction(Value v, int64_t d, int64_t axis, ArrayRef<AffineExpr> dims) {
  auto type = t.typeOf(v);
  if (directions > 1) {
    auto ints = [&](int64_t n) -> Value {
      auto vector = RankedTensorType::get({1}, b.getI64Type());
      return onnx::ConstantOp::create(b, t.loc, vector, DenseIntElementsAttr::get(vector, ArrayRef<int64_t>{n}));
    };
    SmallVector<AffineExpr> one = onnx::getDimExprs(type);
    one[axis] = num(1);
    v = t.make("Slice", {v, ints(d), ints(d + 1), ints(axis), ints(1)}, onnx::withDims(type.getElementType(), one));
  }
  return t.wide(t.reshape(v, dims));
}

/// `count` gates from gate `from` on of the `all` gates that input i has for direction d, each (hidden, inner...).
Value Cell::part(unsigned i, int64_t d, int64_t from, int64_t count, int64_t all, ArrayRef<AffineExpr> inner) {
  Value v = input(i);
  SmallVector<AffineExpr> dims = {hidden * count}, whole = {hidden * all};
  llvm::append_range(dims, inner);
  llvm::append_range(whole, inner);
  auto type = onnx::withDims(k, dims);
  if (ElementsAttr value = onnx::constantValue(v); value && type.hasStaticShape()) {
    int64_t gate = type.getNumElements() / count;
    if (ElementsAttr found = partOf(value, (d * all + from) * gate, type))
      return onnx::ConstantOp::create(b, t.loc, type, found);
  }
  v = direction(v, d, 0, whole);
  if (count == all)
    return v;
  SmallVector<Value> parts(ArrayRef(split(v, 0, all)).slice(from, count));
  return count == 1 ? parts[0] : t.make("Concat", parts, type, attr("axis", 0));
}

/// What is added to the inputs' products, and what GRU adds to the state's before it multiplies with the reset gate.
std::pair<Value, Value> Cell::biases(int64_t d) {
  Value both = input(3); // Wb, then Rb
  bool apart = name == "GRU" && late;
  if (!both)
    return {};
  auto type = onnx::withDims(k, {hidden * gates}), one = onnx::withDims(k, {hidden});
  ElementsAttr value = onnx::constantValue(both);
  auto numbers = value && type.hasStaticShape() ? numbersOf(value) : std::nullopt;
  if (!numbers) {
    Value w = part(3, d, 0, gates, 2 * gates);
    if (!apart)
      return {add(w, part(3, d, gates, gates, 2 * gates)), {}};
    Value first = part(3, d, gates, 2, 2 * gates);
    return {add(w, t.make("Concat", {first, zeros(one)}, type, attr("axis", 0))), part(3, d, gates + 2, 1, 2 * gates)};
  }
  int64_t n = type.getNumElements(), gate = n / gates;
  ArrayRef<double> w = ArrayRef(*numbers).slice(2 * n * d, n), r = ArrayRef(*numbers).slice(2 * n * d + n, n);
  std::vector<double> sum(w);
  for (int64_t i = 0, end = apart ? 2 * gate : n; i < end; ++i)
    sum[i] += r[i];
  auto constant = [&](RankedTensorType of, ArrayRef<double> v) -> Value {
    if (llvm::all_of(v, [](double x) { return x == 0; }))
      return {};
    return onnx::ConstantOp::create(b, t.loc, of, constantOf(of, v));
  };
  return {constant(type, sum), apart ? constant(one, r.take_back(gate)) : Value()};
}

/// For each step and sequence whether the sequence still runs, or null where all always do.
Value Cell::running() {
  Value lengths = input(4);
  if (!lengths)
    return {};
  auto known = onnx::intValues(lengths);
  auto all = dyn_cast<AffineConstantExpr>(length);
  if (known && all && llvm::all_of(*known, [&](int64_t n) { return n >= all.getValue(); }))
    return {};
  Value steps = t.range(length);
  AffineExpr one = num(1);
  steps = t.reshape(steps, batchFirst ? ArrayRef{one, length, one} : ArrayRef{length, one, one});
  lengths = t.reshape(lengths, batchFirst ? ArrayRef{batch, one, one} : ArrayRef{one, batch, one});
  lengths =
      t.make("Cast", {lengths}, onnx::withDims(b.getI64Type(), onnx::getDimExprs(t.typeOf(lengths))), attr("to", 7));
  return t.make("Less", {steps, lengths}, sequence(b.getI1Type(), one));
}

Value Cell::activate(const onnx::Activation &a, Value x) {
  auto type = t.typeOf(x);
  auto alpha = b.getNamedAttr("alpha", b.getF32FloatAttr(a.alpha)),
       beta = b.getNamedAttr("beta", b.getF32FloatAttr(a.beta));
  auto scaled = [&](Value v, double by) { return t.mul(v, t.number(by, k)); };
  if (a.name == "affine")
    return add(scaled(x, a.alpha), t.number(a.beta, k));
  if (a.name == "scaledtanh")
    return scaled(t.make("Tanh", {scaled(x, a.beta)}, type), a.alpha);
  if (a.name == "hardsigmoid")
    return t.make("HardSigmoid", {x}, type, {alpha, beta});
  if (a.name == "leakyrelu")
    return t.make("LeakyRelu", {x}, type, alpha);
  if (a.name == "thresholdedrelu")
    return t.make("ThresholdedRelu", {x}, type, alpha);
  if (a.name == "elu")
    return t.make("Elu", {x}, type, alpha);
  StringRef plain = a.name == "sigmoid"    ? "Sigmoid"
                    : a.name == "tanh"     ? "Tanh"
                    : a.name == "relu"     ? "Relu"
                    : a.name == "softsign" ? "Softsign"
                                           : "Softplus";
  return t.make(plain, {x}, type);
}

/// The next states from the gates' sums of the inputs.
SmallVector<Value> Cell::step(int64_t d, ArrayRef<Value> in, Value h, Value c) {
  const onnx::Activation *act = &activations[d * activations.size() / directions];
  auto oneMinus = [&](Value v) { return t.make("Sub", {t.number(1, k), v}, t.typeOf(v)); };
  SmallVector<Value> fromState = split(product(h, matrices[0]), 1, matrices.size() == 1 ? gates : 2);
  if (name == "RNN")
    return {activate(act[0], clipped(add(in[0], fromState[0])))};
  if (name == "GRU") {
    Value z = activate(act[0], clipped(add(in[0], fromState[0])));
    Value reset = activate(act[0], clipped(add(in[1], fromState[1])));
    Value candidate;
    if (late)
      candidate = t.mul(reset, resetBias ? add(fromState[2], resetBias) : fromState[2]);
    else
      candidate = product(t.mul(reset, h), matrices[1]);
    candidate = activate(act[1], clipped(add(in[2], candidate)));
    return {add(t.mul(oneMinus(z), candidate), t.mul(z, h))};
  }
  // Gates in ONNX's order i, o, f, c.
  auto sum = [&](int64_t gate, Value peeped) {
    Value v = add(in[gate], fromState[gate]);
    return clipped(peeped && !peepholes.empty() ? add(v, t.mul(peeped, peepholes[gate])) : v);
  };
  Value i = activate(act[0], sum(0, c));
  Value f = onnx::intAttr(op, "input_forget") ? oneMinus(i) : activate(act[0], sum(2, c));
  Value cell = add(t.mul(f, c), t.mul(i, activate(act[1], sum(3, {}))));
  Value o = activate(act[0], sum(1, cell));
  return {t.mul(o, activate(act[2], cell)), cell};
}

/// The recurrence of direction d, with the states of all steps in this element type where it is given.
Operation *Cell::emit(int64_t d, bool reverse, Type element) {
  bool lstm = name == "LSTM";
  AffineExpr width = onnx::getDimExpr(t.typeOf(input(0)), 2);
  auto [bias, gated] = biases(d);
  resetBias = gated;
  Value x = t.wide(t.reshape(input(0), {length * batch, width}));
  SmallVector<Value> sequences = {
      t.reshape(product(x, part(1, d, 0, gates, gates, width), bias), onnx::getDimExprs(sequence(k, hidden * gates)))};
  if (Value mask = running())
    sequences.push_back(mask);
  if (name == "GRU" && !late) // the candidate waits for the reset gate
    matrices = {part(2, d, 0, 2, 3, hidden), part(2, d, 2, 1, 3, hidden)};
  else
    matrices = {part(2, d, 0, gates, gates, hidden)};
  peepholes.clear();
  for (int64_t gate = 0; lstm && input(7) && gate < 3; ++gate)
    peepholes.push_back(part(7, d, gate, 1, 3));
  SmallVector<Value> initial;
  for (unsigned i = 5; i < (lstm ? 7 : 6); ++i)
    initial.push_back(input(i) ? direction(input(i), d, batchFirst, {batch, hidden}) : zeros(state(hidden)));

  SmallVector<Type> types(initial.size(), state(hidden));
  if (element)
    types.push_back(sequence(element, hidden));
  int32_t numSequences = sequences.size(), numStates = initial.size();
  OperationState s(t.loc, RecurrenceOp::getOperationName(), sequences, types);
  s.addOperands(initial);
  s.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr({numSequences, numStates}));
  s.addAttribute("resultSegmentSizes", b.getDenseI32ArrayAttr({numStates, element ? 1 : 0}));
  s.addAttribute("axes", b.getDenseI64ArrayAttr(SmallVector<int64_t>(numSequences, batchFirst)));
  s.addAttribute("output_axes", b.getDenseI64ArrayAttr(SmallVector<int64_t>(element ? 1 : 0, batchFirst)));
  if (reverse)
    s.addAttribute("reverse", b.getUnitAttr());
  auto *block = new Block;
  s.addRegion()->push_back(block);
  Operation *recurrence = b.create(s);

  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(block);
  Value xt = block->addArgument(state(hidden * gates), t.loc), runs;
  if (numSequences == 2)
    runs = block->addArgument(onnx::withDims(b.getI1Type(), {batch, num(1)}), t.loc);
  SmallVector<Value> states;
  for (int32_t i = 0; i < numStates; ++i)
    states.push_back(block->addArgument(state(hidden), t.loc));
  SmallVector<Value> next = step(d, split(xt, 1, gates), states[0], lstm ? states[1] : Value());
  Value y = next[0];
  if (runs) {
    y = where(runs, y, t.number(0, k));
    for (auto [now, before] : llvm::zip_equal(next, states))
      now = where(runs, now, before);
  }
  if (element)
    next.push_back(t.cast(y, element));
  ssm::YieldOp::create(b, t.loc, next);
  return recurrence;
}

LogicalResult Cell::raise() {
  StringRef way = onnx::stringAttr(op, "direction", "forward");
  auto found = onnx::activationsOf(op);
  if (failed(found))
    return failure();
  activations = *found;
  auto xType = t.typeOf(input(0));
  hidden = onnx::getDimExpr(t.typeOf(input(2)), 2);
  if (hidden == num(0))
    return noteMissed(op, "there are no states"), success();
  length = onnx::getDimExpr(xType, batchFirst), batch = onnx::getDimExpr(xType, !batchFirst);
  k = xType.getElementType().isF64() ? b.getF64Type() : b.getF32Type();
  auto read = [&](unsigned i) {
    return i < op->getNumResults() && !isa<NoneType>(op->getResult(i).getType()) && !op->getResult(i).use_empty();
  };
  SmallVector<Operation *> recurrences;
  for (int64_t d = 0; d < directions; ++d)
    recurrences.push_back(emit(d, way == "reverse" || d == 1, read(0) ? xType.getElementType() : Type()));
  // Directions are an axis in front of the batch in Y and the states, or behind length and batch with layout 1.
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    if (!read(i))
      continue;
    auto type = t.typeOf(op->getResult(i));
    int64_t axis = i == 0 ? (batchFirst ? 2 : 1) : batchFirst;
    SmallVector<Value> parts;
    for (Operation *r : recurrences) {
      Value v = i == 0 ? r->getResults().back() : t.cast(r->getResult(i - 1), type.getElementType());
      SmallVector<AffineExpr> dims = onnx::getDimExprs(t.typeOf(v));
      dims.insert(dims.begin() + axis, num(1));
      parts.push_back(t.reshape(v, dims));
    }
    Value all = parts[0];
    if (directions == 2)
      all = t.make("Concat", parts, type, attr("axis", axis));
    op->getResult(i).replaceAllUsesWith(reshapeTo(b, t.loc, all, type));
  }
  op->erase();
  return success();
}
} // namespace

LogicalResult ssm::raiseRecurrent(Operation *op) { return Cell(op).raise(); }
