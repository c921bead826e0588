//===- RaiseCut.h - parts of the graph that raise changed -------*- C++ -*-===//
// What --verify-raise compares: for every part that raise changed, the operators before and after it between values
// that both sides have. A value that raise left alone is its own counterpart.
//===----------------------------------------------------------------------===//
#ifndef SSM_LIB_DRIVER_RAISECUT_H
#define SSM_LIB_DRIVER_RAISECUT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SetVector.h"

namespace ssm {

/// A value before raise and the one after it that must equal it.
struct ValuePair {
  mlir::Value before, after;
};

/// One changed part between its inputs and its outputs.
struct RaiseCut {
  llvm::SmallVector<mlir::Operation *> changed; // after raise
  llvm::SmallVector<ValuePair> inputs, outputs;
  llvm::SmallVector<mlir::Operation *> before, after; // that compute the outputs from the inputs, in order
  std::string obstacle;                               // why it cannot be cut out; empty when it can
  bool whole = false;                                 // from the inputs of the model on
};

/// The graph as it was before raise. Taken before the phase runs.
class RaiseOrigin {
public:
  explicit RaiseOrigin(mlir::ModuleOp module);
  mlir::ModuleOp module() { return *copy; }
  /// The changed parts of the module after raise, each with the smallest inputs that both sides read.
  std::vector<RaiseCut> cuts(mlir::ModuleOp raised);
  /// The same part from the inputs of the model on.
  RaiseCut widened(const RaiseCut &cut);

private:
  using Values = llvm::DenseSet<mlir::Value>;
  mlir::Operation *sourceOf(mlir::Operation *op) const;
  mlir::Value sourceOf(mlir::Value v) const;
  void findChanged(mlir::Block &block);
  void findOutputs(RaiseCut &cut);
  void findInputs(RaiseCut &cut, Values excluded);

  mlir::OwningOpRef<mlir::ModuleOp> copy;
  mlir::IRMapping mapping;
  llvm::DenseMap<mlir::Operation *, unsigned> number; // of the operators before raise, in the module that is raised
  llvm::DenseMap<mlir::Operation *, unsigned> order;  // in the block of main, of both sides
  llvm::SetVector<mlir::Operation *> changed;         // after raise
  llvm::DenseMap<mlir::Value, mlir::Value> survivors; // value before raise -> after
};

/// Operators that a cut takes along by value: constants, sizes, absent operands.
bool isCopied(mlir::Operation *op);
/// Operands, and what the regions read from outside.
llvm::SetVector<mlir::Value> readBy(mlir::Operation *op);

} // namespace ssm
#endif
