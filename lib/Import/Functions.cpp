//===- Functions.cpp - operators through their function bodies -------------===//
// A body is imported in place of its node, with the node's name and place, so that what is said of it speaks of the node.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Import/Importer.h"
#include "llvm/ADT/ScopeExit.h"
#include "onnx/shape_inference/implementation.h"
#include <utility>

using namespace mlir;
using namespace ssm;

/// ONNX's own description of a type, with the rank where it is known.
void Importer::describe(Type type, pb::TypeProto &proto, int64_t rank) {
  if (auto s = dyn_cast<onnx::SequenceType>(type))
    return describe(s.getElement(), *proto.mutable_sequence_type()->mutable_elem_type());
  if (auto o = dyn_cast<onnx::OptionalType>(type))
    return describe(o.getElement(), *proto.mutable_optional_type()->mutable_elem_type());
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor)
    return;
  for (int d = 1; d < 27; ++d)
    if (d != pb::TensorProto::STRING && elementType(d) == tensor.getElementType())
      proto.mutable_tensor_type()->set_elem_type(d);
  auto ranked = dyn_cast<RankedTensorType>(type);
  if (ranked)
    rank = ranked.getRank();
  for (int64_t k = 0; k < rank; ++k) {
    auto *dim = proto.mutable_tensor_type()->mutable_shape()->add_dim();
    if (ranked && !ranked.isDynamicDim(k))
      dim->set_dim_value(ranked.getDimSize(k));
  }
  if (rank == 0)
    proto.mutable_tensor_type()->mutable_shape();
}

bool Importer::expandBody(Node &n, Location loc) {
  const pb::OpSchema *schema = pb::OpSchemaRegistry::Schema(n.op, n.version, n.domain);
  if (!schema || !(schema->HasFunction() || schema->HasContextDependentFunction()))
    return false;
  pb::FunctionProto function;
  if (schema->HasContextDependentFunction()) {
    std::vector<pb::TypeProto> types;
    for (auto [i, v] : llvm::enumerate(n.operands)) {
      int64_t rank = -1;
      try {
        rank = rankOf(n, i);
      } catch (Refusal &) { // a body that needs it says so
      }
      pb::TypeProto type;
      describe(v.getType(), type, rank);
      types.push_back(type);
    }
    pb::NodeProto copy = *n.proto;
    pb::FunctionBodyBuildContextImpl ctx(copy, types);
    if (!schema->BuildContextDependentFunction(ctx, function))
      return false;
  } else {
    function = *schema->GetFunction();
  }
  expandFunction(function, n, loc);
  return true;
}

static void substitute(pb::NodeProto &node, const std::map<std::string, pb::AttributeProto> &attributes) {
  for (int i = node.attribute_size() - 1; i >= 0; --i) {
    auto *a = node.mutable_attribute(i);
    if (!a->ref_attr_name().empty()) {
      auto it = attributes.find(a->ref_attr_name());
      if (it == attributes.end()) {
        node.mutable_attribute()->DeleteSubrange(i, 1);
        continue;
      }
      std::string name = a->name();
      *a = it->second;
      a->set_name(name);
    } else if (a->has_g()) {
      for (auto &inner : *a->mutable_g()->mutable_node())
        substitute(inner, attributes);
    }
  }
}

void Importer::expandFunction(const pb::FunctionProto &function, Node &n, Location loc) {
  if (++depth > kMaxNesting) {
    --depth;
    throw Refusal{"function bodies are nested too deeply"};
  }
  ++inBody;
  std::map<std::string, pb::AttributeProto> attributes;
  if (const pb::OpSchema *schema = pb::OpSchemaRegistry::Schema(n.op, n.version, n.domain))
    for (const auto &[name, a] : schema->attributes())
      if (a.default_value.has_name())
        attributes[name] = a.default_value;
  for (const auto &a : n.proto->attribute())
    attributes[a.name()] = a;
  auto savedOpsets = opsets;
  for (const auto &o : function.opset_import())
    opsets[o.domain() == "ai.onnx" ? "" : o.domain()] = o.version();
  // The body sees its own names only.
  std::vector<Scope> savedScopes;
  savedScopes.swap(scopes);
  auto savedRanks = std::exchange(ranks, {}), savedHints = std::exchange(hints, {});
  for (int i = 0; i < function.output_size() && i < (int)n.outputNames.size(); ++i)
    if (auto it = savedHints.find(n.outputNames[i]); it != savedHints.end())
      hints[function.output(i)] = it->second;
  scopes.emplace_back();
  std::optional restore = llvm::scope_exit([&] {
    scopes.swap(savedScopes);
    opsets = savedOpsets;
    ranks = std::move(savedRanks);
    hints = std::move(savedHints);
    --depth;
    --inBody;
  });
  for (int i = 0; i < function.input_size(); ++i) {
    if (i < (int)n.operands.size() && !onnx::isNone(n.operands[i])) {
      define(function.input(i), n.operands[i]);
      if (i < (int)n.inputNames.size())
        if (auto it = savedRanks.find(n.inputNames[i]); it != savedRanks.end())
          ranks[function.input(i)] = it->second;
    }
  }
  google::protobuf::RepeatedPtrField<pb::NodeProto> nodes = function.node();
  for (auto &node : nodes) {
    substitute(node, attributes);
    node.set_name(n.proto->name().empty() ? n.op + "_" + std::to_string(ordinal) : n.proto->name());
  }
  importNodes(nodes);
  SmallVector<Value> results;
  for (const auto &name : function.output())
    results.push_back(lookup(name));
  restore.reset();
  for (size_t i = 0; i < n.outputNames.size() && i < results.size(); ++i)
    if (!n.outputNames[i].empty() && results[i])
      define(n.outputNames[i], results[i]);
}
