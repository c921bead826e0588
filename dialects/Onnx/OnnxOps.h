//===- OnnxOps.h - classes of all generated onnx operators ------*- C++ -*-===//
// Heavy: most code asks by name (Registry, intAttr ...) and needs OnnxDialect.h only.
//===----------------------------------------------------------------------===//
#ifndef SSM_DIALECTS_ONNX_ONNXOPS_H
#define SSM_DIALECTS_ONNX_ONNXOPS_H
#include "dialects/Onnx/OnnxDialect.h"

#define ONNX_GROUPS \
  ONNX_GROUP(A) ONNX_GROUP(C) ONNX_GROUP(D) ONNX_GROUP(H) ONNX_GROUP(N) ONNX_GROUP(R) ONNX_GROUP(S) ONNX_GROUP(T)

namespace ssm::onnx {
#define ONNX_GROUP(G) void register##G##Ops(mlir::Dialect *dialect);
ONNX_GROUPS
#undef ONNX_GROUP
} // namespace ssm::onnx
#endif
