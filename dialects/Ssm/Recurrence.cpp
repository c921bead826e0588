//===- Recurrence.cpp - ssm.recurrence -------------------------------------===//
#include "dialects/Ssm/Mixers.h"

using namespace mlir;
using namespace ssm;

int64_t RecurrenceOp::getTimeDim() { return getAxes()[0]; }
ValueRange RecurrenceOp::getInitialStates() { return getInitial(); }
ValueRange RecurrenceOp::getFinalStates() { return getFinals(); }
std::optional<StateGroups> RecurrenceOp::getStateGroups() { return stateGroups(*this, 1, 0); }
int64_t RecurrenceOp::getChunkSize(StringRef form) { return 1; }
// Time alone: the body may mix everything else.
int64_t RecurrenceOp::getNumLoops() { return 1; }
int64_t RecurrenceOp::getTimeLoop() { return 0; }
bool RecurrenceOp::isParallelLoop(int64_t loop) { return false; }
LoopAccesses RecurrenceOp::getLoopAccesses() {
  LoopAccesses accesses;
  auto add = [&](ValueRange values, ArrayRef<int64_t> axes, SmallVector<LoopAccess> &to) {
    for (auto [i, v] : llvm::enumerate(values)) {
      to.push_back(LoopAccess(cast<RankedTensorType>(v.getType()).getRank()));
      if (!axes.empty())
        to.back()[axes[i]] = getAffineDimExpr(0, getContext());
    }
  };
  add(getSequences(), getAxes(), accesses.operands);
  add(getInitial(), {}, accesses.operands);
  add(getFinals(), {}, accesses.results);
  add(getOutputs(), getOutputAxes(), accesses.results);
  return accesses;
}
SmallVector<StringRef> RecurrenceOp::getForms() { return {"sequential"}; }
double RecurrenceOp::getCost(StringRef form, ArrayRef<int64_t> sizes) { return sizes[getAxes()[0]]; }

LogicalResult RecurrenceOp::verify() {
  if (getSequences().empty()) // C6
    return emitOpError("needs at least one sequence");
  int64_t length = ShapedType::kDynamic;
  SmallVector<RankedTensorType> slices, stacked;
  for (auto [name, values, axes, types] :
       {std::tuple<StringRef, ValueRange, ArrayRef<int64_t>, SmallVector<RankedTensorType> *>{"axes", getSequences(),
                                                                                              getAxes(), &slices},
        {"output_axes", getOutputs(), getOutputAxes(), &stacked}}) {
    if (axes.size() != values.size()) // C1, C2
      return emitOpError(name) << " has " << axes.size() << " axes for " << values.size() << " tensors";
    for (auto [v, axis] : llvm::zip_equal(values, axes)) {
      auto type = cast<RankedTensorType>(v.getType());
      if (axis < 0 || axis >= type.getRank()) // C1, C2
        return emitOpError(name) << " has axis " << axis << " for a tensor of rank " << type.getRank();
      int64_t size = type.getDimSize(axis);
      if (!ShapedType::isDynamic(size) && !ShapedType::isDynamic(length) && size != length) // C6
        return emitOpError("lengths ") << length << " and " << size << " do not agree";
      if (!ShapedType::isDynamic(size))
        length = size;
      SmallVector<int64_t> shape(type.getShape());
      shape.erase(shape.begin() + axis);
      types->push_back(RankedTensorType::get(shape, type.getElementType()));
    }
  }
  if (getFinals().size() != getInitial().size()) // C5
    return emitOpError("has ") << getFinals().size() << " finals for " << getInitial().size() << " initial carries";
  SmallVector<RankedTensorType> carries;
  for (auto [from, to] : llvm::zip_equal(getInitial(), getFinals())) {
    auto a = cast<RankedTensorType>(from.getType()), b = cast<RankedTensorType>(to.getType());
    if (a.getElementType() != b.getElementType() || failed(verifyCompatibleShape(a, b))) // C5
      return emitOpError("final ") << b << " is not of the type of its initial carry, " << a;
    carries.push_back(b);
  }
  auto match = [&](TypeRange have, ArrayRef<RankedTensorType> firstPart, ArrayRef<RankedTensorType> secondPart,
                   StringRef what) -> LogicalResult {
    if (have.size() != firstPart.size() + secondPart.size())
      return emitOpError(what) << " " << have.size() << " values, needs " << firstPart.size() + secondPart.size();
    SmallVector<RankedTensorType> expected(firstPart);
    llvm::append_range(expected, secondPart);
    for (auto [h, e] : llvm::zip_equal(have, expected)) {
      auto t = dyn_cast<RankedTensorType>(h);
      if (!t || t.getElementType() != e.getElementType() || failed(verifyCompatibleShape(t.getShape(), e.getShape())))
        return emitOpError(what) << " " << h << ", needs " << e;
    }
    return success();
  };
  Block &block = getBody().front();
  if (failed(match(block.getArgumentTypes(), slices, carries, "body takes"))) // C3
    return failure();
  auto yield = dyn_cast_if_present<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield) // C4
    return emitOpError("body must end with ssm.yield");
  return match(yield.getOperandTypes(), carries, stacked, "body yields"); // C4
}
