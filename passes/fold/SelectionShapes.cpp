//===- SelectionShapes.cpp - results whose size depends on data ------------===//
// NonZero, Compress, Unique, TopK and others. Where a count must be computed first, ordinary operators compute it and a
// symbol reads it (docs/internals.md, section 2).
//===----------------------------------------------------------------------===//
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

/// Gives an operator's uses to the operators that it was split into.
static LogicalResult replaceBy(Operation *op, unsigned result, Value v) {
  if (!v)
    return failure();
  op->getResult(result).setType(v.getType());
  op->getResult(result).replaceAllUsesWith(v);
  return success();
}

/// How many elements of a tensor are not 0, as an expression.
static FailureOr<AffineExpr> countNonZero(Operation *op, Shapes &s, Value x) {
  Location loc = op->getLoc();
  Type i64 = s.b.getI64Type();
  Value flags = s.make(loc, "Cast", x, s.b.getI1Type(), s.integer("to", 9));
  Value n = s.make(loc, "ReduceSum", s.make(loc, "Cast", flags, i64, s.integer("to", 7)), i64, s.integer("keepdims", 0));
  auto e = s.elements(op, n);
  if (failed(e))
    return failure();
  return (*e)[0];
}

static LogicalResult nonZero(Operation *op, Shapes &s) {
  auto n = countNonZero(op, s, op->getOperand(0));
  if (failed(n))
    return failure();
  s.set(op->getResult(0), {s.constant(s.rank(op->getOperand(0))), *n});
  return success();
}

/// Positions of the true elements of a list, as a list.
static Value positions(Operation *op, Shapes &s, Value flags) {
  Type i64 = s.b.getI64Type();
  Value found = s.make(op->getLoc(), "NonZero", flags, i64);
  return s.make(op->getLoc(), "Reshape", {found, s.ints(op->getLoc(), {-1})}, i64);
}

/// The axis that an operator works along; without the attribute x becomes its elements in a row.
static FailureOr<int64_t> sliceAxis(Operation *op, Value &x, Shapes &s) {
  int64_t axis = 0;
  if (op->hasAttr("axis"))
    axis = normalAxis(onnx::intAttr(op, "axis"), s.rank(x));
  else
    x = s.make(op->getLoc(), "Reshape", {x, s.ints(op->getLoc(), {-1})}, s.element(x));
  if (axis < 0 || axis >= s.rank(x))
    return op->emitError("axis is out of range");
  return axis;
}

/// The elements of x that are chosen along an axis: a Gather of their positions. The condition may be shorter.
static LogicalResult compress(Operation *op, Shapes &s) {
  Location loc = op->getLoc();
  Value x = op->getOperand(0), condition = op->getOperand(1);
  Type t = s.element(x), i64 = s.b.getI64Type();
  FailureOr<int64_t> slices = sliceAxis(op, x, s);
  if (failed(slices))
    return failure();
  int64_t axis = *slices;
  Value size = s.make(loc, "Shape", x, i64, {s.integer("start", axis), s.integer("end", axis + 1)});
  Value used = s.make(loc, "Slice", {condition, s.ints(loc, {0}), size, s.ints(loc, {0})}, s.b.getI1Type());
  return replaceBy(op, 0, s.make(loc, "Gather", {x, positions(op, s, used)}, t, s.integer("axis", axis)));
}

/// Unique by sorting: equal slices become neighbours, each group keeps its first one.
static LogicalResult unique(Operation *op, Shapes &s) {
  Location loc = op->getLoc();
  Value x = op->getOperand(0);
  Type i64 = s.b.getI64Type();
  FailureOr<int64_t> slices = sliceAxis(op, x, s);
  if (failed(slices))
    return failure();
  int64_t axis = *slices;
  // Order of the slices, 1 where a slice differs from the one before it in that order.
  OperationState sort(loc, "onnx.SortSlices", x, {RankedTensorType::get({1}, i64), RankedTensorType::get({1}, i64)}, s.integer("axis", axis));
  Operation *sorted = s.b.create(sort);
  for (Value r : sorted->getResults())
    s.set(r, {s.dims(x)[axis]});
  Value order = sorted->getResult(0), starts = sorted->getResult(1);
  Value zero = s.ints(loc, {0});
  auto gather = [&](Value from, Value at, int64_t along = 0) { return s.make(loc, "Gather", {from, at}, s.element(from), s.integer("axis", along)); };
  Value firsts = positions(op, s, starts); // of the groups, in sorted order
  Value indices = gather(order, firsts);
  Value groups = s.make(loc, "Sub", {s.make(loc, "CumSum", {starts, s.scalar(loc, 0)}, i64), s.ints(loc, {1})}, i64);
  Value ends = s.make(loc, "Concat",
                      {s.make(loc, "Slice", {firsts, s.ints(loc, {1}), s.ints(loc, {INT64_MAX}), zero}, i64),
                       s.make(loc, "Shape", order, i64)}, i64, s.integer("axis", 0));
  // No group, no end: the size of the axis would be left over.
  ends = s.make(loc, "Slice", {ends, zero, s.make(loc, "Shape", firsts, i64), zero}, i64);
  Value counts = s.make(loc, "Sub", {ends, firsts}, i64);
  if (!onnx::intAttr(op, "sorted", 1)) { // groups by where they first occur
    OperationState again(loc, "onnx.SortSlices", indices, {i64, i64}, s.integer("axis", 0));
    again.types.assign(2, RankedTensorType::get({1}, i64));
    Operation *byPlace = s.b.create(again);
    for (Value r : byPlace->getResults())
      s.set(r, s.dims(indices));
    Value place = byPlace->getResult(0);
    indices = gather(indices, place);
    counts = gather(counts, place);
    Value newNumber = s.make(loc, "ScatterElements", {place, place, s.iota(loc, place)}, i64, s.integer("axis", 0));
    groups = gather(newNumber, groups);
  }
  Value inverse = s.make(loc, "ScatterElements", {order, order, groups}, i64, s.integer("axis", 0));
  if (failed(replaceBy(op, 0, gather(x, indices, axis))))
    return failure();
  Value others[] = {indices, inverse, counts};
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    if (!isa<NoneType>(op->getResult(i).getType()) && failed(replaceBy(op, i, others[i - 1])))
      return failure();
  return success();
}

static LogicalResult oneHot(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  if (!isa<IntegerType>(s.element(op->getOperand(1))))
    op->setOperand(1, s.make(op->getLoc(), "Cast", op->getOperand(1), s.b.getI64Type(), s.integer("to", 7)));
  auto depth = s.elements(op, 1, 1);
  if (failed(depth))
    return failure();
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), d.size() + 1);
  if (axis < 0 || axis > (int64_t)d.size())
    return op->emitError("axis is out of range");
  d.insert(d.begin() + axis, (*depth)[0]);
  s.set(op->getResult(0), d);
  return success();
}

static LogicalResult topK(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  auto k = s.elements(op, 1, 1);
  if (failed(k))
    return failure();
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), d.size());
  if (axis < 0 || axis >= (int64_t)d.size())
    return op->emitError("axis is out of range");
  // More than there is: an error at run time where it cannot be told now.
  AffineExpr n = (*k)[0];
  if (n != d[axis]) {
    auto k = Shapes::asConstant(n), size = Shapes::asConstant(d[axis]);
    if (k && size && *k > *size)
      return op->emitError("k is ") << *k << ", the axis has " << *size << " elements";
    s.require(op, n, s.min(n, d[axis]));
  }
  d[axis] = n;
  s.set(op->getResult(0), d);
  s.set(op->getResult(1), d);
  return success();
}

void ssm::addSelectionShapes(llvm::StringMap<ShapeRule> &rules) {
  rules["NonZero"] = nonZero;
  rules["Compress"] = compress;
  rules["Unique"] = unique;
  rules["OneHot"] = oneHot;
  rules["TopK"] = topK;
  rules["SortSlices"] = [](Operation *op, Shapes &s) -> LogicalResult {
    for (Value r : op->getResults())
      s.set(r, {s.dims(op->getOperand(0))[onnx::intAttr(op, "axis")]});
    return success();
  };
}
