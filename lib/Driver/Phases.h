//===- Phases.h - the phases of the compiler, as data -----------*- C++ -*-===//
// One table from which the driver, the flags, the dumps, the documentation and the tests are derived. A new phase is one
// row in Phases.cpp.
//===----------------------------------------------------------------------===//
#ifndef SSM_LIB_DRIVER_PHASES_H
#define SSM_LIB_DRIVER_PHASES_H

#include "lib/Driver/Compiler.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace ssm {
struct Report;

struct Phase {
  llvm::StringLiteral name, description;
  /// What --emit calls the IR that the phase leaves; empty when it has no such name.
  llvm::StringLiteral emit;
  /// Passes on the model's module. From group on the module of dispatches is apart while they run. Null: none.
  void (*onModule)(mlir::OpPassManager &pm, const CompilerOptions &options);
  /// Passes on the module of dispatches. Null: none.
  void (*onDispatches)(mlir::OpPassManager &pm, const CompilerOptions &options);
  /// Passes on every dispatch by itself, also after one has failed, so that all refusals are in one report. Null: none.
  void (*onEachDispatch)(mlir::OpPassManager &pm, const CompilerOptions &options);
  /// The contract of docs/internals.md: emits an error for IR that may not be left behind. Null: none.
  mlir::LogicalResult (*verify)(mlir::ModuleOp module);
  /// Takes down what is known now and lost or wanted later. Null: nothing.
  void (*note)(mlir::ModuleOp module, Report &report);
  /// An error in this phase is a node that we do not support (status 1), not a mistake of ours (status 2).
  bool refusesNodes;
};

/// All phases in order. The first imports, the last two write files: the driver does these itself. Before them there is IR.
llvm::ArrayRef<Phase> phases();
/// Number of phases that leave IR.
inline size_t numIrPhases() { return phases().size() - 2; }
/// Position of a phase by name, -1 when there is none.
int phaseNamed(llvm::StringRef name);
/// Names with separator, for messages.
std::string phaseNames();
/// The module of dispatches inside a model's module; null before group.
mlir::ModuleOp dispatchesOf(mlir::ModuleOp module);

} // namespace ssm
#endif
