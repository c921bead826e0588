//===- WindowConvolutions.h - groups of channels ----------------*- C++ -*-===//
#ifndef SSM_PASSES_LOWER_WINDOWCONVOLUTIONS_H
#define SSM_PASSES_LOWER_WINDOWCONVOLUTIONS_H

#include "passes/lower/Emitter.h"

namespace ssm {

/// (..., C, ...) seen as (..., parts, C / parts, ...).
Tensor splitAxis(Emitter &e, Tensor t, unsigned axis, int64_t parts);
/// The axis and the one after it seen as one.
Tensor joinAxes(Emitter &e, Tensor t, unsigned axis, mlir::RankedTensorType to);

} // namespace ssm
#endif
