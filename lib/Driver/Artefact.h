//===- Artefact.h - objects and libraries of a compiled module --*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_ARTEFACT_H
#define SSM_LIB_DRIVER_ARTEFACT_H

#include "lib/Driver/Compiler.h"

namespace ssm {

/// Files that exist only while a compilation runs; removed when it ends, also by a signal.
class ScratchFiles {
public:
  ~ScratchFiles() { removeAll(); }
  void removeAll();
  std::string add(const llvm::Twine &path);

private:
  std::vector<std::string> paths;
};

/// The files of a library on their way: constants first, then code, which names their hash.
class Artefact {
public:
  Artefact(const CompilerOptions &options, ScratchFiles &scratch) : options(options), scratch(scratch) {}
  /// Writes the side file under a scratch name, if there are large constants.
  mlir::LogicalResult pack(mlir::ModuleOp module);
  /// Writes options.output, a library or an object: both files appear, or neither does. The module is used up.
  mlir::LogicalResult link(mlir::ModuleOp module);
  int64_t constantBytes() const { return sideBytes; }

private:
  mlir::LogicalResult writeObject(mlir::ModuleOp module, llvm::StringRef path);
  const CompilerOptions &options;
  ScratchFiles &scratch;
  std::string side, sideHash; // scratch name of the side file
  int64_t sideBytes = 0;
};

} // namespace ssm
#endif
