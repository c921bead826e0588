// Operators of group N; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsN.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsN.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct NOps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<NOps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsN.cpp.inc"
        >();
  }
};
void registerNOps(mlir::Dialect *dialect) { NOps::add(dialect); }
} // namespace ssm::onnx
