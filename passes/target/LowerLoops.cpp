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
      FailureOr<linalg::LinalgLoops> loops = linalg::linalgOpToLoops(rewriter, op);
      if (failed(loops)) {
        op->emitOpError("has no lowering to loops");
        return signalPassFailure();
      }
      if (isa<func::FuncOp>(op->getParentOp()))
        makeParallel(rewriter, op, *loops);
      rewriter.eraseOp(op);
    }
  }

  /// Shares the outermost parallel loop that repeats, with the next one in it, among threads.
  void makeParallel(IRRewriter &rewriter, linalg::LinalgOp op, ArrayRef<Operation *> loops) {
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
    unsigned first = 0;
    while (first < sizes.size() && sizes[first] == 1)
      ++first;
    if (first >= loops.size() || kinds[first] != utils::IteratorType::parallel)
      return;
    int64_t known = 1, inner = 1;
    for (unsigned i = first; i < sizes.size(); ++i)
      known = ShapedType::isDynamic(known) || ShapedType::isDynamic(sizes[i]) ? ShapedType::kDynamic : known * sizes[i];
    if (!ShapedType::isDynamic(known) && known <= kGrain)
      return;
    for (unsigned i = first + 2; i < sizes.size(); ++i)
      inner *= ShapedType::isDynamic(sizes[i]) ? kBlock : sizes[i];
    bool both = first + 2 < loops.size() && kinds[first + 1] == utils::IteratorType::parallel && inner >= kBlock;
    auto outer = cast<scf::ForOp>(loops[first]), last = cast<scf::ForOp>(loops[both ? first + 1 : first]);

    Location loc = op.getLoc();
    rewriter.setInsertionPoint(outer);
    auto constant = [&](int64_t v) { return arith::ConstantIndexOp::create(rewriter, loc, v); };
    Value count = outer.getUpperBound(), work = constant(1), one = constant(1);
    Value innerCount = both ? last.getUpperBound() : Value();
    if (both)
      count = arith::MulIOp::create(rewriter, loc, count, innerCount);
    for (Operation *loop : loops.drop_front(both ? first + 2 : first + 1))
      work = arith::MulIOp::create(rewriter, loc, work, cast<scf::ForOp>(loop).getUpperBound());
    work = arith::MaxSIOp::create(rewriter, loc, work, one);
    Value chunk = arith::CeilDivSIOp::create(rewriter, loc, constant(kGrain), work);
    auto parallel =
        scf::ParallelOp::create(rewriter, loc, ValueRange{constant(0)}, ValueRange{count}, ValueRange{chunk});
    rewriter.setInsertionPointToStart(parallel.getBody());
    Value begin = parallel.getInductionVars()[0];
    Value end = arith::MinSIOp::create(rewriter, loc, arith::AddIOp::create(rewriter, loc, begin, chunk), count);
    auto range = scf::ForOp::create(rewriter, loc, begin, end, one);
    rewriter.setInsertionPointToStart(range.getBody());
    Value i = range.getInductionVar();
    if (both) {
      rewriter.replaceAllUsesWith(outer.getInductionVar(), arith::DivUIOp::create(rewriter, loc, i, innerCount));
      i = arith::RemUIOp::create(rewriter, loc, i, innerCount);
    }
    rewriter.inlineBlockBefore(last.getBody(), range.getBody()->getTerminator(), i);
    rewriter.eraseOp(range.getBody()->getTerminator()->getPrevNode());
    rewriter.eraseOp(outer);
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
