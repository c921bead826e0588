//===- Attention.cpp - ssm.attention ---------------------------------------===//
#include "dialects/Ssm/Mixers.h"

using namespace mlir;
using namespace ssm;

/// Positions of the queries: what decodes one step at a time.
int64_t AttentionOp::getTimeDim() { return numIterationDims(*this) - 4; }
ValueRange AttentionOp::getInitialStates() { return {}; }
ValueRange AttentionOp::getFinalStates() { return {}; }
// What belongs to a query is the same in every tile of the values' columns.
bool AttentionOp::isParallelLoop(int64_t loop) {
  return loop <= getTimeDim() || (loop == getTimeDim() + 3 && getNumResults() == 1);
}
SmallVector<StringRef> AttentionOp::getForms() { return {"materialised", "online"}; }

double AttentionOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  size_t last = sizes.size();
  double heads = 1, i = sizes[last - 4], j = sizes[last - 3], e = sizes[last - 2], f = sizes[last - 1];
  for (int64_t s : sizes.drop_back(4))
    heads *= s;
  double work = heads * i * j * (2 * e + 2 * f + 20);
  // A tile rescales its sums; scores in memory are written and read three times.
  return form == "online" ? work + heads * i * (f + 20) * (1 + j / 64) + heads * 2000 : work + heads * i * j * 24;
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyMaps(*this)))
    return failure();
  int64_t i = getTimeDim(), j = i + 1, e = i + 2, f = i + 3;
  if (i < 0)
    return emitOpError("needs dims i, j, e and f");
  auto with = [&](ArrayRef<int64_t> tail) {
    SmallVector<int64_t> dims = dimRange(0, i);
    llvm::append_range(dims, tail);
    return dims;
  };
  if (failed(verifyOver(*this, "query", operandMap(*this, 0), with({i, e}), {i, e}, "(p, i, e)")) ||
      failed(verifyOver(*this, "key", operandMap(*this, 1), with({j, e}), {j, e}, "(p, j, e)")) ||
      failed(verifyOver(*this, "value", operandMap(*this, 2), with({j, f}), {j, f}, "(p, j, f)"))) // C1
    return failure();
  SmallVector<Type> arguments{stateType(*this)};
  arguments.append(j + 1, IndexType::get(getContext()));
  for (auto [n, modifier] : llvm::enumerate(getModifiers())) {
    if (failed(
            verifyOver(*this, "modifier", indexingMaps(*this)[3 + n], with({i, j}), {}, "a subset of (p, i, j)"))) // C2
      return failure();
    arguments.push_back(scalarType(getElementTypeOrSelf(modifier.getType())));
  }
  if (failed(verifyOver(*this, "output", resultMap(*this, 0), with({i, f}), with({i, f}), "(p, i, f)")) ||
      failed(verifyOver(*this, "log_sum_exp", resultMap(*this, 1), with({i}), with({i}), "(p, i)")) ||
      failed(verifyOver(*this, "probabilities", resultMap(*this, 2), with({i, j}), with({i, j}), "(p, i, j)"))) // C3
    return failure();
  if (getMaskedRows() != "nan" && getMaskedRows() != "zero") // C4
    return emitOpError("masked_rows must be nan or zero, not '") << getMaskedRows() << "'";
  if (failed(verifyScalars(*this, getModifiers())) || failed(verifyFloats(*this, {getQuery(), getKey(), getValue()})) ||
      failed(verifyFloats(*this, getResults())))
    return failure();
  if (getScore().empty()) {
    if (!getModifiers().empty()) // C5
      return emitOpError("has modifiers and no score region to read them");
    return success();
  }
  return verifyScalarRegion(*this, getScore(), arguments, {stateType(*this)}); // C5
}

namespace {
/// A region that yields the score as it came is the absent one.
struct DropIdentityScore : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    if (op.getScore().empty() || op.getScore().front().back().getOperand(0) != op.getScore().front().getArgument(0))
      return rewriter.notifyMatchFailure(op, "the score is changed");
    if (llvm::any_of(op.getModifiers(), [](Value v) { return getElementTypeOrSelf(v.getType()).isF64(); }))
      return rewriter.notifyMatchFailure(op, "a modifier gives the type of the sums");
    if (!op.getModifiers().empty())
      dropOperandGroup(op, 3, rewriter);
    rewriter.modifyOpInPlace(op, [&] { rewriter.eraseBlock(&op.getScore().front()); });
    return success();
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropIdentityScore, DropUnusedResults<AttentionOp, 3>>(context);
}
