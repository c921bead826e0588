// Operators of group D; see OnnxDialect.td.
#include "dialects/Onnx/OnnxDialect.h"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsD.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOpsD.cpp.inc"

namespace ssm::onnx {
/// Makes the dialect's protected addOperations usable for one group.
struct DOps : mlir::Dialect {
  static void add(mlir::Dialect *dialect) {
    static_cast<DOps *>(dialect)->addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOpsD.cpp.inc"
        >();
  }
};
void registerDOps(mlir::Dialect *dialect) { DOps::add(dialect); }
} // namespace ssm::onnx
