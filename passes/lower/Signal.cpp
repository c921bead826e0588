//===- Signal.cpp - DFT, mel weights, determinants -------------------------===//
// The DFT is a mixed-radix Stockham transform for any length n: one pass for each prime factor p of n, n p operations
// each, found at run time. It computes in float64 with twiddle factors from one exact table, so that long transforms
// keep the accuracy of short ones.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/lower/Loops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;

/// Smallest factor above 1 of n >= 2.
Value smallestFactor(Emitter &e, Value n) {
  IndexMath q{e};
  auto loop = scf::WhileOp::create(e.b, e.loc, TypeRange{e.b.getIndexType()}, ValueRange{q.c(2)});
  OpBuilder::InsertionGuard guard(e.b);
  Block *before = e.b.createBlock(&loop.getBefore(), {}, {e.b.getIndexType()}, {e.loc});
  Value p = before->getArgument(0);
  Value divides = q.eq(q.rem(n, p), q.c(0)), beyond = q.lt(n, q.mul(p, p));
  Value goesOn = q.eq(arith::ExtUIOp::create(e.b, e.loc, e.b.getI64Type(), q.either(divides, beyond)),
                      arith::ConstantIntOp::create(e.b, e.loc, 0, 64));
  scf::ConditionOp::create(e.b, e.loc, goesOn, q.select(divides, p, q.select(beyond, n, p)));
  Block *after = e.b.createBlock(&loop.getAfter(), {}, {e.b.getIndexType()}, {e.loc});
  scf::YieldOp::create(e.b, e.loc, ValueRange{q.add(after->getArgument(0), q.c(1))});
  return loop.getResult(0);
}

/// cos and sin of 2 pi k / n for k below n, as a float64 tensor of (n, 2).
Value twiddles(Emitter &e, Value n, bool inverse) {
  Type f64 = e.b.getF64Type();
  IndexMath q{e};
  Value table = scratch(e, {OpFoldResult(n), OpFoldResult(e.b.getIndexAttr(2))}, f64);
  return forRange(e, q.c(0), n, {table}, [&](Value k, const State &s) -> State {
    Scalar scalar = e.scalar();
    Value turn = scalar.div(scalar.fromIndex(k, f64), scalar.fromIndex(n, f64), f64);
    Value angle = scalar.mul(turn, scalar.constant(f64, (inverse ? 2 : -2) * 3.14159265358979323846), f64);
    Value t = write(e, scalar.apply<math::CosOp>(angle), s[0], {k, q.c(0)});
    return {write(e, scalar.apply<math::SinOp>(angle), t, {k, q.c(1)})};
  })[0];
}

/// Transforms the first n complex numbers of `work` (2n of them); the answer says where in it the spectrum begins.
std::pair<Value, Value> transform(Emitter &e, Value n, Value work, Value table) {
  IndexMath q{e};
  Type f64 = e.b.getF64Type();
  // rest: what is left of n; done: n / rest.
  State end = forRange(e, q.c(0), q.c(63), {work, q.c(0), n, q.c(1)}, [&](Value, const State &s) {
    return when(e, q.lt(q.c(1), s[2]), s, [&](const State &s) -> State {
      Value from = s[1], rest = s[2], stride = s[3], to = q.sub(n, from);
      Value p = smallestFactor(e, rest), m = q.div(rest, p), root = q.div(n, p);
      Value next = forIndices(e, {m, p, stride}, {s[0]}, [&](ValueRange i, const State &t) -> State {
        Value k = i[0], r = i[1], lane = i[2];
        Scalar scalar = e.scalar();
        Value zero = scalar.constant(f64, 0.0);
        State sum = forRange(e, q.c(0), p, {zero, zero}, [&](Value j, const State &a) -> State {
          Value at = q.add(from, q.add(lane, q.mul(stride, q.add(k, q.mul(m, j)))));
          Value re = read(e, t[0], {at, q.c(0)}), im = read(e, t[0], {at, q.c(1)});
          Value turn = q.rem(q.add(q.mul(q.rem(q.mul(j, r), p), root), q.mul(q.mul(k, r), stride)), n);
          Value c = read(e, table, {turn, q.c(0)}), d = read(e, table, {turn, q.c(1)});
          Value x = scalar.sub(scalar.mul(re, c, f64), scalar.mul(im, d, f64), f64);
          Value y = scalar.add(scalar.mul(re, d, f64), scalar.mul(im, c, f64), f64);
          return {scalar.add(a[0], x, f64), scalar.add(a[1], y, f64)};
        });
        Value at = q.add(to, q.add(lane, q.mul(stride, q.add(q.mul(p, k), r))));
        Value half = write(e, sum[0], t[0], {at, q.c(0)});
        return {write(e, sum[1], half, {at, q.c(1)})};
      })[0];
      return {next, to, m, q.mul(stride, p)};
    });
  });
  return {end[0], end[1]};
}

LogicalResult dft(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  bool onesided = onnx::intAttr(op, "onesided"), inverse = onnx::intAttr(op, "inverse");
  Type t = x.element(), f64 = e.b.getF64Type();
  int64_t last = x.rank() - 1;
  if (onesided && !inverse && x.type.getDimSize(last) == 2)
    return op->emitError("a onesided DFT takes real input");
  IndexMath q{e};
  // Which dimension is the axis may be known at run time only: a flag for each.
  SmallVector<Value> isAxis;
  Value axis = q.c(-2), have = q.c(1), bins = q.c(1);
  if (Tensor given = e.operand(op, 2))
    axis = e.scalar().toIndex(e.at(given, SmallVector<Value>(given.rank(), q.c(0))), given.element());
  axis = q.select(q.lt(axis, q.c(0)), q.add(axis, q.c(x.rank())), axis);
  for (int64_t i = 0; i < last; ++i) {
    isAxis.push_back(q.eq(axis, q.c(i)));
    have = q.select(isAxis[i], e.dim(x, i), have);
    bins = q.select(isAxis[i], e.size(onnx::getDimExpr(result, i)), bins);
  }
  // The length: of the result unless that is one half of a spectrum.
  Value n = bins;
  if (onesided && !inverse) {
    n = have;
    if (Tensor length = e.operand(op, 1))
      n = e.scalar().toIndex(e.at(length, SmallVector<Value>(length.rank(), q.c(0))), length.element());
  }
  Value parts = e.dim(x, last), table = twiddles(e, n, inverse);
  SmallVector<Value> outer;
  for (int64_t i = 0; i < last; ++i)
    outer.push_back(q.select(isAxis[i], q.c(1), e.dim(x, i)));
  Value work = scratch(e, {OpFoldResult(q.mul(n, q.c(2))), OpFoldResult(e.b.getIndexAttr(2))}, f64);
  Value half = q.div(n, q.c(2));
  Scalar scalar = e.scalar();
  Value scale = inverse ? scalar.div(scalar.constant(f64, 1.0), scalar.fromIndex(n, f64), f64) : scalar.constant(f64, 1.0);
  State done = forIndices(e, outer, {e.empty(result), work}, [&](ValueRange row, const State &s) -> State {
    auto at = [&](Value i, Value part) {
      SmallVector<Value> indices;
      for (int64_t d = 0; d < last; ++d)
        indices.push_back(q.select(isAxis[d], i, row[d]));
      indices.push_back(part);
      return indices;
    };
    Value loaded = forRange(e, q.c(0), n, {s[1]}, [&](Value i, const State &w) -> State {
      Scalar scalar = e.scalar();
      // The upper half of a onesided spectrum is the conjugate of the lower one.
      Value mirrored = onesided && inverse ? q.lt(half, i) : q.lt(q.c(1), q.c(0));
      Value from = q.select(mirrored, q.sub(n, i), i), zero = scalar.constant(f64, 0.0);
      State pair = when(e, q.lt(from, have), {zero, zero}, [&](const State &) -> State {
        Value re = scalar.cast(e.at(x, at(from, q.c(0))), t, f64);
        State im = when(e, q.lt(q.c(1), parts), {zero}, [&](const State &) -> State {
          return {scalar.cast(e.at(x, at(from, q.c(1))), t, f64)};
        });
        return {re, q.select(mirrored, scalar.neg(im[0], f64), im[0])};
      });
      Value half = write(e, pair[0], w[0], {i, q.c(0)});
      return {write(e, pair[1], half, {i, q.c(1)})};
    })[0];
    auto [spectrum, begin] = transform(e, n, loaded, table);
    Value from = spectrum, first = begin;
    Value out = forRange(e, q.c(0), bins, {s[0]}, [&](Value k, const State &o) -> State {
      Scalar scalar = e.scalar();
      Value current = o[0];
      for (int64_t part = 0; part < result.getDimSize(last); ++part) {
        Value v = scalar.mul(read(e, from, {q.add(first, k), q.c(part)}), scale, f64);
        current = write(e, scalar.store(scalar.cast(v, f64, t), t), current, at(k, q.c(part)));
      }
      return {current};
    })[0];
    return {out, from};
  });
  e.setResult(op, 0, done[0]);
  return success();
}

/// Triangles between neighbouring points that are equally spaced on the mel scale.
LogicalResult melWeights(Operation *op, Emitter &e) {
  RankedTensorType result = Emitter::resultType(op);
  Type f64 = e.b.getF64Type(), t = result.getElementType();
  auto first = [&](unsigned i) {
    Tensor x = e.operand(op, i);
    return e.scalar().cast(e.at(x, SmallVector<Value>(x.rank(), e.index(0))), x.element(), f64);
  };
  Scalar s = e.scalar();
  Value length = first(1), rate = first(2);
  auto mel = [&](Value hertz) {
    Value ratio = s.add(s.constant(f64, 1.0), s.div(hertz, s.constant(f64, 700.0), f64), f64);
    return s.mul(s.constant(f64, 2595.0), s.apply<math::Log10Op>(ratio), f64);
  };
  Value low = mel(first(3)), high = mel(first(4));
  Value step = s.div(s.sub(high, low, f64), s.add(first(0), s.constant(f64, 2.0), f64), f64);
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    auto point = [&](int64_t offset) { // the bin of point i[1] + offset
      Value k = s.add(s.fromIndex(i[1], f64), s.constant(f64, offset), f64);
      Value m = s.div(s.add(s.mul(k, step, f64), low, f64), s.constant(f64, 2595.0), f64);
      Value hertz = s.mul(s.constant(f64, 700.0), s.sub(s.pow(s.constant(f64, 10.0), m, f64), s.constant(f64, 1.0), f64), f64);
      Value bin = s.div(s.mul(s.add(length, s.constant(f64, 1.0), f64), hertz, f64), rate, f64);
      return s.apply<math::FloorOp>(bin);
    };
    Value left = point(0), centre = point(1), right = point(2), j = s.fromIndex(i[0], f64);
    Value zero = s.constant(f64, 0.0), one = s.constant(f64, 1.0);
    Value up = s.sub(centre, left, f64), down = s.sub(right, centre, f64);
    auto both = [&](Value a, Value b) -> Value { return arith::AndIOp::create(s.b, s.loc, a, b); };
    Value rising = both(s.compare(Cmp::GreaterEqual, j, left, f64), s.compare(Cmp::LessEqual, j, centre, f64));
    Value flat = s.compare(Cmp::Equal, up, zero, f64);
    Value v = s.select(rising, s.select(flat, one, s.div(s.sub(j, left, f64), s.select(flat, one, up), f64)), zero);
    Value falling = both(s.compare(Cmp::GreaterEqual, j, centre, f64), s.compare(Cmp::Less, j, right, f64));
    v = s.select(falling, s.div(s.sub(right, j, f64), s.select(falling, down, one), f64), v);
    return s.cast(v, f64, t);
  }));
  return success();
}

/// Gaussian elimination with row exchanges, in float64, on a copy of each matrix.
LogicalResult det(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element(), f64 = e.b.getF64Type();
  IndexMath q{e};
  Value n = e.dim(x, x.rank() - 1);
  SmallVector<Value> batch;
  for (int64_t i = 0; i + 2 < x.rank(); ++i)
    batch.push_back(e.dim(x, i));
  Value work = scratch(e, {OpFoldResult(n), OpFoldResult(n)}, f64);
  State done = forIndices(e, batch, {e.empty(result), work}, [&](ValueRange which, const State &s) -> State {
    Scalar c = e.scalar();
    Value copy = forIndices(e, {n, n}, {s[1]}, [&](ValueRange i, const State &w) -> State {
      SmallVector<Value> at(which);
      llvm::append_range(at, i);
      return {write(e, c.cast(e.at(x, at), t, f64), w[0], i)};
    })[0];
    State end = forRange(e, q.c(0), n, {copy, c.constant(f64, 1.0)}, [&](Value k, const State &s) -> State {
      Value best = forRange(e, k, n, {k}, [&](Value i, const State &b) -> State {
        Value larger = c.compare(Cmp::Greater, c.abs(read(e, s[0], {i, k}), f64), c.abs(read(e, s[0], {b[0], k}), f64), f64);
        return {q.select(larger, i, b[0])};
      })[0];
      Value swapped = forRange(e, k, n, {s[0]}, [&](Value j, const State &w) -> State {
        Value a = read(e, w[0], {k, j}), b = read(e, w[0], {best, j});
        return {write(e, a, write(e, b, w[0], {k, j}), {best, j})};
      })[0];
      Value pivot = read(e, swapped, {k, k}), zero = c.constant(f64, 0.0);
      Value signedPivot = q.select(q.eq(best, k), pivot, c.neg(pivot, f64));
      Value singular = c.compare(Cmp::Equal, pivot, zero, f64);
      Value eliminated = forRange(e, q.add(k, q.c(1)), n, {swapped}, [&](Value i, const State &w) -> State {
        Value factor = q.select(singular, zero, c.div(read(e, w[0], {i, k}), pivot, f64));
        return forRange(e, k, n, w, [&](Value j, const State &w) -> State {
          Value v = c.sub(read(e, w[0], {i, j}), c.mul(factor, read(e, w[0], {k, j}), f64), f64);
          return {write(e, v, w[0], {i, j})};
        });
      })[0];
      return {eliminated, c.mul(s[1], signedPivot, f64)};
    });
    return {write(e, c.store(c.cast(end[1], f64, t), t), s[0], which), end[0]};
  });
  e.setResult(op, 0, done[0]);
  return success();
}
} // namespace

void ssm::populateSignal(Registry &r) {
  r.lower("DFT", dft);
  r.lower("MelWeightMatrix", melWeights);
  r.lower("Det", det);
}
