//===- SequenceShapes.cpp - sequences and optionals ------------------------===//
// A sequence's type says what all its elements have in common; what is taken out of one is checked at run time.
//===----------------------------------------------------------------------===//
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

void ssm::addSequenceShapes(llvm::StringMap<ShapeRule> &rules) {
  auto sequenceElement = [](Value v) { return cast<onnx::SequenceType>(v.getType()).getElement(); };
  auto bindAll = [](Operation *op, Shapes &s, Type element) -> LogicalResult {
    Value r = op->getResult(0);
    auto ranked = dyn_cast<RankedTensorType>(element);
    if (auto hint = onnx::rankHint(op); hint && !ranked)
      ranked = RankedTensorType::get(SmallVector<int64_t>(*hint, ShapedType::kDynamic), cast<TensorType>(element).getElementType());
    if (!ranked)
      return op->emitError("the rank of the elements of a sequence is not known");
    Dims d;
    r.setType(RankedTensorType::get(SmallVector<int64_t>(ranked.getRank(), ShapedType::kDynamic), ranked.getElementType()));
    for (int64_t i = 0; i < ranked.getRank(); ++i)
      d.push_back(ranked.isDynamicDim(i) ? s.boundDim(r, i) : s.constant(ranked.getDimSize(i)));
    s.set(r, d);
    return success();
  };
  rules["Optional"] = [](Operation *op, Shapes &) -> LogicalResult {
    if (op->getNumOperands() && !onnx::isNone(op->getOperand(0)) && !isa<onnx::OptionalType>(op->getOperand(0).getType())) {
      Type t = op->getOperand(0).getType();
      if (auto ranked = dyn_cast<RankedTensorType>(t)) // without sizes that only this block knows
        t = RankedTensorType::get(ranked.getShape(), ranked.getElementType());
      op->getResult(0).setType(onnx::OptionalType::get(op->getContext(), t));
    }
    return success();
  };
  rules["OptionalGetElement"] = [=](Operation *op, Shapes &s) -> LogicalResult {
    Value x = op->getOperand(0);
    auto optional = dyn_cast<onnx::OptionalType>(x.getType());
    if (!optional) { // what is there always
      op->getResult(0).setType(x.getType());
      op->getResult(0).replaceAllUsesWith(x);
      return success();
    }
    if (isa<TensorType>(optional.getElement()))
      return bindAll(op, s, optional.getElement());
    op->getResult(0).setType(optional.getElement());
    return success();
  };
  rules["OptionalHasElement"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), {});
    return success();
  };
  auto plain = [](Type t) -> Type { // without sizes that only this block knows
    auto r = dyn_cast<RankedTensorType>(t);
    return r ? (Type)RankedTensorType::get(r.getShape(), r.getElementType()) : t;
  };
  rules["SequenceEmpty"] = [](Operation *, Shapes &) { return success(); };
  rules["SequenceConstruct"] = [=](Operation *op, Shapes &s) -> LogicalResult {
    Type t = plain(op->getOperand(0).getType());
    for (Value v : op->getOperands())
      t = joinElements(t, v.getType());
    op->getResult(0).setType(onnx::SequenceType::get(s.context, plain(t)));
    return success();
  };
  rules["SequenceInsert"] = [=](Operation *op, Shapes &s) -> LogicalResult {
    Type t = joinElements(sequenceElement(op->getOperand(0)), op->getOperand(1).getType());
    op->getResult(0).setType(onnx::SequenceType::get(s.context, plain(t)));
    return success();
  };
  rules["SequenceErase"] = [](Operation *op, Shapes &) -> LogicalResult {
    op->getResult(0).setType(op->getOperand(0).getType());
    return success();
  };
  rules["SequenceAt"] = [=](Operation *op, Shapes &s) -> LogicalResult {
    return bindAll(op, s, sequenceElement(op->getOperand(0)));
  };
  rules["SequenceLength"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), {});
    return success();
  };
  rules["ConcatFromSequence"] = [=](Operation *op, Shapes &s) -> LogicalResult {
    auto t = dyn_cast<RankedTensorType>(sequenceElement(op->getOperand(0)));
    if (!t)
      return bindAll(op, s, sequenceElement(op->getOperand(0)));
    bool stack = onnx::intAttr(op, "new_axis");
    int64_t rank = t.getRank() + stack, axis = normalAxis(onnx::intAttr(op, "axis"), rank);
    SmallVector<int64_t> shape(t.getShape());
    if (stack)
      shape.insert(shape.begin() + axis, ShapedType::kDynamic);
    else
      shape[axis] = ShapedType::kDynamic;
    return bindAll(op, s, RankedTensorType::get(shape, t.getElementType()));
  };
  rules["SplitToSequence"] = [=](Operation *op, Shapes &s) -> LogicalResult {
    auto t = cast<RankedTensorType>(op->getOperand(0).getType());
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), t.getRank());
    SmallVector<int64_t> shape(t.getShape());
    if (onnx::isNone(op->getOperand(1)) && !onnx::intAttr(op, "keepdims", 1))
      shape.erase(shape.begin() + axis);
    else
      shape[axis] = onnx::isNone(op->getOperand(1)) ? 1 : ShapedType::kDynamic;
    op->getResult(0).setType(onnx::SequenceType::get(s.context, RankedTensorType::get(shape, t.getElementType())));
    return success();
  };
}
