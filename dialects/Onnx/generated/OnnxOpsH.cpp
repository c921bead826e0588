// Operators of group H; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsH.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsH.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct HOps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<HOps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsH.cpp.inc"
        >();
  }
};
void registerHOps(mlir::Dialect *dialect) { HOps::add(dialect); }
} // namespace ssm::onnx
