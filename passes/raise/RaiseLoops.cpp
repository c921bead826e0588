//===- RaiseLoops.cpp - loops to sequence mixers ---------------------------===//
// Expects: @main after fold. Leaves: loops that are recurrences as ssm operators, others as they were, each with its
// reason under `missed`.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/LoopForm.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Symbols.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISELOOPS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
struct RaiseLoopsPass : ssm::impl::RaiseLoopsBase<RaiseLoopsPass> {
  using RaiseLoopsBase::RaiseLoopsBase;
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    unread = dropUnreadSizes(main);
    SmallVector<Operation *> loops; // inner ones first
    main.walk([&](Operation *op) {
      if (isa<onnx::ScanOp, onnx::LoopOp>(op))
        loops.push_back(op);
    });
    for (Operation *loop : loops)
      raise(loop);
    eraseDeadOps(main.getBody());
    replaceSymbols(main, sizes);
  }
  SymbolMap sizes;
  UnreadSizes unread;
  void raise(Operation *loop) {
    Exprs x(&getContext());
    std::string reason;
    std::optional<LoopForm> form = loopForm(loop, x, reason);
    if (!form || !raiseLoop(*form, x, reason)) {
      noteMissed(loop, reason);
      bindUnreadSizes(loop, unread);
      return;
    }
    sizes.insert(form->sizes.begin(), form->sizes.end());
    for (Operation *op : llvm::reverse(form->nodes))
      if (op->use_empty())
        op->erase();
  }
};
} // namespace
