//===- Index.h - index arithmetic with symbolic sizes -----------*- C++ -*-===//
// An Index is an integer polynomial over atoms: iterators (each with an extent), symbols of the module, and quotients
// and remainders that do not simplify. Products of sizes stay exact, which affine expressions cannot do; reshapes are
// linearised and split again on it.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_INDEX_H
#define SSM_PASSES_RAISE_INDEX_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <optional>
#include <vector>

namespace ssm {

class Index {
public:
  using Monomial = std::vector<unsigned>; // atoms in ascending order, with repetition
  Index(int64_t c = 0) {
    if (c)
      terms[{}] = c;
  }
  static Index atom(unsigned a) {
    Index r;
    r.terms[{a}] = 1;
    return r;
  }

  std::map<Monomial, int64_t> terms; // no zero coefficients

  Index operator+(const Index &o) const { return combine(o, 1); }
  Index operator-(const Index &o) const { return combine(o, -1); }
  Index operator*(const Index &o) const;
  bool operator==(const Index &o) const { return terms == o.terms; }
  bool operator!=(const Index &o) const { return terms != o.terms; }
  bool operator<(const Index &o) const { return terms < o.terms; }

  std::optional<int64_t> constant() const;
  bool is(int64_t c) const { return constant() == c; }
  /// The atom, when that is all of it.
  std::optional<unsigned> asAtom() const;
  bool contains(unsigned atom) const;
  /// x such that *this = x * atom + rest, rest without the atom; nothing when it occurs in a higher power.
  std::optional<Index> coefficient(unsigned atom) const;
  Index without(unsigned atom) const;
  /// Quotient when n divides every term.
  std::optional<Index> dividedBy(const Index &n) const;

private:
  Index combine(const Index &o, int64_t sign) const;
};

/// Owner of the atoms.
class IndexSpace {
public:
  /// `sizes`: symbols that are sizes of values, and so not negative.
  explicit IndexSpace(const llvm::DenseSet<int64_t> &sizes) : sizes(sizes) {}
  static llvm::DenseSet<int64_t> sizeSymbols(mlir::ModuleOp module);

  struct Atom {
    enum Kind { Iterator, Symbol, FloorDiv, Mod } kind;
    Index x, n; // an iterator's extent is n; a quotient or remainder is of x by n
    int64_t symbol = 0;
  };
  const Atom &operator[](unsigned a) const { return atoms[a]; }
  bool isIterator(unsigned a) const { return atoms[a].kind == Atom::Iterator; }

  Index iterator(const Index &extent);
  Index symbol(int64_t position);
  Index floorDiv(const Index &x, const Index &n);
  Index mod(const Index &x, const Index &n);
  /// From an expression of the module's symbols.
  Index from(mlir::AffineExpr e);
  std::vector<Index> from(llvm::ArrayRef<mlir::AffineExpr> e);
  /// Iterators become dims by `dims`; nothing for one that is not there.
  mlir::AffineExpr toAffine(const Index &e, mlir::MLIRContext *context,
                            const llvm::DenseMap<unsigned, unsigned> &dims = llvm::DenseMap<unsigned, unsigned>());
  Index substitute(const Index &e, const std::map<unsigned, Index> &by);

  /// Iterators of an index, those inside quotients included.
  void collectIterators(const Index &e, llvm::SmallDenseSet<unsigned, 8> &out) const;
  bool depends(const Index &e, unsigned iterator) const;
  /// Proved for all values of iterators within their extents.
  bool nonNegative(const Index &e) const { return nonNegative(e, 12); }

private:
  bool nonNegative(const Index &e, int depth) const;
  unsigned intern(Atom a);
  /// x = n * quotient + rest, with the rest's terms not divisible by n.
  void split(const Index &x, const Index &n, Index &quotient, Index &rest) const;

  std::vector<Atom> atoms;
  const llvm::DenseSet<int64_t> &sizes;
  llvm::DenseSet<unsigned> positive; // atoms of symbols that are factors of an iterator's extent
  llvm::DenseMap<int64_t, unsigned> symbolAtoms;
};

} // namespace ssm
#endif
