//===- RaiseReport.h - what raising found, for the report -------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_RAISEREPORT_H
#define SSM_LIB_DRIVER_RAISEREPORT_H

#include "llvm/Support/JSON.h"
#include "mlir/IR/BuiltinOps.h"

namespace ssm {
/// One entry per sequence mixer in @main: kind, op, form, nodes, attributes.
llvm::json::Array raisedEntries(mlir::ModuleOp module);
/// One entry per refusal: nodes and reason.
llvm::json::Array missedEntries(mlir::ModuleOp module);
} // namespace ssm
#endif
