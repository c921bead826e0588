//===- SsmDialect.h - the ssm dialect ---------------------------*- C++ -*-===//
// Sequence mixers and the structure of a compiled model; see SsmDialect.td.
#ifndef SSM_DIALECTS_SSM_SSMDIALECT_H
#define SSM_DIALECTS_SSM_SSMDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/TilingInterface.h"

namespace ssm {
/// How each axis of an operand or result follows the loops of a mixer: an expression of one loop, or null for an axis
/// that no loop cuts.
using LoopAccess = llvm::SmallVector<mlir::AffineExpr>;
struct LoopAccesses {
  llvm::SmallVector<LoopAccess> operands, results;
};
/// From the op's maps.
LoopAccesses mappedAccesses(mlir::Operation *op);
int64_t numIterationDims(mlir::Operation *op);
/// Where the states of an op stand: its ODS groups of operands and results, and their ranges.
struct StateGroups {
  unsigned operandGroup, firstOperand, numOperands, resultGroup, firstResult, numResults;
};

/// M8 of MixerOps.td, and what SequenceMixerOpInterface::getPreferredForm answers.
llvm::LogicalResult verifyForm(mlir::Operation *op);
llvm::StringRef preferredForm(mlir::Operation *op);
/// What each form costs where sizes that are not known are taken as getPreferredForm takes them; the order is that of
/// getForms.
llvm::SmallVector<std::pair<llvm::StringRef, double>> formCosts(mlir::Operation *op);
/// Gives a mixer the form that is asked for, else its preferred one, with the one for short sequences beside it.
void setForm(mlir::Operation *op, llvm::StringRef asked = {});
/// The cheapest form for this many steps.
llvm::StringRef formFor(mlir::Operation *op, int64_t steps);
} // namespace ssm

#include "dialects/Ssm/SsmDialect.h.inc"
#include "dialects/Ssm/SsmInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/Ssm/SsmOps.h.inc"

namespace ssm {
/// Function attributes of a dispatch (docs/internals.md, section 3).
inline constexpr llvm::StringLiteral kDispatchAttr = "ssm.dispatch";
/// On an operator whose second operand is panels (ssm.pack): how many columns the matrix has.
inline constexpr llvm::StringLiteral kColumnsAttr = "ssm.columns";
/// Columns of one panel.
inline constexpr int64_t kPanelColumns = 32;
/// On a mixer whose length is known at run time only: the form for short sequences, where it is another one.
inline constexpr llvm::StringLiteral kShortFormAttr = "ssm.short_form";
inline constexpr llvm::StringLiteral kSymbolsAttr = "ssm.symbols";
/// On a random operator without a seed: a map with one result, the seed of this execution.
inline constexpr llvm::StringLiteral kSeedAttr = "ssm.seed";
/// On an operation whose results lie in arenas: for each the number of its arena, or -1, and the bytes from its start.
inline constexpr llvm::StringLiteral kArenasAttr = "ssm.arenas";
inline constexpr llvm::StringLiteral kOffsetsAttr = "ssm.offsets";
inline constexpr llvm::StringLiteral kDimsAttr = "ssm.dims";
inline constexpr llvm::StringLiteral kInputsAttr = "ssm.inputs";
inline constexpr llvm::StringLiteral kOutputsAttr = "ssm.outputs";
} // namespace ssm

#endif
