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

int64_t ssm::storageBytes(ElementsAttr value) { return value.getNumElements() * elementBytes(value.getElementType()); }

void ssm::writeConstant(ElementsAttr value, llvm::raw_ostream &os) {
  Type type = value.getElementType();
  int64_t bytes = storageBytes(value);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    ArrayRef<char> data = resource.getRawHandle().getBlob()->getData();
    os.write(data.data(), data.size());
  } else if (type.isIntOrFloat() && type.getIntOrFloatBitWidth() < 8) {
    if (isa<FloatType>(type)) {
      for (APFloat v : value.getValues<APFloat>())
        os << (char)v.bitcastToAPInt().getZExtValue();
    } else {
      bool isSigned = !isUnsigned(type);
      for (APInt v : value.getValues<APInt>())
        os << (char)(isSigned ? v.getSExtValue() : (int64_t)v.getZExtValue());
    }
  } else {
    auto dense = cast<DenseElementsAttr>(value);
    ArrayRef<char> raw = dense.getRawData();
    int64_t count = dense.isSplat() ? value.getNumElements() : 1;
    for (int64_t i = 0; i < count; ++i)
      os.write(raw.data(), raw.size());
  }
  for (int64_t i = bytes; i % 64; ++i)
    os << '\0';
}
