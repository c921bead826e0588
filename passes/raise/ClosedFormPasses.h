//===- ClosedFormPasses.h - steps of raising closed forms -------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_CLOSEDFORMPASSES_H
#define SSM_PASSES_RAISE_CLOSEDFORMPASSES_H

#include "mlir/IR/Operation.h"

namespace ssm {
class ClosedForm;
class ElementReader;

/// Replaces root's result, which `form` has matched; false when operands cannot be given by index maps.
bool writeMixer(ClosedForm &form, mlir::Operation *root);
/// Replaces a sum over the past of absolute values of what would be a matrix of all pairs of times.
bool raiseAbsoluteSum(ElementReader &reader, mlir::Operation *sum);
/// A sum or difference of two scans with one decay is one scan of the sum.
void mergeScans(mlir::Operation *sum);
} // namespace ssm

#endif
