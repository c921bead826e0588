//===- Gather.cpp - reads and writes at computed indices -------------------===//
// Indices are wrapped from the end and clamped into range, so that no index can read or write outside a buffer.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Pred = arith::CmpIPredicate;

Value safeIndex(Emitter &e, Scalar &s, Value raw, Type t, Value n) {
  Value i = s.toIndex(raw, t), zero = s.index(0);
  Value negative = arith::CmpIOp::create(e.b, s.loc, Pred::slt, i, zero);
  i = s.select(negative, arith::AddIOp::create(e.b, s.loc, i, n), i);
  Value last = arith::SubIOp::create(e.b, s.loc, n, s.index(1));
  return arith::MaxSIOp::create(e.b, s.loc, zero, arith::MinSIOp::create(e.b, s.loc, i, last));
}

LogicalResult gather(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), indices = e.operand(op, 1);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), x.rank());
  Value n = e.dim(x, axis);
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) {
    Value raw = e.at(indices, i.slice(axis, indices.rank()));
    SmallVector<Value> at(i.take_front(axis));
    at.push_back(safeIndex(e, s, raw, indices.element(), n));
    llvm::append_range(at, i.drop_front(axis + indices.rank()));
    return e.at(x, at);
  }));
  return success();
}

LogicalResult gatherElements(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), indices = e.operand(op, 1);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), x.rank());
  Value n = e.dim(x, axis);
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) {
    SmallVector<Value> at(i);
    at[axis] = safeIndex(e, s, e.at(indices, i), indices.element(), n);
    return e.at(x, at);
  }));
  return success();
}

LogicalResult gatherND(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), indices = e.operand(op, 1);
  int64_t batch = onnx::intAttr(op, "batch_dims"), q = indices.rank(), last = indices.type.getDimSize(q - 1);
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) {
    SmallVector<Value> at(i.take_front(batch)), where(i.take_front(q - 1));
    for (int64_t k = 0; k < last; ++k) {
      where.push_back(s.index(k));
      at.push_back(safeIndex(e, s, e.at(indices, where), indices.element(), e.dim(x, batch + k)));
      where.pop_back();
    }
    llvm::append_range(at, i.drop_front(q - 1));
    return e.at(x, at);
  }));
  return success();
}

Value combine(Scalar &s, StringRef how, Value old, Value v, Type t) {
  if (how == "add")
    return s.add(old, v, t);
  if (how == "mul")
    return s.mul(old, v, t);
  if (how == "max")
    return s.max(old, v, t);
  if (how == "min")
    return s.min(old, v, t);
  return v;
}

/// Runs body for all indices below the sizes, in order, threading a tensor through.
Value forAll(Emitter &e, ArrayRef<Value> sizes, Value tensor, llvm::function_ref<Value(ValueRange, Value)> body) {
  SmallVector<Value> indices;
  std::function<Value(size_t, Value)> nest = [&](size_t d, Value current) -> Value {
    if (d == sizes.size())
      return body(indices, current);
    auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), sizes[d], e.index(1), ValueRange{current});
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    indices.push_back(loop.getInductionVar());
    Value inner = nest(d + 1, loop.getRegionIterArgs()[0]);
    indices.pop_back();
    scf::YieldOp::create(e.b, e.loc, inner);
    return loop.getResult(0);
  };
  return nest(0, tensor);
}

Value copyOf(Emitter &e, Tensor x, RankedTensorType result) {
  return e.map(result, {{x, e.b.getMultiDimIdentityMap(x.rank())}}, [](Scalar &, ValueRange v) { return v[0]; });
}

LogicalResult scatterElements(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), indices = e.operand(op, 1), updates = e.operand(op, 2);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), x.rank());
  StringRef how = onnx::stringAttr(op, "reduction", "none");
  Type t = x.element();
  Value n = e.dim(x, axis);
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < indices.rank(); ++i)
    sizes.push_back(e.dim(indices, i));
  e.setResult(op, 0, forAll(e, sizes, copyOf(e, x, Emitter::resultType(op)), [&](ValueRange i, Value current) -> Value {
    Scalar s = e.scalar();
    SmallVector<Value> at(i);
    at[axis] = safeIndex(e, s, e.at(indices, i), indices.element(), n);
    Value v = e.at(updates, i);
    if (how != "none")
      v = combine(s, how, s.load(tensor::ExtractOp::create(e.b, e.loc, current, at), t), v, t);
    return tensor::InsertOp::create(e.b, e.loc, s.store(v, t), current, at);
  }));
  return success();
}

LogicalResult scatterND(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), indices = e.operand(op, 1), updates = e.operand(op, 2);
  int64_t q = indices.rank(), last = indices.type.getDimSize(q - 1);
  StringRef how = onnx::stringAttr(op, "reduction", "none");
  Type t = x.element();
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < updates.rank(); ++i)
    sizes.push_back(e.dim(updates, i));
  e.setResult(op, 0, forAll(e, sizes, copyOf(e, x, Emitter::resultType(op)), [&](ValueRange i, Value current) -> Value {
    Scalar s = e.scalar();
    SmallVector<Value> at, where(i.take_front(q - 1));
    for (int64_t k = 0; k < last; ++k) {
      where.push_back(s.index(k));
      at.push_back(safeIndex(e, s, e.at(indices, where), indices.element(), e.dim(x, k)));
      where.pop_back();
    }
    llvm::append_range(at, i.drop_front(q - 1));
    Value v = e.at(updates, i);
    if (how != "none")
      v = combine(s, how, s.load(tensor::ExtractOp::create(e.b, e.loc, current, at), t), v, t);
    return tensor::InsertOp::create(e.b, e.loc, s.store(v, t), current, at);
  }));
  return success();
}

LogicalResult oneHot(Operation *op, Emitter &e) {
  Tensor indices = e.operand(op, 0), values = e.operand(op, 2);
  RankedTensorType result = Emitter::resultType(op);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), result.getRank());
  Value depth = e.size(onnx::getDimExpr(result, axis));
  Value off = e.at(values, {e.index(0)}), on = e.at(values, {e.index(1)});
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) {
    SmallVector<Value> at(i);
    at.erase(at.begin() + axis);
    Value hot = s.toIndex(e.at(indices, at), indices.element());
    Value negative = arith::CmpIOp::create(e.b, s.loc, Pred::slt, hot, s.index(0));
    hot = s.select(negative, arith::AddIOp::create(e.b, s.loc, hot, depth), hot);
    return s.select(arith::CmpIOp::create(e.b, s.loc, Pred::eq, hot, i[axis]), on, off);
  }));
  return success();
}
} // namespace

void ssm::populateGather(Registry &r) {
  r.lower("Gather", gather);
  r.lower("GatherElements", gatherElements);
  r.lower("GatherND", gatherND);
  r.lower("ScatterElements", scatterElements);
  r.lower("ScatterND", scatterND);
  r.lower("OneHot", oneHot);
}
