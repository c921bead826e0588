//===- IrFile.h - IR of a phase in a file -----------------------*- C++ -*-===//
// Text, or bytecode when the name ends in .mlirbc. Large constants never lie in it: they are one tensor each of a
// safetensors file beside it, named by the module attribute ssm.weights.
//===----------------------------------------------------------------------===//
#ifndef SSM_LIB_DRIVER_IRFILE_H
#define SSM_LIB_DRIVER_IRFILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace ssm {

/// Writes IR that readIr gives back; without weights they read as zeros. Emits an error when a file cannot be written.
mlir::LogicalResult writeIr(mlir::ModuleOp module, llvm::StringRef path, bool weights);
/// Null after an emitted error.
mlir::OwningOpRef<mlir::ModuleOp> readIr(mlir::MLIRContext &context, llvm::StringRef path);
/// Writes IR to look at: no locations, no large constants.
mlir::LogicalResult dumpIr(mlir::ModuleOp module, llvm::StringRef path);

} // namespace ssm
#endif
