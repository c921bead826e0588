//===- ConstantParts.cpp - parts of constants as constants -----------------===//
// Bytes are copied as they are; elements that share bytes are left alone.
//===----------------------------------------------------------------------===//
#include "passes/raise/ConstantParts.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/raise/Operands.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kFewElements = 16; // a constant of these is dense<>

ElementsAttr fromBytes(RankedTensorType type, ArrayRef<char> raw) {
  if (type.getNumElements() <= kFewElements)
    return DenseElementsAttr::getFromRawBuffer(type, raw);
  return DenseResourceElementsAttr::get(type, "part", HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, 64));
}

/// The elements in order, each in whole bytes.
std::optional<ArrayRef<char>> bytesOf(ElementsAttr value) {
  Type element = value.getElementType();
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8)
    return std::nullopt;
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    return dense.isSplat() ? std::nullopt : std::optional(dense.getRawData());
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  return blob ? std::optional(blob->getData()) : std::nullopt;
}
} // namespace

ElementsAttr ssm::constantOf(RankedTensorType type, ArrayRef<double> numbers) {
  SmallVector<char> raw(numbers.size() * (type.getElementTypeBitWidth() / 8));
  for (auto [i, v] : llvm::enumerate(numbers)) {
    float f = v;
    if (type.getElementType().isF64())
      memcpy(&raw[i * sizeof(double)], &v, sizeof(double));
    else
      memcpy(&raw[i * sizeof(float)], &f, sizeof(float));
  }
  return fromBytes(type, raw);
}

ElementsAttr ssm::partOf(ElementsAttr value, int64_t first, RankedTensorType type) {
  if (value.getElementType() != type.getElementType()) {
    std::optional<std::vector<double>> all = numbersOf(value);
    if (!all)
      return {};
    return constantOf(type, ArrayRef(*all).slice(first, type.getNumElements()));
  }
  if (auto dense = dyn_cast<DenseElementsAttr>(value); dense && dense.isSplat())
    return dense.resizeSplat(type);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value);
      resource && type.getNumElements() == value.getNumElements())
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  std::optional<ArrayRef<char>> raw = bytesOf(value);
  if (!raw)
    return {};
  size_t bytes = type.getElementTypeBitWidth() / 8;
  return fromBytes(type, raw->slice(first * bytes, type.getNumElements() * bytes));
}

ElementsAttr ssm::sliceOf(ElementsAttr value, int64_t axis, int64_t start, int64_t size) {
  auto whole = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(whole.getShape());
  int64_t length = shape[axis], outer = 1, inner = 1;
  if (start < 0 || size < 0 || start + size > length)
    return {};
  for (int64_t d : ArrayRef(shape).take_front(axis))
    outer *= d;
  for (int64_t d : ArrayRef(shape).drop_front(axis + 1))
    inner *= d;
  shape[axis] = size;
  auto type = RankedTensorType::get(shape, whole.getElementType());
  if (outer == 1)
    return partOf(value, start * inner, type);
  if (auto dense = dyn_cast<DenseElementsAttr>(value); dense && dense.isSplat())
    return dense.resizeSplat(type);
  std::optional<ArrayRef<char>> raw = bytesOf(value);
  if (!raw)
    return {};
  size_t row = inner * (type.getElementTypeBitWidth() / 8);
  SmallVector<char> bytes;
  bytes.reserve(outer * size * row);
  for (int64_t i = 0; i < outer; ++i)
    llvm::append_range(bytes, raw->slice((i * length + start) * row, size * row));
  return fromBytes(type, bytes);
}
