//===- Movement.cpp - operators that move or make elements -----------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;
using Pred = arith::CmpIPredicate;

struct I { // index arithmetic
  Emitter &e;
  Value c(int64_t v) { return e.index(v); }
  Value add(Value x, Value y) { return arith::AddIOp::create(e.b, e.loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(e.b, e.loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulIOp::create(e.b, e.loc, x, y); }
  Value min(Value x, Value y) { return arith::MinSIOp::create(e.b, e.loc, x, y); }
  Value max(Value x, Value y) { return arith::MaxSIOp::create(e.b, e.loc, x, y); }
  Value cmp(Pred p, Value x, Value y) { return arith::CmpIOp::create(e.b, e.loc, p, x, y); }
  Value select(Value q, Value x, Value y) { return arith::SelectOp::create(e.b, e.loc, q, x, y); }
  Value wrap(Value x, Value n) { return select(cmp(Pred::slt, x, c(0)), add(x, n), x); }
};

/// Element i of a one-dimensional integer operand as an index.
Value elementIndex(Emitter &e, Tensor t, int64_t i) {
  SmallVector<Value> at;
  if (t.rank())
    at.push_back(e.index(i));
  Scalar s = e.scalar();
  return s.toIndex(e.at(t, at), t.element());
}

/// Tells, for entry i of an axes operand and a dimension, the condition that the entry means the dimension: null for
/// never, a constant true where that is known. Without the operand entry i means dimension i.
std::function<Value(int64_t, int64_t)> axisChoice(Emitter &e, Operation *op, unsigned operand, int64_t n, int64_t rank) {
  auto yes = [&e] { return e.scalar().constant(e.b.getI1Type(), 1.0); };
  if (operand >= op->getNumOperands() || onnx::isNone(op->getOperand(operand)))
    return [=](int64_t i, int64_t axis) { return i == axis ? yes() : Value(); };
  if (auto values = onnx::intValues(op->getOperand(operand)))
    return [=, axes = *values](int64_t i, int64_t axis) { return normalAxis(axes[i], rank) == axis ? yes() : Value(); };
  Tensor t = e.operand(op, operand);
  return [=, &e](int64_t i, int64_t axis) -> Value {
    I q{e};
    return q.cmp(Pred::eq, q.wrap(elementIndex(e, t, i), q.c(rank)), q.c(axis));
  };
}

LogicalResult transpose(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
  if (!op->hasAttr("perm"))
    for (int64_t i = x.rank() - 1; i >= 0; --i)
      perm.push_back(i);
  SmallVector<AffineExpr> exprs(x.rank());
  for (auto [i, p] : llvm::enumerate(perm))
    exprs[p] = getAffineDimExpr(i, op->getContext());
  e.setResult(op, 0, e.map(Emitter::resultType(op), {{x, AffineMap::get(x.rank(), 0, exprs, op->getContext())}},
                           [](Scalar &, ValueRange v) { return v[0]; }));
  return success();
}

LogicalResult slice(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), starts = e.operand(op, 1), steps = e.operand(op, 4);
  I q{e};
  int64_t n = starts.type.getDimSize(0);
  auto axes = axisChoice(e, op, 3, n, x.rank());
  SmallVector<Value> from(x.rank()), by(x.rank());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t axis = 0; axis < x.rank(); ++axis) {
      Value chosen = axes(i, axis);
      if (!chosen)
        continue;
      Value size = e.dim(x, axis);
      Value start = q.wrap(elementIndex(e, starts, i), size), step = steps ? elementIndex(e, steps, i) : q.c(1);
      Value forward = q.cmp(Pred::sgt, step, q.c(0));
      Value up = q.min(q.max(start, q.c(0)), size), down = q.min(q.max(start, q.c(0)), q.sub(size, q.c(1)));
      from[axis] = q.select(chosen, q.select(forward, up, down), from[axis] ? from[axis] : q.c(0));
      by[axis] = q.select(chosen, step, by[axis] ? by[axis] : q.c(1));
    }
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &, ValueRange i) {
    SmallVector<Value> at(i);
    for (int64_t d = 0; d < x.rank(); ++d)
      if (from[d])
        at[d] = q.add(from[d], q.mul(i[d], by[d]));
    return e.at(x, at);
  }));
  return success();
}

LogicalResult concat(Operation *op, Emitter &e) {
  RankedTensorType result = Emitter::resultType(op);
  int64_t rank = result.getRank(), axis = normalAxis(onnx::intAttr(op, "axis"), rank);
  I q{e};
  Value out = e.empty(result), at = q.c(0);
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    Tensor x = e.operand(op, i);
    SmallVector<OpFoldResult> offsets(rank, e.b.getIndexAttr(0)), strides(rank, e.b.getIndexAttr(1)), sizes = e.sizes(x.type);
    offsets[axis] = at;
    out = tensor::InsertSliceOp::create(e.b, e.loc, x.value, out, offsets, sizes, strides);
    at = q.add(at, e.dim(x, axis));
  }
  e.setResult(op, 0, out);
  return success();
}

/// Whether elementwise operators of the same dispatch are all that reads a part, which then needs no copy.
bool isReadInPlace(Value part) {
  return llvm::all_of(part.getUsers(), [&](Operation *user) {
    const Lowering *lowering = Registry::get().lookup(user);
    return user->getBlock() == part.getParentBlock() && lowering && lowering->element;
  });
}

LogicalResult splitOp(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), x.rank());
  I q{e};
  Value at = q.c(0);
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    RankedTensorType result = Emitter::resultType(op, i);
    if (!result)
      return op->emitError("every output of Split must have a name");
    if (isReadInPlace(op->getResult(i))) {
      SmallVector<OpFoldResult> offsets(x.rank(), e.b.getIndexAttr(0)), strides(x.rank(), e.b.getIndexAttr(1));
      offsets[axis] = at;
      e.setResult(op, i,
                  tensor::ExtractSliceOp::create(e.b, e.loc, storageTensor(result), x.value, offsets, e.sizes(result),
                                                 strides));
    } else {
      e.setResult(op, i, e.generate(result, [&](Scalar &, ValueRange idx) {
        SmallVector<Value> from(idx);
        from[axis] = q.add(idx[axis], at);
        return e.at(x, from);
      }));
    }
    at = q.add(at, e.size(onnx::getDimExpr(result, axis)));
  }
  return success();
}

LogicalResult expand(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  e.setResult(op, 0, e.generate(result, [&](Scalar &, ValueRange i) { return e.atBroadcast(x, result, i); }));
  return success();
}

LogicalResult tileOp(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0);
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) {
    SmallVector<Value> at;
    for (int64_t d = 0; d < x.rank(); ++d)
      at.push_back(arith::RemUIOp::create(e.b, s.loc, i[d], e.dim(x, d)));
    return e.at(x, at);
  }));
  return success();
}

LogicalResult pad(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), pads = e.operand(op, 1), value = e.operand(op, 2);
  I q{e};
  StringRef mode = onnx::stringAttr(op, "mode", "constant");
  SmallVector<Value> low(x.rank());
  int64_t n = pads.type.getDimSize(0) / 2;
  auto axes = axisChoice(e, op, 3, n, x.rank());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t axis = 0; axis < x.rank(); ++axis)
      if (Value chosen = axes(i, axis))
        low[axis] = q.select(chosen, elementIndex(e, pads, i), low[axis] ? low[axis] : q.c(0));
  Type t = x.element();
  Value fill = value ? e.at(value, SmallVector<Value>(value.rank(), q.c(0))) : e.scalar().constant(t, 0.0);
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) -> Value {
    SmallVector<Value> at(i);
    Value inside = s.constant(e.b.getI1Type(), 1.0);
    for (int64_t d = 0; d < x.rank(); ++d) {
      if (!low[d])
        continue;
      Value n = e.dim(x, d), last = q.sub(n, q.c(1)), p = q.sub(i[d], low[d]);
      if (mode == "edge") {
        p = q.min(q.max(p, q.c(0)), last);
      } else if (mode == "reflect") {
        // Period 2(n-1): fold into it, then mirror.
        Value period = q.max(q.mul(last, q.c(2)), q.c(1));
        Value r = arith::RemSIOp::create(e.b, s.loc, p, period);
        r = q.wrap(r, period);
        p = q.select(q.cmp(Pred::sgt, r, last), q.sub(q.mul(last, q.c(2)), r), r);
      } else if (mode == "wrap") {
        p = q.wrap(arith::RemSIOp::create(e.b, s.loc, p, n), n);
      } else {
        inside = arith::AndIOp::create(e.b, s.loc, inside, q.cmp(Pred::ult, p, n));
        p = q.max(q.min(p, last), q.c(0));
      }
      at[d] = p;
    }
    Value v = e.at(x, at);
    return mode == "constant" ? s.select(inside, v, fill) : v;
  }));
  return success();
}

LogicalResult constantOfShape(Operation *op, Emitter &e) {
  RankedTensorType result = Emitter::resultType(op);
  Scalar s = e.scalar();
  Type t = result.getElementType();
  Value v = s.constant(t, 0.0);
  if (auto value = op->getAttrOfType<DenseElementsAttr>("value"))
    v = s.attribute(t, *value.getValues<Attribute>().begin());
  e.setResult(op, 0, e.fill(result, s.store(v, t)));
  return success();
}

LogicalResult range(Operation *op, Emitter &e) {
  Tensor start = e.operand(op, 0), delta = e.operand(op, 2);
  RankedTensorType result = Emitter::resultType(op);
  Type t = result.getElementType();
  auto first = [&](Tensor x) { return e.at(x, SmallVector<Value>(x.rank(), e.index(0))); };
  Value a = first(start), d = first(delta);
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) { return s.add(a, s.mul(s.fromIndex(i[0], computeType(t)), d, t), t); }));
  return success();
}

/// Blocks of an image's elements become channels, or come from them: the block's position is the outer part of the channel,
/// or (CRD) the inner one.
LogicalResult blocks(Operation *op, Emitter &e) {
  I q{e};
  Tensor x = e.operand(op, 0);
  bool toDepth = op->getName().stripDialect() == "SpaceToDepth", inner = onnx::stringAttr(op, "mode", "DCR") == "CRD";
  int64_t n = onnx::intAttr(op, "blocksize");
  RankedTensorType result = Emitter::resultType(op);
  Value size = q.c(n), channels = toDepth ? e.dim(x, 1) : e.size(onnx::getDimExpr(result, 1));
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) {
    auto div = [&](Value a, Value b) -> Value { return arith::DivUIOp::create(e.b, s.loc, a, b); };
    auto rem = [&](Value a, Value b) -> Value { return arith::RemUIOp::create(e.b, s.loc, a, b); };
    if (toDepth) {
      Value block = inner ? rem(i[1], q.c(n * n)) : div(i[1], channels);
      Value channel = inner ? div(i[1], q.c(n * n)) : rem(i[1], channels);
      return e.at(x, {i[0], channel, q.add(q.mul(i[2], size), div(block, size)),
                      q.add(q.mul(i[3], size), rem(block, size))});
    }
    Value block = q.add(q.mul(rem(i[2], size), size), rem(i[3], size));
    Value channel = inner ? q.add(q.mul(i[1], q.c(n * n)), block) : q.add(q.mul(block, channels), i[1]);
    return e.at(x, {i[0], channel, div(i[2], size), div(i[3], size)});
  }));
  return success();
}

LogicalResult trilu(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), k = e.operand(op, 1);
  I q{e};
  bool upper = onnx::intAttr(op, "upper", 1);
  Value shift = k ? elementIndex(e, k, 0) : q.c(0);
  int64_t r = x.rank();
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) {
    Value keep = q.cmp(upper ? Pred::sge : Pred::sle, q.sub(i[r - 1], i[r - 2]), shift);
    return s.select(keep, e.at(x, i), s.constant(x.element(), 0.0));
  }));
  return success();
}

LogicalResult eyeLike(Operation *op, Emitter &e) {
  I q{e};
  RankedTensorType result = Emitter::resultType(op);
  Type t = result.getElementType();
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) {
    Value on = q.cmp(Pred::eq, q.sub(i[1], i[0]), q.c(onnx::intAttr(op, "k")));
    return s.select(on, s.constant(t, 1.0), s.constant(t, 0.0));
  }));
  return success();
}

LogicalResult sizes(Operation *op, Emitter &e) {
  auto x = cast<RankedTensorType>(op->getOperand(0).getType());
  RankedTensorType result = Emitter::resultType(op);
  SmallVector<Value> elements;
  auto i64 = e.b.getI64Type();
  if (result.getRank() == 0) {
    elements.push_back(arith::IndexCastOp::create(e.b, e.loc, i64, e.count(x)));
  } else {
    int64_t n = x.getRank(), from = onnx::intAttr(op, "start");
    from = std::clamp<int64_t>(from < 0 ? from + n : from, 0, n);
    for (int64_t i = 0; i < result.getDimSize(0); ++i)
      elements.push_back(arith::IndexCastOp::create(e.b, e.loc, i64, e.size(onnx::getDimExpr(x, from + i))));
  }
  if (elements.empty())
    e.setResult(op, 0, e.empty(result));
  else
    e.setResult(op, 0, tensor::FromElementsOp::create(e.b, e.loc, storageTensor(result), elements));
  return success();
}

LogicalResult dims(Operation *op, Emitter &e) {
  e.setResult(op, 0, e.tensorOf(op->getResult(0)).value);
  return success();
}

} // namespace

void ssm::populateMovement(Registry &r) {
  r.lower("Transpose", transpose);
  r.lower("Slice", slice);
  r.lower("Concat", concat);
  r.lower("Split", splitOp);
  r.lower("Expand", expand);
  r.lower("Tile", tileOp);
  r.lower("Pad", pad);
  r.lower("ConstantOfShape", constantOfShape);
  r.lower("Range", range);
  r.lower("DepthToSpace", blocks);
  r.lower("SpaceToDepth", blocks);
  r.lower("Trilu", trilu);
  r.lower("EyeLike", eyeLike);
  r.lower("Shape", sizes);
  r.lower("Size", sizes);
  r.lower("Dims", dims);
}
