//===- AttentionSink.cpp - a score without a value -------------------------===//
#include "passes/raise/AttentionSink.h"

using namespace mlir;
using namespace ssm;

AttentionSink::AttentionSink(ElementReader &reader, const Softmax &softmax, ArrayRef<unsigned> rows)
    : space(reader.space), rows(rows), number(softmax.sinkNumber) {
  if (number) {
    valid = true;
    return;
  }
  operand = operandOf(reader, *softmax.sink);
  valid = operand && isa<FloatType>(getElementTypeOrSelf(operand->tensor.getType()));
  if (valid)
    for (const Axis &a : operand->layout)
      for (const Axis::Part &p : a.parts)
        valid &= p.divisor == 1 && llvm::is_contained(rows, p.iterator);
}

static Value create(OpBuilder &b, Location loc, StringRef name, ValueRange operands, Type type,
                    ArrayRef<NamedAttribute> attributes = {}) {
  OperationState state(loc, ("onnx." + name).str(), operands, {type}, attributes);
  return b.create(state)->getResult(0);
}

Value AttentionSink::arranged(OpBuilder &b, Location loc, Value v, ArrayRef<unsigned> from, ArrayRef<unsigned> to) {
  auto type = cast<RankedTensorType>(v.getType());
  SmallVector<AffineExpr> dims = onnx::getDimExprs(type), moved, sizes;
  SmallVector<int64_t> perm;
  for (unsigned it : to) {
    auto at = llvm::find(from, it);
    sizes.push_back(at == from.end() ? b.getAffineConstantExpr(1) : dims[at - from.begin()]);
    if (at == from.end())
      continue;
    perm.push_back(at - from.begin());
    moved.push_back(dims[perm.back()]);
  }
  Type element = type.getElementType();
  if (!llvm::is_sorted(perm))
    v = create(b, loc, "Transpose", {v}, onnx::withDims(element, moved),
               b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
  return reshapeTo(b, loc, v, onnx::withDims(element, sizes));
}

void AttentionSink::build(OpBuilder &b, Location loc, Value logSumExp) {
  auto type = cast<RankedTensorType>(logSumExp.getType());
  Type element = type.getElementType();
  Value sink;
  if (number) {
    auto scalar = RankedTensorType::get({}, element);
    auto value = DenseElementsAttr::get(scalar, b.getFloatAttr(element, *number));
    sink = onnx::ConstantOp::create(b, loc, scalar, cast<ElementsAttr>(value));
  } else {
    SmallVector<unsigned> axes;
    SmallVector<AffineExpr> sizes;
    for (const Axis &a : operand->layout)
      for (const Axis::Part &p : a.parts) {
        axes.push_back(p.iterator);
        sizes.push_back(space.toAffine(space[p.iterator].n, b.getContext()));
      }
    Type own = getElementTypeOrSelf(operand->tensor.getType());
    Value v = reshapeTo(b, loc, operand->tensor, onnx::withDims(own, sizes));
    sink = arranged(b, loc, castTo(b, loc, v, element), axes, rows);
  }
  Value less = create(b, loc, "Sub", {logSumExp, sink}, type);
  factor = create(b, loc, "Sigmoid", {less}, type);
}

Value AttentionSink::scale(OpBuilder &b, Location loc, Value v, ArrayRef<unsigned> axes) {
  auto type = cast<RankedTensorType>(v.getType());
  Value f = castTo(b, loc, arranged(b, loc, factor, rows, axes), type.getElementType());
  return create(b, loc, "Mul", {v, f}, type);
}
