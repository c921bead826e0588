//===- Splat.cpp - constants whose elements are all equal ------------------===//
#include "dialects/Onnx/Splat.h"

using namespace mlir;

static constexpr size_t kMostBytes = 16 << 20;

DenseElementsAttr ssm::onnx::splatOf(RankedTensorType type, ArrayRef<char> bytes) {
  Type element = type.getElementType();
  bool isBool = element.isInteger(1);
  if (!element.isIntOrFloat() || (!isBool && element.getIntOrFloatBitWidth() < 8) || bytes.empty() || bytes.size() > kMostBytes)
    return {};
  size_t width = isBool ? 1 : element.getIntOrFloatBitWidth() / 8;
  // Each element equals the one before it.
  if (std::memcmp(bytes.data(), bytes.data() + width, bytes.size() - width) != 0)
    return {};
  if (isBool)
    return DenseElementsAttr::get(type, bytes.front() != 0);
  return DenseElementsAttr::getFromRawBuffer(type, bytes.take_front(width));
}
