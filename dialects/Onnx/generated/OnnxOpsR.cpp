// Operators of group R; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsR.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsR.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct ROps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<ROps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsR.cpp.inc"
        >();
  }
};
void registerROps(mlir::Dialect *dialect) { ROps::add(dialect); }
} // namespace ssm::onnx
