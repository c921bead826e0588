//===- Compiler.h - from a model file to a library --------------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_COMPILER_H
#define SSM_LIB_DRIVER_COMPILER_H

#include "lib/Target/Cpu/Cpu.h"
#include "ssm-mlir/Import.h"

namespace ssm {

/// The phases, in order, as flags, dumps and documentation name them.
struct Phase {
  llvm::StringRef name, description;
};
llvm::ArrayRef<Phase> phases();

struct CompilerOptions {
  std::string input, output, report, dumpPhasesTo, emit = "lib", runtime;
  std::vector<std::string> forms; // KIND:FORM, what mixers of a kind are computed in
  CpuOptions cpu;
};

/// Exit status of ssmc: 0, 1 for a mistake of the user, 2 for one of ours.
int compile(const CompilerOptions &options);

} // namespace ssm
#endif
