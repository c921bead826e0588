//===- Subscript.h - index arithmetic with symbolic sizes -------*- C++ -*-===//
// A Subscript is an integer polynomial over atoms: iterators (each with an extent), symbols of the module, and
// quotients and remainders that do not simplify. Products of sizes stay exact, which affine expressions cannot do;
// reshapes are linearised and split again on it.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_SUBSCRIPT_H
#define SSM_PASSES_RAISE_SUBSCRIPT_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <optional>
#include <vector>

namespace ssm {

class Subscript {
public:
  using Monomial = std::vector<unsigned>; // atoms in ascending order, with repetition
  Subscript(int64_t c = 0) {
    if (c)
      terms[{}] = c;
  }
  static Subscript atom(unsigned a) {
    Subscript r;
    r.terms[{a}] = 1;
    return r;
  }

  std::map<Monomial, int64_t> terms; // no zero coefficients

  Subscript operator+(const Subscript &o) const { return combine(o, 1); }
  Subscript operator-(const Subscript &o) const { return combine(o, -1); }
  Subscript operator*(const Subscript &o) const;
  bool operator==(const Subscript &o) const { return terms == o.terms; }
  bool operator!=(const Subscript &o) const { return terms != o.terms; }
  bool operator<(const Subscript &o) const { return terms < o.terms; }

  std::optional<int64_t> constant() const;
  bool is(int64_t c) const { return constant() == c; }
  /// The atom, when that is all of it.
  std::optional<unsigned> asAtom() const;
  bool contains(unsigned atom) const;
  /// x such that *this = x * atom + rest, rest without the atom; nothing when it occurs in a higher power.
  std::optional<Subscript> coefficient(unsigned atom) const;
  Subscript without(unsigned atom) const;
  /// Quotient when n divides every term.
  std::optional<Subscript> dividedBy(const Subscript &n) const;

private:
  Subscript combine(const Subscript &o, int64_t sign) const;
};

/// What is known of the module's symbols.
struct SizeSymbols {
  llvm::DenseSet<int64_t> nonNegative; // sizes of values, and what is made of them
  llvm::DenseSet<int64_t> positive;    // a tensor that is always made has a size less than zero without
  /// A symbol that is the smallest (largest) of these expressions of earlier symbols.
  llvm::DenseMap<int64_t, llvm::SmallVector<mlir::AffineExpr>> smallestOf, largestOf;
};

/// Owner of the atoms.
class IndexSpace {
public:
  explicit IndexSpace(const SizeSymbols &sizes) : sizes(sizes) {}
  static SizeSymbols sizeSymbols(mlir::ModuleOp module);

  struct Atom {
    enum Kind { Iterator, Symbol, FloorDiv, Mod } kind;
    Subscript x, n; // an iterator's extent is n; a quotient or remainder is of x by n
    int64_t symbol = 0;
  };
  const Atom &operator[](unsigned a) const { return atoms[a]; }
  bool isIterator(unsigned a) const { return atoms[a].kind == Atom::Iterator; }

  Subscript iterator(const Subscript &extent);
  Subscript symbol(int64_t position);
  Subscript floorDiv(const Subscript &x, const Subscript &n);
  Subscript mod(const Subscript &x, const Subscript &n);
  /// From an expression of the module's symbols.
  Subscript from(mlir::AffineExpr e);
  std::vector<Subscript> from(llvm::ArrayRef<mlir::AffineExpr> e);
  /// Iterators become dims by `dims`; nothing for one that is not there.
  mlir::AffineExpr toAffine(const Subscript &e, mlir::MLIRContext *context,
                            const llvm::DenseMap<unsigned, unsigned> &dims = llvm::DenseMap<unsigned, unsigned>());
  Subscript substitute(const Subscript &e, const std::map<unsigned, Subscript> &by);

  /// Iterators of an index, those inside quotients included.
  void collectIterators(const Subscript &e, llvm::SmallDenseSet<unsigned, 8> &out) const;
  bool depends(const Subscript &e, unsigned iterator) const;
  /// Proved for all values of iterators within their extents.
  bool nonNegative(const Subscript &e) const { return nonNegative(e, 12); }

private:
  bool nonNegative(const Subscript &e, int depth) const;
  unsigned intern(Atom a);
  /// x = n * quotient + rest, with the rest's terms not divisible by n.
  void split(const Subscript &x, const Subscript &n, Subscript &quotient, Subscript &rest) const;

  /// Symbols replaced by bounds that make the sum smaller.
  bool boundedNonNegative(const Subscript &e, int depth) const;

  std::vector<Atom> atoms;
  const SizeSymbols &sizes;
  llvm::DenseMap<unsigned, llvm::SmallVector<Subscript, 2>> atMost, atLeast; // bounds of atoms of symbols
  llvm::DenseSet<unsigned> positive; // atoms of symbols that are factors of an iterator's extent
  llvm::DenseMap<int64_t, unsigned> symbolAtoms;
};

} // namespace ssm
#endif
