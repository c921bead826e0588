//===- Logarithm.cpp - log and log1p of float32 -----------------------------===//
#include "passes/vectorise/FloatBuilder.h"
#include <limits>

using namespace mlir;
using namespace ssm;
using P = arith::CmpFPredicate;

// x = 2^e m with m in [sqrt 1/2, sqrt 2); denormals are scaled first.
Value ssm::expandLog(FloatBuilder &a, Value x) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr int32_t sqrtHalf = 0x3f3504f3;
  Value denormal = a.cmp(P::OLT, x, a.f(1.17549435e-38f));
  Value y = a.select(denormal, a.mul(x, a.f(8388608.0f)), x);
  Value i = a.subI(a.bits(a.i32(), y), a.i(sqrtHalf));
  Value e = a.toFloat(a.sar(i, a.i(23)));
  e = a.add(e, a.select(denormal, a.f(-23.0f), a.f(0.0f)));
  Value m = a.bits(a.f32(), a.addI(a.andI(i, a.i(0x007fffff)), a.i(sqrtHalf)));
  Value f = a.sub(m, a.f(1.0f));
  Value p = a.polynomial(f, {3.333331347e-01f, -2.500000894e-01f, 2.000207305e-01f, -1.666799635e-01f, 1.422032714e-01f,
                             -1.240603179e-01f, 1.188356802e-01f, -1.167144924e-01f, 6.750956178e-02f});
  Value z = a.mul(f, f);
  Value r = a.mul(a.mul(p, f), z);
  r = a.fma(e, a.f(-2.12194440e-4f), r);
  r = a.fma(z, a.f(-0.5f), r);
  r = a.add(f, r);
  r = a.fma(e, a.f(0.693359375f), r);
  r = a.select(a.cmp(P::OEQ, x, a.f(inf)), x, r);
  r = a.select(a.cmp(P::OEQ, x, a.f(0.0f)), a.f(-inf), r);
  // Negative or not a number.
  return a.select(a.cmp(P::ULT, x, a.f(0.0f)), a.f(std::numeric_limits<float>::quiet_NaN()), r);
}

// log(u) + (x - (u - 1)) / u with u = 1 + x rounded: the second term is what rounding took.
Value ssm::expandLog1p(FloatBuilder &a, Value x) {
  Value u = a.add(x, a.f(1.0f));
  Value lost = a.sub(x, a.sub(u, a.f(1.0f)));
  Value r = a.add(expandLog(a, u), a.div(lost, u));
  Value plain = a.cmp(P::OEQ, u, a.f(1.0f));
  Value ends = a.cmpI(arith::CmpIPredicate::eq, a.andI(a.bits(a.i32(), u), a.i(0x7fffffff)), a.i(0x7f800000));
  Value zero = a.cmp(P::OEQ, u, a.f(0.0f));
  r = a.select(ends, expandLog(a, u), r);
  r = a.select(zero, a.f(-std::numeric_limits<float>::infinity()), r);
  return a.select(plain, x, r);
}
