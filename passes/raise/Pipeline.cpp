//===- Pipeline.cpp - the raise phase --------------------------------------===//
#include "passes/raise/Passes.h"

using namespace ssm;

void ssm::buildRaisePipeline(mlir::OpPassManager &pm) {
  pm.addPass(createSimplifySizes());
  pm.addPass(createStackWrites());
  pm.addPass(createRaiseChunks());
  pm.addPass(createRaiseLoops());
  pm.addPass(createReroll());
  pm.addPass(createSimplifySizes()); // with the sizes of what loops gave
  pm.addPass(createRaiseDoubling());
  pm.addPass(createRaiseOperators());
  pm.addPass(createRaiseAttention());
  pm.addPass(createRaiseConvolutions());
  pm.addPass(createRaiseClosedForms());
  pm.addPass(createJoinMixers());
  pm.addPass(createCheckSlices());
}
