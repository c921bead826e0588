//===- VerifyRaise.h - runs what was raised against its source --*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_VERIFYRAISE_H
#define SSM_LIB_DRIVER_VERIFYRAISE_H

#include "lib/Driver/Artefact.h"
#include "lib/Driver/Compiler.h"
#include "lib/Driver/RaiseCut.h"
#include "llvm/Support/JSON.h"

namespace ssm {

/// Compares every part of the module that raise changed with what it replaced, by compiling both sides in float64 and
/// running them in a child process. Appends one entry a part to `entries`; says on stderr which parts disagree, and
/// fails when one does. What cannot be compared is an entry with its reason.
bool verifyRaise(RaiseOrigin &origin, mlir::ModuleOp raised, const CompilerOptions &options, ScratchFiles &scratch,
                 llvm::json::Array &entries);

} // namespace ssm
#endif
