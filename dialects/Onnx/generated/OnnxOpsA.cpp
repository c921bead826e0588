// Operators of group A; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsA.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsA.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct AOps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<AOps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsA.cpp.inc"
        >();
  }
};
void registerAOps(mlir::Dialect *dialect) { AOps::add(dialect); }
} // namespace ssm::onnx
