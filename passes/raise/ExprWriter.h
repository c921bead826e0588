//===- ExprWriter.h - index expressions back to operators -------*- C++ -*-===//
// Writes an expression over iterators as a tensor with one axis per iterator: what analysis took apart is made again
// as whole-sequence operators. A read that is a whole tensor already is that tensor.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_EXPRWRITER_H
#define SSM_PASSES_RAISE_EXPRWRITER_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "passes/raise/Expr.h"

namespace ssm {

class ExprWriter {
public:
  ExprWriter(Exprs &x, mlir::OpBuilder &b, mlir::Location loc) : x(x), b(b), loc(loc) {}

  Exprs &x;
  mlir::OpBuilder &b;
  mlir::Location loc;

  /// The tensor [iterators] of an expression; null when it cannot be written.
  mlir::Value write(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);
  /// The same with size 1 on axes of iterators that do not occur.
  mlir::Value writeBroadcast(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);
  /// A tensor and its index map over the iterators (projected, constant 0 or floordiv), without moving data where a read
  /// allows. Iterators in `required` are in the map. Null when it cannot be written.
  struct Operand {
    mlir::Value value;
    mlir::AffineMap map;
  };
  Operand operand(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators, llvm::ArrayRef<mlir::AffineExpr> required = {});

  // Operators, with the types that they have.
  mlir::Value constantInts(llvm::ArrayRef<int64_t> values);
  /// An integer vector of sizes; a constant when all are.
  mlir::Value sizeVector(llvm::ArrayRef<mlir::AffineExpr> sizes);
  /// Stands for a tensor that is made later.
  mlir::Value placeholder(llvm::ArrayRef<mlir::AffineExpr> dims, mlir::Type element);
  mlir::Value floatConstant(double value, mlir::Type element);
  mlir::Value reshape(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value expand(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::Value transpose(mlir::Value v, llvm::ArrayRef<int64_t> perm);
  mlir::Value slice(mlir::Value v, int64_t axis, mlir::AffineExpr start, mlir::AffineExpr size);
  mlir::Value flip(mlir::Value v, int64_t axis);
  mlir::Value concat(llvm::ArrayRef<mlir::Value> parts, int64_t axis);
  mlir::Value create(llvm::StringRef name, llvm::ArrayRef<mlir::Value> operands, mlir::Type result,
                     llvm::ArrayRef<mlir::NamedAttribute> attributes = {});

private:
  mlir::Value writeRead(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);
  std::optional<std::pair<mlir::AffineExpr, int64_t>> splitIterator(ExprRef e);
  mlir::AffineExpr mirroredIterator(ExprRef e);
  mlir::Value writeSplit(ExprRef e, mlir::AffineExpr i, int64_t by, llvm::ArrayRef<mlir::AffineExpr> iterators);
  int64_t runOf(ExprRef e, mlir::AffineExpr iterator);
  mlir::Value writeProduct(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);
  mlir::Value writeReduce(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);
  mlir::Value writeIndex(mlir::AffineExpr e, mlir::Type type, llvm::ArrayRef<mlir::AffineExpr> iterators);
  mlir::Value writeSelect(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> iterators);
  mlir::Value none();
  llvm::DenseMap<std::pair<ExprRef, llvm::ArrayRef<mlir::AffineExpr>>, mlir::Value> written;
  std::vector<std::unique_ptr<Indices>> keys;
};

/// Writes an elementwise expression as scalar operations; `leaf` gives the scalar of a read (or of anything else that
/// is not elementwise), in the computation type of its element. Null when it cannot be written.
mlir::Value writeScalar(ExprRef e, mlir::OpBuilder &b, mlir::Location loc, llvm::function_ref<mlir::Value(ExprRef)> leaf);

} // namespace ssm
#endif
