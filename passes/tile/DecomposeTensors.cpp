//===- DecomposeTensors.cpp - composite tensor ops to parts ---------------===//
// Expects: a dispatch on tensors. Leaves: no concat, pad, pack, unpack or softmax, and elementwise producers fused into
// their only consumer where that repeats no work. Linear in the dispatch's operations.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "passes/tile/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_DECOMPOSETENSORS
#include "passes/tile/Passes.h.inc"
} // namespace ssm

namespace {
/// Longer bodies than this are left apart: the vectoriser's registers are few.
constexpr unsigned kMaxFusedBody = 200;

/// A producer is computed once per point of its consumer exactly when the consumer reads it through a permutation.
bool repeatsNoWork(OpOperand *operand) {
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  if (!consumer || !producer || !producer->hasOneUse() || !operand->get().hasOneUse())
    return false;
  if (!consumer.getMatchingIndexingMap(operand).isPermutation())
    return false;
  return producer.getBody()->getOperations().size() + consumer.getBody()->getOperations().size() <= kMaxFusedBody;
}

struct Decompose : OpInterfaceRewritePattern<linalg::AggregatedOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(linalg::AggregatedOpInterface op, PatternRewriter &rewriter) const override {
    FailureOr<SmallVector<Value>> parts = op.decomposeOperation(rewriter);
    if (failed(parts))
      return rewriter.notifyMatchFailure(op, "does not decompose");
    rewriter.replaceOp(op, *parts);
    return success();
  }
};

struct DecomposeTensors : ssm::impl::DecomposeTensorsBase<DecomposeTensors> {
  void runOnOperation() override {
    if (!getOperation()->hasAttr("ssm.dispatch"))
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<Decompose>(&getContext());
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    linalg::populateDecomposePadPatterns(patterns);
    linalg::populateElementwiseToLinalgConversionPatterns(patterns);
    linalg::populateElementwiseOpsFusionPatterns(patterns, repeatsNoWork);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
