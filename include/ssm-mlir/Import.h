//===- Import.h - ONNX files into MLIR and back -----------------*- C++ -*-===//
#ifndef SSM_MLIR_IMPORT_H
#define SSM_MLIR_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
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
  /// Every node by name, with an empty reason, so that later phases can say what a node was.
  llvm::StringMap<UnsupportedNode> nodes;
};

/// Reads an ONNX file into a module of the onnx dialect (docs/internals.md, section 1). On failure every problem of the
/// file has been emitted as one diagnostic and the answer is null. Large weights stay in the mapped file.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, llvm::StringRef path, ImportReport &report);

/// Writes a module as importModel leaves it as an ONNX file of the latest opset, weights inside. Emits an error for what
/// has no spelling in ONNX.
llvm::LogicalResult exportModel(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace ssm
#endif
