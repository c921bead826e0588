//===- ExprConstants.cpp - constants as expressions ------------------------===//
// One number, or integers that follow from their place: ranges, reversed ranges, repeated heads.
//===----------------------------------------------------------------------===//
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/raise/Expr.h"
#include "passes/raise/Operands.h"
#include <cmath>

using namespace mlir;
using namespace ssm;

/// One element of a constant of whole numbers or truth values, without unpacking the others.
static std::optional<int64_t> integerAt(ElementsAttr value, ArrayRef<AffineExpr> indices) {
  auto type = cast<IntegerType>(value.getElementType());
  int64_t position = 0;
  for (auto [d, i] : llvm::zip(cast<ShapedType>(value.getType()).getShape(), indices))
    position = position * d + cast<AffineConstantExpr>(i).getValue();
  auto widen = [&](const APInt &v) {
    return type.isUnsigned() || type.isInteger(1) ? (int64_t)v.getZExtValue() : v.getSExtValue();
  };
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    return widen(*(dense.value_begin<APInt>() + position));
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob)
    return std::nullopt;
  unsigned width = std::max(8u, type.getWidth());
  uint64_t bits = 0;
  memcpy(&bits, blob->getData().data() + position * (width / 8), width / 8);
  return widen(APInt(64, bits).trunc(width).trunc(type.getWidth()));
}

static std::optional<Exprs::Triangle> findTriangle(ElementsAttr matrix) {
  int64_t n = std::llround(std::sqrt((double)matrix.getNumElements()));
  if (n < 2 || n > (1 << 11))
    return std::nullopt;
  auto numbers = numbersOf(matrix);
  if (!numbers || (int64_t)numbers->size() != n * n)
    return std::nullopt;
  double low = (*numbers)[(n - 1) * n], high = (*numbers)[n - 1]; // the corners
  if (low == high)
    return std::nullopt;
  for (int64_t below : {0, 1, -1}) { // -1: seen from the other side
    bool good = true;
    for (int64_t i = 0; i < n && good; ++i)
      for (int64_t j = 0; j < n && good; ++j)
        good = (*numbers)[i * n + j] == (j <= i - below ? low : high);
    if (good)
      return Exprs::Triangle{below, low, high};
  }
  return std::nullopt;
}

std::optional<Exprs::Triangle> Exprs::triangleOf(ElementsAttr matrix) {
  auto [it, fresh] = triangles.try_emplace(matrix);
  if (fresh)
    it->second = findTriangle(matrix);
  return it->second;
}

ExprRef Exprs::expandConstant(Value v, ArrayRef<AffineExpr> indices) {
  ElementsAttr value = onnx::constantValue(v);
  Type element = value.getElementType();
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (dense && dense.isSplat() && isa<FloatType>(element))
    return constant(dense.getSplatValue<APFloat>().convertToDouble(), element);
  auto type = cast<RankedTensorType>(v.getType());
  if (isa<FloatType>(element) && dense &&
      llvm::all_of(indices, [](AffineExpr i) { return isa<AffineConstantExpr>(i); })) {
    int64_t position = 0;
    for (auto [d, i] : llvm::zip(type.getShape(), indices))
      position = position * d + cast<AffineConstantExpr>(i).getValue();
    return constant((*(dense.value_begin<APFloat>() + position)).convertToDouble(), element);
  }
  bool fixed = llvm::all_of(indices, [](AffineExpr i) { return isa<AffineConstantExpr>(i); });
  if (fixed && isa<IntegerType>(element) && value.getNumElements() > 0)
    if (auto number = integerAt(value, indices))
      return constant(*number, element);
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
