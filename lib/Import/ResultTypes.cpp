//===- ResultTypes.cpp - element types of a node's results -----------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Import/Importer.h"

using namespace mlir;
using namespace ssm;

/// Element type by the schema's letters; a few operators say it in an attribute.
Type Importer::resultType(const Node &n, const pb::OpSchema &schema, unsigned index) {
  auto unranked = [](Type element) -> Type {
    if (!element)
      throw Refusal{"an input that decides the element type is missing or is not a tensor"};
    return UnrankedTensorType::get(element);
  };
  auto dtypeAttr = [&](StringRef name) -> Type {
    if (const auto *a = n.attributes.lookup(name); a && a->i() != 0)
      return unranked(elementType(a->i()));
    for (const NamedAttribute &a : n.extra)
      if (a.getName() == name)
        return unranked(elementType(cast<IntegerAttr>(a.getValue()).getValue().getSExtValue()));
    return {};
  };
  auto operandElement = [&](unsigned i) -> Type {
    if (i >= n.operands.size())
      return {};
    auto t = dyn_cast<TensorType>(n.operands[i].getType());
    return t ? t.getElementType() : Type();
  };
  StringRef op = n.op;
  if (op == "Cast" || op == "BitCast")
    return dtypeAttr("to");
  if (op == "ConstantOfShape") {
    if (const auto *a = n.attributes.lookup("value"))
      return unranked(elementType(a->t().data_type()));
    return unranked(b.getF32Type());
  }
  if (op == "EyeLike" || op == "RandomNormalLike" || op == "RandomUniformLike" || op == "Bernoulli") {
    Type t = dtypeAttr("dtype");
    return t ? t : unranked(operandElement(0));
  }
  if (op == "RandomNormal" || op == "RandomUniform" || op == "Multinomial") {
    Type t = dtypeAttr("dtype");
    return t ? t : unranked(op == "Multinomial" ? (Type)b.getI32Type() : b.getF32Type());
  }
  if (op == "MelWeightMatrix") {
    Type t = dtypeAttr("output_datatype");
    return t ? t : unranked(b.getF32Type());
  }
  if (op == "QuantizeLinear") {
    if (Type zero = operandElement(2))
      return unranked(zero);
    Type t = dtypeAttr("output_dtype");
    return t ? t : unranked(b.getIntegerType(8, false));
  }
  if (op == "DequantizeLinear") {
    Type t = dtypeAttr("output_dtype");
    return t ? t : unranked(operandElement(1));
  }
  if (op == "SequenceEmpty") {
    Type t = dtypeAttr("dtype");
    return onnx::SequenceType::get(&context, t ? t : unranked(b.getF32Type()));
  }
  if (op == "SequenceConstruct")
    return onnx::SequenceType::get(&context, unranked(operandElement(0)));
  if (op == "SplitToSequence")
    return onnx::SequenceType::get(&context, unranked(operandElement(0)));
  if (op == "SequenceInsert" || op == "SequenceErase")
    return n.operands[0].getType();
  if (op == "SequenceAt" || op == "ConcatFromSequence") {
    auto sequence = dyn_cast<onnx::SequenceType>(n.operands[0].getType());
    if (!sequence)
      throw Refusal{"input 0 is not a sequence"};
    auto tensor = dyn_cast<TensorType>(sequence.getElement());
    if (!tensor)
      throw Refusal{"input 0 is not a sequence of tensors"};
    return unranked(tensor.getElementType());
  }
  if (op == "Optional") {
    if (!n.operands.empty() && !onnx::isNone(n.operands[0]))
      return onnx::OptionalType::get(&context, n.operands[0].getType());
    const auto *a = n.attributes.lookup("type");
    if (!a)
      throw Refusal{"Optional without an input and a type"};
    return onnx::OptionalType::get(&context, typeOf(a->tp(), false));
  }
  if (op == "OptionalGetElement") {
    auto optional = dyn_cast<onnx::OptionalType>(n.operands[0].getType());
    return optional ? optional.getElement() : n.operands[0].getType();
  }
  const auto &formals = schema.outputs();
  if (formals.empty())
    throw Refusal{"the operator has no outputs"};
  const std::string &letter = formals[std::min<size_t>(index, formals.size() - 1)].GetTypeStr();
  if (StringRef text = letter; text.consume_front("tensor(")) {
    static const std::pair<const char *, int> fixed[] = {
        {"int64)", pb::TensorProto::INT64}, {"int32)", pb::TensorProto::INT32}, {"bool)", pb::TensorProto::BOOL},
        {"float)", pb::TensorProto::FLOAT}, {"uint8)", pb::TensorProto::UINT8}, {"int8)", pb::TensorProto::INT8}};
    for (auto [name, dtype] : fixed)
      if (text == name)
        return unranked(elementType(dtype));
  }
  for (size_t i = 0; i < n.operands.size(); ++i) {
    const auto &inputs = schema.inputs();
    if (inputs.empty() || onnx::isNone(n.operands[i]))
      continue;
    if (inputs[std::min(i, inputs.size() - 1)].GetTypeStr() == letter) {
      Type t = n.operands[i].getType();
      if (auto tensor = dyn_cast<TensorType>(t))
        return unranked(tensor.getElementType());
      return t;
    }
  }
  // A constraint with one allowed type, such as I = tensor(int64).
  for (const auto &c : schema.typeConstraintParams())
    if (c.type_param_str == letter && c.allowed_type_strs.size() == 1)
      return unranked(c.allowed_type_strs[0] == "tensor(bool)"    ? (Type)b.getI1Type()
                      : c.allowed_type_strs[0] == "tensor(int64)" ? (Type)b.getI64Type()
                                                                  : (Type)b.getI32Type());
  // Several allowed and nothing to bind them: the first input decides.
  if (Type e = operandElement(0))
    return unranked(e);
  throw Refusal{"the element type of output " + std::to_string(index) + " is not known"};
}
