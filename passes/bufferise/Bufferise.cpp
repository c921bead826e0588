//===- Bufferise.cpp - tensors of a dispatch to buffers -------------------===//
// Expects: a dispatch on tensors between to_tensor and materialize_in_destination. Leaves: memrefs only. The analysis
// is quadratic in the destinations of one dispatch, which is why dispatches are bufferised one at a time.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "passes/bufferise/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_BUFFERISE
#include "passes/bufferise/Passes.h.inc"
} // namespace ssm

namespace {
/// A tensor.empty shared by several users would make them fight for one buffer.
void separateEmpties(func::FuncOp func) {
  SmallVector<tensor::EmptyOp> empties;
  func.walk([&](tensor::EmptyOp op) { empties.push_back(op); });
  for (tensor::EmptyOp op : empties) {
    OpBuilder b(op);
    for (OpOperand &use : llvm::make_early_inc_range(op->getUses())) {
      if (op->hasOneUse())
        break;
      use.set(b.clone(*op)->getResult(0));
    }
  }
}

struct Bufferise : ssm::impl::BufferiseBase<Bufferise> {
  void runOnOperation() override {
    bufferization::BufferizationState state;
    for (func::FuncOp func : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (func->hasAttr("ssm.dispatch") && failed(bufferise(func, state)))
        return signalPassFailure();
  }

  LogicalResult bufferise(func::FuncOp func, bufferization::BufferizationState &state) {
    separateEmpties(func);
    IRRewriter rewriter(&getContext());
    if (failed(bufferization::eliminateEmptyTensors(rewriter, func)))
      return failure();
    bufferization::OneShotBufferizationOptions options;
    options.allowReturnAllocsFromLoops = true;
    options.bufferAlignment = 64;
    return bufferization::runOneShotBufferize(func, options, state);
  }
};
} // namespace
