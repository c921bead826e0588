// Operators of group C; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsC.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsC.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct COps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<COps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsC.cpp.inc"
        >();
  }
};
void registerCOps(mlir::Dialect *dialect) { COps::add(dialect); }
} // namespace ssm::onnx
