//===- UnitTriangular.cpp - inverses of unit triangular matrices -----------===//
#include "passes/raise/UnitTriangular.h"
#include "passes/raise/FieldEvaluator.h"
#include <random>

using namespace mlir;
using namespace ssm;

/// Tests inverse * (I - sign * matrix) = I at a random matrix.
static bool isInverse(const FieldTensor &inverse, const FieldTensor &matrix, int sign) {
  int64_t n = matrix.shape.back(), size = n * n;
  if (inverse.shape != matrix.shape)
    return false;
  for (size_t start = 0; start < matrix.data.size(); start += size)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        FieldElement sum = inverse.data[start + i * n + j];
        for (int64_t k = 0; k < n; ++k) {
          FieldElement p = fieldMul(inverse.data[start + i * n + k], matrix.data[start + k * n + j]);
          sum = fieldAdd(sum, sign > 0 ? fieldNeg(p) : p);
        }
        if (sum != (i == j ? 1 : 0))
          return false;
      }
  return true;
}

SmallVector<TriangularInverse> ssm::triangularInverses(Block &block, llvm::function_ref<bool(Value)> isStrictlyLower) {
  SmallVector<TriangularInverse> found;
  llvm::DenseSet<Value> covered; // made from a matrix and constants only
  auto isSquare = [](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    if (!type || type.getRank() < 2 || !isa<FloatType>(type.getElementType()))
      return false;
    int64_t n = type.getDimSize(type.getRank() - 1);
    return n == type.getDimSize(type.getRank() - 2) && n >= 2 && n <= 256;
  };
  for (Operation &seed : block) {
    StringRef name = seed.getName().stripDialect();
    if ((name != "Trilu" && name != "Where" && name != "Mul") || !isSquare(seed.getResult(0)) ||
        covered.contains(seed.getResult(0)) || !isStrictlyLower(seed.getResult(0)))
      continue;
    Value matrix = seed.getResult(0);
    llvm::DenseSet<Value> made = {matrix};
    SmallVector<Value> candidates;
    for (Operation *op = seed.getNextNode(); op; op = op->getNextNode()) {
      if (!FieldEvaluator::covers(op))
        continue;
      bool from = false, only = true;
      for (Value v : op->getOperands()) {
        auto type = dyn_cast<RankedTensorType>(v.getType());
        if (!type || !isa<FloatType>(type.getElementType()))
          continue;
        Operation *def = v.getDefiningOp();
        bool fixed = def && (isa<onnx::ConstantOp>(def) || def->getName().stripDialect() == "ConstantOfShape" ||
                             def->getName().stripDialect() == "EyeLike" ||
                             (def->getNumOperands() && def->getOperand(0).getDefiningOp<onnx::ConstantOp>() &&
                              FieldEvaluator::covers(def)));
        from |= made.contains(v);
        only &= made.contains(v) || fixed;
      }
      if (!from || !only)
        continue;
      made.insert(op->result_begin(), op->result_end());
      covered.insert(op->result_begin(), op->result_end());
      if (isSquare(op->getResult(0)) && op->getResult(0).getType() == matrix.getType())
        candidates.push_back(op->getResult(0));
    }
    // What others use.
    llvm::erase_if(candidates, [&](Value v) {
      return llvm::all_of(v.getUsers(),
                          [&](Operation *user) { return user->getNumResults() && made.contains(user->getResult(0)); });
    });
    int64_t n = cast<RankedTensorType>(matrix.getType()).getShape().back();
    for (int64_t symbol : {int64_t(1), n}) {
      FieldEvaluator field(symbol);
      auto shape = field.shapeOf(matrix);
      if (!shape || llvm::is_contained(*shape, 0))
        continue;
      std::mt19937_64 random(n);
      FieldTensor t{*shape, {}};
      int64_t count = 1;
      for (int64_t d : *shape)
        count *= d;
      for (int64_t i = 0; i < count; ++i)
        t.data.push_back(i % n < i / n % n ? random() % kFieldPrime : 0);
      field.set(matrix, t);
      for (Value v : candidates)
        if (const FieldTensor *inverse = field.get(v))
          for (int sign : {1, -1})
            if (isInverse(*inverse, t, sign))
              found.push_back({v, matrix, sign});
      break;
    }
  }
  return found;
}
