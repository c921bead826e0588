//===- Export.cpp - the onnx dialect as an ONNX file -----------------------===//
// The inverse of the import: what import leaves is ONNX of the latest opset, so every operation is one node.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "lib/Import/Importer.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <set>

using namespace mlir;
using namespace ssm;

namespace {
class Exporter {
public:
  explicit Exporter(ModuleOp module) : module(module) {}
  LogicalResult run(llvm::raw_ostream &os);

private:
  LogicalResult exportBlock(Block &block, pb::GraphProto &graph);
  LogicalResult exportOp(Operation &op, pb::GraphProto &graph);
  LogicalResult exportTensor(ElementsAttr value, pb::TensorProto &tensor, Location loc);
  LogicalResult exportAttribute(Operation &op, NamedAttribute named, pb::NodeProto &node);
  LogicalResult exportType(Type type, pb::TypeProto &proto, Location loc);
  LogicalResult exportValue(Value v, pb::ValueInfoProto &info);
  std::string nameOf(Value v);
  std::string fresh(const std::string &wanted);

  ModuleOp module;
  ArrayAttr symbols;
  DenseMap<Value, std::string> names;
  std::set<std::string> taken;
  Block *mainBlock = nullptr;
  SmallVector<StringRef> outputNames; // of main
  int64_t made = 0;
};

/// TensorProto.DataType of an element type, by ONNX's name of it.
int32_t dtypeOf(Type element) {
  std::string name = StringRef(onnx::typeName(RankedTensorType::get({}, element))).drop_front(7).drop_back(1).upper();
  pb::TensorProto::DataType dtype;
  return pb::TensorProto_DataType_Parse(name, &dtype) ? (int32_t)dtype : 0;
}
} // namespace

/// A node of the block computes the value, so that the block's output can be the value itself.
static bool isComputedIn(Value v, Block *block) {
  return v.getParentBlock() == block && v.getDefiningOp() && !v.getDefiningOp<onnx::ConstantOp>();
}

std::string Exporter::fresh(const std::string &wanted) {
  std::string name = wanted;
  while (name.empty() || !taken.insert(name).second)
    name = (wanted.empty() ? "v" : wanted + "_") + std::to_string(made++);
  return name;
}

std::string Exporter::nameOf(Value v) {
  if (onnx::isNone(v))
    return "";
  std::string &name = names[v];
  if (name.empty())
    name = fresh("");
  return name;
}

LogicalResult Exporter::exportType(Type type, pb::TypeProto &proto, Location loc) {
  if (auto s = dyn_cast<onnx::SequenceType>(type))
    return exportType(s.getElement(), *proto.mutable_sequence_type()->mutable_elem_type(), loc);
  if (auto o = dyn_cast<onnx::OptionalType>(type))
    return exportType(o.getElement(), *proto.mutable_optional_type()->mutable_elem_type(), loc);
  auto tensor = dyn_cast<TensorType>(type);
  int32_t dtype = tensor ? dtypeOf(tensor.getElementType()) : 0;
  if (!dtype)
    return emitError(loc) << "type " << type << " has no spelling in ONNX";
  proto.mutable_tensor_type()->set_elem_type(dtype);
  auto ranked = dyn_cast<RankedTensorType>(type);
  if (!ranked)
    return success();
  auto *shape = proto.mutable_tensor_type()->mutable_shape();
  for (int64_t i = 0; i < ranked.getRank(); ++i) {
    auto *dim = shape->add_dim();
    if (!ranked.isDynamicDim(i)) {
      dim->set_dim_value(ranked.getDimSize(i));
    } else if (ranked.getEncoding()) {
      auto s = dyn_cast<AffineSymbolExpr>(onnx::getDimExpr(ranked, i));
      if (s && symbols && s.getPosition() < symbols.size())
        dim->set_dim_param(cast<StringAttr>(symbols[s.getPosition()]).str());
    }
  }
  return success();
}

LogicalResult Exporter::exportValue(Value v, pb::ValueInfoProto &info) {
  info.set_name(nameOf(v));
  return exportType(v.getType(), *info.mutable_type(), v.getLoc());
}

LogicalResult Exporter::exportTensor(ElementsAttr value, pb::TensorProto &tensor, Location loc) {
  Type element = value.getElementType();
  tensor.set_data_type(dtypeOf(element));
  for (int64_t d : value.getShapedType().getShape())
    tensor.add_dims(d);
  unsigned bits = isa<ComplexType>(element) ? 64 : element.getIntOrFloatBitWidth();
  std::string bytes; // one byte an element for types of at most eight bits
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return emitError(loc) << "the constant '" << resource.getRawHandle().getKey() << "' has no data";
    bytes.assign(blob->getData().data(), blob->getData().size());
  } else if (bits < 8) {
    auto add = [&](const APInt &v) { bytes.push_back((char)v.getZExtValue()); };
    if (isa<FloatType>(element))
      for (APFloat v : value.getValues<APFloat>())
        add(v.bitcastToAPInt());
    else
      for (APInt v : value.getValues<APInt>())
        add(v);
  } else {
    auto dense = cast<DenseElementsAttr>(value);
    ArrayRef<char> raw = dense.getRawData();
    for (int64_t i = 0, n = dense.isSplat() ? value.getNumElements() : 1; i < n; ++i)
      bytes.append(raw.data(), raw.size());
  }
  if (bits > 1 && bits < 8) {
    unsigned perByte = 8 / bits;
    std::string packed((bytes.size() + perByte - 1) / perByte, '\0');
    for (size_t i = 0; i < bytes.size(); ++i)
      packed[i / perByte] |= (bytes[i] & ((1 << bits) - 1)) << (i % perByte * bits);
    bytes = packed;
  }
  tensor.set_raw_data(bytes);
  return success();
}

LogicalResult Exporter::exportAttribute(Operation &op, NamedAttribute named, pb::NodeProto &node) {
  using A = pb::AttributeProto;
  auto *a = node.add_attribute();
  a->set_name(named.getName().str());
  Attribute value = named.getValue();
  if (auto i = dyn_cast<IntegerAttr>(value)) {
    a->set_type(A::INT);
    a->set_i(i.getValue().getSExtValue());
  } else if (auto f = dyn_cast<FloatAttr>(value)) {
    a->set_type(A::FLOAT);
    a->set_f((float)f.getValueAsDouble());
  } else if (auto s = dyn_cast<StringAttr>(value)) {
    a->set_type(A::STRING);
    a->set_s(s.str());
  } else if (auto is = dyn_cast<DenseI64ArrayAttr>(value)) {
    a->set_type(A::INTS);
    for (int64_t i : is.asArrayRef())
      a->add_ints(i);
  } else if (auto fs = dyn_cast<DenseF32ArrayAttr>(value)) {
    a->set_type(A::FLOATS);
    for (float f : fs.asArrayRef())
      a->add_floats(f);
  } else if (auto t = dyn_cast<TypeAttr>(value)) {
    a->set_type(A::TYPE_PROTO);
    return exportType(t.getValue(), *a->mutable_tp(), op.getLoc());
  } else if (auto e = dyn_cast<ElementsAttr>(value)) {
    a->set_type(A::TENSOR);
    return exportTensor(e, *a->mutable_t(), op.getLoc());
  } else if (auto strings = dyn_cast<ArrayAttr>(value)) {
    a->set_type(A::STRINGS);
    for (Attribute s : strings)
      a->add_strings(cast<StringAttr>(s).str());
  } else {
    return op.emitError("attribute '") << named.getName() << "' has no spelling in ONNX";
  }
  return success();
}

LogicalResult Exporter::exportOp(Operation &op, pb::GraphProto &graph) {
  StringRef type = op.getName().stripDialect();
  auto &node = *graph.add_node();
  if (type.consume_front("ms."))
    node.set_domain("com.microsoft");
  node.set_op_type(type.str());
  if (auto name = op.getLoc()->findInstanceOf<NameLoc>())
    node.set_name(name.getName().str());
  for (Value v : op.getOperands())
    node.add_input(nameOf(v));
  while (node.input_size() && node.input(node.input_size() - 1).empty())
    node.mutable_input()->RemoveLast();
  for (Value v : op.getResults())
    node.add_output(nameOf(v));
  while (node.output_size() && node.output(node.output_size() - 1).empty())
    node.mutable_output()->RemoveLast();
  // Attributes with a prefix are the compiler's own notes.
  for (NamedAttribute a : op.getAttrDictionary())
    if (!a.getName().getValue().contains('.') && failed(exportAttribute(op, a, node)))
      return failure();
  for (auto [i, region] : llvm::enumerate(op.getRegions())) {
    auto *a = node.add_attribute();
    a->set_name(!isa<onnx::IfOp>(op) ? "body" : i == 0 ? "then_branch" : "else_branch");
    a->set_type(pb::AttributeProto::GRAPH);
    a->mutable_g()->set_name(fresh(a->name()));
    if (failed(exportBlock(region.front(), *a->mutable_g())))
      return failure();
  }
  return success();
}

LogicalResult Exporter::exportBlock(Block &block, pb::GraphProto &graph) {
  for (Value v : block.getArguments())
    if (failed(exportValue(v, *graph.add_input())))
      return failure();
  for (Operation &op : block) {
    if (isa<onnx::NoValueOp, BindDimOp>(op))
      continue;
    if (auto constant = dyn_cast<onnx::ConstantOp>(op)) {
      auto *tensor = graph.add_initializer();
      tensor->set_name(nameOf(constant));
      if (failed(exportTensor(constant.getValue(), *tensor, op.getLoc())))
        return failure();
    } else if (op.hasTrait<OpTrait::IsTerminator>()) {
      llvm::DenseSet<Value> seen;
      for (auto [i, v] : llvm::enumerate(op.getOperands())) {
        // An output has a name of its own, also when it is an input, an outer value or another output.
        auto *info = graph.add_output();
        if (isComputedIn(v, &block) && seen.insert(v).second) {
          if (failed(exportValue(v, *info)))
            return failure();
          continue;
        }
        auto &node = *graph.add_node();
        node.set_op_type("Identity");
        node.add_input(nameOf(v));
        node.add_output(fresh(&block == mainBlock ? outputNames[i].str() : nameOf(v) + "_out"));
        info->set_name(node.output(0));
        if (failed(exportType(v.getType(), *info->mutable_type(), v.getLoc())))
          return failure();
      }
    } else if (!isa<onnx::OnnxDialect>(op.getDialect()) || isa<onnx::DimsOp>(op)) {
      return op.emitError("operation '") << op.getName() << "' has no spelling in ONNX";
    } else if (failed(exportOp(op, graph))) {
      return failure();
    }
  }
  return success();
}

LogicalResult Exporter::run(llvm::raw_ostream &os) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main)
    return module.emitError("has no function 'main'");
  symbols = module->getAttrOfType<ArrayAttr>("onnx.symbols");
  pb::ModelProto model;
  model.set_ir_version(pb::Version::IR_VERSION);
  model.set_producer_name("ssm-mlir");
  for (auto [domain, version] : {std::pair("", 28), std::pair("com.microsoft", 1)}) {
    auto *opset = model.add_opset_import();
    opset->set_domain(domain);
    opset->set_version(version);
  }
  model.mutable_graph()->set_name("main");
  mainBlock = &main.getBody().front();
  for (auto [i, v] : llvm::enumerate(main.getArguments()))
    if (auto name = main.getArgAttrOfType<StringAttr>(i, "onnx.name"))
      names[v] = fresh(name.str());
  for (auto [i, v] : llvm::enumerate(mainBlock->getTerminator()->getOperands())) {
    auto name = main.getResultAttrOfType<StringAttr>(i, "onnx.name");
    outputNames.push_back(name ? name.getValue() : "");
    if (name && !name.empty() && isComputedIn(v, mainBlock) && !names.count(v))
      names[v] = fresh(name.str());
  }
  if (failed(exportBlock(*mainBlock, *model.mutable_graph())))
    return failure();
  std::string bytes;
  if (model.ByteSizeLong() >= (size_t)INT32_MAX || !model.SerializeToString(&bytes))
    return module.emitError("is larger than an ONNX file may be");
  os << bytes;
  return success();
}

LogicalResult ssm::exportModel(ModuleOp module, llvm::raw_ostream &os) { return Exporter(module).run(os); }
