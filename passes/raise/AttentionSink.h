//===- AttentionSink.h - a score without a value ----------------*- C++ -*-===//
// With one more score s in the sum whose weight is dropped, weights are those of the others times
// sum exp(score) / (sum exp(score) + exp(s)), the sigmoid of log_sum_exp - s: a factor of rows behind ssm.attention.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_ATTENTIONSINK_H
#define SSM_PASSES_RAISE_ATTENTIONSINK_H

#include "passes/raise/Softmax.h"

namespace ssm {

class AttentionSink {
public:
  /// `rows`: the iterators of a row. Valid when the sink is a function of them.
  AttentionSink(ElementReader &reader, const Softmax &softmax, llvm::ArrayRef<unsigned> rows);
  bool isValid() const { return valid; }

  /// log_sum_exp is over the rows, in order.
  void build(mlir::OpBuilder &b, mlir::Location loc, mlir::Value logSumExp);
  /// v times the factor; `axes` are the iterators of v, others than rows are not looked at.
  mlir::Value scale(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v, llvm::ArrayRef<unsigned> axes);

private:
  /// The tensor [from] as one [to], with size 1 for what it does not know.
  mlir::Value arranged(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v, llvm::ArrayRef<unsigned> from,
                       llvm::ArrayRef<unsigned> to);

  IndexSpace &space;
  llvm::SmallVector<unsigned> rows;
  std::optional<double> number;
  std::optional<Operand> operand;
  bool valid = false;
  mlir::Value factor;
};

} // namespace ssm
#endif
