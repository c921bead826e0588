//===- Libm.h - math operations that are calls of libm ---------------*- C++ -*-===//
#ifndef SSM_PASSES_TARGET_LIBM_H
#define SSM_PASSES_TARGET_LIBM_H
#include "mlir/IR/Operation.h"
#include <string>

namespace ssm {
struct LibmFunction {
  const char *op;   // name of the math operation
  const char *name; // of its float64 function; the float32 one ends in f
  unsigned operands;
};
llvm::ArrayRef<LibmFunction> libmFunctions();
std::string libmName(const LibmFunction &f, mlir::Type type);
/// Replaces the math operations of `root` that LLVM has no intrinsic for by calls; vectors are taken apart.
mlir::LogicalResult lowerToLibm(mlir::Operation *root);
} // namespace ssm
#endif
