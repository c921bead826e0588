//===- LongConv.cpp - ssm.long_conv ----------------------------------------===//
#include "dialects/Ssm/Mixers.h"

using namespace mlir;
using namespace ssm;

int64_t LongConvOp::getTimeDim() { return numIterationDims(*this) - 2; }
ValueRange LongConvOp::getInitialStates() { return {}; }
ValueRange LongConvOp::getFinalStates() { return {}; }
SmallVector<StringRef> LongConvOp::getForms() { return {"convolution"}; }

double LongConvOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  double points = 1;
  for (int64_t s : sizes)
    points *= s;
  return points;
}

LogicalResult LongConvOp::verify() {
  if (failed(verifyMaps(*this)))
    return failure();
  int64_t time = getTimeDim(), j = time + 1;
  if (time < 0)
    return emitOpError("needs dims t and j");
  SmallVector<int64_t> pt = dimRange(0, time + 1), pj = dimRange(0, time);
  pj.push_back(j);
  if (failed(verifyOver(*this, "input", operandMap(*this, 0), pt, {time}, "(p, t)")) ||
      failed(verifyOver(*this, "output", resultMap(*this, 0), pt, pt, "(p, t)"))) // C1
    return failure();
  if (failed(verifyOver(*this, "kernel", operandMap(*this, 1), pj, {j}, "j and a subset of p"))) // C2
    return failure();
  return success(succeeded(verifyFloats(*this, getOperands())) && succeeded(verifyFloats(*this, getOutput())));
}
