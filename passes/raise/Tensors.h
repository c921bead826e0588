//===- Tensors.h - onnx operators that raising writes -----------*- C++ -*-===//
// A few operators around a mixer, made with the types that their operands give.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_TENSORS_H
#define SSM_PASSES_RAISE_TENSORS_H

#include "passes/raise/Operands.h"

namespace ssm {

/// Builds onnx ops on tensors of symbolic sizes.
struct Tensors {
  mlir::OpBuilder &b;
  mlir::Location loc;

  static mlir::RankedTensorType typeOf(mlir::Value v) { return llvm::cast<mlir::RankedTensorType>(v.getType()); }
  mlir::Value make(llvm::StringRef name, mlir::ValueRange operands, mlir::RankedTensorType type,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    mlir::OperationState state(loc, ("onnx." + name).str(), operands, {type}, attributes);
    return b.create(state)->getResult(0);
  }
  mlir::Value reshape(mlir::Value v, llvm::ArrayRef<mlir::AffineExpr> dims) {
    return reshapeTo(b, loc, v, onnx::withDims(typeOf(v).getElementType(), dims));
  }
  mlir::Value number(double value, mlir::Type element) {
    auto type = mlir::RankedTensorType::get({}, element);
    auto attr = mlir::DenseElementsAttr::get(type, b.getFloatAttr(element, value));
    return onnx::ConstantOp::create(b, loc, type, attr);
  }
  mlir::Value integer(int64_t value) {
    auto type = mlir::RankedTensorType::get({}, b.getI64Type());
    return onnx::ConstantOp::create(b, loc, type, mlir::DenseElementsAttr::get(type, value));
  }
  mlir::Value cast(mlir::Value v, mlir::Type element) { return castTo(b, loc, v, element); }
  /// Arithmetic that the operator does not round to half precision is done in f32.
  mlir::Value wide(mlir::Value v) {
    mlir::Type element = typeOf(v).getElementType();
    return element.isF16() || element.isBF16() ? cast(v, b.getF32Type()) : v;
  }
  /// A size as an i64 scalar.
  mlir::Value size(mlir::AffineExpr size) {
    return onnx::sizesOf(b, loc, size, mlir::RankedTensorType::get({}, b.getI64Type()));
  }
  /// A size as a number, a vector of one.
  mlir::Value sizeOf(mlir::AffineExpr size, mlir::Type element) {
    return cast(onnx::sizesOf(b, loc, size, mlir::RankedTensorType::get({1}, b.getI64Type())), element);
  }
  /// 0, 1, 2 ... as i64.
  mlir::Value range(mlir::AffineExpr length) {
    return make("Range", {integer(0), size(length), integer(1)}, onnx::withDims(b.getI64Type(), length));
  }
  /// x * y, y of size 1 in some axes.
  mlir::Value mul(mlir::Value x, mlir::Value y) { return make("Mul", {x, y}, typeOf(x)); }
};

} // namespace ssm
#endif
