//===- Passes.h - passes of the fold phase ----------------------*- C++ -*-===//
#ifndef SSM_PASSES_FOLD_PASSES_H
#define SSM_PASSES_FOLD_PASSES_H
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
namespace ssm {
#define GEN_PASS_DECL
#include "passes/fold/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/fold/Passes.h.inc"
} // namespace ssm
#endif
