//===- Passes.h - passes of the raise phase ---------------------*- C++ -*-===//
// Patterns of onnx operators become sequence mixers of the ssm dialect. Every pass here rewrites @main, keeps what it
// cannot prove, and says under `missed` what came close.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_PASSES_H
#define SSM_PASSES_RAISE_PASSES_H
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
namespace ssm {
#define GEN_PASS_DECL
#include "passes/raise/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/raise/Passes.h.inc"

/// On a slice whose end is not proved to be inside of its tensor; ssm-check-slices takes it away.
inline constexpr llvm::StringLiteral kUncheckedAttr = "ssm.unchecked";

/// All passes of the phase in their order: larger patterns come first.
void buildRaisePipeline(mlir::OpPassManager &pm);
} // namespace ssm
#endif
