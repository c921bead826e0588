//===- Expr.h - index expressions of tensor values --------------*- C++ -*-===//
// The element of a tensor at given indices as an expression of other tensors' elements: movement, broadcasting and
// contractions vanish into affine indices, element selections and sums, so that spellings of one computation become
// one expression. Expressions are uniqued: equal ones are the same pointer.
//
//   element of Transpose(x), perm = [1, 0], at (d0, d1)        x[d1, d0]
//   element of MatMul(x, y) at (d0, d1)                        sum d2 < K . x[d0, d2] * y[d2, d1]
//
// Indices are affine expressions of *iterators* (AffineDimExpr; every iterator belongs to one Exprs and has a size) and
// of the module's symbols. Iterators bound by a reduction are numbered by size and nesting depth, so that sums that
// differ in the names of their iterators are equal.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_EXPR_H
#define SSM_PASSES_RAISE_EXPR_H

#include "dialects/Onnx/OnnxDialect.h"
#include "llvm/ADT/FoldingSet.h"
#include "llvm/Support/Allocator.h"
#include "mlir/IR/AffineExpr.h"

namespace ssm {

using Indices = llvm::SmallVector<mlir::AffineExpr>;

struct Expr : llvm::FoldingSetNode {
  enum class Kind {
    Read,     // source[indices]
    Constant, // a number
    Index,    // indices[0] as a number
    Op,       // elementwise operator `name` of the operands, a null operand is absent
    Select,   // operand 0 where all `indices` are >= 0, else operand 1
    Reduce    // `name` (ReduceSum, ReduceMax ...) of operand 0 over the iterators `indices`
  };
  Kind kind;
  mlir::Type type; // ONNX element type
  mlir::Value source;
  llvm::ArrayRef<mlir::AffineExpr> indices;
  double number = 0;
  llvm::StringRef name;         // without dialect
  mlir::DictionaryAttr attributes;
  mlir::Operation *prototype = nullptr; // an operator of this name, attributes and types; null for what analysis made
  llvm::ArrayRef<const Expr *> operands;
  uint32_t height = 0;          // nesting depth of reductions
  uint32_t id = 0;              // order of making
  uint64_t shape = 0;           // hash without ids and without constants added to indices: orders commutative operands

  bool isOp(llvm::StringRef op) const { return kind == Kind::Op && name == op; }
  bool isSum() const { return kind == Kind::Reduce && name == "ReduceSum"; }
  bool isConstant(double value) const { return kind == Kind::Constant && number == value; }
  void Profile(llvm::FoldingSetNodeID &id) const;
};
using ExprRef = const Expr *;

/// Owner of expressions and iterators, and the way from values to expressions.
class Exprs {
public:
  explicit Exprs(mlir::MLIRContext *context) : context(context) {}
  mlir::MLIRContext *context;

  // Iterators.
  mlir::AffineExpr iterator(mlir::AffineExpr size);
  Indices iterators(llvm::ArrayRef<mlir::AffineExpr> sizes);
  mlir::AffineExpr sizeOf(mlir::AffineExpr iterator) const;
  /// One iterator per axis, the same ones for the same sizes: what was expanded for one value serves others.
  Indices axisIterators(llvm::ArrayRef<mlir::AffineExpr> sizes);
  /// Iterators that occur free in an expression, in order of first occurrence.
  const Indices &freeIterators(ExprRef e);
  bool dependsOn(ExprRef e, mlir::AffineExpr iterator);
  bool dependsOnAny(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);

  // Index arithmetic with the ranges of iterators.
  mlir::AffineExpr number(int64_t v) const { return mlir::getAffineConstantExpr(v, context); }
  mlir::AffineExpr floorDiv(mlir::AffineExpr e, mlir::AffineExpr by);
  mlir::AffineExpr modulo(mlir::AffineExpr e, mlir::AffineExpr by);
  mlir::AffineExpr simplified(mlir::AffineExpr e);
  /// Bounds, where they are known: first <= e <= last.
  std::optional<int64_t> lowest(mlir::AffineExpr e);
  std::optional<int64_t> highest(mlir::AffineExpr e);
  /// e >= 0 for all values of iterators and all symbols >= 0.
  bool isNonNegative(mlir::AffineExpr e);

  // Nodes. Each may give a simpler equal expression.
  ExprRef read(mlir::Value source, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef constant(double value, mlir::Type type);
  ExprRef index(mlir::AffineExpr e, mlir::Type type);
  ExprRef op(llvm::StringRef name, llvm::ArrayRef<ExprRef> operands, mlir::Type type, mlir::Operation *prototype = nullptr);
  ExprRef add(ExprRef x, ExprRef y) { return op("Add", {x, y}, x->type); }
  ExprRef mul(ExprRef x, ExprRef y) { return op("Mul", {x, y}, x->type); }
  ExprRef neg(ExprRef x) { return op("Neg", {x}, x->type); }
  ExprRef select(llvm::ArrayRef<mlir::AffineExpr> nonNegative, ExprRef yes, ExprRef no);
  ExprRef reduce(llvm::StringRef name, llvm::ArrayRef<mlir::AffineExpr> iterators, ExprRef body);
  /// A sum of products: multiplied factors, and what a product of none is.
  ExprRef product(llvm::ArrayRef<ExprRef> factors, mlir::Type type);

  /// The same expression with iterators and reads replaced. An iterator without entry stays; `reads` may give null to
  /// keep a read (with its indices replaced).
  using ReadFn = std::function<ExprRef(ExprRef read)>;
  ExprRef replace(ExprRef e, const llvm::DenseMap<mlir::AffineExpr, mlir::AffineExpr> &iterators, const ReadFn &reads = {});
  /// The same expression with subexpressions replaced, the largest first.
  ExprRef replace(ExprRef e, const llvm::DenseMap<ExprRef, ExprRef> &nodes);
  /// An expression that is a at step `at` and b at the next; null when they differ in more than places in tensors and,
  /// if `positions`, in numbers and conditions made of iterators.
  ExprRef antiUnify(ExprRef a, ExprRef b, mlir::AffineExpr step, int64_t at, bool positions);
  /// All reads of an expression, each once.
  llvm::SmallVector<ExprRef> readsOf(ExprRef e);
  bool reads(ExprRef e, llvm::function_ref<bool(mlir::Value)> which);

  // From values.
  /// Where expansion stops: a value for which this holds is read, not looked through. Changing it forgets nothing that
  /// was already expanded; call forget() for that.
  std::function<bool(mlir::Value)> isLeaf;
  /// Symbols that have another expression wherever the elements in question exist.
  llvm::DenseMap<mlir::AffineExpr, mlir::AffineExpr> assumed;
  llvm::SmallVector<mlir::AffineExpr> dimsOf(mlir::Value v);
  /// Elementwise operators and contractions are looked through unless this says no; Concat and Pad, where the place is in
  /// more than one piece, only if it says yes.
  std::function<bool(mlir::Operation *)> expands;
  /// Values that are read wherever they are met, whatever else the hooks say.
  llvm::DenseSet<mlir::Value> opaque;
  /// A cumulative sum is a sum over the elements up to its place. It is read otherwise, since writing the sum out costs
  /// the square of its length.
  bool cumulative = false;
  /// What a value that is no tensor result (a block argument) reads as; null for a plain read.
  std::function<ExprRef(mlir::Value, llvm::ArrayRef<mlir::AffineExpr>)> argument;
  /// The element of a value.
  ExprRef at(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> indices);
  /// The element of a value that is looked through even where it is a leaf itself.
  ExprRef definition(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> indices);
  /// The element of a scalar or one-element integer value as an affine expression.
  mlir::AffineExpr indexValue(mlir::Value v, int64_t element = 0);
  /// A constant square matrix of two numbers: `low` where column <= row - below, `high` elsewhere.
  struct Triangle {
    int64_t below;
    double low, high;
  };
  std::optional<Triangle> triangleOf(mlir::ElementsAttr matrix);
  void forget() { memo.clear(); }
  /// Values, with their indices, whose element at() found to be e since the last forget(), in the order of the graph.
  llvm::SmallVector<std::pair<mlir::Value, llvm::ArrayRef<mlir::AffineExpr>>> placesOf(ExprRef e) const;
  /// Nodes that may still be made by at(); a value met when none are left is read.
  int64_t budget = 1 << 20;

private:
  ExprRef unique(Expr &&e);
  ExprRef expand(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandElementwise(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandContraction(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandEinsum(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandReduction(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandCumulative(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandMovement(mlir::Operation *op, unsigned result, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandReshape(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandSlice(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandGather(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandConcat(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandPad(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandScatter(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  ExprRef expandConstant(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> indices);
  /// Indices of an operand that is broadcast, from the right, to the dims of the result; none where sizes only agree at
  /// run time.
  std::optional<Indices> broadcast(mlir::Value operand, llvm::ArrayRef<mlir::AffineExpr> resultDims,
                                   llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::AffineExpr boundIterator(mlir::AffineExpr size, uint32_t height);

  llvm::BumpPtrAllocator allocator;
  llvm::FoldingSet<Expr> table;
  llvm::SmallVector<mlir::AffineExpr> sizes; // of iterators
  llvm::DenseMap<std::pair<mlir::AffineExpr, uint32_t>, mlir::AffineExpr> bound;
  llvm::DenseMap<std::pair<mlir::Value, llvm::ArrayRef<mlir::AffineExpr>>, ExprRef> memo;
  llvm::DenseMap<ExprRef, std::unique_ptr<Indices>> freeMemo;
  llvm::DenseMap<mlir::Value, uint32_t> ordinals; // of sources, in order of first read
  llvm::DenseMap<mlir::Attribute, std::optional<Triangle>> triangles;
  uint32_t made = 0, depth = 0;
};

/// Only elementwise operators of elements and constants.
bool isScalar(ExprRef e);

/// Operators that only move, repeat or pick elements.
bool isMovement(mlir::Operation *op);

/// For debugging and tests: d0, d1 are iterators; sources are named by `name`.
void print(ExprRef e, llvm::raw_ostream &os, llvm::function_ref<std::string(mlir::Value)> name);

} // namespace ssm
#endif
