//===- SmallFloat.cpp - 8- and 4-bit floats by their bit patterns ----------===//
// No target has arithmetic on these types; they are stored as bytes and computed on in f32. Decoding reads a table of
// all patterns. Encoding rounds to nearest even as the ONNX "Cast" page specifies: it finds the exponent of the f32,
// rounds the significand to the bits that exponent has (fewer for denormals) and composes the pattern.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Scalar.h"

using namespace mlir;
using namespace ssm;

Value Scalar::decodeSmallFloat(Value bits, FloatType type) {
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  unsigned width = type.getWidth();
  SmallVector<APFloat> values;
  for (unsigned i = 0; i < 256; ++i) {
    APFloat v(semantics, APInt(width, i & ((1u << width) - 1)));
    bool lost;
    v.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
    values.push_back(v);
  }
  auto tableType = RankedTensorType::get({256}, b.getF32Type());
  Value table = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(tableType, values));
  Value position = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), bits);
  return tensor::ExtractOp::create(b, loc, table, position);
}

Value Scalar::encodeSmallFloat(Value x, FloatType type, bool saturate, Rounding rounding) {
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  unsigned width = type.getWidth();
  auto i32 = b.getI32Type();
  auto c = [&](int64_t v) { return iconst(i32, v); };
  auto pattern = [&](const APFloat &v) { return (int64_t)v.bitcastToAPInt().getZExtValue(); };
  if (x.getType() != b.getF32Type())
    x = arith::TruncFOp::create(b, loc, b.getF32Type(), x);
  Value raw = arith::BitcastOp::create(b, loc, i32, x);
  Value magnitude = arith::AndIOp::create(b, loc, raw, c(0x7fffffff));
  Value negative = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, raw, c(0));
  Value isNan = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, magnitude, c(0x7f800000));
  Value isInf = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, magnitude, c(0x7f800000));

  if (isa<Float8E8M0FNUType>(type)) {
    // A power of two without sign: the exponent of the f32, and one more where the significand rounds up. Nearest sees
    // a tie at 1.5, and ends it upwards wherever the exponent is not the lowest.
    Value exponent = arith::ShRUIOp::create(b, loc, magnitude, c(23));
    Value fraction = arith::AndIOp::create(b, loc, magnitude, c(0x7fffff));
    Value code = exponent;
    if (rounding != Rounding::Down) {
      auto above = [&](int64_t v) -> Value {
        return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, fraction, c(v));
      };
      Value up = above(0);
      if (rounding == Rounding::Nearest) {
        Value lowest = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, exponent, c(0));
        up = select(lowest, above(0x400000), above(0x3fffff));
      }
      code = arith::AddIOp::create(b, loc, exponent, arith::ExtUIOp::create(b, loc, i32, up));
      if (saturate)
        code = arith::MinSIOp::create(b, loc, code, c(254));
    }
    code = select(isInf, c(saturate ? 254 : 255), code);
    code = select(isNan, c(255), code);
    return arith::TruncIOp::create(b, loc, b.getI8Type(), code);
  }

  unsigned precision = APFloat::semanticsPrecision(semantics) - 1; // stored significand bits
  int minExponent = APFloat::semanticsMinExponent(semantics);
  // |x| rounded to the spacing of the format at its exponent: integer arithmetic on the f32 pattern.
  Value exponent = arith::SubIOp::create(b, loc, arith::ShRUIOp::create(b, loc, magnitude, c(23)), c(127));
  Value clamped = arith::MaxSIOp::create(b, loc, exponent, c(minExponent));
  // spacing = 2^(clamped - precision); quotient |x| / spacing is exact, and nearest-even rounding of it is roundeven.
  Value scaleBits = arith::ShLIOp::create(
      b, loc, arith::SubIOp::create(b, loc, c(127 + precision), clamped), c(23));
  Value scale = arith::BitcastOp::create(b, loc, b.getF32Type(), scaleBits);
  Value absolute = arith::BitcastOp::create(b, loc, b.getF32Type(), magnitude);
  Value quotient = math::RoundEvenOp::create(b, loc, arith::MulFOp::create(b, loc, absolute, scale));
  Value units = arith::FPToSIOp::create(b, loc, i32, quotient); // 0 .. 2^(precision+1)
  // pattern = (clamped - minExponent) * 2^precision + units: a carry out of the significand lands in the exponent, and
  // denormals (units < 2^precision, only at minExponent) come out right as well.
  Value code = arith::AddIOp::create(
      b, loc, arith::ShLIOp::create(b, loc, arith::SubIOp::create(b, loc, clamped, c(minExponent)), c(precision)), units);

  APFloat largest = APFloat::getLargest(semantics);
  bool hasInf = APFloat::semanticsHasInf(semantics), hasNan = APFloat::semanticsHasNaN(semantics);
  int64_t largestCode = pattern(largest);
  int64_t nanCode = hasNan ? pattern(APFloat::getNaN(semantics)) : 1 << (width - 1); // -0 where there is no NaN
  int64_t overflowCode = saturate || (!hasInf && !hasNan) ? largestCode
                         : hasInf                         ? pattern(APFloat::getInf(semantics))
                                                          : nanCode;
  bool unsignedZero = hasNan && nanCode == (1 << (width - 1)); // the FNUZ kinds have one zero, and NaN in the place of -0
  Value over = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, code, c(largestCode));
  over = arith::OrIOp::create(b, loc, over, isInf);
  Value signBit = select(negative, c(1 << (width - 1)), c(0));
  if (unsignedZero)
    signBit = select(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, code, c(0)), c(0), signBit);
  code = select(over, c(overflowCode & ~(1 << (width - 1))), code);
  Value result = arith::OrIOp::create(b, loc, code, signBit);
  if (unsignedZero && !saturate)
    result = select(over, c(nanCode), result);
  result = select(isNan, c(nanCode), result);
  return arith::TruncIOp::create(b, loc, b.getI8Type(), result);
}
