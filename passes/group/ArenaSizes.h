//===- ArenaSizes.h - sizes and offsets with symbols ------------*- C++ -*-===//
// Sums and products of sizes stay polynomials of symbols; a maximum of which no candidate is proved the largest becomes a
// symbol of its own, bound by ssm.bind_expr where the arena is made.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_GROUP_ARENASIZES_H
#define SSM_PASSES_GROUP_ARENASIZES_H

#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/IR/Builders.h"
#include "passes/raise/Subscript.h"

namespace ssm {

class ArenaSizes {
public:
  explicit ArenaSizes(mlir::ModuleOp module);
  /// Symbols made for one arena are not read by the next.
  void startArena() { made.clear(); }
  /// A symbol of which nothing is known.
  void learn(int64_t symbol);
  /// Learns what the symbol of a bind operation may be.
  void learn(BindDimOp bind);
  void learn(BindExprOp bind);

  Subscript from(mlir::AffineExpr e);
  mlir::AffineExpr toAffine(const Subscript &s);
  /// Proved for every value of the symbols.
  bool isNonNegative(const Subscript &s) const;
  /// The value at typical sizes.
  int64_t typical(const Subscript &s) const;
  /// The largest of expressions; a symbol made for it is bound by an operation in front of the builder's place.
  Subscript max(llvm::ArrayRef<Subscript> candidates, mlir::OpBuilder &b);
  int64_t newSymbol();
  /// For a person: symbols by the names of the model; "at most" a bound where the exact sum is long.
  std::string text(const Subscript &s) const;
  /// Gives the module the symbols that were made.
  void finish();

private:
  Subscript bindMax(llvm::ArrayRef<Subscript> candidates, mlir::OpBuilder &b);
  /// A polynomial of symbols that were not made here; never less than s.
  Subscript bound(const Subscript &s) const;
  void print(llvm::raw_string_ostream &os, const Subscript &s) const;
  bool isNonNegative(mlir::AffineExpr e);
  int64_t typical(mlir::AffineExpr e) const;
  struct Atom {
    mlir::AffineExpr expr;
    bool nonNegative;
    int64_t typical;
  };
  struct Known {
    bool nonNegative;
    int64_t typical;
  };
  mlir::ModuleOp module;
  mlir::MLIRContext *context;
  llvm::SmallVector<Atom> atoms;
  llvm::DenseMap<mlir::AffineExpr, unsigned> atomOf;
  llvm::DenseMap<int64_t, Known> symbols;
  std::map<unsigned, llvm::SmallVector<Subscript>> maxima; // candidates of symbols made here, by atom
  std::map<unsigned, Subscript> bounds;                    // of these symbols
  llvm::DenseMap<mlir::AffineMap, int64_t> made;   // symbol of each, for this arena
  llvm::SmallVector<mlir::Attribute> names;
};

} // namespace ssm
#endif
