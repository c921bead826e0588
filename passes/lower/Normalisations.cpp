//===- Normalisations.cpp - normalisations over axes -----------------------===//
// Statistics are computed in f32 or wider, in two passes (mean, then squared differences), as the ONNX bodies do.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using It = utils::IteratorType;

/// Mean and 1/sqrt(variance + epsilon) of x over the marked dims; both have x's rank with ones there.
struct Statistics {
  Tensor mean, inverse;
  AffineMap map;
};

Statistics statistics(Emitter &e, Tensor x, ArrayRef<bool> over, double epsilon, bool centred = true) {
  MLIRContext *c = e.b.getContext();
  Type k = computeType(x.element());
  SmallVector<AffineExpr> d = onnx::getDimExprs(x.type), exprs;
  SmallVector<It> iterators;
  Value count = e.index(1);
  for (int64_t i = 0; i < x.rank(); ++i) {
    iterators.push_back(over[i] ? It::reduction : It::parallel);
    exprs.push_back(over[i] ? getAffineConstantExpr(0, c) : getAffineDimExpr(i, c));
    if (over[i]) {
      count = arith::MulIOp::create(e.b, e.loc, count, e.dim(x, i));
      d[i] = getAffineConstantExpr(1, c);
    }
  }
  Statistics s;
  s.map = AffineMap::get(x.rank(), 0, exprs, c);
  auto type = onnx::withDims(k, d);
  AffineMap identity = e.b.getMultiDimIdentityMap(x.rank());
  Scalar sc = e.scalar();
  Value zero = sc.constant(k, 0.0);
  auto finish = [&](Value sum, bool inverse) {
    return e.map(type, {{{sum, type}, identity}}, [&](Scalar &q, ValueRange v) -> Value {
      Value mean = q.div(v[0], q.fromIndex(count, k), k);
      if (!inverse)
        return mean;
      return q.div(q.constant(k, 1.0), q.apply<math::SqrtOp>(q.add(mean, q.constant(k, epsilon), k)), k);
    });
  };
  if (centred) {
    Value sum = e.reduce(type, s.map, {{x, identity}}, iterators, zero,
                         [&](Scalar &q, Value a, ValueRange v) { return q.add(a, v[0], k); });
    s.mean = {finish(sum, false), type};
    Value squares = e.reduce(type, s.map, {{x, identity}, {s.mean, s.map}}, iterators, zero, [&](Scalar &q, Value a, ValueRange v) {
      Value diff = q.sub(v[0], v[1], k);
      return q.add(a, q.mul(diff, diff, k), k);
    });
    s.inverse = {finish(squares, true), type};
  } else {
    Value squares = e.reduce(type, s.map, {{x, identity}}, iterators, zero,
                             [&](Scalar &q, Value a, ValueRange v) { return q.add(a, q.mul(v[0], v[0], k), k); });
    s.inverse = {finish(squares, true), type};
  }
  return s;
}

LogicalResult layerNorm(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), scale = e.operand(op, 1), bias = e.operand(op, 2);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), x.rank());
  SmallVector<bool> over(x.rank(), false);
  for (int64_t i = axis; i < x.rank(); ++i)
    over[i] = true;
  Statistics st = statistics(e, x, over, onnx::floatAttr(op, "epsilon", 1e-5));
  Type k = computeType(x.element());
  AffineMap identity = e.b.getMultiDimIdentityMap(x.rank());
  auto right = [&](Tensor t) {
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < t.rank(); ++i) {
      auto constant = dyn_cast<AffineConstantExpr>(onnx::getDimExpr(t.type, i));
      exprs.push_back(constant && constant.getValue() == 1 ? getAffineConstantExpr(0, op->getContext())
                                                            : getAffineDimExpr(x.rank() - t.rank() + i, op->getContext()));
    }
    return AffineMap::get(x.rank(), 0, exprs, op->getContext());
  };
  SmallVector<Emitter::Access> inputs = {{x, identity}, {st.mean, st.map}, {st.inverse, st.map}, {scale, right(scale)}};
  if (bias)
    inputs.push_back({bias, right(bias)});
  e.setResult(op, 0, e.map(Emitter::resultType(op), inputs, [&](Scalar &s, ValueRange v) {
    Value y = s.mul(s.mul(s.sub(v[0], v[1], k), v[2], k), v[3], k);
    return v.size() > 4 ? s.add(y, v[4], k) : y;
  }));
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    if (auto t = Emitter::resultType(op, i))
      e.setResult(op, i, e.map(t, {{i == 1 ? st.mean : st.inverse, identity}}, [](Scalar &, ValueRange v) { return v[0]; }));
  return success();
}

LogicalResult instanceNorm(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), scale = e.operand(op, 1), bias = e.operand(op, 2);
  SmallVector<bool> over(x.rank(), true);
  over[0] = over[1] = false;
  Statistics st = statistics(e, x, over, onnx::floatAttr(op, "epsilon", 1e-5));
  Type k = computeType(x.element());
  AffineMap channel = AffineMap::get(x.rank(), 0, {getAffineDimExpr(1, op->getContext())}, op->getContext());
  e.setResult(op, 0, e.map(Emitter::resultType(op), {{x, e.b.getMultiDimIdentityMap(x.rank())}, {st.mean, st.map}, {st.inverse, st.map},
                                                     {scale, channel}, {bias, channel}}, [&](Scalar &s, ValueRange v) {
    return s.add(s.mul(s.mul(s.sub(v[0], v[1], k), v[2], k), v[3], k), v[4], k);
  }));
  return success();
}

LogicalResult lpNorm(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), x.rank()), p = onnx::intAttr(op, "p", 2);
  MLIRContext *c = op->getContext();
  Type k = computeType(x.element());
  SmallVector<AffineExpr> d = onnx::getDimExprs(x.type), exprs;
  SmallVector<It> iterators(x.rank(), It::parallel);
  iterators[axis] = It::reduction;
  for (int64_t i = 0; i < x.rank(); ++i)
    exprs.push_back(i == axis ? getAffineConstantExpr(0, c) : getAffineDimExpr(i, c));
  d[axis] = getAffineConstantExpr(1, c);
  auto type = onnx::withDims(k, d);
  AffineMap map = AffineMap::get(x.rank(), 0, exprs, c), identity = e.b.getMultiDimIdentityMap(x.rank());
  Value sum = e.reduce(type, map, {{x, identity}}, iterators, e.scalar().constant(k, 0.0), [&](Scalar &s, Value a, ValueRange v) {
    return s.add(a, p == 1 ? s.abs(v[0], k) : s.mul(v[0], v[0], k), k);
  });
  e.setResult(op, 0, e.map(Emitter::resultType(op), {{x, identity}, {{sum, type}, map}}, [&](Scalar &s, ValueRange v) -> Value {
    Value norm = p == 1 ? v[1] : s.apply<math::SqrtOp>(v[1]);
    Value zero = s.constant(k, 0.0);
    Value isZero = s.compare(Scalar::Compare::Equal, norm, zero, k);
    return s.select(isZero, zero, s.div(v[0], norm, k));
  }));
  return success();
}

LogicalResult lrn(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  int64_t size = onnx::intAttr(op, "size");
  double alpha = onnx::floatAttr(op, "alpha", 1e-4), beta = onnx::floatAttr(op, "beta", 0.75), bias = onnx::floatAttr(op, "bias", 1);
  Type k = computeType(x.element());
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) -> Value {
    Value low = arith::MaxSIOp::create(e.b, s.loc, e.index(0), arith::SubIOp::create(e.b, s.loc, i[1], e.index((size - 1) / 2)));
    Value high = arith::MinSIOp::create(e.b, s.loc, e.dim(x, 1), arith::AddIOp::create(e.b, s.loc, i[1], e.index(size / 2 + 1)));
    auto loop = scf::ForOp::create(e.b, s.loc, low, high, e.index(1), ValueRange{s.constant(k, 0.0)});
    {
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      SmallVector<Value> at(i);
      at[1] = loop.getInductionVar();
      Value v = e.at(x, at);
      scf::YieldOp::create(e.b, s.loc, s.add(loop.getRegionIterArgs()[0], s.mul(v, v, k), k));
    }
    Value base = s.add(s.constant(k, bias), s.mul(s.constant(k, alpha / size), loop.getResult(0), k), k);
    return s.div(e.at(x, i), s.apply<math::PowFOp>(ValueRange{base, s.constant(k, beta)}), k);
  }));
  return success();
}
} // namespace

void ssm::populateNormalisations(Registry &r) {
  r.lower("LayerNormalization", layerNorm);
  r.lower("InstanceNormalization", instanceNorm);
  r.lower("LpNormalization", lpNorm);
  r.lower("LRN", lrn);
}
