//===- FieldEvaluator.h - operators over a finite field ---------*- C++ -*-===//
// Evaluates operators that move, add and multiply elements over the integers modulo 2^61 - 1, to test polynomial
// identities. Symbolic sizes get a value.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_FIELDEVALUATOR_H
#define SSM_PASSES_RAISE_FIELDEVALUATOR_H

#include "dialects/Onnx/OnnxDialect.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace ssm {

using FieldElement = uint64_t;
constexpr FieldElement kFieldPrime = (uint64_t(1) << 61) - 1;
inline FieldElement fieldAdd(FieldElement a, FieldElement b) {
  FieldElement r = a + b;
  return r >= kFieldPrime ? r - kFieldPrime : r;
}
inline FieldElement fieldNeg(FieldElement a) { return a ? kFieldPrime - a : 0; }
inline FieldElement fieldMul(FieldElement a, FieldElement b) {
  __uint128_t p = (__uint128_t)a * b;
  return fieldAdd((FieldElement)(p & kFieldPrime), (FieldElement)(p >> 61));
}
/// A finite number, exactly.
FieldElement fieldOf(double v);

struct FieldTensor {
  llvm::SmallVector<int64_t> shape;
  std::vector<FieldElement> data;
};

class FieldEvaluator {
public:
  /// Every symbolic size stands for this many.
  explicit FieldEvaluator(int64_t symbol) : symbol(symbol) {}
  /// The shape of a value; none when it is unknown or too large.
  std::optional<llvm::SmallVector<int64_t>> shapeOf(mlir::Value v) const;
  void set(mlir::Value v, FieldTensor t) {
    known[v] = std::move(t);
    given.insert(v);
  }
  /// Null when the value is not a polynomial of those that are set.
  const FieldTensor *get(mlir::Value v);
  /// Operators that can be evaluated when their operands can.
  static bool covers(mlir::Operation *op);

private:
  bool evaluate(mlir::Operation *op);
  bool constant(mlir::Operation *op);
  bool elementwise(mlir::Operation *op);
  bool contraction(mlir::Operation *op);
  bool movement(mlir::Operation *op);
  bool scatter(mlir::Operation *op);
  std::optional<llvm::SmallVector<int64_t>> integers(mlir::Value v) const;

  int64_t symbol;
  int64_t work = int64_t(1) << 31; // multiplications and moves that may be spent
  llvm::DenseMap<mlir::Value, FieldTensor> known;
  llvm::DenseMap<mlir::Value, int64_t> reads;
  llvm::DenseSet<mlir::Value> given;
};

} // namespace ssm
#endif
