//===- RecurrentOperators.h - LSTM, GRU and RNN to ssm ----------*- C++ -*-===//
// The part of ssm-raise-operators for the three recurrent operators of ONNX.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_RECURRENTOPERATORS_H
#define SSM_PASSES_RAISE_RECURRENTOPERATORS_H

#include "mlir/IR/Operation.h"

namespace ssm {

/// onnx.LSTM, onnx.GRU or onnx.RNN.
bool isRecurrentOperator(mlir::Operation *op);
/// Makes the operator one ssm.recurrence for each direction. Where it stays, the reason is noted; fails on a wrong one.
mlir::LogicalResult raiseRecurrent(mlir::Operation *op);

} // namespace ssm
#endif
