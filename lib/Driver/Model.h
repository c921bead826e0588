//===- Model.h - what a library says of its model ---------------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_MODEL_H
#define SSM_LIB_DRIVER_MODEL_H
#include "llvm/Support/JSON.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llvm {
class Module;
}
namespace ssm {
/// One input or output, read off @main after shape inference.
struct IoDescription {
  std::string name;
  int32_t kind = 1, optional = 0, dtype = 0;
  bool anyRank = false; // an optional tensor of which nobody looks at the shape
  std::vector<int64_t> dims; // -1: symbolic
  std::vector<std::string> symbols;
};
struct ModelDescription {
  std::vector<IoDescription> inputs, outputs;
  std::vector<std::string> profile; // what each profile id measures
  llvm::json::Object facts;         // the ONNX file's metadata
};
ModelDescription describeModel(mlir::ModuleOp module);
/// Keeps the description as the module attribute ssm.interface, because @main is gone after group.
void recordModel(mlir::ModuleOp module);
/// The description kept by recordModel; empty when there is none.
ModelDescription recordedModel(mlir::ModuleOp module);
/// Adds the constant ssm_generated_model (lib/Runtime/Runtime.h) to LLVM IR.
void addModelDescription(llvm::Module &module, const ModelDescription &model, int64_t sideBytes, llvm::StringRef sideHash);
} // namespace ssm
#endif
