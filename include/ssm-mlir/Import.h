//===- Import.h - ONNX files into MLIR --------------------------*- C++ -*-===//
#ifndef SSM_MLIR_IMPORT_H
#define SSM_MLIR_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>
#include <vector>

namespace ssm {

/// A node that cannot be compiled, as --report lists it.
struct UnsupportedNode {
  std::string node, domain, op;
  int64_t opset = 0;
  std::string reason;
};

struct ImportReport {
  std::vector<UnsupportedNode> unsupported;
};

/// Reads an ONNX file into a module of the onnx dialect (docs/internals.md, section 1). On failure every problem of the
/// file has been emitted as one diagnostic and the answer is null. Large weights stay in the mapped file.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, llvm::StringRef path, ImportReport &report);

} // namespace ssm
#endif
