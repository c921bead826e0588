//===- Constants.cpp - bytes of constants ----------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/group/Passes.h"
#include "passes/lower/Scalar.h"

using namespace mlir;
using namespace ssm;

static int64_t elementBytes(Type t) {
  if (auto c = dyn_cast<ComplexType>(t))
    return 2 * elementBytes(c.getElementType());
  return std::max(1u, storageType(t).getIntOrFloatBitWidth() / 8);
}

StoredConstant::StoredConstant(Attribute attribute) {
  if (auto parts = dyn_cast<DictionaryAttr>(attribute)) {
    value = cast<ElementsAttr>(parts.get("value"));
    panels = true;
    transposed = cast<BoolAttr>(parts.get("transposed")).getValue();
  } else {
    value = cast<ElementsAttr>(attribute);
  }
}

Attribute StoredConstant::attribute() const {
  if (!panels)
    return value;
  Builder b(value.getContext());
  return b.getDictionaryAttr({b.getNamedAttr("value", value), b.getNamedAttr("transposed", b.getBoolAttr(transposed))});
}

int64_t StoredConstant::bytes() const {
  int64_t count = value.getNumElements();
  if (panels) {
    ArrayRef<int64_t> shape = cast<ShapedType>(value.getType()).getShape(), matrix = shape.take_back(2);
    int64_t stack = shape.size() == 3 ? shape[0] : 1;
    count = stack * matrix[transposed] * llvm::alignTo(matrix[!transposed], kPanelColumns);
  }
  return count * elementBytes(value.getElementType());
}

/// The elements as they lie in memory; a splat has only one.
static ArrayRef<char> rawData(ElementsAttr value, bool &splat) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return resource.getRawHandle().getBlob()->getData();
  auto dense = cast<DenseElementsAttr>(value);
  splat = dense.isSplat();
  return dense.getRawData();
}

void StoredConstant::write(llvm::raw_ostream &os) const {
  if (panels)
    return writePanels(os);
  Type type = value.getElementType();
  if (!isa<DenseResourceElementsAttr>(value) && type.isIntOrFloat() && type.getIntOrFloatBitWidth() < 8) {
    if (isa<FloatType>(type)) {
      for (APFloat v : value.getValues<APFloat>())
        os << (char)v.bitcastToAPInt().getZExtValue();
    } else {
      bool isSigned = !isUnsigned(type);
      for (APInt v : value.getValues<APInt>())
        os << (char)(isSigned ? v.getSExtValue() : (int64_t)v.getZExtValue());
    }
  } else {
    bool splat = false;
    ArrayRef<char> raw = rawData(value, splat);
    for (int64_t i = 0, n = splat ? value.getNumElements() : 1; i < n; ++i)
      os.write(raw.data(), raw.size());
  }
  for (int64_t i = bytes(); i % 64; ++i)
    os << '\0';
}

/// to[k, j] = from[k, j] for one panel of `rows` rows; `have` of its columns exist. The element size is known to the
/// compiler so that a row is a few vector moves.
template <int64_t Size>
static void packPanel(const char *from, char *to, int64_t rows, int64_t have, int64_t rowStep, int64_t columnStep) {
  constexpr int64_t width = kPanelColumns * Size;
  if (columnStep == 1) {
    for (int64_t k = 0; k < rows; ++k)
      memcpy(to + k * width, from + k * rowStep * Size, have == kPanelColumns ? width : have * Size);
    return;
  }
  // The columns are contiguous: blocks of rows keep what is written in the first cache.
  constexpr int64_t block = 64;
  for (int64_t k0 = 0; k0 < rows; k0 += block)
    for (int64_t j = 0; j < have; ++j)
      for (int64_t k = k0; k < std::min(rows, k0 + block); ++k)
        memcpy(to + k * width + j * Size, from + (k * rowStep + j * columnStep) * Size, Size);
}

void StoredConstant::writePanels(llvm::raw_ostream &os) const {
  ArrayRef<int64_t> shape = cast<ShapedType>(value.getType()).getShape();
  int64_t stack = shape.size() == 3 ? shape[0] : 1;
  shape = shape.take_back(2);
  int64_t rows = shape[transposed], columns = shape[!transposed], size = elementBytes(value.getElementType());
  int64_t rowStep = transposed ? 1 : shape[1], columnStep = transposed ? shape[1] : 1;
  bool splat = false;
  ArrayRef<char> raw = rawData(value, splat);
  std::vector<char> repeated;
  if (splat) {
    rowStep = columnStep = 0;
    repeated.resize(kPanelColumns * size);
    for (size_t i = 0; i < repeated.size(); i += size)
      memcpy(repeated.data() + i, raw.data(), size);
    raw = repeated;
  }
  std::vector<char> panel(rows * kPanelColumns * size);
  int64_t perMatrix = llvm::divideCeil(columns, kPanelColumns), step = splat ? 1 : columnStep;
  for (int64_t i = 0; i < stack * perMatrix; ++i) {
    int64_t first = i % perMatrix * kPanelColumns;
    int64_t have = std::min(kPanelColumns, columns - first);
    if (have < kPanelColumns)
      std::fill(panel.begin(), panel.end(), 0);
    int64_t matrix = splat ? 0 : i / perMatrix * rows * columns;
    const char *from = raw.data() + (matrix + first * columnStep) * size;
    if (size == 2)
      packPanel<2>(from, panel.data(), rows, have, rowStep, step);
    else if (size == 4)
      packPanel<4>(from, panel.data(), rows, have, rowStep, step);
    else
      packPanel<8>(from, panel.data(), rows, have, rowStep, step);
    os.write(panel.data(), panel.size());
  }
}
