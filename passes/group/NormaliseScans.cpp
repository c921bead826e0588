//===- NormaliseScans.cpp - sequential loops as onnx.Scan along axis 0 -----===//
// Expects: @main after raise. Leaves: each ssm.recurrence whose step is a few operators with kernels, which will be one
// dispatch, its constants in front of it; every other one as an onnx.Scan, and every onnx.Scan with all its axes 0,
// between transposes, which is the form that the graph function runs. Linear in operators.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/group/Passes.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_NORMALISESCANS
#include "passes/group/Passes.h.inc"
} // namespace ssm

namespace {
RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

Value transposed(OpBuilder &b, Location loc, Value v, ArrayRef<int64_t> perm, Type type) {
  OperationState state(loc, "onnx.Transpose", v, type, b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
  return b.create(state)->getResult(0);
}

/// The value with this axis first.
Value axisFirst(OpBuilder &b, Location loc, Value v, int64_t axis) {
  if (axis == 0)
    return v;
  SmallVector<int64_t> perm = {axis};
  for (int64_t i = 0; i < typeOf(v).getRank(); ++i)
    if (i != axis)
      perm.push_back(i);
  SmallVector<AffineExpr> dims;
  for (int64_t p : perm)
    dims.push_back(onnx::getDimExpr(typeOf(v), p));
  return transposed(b, loc, v, perm, onnx::withDims(typeOf(v).getElementType(), dims));
}

RankedTensorType axisFirst(RankedTensorType type, int64_t axis) {
  SmallVector<AffineExpr> dims = onnx::getDimExprs(type);
  std::rotate(dims.begin(), dims.begin() + axis, dims.begin() + axis + 1);
  return onnx::withDims(type.getElementType(), dims);
}

/// A stacked result, its first axis moved back to where it belongs.
Value axisBack(OpBuilder &b, Location loc, Value v, int64_t axis, Type type) {
  if (axis == 0)
    return v;
  SmallVector<int64_t> perm;
  for (int64_t i = 0; i < typeOf(v).getRank(); ++i)
    perm.push_back(i == axis ? 0 : i < axis ? i + 1 : i);
  return transposed(b, loc, v, perm, type);
}

struct ScanParts {
  SmallVector<Value> carried, scanned;
  SmallVector<int64_t> inAxes, inDirections, outAxes, outDirections;
};

/// The loop as a Scan along axis 0; the body's arguments are the carried values, then the slices.
void replaceByScan(Operation *op, ScanParts parts) {
  OpBuilder b(op);
  Location loc = op->getLoc();
  SmallVector<Value> inputs(parts.carried);
  SmallVector<Type> types;
  for (auto [v, axis] : llvm::zip(parts.scanned, parts.inAxes))
    inputs.push_back(axisFirst(b, loc, v, axis));
  for (size_t i = 0; i < parts.carried.size(); ++i)
    types.push_back(op->getResult(i).getType());
  for (auto [axis, r] : llvm::zip(parts.outAxes, op->getResults().drop_front(parts.carried.size())))
    types.push_back(axisFirst(typeOf(r), axis));
  OperationState state(loc, "onnx.Scan", inputs, types);
  state.addAttribute("num_scan_inputs", b.getIntegerAttr(b.getIntegerType(64, true), parts.scanned.size()));
  state.addAttribute("scan_input_directions", b.getDenseI64ArrayAttr(parts.inDirections));
  state.addAttribute("scan_output_directions", b.getDenseI64ArrayAttr(parts.outDirections));
  state.addRegion()->takeBody(op->getRegion(0));
  Operation *scan = b.create(state);
  for (auto [i, r] : llvm::enumerate(op->getResults())) {
    Value v = scan->getResult(i);
    if (i >= parts.carried.size())
      v = axisBack(b, loc, v, parts.outAxes[i - parts.carried.size()], r.getType());
    r.replaceAllUsesWith(v);
  }
  op->erase();
}

void normalise(onnx::ScanOp op) {
  ScanParts parts;
  unsigned scanned = onnx::intAttr(op, "num_scan_inputs"), carried = op->getNumOperands() - scanned;
  auto list = [&](StringRef name, size_t n) {
    SmallVector<int64_t> values = onnx::intsAttr(op, name);
    values.resize(n, 0);
    return values;
  };
  parts.carried.assign(op->operand_begin(), op->operand_begin() + carried);
  parts.scanned.assign(op->operand_begin() + carried, op->operand_end());
  size_t outputs = op->getNumResults() - carried;
  parts.inAxes = list("scan_input_axes", scanned);
  parts.inDirections = list("scan_input_directions", scanned);
  parts.outAxes = list("scan_output_axes", outputs);
  parts.outDirections = list("scan_output_directions", outputs);
  for (auto [axis, v] : llvm::zip(parts.inAxes, parts.scanned))
    axis = normalAxis(axis, typeOf(v).getRank());
  for (auto [axis, r] : llvm::zip(parts.outAxes, op->getResults().drop_front(carried)))
    axis = normalAxis(axis, typeOf(r).getRank());
  auto zero = [](int64_t axis) { return axis == 0; };
  if (llvm::all_of(parts.inAxes, zero) && llvm::all_of(parts.outAxes, zero))
    return;
  replaceByScan(op, std::move(parts));
}

void normalise(RecurrenceOp op) {
  ScanParts parts;
  parts.carried.assign(op.getInitial().begin(), op.getInitial().end());
  parts.scanned.assign(op.getSequences().begin(), op.getSequences().end());
  parts.inAxes.assign(op.getAxes().begin(), op.getAxes().end());
  parts.outAxes.assign(op.getOutputAxes().begin(), op.getOutputAxes().end());
  parts.inDirections.assign(parts.scanned.size(), op.getReverse());
  parts.outDirections.assign(op.getOutputs().size(), op.getReverse());
  // Slices come first in a recurrence, carried values in a Scan.
  Block &body = op.getBody().front();
  unsigned slices = parts.scanned.size();
  for (unsigned i = 0; i < slices; ++i) {
    BlockArgument from = body.getArgument(0);
    from.replaceAllUsesWith(body.addArgument(from.getType(), from.getLoc()));
    body.eraseArgument(0);
  }
  Operation *yield = body.getTerminator();
  OpBuilder b(yield);
  onnx::YieldOp::create(b, yield->getLoc(), yield->getOperands());
  yield->erase();
  replaceByScan(op, std::move(parts));
}

/// Whether the whole loop is one dispatch: each operator of a step has a kernel, none needs the host, and there are few
/// enough of them, as the passes behind are quadratic in the size of a function.
bool isOneDispatch(RecurrenceOp op) {
  constexpr int64_t kMaxOperators = 64;
  int64_t operators = 0;
  for (Operation &o : op.getBody().front().without_terminator()) {
    if (isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(o))
      continue;
    if (!isa<onnx::OnnxDialect>(o.getDialect()) || o.getNumRegions() || !Registry::get().lookup(&o) || isHostCopy(&o) ||
        drawsSeed(&o) || ++operators > kMaxOperators)
      return false;
  }
  return true;
}

/// Constants of the body in front of the loop, where they are operands of the dispatch.
void hoistConstants(RecurrenceOp op) {
  for (Operation &o : llvm::make_early_inc_range(op.getBody().front()))
    if (isa<onnx::ConstantOp>(o))
      o.moveBefore(op);
}

struct NormaliseScansPass : ssm::impl::NormaliseScansBase<NormaliseScansPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SmallVector<Operation *> loops;
    main.walk([&](Operation *op) {
      if (isa<onnx::ScanOp, RecurrenceOp>(op))
        loops.push_back(op);
    });
    for (Operation *op : loops) {
      if (auto scan = dyn_cast<onnx::ScanOp>(op))
        normalise(scan);
      else if (auto recurrence = cast<RecurrenceOp>(op); isOneDispatch(recurrence))
        hoistConstants(recurrence);
      else
        normalise(recurrence);
    }
  }
};
} // namespace
