//===- Index.h - index arithmetic and loops of a lowering -------*- C++ -*-===//
// Short names for arithmetic on index values, and counted loops that carry values. Lowerings that look at a window or
// at computed positions are written with them.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_INDEX_H
#define SSM_PASSES_LOWER_INDEX_H

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/lower/Emitter.h"

namespace ssm {

/// Arithmetic on index values where the emitter stands.
struct Index {
  using Pred = mlir::arith::CmpIPredicate;
  using Value = mlir::Value;
  Emitter &e;

  Value c(int64_t v) { return e.index(v); }
  Value add(Value x, Value y) { return mlir::arith::AddIOp::create(e.b, e.loc, x, y); }
  Value sub(Value x, Value y) { return mlir::arith::SubIOp::create(e.b, e.loc, x, y); }
  Value mul(Value x, Value y) { return mlir::arith::MulIOp::create(e.b, e.loc, x, y); }
  Value min(Value x, Value y) { return mlir::arith::MinSIOp::create(e.b, e.loc, x, y); }
  Value max(Value x, Value y) { return mlir::arith::MaxSIOp::create(e.b, e.loc, x, y); }
  /// x of at least 0 by y of at least 1.
  Value div(Value x, Value y) { return mlir::arith::DivUIOp::create(e.b, e.loc, x, y); }
  Value rem(Value x, Value y) { return mlir::arith::RemUIOp::create(e.b, e.loc, x, y); }
  Value cmp(Pred p, Value x, Value y) { return mlir::arith::CmpIOp::create(e.b, e.loc, p, x, y); }
  Value both(Value x, Value y) { return mlir::arith::AndIOp::create(e.b, e.loc, x, y); }
  Value either(Value x, Value y) { return mlir::arith::OrIOp::create(e.b, e.loc, x, y); }
  Value select(Value q, Value x, Value y) { return mlir::arith::SelectOp::create(e.b, e.loc, q, x, y); }
  /// 0 <= x < n, for any x.
  Value inside(Value x, Value n) { return cmp(Pred::ult, x, n); }
  /// x in 0 .. n - 1.
  Value clamp(Value x, Value n) { return max(c(0), min(x, sub(n, c(1)))); }
};

/// for i in [from, to) by step: the carried values become what body gives.
inline llvm::SmallVector<mlir::Value>
countedLoop(Emitter &e, mlir::Value from, mlir::Value to, mlir::Value step, mlir::ValueRange carried,
            llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body) {
  auto loop = mlir::scf::ForOp::create(e.b, e.loc, from, to, step, carried);
  mlir::OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(loop.getBody());
  llvm::SmallVector<mlir::Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!next.empty())
    mlir::scf::YieldOp::create(e.b, e.loc, next);
  return llvm::SmallVector<mlir::Value>(loop.getResults());
}

/// The same for all indices below the counts, the last one fastest.
inline llvm::SmallVector<mlir::Value>
loopNest(Emitter &e, llvm::ArrayRef<mlir::Value> counts, mlir::ValueRange carried,
         llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange, mlir::ValueRange)> body) {
  llvm::SmallVector<mlir::Value> indices;
  std::function<llvm::SmallVector<mlir::Value>(size_t, mlir::ValueRange)> nest = [&](size_t d,
                                                                                     mlir::ValueRange values) {
    if (d == counts.size())
      return body(indices, values);
    return countedLoop(e, e.index(0), counts[d], e.index(1), values, [&](mlir::Value i, mlir::ValueRange inner) {
      indices.push_back(i);
      llvm::SmallVector<mlir::Value> next = nest(d + 1, inner);
      indices.pop_back();
      return next;
    });
  };
  return nest(0, carried);
}

} // namespace ssm
#endif
