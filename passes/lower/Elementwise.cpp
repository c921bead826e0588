//===- Elementwise.cpp - lowerings of elementwise operators ----------------===//
// Formulas are those of the ONNX operator pages. A float narrower than f32 arrives and leaves as f32.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;

/// ONNX element type of operand i.
Type elementOf(Operation *op, unsigned i = 0) {
  while (i < op->getNumOperands() && onnx::isNone(op->getOperand(i)))
    ++i;
  return cast<TensorType>(op->getOperand(i).getType()).getElementType();
}
Type resultOf(Operation *op) { return cast<TensorType>(op->getResult(0).getType()).getElementType(); }

template <typename Op> auto unary() {
  return [](Operation *op, Scalar &s, ValueRange v) -> Value { return s.apply<Op>(v[0]); };
}
auto binary(Value (Scalar::*fn)(Value, Value, Type)) {
  return [fn](Operation *op, Scalar &s, ValueRange v) -> Value { return (s.*fn)(v[0], v[1], elementOf(op)); };
}
auto variadic(Value (Scalar::*fn)(Value, Value, Type)) {
  return [fn](Operation *op, Scalar &s, ValueRange v) -> Value {
    Value r = v[0];
    for (Value x : v.drop_front())
      r = (s.*fn)(r, x, elementOf(op));
    return r;
  };
}
auto comparison(Cmp kind) {
  return [kind](Operation *op, Scalar &s, ValueRange v) -> Value { return s.compare(kind, v[0], v[1], elementOf(op)); };
}
template <typename Op> auto bitwise() {
  return [](Operation *, Scalar &s, ValueRange v) -> Value { return Op::create(s.b, s.loc, v[0], v[1]); };
}

struct F { // arithmetic on floats of one operator
  Scalar &s;
  Type t;
  Value c(double v) { return s.constant(t, v); }
  Value add(Value x, Value y) { return s.add(x, y, t); }
  Value sub(Value x, Value y) { return s.sub(x, y, t); }
  Value mul(Value x, Value y) { return s.mul(x, y, t); }
  Value div(Value x, Value y) { return s.div(x, y, t); }
  Value exp(Value x) { return s.apply<math::ExpOp>(x); }
  Value less(Value x, Value y) { return s.compare(Cmp::Less, x, y, t); }
  Value sigmoid(Value x) { return div(c(1), add(c(1), exp(s.neg(x, t)))); }
  // log(1 + e^x) = max(x, 0) + log1p(e^-|x|)
  Value softplus(Value x) {
    return add(s.max(x, c(0), t), s.apply<math::Log1pOp>(exp(s.neg(s.abs(x, t), t))));
  }
  Value tanh(Value x) { return s.apply<math::TanhOp>(x); }
  Value erfGelu(Value x) {
    return mul(mul(c(0.5), x), add(c(1), s.apply<math::ErfOp>(mul(x, c(0.70710678118654752440)))));
  }
  Value tanhGelu(Value x) {
    Value inner = mul(c(0.79788456080286535588), add(x, mul(c(0.044715), mul(x, mul(x, x)))));
    return mul(mul(c(0.5), x), add(c(1), tanh(inner)));
  }
};
using Formula = std::function<Value(Operation *, F &, Value)>;
auto formula(Formula fn) {
  return [fn](Operation *op, Scalar &s, ValueRange v) -> Value {
    F f{s, elementOf(op)};
    return fn(op, f, v[0]);
  };
}

Value clip(Operation *op, Scalar &s, ValueRange v) {
  Type t = elementOf(op);
  Value x = v[0];
  if (v[1])
    x = s.max(x, v[1], t);
  if (v[2])
    x = s.min(x, v[2], t);
  return x;
}

Value castOp(Operation *op, Scalar &s, ValueRange v) {
  StringRef mode = onnx::stringAttr(op, "round_mode", "up");
  Scalar::Rounding rounding = mode == "down"      ? Scalar::Rounding::Down
                              : mode == "nearest" ? Scalar::Rounding::Nearest
                                                  : Scalar::Rounding::Up;
  return s.cast(v[0], elementOf(op), resultOf(op), onnx::intAttr(op, "saturate", 1), rounding);
}

Value power(Operation *op, Scalar &s, ValueRange v) {
  Type base = elementOf(op), exponent = elementOf(op, 1);
  if (isa<FloatType>(base) || isa<IntegerType>(exponent))
    return s.pow(v[0], s.cast(v[1], exponent, base), base);
  // Integer base, float exponent: through double.
  Type f64 = s.b.getF64Type();
  return s.cast(s.pow(s.cast(v[0], base, f64), s.cast(v[1], exponent, f64), f64), f64, base);
}

/// Shifts by less than 0, or by the width and more, push every bit out: 0, or the sign where it is shifted in.
Value shift(Operation *op, Scalar &s, ValueRange v) {
  Type t = v[0].getType();
  bool left = onnx::stringAttr(op, "direction") == "LEFT", isSigned = !isUnsigned(elementOf(op));
  auto constant = [&](int64_t c) -> Value { return arith::ConstantOp::create(s.b, s.loc, s.b.getIntegerAttr(t, c)); };
  unsigned width = t.getIntOrFloatBitWidth();
  Value inRange = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::ult, v[1], constant(width));
  if (!left && isSigned) {
    Value by = s.select(inRange, v[1], constant(width - 1));
    return arith::ShRSIOp::create(s.b, s.loc, v[0], by);
  }
  Value by = s.select(inRange, v[1], constant(0));
  Value r = left ? arith::ShLIOp::create(s.b, s.loc, v[0], by).getResult()
                 : arith::ShRUIOp::create(s.b, s.loc, v[0], by).getResult();
  return s.select(inRange, r, constant(0));
}

Value isInf(Operation *op, Scalar &s, ValueRange v) {
  F f{s, elementOf(op)};
  double inf = std::numeric_limits<double>::infinity();
  Value up = s.compare(Cmp::Equal, v[0], f.c(inf), f.t), down = s.compare(Cmp::Equal, v[0], f.c(-inf), f.t);
  bool p = onnx::intAttr(op, "detect_positive", 1), n = onnx::intAttr(op, "detect_negative", 1);
  if (p && n)
    return arith::OrIOp::create(s.b, s.loc, up, down);
  if (p || n)
    return p ? up : down;
  return s.constant(s.b.getI1Type(), 0.0);
}

SmallVector<AffineExpr> channelAlign(Operation *op, unsigned operand) {
  if (operand == 0)
    return {};
  return {getAffineDimExpr(1, op->getContext())};
}
} // namespace

void ssm::populateElementwise(Registry &r) {
  r.element("Add", binary(&Scalar::add));
  r.element("Sub", binary(&Scalar::sub));
  r.element("Mul", binary(&Scalar::mul));
  r.element("Div", binary(&Scalar::div));
  r.element("Sum", variadic(&Scalar::add));
  r.element("Max", variadic(&Scalar::max));
  r.element("Min", variadic(&Scalar::min));
  r.element("Mean", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    Value x = variadic(&Scalar::add)(op, s, v);
    return s.div(x, s.constant(elementOf(op), v.size()), elementOf(op));
  });
  r.element("Mod", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    return s.mod(v[0], v[1], elementOf(op), onnx::intAttr(op, "fmod"));
  });
  r.element("Pow", power);
  r.element("Neg", [](Operation *op, Scalar &s, ValueRange v) -> Value { return s.neg(v[0], elementOf(op)); });
  r.element("Abs", [](Operation *op, Scalar &s, ValueRange v) -> Value { return s.abs(v[0], elementOf(op)); });
  r.element("Sign", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    Type t = elementOf(op);
    Value zero = s.constant(t, 0.0);
    Value r = s.select(s.compare(Cmp::Greater, v[0], zero, t), s.constant(t, 1.0), zero);
    if (isUnsigned(t))
      return r;
    return s.select(s.compare(Cmp::Less, v[0], zero, t), s.constant(t, -1.0), r);
  });
  r.element("Equal", comparison(Cmp::Equal));
  r.element("Less", comparison(Cmp::Less));
  r.element("LessOrEqual", comparison(Cmp::LessEqual));
  r.element("Greater", comparison(Cmp::Greater));
  r.element("GreaterOrEqual", comparison(Cmp::GreaterEqual));
  r.element("And", bitwise<arith::AndIOp>());
  r.element("Or", bitwise<arith::OrIOp>());
  r.element("Xor", bitwise<arith::XOrIOp>());
  r.element("BitwiseAnd", bitwise<arith::AndIOp>());
  r.element("BitwiseOr", bitwise<arith::OrIOp>());
  r.element("BitwiseXor", bitwise<arith::XOrIOp>());
  auto invert = [](Operation *, Scalar &s, ValueRange v) -> Value {
    Value ones = arith::ConstantOp::create(s.b, s.loc, s.b.getIntegerAttr(v[0].getType(), -1));
    return arith::XOrIOp::create(s.b, s.loc, v[0], ones);
  };
  r.element("Not", invert);
  r.element("BitwiseNot", invert);
  r.element("BitShift", shift);
  r.element("Where", [](Operation *, Scalar &s, ValueRange v) -> Value { return s.select(v[0], v[1], v[2]); });
  r.element("Cast", castOp);
  r.element("CastLike", castOp, [](Operation *op, unsigned i) -> SmallVector<AffineExpr> { return {}; });
  r.element("BitCast", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    Type from = elementOf(op), to = resultOf(op);
    Value stored = s.store(v[0], from);
    if (to.isInteger(1)) // any byte may come; a bool in a buffer is 0 or 1
      return s.load(arith::BitcastOp::create(s.b, s.loc, storageType(to), stored), to);
    if (stored.getType() != storageType(to))
      stored = arith::BitcastOp::create(s.b, s.loc, storageType(to), stored);
    return s.load(stored, to);
  });
  r.element("Clip", clip);
  r.element("IsInf", isInf);
  r.element("IsNaN", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    return s.compare(Cmp::NotEqual, v[0], v[0], elementOf(op));
  });
  r.element("BatchNormalization", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    F f{s, elementOf(op)};
    Type p = elementOf(op, 1), q = elementOf(op, 3);
    Value variance = f.add(s.cast(v[4], q, f.t), f.c(onnx::floatAttr(op, "epsilon", 1e-5)));
    Value scale = f.div(s.cast(v[1], p, f.t), s.apply<math::SqrtOp>(variance));
    return f.add(f.mul(f.sub(v[0], s.cast(v[3], q, f.t)), scale), s.cast(v[2], p, f.t));
  }, channelAlign);

  r.element("Sqrt", unary<math::SqrtOp>());
  r.element("Exp", unary<math::ExpOp>());
  r.element("Log", unary<math::LogOp>());
  r.element("Ceil", unary<math::CeilOp>());
  r.element("Floor", unary<math::FloorOp>());
  r.element("Round", unary<math::RoundEvenOp>());
  r.element("Sin", unary<math::SinOp>());
  r.element("Cos", unary<math::CosOp>());
  r.element("Tan", unary<math::TanOp>());
  r.element("Asin", unary<math::AsinOp>());
  r.element("Acos", unary<math::AcosOp>());
  r.element("Atan", unary<math::AtanOp>());
  r.element("Sinh", unary<math::SinhOp>());
  r.element("Cosh", unary<math::CoshOp>());
  r.element("Tanh", unary<math::TanhOp>());
  r.element("Asinh", unary<math::AsinhOp>());
  r.element("Acosh", unary<math::AcoshOp>());
  r.element("Atanh", unary<math::AtanhOp>());
  r.element("Erf", unary<math::ErfOp>());
  r.element("Reciprocal", formula([](Operation *, F &f, Value x) { return f.div(f.c(1), x); }));
  r.element("Relu", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    return s.max(v[0], s.constant(elementOf(op), 0.0), elementOf(op));
  });
  r.element("Sigmoid", formula([](Operation *, F &f, Value x) { return f.sigmoid(x); }));
  r.element("Softplus", formula([](Operation *, F &f, Value x) { return f.softplus(x); }));
  r.element("Softsign", formula([](Operation *, F &f, Value x) { return f.div(x, f.add(f.c(1), f.s.abs(x, f.t))); }));
  r.element("Mish", formula([](Operation *, F &f, Value x) { return f.mul(x, f.tanh(f.softplus(x))); }));
  r.element("Swish", formula([](Operation *op, F &f, Value x) {
    return f.mul(x, f.sigmoid(f.mul(x, f.c(onnx::floatAttr(op, "alpha", 1)))));
  }));
  r.element("HardSigmoid", formula([](Operation *op, F &f, Value x) {
    Value y = f.add(f.mul(f.c(onnx::floatAttr(op, "alpha", 0.2)), x), f.c(onnx::floatAttr(op, "beta", 0.5)));
    return f.s.max(f.s.min(y, f.c(1), f.t), f.c(0), f.t);
  }));
  r.element("HardSwish", formula([](Operation *, F &f, Value x) {
    Value y = f.add(f.mul(f.c(1.0 / 6), x), f.c(0.5));
    return f.mul(x, f.s.max(f.s.min(y, f.c(1), f.t), f.c(0), f.t));
  }));
  r.element("LeakyRelu", formula([](Operation *op, F &f, Value x) {
    return f.s.select(f.less(x, f.c(0)), f.mul(x, f.c(onnx::floatAttr(op, "alpha", 0.01))), x);
  }));
  r.element("Elu", formula([](Operation *op, F &f, Value x) {
    Value low = f.mul(f.c(onnx::floatAttr(op, "alpha", 1)), f.sub(f.exp(x), f.c(1)));
    return f.s.select(f.less(x, f.c(0)), low, x);
  }));
  r.element("Celu", formula([](Operation *op, F &f, Value x) {
    double alpha = onnx::floatAttr(op, "alpha", 1);
    Value low = f.mul(f.c(alpha), f.sub(f.exp(f.div(x, f.c(alpha))), f.c(1)));
    return f.add(f.s.max(x, f.c(0), f.t), f.s.min(low, f.c(0), f.t));
  }));
  r.element("Selu", formula([](Operation *op, F &f, Value x) {
    double alpha = onnx::floatAttr(op, "alpha", 1.67326), gamma = onnx::floatAttr(op, "gamma", 1.0507);
    Value low = f.sub(f.mul(f.c(alpha), f.exp(x)), f.c(alpha));
    return f.mul(f.c(gamma), f.s.select(f.less(f.c(0), x), x, low));
  }));
  r.element("ThresholdedRelu", formula([](Operation *op, F &f, Value x) {
    return f.s.select(f.less(f.c(onnx::floatAttr(op, "alpha", 1)), x), x, f.c(0));
  }));
  r.element("Shrink", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    Type t = elementOf(op), c = isa<FloatType>(t) ? t : (Type)s.b.getF32Type();
    F f{s, c};
    Value x = s.cast(v[0], t, c), bias = f.c(onnx::floatAttr(op, "bias", 0));
    double lambda = onnx::floatAttr(op, "lambd", 0.5);
    Value y = s.select(f.less(x, f.c(-lambda)), f.add(x, bias),
                       s.select(f.less(f.c(lambda), x), f.sub(x, bias), f.c(0)));
    return s.cast(y, c, t);
  });
  r.element("Gelu", formula([](Operation *op, F &f, Value x) {
    return onnx::stringAttr(op, "approximate", "none") == "tanh" ? f.tanhGelu(x) : f.erfGelu(x);
  }));
  r.element("PRelu", [](Operation *op, Scalar &s, ValueRange v) -> Value {
    Type t = elementOf(op);
    return s.select(s.compare(Cmp::Less, v[0], s.constant(t, 0.0), t), s.mul(v[0], v[1], t), v[0]);
  });
}
