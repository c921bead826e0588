//===- Passes.h - passes of the bufferise phase ------------------*- C++ -*-===//
#ifndef SSM_PASSES_BUFFERISE_PASSES_H
#define SSM_PASSES_BUFFERISE_PASSES_H
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
namespace ssm {
#define GEN_PASS_DECL
#include "passes/bufferise/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/bufferise/Passes.h.inc"
} // namespace ssm
#endif
