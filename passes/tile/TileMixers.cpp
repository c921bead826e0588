//===- TileMixers.cpp - mixers in tiles of steps ----------------------------===//
// Expects: sequence mixers on tensors. Leaves: each as a loop over tiles of `steps` steps, with the state carried from
// tile to tile. Linear.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/Tiling.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/tile/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_TILEMIXERS
#include "passes/tile/Passes.h.inc"
} // namespace ssm

namespace {
struct TileMixers : ssm::impl::TileMixersBase<TileMixers> {
  using Base::Base;
  void runOnOperation() override {
    if (steps < 1) {
      getOperation()->emitError("steps must be positive, not ") << steps;
      return signalPassFailure();
    }
    SmallVector<ssm::SequenceMixerOpInterface> mixers;
    getOperation()->walk([&](ssm::SequenceMixerOpInterface mixer) { mixers.push_back(mixer); });
    IRRewriter rewriter(&getContext());
    for (ssm::SequenceMixerOpInterface mixer : mixers)
      if (failed(ssm::tileOverTime(rewriter, mixer, steps)))
        return signalPassFailure();
  }
};
} // namespace
