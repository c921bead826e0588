//===- Quantise.h - from accumulators to quantised elements -----*- C++ -*-===//
#ifndef SSM_PASSES_LOWER_QUANTISE_H
#define SSM_PASSES_LOWER_QUANTISE_H

#include "passes/lower/Emitter.h"

namespace ssm {

/// x rounded to an integer, half to even, plus zero (may be null), saturated to a quantised type. x and zero are of the
/// float type t.
mlir::Value saturated(Scalar &s, mlir::Value x, mlir::Value zero, mlir::Type t, mlir::Type to);

/// What a quantised product becomes its result from.
struct Requantised {
  Emitter::Access sums, bias, scaleX, scaleW, scaleY, zeroY; // no bias and no zero: a null tensor
};
mlir::Value requantise(Emitter &e, mlir::RankedTensorType result, const Requantised &r);

} // namespace ssm
#endif
