//===- LoopForm.h - recurrences in one form ---------------------*- C++ -*-===//
// Scan, Loop and unrolled graphs alike: carries with their next values, and outputs per step, as index expressions over
// the step and over values outside of the loop.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_LOOPFORM_H
#define SSM_PASSES_RAISE_LOOPFORM_H

#include "passes/raise/Expr.h"
#include "passes/raise/Symbols.h"

namespace ssm {

/// Elements along an axis of a carry that may be followed apart.
inline constexpr int64_t kMostParts = 4;

struct LoopCarry {
  mlir::Value state;   // reads as the carry before the step
  mlir::Value updated; // reads as the carry after the step, in the order of `dims`
  mlir::Value initial;
  ExprRef start = nullptr; // over dims: what the carry starts with, where it is no value
  Indices dims;        // iterators of an element
  ExprRef next = nullptr; // over dims and the step
  mlir::Value final;   // takes the carry after the last step; null when nothing reads it
};

struct LoopOutput {
  ExprRef element = nullptr; // over dims; the step is one of them
  Indices dims;
  mlir::Value result;
  bool flipped = false; // the step's iterator counts positions from the end
};

/// Another value of the body that an analysis asks for.
struct LoopValue {
  ExprRef element = nullptr; // over dims and the step
  Indices dims;
};

struct LoopForm {
  mlir::AffineExpr step; // iterator; its size is the number of steps
  llvm::SmallVector<LoopCarry> carries;
  llvm::SmallVector<LoopOutput> outputs;
  llvm::SmallVector<LoopValue> values;
  mlir::Operation *anchor = nullptr;            // new operators stand before it
  llvm::SmallVector<mlir::Operation *> nodes;   // what the loop was
  SymbolMap sizes;                              // of replaced results
};

/// The form of an onnx.Scan or onnx.Loop; none, with the reason, when it has none. Sets the hooks of `x`, which stay set
/// for later expansions of values of the body.
std::optional<LoopForm> loopForm(mlir::Operation *loop, Exprs &x, std::string &reason,
                                 llvm::ArrayRef<mlir::Value> values = {});

/// Makes sequence mixers of a loop and replaces its results. Changes nothing and gives false, with the reason, where
/// that is not proved to be right.
bool raiseLoop(LoopForm &loop, Exprs &x, std::string &reason);

} // namespace ssm
#endif
