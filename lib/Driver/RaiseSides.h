//===- RaiseSides.h - modules of the two sides of a raise -------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_RAISESIDES_H
#define SSM_LIB_DRIVER_RAISESIDES_H

#include "lib/Driver/RaiseCut.h"
#include "llvm/Support/JSON.h"

namespace ssm {

/// The cuts as a model of their own, before and after raise. Both have the same inputs and outputs: first one list per
/// size that is free, then the inputs of each cut.
struct RaiseSides {
  mlir::OwningOpRef<mlir::ModuleOp> before, after;
  /// Sizes of all inputs, one row for each choice of the free sizes.
  std::vector<std::vector<std::vector<int64_t>>> sizes;
  /// Of each cut its inputs and its outputs by number.
  std::vector<std::pair<std::vector<int64_t>, std::vector<int64_t>>> groups;
  std::string obstacle; // why they cannot be made
};

/// Whether a cut computes a size that its types speak of, so that it needs a module of its own.
bool computesSizes(const RaiseCut &cut, mlir::ModuleOp before, mlir::ModuleOp after);
RaiseSides makeSides(llvm::ArrayRef<const RaiseCut *> cuts, mlir::ModuleOp before, mlir::ModuleOp after);
/// Makes every float of a side float64. Casts to half precision that are rounded back stay, and `rounds` is set.
void promoteFloats(mlir::ModuleOp side, bool &rounds);

} // namespace ssm
#endif
