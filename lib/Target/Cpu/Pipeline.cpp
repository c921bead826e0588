//===- Pipeline.cpp - passes of the CPU target -----------------------------===//
#include "lib/Target/Cpu/Cpu.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/bufferise/Passes.h"
#include "passes/target/Passes.h"
#include "passes/tile/Passes.h"
#include "passes/vectorise/Passes.h"

using namespace mlir;
using namespace ssm;

void ssm::buildDispatchPipeline(OpPassManager &pm) {
  pm.addPass(createDeclareRuntime());
  OpPassManager &tensors = pm.nest<func::FuncOp>();
  tensors.addPass(createCanonicalizerPass());
  tensors.addPass(createDecomposeTensors());
  pm.addPass(createBufferise());
  OpPassManager &fn = pm.nest<func::FuncOp>();
  fn.addPass(createCanonicalizerPass());
  fn.addPass(createCSEPass());
  fn.addPass(createPlaceBuffers());
  fn.addPass(createVectoriseContractions());
  fn.addPass(createLowerLoops());
  fn.addPass(createConvertComplexToStandardPass());
  // float16 and bfloat16 are storage types: arithmetic on them is done in float32.
  math::MathExtendToSupportedTypesOptions extend;
  extend.targetTypeStr = "f32";
  extend.extraTypeStrs = {"f64"};
  fn.addPass(math::createMathExtendToSupportedTypes(extend));
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16", "f16"};
  emulate.targetTypeStr = "f32";
  fn.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  fn.addPass(createExpandMath());
  fn.addPass(createLowerSignature());
  pm.addPass(createOutlineParallel());
  OpPassManager &body = pm.nest<func::FuncOp>();
  body.addPass(memref::createExpandStridedMetadataPass());
  body.addPass(createLowerAffinePass());
  body.addPass(createConvertVectorToSCFPass(VectorTransferToSCFOptions().enableFullUnroll().setTargetRank(1)));
  body.addPass(createCanonicalizerPass());
  SCFToControlFlowPassOptions flow;
  flow.allowPatternRollback = false;
  body.addPass(createSCFToControlFlowPass(flow));
  body.addPass(createLowerBody());
  pm.addPass(createLowerFunctions());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

void ssm::buildHostPipeline(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  SCFToControlFlowPassOptions flow;
  flow.allowPatternRollback = false;
  pm.addPass(createSCFToControlFlowPass(flow));
  pm.addPass(createLowerAffinePass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

void ssm::registerCpuPipelines() {
  PassPipelineRegistration<>("ssm-cpu-dispatch", "dispatches on tensors to the LLVM dialect", buildDispatchPipeline);
  PassPipelineRegistration<>("ssm-cpu-host", "host code to the LLVM dialect", buildHostPipeline);
}
