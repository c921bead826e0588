//===- Semiseparable.cpp - ssm.semiseparable -------------------------------===//
#include "dialects/Ssm/Mixers.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kChunk = 16;
enum Group : unsigned { Query, Key, Val, Decay, EraseLeft, EraseRight, Bonus, Gate, Initial };
} // namespace

int64_t SemiseparableOp::getTimeDim() { return numIterationDims(*this) - 3; }
ValueRange SemiseparableOp::getInitialStates() { return getODSOperands(Initial); }
ValueRange SemiseparableOp::getFinalStates() { return getODSResults(1); }

std::optional<StateGroups> SemiseparableOp::getStateGroups() {
  if (getLogGate()) // the final state is scaled, and the scale does not come in again
    return std::nullopt;
  return stateGroups(*this, Initial, 1);
}
SmallVector<TypedAttr> SemiseparableOp::getNeutralStates() { return zeroStates(*this, 1); }
// A column of the value has a column of the state for itself, but the scale is that of all.
bool SemiseparableOp::isParallelLoop(int64_t loop) {
  return loop < getTimeDim() || (loop == getTimeDim() + 2 && !getLogScale());
}
int64_t SemiseparableOp::getChunkSize(StringRef form) {
  return llvm::StringSwitch<int64_t>(form).Case("recurrent", 1).Case("chunked", kChunk).Default(0);
}

SmallVector<StringRef> SemiseparableOp::getForms() {
  SmallVector<StringRef> forms = {"recurrent", "chunked"};
  if (!getEraseLeft()) // an erasure has no matrix without a triangular solve
    forms.push_back("quadratic");
  return forms;
}

double SemiseparableOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  int64_t time = getTimeDim();
  double heads = 1, t = sizes[time], k = sizes[time + 1], v = sizes[time + 2];
  for (int64_t d = 0; d < time; ++d)
    heads *= sizes[d];
  // A step of the recurrence moves the whole state; products of matrices keep a tile of it in registers. A chunk is
  // computed whole, however few steps are in it.
  double factor = getEraseLeft() ? 2 : 1;
  if (form == "recurrent")
    return heads * t * k * v * (getEraseLeft() ? 16 : 10);
  // Pairs of steps are what a chunk computes within itself, in registers: never the cheapest, for who asks for it.
  if (form == "quadratic")
    return heads * t * (10 * k * v + 4 * t * (k + v));
  double chunks = std::ceil(t / (double)kChunk);
  return heads * chunks * kChunk * factor * (4 * k * v + 2 * factor * kChunk * (k + v) + 64);
}

LogicalResult SemiseparableOp::verify() {
  if (failed(verifyMaps(*this)))
    return failure();
  int64_t time = getTimeDim();
  if (time < 0)
    return emitOpError("needs dims t, k and v");
  int64_t k = time + 1, v = time + 2;
  auto with = [&](ArrayRef<int64_t> tail) {
    SmallVector<int64_t> dims = dimRange(0, time);
    llvm::append_range(dims, tail);
    return dims;
  };
  auto over = [&](StringRef name, unsigned group, ArrayRef<int64_t> tail, ArrayRef<int64_t> required, StringRef text) {
    return verifyOver(*this, name, operandMap(*this, group), with(tail), required, text);
  };
  if (failed(over("query", Query, {time, k}, {time, k}, "(p, t, k)")) ||
      failed(over("key", Key, {time, k}, {time, k}, "(p, t, k)")) ||
      failed(over("value", Val, {time, v}, {time, v}, "(p, t, v)")) ||
      failed(verifyOver(*this, "output", resultMap(*this, 0), with({time, v}), with({time, v}), "(p, t, v)"))) // C1
    return failure();
  if (failed(over("log_decay", Decay, {time, k}, {}, "a subset of (p, t, k)")) ||
      failed(over("bonus", Bonus, {time, k}, {}, "a subset of (p, t, k)")) ||
      failed(over("log_gate", Gate, {time}, {}, "a subset of (p, t)"))) // C2
    return failure();
  if (!getEraseLeft() != !getEraseRight()) // C3
    return emitOpError("erase_left and erase_right must come together");
  if (failed(over("erase_left", EraseLeft, {time, k}, {time, k}, "(p, t, k)")) ||
      failed(over("erase_right", EraseRight, {time, k}, {time, k}, "(p, t, k)"))) // C3
    return failure();
  if (failed(over("initial", Initial, {k, v}, {}, "(p, k, v)")) ||
      failed(verifyOver(*this, "final", resultMap(*this, 1), with({k, v}), with({k, v}), "(p, k, v)")) ||
      failed(verifyOver(*this, "log_scale", resultMap(*this, 2), with({time}), with({time}), "(p, t)"))) // C4
    return failure();
  if (getBonus() && !getReadBefore()) // C5
    return emitOpError("bonus needs read_before");
  if (getLogScale() && !getLogGate()) // C6
    return emitOpError("log_scale needs log_gate");
  if (getLogGate() &&
      (getEraseLeft() || getReadBefore() || (getLogDecay() && operandMap(*this, Decay).isFunctionOfDim(k)))) // C6
    return emitOpError("log_gate needs a decay without k, no erase pair and no read_before");
  return success(succeeded(verifyFloats(*this, getOperands())) && succeeded(verifyFloats(*this, getResults())));
}

namespace {
/// Operands that are constants of what their absence means.
struct DropNeutralOperands : OpRewritePattern<SemiseparableOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SemiseparableOp op, PatternRewriter &rewriter) const override {
    auto isZero = [](Value v) { return v && isConstantOf(v, 0); };
    if (isZero(op.getEraseLeft()) || isZero(op.getEraseRight())) {
      dropOperandGroup(op, EraseRight, rewriter);
      dropOperandGroup(op, EraseLeft, rewriter);
      return success();
    }
    for (auto [group, value] : {std::pair<unsigned, Value>{Decay, op.getLogDecay()}, {Bonus, op.getBonus()}})
      if (isZero(value)) {
        dropOperandGroup(op, group, rewriter);
        return success();
      }
    // With a gate, an initial state bounds the scale from below, even a state of zeros.
    if (isZero(op.getInitial()) && !op.getLogGate()) {
      dropOperandGroup(op, Initial, rewriter);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no operand is known to be neutral");
  }
};
} // namespace

void SemiseparableOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropNeutralOperands, DropUnusedResults<SemiseparableOp, 3>>(context);
}
