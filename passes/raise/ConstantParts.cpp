//===- ConstantParts.cpp - parts of constants as constants -----------------===//
// Bytes are copied as they are; elements that share bytes are left alone.
//===----------------------------------------------------------------------===//
#include "passes/raise/ConstantParts.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/raise/Operands.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kFewElements = 16;         // a constant of these is dense<>
constexpr int64_t kMostCompared = 1 << 20;   // elements that two reads of constants are compared over

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

namespace {
/// The place of a read in the elements of a constant, as a sum of multiples of iterators.
struct Place {
  ArrayRef<char> raw;
  int64_t start = 0;
  SmallVector<int64_t> strides; // per iterator
};

std::optional<Place> placeOf(ExprRef e, ArrayRef<AffineExpr> iterators) {
  ElementsAttr value = e->kind == Expr::Kind::Read ? onnx::constantValue(e->source) : ElementsAttr();
  std::optional<ArrayRef<char>> raw = value ? bytesOf(value) : std::nullopt;
  if (!raw)
    return std::nullopt;
  MLIRContext *context = value.getContext();
  AffineExpr at = getAffineConstantExpr(0, context);
  for (auto [size, i] : llvm::zip_equal(cast<ShapedType>(value.getType()).getShape(), e->indices))
    at = at * size + i;
  // Linear in the iterators, else it is not what it is at 0 and at 1.
  bool linear = true;
  at.walk([&](AffineExpr part) {
    AffineExprKind kind = part.getKind();
    linear &= kind != AffineExprKind::FloorDiv && kind != AffineExprKind::CeilDiv && kind != AffineExprKind::Mod &&
              kind != AffineExprKind::SymbolId;
  });
  if (!linear)
    return std::nullopt;
  auto valueAt = [&](AffineExpr one) -> std::optional<int64_t> {
    llvm::DenseMap<AffineExpr, AffineExpr> numbers;
    for (AffineExpr i : iterators)
      numbers[i] = getAffineConstantExpr(i == one, context);
    auto number = dyn_cast<AffineConstantExpr>(at.replace(numbers));
    return number ? std::optional(number.getValue()) : std::nullopt;
  };
  std::optional<int64_t> start = valueAt({});
  if (!start)
    return std::nullopt;
  Place place{*raw, *start, {}};
  for (AffineExpr i : iterators)
    place.strides.push_back(*valueAt(i) - *start);
  return place;
}
} // namespace

bool ssm::sameNumbers(Exprs &x, ExprRef a, ExprRef b, bool negated) {
  if (a->type != b->type || a->kind != Expr::Kind::Read || b->kind != Expr::Kind::Read)
    return false;
  Indices iterators(x.freeIterators(a));
  for (AffineExpr i : x.freeIterators(b))
    if (!llvm::is_contained(iterators, i))
      iterators.push_back(i);
  SmallVector<int64_t> sizes;
  int64_t count = 1;
  for (AffineExpr i : iterators) {
    auto size = dyn_cast<AffineConstantExpr>(x.sizeOf(i));
    if (!size || size.getValue() < 1 || (count *= size.getValue()) > kMostCompared)
      return false;
    sizes.push_back(size.getValue());
  }
  std::optional<Place> p = placeOf(a, iterators), q = placeOf(b, iterators);
  if (!p || !q || (negated && !isa<FloatType>(a->type)))
    return false;
  int64_t width = a->type.getIntOrFloatBitWidth(), bytes = width / 8;
  uint64_t sign = uint64_t(1) << (width - 1), flip = negated ? sign : 0;
  SmallVector<int64_t> at(sizes.size());
  int64_t here = p->start, there = q->start;
  for (int64_t n = 0; n < count; ++n) {
    auto isIn = [&](int64_t at, ArrayRef<char> raw) { return at >= 0 && (at + 1) * bytes <= (int64_t)raw.size(); };
    if (!isIn(here, p->raw) || !isIn(there, q->raw)) // under a condition that is not looked at here
      return false;
    uint64_t v = 0, w = 0;
    memcpy(&v, p->raw.data() + here * bytes, bytes);
    memcpy(&w, q->raw.data() + there * bytes, bytes);
    bool zeros = isa<FloatType>(a->type) && !(v & ~sign) && !(w & ~sign);
    if (v != (w ^ flip) && !zeros)
      return false;
    for (int64_t d = sizes.size() - 1; d >= 0; --d) {
      here += p->strides[d], there += q->strides[d];
      if (++at[d] < sizes[d])
        break;
      here -= p->strides[d] * sizes[d], there -= q->strides[d] * sizes[d];
      at[d] = 0;
    }
  }
  return true;
}

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
