//===- Activations.h - what attributes of LSTM, GRU and RNN say -*- C++ -*-===//
// Activations, gates and directions, for shapes, for the kernel and for raising.
//===----------------------------------------------------------------------===//
#ifndef SSM_DIALECTS_ONNX_ACTIVATIONS_H
#define SSM_DIALECTS_ONNX_ACTIVATIONS_H

#include "mlir/IR/Operation.h"

namespace ssm::onnx {

struct Activation {
  std::string name; // in lower case
  double alpha, beta;
};

/// Those of each direction of a recurrent operator in ONNX's order f, g, h, with its defaults for what is not given.
mlir::FailureOr<llvm::SmallVector<Activation>> activationsOf(mlir::Operation *op);
/// Gates of a recurrent operator: 1 of RNN, 3 of GRU, 4 of LSTM.
int64_t gatesOf(mlir::Operation *op);
/// 1, or 2 of a bidirectional one.
int64_t directionsOf(mlir::Operation *op);

} // namespace ssm::onnx
#endif
