//===- Selection.cpp - sorting and choosing elements -----------------------===//
// TopK, the order of slices that Unique is made of, NonZero, ReverseSequence and TensorScatter. Sorting is a stable
// merge sort of positions: n log n comparisons for any type, in a list of twice the length.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Loops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;
using Before = llvm::function_ref<Value(Value i, Value j)>; // is element i before element j

/// Sorts 0 .. n-1. `work` is a list of 2n indices; the answer is the list and where in it the order begins (0 or n).
std::pair<Value, Value> sortPositions(Emitter &e, Value n, Value work, Before before) {
  IndexMath q{e};
  work = forRange(e, q.c(0), n, {work}, [&](Value i, const State &s) { return State{write(e, i, s[0], i)}; })[0];
  Value last = q.sub(n, q.c(1));
  Value wide = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), last);
  Value zeros = math::CountLeadingZerosOp::create(e.b, e.loc, wide);
  Value bits = q.sub(q.c(64), arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(), zeros));
  Value rounds = q.select(q.lt(q.c(1), n), bits, q.c(0));
  State done = forRange(e, q.c(0), rounds, {work, q.c(0)}, [&](Value round, const State &outer) -> State {
    Value from = outer[1], to = q.sub(n, from);
    Value width = arith::ShLIOp::create(e.b, e.loc, q.c(1), round), pair = q.mul(width, q.c(2));
    State merged = forRange(e, q.c(0), n, {outer[0], q.c(0), q.c(0)}, [&](Value k, const State &s) -> State {
      Value inside = q.rem(k, pair), start = q.sub(k, inside), fresh = q.eq(inside, q.c(0));
      Value middle = q.min(q.add(start, width), n), end = q.min(q.add(start, pair), n);
      Value i = q.select(fresh, start, s[1]), j = q.select(fresh, middle, s[2]);
      Value left = read(e, s[0], q.add(from, q.min(i, last))), right = read(e, s[0], q.add(from, q.min(j, last)));
      Value rightDone = q.cmp(arith::CmpIPredicate::sge, j, end), leftThere = q.lt(i, middle);
      Value notRight = q.select(before(right, left), q.lt(q.c(1), q.c(0)), q.lt(q.c(0), q.c(1)));
      Value takeLeft = q.both(leftThere, q.either(rightDone, notRight));
      Value next = write(e, q.select(takeLeft, left, right), s[0], q.add(to, k));
      return {next, q.select(takeLeft, q.add(i, q.c(1)), i), q.select(takeLeft, j, q.add(j, q.c(1)))};
    });
    return {merged[0], to};
  });
  return {done[0], done[1]};
}

Value asI64(Emitter &e, Value index) { return arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), index); }

LogicalResult topK(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), x.rank());
  bool largest = onnx::intAttr(op, "largest", 1);
  RankedTensorType type = Emitter::resultType(op);
  IndexMath q{e};
  Value n = e.dim(x, axis), k = e.size(onnx::getDimExpr(type, axis));
  SmallVector<Value> outer;
  for (int64_t i = 0; i < x.rank(); ++i)
    outer.push_back(i == axis ? q.c(1) : e.dim(x, i));
  RankedTensorType places = onnx::withDims(e.b.getI64Type(), onnx::getDimExprs(type));
  State init = {e.empty(type), e.empty(places), scratch(e, {OpFoldResult(q.mul(n, q.c(2)))}, e.b.getIndexType())};
  State done = forIndices(e, outer, init, [&](ValueRange row, const State &s) -> State {
    auto at = [&](Value i) {
      SmallVector<Value> indices(row);
      indices[axis] = i;
      return indices;
    };
    auto [work, begin] = sortPositions(e, n, s[2], [&](Value i, Value j) {
      Scalar scalar = e.scalar();
      return scalar.compare(largest ? Cmp::Greater : Cmp::Less, e.at(x, at(i)), e.at(x, at(j)), x.element());
    });
    State filled = forRange(e, q.c(0), k, {s[0], s[1]}, [&](Value i, const State &t) -> State {
      Value from = read(e, work, q.add(begin, i));
      return {write(e, read(e, x.value, at(from)), t[0], at(i)), write(e, asI64(e, from), t[1], at(i))};
    });
    return {filled[0], filled[1], work};
  });
  e.setResult(op, 0, done[0]);
  if (Emitter::resultType(op, 1))
    e.setResult(op, 1, done[1]);
  return success();
}

LogicalResult sortSlices(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  int64_t axis = onnx::intAttr(op, "axis");
  Type t = x.element();
  IndexMath q{e};
  Value n = e.dim(x, axis);
  SmallVector<Value> others;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != axis)
      others.push_back(e.dim(x, i));
  // 0 while equal, 1 where slice i is smaller, 2 where it is larger. NaN is larger than any number and equal to NaN.
  auto order = [&](Value i, Value j) -> Value {
    return forIndices(e, others, {q.c(0)}, [&](ValueRange rest, const State &s) -> State {
      SmallVector<Value> a(rest), b(rest);
      a.insert(a.begin() + axis, i);
      b.insert(b.begin() + axis, j);
      Scalar scalar = e.scalar();
      Value u = e.at(x, a), v = e.at(x, b);
      Value less = scalar.compare(Cmp::Less, u, v, t), greater = scalar.compare(Cmp::Greater, u, v, t);
      if (isa<FloatType>(t)) {
        Value no = scalar.constant(e.b.getI1Type(), 0.0);
        Value uNan = scalar.compare(Cmp::NotEqual, u, u, t), vNan = scalar.compare(Cmp::NotEqual, v, v, t);
        less = q.select(uNan, no, q.either(less, vNan));
        greater = q.select(vNan, no, q.either(greater, uNan));
      }
      Value here = q.select(less, q.c(1), q.select(greater, q.c(2), q.c(0)));
      return {q.select(q.eq(s[0], q.c(0)), here, s[0])};
    })[0];
  };
  Value work = scratch(e, {OpFoldResult(q.mul(n, q.c(2)))}, e.b.getIndexType());
  auto [sorted, begin] = sortPositions(e, n, work, [&](Value i, Value j) { return q.eq(order(i, j), q.c(1)); });
  RankedTensorType list = onnx::withDims(e.b.getI64Type(), {onnx::getDimExpr(x.type, axis)});
  Value from = sorted, first = begin;
  State done = forRange(e, q.c(0), n, {e.empty(list), e.empty(list)}, [&](Value k, const State &s) -> State {
    Value here = read(e, from, q.add(first, k)), previous = read(e, from, q.add(first, q.max(q.sub(k, q.c(1)), q.c(0))));
    Value starts = q.either(q.eq(k, q.c(0)), q.cmp(arith::CmpIPredicate::ne, order(here, previous), q.c(0)));
    Value flag = arith::ExtUIOp::create(e.b, e.loc, e.b.getI64Type(), starts);
    return {write(e, asI64(e, here), s[0], k), write(e, flag, s[1], k)};
  });
  e.setResult(op, 0, done[0]);
  e.setResult(op, 1, done[1]);
  return success();
}

LogicalResult nonZero(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  IndexMath q{e};
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < x.rank(); ++i)
    sizes.push_back(e.dim(x, i));
  State done = forIndices(e, sizes, {e.empty(Emitter::resultType(op)), q.c(0)}, [&](ValueRange at, const State &s) {
    Scalar scalar = e.scalar();
    Value hit = scalar.compare(Cmp::NotEqual, e.at(x, at), scalar.constant(x.element(), 0.0), x.element());
    return when(e, hit, s, [&](const State &t) -> State {
      Value out = t[0];
      for (int64_t d = 0; d < x.rank(); ++d)
        out = write(e, asI64(e, at[d]), out, {q.c(d), t[1]});
      return {out, q.add(t[1], q.c(1))};
    });
  });
  e.setResult(op, 0, done[0]);
  return success();
}

LogicalResult reverseSequence(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), lengths = e.operand(op, 1);
  int64_t time = normalAxis(onnx::intAttr(op, "time_axis", 0), x.rank()), batch = normalAxis(onnx::intAttr(op, "batch_axis", 1), x.rank());
  IndexMath q{e};
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) {
    Value length = q.min(q.max(s.toIndex(e.at(lengths, i[batch]), lengths.element()), q.c(0)), e.dim(x, time));
    SmallVector<Value> at(i);
    at[time] = q.select(q.lt(i[time], length), q.sub(q.sub(length, q.c(1)), i[time]), i[time]);
    return e.at(x, at);
  }));
  return success();
}

/// A cache with an update written at each batch's index; what would lie outside is dropped.
LogicalResult tensorScatter(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), update = e.operand(op, 1), where = e.operand(op, 2);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -2), x.rank());
  if (axis == 0)
    return op->emitError("the axis of TensorScatter cannot be the batch");
  bool circular = onnx::stringAttr(op, "mode", "linear") == "circular";
  IndexMath q{e};
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) -> Value {
    Value n = e.dim(x, axis), size = e.dim(update, axis);
    Value begin = where ? s.toIndex(e.at(where, i[0]), where.element()) : q.c(0);
    Value offset = q.sub(i[axis], begin);
    if (circular) {
      offset = arith::RemSIOp::create(e.b, s.loc, offset, n);
      offset = q.select(q.lt(offset, q.c(0)), q.add(offset, n), offset);
    }
    Value fresh = q.both(q.cmp(arith::CmpIPredicate::sge, offset, q.c(0)), q.lt(offset, size));
    return when(e, fresh, {e.at(x, i)}, [&](const State &) -> State {
      SmallVector<Value> at(i);
      at[axis] = offset;
      return {e.at(update, at)};
    })[0];
  }));
  return success();
}
/// A depthwise causal convolution behind the history in front of it; the last k - 1 positions are the next history.
LogicalResult causalConv(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), weight = e.operand(op, 1), bias = e.operand(op, 2), past = e.operand(op, 3);
  StringRef activation = onnx::stringAttr(op, "activation", "none");
  Type t = x.element(), k = computeType(t);
  IndexMath q{e};
  Value taps = e.dim(weight, 2), before = q.sub(taps, q.c(1));
  // Position p of the padded input, p = 0 being the first of the history.
  auto padded = [&](Scalar &s, Value b, Value c, Value p) {
    Value old = past ? when(e, q.lt(p, before), {s.constant(t, 0.0)}, [&](const State &) -> State { return {e.at(past, {b, c, p})}; })[0]
                     : s.constant(t, 0.0);
    return when(e, q.cmp(arith::CmpIPredicate::sge, p, before), {old}, [&](const State &) -> State {
      return {e.at(x, {b, c, q.sub(p, before)})};
    })[0];
  };
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) -> Value {
    Value start = bias ? e.at(bias, i[1]) : s.constant(t, 0.0);
    Value sum = forRange(e, q.c(0), taps, {start}, [&](Value j, const State &a) -> State {
      return {s.add(a[0], s.mul(e.at(weight, {i[1], q.c(0), j}), padded(s, i[0], i[1], q.add(i[2], j)), t), t)};
    })[0];
    if (activation == "none")
      return sum;
    sum = s.load(s.store(sum, t), t); // rounded before the activation, as two operators would
    Value one = s.constant(k, 1.0);
    return s.div(sum, s.add(one, s.apply<math::ExpOp>(s.neg(sum, k)), k), k);
  }));
  if (RankedTensorType state = Emitter::resultType(op, 1))
    e.setResult(op, 1, e.generate(state, [&](Scalar &s, ValueRange i) { return padded(s, i[0], i[1], q.add(e.dim(x, 2), i[2])); }));
  return success();
}
} // namespace

void ssm::populateSelection(Registry &r) {
  r.lower("TopK", topK);
  r.lower("SortSlices", sortSlices);
  r.lower("NonZero", nonZero);
  r.lower("ReverseSequence", reverseSequence);
  r.lower("TensorScatter", tensorScatter);
  r.lower("CausalConvWithState", causalConv);
}
