//===- ExpandMath.cpp - transcendental functions as arithmetic --------------===//
// Expects: a dispatch at any level. Leaves: no exp, log, tanh, erf, sin, cos ... of float32 and no math operation on
// narrower floats; a loop around them is then plain arithmetic that any vectoriser takes. Linear.
//===----------------------------------------------------------------------===//
#include "passes/vectorise/FloatBuilder.h"
#include "passes/vectorise/Passes.h"
#include <limits>

using namespace mlir;
using namespace ssm;
using P = arith::CmpFPredicate;

namespace ssm {
#define GEN_PASS_DEF_EXPANDMATH
#include "passes/vectorise/Passes.h.inc"
} // namespace ssm

namespace {
std::optional<double> constantOf(Value v) {
  FloatAttr scalar;
  if (matchPattern(v, m_Constant(&scalar)))
    return scalar.getValueAsDouble();
  SplatElementsAttr splat;
  if (matchPattern(v, m_Constant(&splat)) && isa<FloatType>(splat.getElementType()))
    return splat.getSplatValue<APFloat>().convertToDouble();
  return std::nullopt;
}

/// Powers whose exponent is a small constant.
Value expandPow(FloatBuilder &a, Value x, double exponent) {
  if (exponent == 1)
    return x;
  if (exponent == 2)
    return a.mul(x, x);
  if (exponent == 3)
    return a.mul(a.mul(x, x), x);
  if (exponent == -1)
    return a.div(a.f(1.0f), x);
  if (exponent == 0.5 || exponent == -0.5) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    // pow gives +0 for -0 and infinity for minus infinity, where sqrt does not.
    Value root = math::SqrtOp::create(a.b, a.add(x, a.f(0.0f)));
    root = a.select(a.cmp(P::OEQ, x, a.f(-inf)), a.f(inf), root);
    return exponent > 0 ? root : a.div(a.f(1.0f), root);
  }
  return nullptr;
}

Value expand(FloatBuilder &a, Operation *op, Value x) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](math::ExpOp) { return expandExp(a, x); })
      .Case([&](math::LogOp) { return expandLog(a, x); })
      .Case([&](math::Log1pOp) { return expandLog1p(a, x); })
      .Case([&](math::TanhOp) { return expandTanh(a, x); })
      .Case([&](math::ErfOp) { return expandErf(a, x); })
      .Case([&](math::SinOp) { return expandSinCos(a, x, false); })
      .Case([&](math::CosOp) { return expandSinCos(a, x, true); })
      .Case([&](math::RsqrtOp) { return a.div(a.f(1.0f), math::SqrtOp::create(a.b, x)); })
      .Case([&](math::PowFOp pow) {
        std::optional<double> exponent = constantOf(pow.getRhs());
        return exponent ? expandPow(a, x, *exponent) : Value();
      })
      .Default([](Operation *) { return Value(); });
}

/// base ** exponent on integers, by squaring; a negative exponent leaves only the powers of 1 and -1.
Value expandIntegerPower(math::IPowIOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Type type = op.getType();
  if (isa<VectorType>(type))
    return nullptr;
  Value base = op.getLhs(), exponent = op.getRhs();
  Value zero = arith::ConstantOp::create(b, b.getIntegerAttr(type, 0));
  Value one = arith::ConstantOp::create(b, b.getIntegerAttr(type, 1));
  Value minusOne = arith::ConstantOp::create(b, b.getIntegerAttr(type, -1));
  auto loop = scf::WhileOp::create(
      b, TypeRange{type, type, type}, ValueRange{one, base, exponent},
      [&](OpBuilder &nested, Location loc, ValueRange v) {
        Value more = arith::CmpIOp::create(nested, loc, arith::CmpIPredicate::sgt, v[2], zero);
        scf::ConditionOp::create(nested, loc, more, v);
      },
      [&](OpBuilder &nested, Location loc, ValueRange v) {
        Value bit = arith::TruncIOp::create(nested, loc, nested.getI1Type(), v[2]);
        Value times = arith::MulIOp::create(nested, loc, v[0], v[1]);
        Value r = arith::SelectOp::create(nested, loc, bit, times, v[0]);
        Value square = arith::MulIOp::create(nested, loc, v[1], v[1]);
        scf::YieldOp::create(nested, loc, ValueRange{r, square, arith::ShRUIOp::create(nested, loc, v[2], one)});
      });
  using I = arith::CmpIPredicate;
  Value odd = arith::CmpIOp::create(b, I::ne, arith::AndIOp::create(b, exponent, one), zero);
  Value sign = arith::SelectOp::create(b, odd, minusOne, one);
  Value isOne = arith::CmpIOp::create(b, I::eq, base, one), isMinus = arith::CmpIOp::create(b, I::eq, base, minusOne);
  Value inverse = arith::SelectOp::create(b, isOne, one, arith::SelectOp::create(b, isMinus, sign, zero));
  Value negative = arith::CmpIOp::create(b, I::slt, exponent, zero);
  return arith::SelectOp::create(b, negative, inverse, loop.getResult(0));
}

struct ExpandMath : ssm::impl::ExpandMathBase<ExpandMath> {
  void runOnOperation() override {
    if (!getOperation()->hasAttr("ssm.dispatch"))
      return;
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa_and_nonnull<math::MathDialect>(op->getDialect()) && op->getNumResults() == 1)
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (auto power = dyn_cast<math::IPowIOp>(op)) {
        if (Value v = expandIntegerPower(power))
          op->replaceAllUsesWith(ValueRange{v}), op->erase();
        continue;
      }
      Type element = getElementTypeOrSelf(op->getResult(0).getType());
      if (!element.isF32() || !llvm::all_equal(op->getOperandTypes()))
        continue;
      OpBuilder b(op);
      FloatBuilder a(b, op->getLoc(), op->getResult(0).getType());
      if (Value v = expand(a, op, op->getOperand(0)))
        op->replaceAllUsesWith(ValueRange{v}), op->erase();
    }
  }
};
} // namespace
