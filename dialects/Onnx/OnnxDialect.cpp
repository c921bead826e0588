//===- OnnxDialect.cpp - the onnx dialect ----------------------------------===//
// Registration, types, and what passes ask of operators and symbolic types.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ssm::onnx;

#include "dialects/Onnx/OnnxDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Onnx/OnnxTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/StructureOps.cpp.inc"

void OnnxDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Onnx/OnnxTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/StructureOps.cpp.inc"
      >();
#define ONNX_GROUP(G) register##G##Ops(this);
  ONNX_GROUPS
#undef ONNX_GROUP
}

Operation *OnnxDialect::materializeConstant(OpBuilder &b, Attribute value, Type type, Location loc) {
  if (auto elements = dyn_cast<ElementsAttr>(value))
    return ConstantOp::create(b, loc, type, elements);
  return nullptr;
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

std::optional<int64_t> ssm::onnx::rankHint(Operation *op) {
  if (auto a = op->getAttrOfType<IntegerAttr>(kRankHint))
    return a.getInt();
  return std::nullopt;
}

bool ssm::onnx::isNone(Value v) { return isa<NoneType>(v.getType()); }

ElementsAttr ssm::onnx::constantValue(Value v) {
  if (auto c = v.getDefiningOp<ConstantOp>())
    return c.getValue();
  return {};
}

SmallVector<int64_t> ssm::onnx::intValues(ElementsAttr value) {
  SmallVector<int64_t> out;
  auto type = dyn_cast<IntegerType>(value.getElementType());
  if (!type)
    return out;
  unsigned width = type.getWidth();
  bool isUnsigned = type.isUnsigned() || width == 1;
  auto widen = [&](uint64_t bits) -> int64_t {
    return isUnsigned ? bits & llvm::maskTrailingOnes<uint64_t>(width) : llvm::SignExtend64(bits, width);
  };
  out.reserve(value.getNumElements());
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    unsigned bytes = std::max(8u, width) / 8;
    if (!blob)
      return out;
    const char *data = blob->getData().data();
    for (int64_t i = 0, n = value.getNumElements(); i < n; ++i) {
      uint64_t bits = 0;
      memcpy(&bits, data + i * bytes, bytes);
      out.push_back(widen(bits));
    }
    return out;
  }
  for (const APInt &v : value.getValues<APInt>())
    out.push_back(widen(v.getZExtValue()));
  return out;
}

std::optional<SmallVector<int64_t>> ssm::onnx::intValues(Value v) {
  ElementsAttr value = constantValue(v);
  if (!value || !isa<IntegerType>(value.getElementType()) || value.getNumElements() > 4096)
    return std::nullopt;
  return intValues(value);
}

AffineExpr ssm::onnx::getDimExpr(RankedTensorType type, unsigned axis) {
  if (!type.isDynamicDim(axis))
    return getAffineConstantExpr(type.getDimSize(axis), type.getContext());
  return cast<AffineMapAttr>(type.getEncoding()).getValue().getResult(axis);
}

SmallVector<AffineExpr> ssm::onnx::getDimExprs(RankedTensorType type) {
  SmallVector<AffineExpr> out;
  for (int64_t i = 0; i < type.getRank(); ++i)
    out.push_back(getDimExpr(type, i));
  return out;
}

/// One more than the highest symbol of an expression.
static int64_t countSymbols(AffineExpr e) {
  int64_t n = 0;
  e.walk([&](AffineExpr part) {
    if (auto s = dyn_cast<AffineSymbolExpr>(part))
      n = std::max<int64_t>(n, s.getPosition() + 1);
  });
  return n;
}

Value ssm::onnx::sizesOf(OpBuilder &b, Location loc, ArrayRef<AffineExpr> sizes, RankedTensorType type) {
  int64_t symbols = 0;
  for (AffineExpr e : sizes)
    symbols = std::max(symbols, countSymbols(e));
  return DimsOp::create(b, loc, type, AffineMapAttr::get(AffineMap::get(0, symbols, sizes, b.getContext())));
}

RankedTensorType ssm::onnx::withDims(Type elementType, ArrayRef<AffineExpr> dims) {
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> exprs;
  int64_t numSymbols = 0;
  for (AffineExpr e : dims) {
    if (isa<AffineBinaryOpExpr>(e)) // costs time in the number of symbols it is told of
      e = simplifyAffineExpr(e, 0, countSymbols(e));
    exprs.push_back(e);
    auto c = dyn_cast<AffineConstantExpr>(e);
    shape.push_back(c ? c.getValue() : ShapedType::kDynamic);
    numSymbols = std::max(numSymbols, countSymbols(e));
  }
  if (!llvm::is_contained(shape, ShapedType::kDynamic))
    return RankedTensorType::get(shape, elementType);
  auto map = AffineMap::get(0, numSymbols, exprs, elementType.getContext());
  return RankedTensorType::get(shape, elementType, AffineMapAttr::get(map));
}

int64_t ssm::onnx::intAttr(Operation *op, StringRef name, int64_t otherwise) {
  if (auto a = op->getAttrOfType<IntegerAttr>(name))
    return a.getValue().getSExtValue();
  if (const OpSchema *s = schemaOf(op))
    for (const AttributeDesc &d : s->attributes)
      if (d.name == name && d.hasDefault)
        d.defaultText.getAsInteger(10, otherwise);
  return otherwise;
}
double ssm::onnx::floatAttr(Operation *op, StringRef name, double otherwise) {
  if (auto a = op->getAttrOfType<FloatAttr>(name))
    return a.getValueAsDouble();
  if (const OpSchema *s = schemaOf(op))
    for (const AttributeDesc &d : s->attributes)
      if (d.name == name && d.hasDefault)
        d.defaultText.getAsDouble(otherwise);
  return otherwise;
}
StringRef ssm::onnx::stringAttr(Operation *op, StringRef name, StringRef otherwise) {
  if (auto a = op->getAttrOfType<StringAttr>(name))
    return a.getValue();
  if (const OpSchema *s = schemaOf(op))
    for (const AttributeDesc &d : s->attributes)
      if (d.name == name && d.hasDefault)
        return d.defaultText;
  return otherwise;
}
SmallVector<int64_t> ssm::onnx::intsAttr(Operation *op, StringRef name) {
  if (auto a = op->getAttrOfType<DenseI64ArrayAttr>(name))
    return SmallVector<int64_t>(a.asArrayRef());
  return {};
}
