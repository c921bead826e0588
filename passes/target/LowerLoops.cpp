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
constexpr int64_t kBlock = 32;
/// Elements of an elementwise loop that are worth waking a thread for.
constexpr int64_t kGrain = 1 << 15;

/// Tile sizes for an operation that reads one index order and writes another: blocks whose lines stay in the cache.
SmallVector<int64_t> transposingTiles(linalg::LinalgOp op) {
  auto loops = op.getNumLoops();
  if (op.getNumParallelLoops() != loops || loops < 2 || op.getNumDpsInits() != 1)
    return {};
  AffineMap out = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  if (!out.isPermutation())
    return {};
  unsigned inner = out.getDimPosition(out.getNumResults() - 1);
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!map.isProjectedPermutation() || !map.getNumResults() || !map.isFunctionOfDim(inner))
      continue;
    unsigned fast = map.getDimPosition(map.getNumResults() - 1);
    if (fast == inner)
      continue;
    SmallVector<int64_t> tiles(loops, 1);
    tiles[inner] = tiles[fast] = kBlock;
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    if ((sizes[inner] > 0 && sizes[inner] < 8) || (sizes[fast] > 0 && sizes[fast] < 8))
      return {};
    return tiles;
  }
  return {};
}

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
    tileTransposes(rewriter);
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

  void tileTransposes(IRRewriter &rewriter) {
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      SmallVector<int64_t> tiles = transposingTiles(op);
      if (tiles.empty() || !op.hasPureBufferSemantics())
        continue;
      rewriter.setInsertionPoint(op);
      if (succeeded(linalg::tileLinalgOp(rewriter, op, linalg::LinalgTilingOptions().setTileSizes(tiles))))
        rewriter.eraseOp(op);
    }
  }
};
} // namespace
