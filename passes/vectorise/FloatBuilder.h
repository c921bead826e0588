//===- FloatBuilder.h - arithmetic on float32 scalars or vectors, written short ---*- C++ -*-===//
#ifndef SSM_PASSES_VECTORISE_FLOATBUILDER_H
#define SSM_PASSES_VECTORISE_FLOATBUILDER_H
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <initializer_list>

namespace ssm {
/// Builds operations on values shaped like `like`: its element type is exchanged, its vector shape kept.
class FloatBuilder {
public:
  using Value = mlir::Value;
  FloatBuilder(mlir::OpBuilder &b, mlir::Location loc, mlir::Type like) : b(loc, b), like(like) {}

  mlir::Type shaped(mlir::Type element) const {
    auto v = mlir::dyn_cast<mlir::VectorType>(like);
    return v ? mlir::Type(v.clone(element)) : element;
  }
  mlir::Type f32() { return shaped(b.getF32Type()); }
  mlir::Type f64() { return shaped(b.getF64Type()); }
  mlir::Type i32() { return shaped(b.getI32Type()); }
  mlir::Type i64() { return shaped(b.getI64Type()); }

  Value splat(mlir::Type type, mlir::TypedAttr scalar) {
    mlir::TypedAttr attr = scalar;
    if (auto v = mlir::dyn_cast<mlir::VectorType>(type))
      attr = mlir::SplatElementsAttr::get(v, mlir::Attribute(scalar));
    return mlir::arith::ConstantOp::create(b, attr);
  }
  Value f(float v) { return splat(f32(), b.getF32FloatAttr(v)); }
  Value d(double v) { return splat(f64(), b.getF64FloatAttr(v)); }
  Value i(int32_t v) { return splat(i32(), b.getI32IntegerAttr(v)); }
  Value l(int64_t v) { return splat(i64(), b.getI64IntegerAttr(v)); }

  Value add(Value x, Value y) { return mlir::arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return mlir::arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return mlir::arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return mlir::arith::DivFOp::create(b, x, y); }
  Value neg(Value x) { return mlir::arith::NegFOp::create(b, x); }
  Value abs(Value x) { return mlir::math::AbsFOp::create(b, x); }
  Value fma(Value x, Value y, Value z) { return mlir::math::FmaOp::create(b, x, y, z); }
  Value copySign(Value x, Value sign) { return mlir::math::CopySignOp::create(b, x, sign); }
  Value addI(Value x, Value y) { return mlir::arith::AddIOp::create(b, x, y); }
  Value subI(Value x, Value y) { return mlir::arith::SubIOp::create(b, x, y); }
  Value andI(Value x, Value y) { return mlir::arith::AndIOp::create(b, x, y); }
  Value xorI(Value x, Value y) { return mlir::arith::XOrIOp::create(b, x, y); }
  Value shl(Value x, Value y) { return mlir::arith::ShLIOp::create(b, x, y); }
  Value sar(Value x, Value y) { return mlir::arith::ShRSIOp::create(b, x, y); }
  Value bits(mlir::Type type, Value x) { return mlir::arith::BitcastOp::create(b, type, x); }
  Value toFloat(Value x) { return mlir::arith::SIToFPOp::create(b, f32(), x); }
  Value widen(Value x) { return mlir::arith::ExtFOp::create(b, f64(), x); }
  Value narrow(Value x) { return mlir::arith::TruncFOp::create(b, f32(), x); }
  Value narrowI(Value x) { return mlir::arith::TruncIOp::create(b, i32(), x); }
  Value cmp(mlir::arith::CmpFPredicate p, Value x, Value y) { return mlir::arith::CmpFOp::create(b, p, x, y); }
  Value cmpI(mlir::arith::CmpIPredicate p, Value x, Value y) { return mlir::arith::CmpIOp::create(b, p, x, y); }
  Value select(Value c, Value x, Value y) { return mlir::arith::SelectOp::create(b, c, x, y); }
  /// c0 + c1 x + c2 x^2 + ...
  Value polynomial(Value x, std::initializer_list<float> coefficients) {
    Value r;
    for (const float *c = coefficients.end(); c-- != coefficients.begin();)
      r = r ? fma(r, x, f(*c)) : f(*c);
    return r;
  }

  mlir::ImplicitLocOpBuilder b;

private:
  mlir::Type like;
};

mlir::Value expandExp(FloatBuilder &a, mlir::Value x);
mlir::Value expandLog(FloatBuilder &a, mlir::Value x);
mlir::Value expandLog1p(FloatBuilder &a, mlir::Value x);
mlir::Value expandTanh(FloatBuilder &a, mlir::Value x);
mlir::Value expandErf(FloatBuilder &a, mlir::Value x);
mlir::Value expandSinCos(FloatBuilder &a, mlir::Value x, bool cosine);
} // namespace ssm
#endif
