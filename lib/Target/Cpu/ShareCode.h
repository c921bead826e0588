//===- ShareCode.h - one function for code that differs in numbers -*- C++ -*-===//
#ifndef SSM_LIB_TARGET_CPU_SHARECODE_H
#define SSM_LIB_TARGET_CPU_SHARECODE_H

namespace llvm {
class Module;
} // namespace llvm

namespace ssm {

/// Merges functions that differ in integers, floats and tables only; callers give these as arguments.
void shareCode(llvm::Module &module);

} // namespace ssm
#endif
