//===- Graph.cpp - graphs and nodes of an ONNX file ------------------------===//
// Walks the model in order and makes one operation per node. Problems are collected, so that one run reports them all.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "google/protobuf/io/coded_stream.h"
#include "lib/Import/Importer.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "onnx/checker.h"
#include "onnx/inliner/inliner.h"
#include "onnx/shape_inference/implementation.h"

using namespace mlir;
using namespace ssm;

namespace {

/// Operators that are taken through their function bodies. Everything else in ai.onnx is lowered directly.
const llvm::StringSet<> expanded = {
    "Attention", "Bernoulli", "BlackmanWindow", "CenterCropPad",
    "DynamicQuantizeLinear", "FlexAttention", "HammingWindow", "HannWindow",
    "MeanVarianceNormalization", "NegativeLogLikelihoodLoss", "RMSNormalization", "RotaryEmbedding", "SequenceMap",
    "SoftmaxCrossEntropyLoss", "GroupNormalization", "SwiGLU"};
/// Refused by name: strings, images.
const llvm::StringSet<> refused = {"StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch", "TfIdfVectorizer",
                                   "ImageDecoder"};
} // namespace

Importer::Importer(MLIRContext &context, StringRef path, ImportReport &report)
    : context(context), path(path), report(report), b(&context) {
  context.loadDialect<onnx::OnnxDialect, SsmDialect, func::FuncDialect>();
}

Location Importer::locationOf(const pb::NodeProto &proto) {
  std::string name = proto.name().empty() ? proto.op_type() + "_" + std::to_string(ordinal) : proto.name();
  return NameLoc::get(b.getStringAttr(name), FileLineColLoc::get(&context, llvm::sys::path::filename(path), ordinal, 0));
}

void Importer::define(const std::string &name, Value v) {
  if (!name.empty() && !scopes.back().emplace(name, v).second)
    throw Refusal{"the name '" + name + "' is defined twice"};
}

Value Importer::lookup(const std::string &name) {
  for (auto it = scopes.rbegin(); it != scopes.rend(); ++it)
    if (auto found = it->find(name); found != it->end())
      return found->second;
  return {};
}

Value Importer::none(Location loc) { return onnx::NoValueOp::create(b, loc, b.getNoneType()); }

Value Importer::emit(Location loc, StringRef op, ValueRange operands, Type result, ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, ("onnx." + op).str());
  state.addOperands(operands);
  if (const onnx::OpSchema *schema = onnx::schemaOf(op))
    while (state.operands.size() < schema->inputs.size() && !schema->inputs[state.operands.size()].variadic)
      state.operands.push_back(none(loc));
  state.addTypes(result);
  state.addAttributes(attributes);
  return b.create(state)->getResult(0);
}

int64_t Importer::versionOf(StringRef domain) const {
  auto it = opsets.find(domain == "ai.onnx" ? "" : domain.str());
  return it == opsets.end() ? -1 : it->second;
}

std::string Importer::nameOf(const Node &node) const {
  return node.proto->name().empty() ? node.op + "_" + std::to_string(ordinal) : node.proto->name();
}

void Importer::refuse(const Node &node, const std::string &reason) {
  std::string name = nameOf(node);
  std::string domain = node.domain.empty() ? "ai.onnx" : node.domain;
  report.unsupported.push_back({name, domain, node.op, node.version, reason});
  problems.push_back("node '" + name + "' (" + domain + " " + node.op + "-" + std::to_string(node.version) + "): " + reason);
}

Attribute Importer::convertAttribute(const pb::AttributeProto &a) {
  using A = pb::AttributeProto;
  switch (a.type()) {
  case A::INT: return IntegerAttr::get(b.getIntegerType(64, true), a.i());
  case A::FLOAT: return b.getF32FloatAttr(a.f());
  case A::STRING: return b.getStringAttr(a.s());
  case A::INTS: return b.getDenseI64ArrayAttr(SmallVector<int64_t>(a.ints().begin(), a.ints().end()));
  case A::FLOATS: return b.getDenseF32ArrayAttr(SmallVector<float>(a.floats().begin(), a.floats().end()));
  case A::STRINGS: {
    SmallVector<Attribute> strings;
    for (const auto &s : a.strings())
      strings.push_back(b.getStringAttr(s));
    return b.getArrayAttr(strings);
  }
  case A::TENSOR: return convertTensor(a.t());
  case A::TYPE_PROTO: return TypeAttr::get(typeOf(a.tp(), false));
  default: throw Refusal{"attribute '" + a.name() + "' has an unsupported kind"};
  }
}

/// What the model says of the ranks of its values. Shape inference asks where it cannot tell, and checks at run time.
void Importer::noteRanks(const pb::GraphProto &graph) {
  auto note = [&](const pb::ValueInfoProto &info) {
    if (info.type().has_tensor_type() && info.type().tensor_type().has_shape())
      hints[info.name()] = info.type().tensor_type().shape().dim_size();
  };
  for (const auto &info : graph.value_info())
    note(info);
  for (const auto &info : graph.output())
    note(info);
  // Backwards through what keeps ranks, or broadcasts: a guess that is checked at run time like the rest.
  static const llvm::StringSet<> keeping = {"Abs", "Add", "Cast", "CastLike", "Div", "Exp", "Identity", "Log", "Mul", "Neg",
                                            "Not", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Sub", "Tanh"};
  for (int i = graph.node_size() - 1; i >= 0; --i) {
    const pb::NodeProto &node = graph.node(i);
    if (node.output_size() != 1 || !keeping.contains(node.op_type()))
      continue;
    if (auto it = hints.find(node.output(0)); it != hints.end())
      for (int k = 0; k < (node.op_type() == "CastLike" ? 1 : node.input_size()); ++k)
        hints.try_emplace(node.input(k), it->second);
  }
}

void Importer::importRegion(Region &region, const pb::GraphProto &graph, ArrayRef<Type> argumentTypes) {
  if (depth >= kMaxNesting)
    throw Refusal{"subgraphs are nested too deeply"};
  ++depth;
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region);
  scopes.emplace_back();
  auto leave = llvm::scope_exit([&] { scopes.pop_back(), --depth; });
  if ((size_t)graph.input_size() != argumentTypes.size())
    throw Refusal{"subgraph '" + graph.name() + "' has " + std::to_string(graph.input_size()) + " inputs, " +
                  std::to_string(argumentTypes.size()) + " are given"};
  for (auto [i, type] : llvm::enumerate(argumentTypes))
    define(graph.input(i).name(), block->addArgument(type, b.getUnknownLoc()));
  for (const auto &t : graph.initializer())
    define(t.name(), constant(b.getUnknownLoc(), convertTensor(t)));
  noteRanks(graph);
  importNodes(graph.node());
  SmallVector<Value> results;
  for (const auto &o : graph.output()) {
    Value v = lookup(o.name());
    if (!v)
      throw Refusal{"subgraph output '" + o.name() + "' is not computed"};
    results.push_back(v);
  }
  onnx::YieldOp::create(b, b.getUnknownLoc(), results);
}

void Importer::importOperator(Node &n, Location loc) {
  bool microsoft = n.domain == "com.microsoft";
  const pb::OpSchema *schema = pb::OpSchemaRegistry::Schema(n.op, n.version, n.domain);
  if (n.domain == "ai.onnx.ml" || n.domain == "ai.onnx.training" || n.domain == "ai.onnx.preview.training")
    throw Refusal{"operators of " + n.domain + " are not supported"};
  // ai.onnx has these two as they are.
  if (microsoft && (n.op == "LinearAttention" || n.op == "CausalConvWithState")) {
    n.domain.clear();
    n.version = 27;
    schema = pb::OpSchemaRegistry::Schema(n.op, n.version, n.domain);
    for (auto &[name, a] : n.attributes)
      if (!schema->attributes().count(name.str()) && a->i() != 0)
        throw Refusal{"attribute '" + name.str() + "' is not supported"};
  }
  // onnxruntime writes this one into the default domain.
  bool misplaced = !schema && n.domain.empty() && n.op == "SimplifiedLayerNormalization";
  if ((microsoft || misplaced) && expandVendor(n, loc))
    return;
  if (!schema)
    throw Refusal{"unknown operator; give its body as a model-local function"};
  n.version = schema->SinceVersion();
  if (auto known = report.nodes.find(nameOf(n)); !inBody && known != report.nodes.end())
    known->second.opset = n.version;
  if (n.outputNames.empty())
    throw Refusal{"has no outputs"};
  if (refused.contains(n.op) && !microsoft)
    throw Refusal{"string and image operators are not supported"};

  if (n.op == "Constant" && !microsoft) {
    checkAttributes(n, *schema);
    if (n.proto->attribute_size() != 1)
      throw Refusal{"Constant needs exactly one attribute"};
    const auto &a = n.proto->attribute(0);
    ElementsAttr value;
    if (a.name() == "value")
      value = convertTensor(a.t());
    else if (a.name() == "value_int")
      value = intsConstant({a.i()}, true);
    else if (a.name() == "value_ints")
      value = intsConstant(SmallVector<int64_t>(a.ints().begin(), a.ints().end()));
    else if (a.name() == "value_float")
      value = DenseElementsAttr::get(RankedTensorType::get({}, b.getF32Type()), a.f());
    else if (a.name() == "value_floats")
      value = DenseElementsAttr::get(RankedTensorType::get({(int64_t)a.floats_size()}, b.getF32Type()),
                                     ArrayRef<float>(a.floats().data(), a.floats_size()));
    else
      throw Refusal{"constants of kind '" + a.name() + "' are not supported"};
    define(n.outputNames[0], constant(loc, value));
    return;
  }
  for (Value v : n.operands)
    if (auto t = dyn_cast<TensorType>(v.getType()); t && isa<onnx::StringType>(t.getElementType()))
      throw Refusal{"string tensors are not supported"};
  checkNode(n, *schema);
  completeOperands(n, loc);
  if (expanded.contains(n.op) && (n.op != "GroupNormalization" || n.version >= 21) && expandBody(n, loc))
    return;
  if (!normalise(n, loc))
    return;
  Operation *op = build(n, loc);
  for (auto [i, name] : llvm::enumerate(n.outputNames))
    define(name, op->getResult(i));
}

/// The operation of a node in its latest form.
Operation *Importer::build(Node &n, Location loc) {
  const onnx::OpSchema *target = onnx::schemaOf(n.op);
  if (!target)
    throw Refusal{"operator has no form in the onnx dialect"};
  const pb::OpSchema *latest = pb::OpSchemaRegistry::Schema(n.op, 1 << 20, "");
  OperationState state(loc, "onnx." + n.op);
  state.addOperands(n.operands);
  bool variadicIn = !target->inputs.empty() && target->inputs.back().variadic;
  while (state.operands.size() < target->inputs.size() && !variadicIn)
    state.operands.push_back(none(loc));
  bool region = n.op == "If" || n.op == "Loop" || n.op == "Scan";
  size_t numResults = target->outputs.size();
  if (!target->outputs.empty() && target->outputs.back().variadic)
    numResults = n.outputNames.size();
  if (n.outputNames.size() > numResults)
    throw Refusal{"has " + std::to_string(n.outputNames.size()) + " outputs"};

  for (auto &[name, a] : n.attributes) {
    if (a->has_g())
      continue;
    if (latest->attributes().count(name.str()) && !llvm::any_of(n.extra, [&](NamedAttribute x) { return x.getName() == name; }))
      state.addAttribute(name, convertAttribute(*a));
  }
  for (NamedAttribute a : n.extra)
    state.addAttribute(a.getName(), a.getValue());

  if (region) {
    SmallVector<StringRef> names;
    if (n.op == "If")
      names = {"then_branch", "else_branch"};
    else
      names = {"body"};
    SmallVector<Type> arguments;
    if (n.op == "Loop") {
      while (state.operands.size() < 2)
        state.operands.push_back(none(loc));
      arguments = {RankedTensorType::get({}, b.getI64Type()), RankedTensorType::get({}, b.getI1Type())};
      for (Value v : ArrayRef<Value>(state.operands).drop_front(2))
        arguments.push_back(withoutShape(v.getType()));
    } else if (n.op == "Scan") {
      for (Value v : state.operands)
        arguments.push_back(withoutShape(v.getType()));
    }
    SmallVector<std::unique_ptr<Region>> regions;
    for (StringRef name : names) {
      const auto *a = n.attributes.lookup(name);
      if (!a || !a->has_g())
        throw Refusal{"lacks the subgraph '" + name.str() + "'"};
      regions.push_back(std::make_unique<Region>());
      importRegion(*regions.back(), a->g(), arguments);
    }
    auto yield = cast<onnx::YieldOp>(regions[0]->front().getTerminator());
    size_t skip = n.op == "Loop" ? 1 : 0; // the loop's condition
    if (yield.getNumOperands() != n.outputNames.size() + skip)
      throw Refusal{"the subgraph '" + names[0].str() + "' gives " + std::to_string(yield.getNumOperands()) +
                    " outputs, the node has " + std::to_string(n.outputNames.size())};
    checkRegions(n, state.operands, regions);
    for (size_t i = skip; i < yield.getNumOperands(); ++i)
      state.addTypes(withoutShape(yield.getOperand(i).getType()));
    for (auto &r : regions)
      state.addRegion(std::move(r));
  } else {
    for (size_t i = 0; i < numResults; ++i) {
      bool absent = i >= n.outputNames.size() || n.outputNames[i].empty();
      state.addTypes(absent && i > 0 ? (Type)b.getNoneType() : resultType(n, *latest, i));
    }
  }
  if (auto it = hints.find(n.outputNames[0]); it != hints.end() && state.types.size() == 1 && isa<TensorType>(state.types[0]))
    state.addAttribute(onnx::kRankHint, b.getI64IntegerAttr(it->second));
  return b.create(state);
}

/// Scan-8: every operand has a batch dimension in front, and each batch may have a length of its own. It is a Scan over
/// the batch around a Scan over time; what lies behind a length is 0.
void Importer::importBatchedScan(Node &n, Location loc) {
  auto si64 = [&](int64_t v) { return IntegerAttr::get(b.getIntegerType(64, true), v); };
  bool lengths = !onnx::isNone(n.operands[0]);
  SmallVector<Value> outer(n.operands.begin() + (lengths ? 0 : 1), n.operands.end());
  if (const auto *directions = n.take("directions"))
    n.extra.push_back(b.getNamedAttr("scan_input_directions", b.getDenseI64ArrayAttr(SmallVector<int64_t>(directions->ints().begin(), directions->ints().end()))));
  size_t scanned = n.attributes["num_scan_inputs"]->i(), carried = n.operands.size() - 1 - scanned;
  auto region = std::make_unique<Region>();
  OperationState state(loc, "onnx.Scan", outer, {}, b.getNamedAttr("num_scan_inputs", si64(outer.size())));
  {
    OpBuilder::InsertionGuard guard(b);
    Block *block = b.createBlock(region.get());
    for (Value v : outer)
      block->addArgument(withoutShape(v.getType()), loc);
    Type ints = UnrankedTensorType::get(b.getI64Type());
    Value zero = constant(loc, intsConstant({0})), length, total;
    auto sizeOf = [&](Value v) {
      return emit(loc, "Shape", v, ints, {b.getNamedAttr("start", si64(0)), b.getNamedAttr("end", si64(1))});
    };
    SmallVector<Value> inner(block->getArguments().drop_front(lengths));
    if (lengths)
      length = emit(loc, "Unsqueeze", {block->getArgument(0), zero}, ints);
    for (Value &v : MutableArrayRef(inner).drop_front(carried)) {
      total = sizeOf(v);
      if (lengths)
        v = emit(loc, "Slice", {v, zero, length, zero}, v.getType());
    }
    n.operands = inner;
    Operation *scan = build(n, loc);
    SmallVector<Value> results(scan->getResults());
    for (Value &r : MutableArrayRef(results).drop_front(lengths ? carried : results.size())) {
      Value missing = emit(loc, "Sub", {total, sizeOf(r)}, ints);
      Value pads = emit(loc, "Concat", {zero, missing}, ints, b.getNamedAttr("axis", si64(0)));
      r = emit(loc, "Pad", {r, pads, none(loc), zero}, r.getType());
    }
    onnx::YieldOp::create(b, loc, results);
    state.addTypes(ValueRange(results).getTypes());
  }
  state.addRegion(std::move(region));
  Operation *op = b.create(state);
  for (auto [i, name] : llvm::enumerate(n.outputNames))
    define(name, op->getResult(i));
}

void Importer::importNode(const pb::NodeProto &proto) {
  if (!inBody)
    ++ordinal;
  Node n;
  n.op = proto.op_type();
  n.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  n.version = versionOf(n.domain);
  n.proto = &proto;
  for (const auto &name : proto.output())
    n.outputNames.push_back(name);
  Location loc = locationOf(proto);
  size_t before = problems.size();
  if (!inBody)
    report.nodes.try_emplace(nameOf(n), UnsupportedNode{"", n.domain.empty() ? "ai.onnx" : n.domain, n.op, n.version, ""});
  try {
    if (++nodeCount > kMaxNodes)
      throw Refusal{"the graph has too many nodes"};
    if (n.version < 0)
      throw Refusal{"domain '" + n.domain + "' is not imported by the model"};
    bool poisoned = false;
    for (const auto &name : proto.input()) {
      n.inputNames.push_back(name);
      Value v = name.empty() ? none(loc) : lookup(name);
      if (!v) {
        if (problems.empty())
          throw Refusal{"input '" + name + "' is computed nowhere before (a cycle, or a missing node)"};
        poisoned = true;
        v = none(loc);
      }
      n.operands.push_back(v);
    }
    for (const auto &a : proto.attribute()) {
      if (!n.attributes.insert({a.name(), &a}).second)
        throw Refusal{"attribute '" + a.name() + "' is given twice"};
      if (!a.ref_attr_name().empty())
        throw Refusal{"attribute '" + a.name() + "' refers to a function's attribute outside of a function"};
    }
    if (!poisoned) {
      importOperator(n, loc);
      return;
    }
    // A consumer of a refused node: look at the operator itself only.
    if (!pb::OpSchemaRegistry::Schema(n.op, n.version, n.domain))
      throw Refusal{"unknown operator; give its body as a model-local function"};
  } catch (Refusal &r) {
    if (problems.size() == before)
      refuse(n, r.reason);
  } catch (std::exception &e) {
    if (problems.size() == before)
      refuse(n, firstLine(e.what()));
  }
}

void Importer::importNodes(const google::protobuf::RepeatedPtrField<pb::NodeProto> &nodes) {
  for (const auto &node : nodes)
    importNode(node);
}

void Importer::importMain(const pb::GraphProto &graph) {
  Location loc = FileLineColLoc::get(&context, llvm::sys::path::filename(path), 0, 0);
  scopes.emplace_back();
  llvm::StringSet<> initialized;
  for (const auto &t : graph.initializer())
    initialized.insert(t.name());
  auto function = func::FuncOp::create(b, loc, "main", b.getFunctionType({}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  for (const auto &t : graph.initializer()) {
    try {
      define(t.name(), constant(loc, convertTensor(t)));
    } catch (Refusal &r) {
      problems.push_back("initializer '" + t.name() + "': " + r.reason);
    }
  }
  if (graph.sparse_initializer_size())
    problems.push_back("sparse initializers are not supported");
  for (const auto &input : graph.input()) {
    if (initialized.contains(input.name()))
      continue;
    try {
      Type type = typeOf(input.type(), true);
      if (isa<UnrankedTensorType>(type))
        throw Refusal{"a tensor of unknown rank"};
      if (auto t = dyn_cast<TensorType>(type); t && isa<onnx::StringType>(t.getElementType()))
        throw Refusal{"string tensors are not supported"};
      Value arg = entry->addArgument(type, loc);
      unsigned number = entry->getNumArguments() - 1;
      function.setType(b.getFunctionType(entry->getArgumentTypes(), {}));
      function.setArgAttr(number, "onnx.name", b.getStringAttr(input.name()));
      define(input.name(), arg);
      if (auto ranked = dyn_cast<RankedTensorType>(type))
        for (int64_t i = 0; i < ranked.getRank(); ++i)
          if (auto s = dyn_cast<AffineSymbolExpr>(onnx::getDimExpr(ranked, i)))
            BindDimOp::create(b, loc, arg, i, s.getPosition());
    } catch (Refusal &r) {
      problems.push_back("input '" + input.name() + "': " + r.reason);
    }
  }
  noteRanks(graph);
  importNodes(graph.node());
  SmallVector<Value> results;
  SmallVector<Attribute> names;
  SmallVector<int64_t> declared; // ranks; used where nothing else tells them
  for (const auto &output : graph.output()) {
    if (Value v = lookup(output.name())) {
      results.push_back(v);
      names.push_back(b.getStringAttr(output.name()));
      bool hasRank = output.type().has_tensor_type() && output.type().tensor_type().has_shape();
      declared.push_back(hasRank ? output.type().tensor_type().shape().dim_size() : -1);
    } else if (problems.empty()) {
      problems.push_back("output '" + output.name() + "' is not computed");
    }
  }
  func::ReturnOp::create(b, loc, results);
  function.setType(b.getFunctionType(entry->getArgumentTypes(), ValueRange(results).getTypes()));
  for (auto [i, name] : llvm::enumerate(names)) {
    function.setResultAttr(i, "onnx.name", name);
    if (declared[i] >= 0)
      function.setResultAttr(i, "onnx.rank", b.getI64IntegerAttr(declared[i]));
  }
}

OwningOpRef<ModuleOp> Importer::run() {
  auto fail = [&](const Twine &message) {
    emitError(FileLineColLoc::get(&context, path, 0, 0)) << message;
    return OwningOpRef<ModuleOp>();
  };
  auto buffer = llvm::MemoryBuffer::getFile(path, false, false);
  if (!buffer)
    return fail("cannot be read: " + buffer.getError().message());
  if ((*buffer)->getBufferSize() >= (size_t)INT32_MAX)
    return fail("is larger than 2 GiB; keep its weights as external data");
  model = std::make_shared<pb::ModelProto>();
  {
    google::protobuf::io::CodedInputStream in((const uint8_t *)(*buffer)->getBufferStart(), (*buffer)->getBufferSize());
    in.SetTotalBytesLimit(INT32_MAX);
    google::protobuf::LogSilencer silent;
    if (!model->ParseFromCodedStream(&in) || !in.ConsumedEntireMessage() || !model->has_graph())
      return fail("is not an ONNX model");
  }
  try {
    checkModel();
    for (const auto &o : model->opset_import())
      opsets[o.domain() == "ai.onnx" ? "" : o.domain()] = o.version();
    if (model->opset_import_size() == 0 && model->ir_version() < 3)
      opsets[""] = 1; // what the format said before it had opsets
    if (auto it = opsets.find(""); it != opsets.end() && (it->second < 1 || it->second > 28))
      return fail("uses opset " + Twine(it->second) + " of ai.onnx; 1 to 28 are supported");
    if (model->functions_size())
      pb::inliner::InlineLocalFunctions(*model, true);
    inferRanks();
  } catch (Refusal &r) {
    return fail(r.reason);
  } catch (std::exception &e) {
    return fail(firstLine(e.what()));
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(FileLineColLoc::get(&context, llvm::sys::path::filename(path), 0, 0));
  b.setInsertionPointToEnd(module->getBody());
  importMain(model->graph());
  if (!problems.empty()) {
    std::string text = "cannot compile, " + std::to_string(problems.size()) + " of " +
                       std::to_string(std::max<int64_t>(nodeCount, problems.size())) + " nodes are not supported:";
    for (const std::string &p : problems)
      text += "\n  " + p;
    return fail(text);
  }
  SmallVector<StringRef> names(symbolNames.begin(), symbolNames.end());
  (*module)->setAttr("onnx.symbols", b.getStrArrayAttr(names));
  SmallVector<NamedAttribute> facts;
  facts.push_back(b.getNamedAttr("producer", b.getStringAttr(model->producer_name())));
  facts.push_back(b.getNamedAttr("ir_version", b.getI64IntegerAttr(model->ir_version())));
  facts.push_back(b.getNamedAttr("opset", b.getI64IntegerAttr(versionOf(""))));
  for (const auto &p : model->metadata_props())
    facts.push_back(b.getNamedAttr("metadata." + p.key(), b.getStringAttr(p.value())));
  llvm::StringSet<> seen;
  llvm::erase_if(facts, [&](NamedAttribute a) { return !seen.insert(a.getName().strref()).second; });
  (*module)->setAttr("onnx.model", b.getDictionaryAttr(facts));
  return module;
}

OwningOpRef<ModuleOp> ssm::importModel(MLIRContext &context, StringRef path, ImportReport &report) {
  return Importer(context, path, report).run();
}
