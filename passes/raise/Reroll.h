//===- Reroll.h - unrolled recurrences to loop form -------------*- C++ -*-===//
// Chains of values are proposed (Reroll.cpp: one chain by its class; RerollSteps.cpp: all states of a step by which
// slices they depend on) and proved to be a loop (RerollForm.cpp).
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_REROLL_H
#define SSM_PASSES_RAISE_REROLL_H

#include "passes/raise/LoopForm.h"

namespace ssm {

/// Values that may be the states of one chain: made by one operator, of one type, in order.
using Class = llvm::SmallVector<mlir::Value>;

/// Nodes that one step's expression may have.
inline constexpr int64_t kStepBudget = 4000;

class Reroller {
public:
  explicit Reroller(mlir::Block &block) : block(block), context(block.getParentOp()->getContext()) {}
  bool run();

private:
  /// A state: its values after each step, what a step makes of it, and how the loop names it.
  struct Chain {
    Class members;
    Indices dims;
    llvm::SmallVector<ExprRef> steps;
    mlir::Value state, updated;
    ExprRef next = nullptr, start = nullptr;
  };
  using Chains = llvm::MutableArrayRef<Chain>;

  // Reroll.cpp
  llvm::SmallVector<Class> candidates();
  void findLeaves();
  bool tryClass(const Class &members);
  Class chainOf(const Class &members);
  /// Expressions of steps end at values that steps take slices of, and at those that every step of n may read.
  bool isShared(mlir::Value v, size_t n);

  // RerollSteps.cpp
  bool trySteps();

  // RerollForm.cpp
  /// `leaves`: values that all steps read; those that look so, where it is null.
  bool tryChains(llvm::ArrayRef<Class> classes, const llvm::DenseSet<mlir::Value> *leaves = nullptr);
  bool findTemplates(Exprs &x, llvm::SmallVectorImpl<Chain> &chains, mlir::AffineExpr &step, bool &trimmed);
  /// `opened`: values that were looked through.
  bool matchStart(Exprs &x, ExprRef pattern, ExprRef e, Chains chains, llvm::SmallDenseSet<mlir::Value> &opened);
  bool findStarts(Exprs &x, Chains chains, mlir::AffineExpr step);
  void findLast(Exprs &x, Chains chains, mlir::AffineExpr &step, llvm::SmallDenseSet<mlir::Value> &leaves);
  ExprRef named(Exprs &x, ExprRef e, Chains chains, int64_t k, const Chain *own);
  /// The expression with its constants as those of another one, where the numbers are the same.
  ExprRef withConstantsOf(Exprs &x, ExprRef other, ExprRef e);
  ExprRef started(Exprs &x, ExprRef e, Chains chains);
  ExprRef withZeros(Exprs &x, ExprRef e, llvm::function_ref<bool(mlir::Value)> isZero);
  bool addOutputs(LoopForm &loop, Exprs &x, Chains chains, int64_t first, int64_t count);
  bool addReadOnlyStep(LoopForm &loop, Exprs &x, Chains chains, int64_t first);
  void finishNodes(LoopForm &loop, Exprs &x, Chains chains);

  mlir::Block &block;
  mlir::MLIRContext *context;
  llvm::DenseSet<mlir::Value> shared;
  llvm::DenseMap<mlir::Value, unsigned> uses;
};

} // namespace ssm
#endif
