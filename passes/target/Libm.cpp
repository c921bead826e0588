//===- Libm.cpp - math operations that are calls of libm --------------------===//
#include "passes/target/Libm.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

static constexpr ssm::LibmFunction kFunctions[] = {
    {"math.acos", "acos", 1},   {"math.acosh", "acosh", 1}, {"math.asin", "asin", 1},   {"math.asinh", "asinh", 1},
    {"math.atan", "atan", 1},   {"math.atan2", "atan2", 2}, {"math.atanh", "atanh", 1}, {"math.cbrt", "cbrt", 1},
    {"math.cosh", "cosh", 1},   {"math.erf", "erf", 1},     {"math.erfc", "erfc", 1},   {"math.expm1", "expm1", 1},
    {"math.log1p", "log1p", 1}, {"math.sinh", "sinh", 1},   {"math.tan", "tan", 1},     {"math.tanh", "tanh", 1},
    {"math.powf", "pow", 2},    {"math.sin", "sin", 1},     {"math.cos", "cos", 1},     {"math.exp", "exp", 1},
    {"math.log", "log", 1},     {"math.exp2", "exp2", 1},   {"math.log2", "log2", 1},   {"math.log10", "log10", 1},
    {"arith.remf", "fmod", 2},
};

ArrayRef<ssm::LibmFunction> ssm::libmFunctions() { return kFunctions; }

std::string ssm::libmName(const LibmFunction &f, Type type) { return std::string(f.name) + (type.isF32() ? "f" : ""); }

LogicalResult ssm::lowerToLibm(Operation *root) {
  SmallVector<std::pair<Operation *, const LibmFunction *>> calls;
  root->walk([&](Operation *op) {
    for (const LibmFunction &f : kFunctions)
      if (op->getName().getStringRef() == f.op)
        calls.push_back({op, &f});
  });
  for (auto [op, f] : calls) {
    Type type = op->getResult(0).getType();
    Type element = getElementTypeOrSelf(type);
    if (!element.isF32() && !element.isF64())
      return op->emitOpError("has no implementation for ") << type;
    OpBuilder b(op);
    Location loc = op->getLoc();
    auto name = SymbolRefAttr::get(root->getContext(), libmName(*f, element));
    auto call = [&](ValueRange operands) -> Value {
      return LLVM::CallOp::create(b, loc, TypeRange{element}, name, operands).getResult();
    };
    Value result;
    if (auto vector = dyn_cast<VectorType>(type)) {
      if (vector.getRank() != 1 || vector.isScalable())
        return op->emitOpError("is not unrolled to one dimension before target");
      result = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
      for (int64_t i = 0; i < vector.getNumElements(); ++i) {
        SmallVector<Value> lanes;
        for (Value operand : op->getOperands())
          lanes.push_back(vector::ExtractOp::create(b, loc, operand, i));
        result = vector::InsertOp::create(b, loc, call(lanes), result, i);
      }
    } else {
      result = call(op->getOperands());
    }
    op->replaceAllUsesWith(ValueRange{result});
    op->erase();
  }
  return success();
}
