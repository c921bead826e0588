//===- UnitTriangular.h - inverses of unit triangular matrices --*- C++ -*-===//
// (I - A)^-1, A strictly lower triangular, is spelled as forward substitution row by row, as the product of I +
// A^(2^k), or by blocks. All of them are polynomials in the elements of A, so that one rule covers them: the operators
// between A and the inverse are evaluated over the field of integers modulo 2^61 - 1 at a random A, and the result is
// multiplied with I - A. A polynomial identity of degree d that does not hold survives with probability at most d /
// 2^61.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_UNITTRIANGULAR_H
#define SSM_PASSES_RAISE_UNITTRIANGULAR_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

namespace ssm {

struct TriangularInverse {
  mlir::Value inverse, matrix; // inverse = (I - sign * matrix)^-1 over the last two axes
  int sign = 1;
};

/// All inverses in a block of matrices of which `isStrictlyLower` says that elements on and above the diagonal are 0.
llvm::SmallVector<TriangularInverse> triangularInverses(mlir::Block &block,
                                                        llvm::function_ref<bool(mlir::Value)> isStrictlyLower);

} // namespace ssm
#endif
