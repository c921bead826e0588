//===- Loops.cpp - sequential loops of a dispatch --------------------------===//
// See Loops.h.
//===----------------------------------------------------------------------===//
#include "passes/lower/Loops.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ssm;

State ssm::forRange(Emitter &e, Value from, Value to, const State &init, llvm::function_ref<State(Value, const State &)> body) {
  auto loop = scf::ForOp::create(e.b, e.loc, from, to, e.index(1), init);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(loop.getBody());
  State next = body(loop.getInductionVar(), State(loop.getRegionIterArgs()));
  if (!init.empty())
    scf::YieldOp::create(e.b, e.loc, next);
  return State(loop.getResults());
}

State ssm::forIndices(Emitter &e, ArrayRef<Value> sizes, const State &init, llvm::function_ref<State(ValueRange, const State &)> body) {
  SmallVector<Value> indices;
  std::function<State(size_t, const State &)> nest = [&](size_t d, const State &state) -> State {
    if (d == sizes.size())
      return body(indices, state);
    return forRange(e, e.index(0), sizes[d], state, [&](Value i, const State &inner) {
      indices.push_back(i);
      State next = nest(d + 1, inner);
      indices.pop_back();
      return next;
    });
  };
  return nest(0, init);
}

State ssm::when(Emitter &e, Value condition, const State &state, llvm::function_ref<State(const State &)> then) {
  auto choice = scf::IfOp::create(e.b, e.loc, TypeRange(ValueRange(state)), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(e.b, e.loc, then(state));
  e.b.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(e.b, e.loc, state);
  return State(choice.getResults());
}

Value ssm::read(Emitter &e, Value tensor, ValueRange at) { return tensor::ExtractOp::create(e.b, e.loc, tensor, at); }
Value ssm::write(Emitter &e, Value v, Value tensor, ValueRange at) { return tensor::InsertOp::create(e.b, e.loc, v, tensor, at); }
Value ssm::scratch(Emitter &e, ArrayRef<OpFoldResult> sizes, Type element) { return tensor::EmptyOp::create(e.b, e.loc, sizes, element); }
