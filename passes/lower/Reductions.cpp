//===- Reductions.cpp - Reduce*, ArgMin/Max, Softmax, scans ---------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using It = utils::IteratorType;
using Cmp = Scalar::Compare;

/// How one kind of reduction starts, goes on and ends; all on compute values of t.
struct Kind {
  std::function<Value(Scalar &, Type)> init;
  std::function<Value(Scalar &, Value acc, Value x, Type)> step;
  std::function<Value(Scalar &, Value acc, Value count, Type)> finish; // may be null
};

Value zero(Scalar &s, Type t) { return s.constant(t, 0.0); }
Value addStep(Scalar &s, Value a, Value x, Type t) { return s.add(a, x, t); }

Kind kindOf(StringRef name) {
  if (name == "ReduceSum")
    return {zero, addStep, {}};
  if (name == "ReduceMean")
    return {zero, addStep, [](Scalar &s, Value a, Value n, Type t) { return s.div(a, s.fromIndex(n, t), t); }};
  if (name == "ReduceProd")
    return {[](Scalar &s, Type t) { return s.constant(t, 1.0); }, [](Scalar &s, Value a, Value x, Type t) { return s.mul(a, x, t); }, {}};
  if (name == "ReduceMax")
    return {[](Scalar &s, Type t) { return s.lowest(t); }, [](Scalar &s, Value a, Value x, Type t) { return s.max(a, x, t); }, {}};
  if (name == "ReduceMin")
    return {[](Scalar &s, Type t) { return s.highest(t); }, [](Scalar &s, Value a, Value x, Type t) { return s.min(a, x, t); }, {}};
  if (name == "ReduceL1")
    return {zero, [](Scalar &s, Value a, Value x, Type t) { return s.add(a, s.abs(x, t), t); }, {}};
  auto squares = [](Scalar &s, Value a, Value x, Type t) { return s.add(a, s.mul(x, x, t), t); };
  if (name == "ReduceSumSquare")
    return {zero, squares, {}};
  if (name == "ReduceL2")
    return {zero, squares, [](Scalar &s, Value a, Value, Type t) -> Value {
              if (isa<FloatType>(t))
                return s.apply<math::SqrtOp>(a);
              Type f64 = s.b.getF64Type();
              return s.cast(s.apply<math::SqrtOp>(s.cast(a, t, f64)), f64, t);
            }};
  if (name == "ReduceLogSum")
    return {zero, addStep, [](Scalar &s, Value a, Value, Type t) -> Value { return s.apply<math::LogOp>(a); }};
  return {};
}

struct Axes {
  SmallVector<bool> reduced;
  AffineMap map;                 // input loops -> kept result indices (with keepdims: constants 0)
  SmallVector<It> iterators;
  Value count;
};

Axes axesFor(Emitter &e, Tensor x, ArrayRef<int64_t> axes, RankedTensorType result) {
  Axes a;
  MLIRContext *c = e.b.getContext();
  a.reduced.assign(x.rank(), false);
  for (int64_t axis : axes)
    a.reduced[normalAxis(axis, x.rank())] = true;
  bool keep = result.getRank() == x.rank();
  SmallVector<AffineExpr> exprs;
  a.count = e.index(1);
  for (int64_t i = 0; i < x.rank(); ++i) {
    a.iterators.push_back(a.reduced[i] ? It::reduction : It::parallel);
    if (a.reduced[i])
      a.count = arith::MulIOp::create(e.b, e.loc, a.count, e.dim(x, i));
    if (!a.reduced[i])
      exprs.push_back(getAffineDimExpr(i, c));
    else if (keep)
      exprs.push_back(getAffineConstantExpr(0, c));
  }
  a.map = AffineMap::get(x.rank(), 0, exprs, c);
  return a;
}

RankedTensorType withElement(RankedTensorType t, Type element) {
  return RankedTensorType::get(t.getShape(), element, t.getEncoding());
}

/// For every element of the result a loop nest over the input, in which each dimension runs over all of it when it is one
/// of the axes, and stands still otherwise.
LogicalResult reduceRuntimeAxes(Operation *op, Emitter &e, Kind kind) {
  Tensor x = e.operand(op, 0), axes = e.operand(op, 1);
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element(), k = computeType(t);
  bool keep = result.getRank() == x.rank(), logSumExp = op->getName().stripDialect() == "ReduceLogSumExp";
  if (logSumExp)
    kind = {[](Scalar &s, Type t) { return s.lowest(t); }, [](Scalar &s, Value a, Value v, Type t) { return s.max(a, v, t); }, {}};
  auto cmp = [&](Value a, Value b) -> Value { return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, a, b); };
  SmallVector<Value> reduced, before; // before: number of kept dimensions in front
  Value kept = e.index(0), count = e.index(1);
  for (int64_t i = 0; i < x.rank(); ++i) {
    Scalar s = e.scalar();
    Value is = s.constant(e.b.getI1Type(), 0.0);
    for (int64_t j = 0; j < axes.type.getDimSize(0); ++j) {
      Value a = s.toIndex(e.at(axes, {e.index(j)}), axes.element());
      is = arith::OrIOp::create(e.b, e.loc, is, arith::OrIOp::create(e.b, e.loc, cmp(a, e.index(i)), cmp(a, e.index(i - x.rank()))));
    }
    reduced.push_back(is);
    before.push_back(kept);
    kept = arith::AddIOp::create(e.b, e.loc, kept, s.select(is, e.index(0), e.index(1)));
    count = arith::MulIOp::create(e.b, e.loc, count, s.select(is, e.dim(x, i), e.index(1)));
  }
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange idx) -> Value {
    SmallVector<Value> own;
    for (int64_t i = 0; i < x.rank(); ++i) {
      if (keep) {
        own.push_back(idx[i]);
        continue;
      }
      Value v = e.index(0);
      for (int64_t r = 0; r < result.getRank(); ++r)
        v = s.select(cmp(before[i], e.index(r)), idx[r], v);
      own.push_back(v);
    }
    SmallVector<Value> at;
    std::function<Value(int64_t, Value, llvm::function_ref<Value(Value, Value)>)> nest =
        [&](int64_t d, Value acc, llvm::function_ref<Value(Value, Value)> step) -> Value {
      if (d == x.rank())
        return step(acc, e.at(x, at));
      Value from = s.select(reduced[d], e.index(0), own[d]);
      Value to = s.select(reduced[d], e.dim(x, d), arith::AddIOp::create(e.b, s.loc, own[d], e.index(1)));
      auto loop = scf::ForOp::create(e.b, s.loc, from, to, e.index(1), ValueRange{acc});
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      at.push_back(loop.getInductionVar());
      Value inner = nest(d + 1, loop.getRegionIterArgs()[0], step);
      at.pop_back();
      scf::YieldOp::create(e.b, s.loc, inner);
      return loop.getResult(0);
    };
    Value acc = nest(0, kind.init(s, t), [&](Value a, Value v) { return kind.step(s, a, v, t); });
    if (logSumExp) {
      Value inf = s.constant(k, std::numeric_limits<double>::infinity());
      Value m = s.select(s.compare(Cmp::Equal, s.abs(acc, k), inf, k), s.constant(k, 0.0), acc);
      Value sum = nest(0, s.constant(k, 0.0), [&](Value a, Value v) { return s.add(a, s.apply<math::ExpOp>(s.sub(v, m, k)), k); });
      return s.add(s.apply<math::LogOp>(sum), m, k);
    }
    return kind.finish ? kind.finish(s, acc, count, t) : acc;
  }));
  return success();
}

LogicalResult reduce(Operation *op, Emitter &e) {
  StringRef name = op->getName().stripDialect();
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  SmallVector<int64_t> axes;
  bool given = op->getNumOperands() > 1 && !onnx::isNone(op->getOperand(1));
  if (given) {
    auto values = onnx::intValues(op->getOperand(1));
    if (!values && cast<RankedTensorType>(op->getOperand(1).getType()).getNumElements() != 0)
      return reduceRuntimeAxes(op, e, kindOf(name));
    if (!values)
      values.emplace();
    axes = *values;
  }
  if (axes.empty()) {
    if (onnx::intAttr(op, "noop_with_empty_axes")) {
      Type t = x.element();
      e.setResult(op, 0, e.map(result, {{x, e.b.getMultiDimIdentityMap(x.rank())}}, [&](Scalar &s, ValueRange v) -> Value {
        if (name == "ReduceSumSquare") return s.mul(v[0], v[0], t);
        if (name == "ReduceL1" || name == "ReduceL2") return s.abs(v[0], t);
        if (name == "ReduceLogSum") return s.apply<math::LogOp>(v[0]);
        return v[0];
      }));
      return success();
    }
    for (int64_t i = 0; i < x.rank(); ++i)
      axes.push_back(i);
  }
  Axes a = axesFor(e, x, axes, result);
  Type t = x.element(), k = computeType(t);
  AffineMap identity = e.b.getMultiDimIdentityMap(x.rank()), out = e.b.getMultiDimIdentityMap(result.getRank());
  auto accType = withElement(result, k);
  if (name == "ReduceLogSumExp") {
    // max + log(sum(exp(x - max))), with an infinite maximum left alone.
    Value m = e.reduce(accType, a.map, {{x, identity}}, a.iterators, e.scalar().lowest(t),
                       [&](Scalar &s, Value acc, ValueRange v) { return s.max(acc, v[0], t); });
    auto finite = [&](Scalar &s, Value v) {
      double inf = std::numeric_limits<double>::infinity();
      Value isInf = s.compare(Cmp::Equal, s.abs(v, k), s.constant(k, inf), k);
      return s.select(isInf, zero(s, k), v);
    };
    Value sum = e.reduce(accType, a.map, {{x, identity}, {{m, accType}, a.map}}, a.iterators, zero(*std::make_unique<Scalar>(e.b, e.loc), k),
                         [&](Scalar &s, Value acc, ValueRange v) {
                           return s.add(acc, s.apply<math::ExpOp>(s.sub(v[0], finite(s, v[1]), k)), k);
                         });
    e.setResult(op, 0, e.map(result, {{{sum, accType}, out}, {{m, accType}, out}}, [&](Scalar &s, ValueRange v) {
      return s.add(s.apply<math::LogOp>(v[0]), finite(s, v[1]), k);
    }));
    return success();
  }
  Kind kind = kindOf(name);
  if (t.isInteger(1)) { // max and min of bools
    bool isMax = name == "ReduceMax";
    Value init = e.scalar().constant(t, isMax ? 0.0 : 1.0);
    Value r = e.reduce(accType, a.map, {{x, identity}}, a.iterators, init, [&](Scalar &s, Value acc, ValueRange v) -> Value {
      if (isMax)
        return arith::OrIOp::create(s.b, s.loc, acc, v[0]);
      return arith::AndIOp::create(s.b, s.loc, acc, v[0]);
    });
    e.setResult(op, 0, e.toStorage(r, result));
    return success();
  }
  Scalar s0 = e.scalar();
  Value r = e.reduce(accType, a.map, {{x, identity}}, a.iterators, kind.init(s0, t),
                     [&](Scalar &s, Value acc, ValueRange v) { return kind.step(s, acc, v[0], t); });
  if (kind.finish)
    e.setResult(op, 0, e.map(result, {{{r, accType}, out}}, [&](Scalar &s, ValueRange v) { return kind.finish(s, v[0], a.count, t); }));
  else
    e.setResult(op, 0, e.toStorage(r, result));
  return success();
}

/// Softmax, LogSoftmax, Hardmax over one axis.
LogicalResult softmax(Operation *op, Emitter &e) {
  StringRef name = op->getName().stripDialect();
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), x.rank());
  SmallVector<AffineExpr> d = onnx::getDimExprs(x.type);
  d[axis] = getAffineConstantExpr(1, op->getContext());
  Type t = x.element(), k = computeType(t);
  auto stat = onnx::withDims(k, d);
  Axes a = axesFor(e, x, {axis}, stat);
  AffineMap identity = e.b.getMultiDimIdentityMap(x.rank());
  Value m = e.reduce(stat, a.map, {{x, identity}}, a.iterators, e.scalar().lowest(k),
                     [&](Scalar &s, Value acc, ValueRange v) { return s.max(acc, v[0], k); });
  if (name == "Hardmax") {
    // 1 at the first maximum: nothing before it on the axis is as large.
    e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
      SmallVector<Value> at(i);
      Value own = e.at(x, i);
      at[axis] = s.index(0);
      Value best = e.at({m, stat}, at);
      auto loop = scf::ForOp::create(s.b, s.loc, s.index(0), i[axis], s.index(1), ValueRange{s.constant(s.b.getI1Type(), 1.0)});
      {
        OpBuilder::InsertionGuard guard(e.b);
        e.b.setInsertionPointToStart(loop.getBody());
        at[axis] = loop.getInductionVar();
        Value smaller = s.compare(Cmp::NotEqual, e.at(x, at), best, k);
        scf::YieldOp::create(e.b, s.loc, arith::AndIOp::create(e.b, s.loc, loop.getRegionIterArgs()[0], smaller).getResult());
      }
      Value first = arith::AndIOp::create(s.b, s.loc, loop.getResult(0), s.compare(Cmp::Equal, own, best, k));
      return s.select(first, s.constant(t, 1.0), s.constant(t, 0.0));
    }));
    return success();
  }
  bool log = name == "LogSoftmax";
  Scalar s0 = e.scalar();
  Value exps, sum;
  if (log) {
    sum = e.reduce(stat, a.map, {{x, identity}, {{m, stat}, a.map}}, a.iterators, zero(s0, k),
                   [&](Scalar &s, Value acc, ValueRange v) { return s.add(acc, s.apply<math::ExpOp>(s.sub(v[0], v[1], k)), k); });
    e.setResult(op, 0, e.map(result, {{x, identity}, {{m, stat}, a.map}, {{sum, stat}, a.map}}, [&](Scalar &s, ValueRange v) {
      return s.sub(s.sub(v[0], v[1], k), s.apply<math::LogOp>(v[2]), k);
    }));
    return success();
  }
  // Each step is rounded to a narrow type, as in the function that the operator stands for; only a sum beyond its range is
  // kept as it is.
  exps = e.map(result, {{x, identity}, {{m, stat}, a.map}},
               [&](Scalar &s, ValueRange v) -> Value { return s.apply<math::ExpOp>(s.sub(v[0], v[1], k)); });
  sum = e.reduce(stat, a.map, {{{exps, result}, identity}}, a.iterators, zero(s0, k),
                 [&](Scalar &s, Value acc, ValueRange v) { return s.add(acc, v[0], k); });
  e.setResult(op, 0, e.map(result, {{{exps, result}, identity}, {{sum, stat}, a.map}}, [&](Scalar &s, ValueRange v) {
    Value whole = s.rounded(v[1], t);
    if (whole != v[1])
      whole = s.select(s.compare(Cmp::Less, whole, s.highest(t), k), whole, v[1]);
    return s.div(v[0], whole, k);
  }));
  return success();
}

LogicalResult argument(Operation *op, Emitter &e) {
  bool isMax = op->getName().stripDialect() == "ArgMax", last = onnx::intAttr(op, "select_last_index");
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), x.rank());
  bool keep = result.getRank() == x.rank();
  Type t = x.element();
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    SmallVector<Value> at(i);
    if (!keep)
      at.insert(at.begin() + axis, Value());
    at[axis] = s.index(0);
    Value first = e.at(x, at);
    auto loop = scf::ForOp::create(s.b, s.loc, s.index(1), e.dim(x, axis), s.index(1), ValueRange{first, at[axis]});
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    at[axis] = loop.getInductionVar();
    Value v = e.at(x, at), best = loop.getRegionIterArgs()[0];
    Cmp kind = isMax ? (last ? Cmp::GreaterEqual : Cmp::Greater) : (last ? Cmp::LessEqual : Cmp::Less);
    Value better = s.compare(kind, v, best, t);
    scf::YieldOp::create(e.b, s.loc, ValueRange{s.select(better, v, best), s.select(better, at[axis], loop.getRegionIterArgs()[1])});
    e.b.setInsertionPointAfter(loop);
    return s.fromIndex(loop.getResult(1), e.b.getI64Type());
  }));
  return success();
}

/// Prefix sums or products along an axis that is not the last, whole rows at a time: each row comes from the result's row
/// before it, so that the innermost loop runs over contiguous elements.
Value cumulateRows(Emitter &e, Tensor x, RankedTensorType result, int64_t axis, bool product, bool exclusive, bool reverse) {
  Type t = x.element(), k = computeType(t);
  Value n = e.dim(x, axis), last = arith::SubIOp::create(e.b, e.loc, n, e.index(1));
  SmallVector<Value> indices;
  std::function<Value(Value)> nest = [&](Value current) -> Value {
    int64_t dim = indices.size();
    if (dim < x.rank()) {
      auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.dim(x, dim), e.index(1), ValueRange{current});
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      Value i = loop.getInductionVar();
      indices.push_back(dim == axis && reverse ? arith::SubIOp::create(e.b, e.loc, last, i).getResult() : i);
      Value inner = nest(loop.getRegionIterArgs()[0]);
      indices.pop_back();
      scf::YieldOp::create(e.b, e.loc, inner);
      return loop.getResult(0);
    }
    Scalar s = e.scalar();
    Value here = indices[axis], first = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, here, reverse ? last : e.index(0));
    // In the first row this reads what is not there yet, and drops it.
    Value step = s.select(first, e.index(0), e.index(1));
    SmallVector<Value> before(indices);
    before[axis] = reverse ? arith::AddIOp::create(e.b, e.loc, here, step).getResult()
                           : arith::SubIOp::create(e.b, e.loc, here, step).getResult();
    Value start = s.constant(t, product ? 1.0 : 0.0), acc = s.select(first, start, e.at({current, result}, before));
    Value v = e.at(x, exclusive ? before : indices);
    if (exclusive)
      v = s.select(first, start, v);
    Value next = product ? s.mul(acc, v, k) : s.add(acc, v, k);
    return tensor::InsertOp::create(e.b, e.loc, s.store(next, t), current, indices);
  };
  return nest(e.empty(result));
}

LogicalResult cumulative(Operation *op, Emitter &e) {
  bool product = op->getName().stripDialect() == "CumProd";
  Tensor x = e.operand(op, 0), axisTensor = e.operand(op, 1);
  auto values = onnx::intValues(op->getOperand(1));
  bool exclusive = onnx::intAttr(op, "exclusive"), reverse = onnx::intAttr(op, "reverse");
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element(), k = computeType(t);
  if (!values || values->size() != 1) {
    // The axis is known at run time only: each element sums its own prefix or suffix.
    Scalar s0 = e.scalar();
    Value a = s0.toIndex(e.at(axisTensor, SmallVector<Value>(axisTensor.rank(), e.index(0))), axisTensor.element());
    Value negative = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt, a, e.index(0));
    a = s0.select(negative, arith::AddIOp::create(e.b, e.loc, a, e.index(x.rank())), a);
    e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange idx) -> Value {
      SmallVector<Value> is;
      Value own = e.index(0), size = e.index(1);
      for (int64_t d = 0; d < x.rank(); ++d) {
        is.push_back(arith::CmpIOp::create(e.b, s.loc, arith::CmpIPredicate::eq, a, e.index(d)));
        own = s.select(is[d], idx[d], own);
        size = s.select(is[d], e.dim(x, d), size);
      }
      Value next = arith::AddIOp::create(e.b, s.loc, own, e.index(1));
      Value from = reverse ? (exclusive ? next : own) : e.index(0), to = reverse ? size : (exclusive ? own : next);
      auto loop = scf::ForOp::create(e.b, s.loc, from, to, e.index(1), ValueRange{s.constant(t, product ? 1.0 : 0.0)});
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      SmallVector<Value> at;
      for (int64_t d = 0; d < x.rank(); ++d)
        at.push_back(s.select(is[d], loop.getInductionVar(), idx[d]));
      Value v = e.at(x, at), acc = loop.getRegionIterArgs()[0];
      scf::YieldOp::create(e.b, s.loc, product ? s.mul(acc, v, k) : s.add(acc, v, k));
      return loop.getResult(0);
    }));
    return success();
  }
  int64_t axis = normalAxis((*values)[0], x.rank());
  if (axis + 1 < x.rank() && k == storageType(t)) {
    e.setResult(op, 0, cumulateRows(e, x, result, axis, product, exclusive, reverse));
    return success();
  }
  // One pass along the axis for each line: a loop nest over the other dims carries the accumulator.
  SmallVector<Value> indices;
  Value tensor = e.empty(result);
  std::function<Value(int64_t, Value)> nest = [&](int64_t dim, Value current) -> Value {
    if (dim == axis)
      return nest(dim + 1, current);
    if (dim == x.rank()) {
      Value n = e.dim(x, axis);
      Scalar s = e.scalar();
      Value start = s.constant(t, product ? 1.0 : 0.0);
      auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), n, e.index(1), ValueRange{current, start});
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      Value i = loop.getInductionVar();
      if (reverse)
        i = arith::SubIOp::create(e.b, e.loc, arith::SubIOp::create(e.b, e.loc, n, e.index(1)), i);
      SmallVector<Value> at(indices);
      at.insert(at.begin() + axis, i);
      Value acc = loop.getRegionIterArgs()[1], v = e.at(x, at);
      Value next = product ? s.mul(acc, v, k) : s.add(acc, v, k);
      Value stored = s.store(exclusive ? acc : next, t);
      Value inserted = tensor::InsertOp::create(e.b, e.loc, stored, loop.getRegionIterArgs()[0], at);
      scf::YieldOp::create(e.b, e.loc, ValueRange{inserted, next});
      return loop.getResult(0);
    }
    auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.dim(x, dim), e.index(1), ValueRange{current});
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    indices.push_back(loop.getInductionVar());
    Value inner = nest(dim + 1, loop.getRegionIterArgs()[0]);
    indices.pop_back();
    scf::YieldOp::create(e.b, e.loc, inner);
    return loop.getResult(0);
  };
  e.setResult(op, 0, nest(0, tensor));
  return success();
}
} // namespace

void ssm::populateReductions(Registry &r) {
  for (const char *name : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
                           "ReduceProd", "ReduceSum", "ReduceSumSquare"})
    r.lower(name, reduce);
  for (const char *name : {"Softmax", "LogSoftmax", "Hardmax"})
    r.lower(name, softmax);
  r.lower("ArgMax", argument);
  r.lower("ArgMin", argument);
  r.lower("CumSum", cumulative);
  r.lower("CumProd", cumulative);
}
