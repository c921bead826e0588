//===- Passes.h - passes of the tile phase ------------------*- C++ -*-===//
#ifndef SSM_PASSES_TILE_PASSES_H
#define SSM_PASSES_TILE_PASSES_H
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
namespace ssm {
#define GEN_PASS_DECL
#include "passes/tile/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/tile/Passes.h.inc"
} // namespace ssm
#endif
