//===- Jit.h - dispatches as code of this process ---------------*- C++ -*-===//
// The compiler computes constants with the code that a library would compute them with.
//===----------------------------------------------------------------------===//
#ifndef SSM_LIB_TARGET_CPU_JIT_H
#define SSM_LIB_TARGET_CPU_JIT_H

#include "mlir/IR/BuiltinOps.h"

namespace ssm {

class DispatchJit {
public:
  /// Compiles the functions of a module in the llvm dialect (buildDispatchPipeline) without optimisation; null, with
  /// the reason, when that fails.
  static std::unique_ptr<DispatchJit> create(mlir::ModuleOp dispatches, std::string &reason);
  ~DispatchJit();
  /// Calls a dispatch with its buffers, inputs first; false when there is no such function.
  bool run(llvm::StringRef name, llvm::ArrayRef<void *> buffers);

private:
  DispatchJit();
  struct State;
  std::unique_ptr<State> state;
};

} // namespace ssm
#endif
