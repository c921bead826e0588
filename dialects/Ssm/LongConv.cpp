//===- LongConv.cpp - ssm.long_conv ----------------------------------------===//
#include "dialects/Ssm/Mixers.h"

using namespace mlir;
using namespace ssm;

int64_t LongConvOp::getTimeDim() { return numIterationDims(*this) - 2; }
ValueRange LongConvOp::getInitialStates() { return {}; }
ValueRange LongConvOp::getFinalStates() { return {}; }
SmallVector<StringRef> LongConvOp::getForms() { return {"convolution", "chunked"}; }

// Two transforms of the power of two that holds sequence and kernel. They are chosen where they are surely faster: a sum is
// more accurate where the output is small beside the largest one, and what is not finite stays in its place.
double ssm::transformCost(double rows, double length, double taps) {
  double n = 2, stages = 1;
  for (; n < length + taps - 1; n *= 2)
    ++stages;
  return rows * n * stages * 12 + 4000;
}

double LongConvOp::getCost(StringRef form, ArrayRef<int64_t> sizes) {
  double rows = 1, length = sizes[sizes.size() - 2], taps = std::min<double>(sizes.back(), length);
  for (int64_t s : sizes.drop_back(2))
    rows *= s;
  return form == "convolution" ? rows * length * taps : transformCost(rows, length, taps);
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
