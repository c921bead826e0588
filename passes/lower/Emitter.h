//===- Emitter.h - what a lowering works with -------------------*- C++ -*-===//
// An Emitter stands in one dispatch function. It gives the lowered tensors of ONNX values, sizes from symbols, and the
// few shapes of computation from which lowerings are made: maps over an index space, reductions, and element reads.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_EMITTER_H
#define SSM_PASSES_LOWER_EMITTER_H

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineExpr.h"
#include "passes/lower/Scalar.h"

namespace ssm {

/// A lowered tensor and the ONNX type it stands for.
struct Tensor {
  mlir::Value value;
  mlir::RankedTensorType type; // with the ONNX element type and symbolic sizes
  explicit operator bool() const { return (bool)value; }
  int64_t rank() const { return type.getRank(); }
  mlir::Type element() const { return type.getElementType(); }
};

class Emitter {
public:
  Emitter(mlir::OpBuilder &b, llvm::ArrayRef<mlir::Value> symbols) : b(b), loc(b.getUnknownLoc()), symbols(symbols), home(b.getInsertionBlock()) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  Scalar scalar() { return Scalar(b, loc); }

  // Values of the dispatch.
  Tensor operand(mlir::Operation *op, unsigned i);  // null when absent
  Tensor tensorOf(mlir::Value onnxValue);
  void setTensor(mlir::Value onnxValue, mlir::Value lowered) { lowered_[onnxValue] = lowered; }
  /// Where a result of the dispatch must be in the end. Who takes it writes it there.
  void setDestination(mlir::Value onnxValue, mlir::Value buffer) { destinations[onnxValue] = buffer; }
  mlir::Value takeDestination(mlir::Value onnxValue) {
    mlir::Value buffer = destinations.lookup(onnxValue);
    destinations.erase(onnxValue);
    return buffer;
  }
  void setResult(mlir::Operation *op, unsigned i, mlir::Value lowered) { setTensor(op->getResult(i), lowered); }
  /// Type of a result; null when the result is absent.
  static mlir::RankedTensorType resultType(mlir::Operation *op, unsigned i = 0);

  // Sizes.
  mlir::Value size(mlir::AffineExpr dim);
  mlir::Value dim(Tensor t, unsigned axis);
  llvm::SmallVector<mlir::OpFoldResult> sizes(mlir::RankedTensorType onnxType);
  mlir::Value count(mlir::RankedTensorType onnxType); // number of elements
  mlir::Value index(int64_t v) { return scalar().index(v); }

  // Tensors.
  mlir::Value empty(mlir::RankedTensorType onnxType);
  mlir::Value fill(mlir::RankedTensorType onnxType, mlir::Value stored);
  /// Same elements in the same order under another type.
  mlir::Value reshape(Tensor t, mlir::RankedTensorType to);
  /// Element in compute type.
  mlir::Value at(Tensor t, mlir::ValueRange indices);
  mlir::Value atFlat(Tensor t, mlir::Value position);
  /// Element of a broadcast operand at the indices of the result (aligned to the right).
  mlir::Value atBroadcast(Tensor t, mlir::RankedTensorType result, mlir::ValueRange indices);

  /// Every element of the result from its indices; body gives a compute value.
  using IndexBody = llvm::function_ref<mlir::Value(Scalar &, mlir::ValueRange indices)>;
  mlir::Value generate(mlir::RankedTensorType result, IndexBody body);

  /// One input of a structured computation: a tensor read at affine indices of the loops.
  struct Access {
    Tensor tensor;
    mlir::AffineMap map;
  };
  using Body = llvm::function_ref<mlir::Value(Scalar &, mlir::ValueRange inputs)>;
  using ReduceBody = llvm::function_ref<mlir::Value(Scalar &, mlir::Value accumulator, mlir::ValueRange inputs)>;
  /// result[i] = body(inputs at their maps), i over all dims of the result.
  mlir::Value map(mlir::RankedTensorType result, llvm::ArrayRef<Access> inputs, Body body);
  /// The same in the place of a tensor of the result's type, whose own element is the body's first input.
  mlir::Value update(Tensor t, llvm::ArrayRef<Access> inputs, Body body);
  /// A linalg.generic with reduction loops after the parallel ones or among them. The accumulator has the compute type
  /// of accumulatorType's elements and starts at init; the value is a tensor of that *compute* type.
  mlir::Value reduce(mlir::RankedTensorType result, mlir::AffineMap resultMap, llvm::ArrayRef<Access> inputs,
                     llvm::ArrayRef<mlir::utils::IteratorType> iterators, mlir::Value init, ReduceBody body);
  /// Compute-typed tensor to the storage type of a result type.
  mlir::Value toStorage(mlir::Value computed, mlir::RankedTensorType result);

private:
  mlir::Value elementwise(mlir::RankedTensorType result, mlir::Value init, llvm::ArrayRef<Access> inputs,
                          bool readsInit, Body body);
  llvm::ArrayRef<mlir::Value> symbols;
  mlir::Block *home; // sizes made here may be used anywhere below
  llvm::DenseMap<mlir::Value, mlir::Value> lowered_;
  llvm::DenseMap<mlir::AffineExpr, mlir::Value> sizes_;
  llvm::DenseMap<mlir::Value, mlir::Value> destinations;
};

} // namespace ssm
#endif
