//===- Random.cpp - random tensors -----------------------------------------===//
// Counter based: element i of a tensor with seed s is a hash of (s, i), so that the value depends neither on the order
// nor on the number of threads. The hash is two rounds of splitmix64 (Steele, Lea, Flood 2014), of the seed and of the
// counter; where the operator has no seed, the runtime draws one and gives its hash. A uniform number has the hash's
// upper 53 bits; a normal one comes from two of them by Box and Muller.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Loops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15, kFirst = 0xBF58476D1CE4E5B9, kSecond = 0x94D049BB133111EB;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * kFirst;
  z = (z ^ (z >> 27)) * kSecond;
  return z ^ (z >> 31);
}

/// Numbers of one operator.
class Stream {
public:
  Stream(Operation *op, Emitter &e, Scalar &s) : s(s) {
    if (auto drawn = op->getAttrOfType<AffineMapAttr>(kSeedAttr)) {
      key = arith::IndexCastOp::create(s.b, s.loc, s.b.getI64Type(), e.size(drawn.getValue().getResult(0)));
      return;
    }
    float seed = onnx::floatAttr(op, "seed");
    uint32_t bits = 0;
    memcpy(&bits, &seed, sizeof bits);
    if (auto i = op->getAttrOfType<IntegerAttr>("seed"))
      bits = i.getValue().getSExtValue();
    key = number(mix(bits + kGolden));
  }
  /// A float64 in [0, 1) for a counter.
  Value uniform(Value counter, int64_t stream = 0) {
    Value z = arith::IndexCastOp::create(s.b, s.loc, s.b.getI64Type(), counter);
    z = arith::AddIOp::create(s.b, s.loc, mul(add(mul(z, 2), stream + 1), kGolden), key);
    z = mul(shifted(z, 30), kFirst);
    z = mul(shifted(z, 27), kSecond);
    z = shifted(z, 31);
    Value top = arith::ShRUIOp::create(s.b, s.loc, z, number(11));
    Type f64 = s.b.getF64Type();
    return s.mul(arith::UIToFPOp::create(s.b, s.loc, f64, top), s.constant(f64, 0x1p-53), f64);
  }
  Value normal(Value counter) {
    Type f64 = s.b.getF64Type();
    Value u = s.sub(s.constant(f64, 1.0), uniform(counter, 0), f64), v = uniform(counter, 1); // u is not 0
    Value radius = s.apply<math::SqrtOp>(s.mul(s.constant(f64, -2.0), s.apply<math::LogOp>(u), f64));
    return s.mul(radius, s.apply<math::CosOp>(s.mul(v, s.constant(f64, 6.283185307179586), f64)), f64);
  }

private:
  Value number(uint64_t v) { return arith::ConstantIntOp::create(s.b, s.loc, (int64_t)v, 64); }
  Value add(Value x, uint64_t y) { return arith::AddIOp::create(s.b, s.loc, x, number(y)); }
  Value mul(Value x, uint64_t y) { return arith::MulIOp::create(s.b, s.loc, x, number(y)); }
  Value shifted(Value z, int64_t bits) {
    return arith::XOrIOp::create(s.b, s.loc, z, arith::ShRUIOp::create(s.b, s.loc, z, number(bits)));
  }
  Scalar &s;
  Value key;
};

/// Number of an element in its tensor.
Value position(Emitter &e, RankedTensorType type, ValueRange indices) {
  IndexMath q{e};
  Value at = q.c(0);
  for (auto [i, dim] : llvm::zip(indices, onnx::getDimExprs(type)))
    at = q.add(q.mul(at, e.size(dim)), i);
  return at;
}

LogicalResult randomTensor(Operation *op, Emitter &e) {
  bool normal = op->getName().stripDialect().starts_with("RandomNormal");
  double shift = normal ? onnx::floatAttr(op, "mean", 0.0) : onnx::floatAttr(op, "low", 0.0);
  double scale = normal ? onnx::floatAttr(op, "scale", 1.0) : onnx::floatAttr(op, "high", 1.0) - shift;
  RankedTensorType result = Emitter::resultType(op);
  Type f64 = e.b.getF64Type();
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) {
    Stream stream(op, e, s);
    Value counter = position(e, result, i), v = normal ? stream.normal(counter) : stream.uniform(counter);
    v = s.add(s.mul(v, s.constant(f64, scale), f64), s.constant(f64, shift), f64);
    return s.cast(v, f64, result.getElementType());
  }));
  return success();
}

/// Classes drawn by inverting the cumulative sum of the softmax of a row.
LogicalResult multinomial(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element(), f64 = e.b.getF64Type();
  IndexMath q{e};
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) {
    Value n = e.dim(x, 1);
    auto weight = [&](Value k, Value most) { return s.apply<math::ExpOp>(s.sub(s.cast(e.at(x, {i[0], k}), t, f64), most, f64)); };
    Value most = forRange(e, q.c(0), n, {s.lowest(f64)}, [&](Value k, const State &a) -> State {
      return {s.max(a[0], s.cast(e.at(x, {i[0], k}), t, f64), f64)};
    })[0];
    Value total = forRange(e, q.c(0), n, {s.constant(f64, 0.0)}, [&](Value k, const State &a) -> State {
      return {s.add(a[0], weight(k, most), f64)};
    })[0];
    Value target = s.mul(Stream(op, e, s).uniform(position(e, result, i)), total, f64);
    // The number of classes whose cumulative weight the target has passed.
    Value drawn = forRange(e, q.c(0), n, {s.constant(f64, 0.0), q.c(0)}, [&](Value k, const State &a) -> State {
      Value sum = s.add(a[0], weight(k, most), f64);
      Value passed = s.compare(Cmp::LessEqual, sum, target, f64);
      return {sum, q.select(passed, q.add(k, q.c(1)), a[1])};
    })[1];
    return s.fromIndex(q.min(drawn, q.sub(n, q.c(1))), result.getElementType());
  }));
  return success();
}

/// Identity, or in training mode a mask of Bernoulli numbers that keeps the mean.
LogicalResult dropout(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), ratio = e.operand(op, 1), training = e.operand(op, 2);
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element(), f64 = e.b.getF64Type(), i1 = e.b.getI1Type();
  Scalar s = e.scalar();
  auto first = [&](Tensor v) { return e.at(v, SmallVector<Value>(v.rank(), e.index(0))); };
  Value rate = ratio ? s.cast(first(ratio), ratio.element(), f64) : s.constant(f64, 0.5);
  Value trains = training ? first(training) : s.constant(i1, 0.0);
  auto kept = [&](Scalar &s, ValueRange i) {
    Value keep = s.compare(Cmp::GreaterEqual, Stream(op, e, s).uniform(position(e, result, i)), rate, f64);
    return s.select(trains, keep, s.constant(i1, 1.0));
  };
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    Value v = e.at(x, i), one = s.constant(f64, 1.0);
    Value scaled = s.cast(s.div(s.cast(v, t, f64), s.sub(one, rate, f64), f64), f64, t);
    return s.select(kept(s, i), s.select(trains, scaled, v), s.constant(t, 0.0));
  }));
  if (auto mask = Emitter::resultType(op, 1))
    e.setResult(op, 1, e.generate(mask, kept));
  return success();
}
} // namespace

void ssm::populateRandom(Registry &r) {
  for (const char *name : {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
    r.lower(name, randomTensor);
  r.lower("Multinomial", multinomial);
  r.lower("Dropout", dropout);
}
