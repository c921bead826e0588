//===- UnrolledChunks.h - chunks that are written one by one ----*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_UNROLLEDCHUNKS_H
#define SSM_PASSES_RAISE_UNROLLEDCHUNKS_H

#include "passes/raise/Symbols.h"
#include "passes/raise/UnitTriangular.h"

namespace ssm {

/// Values of a block that are sums with the one before, possibly times a factor; the first is what a chain starts from.
llvm::SmallVector<llvm::SmallVector<mlir::Value>> chainsOfStates(mlir::Block &block);
/// Raises a Concat of chunks between which the state is `chain`.
bool raiseUnrolledChunks(mlir::Operation *concat, llvm::ArrayRef<mlir::Value> chain,
                         llvm::ArrayRef<TriangularInverse> inverses, SymbolMap &sizes, std::string &why);
/// The operator that all pieces of a Concat are results of, made of Concats of their operands.
struct SplitStack {
  mlir::Operation *whole;
  llvm::SmallVector<mlir::Operation *> stacks;
};
/// Writes that before the Concat, which stays; none when the pieces do not allow it.
std::optional<SplitStack> splitStack(mlir::Operation *concat);

} // namespace ssm
#endif
