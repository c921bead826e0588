//===- Cpu.h - the CPU target -----------------------------------*- C++ -*-===//
#ifndef SSM_LIB_TARGET_CPU_CPU_H
#define SSM_LIB_TARGET_CPU_CPU_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace ssm {

struct CpuOptions {
  std::string cpu = "native"; // "native" or an LLVM name
  unsigned optLevel = 3;
};

/// Phases bufferise and target for a module of lowered dispatches (docs/internals.md, section 4): leaves the llvm dialect.
void buildDispatchPipeline(mlir::OpPassManager &pm);
/// The same for the host module.
void buildHostPipeline(mlir::OpPassManager &pm);
/// Both as the pipelines ssm-cpu-dispatch and ssm-cpu-host.
void registerCpuPipelines();
/// Optimises and writes an object file.
mlir::LogicalResult emitObject(llvm::Module &module, const CpuOptions &options, llvm::StringRef path, mlir::Location loc);
/// Links objects and the runtime into a shared library.
mlir::LogicalResult linkLibrary(llvm::ArrayRef<std::string> objects, llvm::StringRef runtime, llvm::StringRef output,
                                mlir::Location loc);

} // namespace ssm
#endif
