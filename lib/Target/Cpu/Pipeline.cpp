//===- Pipeline.cpp - passes of the CPU target -----------------------------===//
#include "lib/Target/Cpu/Cpu.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "passes/target/Passes.h"

using namespace mlir;
using namespace ssm;

static void lowerToLlvm(OpPassManager &pm) {
  SCFToControlFlowPassOptions scf;
  scf.allowPatternRollback = false;
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass(scf));
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createConvertComplexToStandardPass());
  pm.addPass(createApproximateMath());
  pm.addPass(math::createMathExpandOpsPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createConvertComplexToLLVMPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

void ssm::buildDispatchPipeline(OpPassManager &pm) {
  OpPassManager &f = pm.nest<func::FuncOp>();
  f.addPass(createCanonicalizerPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = false;
  f.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  OpPassManager &h = pm.nest<func::FuncOp>();
  h.addPass(createCanonicalizerPass());
  h.addPass(createCSEPass());
  bufferization::PromoteBuffersToStackPassOptions stack;
  stack.maxAllocSizeInBytes = 4096;
  h.addPass(bufferization::createPromoteBuffersToStackPass(stack));
  bufferization::buildBufferDeallocationPipeline(pm, {});
  pm.addPass(createConvertBufferizationToMemRefPass());
  OpPassManager &g = pm.nest<func::FuncOp>();
  g.addPass(createLowerCopies());
  g.addPass(createConvertLinalgToLoopsPass());
  g.addPass(memref::createFoldMemRefAliasOpsPass());
  g.addPass(createDispatchAbi());
  g.addPass(createCanonicalizerPass());
  g.addPass(createCSEPass());
  lowerToLlvm(pm);
  pm.addPass(createCanonicalizerPass());
}

void ssm::buildHostPipeline(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  lowerToLlvm(pm);
}
