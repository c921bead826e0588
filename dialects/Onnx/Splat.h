//===- Splat.h - constants whose elements are all equal ---------*- C++ -*-===//
#ifndef SSM_DIALECTS_ONNX_SPLAT_H
#define SSM_DIALECTS_ONNX_SPLAT_H

#include "mlir/IR/BuiltinAttributes.h"

namespace ssm::onnx {

/// The dense attribute of one element when all elements are equal; null when they are not, and for more than 16 MiB.
/// `bytes` holds one element after the other, one byte for bool. Analyses know such a constant by its number.
mlir::DenseElementsAttr splatOf(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

} // namespace ssm::onnx
#endif
