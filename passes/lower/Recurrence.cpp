//===- Recurrence.cpp - sequential recurrences -------------------------------===//
// A loop over steps carries the states and the stacked outputs. The body's operators are lowered inside of it as those
// of a dispatch are; the next carries are copied into the buffers of the present ones, so that no step allocates.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
struct Slice {
  SmallVector<OpFoldResult> offsets, sizes, strides;
};

/// Step t of a stacked tensor along an axis.
Slice stepOf(Emitter &e, RankedTensorType stacked, int64_t axis, Value t) {
  Slice s{{}, e.sizes(stacked), {}};
  s.offsets.assign(stacked.getRank(), e.b.getIndexAttr(0));
  s.strides.assign(stacked.getRank(), e.b.getIndexAttr(1));
  s.offsets[axis] = t;
  s.sizes[axis] = e.b.getIndexAttr(1);
  return s;
}

Value castTo(Emitter &e, Value v, RankedTensorType type) {
  return v.getType() == type ? v : tensor::CastOp::create(e.b, e.loc, type, v).getResult();
}

LogicalResult lowerRecurrence(RecurrenceOp op, Emitter &e) {
  OpBuilder &b = e.b;
  Location loc = op.getLoc();
  Block &body = op.getBody().front();
  size_t numSequences = op.getSequences().size(), numCarries = op.getInitial().size();
  auto typeOf = [](Value v) { return cast<RankedTensorType>(v.getType()); };
  Value length = e.dim(e.tensorOf(op.getSequences()[0]), op.getAxes()[0]);
  SmallVector<Value> inits;
  for (auto [from, to] : llvm::zip_equal(op.getInitial(), op.getFinals())) {
    // The loop writes its carries.
    Value copy = e.empty(typeOf(to));
    inits.push_back(linalg::CopyOp::create(b, loc, castTo(e, e.tensorOf(from).value, storageTensor(typeOf(to))), copy)
                        .getResult(0));
  }
  for (Value v : op.getOutputs())
    inits.push_back(e.empty(typeOf(v)));

  auto loop = scf::ForOp::create(b, loc, e.index(0), length, e.index(1), inits);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value t = loop.getInductionVar();
    if (op.getReverse())
      t = arith::SubIOp::create(b, loc, arith::SubIOp::create(b, loc, length, e.index(1)), t);
    for (auto [i, sequence] : llvm::enumerate(op.getSequences())) {
      Slice s = stepOf(e, typeOf(sequence), op.getAxes()[i], t);
      auto slice = storageTensor(typeOf(body.getArgument(i)));
      e.setTensor(body.getArgument(i), tensor::ExtractSliceOp::create(b, loc, slice, e.tensorOf(sequence).value,
                                                                      s.offsets, s.sizes, s.strides));
    }
    for (size_t i = 0; i < numCarries; ++i) {
      Value argument = body.getArgument(numSequences + i);
      e.setTensor(argument, castTo(e, loop.getRegionIterArgs()[i], storageTensor(typeOf(argument))));
    }
    if (failed(lowerOperators(body, e)))
      return failure();
    e.loc = loc;
    SmallVector<Value> next;
    OperandRange yields = body.getTerminator()->getOperands();
    for (size_t i = 0; i < numCarries; ++i) {
      Value into = loop.getRegionIterArgs()[i];
      Value v = castTo(e, e.tensorOf(yields[i]).value, cast<RankedTensorType>(into.getType()));
      next.push_back(linalg::CopyOp::create(b, loc, v, into).getResult(0));
    }
    for (auto [i, stacked] : llvm::enumerate(op.getOutputs())) {
      Slice s = stepOf(e, typeOf(stacked), op.getOutputAxes()[i], t);
      Value v = e.tensorOf(yields[numCarries + i]).value;
      next.push_back(tensor::InsertSliceOp::create(b, loc, v, loop.getRegionIterArgs()[numCarries + i], s.offsets,
                                                   s.sizes, s.strides));
    }
    scf::YieldOp::create(b, loc, next);
  }
  for (auto [v, lowered] : llvm::zip_equal(op->getResults(), loop.getResults()))
    e.setTensor(v, lowered);
  return success();
}
} // namespace

void ssm::populateRecurrence(Registry &r) {
  r.mixer("recurrence", [](Operation *op, Emitter &e) { return lowerRecurrence(cast<RecurrenceOp>(op), e); });
}
