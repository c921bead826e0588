//===- Scalar.cpp - element arithmetic for every ONNX element type ---------===//
// See Scalar.h. Sums and products may be contracted and reassociated by later phases, comparisons and divisions not.
//===----------------------------------------------------------------------===//
#include "passes/lower/Scalar.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace ssm;

bool ssm::isSmallFloat(Type t) { return isa<FloatType>(t) && t.getIntOrFloatBitWidth() <= 8; }

Type ssm::storageType(Type t) {
  if (auto i = dyn_cast<IntegerType>(t))
    return IntegerType::get(t.getContext(), std::max(8u, i.getWidth()));
  if (isSmallFloat(t))
    return IntegerType::get(t.getContext(), 8);
  return t;
}

Type ssm::computeType(Type t) {
  if (t.isInteger(1))
    return t;
  if (isa<FloatType>(t) && t.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(t.getContext());
  return storageType(t);
}

RankedTensorType ssm::storageTensor(RankedTensorType t) {
  return RankedTensorType::get(t.getShape(), storageType(t.getElementType()));
}

Value Scalar::iconst(Type type, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, value));
}
Value Scalar::fconst(Type type, double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
}
Value Scalar::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

Value Scalar::load(Value x, Type t) {
  if (t.isInteger(1))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x, iconst(x.getType(), 0));
  if (isSmallFloat(t))
    return decodeSmallFloat(x, cast<FloatType>(t));
  if (isa<IntegerType>(t) && t.getIntOrFloatBitWidth() < 8)
    return store(x, t); // callers may leave anything in the high bits
  if (computeType(t) != storageType(t))
    return arith::ExtFOp::create(b, loc, computeType(t), x);
  return x;
}

Value Scalar::store(Value x, Type t) {
  if (t.isInteger(1))
    return arith::ExtUIOp::create(b, loc, storageType(t), x);
  if (isSmallFloat(t)) // a value of the type already: nothing may be rounded or saturated
    return encodeSmallFloat(x, cast<FloatType>(t), /*saturate=*/false, Rounding::Down);
  if (auto i = dyn_cast<IntegerType>(t); i && i.getWidth() < 8) {
    Value shift = iconst(x.getType(), 8 - i.getWidth());
    Value high = arith::ShLIOp::create(b, loc, x, shift);
    if (i.isUnsigned())
      return arith::ShRUIOp::create(b, loc, high, shift);
    return arith::ShRSIOp::create(b, loc, high, shift);
  }
  if (computeType(t) != storageType(t))
    return arith::TruncFOp::create(b, loc, storageType(t), x);
  return x;
}

Value Scalar::constant(Type t, double value) {
  Type c = computeType(t);
  if (auto complexType = dyn_cast<ComplexType>(c)) {
    Type e = complexType.getElementType();
    return complex::CreateOp::create(b, loc, c, fconst(e, value), fconst(e, 0));
  }
  if (isa<FloatType>(c))
    return fconst(c, value);
  return iconst(c, (int64_t)value);
}

Value Scalar::constant(Type t, const APInt &value) {
  Type c = computeType(t);
  bool isSigned = !isUnsigned(t);
  APInt wide = isSigned ? value.sextOrTrunc(c.getIntOrFloatBitWidth()) : value.zextOrTrunc(c.getIntOrFloatBitWidth());
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(c, wide));
}

Value Scalar::attribute(Type t, Attribute element) {
  if (auto f = dyn_cast<FloatAttr>(element)) {
    // Through APFloat, not double: NaN payloads and signed zeros stay.
    APFloat v = f.getValue();
    bool lost;
    auto c = cast<FloatType>(computeType(t));
    v.convert(c.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    return arith::ConstantOp::create(b, loc, FloatAttr::get(c, v));
  }
  if (auto i = dyn_cast<IntegerAttr>(element))
    return constant(t, i.getValue());
  auto parts = cast<ArrayAttr>(element);
  return complex::ConstantOp::create(b, loc, t, parts);
}

Value Scalar::lowest(Type t) {
  Type c = computeType(t);
  if (isa<FloatType>(c))
    return fconst(c, -std::numeric_limits<double>::infinity());
  unsigned width = cast<IntegerType>(t).getWidth();
  return constant(t, isUnsigned(t) ? APInt::getMinValue(width) : APInt::getSignedMinValue(width));
}
Value Scalar::highest(Type t) {
  Type c = computeType(t);
  if (isa<FloatType>(c))
    return fconst(c, std::numeric_limits<double>::infinity());
  unsigned width = cast<IntegerType>(t).getWidth();
  return constant(t, isUnsigned(t) ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width));
}

static arith::FastMathFlagsAttr loose(OpBuilder &b) {
  return arith::FastMathFlagsAttr::get(b.getContext(),
                                       arith::FastMathFlags::contract | arith::FastMathFlags::reassoc);
}

#define ARITHMETIC(NAME, FLOAT, INT, COMPLEX)                                                                          \
  Value Scalar::NAME(Value x, Value y, Type t) {                                                                       \
    if (isa<ComplexType>(t))                                                                                           \
      return complex::COMPLEX::create(b, loc, x, y);                                                                   \
    if (isa<FloatType>(t))                                                                                             \
      return arith::FLOAT::create(b, loc, x, y, loose(b));                                                             \
    return arith::INT::create(b, loc, x, y);                                                                           \
  }
ARITHMETIC(add, AddFOp, AddIOp, AddOp)
ARITHMETIC(sub, SubFOp, SubIOp, SubOp)
ARITHMETIC(mul, MulFOp, MulIOp, MulOp)
#undef ARITHMETIC

Value Scalar::div(Value x, Value y, Type t) {
  if (isa<ComplexType>(t))
    return complex::DivOp::create(b, loc, x, y);
  if (isa<FloatType>(t))
    return arith::DivFOp::create(b, loc, x, y);
  Value zero = iconst(x.getType(), 0), one = iconst(x.getType(), 1);
  Value bad = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, zero);
  if (isUnsigned(t)) {
    Value q = arith::DivUIOp::create(b, loc, x, arith::SelectOp::create(b, loc, bad, one, y));
    return arith::SelectOp::create(b, loc, bad, zero, q);
  }
  // The smallest value divided by -1 traps on x86: -x wraps as two's complement does.
  Value minusOne = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, iconst(x.getType(), -1));
  Value special = arith::OrIOp::create(b, loc, bad, minusOne);
  Value q = arith::DivSIOp::create(b, loc, x, arith::SelectOp::create(b, loc, special, one, y));
  Value negated = arith::SubIOp::create(b, loc, zero, x);
  return arith::SelectOp::create(b, loc, bad, zero, arith::SelectOp::create(b, loc, minusOne, negated, q));
}

Value Scalar::mod(Value x, Value y, Type t, bool fmod) {
  if (isa<FloatType>(t)) {
    Value r = arith::RemFOp::create(b, loc, x, y);
    if (fmod)
      return r;
    Value zero = fconst(r.getType(), 0);
    Value nonzero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, r, zero);
    Value rNegative = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, r, zero);
    Value yNegative = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, y, zero);
    Value differ = arith::XOrIOp::create(b, loc, rNegative, yNegative);
    Value fix = arith::AndIOp::create(b, loc, nonzero, differ);
    return arith::SelectOp::create(b, loc, fix, arith::AddFOp::create(b, loc, r, y), r);
  }
  Value zero = iconst(x.getType(), 0), one = iconst(x.getType(), 1);
  Value bad = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, zero);
  if (isUnsigned(t)) {
    Value r = arith::RemUIOp::create(b, loc, x, arith::SelectOp::create(b, loc, bad, one, y));
    return arith::SelectOp::create(b, loc, bad, zero, r);
  }
  Value minusOne = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, iconst(x.getType(), -1));
  Value special = arith::OrIOp::create(b, loc, bad, minusOne);
  Value r = arith::RemSIOp::create(b, loc, x, arith::SelectOp::create(b, loc, special, one, y));
  r = arith::SelectOp::create(b, loc, special, zero, r);
  if (fmod)
    return r;
  Value nonzero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, r, zero);
  Value signs = arith::XOrIOp::create(b, loc, r, y);
  Value differ = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, signs, zero);
  Value fix = arith::AndIOp::create(b, loc, nonzero, differ);
  return arith::SelectOp::create(b, loc, fix, arith::AddIOp::create(b, loc, r, y), r);
}

Value Scalar::neg(Value x, Type t) {
  if (isa<ComplexType>(t))
    return complex::NegOp::create(b, loc, x);
  if (isa<FloatType>(t))
    return arith::NegFOp::create(b, loc, x);
  return arith::SubIOp::create(b, loc, iconst(x.getType(), 0), x);
}

Value Scalar::abs(Value x, Type t) {
  if (isa<FloatType>(t))
    return math::AbsFOp::create(b, loc, x);
  if (isUnsigned(t))
    return x;
  return math::AbsIOp::create(b, loc, x);
}

Value Scalar::max(Value x, Value y, Type t) {
  if (isa<FloatType>(t))
    return arith::MaximumFOp::create(b, loc, x, y);
  if (isUnsigned(t))
    return arith::MaxUIOp::create(b, loc, x, y);
  return arith::MaxSIOp::create(b, loc, x, y);
}
Value Scalar::min(Value x, Value y, Type t) {
  if (isa<FloatType>(t))
    return arith::MinimumFOp::create(b, loc, x, y);
  if (isUnsigned(t))
    return arith::MinUIOp::create(b, loc, x, y);
  return arith::MinSIOp::create(b, loc, x, y);
}

Value Scalar::compare(Compare kind, Value x, Value y, Type t) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static const F floats[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
  static const I signedInts[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  static const I unsignedInts[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  if (isa<ComplexType>(t)) {
    if (kind == Compare::Equal)
      return complex::EqualOp::create(b, loc, x, y);
    return complex::NotEqualOp::create(b, loc, x, y);
  }
  if (isa<FloatType>(t))
    return arith::CmpFOp::create(b, loc, floats[(int)kind], x, y);
  return arith::CmpIOp::create(b, loc, (isUnsigned(t) ? unsignedInts : signedInts)[(int)kind], x, y);
}

Value Scalar::select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, loc, condition, x, y); }

Value Scalar::pow(Value x, Value y, Type t) {
  if (isa<FloatType>(t)) {
    // x^2, x^3, x^0.5 and the like are common enough in exported graphs to be worth their exact forms.
    FloatAttr exponent;
    if (auto c = y.getDefiningOp<arith::ConstantOp>())
      exponent = dyn_cast<FloatAttr>(c.getValue());
    if (exponent) {
      double e = exponent.getValueAsDouble();
      if (e == 1)
        return x;
      if (e == 2)
        return mul(x, x, t);
      if (e == 3)
        return mul(mul(x, x, t), x, t);
      if (e == -1)
        return div(constant(t, 1), x, t);
    }
    return math::PowFOp::create(b, loc, x, y);
  }
  return math::IPowIOp::create(b, loc, x, y);
}

Value Scalar::cast(Value x, Type from, Type to, bool saturate, Rounding rounding) {
  if (from == to)
    return x;
  Type target = computeType(to);
  if (auto c = dyn_cast<ComplexType>(from)) {
    if (auto d = dyn_cast<ComplexType>(to)) {
      Value re = cast(complex::ReOp::create(b, loc, x), c.getElementType(), d.getElementType());
      Value im = cast(complex::ImOp::create(b, loc, x), c.getElementType(), d.getElementType());
      return complex::CreateOp::create(b, loc, d, re, im);
    }
    return cast(complex::ReOp::create(b, loc, x), c.getElementType(), to, saturate, rounding);
  }
  if (auto d = dyn_cast<ComplexType>(to)) {
    Value re = cast(x, from, d.getElementType());
    return complex::CreateOp::create(b, loc, d, re, fconst(d.getElementType(), 0));
  }
  if (to.isInteger(1))
    return compare(Compare::NotEqual, x, constant(from, 0.0), from);
  if (isa<FloatType>(from)) {
    if (isa<FloatType>(to)) {
      Value y = x;
      if (x.getType() != target) {
        if (x.getType().getIntOrFloatBitWidth() < target.getIntOrFloatBitWidth())
          y = arith::ExtFOp::create(b, loc, target, x);
        else
          y = arith::TruncFOp::create(b, loc, target, x);
      }
      // The narrow type's rounding must happen here, a consumer in the same group would not see it else.
      if (isSmallFloat(to))
        return decodeSmallFloat(encodeSmallFloat(y, ::cast<FloatType>(to), saturate, rounding), ::cast<FloatType>(to));
      return y;
    }
    unsigned width = to.getIntOrFloatBitWidth();
    if (to.isUnsignedInteger(64))
      return arith::FPToUIOp::create(b, loc, target, x);
    // Through a wider signed integer: a negative value wraps in an unsigned type instead of being undefined.
    Type wide = b.getIntegerType(width < 32 ? 32 : 64);
    if (!to.isUnsignedInteger() && width == 32)
      wide = b.getI32Type();
    Value y = arith::FPToSIOp::create(b, loc, wide, x);
    if (wide != target)
      y = arith::TruncIOp::create(b, loc, target, y);
    return width < 8 ? store(y, to) : y;
  }
  if (isa<FloatType>(to)) {
    Value y = isUnsigned(from) ? arith::UIToFPOp::create(b, loc, target, x).getResult()
                               : arith::SIToFPOp::create(b, loc, target, x).getResult();
    if (isSmallFloat(to))
      return decodeSmallFloat(encodeSmallFloat(y, ::cast<FloatType>(to), saturate, rounding), ::cast<FloatType>(to));
    return y;
  }
  unsigned have = x.getType().getIntOrFloatBitWidth(), want = target.getIntOrFloatBitWidth();
  Value y = x;
  if (have < want)
    y = isUnsigned(from) ? arith::ExtUIOp::create(b, loc, target, x).getResult()
                         : arith::ExtSIOp::create(b, loc, target, x).getResult();
  else if (have > want)
    y = arith::TruncIOp::create(b, loc, target, x);
  return to.getIntOrFloatBitWidth() < 8 ? store(y, to) : y;
}

Value Scalar::toIndex(Value x, Type t) {
  Value wide = cast(x, t, isUnsigned(t) ? (Type)b.getIntegerType(64, false) : (Type)b.getI64Type());
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), wide);
}
Value Scalar::fromIndex(Value x, Type t) {
  return cast(arith::IndexCastOp::create(b, loc, b.getI64Type(), x), b.getI64Type(), t);
}
