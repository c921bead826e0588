//===- Trigonometry.cpp - sin and cos of float32 ----------------------------===//
// The quadrant is found in float64, where the reduction of any position in a sequence keeps float32's relative
// accuracy.
//===----------------------------------------------------------------------===//
#include "passes/vectorise/FloatBuilder.h"
#include <limits>

using namespace mlir;
using namespace ssm;
using P = arith::CmpFPredicate;

Value ssm::expandSinCos(FloatBuilder &a, Value x, bool cosine) {
  Value magic = a.d(6755399441055744.0); // 1.5 * 2^52
  Value xd = a.widen(x);
  Value t = a.fma(xd, a.d(0.63661977236758134), magic);
  Value n = a.narrowI(a.bits(a.i64(), t));
  Value nd = a.sub(t, magic);
  Value rd = a.fma(nd, a.d(-1.5707963267948966), xd);
  rd = a.fma(nd, a.d(-6.123233995736766e-17), rd);
  Value r = a.narrow(rd);
  Value z = a.mul(r, r);
  Value s = a.polynomial(z, {-1.666666716e-01f, 8.333378471e-03f, -1.985257113e-04f, 2.826513764e-06f});
  s = a.fma(a.mul(s, z), r, r);
  Value c = a.polynomial(z, {4.166666791e-02f, -1.388897770e-03f, 2.482097443e-05f, -2.876806775e-07f});
  c = a.add(a.fma(a.mul(z, z), c, a.mul(z, a.f(-0.5f))), a.f(1.0f));
  if (cosine)
    n = a.addI(n, a.i(1));
  Value odd = a.cmpI(arith::CmpIPredicate::ne, a.andI(n, a.i(1)), a.i(0));
  Value magnitude = a.select(odd, c, s);
  Value sign = a.shl(a.andI(n, a.i(2)), a.i(30));
  Value y = a.bits(a.f32(), a.xorI(a.bits(a.i32(), magnitude), sign));
  if (!cosine) // the sign of zero
    y = a.select(a.cmp(P::OEQ, x, a.f(0.0f)), x, y);
  // Infinity minus infinity: not a number.
  Value bad = a.cmp(P::OEQ, a.abs(x), a.f(std::numeric_limits<float>::infinity()));
  return a.select(bad, a.f(std::numeric_limits<float>::quiet_NaN()), y);
}
