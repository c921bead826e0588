//===- Symbols.h - sizes that turn out to be others -------------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_SYMBOLS_H
#define SSM_PASSES_RAISE_SYMBOLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Builders.h"

namespace ssm {

/// Symbols and what they equal.
using SymbolMap = llvm::DenseMap<mlir::AffineExpr, mlir::AffineExpr>;

// A binding that stands directly before the place of insertion is taken again: an analysis of a loop that is repeated finds
// the sizes it had found.

/// A symbol, bound here to what ssm.bind_expr says of the two; a failed check says the message.
mlir::AffineExpr bindExpr(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef kind, mlir::AffineExpr p,
                          mlir::AffineExpr q, llvm::StringRef message = {});
/// A symbol, bound here to the first element of an integer tensor.
mlir::AffineExpr bindElement(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v);
/// A symbol that is bound to a size of this value.
bool isOwnSize(mlir::Value v, mlir::AffineExpr size);
/// `to` takes the place of `from`: symbols that are bound to sizes of the old one equal those of the new one.
void noteEqualSizes(mlir::Value from, mlir::Value to, SymbolMap &symbols);
/// A size of a result of a loop, bound to a symbol.
struct UnreadSize {
  unsigned result;
  uint64_t axis, symbol;
};
using UnreadSizes = llvm::DenseMap<mlir::Operation *, llvm::SmallVector<UnreadSize>>; // by loop
/// Takes away the symbols of loop results that nothing reads but their sizes, of which nothing else is made.
UnreadSizes dropUnreadSizes(mlir::func::FuncOp function);
/// Gives a loop that stays the symbols again that were taken away.
void bindUnreadSizes(mlir::Operation *loop, const UnreadSizes &dropped);
/// Writes the symbols as what they equal in every type and size tensor of the function. One walk.
void replaceSymbols(mlir::func::FuncOp function, const SymbolMap &symbols);

} // namespace ssm
#endif
