//===- ElementwiseShapes.cpp - shapes of elementwise operators -------------===//
// Broadcasts, and arithmetic on the known elements of small integer tensors.
//===----------------------------------------------------------------------===//
#include "passes/fold/Shapes.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ssm;

/// Elements of an operand of a broadcast of n elements.
static AffineExpr elementAt(const Dims &d, size_t i) { return d[d.size() == 1 ? 0 : i]; }

static void propagate(Operation *op, Shapes &s) {
  StringRef name = op->getName().stripDialect();
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  bool inOrder = op->getNumOperands() == 1; // else operands of several ranks would have to be broadcast
  if (!type || (type.getRank() > 1 && !inOrder) || !type.hasStaticShape() || type.getNumElements() > 64 ||
      !isa<IntegerType>(type.getElementType()))
    return;
  SmallVector<Dims> in;
  for (Value v : op->getOperands()) {
    auto k = s.known(v);
    if (!k || k->empty())
      return;
    in.push_back(*k);
  }
  Dims out;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    auto x = [&](unsigned k) { return elementAt(in[k], i); };
    AffineExpr e;
    auto ca = Shapes::asConstant(x(0));
    auto cb = in.size() > 1 ? Shapes::asConstant(x(1)) : std::nullopt;
    if (name == "Add") e = x(0) + x(1);
    else if (name == "Sub") e = x(0) - x(1);
    else if (name == "Mul") e = x(0) * x(1);
    else if (name == "Neg") e = -x(0);
    else if (name == "Identity") e = x(0);
    else if (name == "Cast" && type.getElementType().isInteger(1)) e = s.constant(1) - s.equal(x(0), s.constant(0));
    else if (name == "Cast" && (ca ? llvm::isInt<31>(*ca) : true) && type.getElementType().getIntOrFloatBitWidth() >= 32) e = x(0);
    else if (name == "Div" && ca && cb && *cb) e = s.constant(*ca / *cb);
    else if (name == "Div" && cb && *cb > 0) e = s.quotient(x(0), x(1)); // sizes: floor is truncation
    else if (name == "Mod" && cb && *cb > 0) e = x(0) % x(1);
    else if (name == "Min" && in.size() == 2) e = s.min(x(0), x(1));
    else if (name == "Max" && in.size() == 2) e = s.max(x(0), x(1));
    else if (name == "Equal" && ((ca && cb) || x(0) == x(1))) e = s.equal(x(0), x(1));
    // No size is below zero: what `Where(shape == -1, 1, shape)` of exporters asks.
    else if (name == "Equal" && ((ca && *ca < 0 && s.isNonNegative(x(1))) || (cb && *cb < 0 && s.isNonNegative(x(0))))) e = s.constant(0);
    else if (name == "Less" && ca && cb) e = s.less(x(0), x(1));
    else if (name == "Greater" && ca && cb) e = s.less(x(1), x(0));
    else if (name == "Not" && ca) e = s.constant(!*ca);
    else if (name == "Where" && ca) e = *ca ? x(1) : x(2);
    else if (name == "And" && ca && cb) e = s.constant(*ca && *cb);
    else if (name == "Or" && ca && cb) e = s.constant(*ca || *cb);
    else if (name == "Abs" && ca) e = s.constant(std::abs(*ca));
    else if (name == "Sign" && ca) e = s.constant((*ca > 0) - (*ca < 0));
    else return;
    out.push_back(e);
  }
  s.setKnown(op->getResult(0), out);
}

static LogicalResult broadcastRule(Operation *op, Shapes &s) {
  Dims d;
  for (auto [i, v] : llvm::enumerate(op->getOperands())) {
    if (onnx::isNone(v))
      continue;
    if (!s.ranked(v))
      return op->emitError("the rank of input ") << i << " is not known";
    d = s.broadcast(d, s.dims(v));
  }
  s.set(op->getResult(0), d);
  propagate(op, s);
  return success();
}

/// Results have the shape of operand 0.
static LogicalResult sameRule(Operation *op, Shapes &s) {
  if (!s.ranked(op->getOperand(0))) { // Identity of a sequence or an optional
    op->getResult(0).setType(op->getOperand(0).getType());
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    return success();
  }
  for (Value r : op->getResults())
    s.set(r, s.dims(op->getOperand(0)));
  propagate(op, s);
  return success();
}

bool ssm::keepsShape(StringRef opType) {
  const ShapeRule *rule = shapeRule(opType);
  auto *function = rule ? rule->target<LogicalResult (*)(Operation *, Shapes &)>() : nullptr;
  return function && *function == sameRule;
}

void ssm::addElementwiseShapes(llvm::StringMap<ShapeRule> &rules) {
  for (const char *name :
       {"Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual",
        "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor"})
    rules[name] = broadcastRule;
  for (const char *name :
       {"Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "CastLike", "Ceil", "Celu", "Clip",
        "Cos", "Cosh", "CumSum", "CumProd", "DequantizeLinear", "Dropout", "Elu", "Erf", "Exp", "EyeLike", "Floor", "Gelu",
        "HardSigmoid", "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LeakyRelu",
        "Log", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "PRelu",
        "QuantizeLinear", "RandomNormalLike", "RandomUniformLike", "Reciprocal", "Relu", "ReverseSequence", "Round",
        "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax", "Softplus",
        "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "TensorScatter", "ThresholdedRelu", "Trilu", "GroupNormalization",
        "ms.Gelu", "ms.FastGelu", "ms.QuickGelu", "ms.BiasGelu"})
    rules[name] = sameRule;
  rules["BitCast"] = [](Operation *op, Shapes &s) -> LogicalResult {
    auto bits = [](Type t) -> int64_t { // a bool is a byte
      if (auto c = dyn_cast<ComplexType>(t))
        return 2 * c.getElementType().getIntOrFloatBitWidth();
      return t.isInteger(1) ? 8 : t.getIntOrFloatBitWidth();
    };
    if (bits(s.element(op->getOperand(0))) != bits(s.element(op->getResult(0))))
      return op->emitError("BitCast between types of different widths is not supported");
    s.set(op->getResult(0), s.dims(op->getOperand(0)));
    return success();
  };
}
