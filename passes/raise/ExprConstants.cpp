//===- ExprConstants.cpp - constants as expressions ------------------------===//
// One number, or integers that follow from their place: ranges, reversed ranges, repeated heads.
//===----------------------------------------------------------------------===//
#include "passes/raise/Expr.h"

using namespace mlir;
using namespace ssm;

ExprRef Exprs::expandConstant(Value v, ArrayRef<AffineExpr> indices) {
  ElementsAttr value = onnx::constantValue(v);
  Type element = value.getElementType();
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (dense && dense.isSplat() && isa<FloatType>(element))
    return constant(dense.getSplatValue<APFloat>().convertToDouble(), element);
  auto type = cast<RankedTensorType>(v.getType());
  if (isa<FloatType>(element) && dense && llvm::all_of(indices, [](AffineExpr i) { return isa<AffineConstantExpr>(i); })) {
    int64_t position = 0;
    for (auto [d, i] : llvm::zip(type.getShape(), indices))
      position = position * d + cast<AffineConstantExpr>(i).getValue();
    return constant((*(dense.value_begin<APFloat>() + position)).convertToDouble(), element);
  }
  if (!isa<IntegerType>(element) || value.getNumElements() > 4096 || value.getNumElements() == 0)
    return nullptr;
  // Integers that are an affine function of their place.
  SmallVector<int64_t> values = onnx::intValues(value);
  SmallVector<int64_t> strides(type.getRank(), 1), steps;
  for (int64_t i = type.getRank() - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * type.getDimSize(i + 1);
  for (auto [d, stride] : llvm::zip(type.getShape(), strides))
    steps.push_back(d > 1 ? values[stride] - values[0] : 0);
  auto predicted = [&](int64_t position) {
    int64_t r = values[0];
    for (auto [stride, step, d] : llvm::zip(strides, steps, type.getShape()))
      r += position / stride % d * step;
    return r;
  };
  bool affine = true;
  for (int64_t i = 0, n = values.size(); i < n && affine; ++i)
    affine = predicted(i) == values[i];
  if (affine) {
    AffineExpr r = number(values[0]);
    for (auto [i, step] : llvm::zip(indices, steps))
      r = r + i * step;
    return index(r, element);
  }
  if (llvm::all_of(indices, [](AffineExpr i) { return isa<AffineConstantExpr>(i); })) {
    int64_t position = 0;
    for (auto [stride, i] : llvm::zip(strides, indices))
      position += stride * cast<AffineConstantExpr>(i).getValue();
    return constant(values[position], element);
  }
  // One number for every run of equal length: repeated heads.
  if (type.getRank() != 1)
    return nullptr;
  int64_t run = 1, n = values.size();
  while (run < n && values[run] == values[0])
    ++run;
  int64_t step = values[run % n] - values[0];
  for (int64_t i = 0; i < n; ++i)
    if (values[i] != values[0] + i / run * step)
      return nullptr;
  return index(floorDiv(indices[0], number(run)) * step + values[0], element);
}
