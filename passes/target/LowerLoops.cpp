//===- LowerLoops.cpp - linalg on buffers to loops ---------------------------===//
// Expects: a bufferised dispatch. Leaves: no linalg operation, and memref.copy only between contiguous buffers (which
// is memcpy). Linear.
//===----------------------------------------------------------------------===//
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_LOWERLOOPS
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
struct LowerLoops : ssm::impl::LowerLoopsBase<LowerLoops> {
  void runOnOperation() override {
    if (!getOperation()->hasAttr("ssm.dispatch"))
      return;
    IRRewriter rewriter(&getContext());
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp op) { copies.push_back(op); });
    for (memref::CopyOp op : copies) {
      rewriter.setInsertionPoint(op);
      if (op.getSource() == op.getTarget()) {
        rewriter.eraseOp(op);
        continue;
      }
      auto source = cast<MemRefType>(op.getSource().getType()), target = cast<MemRefType>(op.getTarget().getType());
      if (!source.getLayout().isIdentity() || !target.getLayout().isIdentity())
        rewriter.replaceOp(op, linalg::makeMemRefCopyOp(rewriter, op.getLoc(), op.getSource(), op.getTarget()));
    }
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::linalgOpToLoops(rewriter, op))) {
        op->emitOpError("has no lowering to loops");
        return signalPassFailure();
      }
      rewriter.eraseOp(op);
    }
  }
};
} // namespace
