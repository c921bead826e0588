//===- ClosedFormPasses.h - steps of raising closed forms -------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_CLOSEDFORMPASSES_H
#define SSM_PASSES_RAISE_CLOSEDFORMPASSES_H

#include "mlir/IR/Operation.h"

namespace ssm {
class ClosedForm;

/// Replaces root's result, which `form` has matched; false when operands cannot be given by index maps.
bool writeMixer(ClosedForm &form, mlir::Operation *root);
/// A sum or difference of two scans with one decay is one scan of the sum.
void mergeScans(mlir::Operation *sum);
} // namespace ssm

#endif
