//===- Quantise.cpp - QuantizeLinear, DequantizeLinear, QLinearMatMul ------===//
// Scales and zero points are per tensor, per element of an axis, or per block of the axis.
//===----------------------------------------------------------------------===//
#include "passes/lower/Quantise.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Contractions.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

Value ssm::saturated(Scalar &s, Value x, Value zero, Type t, Type to) {
  x = s.apply<math::RoundEvenOp>(x);
  if (zero)
    x = s.add(x, zero, t);
  unsigned width = to.getIntOrFloatBitWidth();
  bool u = to.isUnsignedInteger();
  double low = u ? 0 : -std::ldexp(1.0, width - 1), high = std::ldexp(1.0, u ? width : width - 1) - 1;
  x = s.min(s.max(x, s.constant(t, low), t), s.constant(t, high), t);
  return s.cast(x, t, to);
}

Value ssm::requantise(Emitter &e, RankedTensorType result, const Requantised &r) {
  // Operands that are there, in order, and their places in the body.
  SmallVector<Emitter::Access> inputs;
  auto place = [&](const Emitter::Access &a) {
    if (!a.tensor)
      return -1;
    inputs.push_back(a);
    return (int)inputs.size() - 1;
  };
  int sums = place(r.sums), bias = place(r.bias), x = place(r.scaleX), w = place(r.scaleW), y = place(r.scaleY),
      zero = place(r.zeroY);
  Type acc = r.sums.tensor.element(), scale = r.scaleX.tensor.element(), to = result.getElementType();
  Type f64 = e.b.getF64Type();
  return e.map(result, inputs, [&](Scalar &s, ValueRange v) -> Value {
    Value sum = v[sums];
    if (bias >= 0)
      sum = s.add(sum, s.cast(v[bias], r.bias.tensor.element(), acc), acc);
    // The factor is a number of the scales' type; its product with an integer of 32 bits needs more.
    Value factor = s.rounded(s.mul(v[x], s.cast(v[w], r.scaleW.tensor.element(), scale), scale), scale);
    factor = s.rounded(s.div(factor, s.cast(v[y], r.scaleY.tensor.element(), scale), scale), scale);
    Value product = s.mul(s.cast(sum, acc, f64), s.cast(factor, scale, f64), f64);
    if (isa<FloatType>(to))
      return s.cast(product, f64, to);
    Value offset = zero < 0 ? Value() : s.cast(v[zero], r.zeroY.tensor.element(), f64);
    return saturated(s, product, offset, f64, to);
  });
}

namespace {

Type elementOf(Operation *op, unsigned i) { return cast<TensorType>(op->getOperand(i).getType()).getElementType(); }
Type resultOf(Operation *op) { return cast<TensorType>(op->getResult(0).getType()).getElementType(); }

/// Scale and zero point along the dims of the input.
SmallVector<AffineExpr> alignToAxis(Operation *op, unsigned operand) {
  auto type = cast<RankedTensorType>(op->getOperand(operand).getType());
  auto x = cast<RankedTensorType>(op->getOperand(0).getType());
  MLIRContext *context = op->getContext();
  if (operand == 0 || type.getRank() == 0)
    return {};
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", 1), x.getRank());
  if (type.getRank() == 1 && (x.getRank() > 1 || !onnx::intAttr(op, "block_size"))) {
    if (axis < 0 || axis >= x.getRank()) // one element for all, whatever the axis
      return {getAffineConstantExpr(0, context)};
    return {getAffineDimExpr(axis, context)};
  }
  SmallVector<AffineExpr> out;
  int64_t block = onnx::intAttr(op, "block_size");
  for (int64_t i = 0; i < type.getRank(); ++i) {
    AffineExpr d = getAffineDimExpr(i, context);
    out.push_back(i == axis && block ? d.floorDiv(block) : d);
  }
  return out;
}

Value quantize(Operation *op, Scalar &s, ValueRange v) {
  Type from = elementOf(op, 0), to = resultOf(op), scaleType = elementOf(op, 1);
  // The division is done in the type of the scale, or in the one that is asked for.
  Type t = scaleType;
  switch (onnx::intAttr(op, "precision")) {
  case 1:
    t = s.b.getF32Type();
    break;
  case 10:
    t = s.b.getF16Type();
    break;
  case 11:
    t = s.b.getF64Type();
    break;
  case 16:
    t = s.b.getBF16Type();
    break;
  default:
    if (isa<FloatType>(from) && from.getIntOrFloatBitWidth() > t.getIntOrFloatBitWidth())
      t = from;
  }
  if (isSmallFloat(t)) // scales in f8E8M0FNU: powers of two
    t = s.b.getF32Type();
  Value x = s.rounded(s.cast(v[0], from, t), t), scale = s.rounded(s.cast(v[1], scaleType, t), t);
  x = s.rounded(s.div(x, scale, t), t);
  Value zero = v[2] ? s.cast(v[2], elementOf(op, 2), t) : Value();
  if (isa<FloatType>(to))
    return s.cast(zero ? s.add(x, zero, t) : x, t, to, onnx::intAttr(op, "saturate", 1));
  // Zero points of 16 bits do not fit a narrow type's significand.
  Type wide = s.b.getF32Type();
  if (t.getIntOrFloatBitWidth() > 32)
    wide = t;
  return saturated(s, s.cast(x, t, wide), v[2] ? s.cast(v[2], elementOf(op, 2), wide) : Value(), wide, to);
}

Value dequantize(Operation *op, Scalar &s, ValueRange v) {
  Type from = elementOf(op, 0), to = resultOf(op), scaleType = elementOf(op, 1);
  Type t = s.b.getF32Type();
  Value x;
  if (isa<IntegerType>(from)) {
    Type wide = s.b.getI32Type();
    x = s.cast(v[0], from, wide);
    if (v[2])
      x = s.sub(x, s.cast(v[2], elementOf(op, 2), wide), wide);
    x = s.cast(x, wide, t);
  } else {
    x = s.cast(v[0], from, t);
    if (v[2])
      x = s.sub(x, s.cast(v[2], elementOf(op, 2), t), t);
  }
  return s.cast(s.mul(x, s.cast(v[1], scaleType, t), t), t, to);
}

LogicalResult qlinearMatMul(Operation *op, Emitter &e) {
  Tensor a = e.operand(op, 0), b = e.operand(op, 3);
  RankedTensorType result = Emitter::resultType(op), full = result;
  MLIRContext *c = op->getContext();
  AffineExpr unit = getAffineConstantExpr(1, c);
  bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  auto widened = [&](Tensor t, bool left) {
    SmallVector<AffineExpr> d = onnx::getDimExprs(t.type);
    d.insert(left ? d.begin() : d.end(), unit);
    auto type = onnx::withDims(t.element(), d);
    return Tensor{e.reshape(t, type), type};
  };
  if (vectorA || vectorB) {
    SmallVector<AffineExpr> d = onnx::getDimExprs(result);
    if (vectorA)
      d.insert(d.end() - (vectorB ? 0 : 1), unit);
    if (vectorB)
      d.push_back(unit);
    full = onnx::withDims(result.getElementType(), d);
    a = vectorA ? widened(a, true) : a;
    b = vectorB ? widened(b, false) : b;
  }
  Type acc = isa<IntegerType>(a.element()) ? (Type)e.b.getI32Type() : (Type)e.b.getF32Type();
  Product p{a,
            b,
            false,
            false,
            e.operand(op, 2),
            e.operand(op, 5),
            RankedTensorType::get(full.getShape(), acc, full.getEncoding())};
  unsigned rank = full.getRank();
  Requantised r{{{emitProduct(e, p), p.result}, e.b.getMultiDimIdentityMap(rank)}};
  // Per tensor, per row of a and the result, or per column of b; with the rank of the operand where it has a batch.
  auto along = [&](unsigned operand, int64_t dim) -> Emitter::Access {
    Tensor t = e.operand(op, operand);
    if (!t)
      return {};
    if (t.rank() < 2)
      return perAxis(e, t, onnx::getDimExpr(full, dim), getAffineDimExpr(dim, c), rank);
    Tensor wide{{}, onnx::withDims(t.element(), onnx::getDimExprs(full))};
    wide.value = e.generate(wide.type, [&](Scalar &, ValueRange i) { return e.atBroadcast(t, full, i); });
    return {wide, e.b.getMultiDimIdentityMap(rank)};
  };
  r.scaleX = along(1, rank - 2);
  r.scaleW = along(4, rank - 1);
  r.scaleY = along(6, rank - 2);
  r.zeroY = along(7, rank - 2);
  Value v = requantise(e, full, r);
  e.setResult(op, 0, full == result ? v : e.reshape({v, full}, result));
  return success();
}
} // namespace

void ssm::populateQuantise(Registry &r) {
  r.element("QuantizeLinear", quantize, alignToAxis);
  r.element("DequantizeLinear", dequantize, alignToAxis);
  r.lower("QLinearMatMul", qlinearMatMul);
}
