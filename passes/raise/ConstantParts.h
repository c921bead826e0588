//===- ConstantParts.h - parts of constants as constants --------*- C++ -*-===//
// A slice of a constant that raising reads is a constant itself: no call of the model copies it, and matrix products
// find their weights. Constants are compared by their numbers.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_CONSTANTPARTS_H
#define SSM_PASSES_RAISE_CONSTANTPARTS_H

#include "passes/raise/Expr.h"

namespace ssm {

/// Numbers as elements of f32 or f64.
mlir::ElementsAttr constantOf(mlir::RankedTensorType type, llvm::ArrayRef<double> numbers);
/// As many elements as the type has of a constant, from `first` on; those of f16 and bf16 may become f32. Null where
/// they are not at hand.
mlir::ElementsAttr partOf(mlir::ElementsAttr value, int64_t first, mlir::RankedTensorType type);
/// `size` elements of an axis from `start` on; null where they are not at hand.
mlir::ElementsAttr sliceOf(mlir::ElementsAttr value, int64_t axis, int64_t start, int64_t size);
/// Two reads of constants give the same number, or with `negated` the other one's with its sign changed, wherever they
/// are read. Compares numbers, so that it does not matter who made which constant.
bool sameNumbers(Exprs &x, ExprRef a, ExprRef b, bool negated = false);

} // namespace ssm
#endif
