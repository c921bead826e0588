//===- Activations.h - activations of LSTM, GRU and RNN ---------*- C++ -*-===//
// What the attributes activations, activation_alpha and activation_beta say, for the kernel and for raising.
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
mlir::FailureOr<llvm::SmallVector<Activation>> activationsOf(mlir::Operation *op, int64_t directions);

} // namespace ssm::onnx
#endif
