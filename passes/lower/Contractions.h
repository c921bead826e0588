//===- Contractions.h - matrix products for other lowerings -----*- C++ -*-===//
// The product that MatMul, Gemm and the quantised products are made of, and how operands per tensor or per axis are
// read.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_CONTRACTIONS_H
#define SSM_PASSES_LOWER_CONTRACTIONS_H

#include "passes/lower/Emitter.h"

namespace ssm {

struct Product {
  Tensor a, b; // (batch..., M, K) and (batch..., K, N), or transposed
  bool transA = false, transB = false;
  Tensor zeroA, zeroB;           // integer zero points, per tensor, per row or per column
  mlir::RankedTensorType result; // (batch..., M, N) of accumulators
  bool panels = false;           // b is (ceil(N / P), K, P): ssm.pack of a matrix
};

/// A tensor of p.result's type.
mlir::Value emitProduct(Emitter &e, Product p);

/// Read of a number, or of a vector along a loop over size. A vector may also have one element for all; where only run
/// time knows that, it is spread out first.
Emitter::Access perAxis(Emitter &e, Tensor t, mlir::AffineExpr size, mlir::AffineExpr loop, unsigned numLoops);

} // namespace ssm
#endif
