// Operators of group T; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsT.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsT.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct TOps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<TOps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsT.cpp.inc"
        >();
  }
};
void registerTOps(mlir::Dialect *dialect) { TOps::add(dialect); }
} // namespace ssm::onnx
