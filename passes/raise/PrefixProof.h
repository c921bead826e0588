//===- PrefixProof.h - values that are running combinations -----*- C++ -*-===//
// Parallel scans (Hillis-Steele, Blelloch, odd-even, blocks in blocks) combine stretches of time in trees of many
// shapes. Whatever the tree, element t of the result is one sum: with P(i..t) the product of the decays from i to t and
// S(l..m) the recurrence over l..m started from zero,
//
//   h[t] = b[t] + sum over k of P(m_k + 1 .. t) * S(l_k .. m_k),    the stretches l_k..m_k covering 0 .. t - 1 once.
//
// PrefixProof takes every position of the time axis by itself, which turns all movement along it (Slice, Pad, Gather,
// Concat, Reshape, Scatter) into the choice of another element, and checks that sum: b[t] and the decay a[t] are what
// is new at t, everything else must be made of what is known. Then h[t] = a[t] h[t-1] + b[t] for all t by induction.
// For complex numbers as pairs, each product is the four products of their parts.
//
// Trees of a fixed number of stages see a fixed number of steps back. Over a length that is known at run time only, they
// are the recurrence as long as that is no more than `length` steps, which the proof finds. Of the element at t it knows
// that t is less than the length.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_PREFIXPROOF_H
#define SSM_PASSES_RAISE_PREFIXPROOF_H

#include "passes/raise/Expr.h"

namespace ssm {

/// A length that is known at run time only.
struct OpenLength {
  mlir::AffineExpr symbol;
  llvm::SmallVector<std::pair<mlir::AffineExpr, int64_t>> clamped; // symbols that are the smaller of it and a number
  unsigned symbols = 0;                                            // of the module
};

class PrefixProof {
public:
  /// One value, or real and imaginary parts; time is `axis` of them, from its end when `reversed`, which needs a length
  /// that is known.
  PrefixProof(Exprs &x, llvm::ArrayRef<mlir::Value> roots, int64_t axis, bool reversed,
              const OpenLength *open = nullptr);
  /// Whether h[t] = a[t] h[t-1] + b[t]. The hooks of the Exprs are those of prepare().
  bool run();
  static void prepare(Exprs &x);

  llvm::SmallVector<mlir::Value> roots;
  int64_t axis, length;
  bool reversed;
  const OpenLength *open;
  Indices dims;          // iterators of the roots' axes; that of time is `step`
  int64_t furthest = 0;  // step that was reached
  mlir::AffineExpr step; // counts from the first step of the recurrence
  /// Over dims and step, with the first step's decay only where there is an initial state. A null input is 0.
  struct Part {
    ExprRef decay = nullptr, input = nullptr, initial = nullptr;
  };
  Part parts[2];

private:
  struct Signed {
    ExprRef e = nullptr; // null is 1
    bool negative = false;
  };
  using Terms = llvm::SmallVector<Signed>;
  struct Stretch { // of a recurrence started from zero, or of a product of decays
    unsigned part = 0;
    int64_t first = 0, last = -1;
    bool negative = false;
  };
  struct Piece { // P * S
    Signed factor;
    Stretch stretch;
  };
  struct Whole { // an Add met on the way to the terms, and which of them are below it
    ExprRef e;
    size_t begin, end;
  };

  void assume(int64_t t);
  bool assumes(ExprRef e);
  bool prove(int64_t hypothesis);
  bool beginning(int64_t hypothesis);
  int64_t hypotheses();
  ExprRef element(unsigned part, int64_t t);
  bool isZero(ExprRef e);
  bool isOne(ExprRef e);
  void flatten(ExprRef e, bool negative, Terms &terms, llvm::SmallVectorImpl<Whole> *wholes = nullptr);
  bool resolve(ExprRef e, unsigned part, int64_t t, bool define, Stretch &result);
  bool coverBefore(llvm::SmallVectorImpl<Piece> &pieces, unsigned part, int64_t t, bool define, int64_t &first);
  std::optional<Stretch> stretchOf(ExprRef e, int64_t before);
  bool findPiece(ExprRef e, int64_t before, Piece &piece);
  bool checkFactor(const Signed &factor, unsigned part, bool negative, int64_t first, int64_t last, bool define);
  std::optional<Stretch> productOf(ExprRef e);
  std::optional<Stretch> complexProductOf(ExprRef e);
  std::optional<Stretch> joined(const Stretch &p, const Stretch &q) const;
  bool defineDecay(unsigned part, int64_t t, Signed decay);
  bool defineInput(unsigned part, int64_t t, Terms terms);
  bool hasValueOfProduct(ExprRef e, unsigned part, int64_t first, int64_t last);
  std::optional<std::vector<double>> numbersOf(ExprRef e);
  bool makeTemplates();
  /// One expression over the step that is these from step `first` on; null when there is none.
  ExprRef templateOf(llvm::ArrayRef<ExprRef> instances, int64_t first);
  ExprRef readTemplate(llvm::ArrayRef<ExprRef> instances, int64_t first);
  ExprRef readFrom(mlir::Value v, Indices at, int64_t moving, int64_t by, llvm::ArrayRef<ExprRef> instances,
                   int64_t first);

  Exprs &x;
  mlir::Type type;
  bool invariant = false; // one decay for all steps: products are told by their number of factors
  std::vector<Signed> decays[2];
  std::vector<Terms> inputs[2];
  Terms starts[2];
  llvm::DenseMap<ExprRef, Stretch> stretches, products;
  llvm::DenseMap<ExprRef, int64_t> notStretches, notProducts;    // with the number of steps known then
  llvm::DenseMap<ExprRef, std::pair<unsigned, int64_t>> inputOf; // terms of inputs that belong to one step
  llvm::DenseMap<ExprRef, bool> zeros, assuming;
  llvm::DenseMap<std::pair<unsigned, int64_t>, std::vector<double>> columns;
  bool sameColumns = false; // decays are numbers, the same in all steps seen
  std::vector<double> firstColumn;
  int64_t known = 0, work = 1 << 28;
};

} // namespace ssm
#endif
