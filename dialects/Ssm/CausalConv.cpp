//===- CausalConv.cpp - ssm.causal_conv ------------------------------------===//
#include "dialects/Ssm/Mixers.h"

using namespace mlir;
using namespace ssm;

static constexpr unsigned History = 3; // among the groups of operands

int64_t CausalConvOp::getTimeDim() { return numIterationDims(*this) - 2; }
ValueRange CausalConvOp::getInitialStates() { return getODSOperands(History); }
ValueRange CausalConvOp::getFinalStates() { return getODSResults(1); }
std::optional<StateGroups> CausalConvOp::getStateGroups() { return stateGroups(*this, History, 1); }
SmallVector<TypedAttr> CausalConvOp::getNeutralStates() {
  return {Builder(getContext()).getZeroAttr(getElementTypeOrSelf(getInput().getType()))};
}
// The history is one shorter than the taps, the last dim.
AffineExpr CausalConvOp::getStateSize(int64_t loop) {
  AffineExpr size = getAffineDimExpr(0, getContext());
  return loop + 1 == numIterationDims(*this) ? size - 1 : size;
}
LoopAccesses CausalConvOp::getLoopAccesses() {
  LoopAccesses accesses = mappedAccesses(*this);
  AffineExpr taps = getAffineDimExpr(numIterationDims(*this) - 1, getContext());
  auto dropTaps = [&](LoopAccess &access) { llvm::replace(access, taps, AffineExpr()); };
  if (getHistory())
    dropTaps(accesses.operands[getODSOperandIndexAndLength(History).first]);
  for (LoopAccess &final : llvm::drop_begin(accesses.results))
    dropTaps(final);
  return accesses;
}
SmallVector<StringRef> CausalConvOp::getForms() { return {"convolution"}; }

double CausalConvOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  double points = 2;
  for (int64_t s : sizes)
    points *= s;
  return points;
}

LogicalResult CausalConvOp::verify() {
  if (failed(verifyMaps(*this)))
    return failure();
  int64_t time = getTimeDim(), j = time + 1;
  if (time < 0)
    return emitOpError("needs dims t and j");
  SmallVector<int64_t> p = dimRange(0, time), pt = dimRange(0, time + 1), pj = p;
  pj.push_back(j);
  if (failed(verifyOver(*this, "input", operandMap(*this, 0), pt, {time}, "(p, t)")) ||
      failed(verifyOver(*this, "output", resultMap(*this, 0), pt, pt, "(p, t)"))) // C1
    return failure();
  if (failed(verifyOver(*this, "weight", operandMap(*this, 1), pj, {j}, "j and a subset of p")) ||
      failed(verifyOver(*this, "bias", operandMap(*this, 2), p, {}, "a subset of p"))) // C2
    return failure();
  if (failed(verifyOver(*this, "history", operandMap(*this, History), pj, {j}, "(p, j)")) ||
      failed(verifyOver(*this, "final_history", resultMap(*this, 1), pj, pj, "(p, j)"))) // C3
    return failure();
  if (auto taps = dyn_cast<AffineConstantExpr>(iterationSizes(*this)[j]); taps && taps.getValue() < 1) // C4
    return emitOpError("needs at least one tap");
  return success(succeeded(verifyFloats(*this, getOperands())) && succeeded(verifyFloats(*this, getResults())));
}

namespace {
/// Zeros stand for an absent history and an absent bias.
struct DropZeros : OpRewritePattern<CausalConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CausalConvOp op, PatternRewriter &rewriter) const override {
    for (auto [group, value] : {std::pair<unsigned, Value>{3, op.getHistory()}, {2, op.getBias()}})
      if (value && isConstantOf(value, 0)) {
        dropOperandGroup(op, group, rewriter);
        return success();
      }
    return rewriter.notifyMatchFailure(op, "no operand is known to be zero");
  }
};
} // namespace

void CausalConvOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropZeros, DropUnusedResults<CausalConvOp, 2>>(context);
}
