//===- Symbols.h - sizes that turn out to be others -------------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_SYMBOLS_H
#define SSM_PASSES_RAISE_SYMBOLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AffineExpr.h"

namespace ssm {

/// Symbols and what they equal.
using SymbolMap = llvm::DenseMap<mlir::AffineExpr, mlir::AffineExpr>;

/// A value of type `from` is now one of type `to`: symbols that were the sizes of the old one equal those of the new one.
void noteEqualSizes(mlir::Type from, mlir::Type to, SymbolMap &symbols);
/// Writes the symbols as what they equal in every type and size tensor of the function. One walk.
void replaceSymbols(mlir::func::FuncOp function, const SymbolMap &symbols);

} // namespace ssm
#endif
