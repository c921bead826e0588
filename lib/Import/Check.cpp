//===- Check.cpp - what is not ONNX is refused -----------------------------===//
// Files come from anywhere. Everything that later code takes for granted of a node is checked here against the schema
// of the node's own version: attributes, numbers of inputs and outputs, types; and of subgraphs what they take and
// give.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Import/Importer.h"
#include "onnx/checker.h"
#include "onnx/shape_inference/implementation.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ssm;

std::string ssm::firstLine(StringRef message) {
  message = message.split("==> Context").first.trim();
  message.consume_front("[ShapeInferenceError] ");
  return message.split('\n').first.str();
}

Type ssm::withoutShape(Type t) {
  if (auto tensor = dyn_cast<TensorType>(t))
    return UnrankedTensorType::get(tensor.getElementType());
  return t;
}

/// Nodes of a graph or function with its subgraphs; nested ones are bounded by the parser's limit on depth.
template <typename Nodes>
static void forEachNode(const Nodes &nodes, llvm::function_ref<void(const pb::NodeProto &)> visit) {
  for (const pb::NodeProto &node : nodes) {
    visit(node);
    for (const auto &a : node.attribute()) {
      if (a.has_g())
        forEachNode(a.g().node(), visit);
      for (const auto &g : a.graphs())
        forEachNode(g.node(), visit);
    }
  }
}

/// libonnx makes room for as many outputs as the attribute of Split says before it looks.
static bool hasItsOutputs(const pb::NodeProto &node) {
  return node.op_type() != "Split" || llvm::all_of(node.attribute(), [&](const auto &a) {
           return a.name() != "num_outputs" || a.i() == node.output_size();
         });
}

void Importer::checkModel() {
  if (model->ir_version() > pb::Version::IR_VERSION)
    throw Refusal{"has IR version " + std::to_string(model->ir_version()) + "; versions up to " +
                  std::to_string((int)pb::Version::IR_VERSION) + " are known"};
  if (model->functions_size() == 0)
    return;
  pb::checker::check_function_call_cycles(*model);
  // Calls of calls multiply: count before inlining.
  llvm::StringMap<const pb::FunctionProto *> functions;
  llvm::StringMap<int64_t> sizes;
  for (const auto &f : model->functions())
    functions[f.domain() + "/" + f.name()] = &f;
  std::function<int64_t(const std::string &)> sizeOf = [&](const std::string &key) -> int64_t {
    if (auto known = sizes.find(key); known != sizes.end())
      return known->second;
    int64_t total = 0;
    forEachNode(functions[key]->node(), [&](const pb::NodeProto &node) {
      std::string callee = node.domain() + "/" + node.op_type();
      total = std::min<int64_t>(kMaxNodes + 1, total + 1 + (functions.count(callee) ? sizeOf(callee) : 0));
    });
    return sizes[key] = total;
  };
  int64_t total = 0;
  forEachNode(model->graph().node(), [&](const pb::NodeProto &node) {
    std::string callee = node.domain() + "/" + node.op_type();
    total = std::min<int64_t>(kMaxNodes + 1, total + 1 + (functions.count(callee) ? sizeOf(callee) : 0));
  });
  if (total > kMaxNodes)
    throw Refusal{"has more than " + std::to_string(kMaxNodes) + " nodes once its functions are expanded"};
}

void Importer::checkAttributes(const Node &n, const pb::OpSchema &schema) {
  // Old files use operators that newer versions deprecate; what is taken over from another domain has been looked at.
  if (!schema.Deprecated() && n.domain == (n.proto->domain() == "ai.onnx" ? "" : n.proto->domain()))
    schema.Verify(*n.proto);
}

void Importer::checkNode(const Node &n, const pb::OpSchema &schema) {
  checkAttributes(n, schema);
  if ((int)n.operands.size() < schema.min_input() || (int)n.operands.size() > schema.max_input())
    throw Refusal{"has " + std::to_string(n.operands.size()) + " inputs"};
  if (!hasItsOutputs(*n.proto))
    throw Refusal{"num_outputs is not the number of its outputs"};
  const auto &formals = schema.inputs();
  llvm::StringMap<Type> bound;
  for (auto [i, v] : llvm::enumerate(n.operands)) {
    if (onnx::isNone(v) || formals.empty())
      continue;
    const auto &formal = formals[std::min(i, formals.size() - 1)];
    std::string name = onnx::typeName(v.getType());
    bool allowed = llvm::any_of(formal.GetTypes(), [&](const std::string *t) { return *t == name; });
    if (!allowed)
      throw Refusal{"input '" + formal.GetName() + "' has type " + name + ", which " + n.op + "-" +
                    std::to_string(schema.SinceVersion()) + " does not allow"};
    if (formal.GetOption() == pb::OpSchema::Variadic && !formal.GetIsHomogeneous())
      continue;
    Type type = withoutShape(v.getType());
    auto [it, fresh] = bound.try_emplace(formal.GetTypeStr(), type);
    if (!fresh && onnx::typeName(it->second) != name)
      throw Refusal{"input '" + formal.GetName() + "' has type " + name + ", other inputs of the same type " +
                    formal.GetTypeStr() + " have " + onnx::typeName(it->second)};
  }
}

void Importer::checkRegions(const Node &n, ValueRange operands, ArrayRef<std::unique_ptr<Region>> regions) {
  auto yields = [&](size_t i) { return regions[i]->front().getTerminator()->getOperands(); };
  auto same = [&](const std::string &what, Type x, Type y) {
    // What is in an optional may be carried on as it is.
    auto optional = dyn_cast<onnx::OptionalType>(x);
    if (onnx::typeName(x) != onnx::typeName(y) && !(optional && onnx::typeName(optional.getElement()) == onnx::typeName(y)))
      throw Refusal{what + " changes its type from " + onnx::typeName(x) + " to " + onnx::typeName(y)};
  };
  if (n.op == "If") {
    if (yields(0).size() != yields(1).size())
      throw Refusal{"its branches give " + std::to_string(yields(0).size()) + " and " +
                    std::to_string(yields(1).size()) + " outputs"};
    for (auto [i, x, y] : llvm::enumerate(yields(0), yields(1)))
      if (onnx::typeName(x.getType()) != onnx::typeName(y.getType()))
        throw Refusal{"its branches give output " + std::to_string(i) + " the types " + onnx::typeName(x.getType()) +
                      " and " + onnx::typeName(y.getType())};
    return;
  }
  bool loop = n.op == "Loop";
  size_t scanned = loop ? 0 : n.attributes.lookup("num_scan_inputs")->i();
  if (!loop && (scanned < 1 || scanned > operands.size()))
    throw Refusal{"num_scan_inputs is " + std::to_string((int64_t)scanned) + ", the node has " +
                  std::to_string(operands.size()) + " inputs"};
  size_t first = loop ? 2 : 0, carried = operands.size() - first - scanned, skip = loop ? 1 : 0;
  if (yields(0).size() < carried + skip)
    throw Refusal{"its body gives " + std::to_string(yields(0).size()) + " outputs, fewer than it carries"};
  if (loop && onnx::typeName(yields(0)[0].getType()) != "tensor(bool)")
    throw Refusal{"the condition that its body gives has type " + onnx::typeName(yields(0)[0].getType())};
  for (size_t i = 0; i < carried; ++i)
    same("carried value " + std::to_string(i), operands[first + i].getType(), yields(0)[skip + i].getType());
  for (Value v : yields(0).drop_front(carried + skip))
    if (!isa<TensorType>(v.getType()))
      throw Refusal{"a scan output of its body has type " + onnx::typeName(v.getType())};
  if (!loop)
    for (Value v : operands)
      if (!isa<TensorType>(v.getType()))
        throw Refusal{"an input has type " + onnx::typeName(v.getType())};
}

int64_t Importer::rankOf(const Node &node, unsigned operand) {
  Value v = node.operands[operand];
  if (auto ranked = dyn_cast<RankedTensorType>(v.getType()))
    return ranked.getRank();
  if (operand < node.inputNames.size())
    if (auto it = ranks.find(node.inputNames[operand]); it != ranks.end())
      return it->second;
  throw Refusal{"the rank of input " + std::to_string(operand) + " is not known"};
}

/// Only ranks are taken from libonnx: old broadcast rules and function bodies need some, shape inference takes hints.
void Importer::inferRanks() {
  bool sane = true;
  forEachNode(model->graph().node(), [&](const pb::NodeProto &node) { sane &= hasItsOutputs(node); });
  if (!sane)
    return; // the node is refused by name
  try {
    pb::ModelProto light;
    *light.mutable_opset_import() = model->opset_import();
    light.set_ir_version(model->ir_version());
    auto *g = light.mutable_graph();
    *g->mutable_node() = model->graph().node();
    *g->mutable_input() = model->graph().input();
    *g->mutable_output() = model->graph().output();
    for (const auto &t : model->graph().initializer()) {
      auto *info = g->add_input();
      info->set_name(t.name());
      info->mutable_type()->mutable_tensor_type()->set_elem_type(t.data_type());
      auto *shape = info->mutable_type()->mutable_tensor_type()->mutable_shape();
      for (int64_t d : t.dims())
        shape->add_dim()->set_dim_value(d);
    }
    pb::shape_inference::InferShapes(light);
    auto record = [&](const pb::ValueInfoProto &info) {
      if (info.type().has_tensor_type() && info.type().tensor_type().has_shape())
        ranks[info.name()] = info.type().tensor_type().shape().dim_size();
    };
    for (const auto &info : light.graph().input())
      record(info);
    for (const auto &info : light.graph().value_info()) {
      record(info);
      if (auto it = ranks.find(info.name()); it != ranks.end())
        hints[info.name()] = it->second;
    }
    for (const auto &info : light.graph().output())
      record(info);
  } catch (std::exception &) {
    // What it could not tell is asked for by name where it is needed.
  }
}
