//===- Scan.cpp - ssm.scan -------------------------------------------------===//
#include "dialects/Ssm/Mixers.h"

using namespace mlir;
using namespace ssm;

int64_t ScanOp::getTimeDim() { return getDim(); }
ValueRange ScanOp::getInitialStates() { return getInitial(); }
ValueRange ScanOp::getFinalStates() { return getFinal(); }
std::optional<StateGroups> ScanOp::getStateGroups() { return stateGroups(*this, 1, 1); }
SmallVector<TypedAttr> ScanOp::getNeutralStates() {
  SmallVector<TypedAttr> out;
  for (auto [number, in] : llvm::zip_equal(getIdentity(), getInputs())) {
    Type element = getElementTypeOrSelf(in.getType());
    if (auto real = dyn_cast<FloatAttr>(number))
      out.push_back(FloatAttr::get(element, real.getValueAsDouble()));
    else
      out.push_back(IntegerAttr::get(element, cast<IntegerAttr>(number).getValue()));
  }
  return out;
}
int64_t ScanOp::getChunkSize(StringRef form) { return form == "sequential" ? 1 : 0; }
int64_t ScanOp::getNumLoops() { return cast<RankedTensorType>(getInputs()[0].getType()).getRank(); }
bool ScanOp::isParallelLoop(int64_t loop) { return loop != getTimeDim(); }
LoopAccesses ScanOp::getLoopAccesses() {
  LoopAccesses accesses;
  auto add = [&](ValueRange values, bool isState, SmallVector<LoopAccess> &to) {
    LoopAccess access;
    for (int64_t d = 0; d < getNumLoops(); ++d)
      if (!isState || d != getTimeDim())
        access.push_back(getAffineDimExpr(d, getContext()));
    to.append(values.size(), access);
  };
  add(getInputs(), false, accesses.operands);
  add(getInitial(), true, accesses.operands);
  add(getOutputs(), false, accesses.results);
  add(getFinal(), true, accesses.results);
  return accesses;
}
SmallVector<StringRef> ScanOp::getForms() { return {"sequential", "blocked"}; }

double ScanOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  double points = getCombiner().front().getOperations().size(), lines = 1;
  for (auto [axis, s] : llvm::enumerate(sizes)) {
    points *= s;
    if (axis != getDim())
      lines *= s;
  }
  // Few lines leave the lanes empty; blocks fill them and do the work a little more than twice.
  return form == "sequential" ? points * (lines < 8 ? 4 : 1) : points * 2.2;
}

/// The shape without one axis.
static SmallVector<int64_t> without(ArrayRef<int64_t> shape, int64_t axis) {
  SmallVector<int64_t> out(shape);
  out.erase(out.begin() + axis);
  return out;
}

LogicalResult ScanOp::verify() {
  if (getInputs().empty() || getOutputs().size() != getInputs().size()) // C1
    return emitOpError("has ") << getInputs().size() << " operands and " << getOutputs().size()
                               << " outputs, needs one each at least";
  auto first = cast<RankedTensorType>(getInputs()[0].getType());
  if (failed(verifyScalars(*this, getInputs())))
    return failure();
  int64_t axis = getDim();
  if (axis < 0 || axis >= first.getRank()) // C2
    return emitOpError("dim ") << axis << " is out of range for operands of rank " << first.getRank();
  SmallVector<Type> scalars;
  for (auto [in, out] : llvm::zip_equal(getInputs(), getOutputs())) {
    auto a = cast<RankedTensorType>(in.getType()), b = cast<RankedTensorType>(out.getType());
    if (failed(verifyCompatibleShape(a, first)) || failed(verifyCompatibleShape(a, b)) ||
        a.getElementType() != b.getElementType()) // C1
      return emitOpError("operands must have one shape and outputs their types, got ") << a << " and " << b;
    scalars.push_back(scalarType(a.getElementType()));
  }
  for (auto [name, values] : {std::pair<StringRef, ValueRange>{"initial", getInitial()}, {"final", getFinal()}}) {
    if (!values.empty() && values.size() != getInputs().size()) // C3
      return emitOpError(name) << " has " << values.size() << " tensors for " << getInputs().size() << " operands";
    for (auto [v, in] : llvm::zip(values, getInputs())) {
      auto type = cast<RankedTensorType>(v.getType()), of = cast<RankedTensorType>(in.getType());
      if (type.getElementType() != of.getElementType() ||
          failed(verifyCompatibleShape(type.getShape(), without(of.getShape(), axis)))) // C3
        return emitOpError(name) << " must be the operand without axis " << axis << ", not " << type;
    }
  }
  if (getIdentity().size() != getInputs().size()) // C4
    return emitOpError("identity has ") << getIdentity().size() << " numbers for " << getInputs().size() << " operands";
  for (auto [number, scalar] : llvm::zip_equal(getIdentity(), scalars))
    if (isa<FloatType>(scalar) ? !isa<FloatAttr>(number) : !isa<IntegerAttr>(number)) // C4
      return emitOpError("identity ") << number << " is no number of type " << scalar;
  SmallVector<Type> arguments(scalars);
  llvm::append_range(arguments, scalars);
  return verifyScalarRegion(*this, getCombiner(), arguments, scalars); // C5
}

void ScanOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropUnusedResults<ScanOp, 2>>(context);
}
