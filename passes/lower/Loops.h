//===- Loops.h - sequential loops of a dispatch -----------------*- C++ -*-===//
// For algorithms that are no map and no reduction: loop nests that thread values through.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_LOOPS_H
#define SSM_PASSES_LOWER_LOOPS_H

#include "passes/lower/Emitter.h"

namespace ssm {

using State = llvm::SmallVector<mlir::Value>;

/// Index and condition arithmetic.
struct IndexMath {
  Emitter &e;
  mlir::Value c(int64_t v) { return e.index(v); }
  mlir::Value add(mlir::Value x, mlir::Value y) { return mlir::arith::AddIOp::create(e.b, e.loc, x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return mlir::arith::SubIOp::create(e.b, e.loc, x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return mlir::arith::MulIOp::create(e.b, e.loc, x, y); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return mlir::arith::DivUIOp::create(e.b, e.loc, x, y); }
  mlir::Value rem(mlir::Value x, mlir::Value y) { return mlir::arith::RemUIOp::create(e.b, e.loc, x, y); }
  mlir::Value min(mlir::Value x, mlir::Value y) { return mlir::arith::MinSIOp::create(e.b, e.loc, x, y); }
  mlir::Value max(mlir::Value x, mlir::Value y) { return mlir::arith::MaxSIOp::create(e.b, e.loc, x, y); }
  mlir::Value both(mlir::Value x, mlir::Value y) { return mlir::arith::AndIOp::create(e.b, e.loc, x, y); }
  mlir::Value either(mlir::Value x, mlir::Value y) { return mlir::arith::OrIOp::create(e.b, e.loc, x, y); }
  mlir::Value select(mlir::Value q, mlir::Value x, mlir::Value y) { return mlir::arith::SelectOp::create(e.b, e.loc, q, x, y); }
  mlir::Value eq(mlir::Value x, mlir::Value y) { return cmp(mlir::arith::CmpIPredicate::eq, x, y); }
  mlir::Value lt(mlir::Value x, mlir::Value y) { return cmp(mlir::arith::CmpIPredicate::slt, x, y); }
  mlir::Value cmp(mlir::arith::CmpIPredicate p, mlir::Value x, mlir::Value y) { return mlir::arith::CmpIOp::create(e.b, e.loc, p, x, y); }
};

/// for i in [from, to): state = body(i, state).
State forRange(Emitter &e, mlir::Value from, mlir::Value to, const State &init,
               llvm::function_ref<State(mlir::Value, const State &)> body);
/// The same for all indices below the sizes, the last one fastest.
State forIndices(Emitter &e, llvm::ArrayRef<mlir::Value> sizes, const State &init,
                 llvm::function_ref<State(mlir::ValueRange, const State &)> body);
/// state = condition ? then(state) : state.
State when(Emitter &e, mlir::Value condition, const State &state, llvm::function_ref<State(const State &)> then);

/// Tensor reads and writes of storage values.
mlir::Value read(Emitter &e, mlir::Value tensor, mlir::ValueRange at);
mlir::Value write(Emitter &e, mlir::Value v, mlir::Value tensor, mlir::ValueRange at);
/// A tensor without a meaning yet.
mlir::Value scratch(Emitter &e, llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element);

} // namespace ssm
#endif
