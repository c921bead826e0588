//===- InlineControlFlow.cpp - control flow without a choice ---------------===//
// Before sizes are inferred: an If whose condition is a constant is the branch that it takes, a Loop that runs exactly
// once is its body, and one that never runs gives what it was given. What the sizes of the graph decide is left to
// ssm-infer-shapes. Each operator is moved at most once for every level that it is nested in.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/fold/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_INLINECONTROLFLOW
#include "passes/fold/Passes.h.inc"
} // namespace ssm

namespace {
std::optional<int64_t> scalarOf(Value v) {
  auto values = onnx::intValues(v);
  return values && values->size() == 1 ? std::optional(values->front()) : std::nullopt;
}

/// Moves the operators of a block in front of an operator, and gives what the block yields.
SmallVector<Value> splice(Operation *op, Block &body) {
  Operation *yield = body.getTerminator();
  SmallVector<Value> values(yield->getOperands());
  yield->erase();
  op->getBlock()->getOperations().splice(op->getIterator(), body.getOperations());
  return values;
}

struct InlineControlFlowPass : ssm::impl::InlineControlFlowBase<InlineControlFlowPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    main.walk([&](Operation *op) { // inner ones first
      if (auto choice = dyn_cast<onnx::IfOp>(op))
        inlineIf(choice);
      else if (auto loop = dyn_cast<onnx::LoopOp>(op))
        inlineLoop(loop);
    });
    main.setType(FunctionType::get(&getContext(), main.getFunctionType().getInputs(),
                                   main.getBody().front().getTerminator()->getOperandTypes()));
  }
  void inlineIf(onnx::IfOp op);
  void inlineLoop(onnx::LoopOp op);
};
} // namespace

void InlineControlFlowPass::inlineIf(onnx::IfOp op) {
  auto condition = scalarOf(op.getCond());
  if (!condition)
    return;
  SmallVector<Value> values = splice(op, *condition ? op.getThenBranch().front() : op.getElseBranch().front());
  op->replaceAllUsesWith(values);
  op->erase();
  ++inlined;
}

void InlineControlFlowPass::inlineLoop(onnx::LoopOp op) {
  size_t carried = op.getVInitial().size();
  auto trips = scalarOf(op.getM());
  auto condition = onnx::isNone(op.getCond()) ? std::optional<int64_t>(1) : scalarOf(op.getCond());
  bool never = (trips && *trips <= 0) || (condition && !*condition);
  bool once = trips && *trips == 1 && condition && *condition;
  if (never && op.getNumResults() == carried) {
    op->replaceAllUsesWith(op.getVInitial());
    op->erase();
    ++inlined;
    return;
  }
  if (never || !once)
    return;
  OpBuilder b(op);
  auto constant = [&](Type element, Attribute value, ArrayRef<int64_t> shape) {
    auto type = RankedTensorType::get(shape, element);
    return onnx::ConstantOp::create(b, op.getLoc(), type, DenseElementsAttr::get(type, value));
  };
  Block &body = op.getBody().front();
  Value zero = constant(b.getI64Type(), b.getI64IntegerAttr(0), {});
  body.getArgument(0).replaceAllUsesWith(zero);
  body.getArgument(1).replaceAllUsesWith(constant(b.getI1Type(), b.getBoolAttr(true), {}));
  for (auto [argument, initial] : llvm::zip(body.getArguments().drop_front(2), op.getVInitial()))
    argument.replaceAllUsesWith(initial);
  SmallVector<Value> values = splice(op, body);
  // The first value is the condition of a second iteration. A row that is collected is a tensor of one row.
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    Value v = values[i + 1];
    if (i >= carried) {
      OperationState row(op.getLoc(), "onnx.Unsqueeze");
      row.addOperands({v, constant(b.getI64Type(), b.getI64IntegerAttr(0), {1})});
      row.addTypes(result.getType());
      v = b.create(row)->getResult(0);
    }
    result.replaceAllUsesWith(v);
  }
  op->erase();
  ++inlined;
}
