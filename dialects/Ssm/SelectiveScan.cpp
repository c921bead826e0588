//===- SelectiveScan.cpp - ssm.selective_scan ------------------------------===//
#include "dialects/Ssm/Mixers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace ssm;

int64_t SelectiveScanOp::getTimeDim() { return numIterationDims(*this) - (int64_t)getStateRank() - 1; }
ValueRange SelectiveScanOp::getInitialStates() { return getInitial(); }
ValueRange SelectiveScanOp::getFinalStates() { return getFinal(); }
std::optional<StateGroups> SelectiveScanOp::getStateGroups() { return stateGroups(*this, 1, 1); }
SmallVector<TypedAttr> SelectiveScanOp::getNeutralStates() { return zeroStates(*this, getComplex() ? 2 : 1); }
int64_t SelectiveScanOp::getChunkSize(StringRef form) { return form == "recurrent" ? 1 : 0; }
SmallVector<StringRef> SelectiveScanOp::getForms() {
  SmallVector<StringRef> forms = {"recurrent"};
  if (convolvedInput(*this))
    forms.push_back("convolution");
  return forms;
}

double SelectiveScanOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  int64_t time = getTimeDim();
  double step = 6 + 4 * getProducer().front().getOperations().size(), rows = 1, kernels = 1;
  for (int64_t d = 0; d < time; ++d)
    rows *= sizes[d];
  for (int64_t s : sizes.drop_front(time))
    step *= s;
  if (form == "recurrent")
    return rows * step;
  unsigned input = *convolvedInput(*this);
  for (int64_t d = 0; d < time; ++d)
    if (isOfKernel(*this, input, d))
      kernels *= sizes[d];
  // Transforms of many short rows take twice what those of long_conv's model take.
  return kernels * step + 2 * transformCost(rows, sizes[time], sizes[time]);
}

bool ssm::isOfKernel(SelectiveScanOp op, unsigned input, int64_t dim) {
  return llvm::any_of(llvm::seq<unsigned>(op.getInputs().size()),
                      [&](unsigned i) { return i != input && indexingMaps(op)[i].isFunctionOfDim(dim); });
}

std::optional<unsigned> ssm::convolvedInput(SelectiveScanOp op) {
  if (!op.getInitial().empty() || !op.getFinal().empty() || llvm::is_contained(iterationSizes(op), AffineExpr()))
    return std::nullopt;
  std::optional<unsigned> input;
  for (unsigned i = 0; i < op.getInputs().size(); ++i)
    if (indexingMaps(op)[i].isFunctionOfDim(op.getTimeDim())) {
      if (input)
        return std::nullopt;
      input = i;
    }
  if (!input)
    return std::nullopt;
  Block &block = op.getProducer().front();
  llvm::SmallPtrSet<Value, 8> linear = {block.getArgument(*input)};
  for (Operation &inner : block.without_terminator()) {
    size_t count = llvm::count_if(inner.getOperands(), [&](Value v) { return linear.contains(v); });
    if (!count)
      continue;
    bool scales = isa<arith::MulFOp>(inner) && count == 1;
    bool divides = isa<arith::DivFOp>(inner) && !linear.contains(inner.getOperand(1));
    bool adds = isa<arith::AddFOp, arith::SubFOp, arith::NegFOp, arith::ExtFOp, arith::TruncFOp>(inner) &&
                count == inner.getNumOperands();
    if (!scales && !divides && !adds)
      return std::nullopt;
    linear.insert(inner.getResult(0));
  }
  unsigned parts = op.getComplex() ? 2 : 1;
  for (auto [i, v] : llvm::enumerate(block.getTerminator()->getOperands())) {
    bool isTerm = i / parts == 1;
    if (linear.contains(v) != isTerm && !(isTerm && matchPattern(v, m_AnyZeroFloat())))
      return std::nullopt;
  }
  return input;
}

LogicalResult SelectiveScanOp::verify() {
  if (getInputs().empty())
    return emitOpError("needs at least one input");
  if (failed(verifyMaps(*this)))
    return failure();
  int64_t dims = numIterationDims(*this), rank = (int64_t)getStateRank();
  if (rank < 0 || rank >= dims) // C1
    return emitOpError("state_rank ") << rank << " does not fit " << dims << " dims";
  int64_t time = getTimeDim();
  Block &block = getProducer().front();
  auto yield = dyn_cast_if_present<YieldOp>(block.empty() ? nullptr : &block.back());
  size_t given = yield ? yield.getNumOperands() : 0;
  if (getComplex() ? given != 6 : given != 2 && given != 3) // C2
    return emitOpError("producer must yield ") << (getComplex() ? "6 values" : "2 or 3 values") << ", not " << given;
  if (given == 2 && rank != 0) // C3
    return emitOpError("without a read-out, state_rank must be 0, not ") << rank;
  size_t parts = getComplex() ? 2 : 1;
  SmallVector<int64_t> state = dimRange(0, time), all = dimRange(0, dims);
  llvm::append_range(state, dimRange(time + 1, dims));
  for (auto [name, values, first] :
       {std::tuple<StringRef, ValueRange, size_t>{"initial", getInitial(), getInputs().size()},
        std::tuple<StringRef, ValueRange, size_t>{"final", getFinal(), getNumOperands() + 1}}) {
    if (!values.empty() && values.size() != parts) // C4
      return emitOpError(name) << " must be " << parts << " tensors, not " << values.size();
    for (size_t i = 0; i < values.size(); ++i)
      if (failed(verifyOver(*this, name, indexingMaps(*this)[first + i], state,
                            name == "final" ? state : ArrayRef<int64_t>(), "(p, n)"))) // C4
        return failure();
  }
  if (failed(verifyOver(*this, "output", resultMap(*this, 0), dimRange(0, time + 1), dimRange(0, time + 1),
                        "(p, t)"))) // C5
    return failure();
  if (failed(verifyScalars(*this, getInputs())) || failed(verifyFloats(*this, getInitial())) ||
      failed(verifyFloats(*this, getResults())))
    return failure();
  SmallVector<Type> arguments;
  for (Value v : getInputs())
    arguments.push_back(scalarType(getElementTypeOrSelf(v.getType())));
  return verifyScalarRegion(*this, getProducer(), arguments, SmallVector<Type>(given, stateType(*this)));
}

namespace {
/// A state that starts at zero is not given.
struct DropZeroInitial : OpRewritePattern<SelectiveScanOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SelectiveScanOp op, PatternRewriter &rewriter) const override {
    if (op.getInitial().empty() || !llvm::all_of(op.getInitial(), [](Value v) { return isConstantOf(v, 0); }))
      return rewriter.notifyMatchFailure(op, "the initial state is not known to be zero");
    dropOperandGroup(op, 1, rewriter);
    return success();
  }
};
/// An input whose scalar the producer does not use only gave a size; where another gives it too, it goes.
struct DropUnusedInput : OpRewritePattern<SelectiveScanOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SelectiveScanOp op, PatternRewriter &rewriter) const override {
    Block &block = op.getProducer().front();
    SmallVector<AffineMap> maps = indexingMaps(op);
    for (unsigned i = 0, e = op.getInputs().size(); i < e && e > 1; ++i) {
      if (!block.getArgument(i).use_empty())
        continue;
      bool needed = llvm::any_of(llvm::seq<int64_t>(0, numIterationDims(op)), [&](int64_t d) {
        auto gives = [&](AffineMap map) { return llvm::is_contained(map.getResults(), rewriter.getAffineDimExpr(d)); };
        return gives(maps[i]) && llvm::count_if(maps, gives) == 1;
      });
      if (needed || getElementTypeOrSelf(op.getInputs()[i].getType()).isF64())
        continue;
      maps.erase(maps.begin() + i);
      rewriter.modifyOpInPlace(op, [&] {
        op.getInputsMutable().erase(i);
        block.eraseArgument(i);
        op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
      });
      return success();
    }
    return rewriter.notifyMatchFailure(op, "every input is used");
  }
};
} // namespace

void SelectiveScanOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropZeroInitial, DropUnusedInput, DropUnusedResults<SelectiveScanOp, 2>>(context);
}
