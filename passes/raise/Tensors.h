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
  /// The same numbers in a floating-point type.
  mlir::Value cast(mlir::Value v, mlir::Type element) {
    auto type = typeOf(v);
    if (type.getElementType() == element)
      return v;
    int64_t to = element.isF32() ? 1 : element.isF16() ? 10 : element.isF64() ? 11 : 16; // ONNX's numbers of types
    return make("Cast", {v}, onnx::withDims(element, onnx::getDimExprs(type)),
                b.getNamedAttr("to", mlir::IntegerAttr::get(b.getIntegerType(64, true), to)));
  }
  /// Arithmetic that the operator does not round to half precision is done in f32.
  mlir::Value wide(mlir::Value v) {
    mlir::Type element = typeOf(v).getElementType();
    return element.isF16() || element.isBF16() ? cast(v, b.getF32Type()) : v;
  }
  /// A size as an i64 tensor of one element.
  mlir::Value size(mlir::AffineExpr size, mlir::RankedTensorType type) {
    int64_t symbols = 0;
    size.walk([&](mlir::AffineExpr part) {
      if (auto s = llvm::dyn_cast<mlir::AffineSymbolExpr>(part))
        symbols = std::max<int64_t>(symbols, s.getPosition() + 1);
    });
    auto map = mlir::AffineMap::get(0, symbols, {size}, b.getContext());
    return onnx::DimsOp::create(b, loc, type, mlir::AffineMapAttr::get(map));
  }
  /// A size as a number, a vector of one.
  mlir::Value sizeOf(mlir::AffineExpr size, mlir::Type element) {
    return cast(this->size(size, mlir::RankedTensorType::get({1}, b.getI64Type())), element);
  }
  /// x * y, y of size 1 in some axes.
  mlir::Value mul(mlir::Value x, mlir::Value y) { return make("Mul", {x, y}, typeOf(x)); }
};

} // namespace ssm
#endif
