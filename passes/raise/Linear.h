//===- Linear.h - expressions that are linear in a state --------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_LINEAR_H
#define SSM_PASSES_RAISE_LINEAR_H

#include "passes/raise/Expr.h"

namespace ssm {

/// sum over `bound` of the product of the factors and, where there is one, a read of the state. Factors are free of it.
struct LinearTerm {
  ExprRef state = nullptr;
  llvm::SmallVector<ExprRef> factors;
  Indices bound;
};

/// An expression as a sum of terms that read a state at most once each.
class Linear {
public:
  Linear(Exprs &x, std::function<bool(mlir::Value)> isState) : x(x), isState(std::move(isState)) {}
  /// None, with `reason` set, when the expression is not linear in the state.
  std::optional<llvm::SmallVector<LinearTerm>> of(ExprRef e);
  bool readsState(ExprRef e);
  std::string reason;

private:
  Exprs &x;
  std::function<bool(mlir::Value)> isState;
  llvm::DenseMap<ExprRef, bool> reading;
};

/// The indices are these iterators, or 0 where there is one element only.
bool isInPlace(Exprs &x, llvm::ArrayRef<mlir::AffineExpr> indices, llvm::ArrayRef<mlir::AffineExpr> iterators);
/// Factors of a product; signs and quotients are factors too.
llvm::SmallVector<ExprRef> factorsOf(Exprs &x, llvm::ArrayRef<ExprRef> product);
/// The expression of terms without state.
ExprRef sumOf(Exprs &x, llvm::ArrayRef<LinearTerm> terms, mlir::Type type);
/// Logarithm of a value that is proved to be positive; null when it is not.
ExprRef logarithm(Exprs &x, ExprRef e);
/// A read, with one operator of its source looked through.
ExprRef peeled(Exprs &x, ExprRef read);

} // namespace ssm
#endif
