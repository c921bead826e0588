//===- SelectBoxes.cpp - the part of NonMaxSuppression that computes -------===//
// For every class of every batch: of the boxes left take the one with the highest score (the first of equals), drop
// what overlaps it, and go on until none is left or enough are taken. A box costs one pass over all boxes.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Index.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;
using Pred = arith::CmpIPredicate;

struct Box {
  Value low[2], high[2], area;
};

class Selector {
public:
  Selector(Operation *op, Emitter &e)
      : op(op), e(e), q{e}, s(e.scalar()), boxes(e.operand(op, 0)), scores(e.operand(op, 1)),
        t(computeType(boxes.element())) {}
  LogicalResult run();

private:
  using Values = SmallVector<Value>;
  Value number(unsigned operand);
  Box boxAt(Value batch, Value i);
  Value overlaps(const Box &x, const Box &y);
  Value mark(Value tensor, Value i, Value on) {
    return tensor::InsertOp::create(e.b, e.loc, s.store(on, s.b.getI1Type()), tensor, i);
  }
  Value marked(Value tensor, Value i) {
    return s.load(tensor::ExtractOp::create(e.b, e.loc, tensor, i), s.b.getI1Type());
  }
  Values selectClass(Value batch, Value kind, ValueRange carried);

  Operation *op;
  Emitter &e;
  Index q;
  Scalar s;
  Tensor boxes, scores;
  Type t;
  Value count, limit, overlap, threshold; // threshold: null for none
};

Value Selector::number(unsigned operand) {
  Tensor x = e.operand(op, operand);
  return x ? e.at(x, Values(x.rank(), q.c(0))) : Value();
}

Box Selector::boxAt(Value batch, Value i) {
  auto corner = [&](int64_t c) { return e.at(boxes, {batch, i, q.c(c)}); };
  Box box;
  for (int64_t d = 0; d < 2; ++d) {
    Value x = corner(d), y = corner(d + 2);
    if (onnx::intAttr(op, "center_point_box")) { // the middle and the extent
      Value half = s.mul(y, s.constant(t, 0.5), t);
      box.low[d] = s.sub(x, half, t);
      box.high[d] = s.add(x, half, t);
    } else { // two corners in any order
      box.low[d] = s.min(x, y, t);
      box.high[d] = s.max(x, y, t);
    }
  }
  box.area = s.mul(s.sub(box.high[0], box.low[0], t), s.sub(box.high[1], box.low[1], t), t);
  return box;
}

/// The area in common is a larger part of the area of both than the threshold.
Value Selector::overlaps(const Box &x, const Box &y) {
  Value zero = s.constant(t, 0.0), common, some = s.constant(e.b.getI1Type(), 1.0);
  auto positive = [&](Value v) { some = q.both(some, s.compare(Cmp::Greater, v, zero, t)); };
  for (int64_t d = 0; d < 2; ++d) {
    Value extent = s.sub(s.min(x.high[d], y.high[d], t), s.max(x.low[d], y.low[d], t), t);
    positive(extent);
    common = common ? s.mul(common, extent, t) : extent;
  }
  Value all = s.sub(s.add(x.area, y.area, t), common, t);
  positive(x.area);
  positive(y.area);
  positive(all);
  return q.both(some, s.compare(Cmp::Greater, s.div(common, all, t), overlap, t));
}

/// carried: the table, marks of the boxes that are left, the number of rows in the table.
Selector::Values Selector::selectClass(Value batch, Value kind, ValueRange carried) {
  auto score = [&](Value i) { return e.at(scores, {batch, kind, i}); };
  Value yes = s.constant(e.b.getI1Type(), 1.0);
  Value left = countedLoop(e, q.c(0), count, q.c(1), carried[1], [&](Value i, ValueRange v) -> Values {
    return {mark(v[0], i, threshold ? s.compare(Cmp::Greater, score(i), threshold, t) : yes)};
  })[0];
  Values state =
      countedLoop(e, q.c(0), limit, q.c(1), {carried[0], left, carried[2], yes}, [&](Value, ValueRange v) -> Values {
        Value candidates = s.select(v[3], count, q.c(0));
        Values best =
            countedLoop(e, q.c(0), candidates, q.c(1), {q.c(-1), s.lowest(t)}, [&](Value i, ValueRange b) -> Values {
              Value own = score(i), first = q.cmp(Pred::slt, b[0], q.c(0));
              Value better = q.both(marked(v[1], i), q.either(first, s.compare(Cmp::Greater, own, b[1], t)));
              return {s.select(better, i, b[0]), s.select(better, own, b[1])};
            });
        Value found = q.cmp(Pred::sge, best[0], q.c(0)), chosen = q.max(best[0], q.c(0));
        Value table = countedLoop(
            e, q.c(0), s.select(found, q.c(1), q.c(0)), q.c(1), v[0], [&](Value, ValueRange rows) -> Values {
              Value row = rows[0];
              for (auto [column, value] : llvm::enumerate(Values{batch, kind, chosen}))
                row = tensor::InsertOp::create(e.b, e.loc,
                                               arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), value), row,
                                               ValueRange{v[2], q.c(column)});
              return {row};
            })[0];
        Value others = countedLoop(
            e, q.c(0), s.select(found, count, q.c(0)), q.c(1), v[1], [&](Value i, ValueRange marks) -> Values {
              Value gone = q.either(q.cmp(Pred::eq, i, chosen), overlaps(boxAt(batch, chosen), boxAt(batch, i)));
              Value stays = q.both(marked(marks[0], i), arith::XOrIOp::create(e.b, e.loc, gone, yes));
              return {mark(marks[0], i, stays)};
            })[0];
        return {table, others, q.add(v[2], s.select(found, q.c(1), q.c(0))), found};
      });
  return {state[0], state[1], state[2]};
}

LogicalResult Selector::run() {
  RankedTensorType table = Emitter::resultType(op, 0);
  count = e.dim(boxes, 1);
  Value most = number(2);
  limit = most ? q.max(q.min(s.toIndex(most, e.operand(op, 2).element()), count), q.c(0)) : q.c(0);
  overlap = number(3);
  if (!overlap)
    overlap = s.constant(t, 0.0);
  threshold = number(4);
  auto marks = onnx::withDims(e.b.getI1Type(), {onnx::getDimExpr(boxes.type, 1)});
  auto selected = loopNest(e, {e.dim(scores, 0), e.dim(scores, 1)}, {e.empty(table), e.empty(marks), q.c(0)},
                           [&](ValueRange i, ValueRange carried) { return selectClass(i[0], i[1], carried); });
  e.setResult(op, 0, selected[0]);
  Value total = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), selected[2]);
  e.setResult(op, 1, tensor::FromElementsOp::create(e.b, e.loc, storageTensor(Emitter::resultType(op, 1)), total));
  return success();
}
} // namespace

void ssm::populateSelectBoxes(Registry &r) {
  r.lower("SelectBoxes", [](Operation *op, Emitter &e) { return Selector(op, e).run(); });
}
