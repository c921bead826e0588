// Operators of group S; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsS.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsS.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct SOps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<SOps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsS.cpp.inc"
        >();
  }
};
void registerSOps(mlir::Dialect *dialect) { SOps::add(dialect); }
} // namespace ssm::onnx
