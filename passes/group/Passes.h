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

/// Module attribute with the constants (StoredConstant each, 64-byte aligned in order) of the side file.
inline constexpr llvm::StringLiteral kSideAttr = "ssm.side";
/// Module attribute with the bytes of the arena of a call: a number, or a text where they depend on sizes of inputs.
inline constexpr llvm::StringLiteral kArenaAttr = "ssm.arena";
/// How the names of the functions begin that ssm-split-host makes of a long host function.
inline constexpr llvm::StringLiteral kHostPiecePrefix = "host_piece_";
/// Module attribute with the name of each profile id.
inline constexpr llvm::StringLiteral kProfileAttr = "ssm.profile";
/// Whether the host copies the parts of a Concat or Split itself, as there are too many for a dispatch.
bool isHostCopy(mlir::Operation *op);
/// Whether a random operator needs a seed that is drawn at run time.
bool drawsSeed(mlir::Operation *op);

/// A constant as a library holds it (docs/internals.md, section 4), as it is or in panels.
class StoredConstant {
public:
  explicit StoredConstant(mlir::ElementsAttr value) : value(value) {}
  StoredConstant(mlir::ElementsAttr value, bool transposed) : value(value), panels(true), transposed(transposed) {}
  /// The same constant as an attribute of the module.
  explicit StoredConstant(mlir::Attribute attribute);
  mlir::Attribute attribute() const;
  int64_t bytes() const;
  /// Appends the bytes to a stream, padded to 64.
  void write(llvm::raw_ostream &os) const;

private:
  void writePanels(llvm::raw_ostream &os) const;
  mlir::ElementsAttr value;
  bool panels = false, transposed = false;
};
} // namespace ssm
#endif
