//===- Passes.h - passes of the group phase ---------------------*- C++ -*-===//
#ifndef SSM_PASSES_GROUP_PASSES_H
#define SSM_PASSES_GROUP_PASSES_H
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
namespace ssm {
#define GEN_PASS_DECL
#include "passes/group/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/group/Passes.h.inc"

/// Module attributes with the constants (ElementsAttr each, 64-byte aligned in order) of the two constant regions.
inline constexpr llvm::StringLiteral kEmbeddedAttr = "ssm.embedded";
inline constexpr llvm::StringLiteral kSideAttr = "ssm.side";
/// Module attribute with the name of each profile id.
inline constexpr llvm::StringLiteral kProfileAttr = "ssm.profile";
/// Bytes of a constant in a buffer (docs/internals.md, section 4).
int64_t storageBytes(mlir::ElementsAttr value);
/// Appends them to a stream, padded to 64 bytes.
void writeConstant(mlir::ElementsAttr value, llvm::raw_ostream &os);
} // namespace ssm
#endif
