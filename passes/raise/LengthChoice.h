//===- LengthChoice.h - two ways, one for short lengths ---------*- C++ -*-===//
// What was raised may equal its source up to some length only. The choice between the two is made at run time.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_LENGTHCHOICE_H
#define SSM_PASSES_RAISE_LENGTHCHOICE_H

#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/IR/AffineExpr.h"

namespace ssm {

class LengthChoice {
public:
  /// Values of one block that are about to be replaced, and the operators that compute them.
  LengthChoice(llvm::ArrayRef<mlir::Value> replaced, llvm::ArrayRef<mlir::Operation *> nodes);
  /// Once they are: who reads what replaced them reads an onnx.If, which gives that for lengths up to `most`, else what
  /// it replaced. What only one of the two needs is computed inside.
  void make(mlir::AffineExpr length, int64_t most);

private:
  struct Read {
    mlir::OpOperand *use;
    mlir::Value before;
  };
  llvm::SmallVector<Read> reads;
  llvm::ArrayRef<mlir::Operation *> nodes;
};

} // namespace ssm
#endif
