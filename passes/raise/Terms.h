//===- Terms.h - an expression as a sum of products -------------*- C++ -*-===//
// What decay masks, cumulative sums and contractions make of a chunk is a sum of terms
//
//   coefficient * sum over iterators, where conditions hold, of a product of factors * exp(exponent)
//
// with an exponent in sums of something over a stretch of the chunk. Only what the structure of a recurrence is made of
// is taken apart: products with a mask or a decay, sums over a position, what reads a state. Everything else is a
// factor as it is.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_TERMS_H
#define SSM_PASSES_RAISE_TERMS_H

#include "passes/raise/Expr.h"

namespace ssm {

/// Sums of logarithms: each entry adds `count` times the sum of g over the positions before `upTo`, where g is over the
/// position `tau`; what is the same at every position is kept with its multiple.
struct Exponent {
  llvm::SmallVector<std::tuple<ExprRef, mlir::AffineExpr, int>> sums;
  llvm::SmallVector<std::pair<ExprRef, mlir::AffineExpr>> uniform;
  void add(Exprs &x, ExprRef g, mlir::AffineExpr upTo, int count);
  void addUniform(Exprs &x, ExprRef g, mlir::AffineExpr times);
  bool operator==(const Exponent &other) const;
  bool empty() const { return sums.empty() && uniform.empty(); }
};

/// A sum over all time: `count` times the sum of g, over the iterator `time`, before the place `upTo`.
struct WholeSum {
  ExprRef g;
  mlir::AffineExpr time, upTo;
  int count;
};

struct Term {
  double coefficient = 1;
  Indices conditions; // each is >= 0
  Indices sums;
  llvm::SmallVector<ExprRef> factors;
  llvm::SmallVector<std::pair<double, ExprRef>> powers; // exponents that are not resolved yet
  llvm::SmallVector<WholeSum> whole;                    // part of the exponent, until it is known what is left of them
  Exponent exponent;
};
using TermList = std::vector<Term>;

class Terms {
public:
  /// Positions of a chunk are 0 <= tau < length.
  Terms(Exprs &x, mlir::AffineExpr tau) : x(x), tau(tau) {}

  /// The terms of an expression; none when they are too many or contain something that is not understood. `whole` takes
  /// the sum at the top apart in any case.
  std::optional<TermList> of(ExprRef e, bool whole = false);

  /// The time of the chunk's first position, where there are sums over all time.
  mlir::AffineExpr start;
  /// The state.
  std::function<bool(mlir::Value)> isState = [](mlir::Value) { return false; };
  /// What may have been computed from a state; everything else is not looked through for one.
  std::function<bool(mlir::Value)> reachesState;
  /// Triangular inverses: reads of them are factors.
  llvm::DenseSet<mlir::Value> inverses;
  /// Operators that were looked through.
  llvm::SmallPtrSet<mlir::Operation *, 32> opened;

  /// A read, one operator of its source looked through; null when that gives nothing new.
  ExprRef definition(ExprRef read);
  /// Factors of a product, through all that multiplies.
  bool flatten(ExprRef e, double &coefficient, llvm::SmallVectorImpl<ExprRef> &factors);
  /// Both are the same product.
  bool sameProduct(llvm::ArrayRef<ExprRef> a, llvm::ArrayRef<ExprRef> b, double ratio = 1);
  bool readsState(ExprRef e);
  bool isInverse(ExprRef e) const { return e->kind == Expr::Kind::Read && inverses.contains(e->source); }
  /// c >= 0 follows from the conditions.
  bool follows(mlir::AffineExpr c, llvm::ArrayRef<mlir::AffineExpr> conditions);

private:
  bool collect(ExprRef e, TermList &out, bool whole);
  bool multiply(const TermList &a, const TermList &b, TermList &out);
  bool isMasked(ExprRef e, int depth = 8);
  bool isStructure(ExprRef e, int depth = 4);
  std::optional<Indices> condition(ExprRef e, bool holds, int depth = 6);
  bool resolve(TermList &terms);
  bool resolvePowers(Term &t, bool &changed);
  bool takeExponent(Term &t, ExprRef e, double coefficient, int depth);
  ExprRef shifted(ExprRef read);
  /// The element looked through the operator that makes it and those for which `expands` holds; null where that gives
  /// nothing new.
  ExprRef lookThrough(ExprRef read, std::function<bool(mlir::Operation *)> expands);
  bool takeSum(Term &t, ExprRef sum, double coefficient, ExprRef scale);
  void resolveWholeSums(Term &t);
  bool split(TermList &terms, size_t at, bool &changed);

  Exprs &x;
  mlir::AffineExpr tau;
  llvm::DenseMap<ExprRef, bool> masked, stateReads;
  llvm::DenseMap<mlir::AffineExpr, mlir::AffineExpr> times; // iterators over all time, by its length
  llvm::DenseMap<ExprRef, std::pair<double, ExprRef>> left; // factors exp(coefficient * e) that exponents left
  int budget = 4000;
};

} // namespace ssm
#endif
