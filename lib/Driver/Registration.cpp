//===- Registration.cpp - all dialects and passes --------------------------===//
#include "lib/Driver/Registration.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "lib/Target/Cpu/Cpu.h"
#include "passes/bufferise/Passes.h"
#include "passes/fold/Passes.h"
#include "passes/group/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/target/Passes.h"
#include "passes/tile/Passes.h"
#include "passes/vectorise/Passes.h"

void ssm::registerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  registry.insert<ssm::SsmDialect, ssm::onnx::OnnxDialect>();
}

void ssm::registerPasses() {
  mlir::registerAllPasses();
  registerSsmFoldPasses();
  registerSsmRaisePasses();
  registerSsmGroupPasses();
  registerSsmLowerPasses();
  registerSsmTilePasses();
  registerSsmVectorisePasses();
  registerSsmBufferisePasses();
  registerSsmTargetPassesPasses();
  registerCpuPipelines();
}
