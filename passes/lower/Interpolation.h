//===- Interpolation.h - reads between elements -----------------*- C++ -*-===//
// A coordinate that lies between elements becomes a few taps along its dimension: an index, a weight, and whether the
// element is there. Values of several dimensions are sums over the taps of all.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_INTERPOLATION_H
#define SSM_PASSES_LOWER_INTERPOLATION_H

#include "passes/lower/Index.h"

namespace ssm {

struct Tap {
  mlir::Value index;  // in range
  mlir::Value inside; // null where that is certain
  mlir::Value weight; // null for 1
};

/// Floor of a float as an index; far away and NaN stay within 2^30.
mlir::Value floorIndex(Emitter &e, Scalar &s, mlir::Value x, mlir::Type t);
/// Weights of the cubic kernel for the four neighbours of a point at ratio between the middle two.
llvm::SmallVector<mlir::Value> cubicWeights(Scalar &s, mlir::Value ratio, mlir::Type t, double a);
/// x mirrored at the ends of [low, high] until it lies within.
mlir::Value reflected(Scalar &s, mlir::Value x, mlir::Value low, mlir::Value high, mlir::Type t);
/// Sum over all combinations of taps of the products of weights and the value read; k is the compute type.
mlir::Value interpolated(Scalar &s, llvm::ArrayRef<llvm::SmallVector<Tap>> taps, mlir::Type k,
                         llvm::function_ref<mlir::Value(mlir::ValueRange)> read);

} // namespace ssm
#endif
