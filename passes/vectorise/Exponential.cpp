//===- Exponential.cpp - exp, tanh and erf of float32 ----------------------===//
// Minimax polynomials after range reduction; the coefficients were fitted for float32 rounding of each in turn.
//===----------------------------------------------------------------------===//
#include "passes/vectorise/FloatBuilder.h"

using namespace mlir;
using namespace ssm;
using P = arith::CmpFPredicate;

// exp(x) = 2^n exp(r), r = x - n ln 2 in two parts. 2^n is applied as two powers, so that results near overflow and
// denormal ones are right.
Value ssm::expandExp(FloatBuilder &a, Value x) {
  Value y = a.select(a.cmp(P::OGT, x, a.f(89.0f)), a.f(89.0f), x);
  y = a.select(a.cmp(P::OLT, y, a.f(-105.0f)), a.f(-105.0f), y);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  Value magic = a.f(12582912.0f);
  Value t = a.fma(y, a.f(1.44269504f), magic);
  Value n = a.subI(a.bits(a.i32(), t), a.bits(a.i32(), magic));
  Value nf = a.sub(t, magic);
  Value r = a.fma(nf, a.f(-0.693145752f), y);
  r = a.fma(nf, a.f(-1.42860682e-06f), r);
  Value p = a.polynomial(r, {4.999999404e-01f, 1.666651666e-01f, 4.166828468e-02f, 8.369250223e-03f, 1.382046845e-03f});
  p = a.add(a.fma(a.mul(r, r), p, r), a.f(1.0f));
  Value half = a.sar(n, a.i(1));
  auto power = [&](Value e) { return a.bits(a.f32(), a.shl(a.addI(e, a.i(127)), a.i(23))); };
  return a.mul(a.mul(p, power(half)), power(a.subI(n, half)));
}

// A polynomial near zero, where 1 - 2 / (exp(2x) + 1) cancels.
Value ssm::expandTanh(FloatBuilder &a, Value x) {
  Value ax = a.abs(x);
  Value z = a.mul(x, x);
  Value p =
      a.polynomial(z, {-3.333328068e-01f, 1.333140880e-01f, -5.373691395e-02f, 2.062981017e-02f, -5.694424268e-03f});
  Value small = a.fma(a.mul(p, z), ax, ax);
  Value e = expandExp(a, a.add(ax, ax));
  Value large = a.sub(a.f(1.0f), a.div(a.f(2.0f), a.add(e, a.f(1.0f))));
  return a.copySign(a.select(a.cmp(P::OLT, ax, a.f(0.625f)), small, large), x);
}

// x + x P(x^2) near zero, 1 - exp(x Q(x)) beyond; from 3.95 on the result rounds to 1.
Value ssm::expandErf(FloatBuilder &a, Value x) {
  Value ax = a.abs(x);
  Value z = a.mul(x, x);
  Value p = a.polynomial(z, {1.283791661e-01f, -3.761262894e-01f, 1.128362566e-01f, -2.685573138e-02f, 5.192405079e-03f,
                             -8.049769094e-04f, 7.996641943e-05f});
  Value small = a.fma(p, x, x);
  Value t = a.select(a.cmp(P::OGT, ax, a.f(3.95f)), a.f(3.95f), ax);
  Value q = a.polynomial(t, {-1.128551722e+00f, -6.356254220e-01f, -1.052623466e-01f, 2.267369069e-02f,
                             -2.929828828e-03f, 4.944664397e-05f, 4.561329115e-05f, -4.941267434e-06f});
  Value large = a.sub(a.f(1.0f), expandExp(a, a.mul(q, t)));
  return a.select(a.cmp(P::OLT, ax, a.f(0.925f)), small, a.copySign(large, x));
}
