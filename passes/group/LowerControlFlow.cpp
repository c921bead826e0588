//===- LowerControlFlow.cpp - If, Loop and Scan into host code ------------ ===//
// A region owns what it makes. What it yields is handed over, or copied when the region does not own it.
//===----------------------------------------------------------------------===//
#include "passes/group/GraphLowering.h"
#include "passes/lower/Scalar.h"

using namespace mlir;
using namespace ssm;

/// Types of a value that leaves a region: pointer and sizes.
static void appendTypes(Type t, Host &h, SmallVectorImpl<Type> &types) {
  types.push_back(h.ptr());
  if (auto r = dyn_cast<RankedTensorType>(t))
    types.append(r.getRank(), h.i64());
}

/// Appends what a value gives that leaves a region: its pointer and, for a tensor, its sizes.
void GraphLowering::appendLeaving(Type type, Value v, SmallVectorImpl<Value> &values) {
  if (!isa<RankedTensorType>(type)) {
    values.push_back(as(type, v));
    return;
  }
  SmallVector<Value> dims = sizesOf(v);
  values.push_back(own(v));
  values.append(dims);
}

Value GraphLowering::copyOf(Value v) {
  Value n = bytes(cast<RankedTensorType>(v.getType()));
  Value buffer = allocate(n);
  h.copy(buffer, pointer(v), n);
  return buffer;
}

LogicalResult GraphLowering::emitIf(onnx::IfOp op) {
  SmallVector<Type> types;
  for (Value r : op.getResults())
    appendTypes(r.getType(), h, types);
  Value condition = h.compare(Pred::ne, arith::ExtUIOp::create(h.b, h.loc, h.i64(), h.load(h.b.getI8Type(), pointer(op.getCond()))),
                              h.constant(0));
  auto choice = scf::IfOp::create(h.b, h.loc, types, condition, true);
  for (int branch = 0; branch < 2; ++branch) {
    OpBuilder::InsertionGuard guard(h.b);
    Block &block = branch ? op.getElseBranch().front() : op.getThenBranch().front();
    h.b.setInsertionPointToStart(branch ? choice.elseBlock() : choice.thenBlock());
    auto outer = symbols;
    Scope scope;
    scopes.push_back(&scope);
    if (failed(emitBlock(block)))
      return failure();
    SmallVector<Value> results;
    for (auto [v, r] : llvm::zip(block.getTerminator()->getOperands(), op.getResults()))
      appendLeaving(r.getType(), v, results);
    freeScope();
    scopes.pop_back();
    symbols = outer;
    scf::YieldOp::create(h.b, h.loc, results);
  }
  unsigned at = 0;
  for (Value r : op.getResults()) {
    Value p = choice.getResult(at++);
    if (auto t = dyn_cast<RankedTensorType>(r.getType())) {
      SmallVector<Value> dims(choice.getResults().slice(at, t.getRank()));
      at += t.getRank();
      runtimeDims[r] = dims;
      setOwned(r, p);
    } else {
      pointers[r] = p;
    }
  }
  return success();
}

LogicalResult GraphLowering::emitLoop(onnx::LoopOp op) {
  Block &body = op.getBody().front();
  size_t carried = op.getVInitial().size();
  size_t scanned = op.getNumResults() - carried;
  Operation *yield = body.getTerminator();
  Value limit = h.constant(INT64_MAX);
  if (!onnx::isNone(op.getM()))
    limit = h.load(h.i64(), pointer(op.getM()));
  auto toBool = [&](Value p) {
    Value wide = arith::ExtUIOp::create(h.b, h.loc, h.i64(), h.load(h.b.getI8Type(), p));
    return h.compare(Pred::ne, wide, h.constant(0));
  };
  Value start = onnx::isNone(op.getCond()) ? arith::ConstantOp::create(h.b, h.loc, h.b.getBoolAttr(true)).getResult()
                                           : toBool(pointer(op.getCond()));
  SmallVector<Value> init = {h.constant(0), start};
  for (auto [v, arg] : llvm::zip(op.getVInitial(), body.getArguments().drop_front(2))) {
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    init.push_back(type ? copyOf(v) : as(arg.getType(), v));
    if (type)
      init.append(sizesOf(v));
  }
  // Scan outputs: rows are appended to growing buffers; their sizes are carried so that they are known afterwards.
  SmallVector<Value> rows;
  for (size_t i = 0; i < scanned; ++i) {
    rows.push_back(h.call("ssmrt_rows_new", h.ptr(), {rt}));
    auto t = cast<RankedTensorType>(yield->getOperand(1 + carried + i).getType());
    for (AffineExpr e : onnx::getDimExprs(t))
      init.push_back(size(e));
  }
  Value iterationSlot = h.slot(8), conditionSlot = h.slot(8);
  SmallVector<Type> types(ValueRange(init).getTypes());
  SmallVector<Location> locs(types.size(), h.loc);
  auto loop = scf::WhileOp::create(h.b, h.loc, types, init);
  {
    OpBuilder::InsertionGuard guard(h.b);
    Block *before = h.b.createBlock(&loop.getBefore(), {}, types, locs);
    Value more = h.binary<arith::AndIOp>(before->getArgument(1), h.compare(Pred::slt, before->getArgument(0), limit));
    scf::ConditionOp::create(h.b, h.loc, more, before->getArguments());
    Block *after = h.b.createBlock(&loop.getAfter(), {}, types, locs);
    auto outer = symbols;
    Scope scope;
    scopes.push_back(&scope);
    h.store(after->getArgument(0), iterationSlot);
    h.store(arith::ExtUIOp::create(h.b, h.loc, h.b.getI8Type(), after->getArgument(1)), conditionSlot);
    pointers[body.getArgument(0)] = iterationSlot;
    pointers[body.getArgument(1)] = conditionSlot;
    unsigned at = 2;
    SmallVector<Value> old;
    for (size_t i = 0; i < carried; ++i) {
      Value arg = body.getArgument(i + 2);
      pointers[arg] = after->getArgument(at++);
      if (auto t = dyn_cast<RankedTensorType>(arg.getType())) {
        old.push_back(pointers[arg]);
        runtimeDims[arg] = SmallVector<Value>(after->getArguments().slice(at, t.getRank()));
        at += t.getRank();
      }
    }
    if (failed(emitBlock(body)))
      return failure();
    SmallVector<Value> next = {h.add(after->getArgument(0), h.constant(1)), toBool(pointer(yield->getOperand(0)))};
    // Rows first: a yielded value may be carried as well, and carrying hands its buffer over.
    SmallVector<Value> rowDims;
    for (size_t i = 0; i < scanned; ++i) {
      Value v = yield->getOperand(1 + carried + i);
      h.call("ssmrt_rows_push", {}, {rt, rows[i], pointer(v), bytes(cast<RankedTensorType>(v.getType()))});
      rowDims.append(sizesOf(v));
    }
    for (size_t i = 0; i < carried; ++i)
      appendLeaving(body.getArgument(i + 2).getType(), yield->getOperand(1 + i), next);
    next.append(rowDims);
    freeScope();
    for (Value p : old)
      h.call("ssmrt_free", {}, {rt, p});
    scopes.pop_back();
    symbols = outer;
    scf::YieldOp::create(h.b, h.loc, next);
  }
  unsigned at = 2;
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    auto t = dyn_cast<RankedTensorType>(r.getType());
    if (i < carried) {
      Value p = loop.getResult(at++);
      if (!t) {
        pointers[r] = p;
        continue;
      }
      runtimeDims[r] = SmallVector<Value>(loop.getResults().slice(at, t.getRank()));
      at += t.getRank();
      setOwned(r, p);
      continue;
    }
    SmallVector<Value> dims = {loop.getResult(0)};
    Value n = h.mul(loop.getResult(0), h.constant(elementBytes(t.getElementType())));
    for (int64_t k = 1; k < t.getRank(); ++k) {
      dims.push_back(loop.getResult(at++));
      n = h.mul(n, dims.back());
    }
    runtimeDims[r] = dims;
    Value buffer = allocate(n);
    h.call("ssmrt_rows_take", {}, {rt, rows[i - carried], buffer, h.constant(0)});
    setOwned(r, buffer);
  }
  return success();
}

/// Sizes that every iteration gives alike are known where the Scan stands, if its body has told them before.
bool GraphLowering::isBound(ArrayRef<AffineExpr> exprs) {
  bool bound = true;
  for (AffineExpr e : exprs)
    e.walk([&](AffineExpr part) {
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        bound &= symbols.count(s.getPosition());
    });
  return bound;
}

LogicalResult GraphLowering::emitScan(onnx::ScanOp op) {
  Block &body = op.getBody().front();
  size_t scanned = op.getNumScanInputs(), carried = op.getInputs().size() - scanned;
  if (op.getScanInputAxes() || op.getScanOutputAxes())
    return op.emitError("Scan must have been given its axes by shape inference");
  auto reversed = [](std::optional<ArrayRef<int64_t>> a, size_t i) { return a && i < a->size() && (*a)[i] == 1; };
  std::string node = "node '" + nodeName(op.getLoc()) + "': ";
  Operation *yield = body.getTerminator();
  Value length = sizesOf(op.getInputs()[carried])[0];
  for (size_t i = 1; i < scanned; ++i) {
    Value other = sizesOf(op.getInputs()[carried + i])[0];
    fail(h.compare(Pred::ne, other, length), node + "scanned inputs differ in length", other, length);
  }
  // Carried buffers; outputs, or rows where the size of a row is known only when one has been computed; sizes of rows.
  SmallVector<Value> init, results;
  SmallVector<bool> grows;
  for (Value v : op.getInputs().take_front(carried))
    init.push_back(copyOf(v));
  for (Value r : op.getResults().drop_front(carried)) {
    auto type = cast<RankedTensorType>(r.getType());
    auto rowDims = onnx::getDimExprs(type);
    grows.push_back(!isBound(ArrayRef(rowDims).drop_front()));
    results.push_back(grows.back() ? h.call("ssmrt_rows_new", h.ptr(), {rt}) : makePlace(r));
    if (grows.back())
      init.append(type.getRank() - 1, h.constant(0));
  }
  auto loop = scf::ForOp::create(h.b, h.loc, h.constant(0), length, h.constant(1), init);
  {
    OpBuilder::InsertionGuard guard(h.b);
    h.b.setInsertionPointToStart(loop.getBody());
    auto outer = symbols;
    Scope scope;
    scopes.push_back(&scope);
    Value i = loop.getInductionVar();
    Value mirrored = h.binary<arith::SubIOp>(h.binary<arith::SubIOp>(length, h.constant(1)), i);
    for (size_t k = 0; k < carried; ++k)
      pointers[body.getArgument(k)] = loop.getRegionIterArgs()[k];
    for (size_t k = 0; k < scanned; ++k) {
      Value arg = body.getArgument(carried + k);
      Value row = bytes(cast<RankedTensorType>(arg.getType()));
      Value at = reversed(op.getScanInputDirections(), k) ? mirrored : i;
      pointers[arg] = h.offset(pointer(op.getInputs()[carried + k]), h.mul(at, row));
    }
    if (failed(emitBlock(body)))
      return failure();
    for (size_t k = 0; k < carried; ++k) {
      auto before = cast<RankedTensorType>(body.getArgument(k).getType()), after = cast<RankedTensorType>(yield->getOperand(k).getType());
      SmallVector<Value> sizes = sizesOf(yield->getOperand(k));
      for (int64_t d = 0; d < before.getRank(); ++d)
        if (AffineExpr e = onnx::getDimExpr(before, d); e != onnx::getDimExpr(after, d)) {
          Value was = size(e);
          fail(h.compare(Pred::ne, was, sizes[d]), node + "a carried value changes its size", was, sizes[d]);
        }
    }
    SmallVector<Value> next, rowSizes;
    unsigned at = carried; // of the sizes of rows among what the loop carries
    for (size_t k = carried; k < op.getNumResults(); ++k) {
      Value v = yield->getOperand(k), row = bytes(cast<RankedTensorType>(v.getType()));
      if (!grows[k - carried]) {
        Value where = reversed(op.getScanOutputDirections(), k - carried) ? mirrored : i;
        h.copy(h.offset(results[k - carried], h.mul(where, row)), pointer(v), row);
        continue;
      }
      Value first = h.compare(Pred::eq, i, h.constant(0));
      for (Value now : sizesOf(v)) {
        Value before = h.select(first, now, loop.getRegionIterArgs()[at++]);
        fail(h.compare(Pred::ne, before, now), node + "the rows of an output differ in size", before, now);
        rowSizes.push_back(now);
      }
      h.call("ssmrt_rows_push", {}, {rt, results[k - carried], pointer(v), row});
    }
    for (size_t k = 0; k < carried; ++k)
      next.push_back(own(yield->getOperand(k)));
    next.append(rowSizes);
    freeScope();
    for (size_t k = 0; k < carried; ++k)
      h.call("ssmrt_free", {}, {rt, loop.getRegionIterArgs()[k]});
    scopes.pop_back();
    symbols = outer;
    if (!next.empty()) // a loop that carries nothing has its end already
      scf::YieldOp::create(h.b, h.loc, next);
  }
  unsigned at = carried;
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    if (i < carried) {
      setOwned(r, loop.getResult(i));
      continue;
    }
    auto type = cast<RankedTensorType>(r.getType());
    if (!grows[i - carried])
      continue;
    SmallVector<Value> dims = {length};
    Value n = h.mul(length, h.constant(elementBytes(type.getElementType())));
    for (int64_t d = 1; d < type.getRank(); ++d) {
      dims.push_back(loop.getResult(at++));
      n = h.mul(n, dims.back());
    }
    Value buffer = allocate(n);
    h.call("ssmrt_rows_take", {}, {rt, results[i - carried], buffer, h.constant(reversed(op.getScanOutputDirections(), i - carried))});
    runtimeDims[r] = dims;
    setOwned(r, buffer);
  }
  return success();
}
