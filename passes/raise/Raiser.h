//===- Raiser.h - from loop form to sequence mixers -------------*- C++ -*-===//
// Carries are resolved one after the other, in the order in which they depend on each other. A resolved carry is an
// expression over values outside of the loop for whoever read it.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_RAISER_H
#define SSM_PASSES_RAISE_RAISER_H

#include "passes/raise/ExprWriter.h"
#include "passes/raise/Linear.h"
#include "passes/raise/LoopForm.h"

namespace ssm {

/// A place in an output that reads a state, most often through a sum.
struct ReadOut {
  ExprRef whole;   // the expression that is replaced
  ExprRef query;   // over the carry's dims and the step; null for a plain read
  ExprRef outside; // factor on the sum; null for 1
  ExprRef rest;    // added to it; null for 0
  Indices where;   // for each dim of the carry the iterator it is read at; null for one that is summed over
  bool before;     // reads the state before the step
};

class Raiser {
public:
  Raiser(LoopForm &loop, Exprs &x, std::string &reason)
      : loop(loop), x(x), reason(reason), b(loop.anchor), w(x, b, loop.anchor->getLoc()) {}
  bool run();

private:
  using Group = llvm::SmallVector<LoopCarry *>;
  bool refuse(const llvm::Twine &why) {
    if (reason.empty())
      reason = why.str();
    return false;
  }
  // Raiser.cpp
  void normaliseDirection();
  bool resolveCarries();
  bool resolveInvariant(LoopCarry &c);
  bool resolveShift(LoopCarry &c);
  Group nextGroup();
  bool readsCarry(ExprRef e, const LoopCarry &c);
  bool isReadByOthers(const LoopCarry &c);
  /// Every expression that is still to be resolved.
  void rewrite(llvm::function_ref<ExprRef(ExprRef)> fn);
  /// The carry's values after each step are this tensor, its axes at these iterators of the carry and the step.
  bool resolveBySequence(LoopCarry &c, mlir::Value after, llvm::ArrayRef<mlir::AffineExpr> axes);
  ExprRef initialOf(LoopCarry &c);
  bool finish();
  void setFinal(LoopCarry &c, mlir::Value v);
  void replaceResult(mlir::Value result, mlir::Value by);

  // SplitCarries.cpp
  void splitCarries();

  // Diagonal.cpp
  bool resolveLinear(LoopCarry &c);
  bool collectReadOuts(LoopCarry &c, llvm::SmallVectorImpl<ReadOut> &readOuts);
  void collectReadOuts(LoopCarry &c, ExprRef e, llvm::SmallVectorImpl<ReadOut> &readOuts, llvm::DenseMap<ExprRef, bool> &seen);
  bool raiseDiagonal(LoopCarry &c, ExprRef decay, ExprRef input, llvm::MutableArrayRef<ReadOut> readOuts);
  ExprRef absorbed(ExprRef e, llvm::ArrayRef<mlir::AffineExpr> state);
  void absorbProducts(llvm::MutableArrayRef<ExprRef> yields);
  mlir::Operation *selectiveScan(llvm::ArrayRef<ExprRef> yields, llvm::ArrayRef<mlir::AffineExpr> iterators, unsigned stateRank,
                                 llvm::ArrayRef<LoopCarry *> carries, llvm::ArrayRef<mlir::AffineExpr> outputAxes, bool before);
  void replaceReadOuts(LoopCarry &c, llvm::ArrayRef<ReadOut> readOuts, mlir::Value output, llvm::ArrayRef<mlir::AffineExpr> axes);

  // Matrix.cpp
  bool raiseMatrix(LoopCarry &c, llvm::ArrayRef<LinearTerm> terms, llvm::MutableArrayRef<ReadOut> readOuts);

  // Complex.cpp
  bool raiseComplex(LoopCarry &first, LoopCarry &second);

  // Sequential.cpp
  bool raiseSequential(llvm::ArrayRef<LoopCarry *> group);

  LoopForm &loop;
  Exprs &x;
  std::string &reason;
  mlir::OpBuilder b;
  ExprWriter w;
  bool reversed = false;
  llvm::SmallVector<LoopCarry *> open; // carries that are not resolved yet
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> replaced;
  llvm::SmallVector<mlir::Operation *> placeholders, joins; // of carries that were split; joins stand after the anchor
};

} // namespace ssm
#endif
