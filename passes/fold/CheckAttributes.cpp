//===- CheckAttributes.cpp - attributes against ranks, and sizes -----------===//
// Shape rules and lowerings index with these numbers, so they are checked once, before any rule runs. What a schema says
// of kinds the importer has checked; this is what needs ranks.
//===----------------------------------------------------------------------===//
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

/// How far beyond the operand's dimensions an axis may point: 0 for most, 1 where the result has a dimension more or the
/// axis lies between dimensions; -1 for operators whose axis is checked by their rule or does not always count.
static int64_t slackOf(StringRef name) {
  return llvm::StringSwitch<int64_t>(name)
      .Cases({"Softmax", "LogSoftmax", "Hardmax", "ArgMax", "ArgMin", "Concat", "Split", "Gather", "GatherElements"}, 0)
      .Cases({"ScatterElements", "LayerNormalization", "RMSNormalization", "TopK", "LpNormalization", "Compress"}, 0)
      .Cases({"Unique", "SplitToSequence"}, 0)
      .Cases({"Flatten", "OneHot"}, 1)
      .Default(-1);
}

static LogicalResult checkAxis(Operation *op, StringRef name, int64_t rank) {
  int64_t slack = slackOf(name);
  if (slack < 0 || !(op->hasAttr("axis") || (onnx::schemaOf(op) && onnx::intAttr(op, "axis", INT64_MIN) != INT64_MIN)))
    return success();
  rank = std::max<int64_t>(rank, 1); // a scalar is one element along its only axis
  int64_t axis = onnx::intAttr(op, "axis"), lowest = name == "OneHot" ? -rank - 1 : -rank;
  if (axis < lowest || axis >= rank + slack)
    return op->emitError("axis ") << axis << " is out of range for rank " << rank;
  return success();
}

static LogicalResult checkPermutation(Operation *op, int64_t rank) {
  SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
  if (perm.empty() && !op->hasAttr("perm"))
    return success();
  if ((int64_t)perm.size() != rank)
    return op->emitError("perm has ") << perm.size() << " entries, the input has rank " << rank;
  llvm::SmallBitVector seen(rank);
  for (int64_t p : perm) {
    if (p < 0 || p >= rank || seen.test(p))
      return op->emitError("perm is no permutation of ") << rank << " dimensions";
    seen.set(p);
  }
  return success();
}

/// Windows: as many entries as the input has dimensions in space, none below what makes sense, none absurd.
static LogicalResult checkWindow(Operation *op, int64_t rank) {
  int64_t space = rank - 2;
  if (space < 1)
    return op->emitError("the input has rank ") << rank << ", at least 3 is needed";
  for (auto [name, lowest, entries] : {std::tuple("kernel_shape", 1, space), std::tuple("strides", 1, space),
                                       std::tuple("dilations", 1, space), std::tuple("pads", INT32_MIN, 2 * space)}) {
    SmallVector<int64_t> values = onnx::intsAttr(op, name);
    if (values.empty())
      continue;
    if ((int64_t)values.size() != entries)
      return op->emitError(name) << " has " << values.size() << " entries, " << entries << " are needed";
    for (int64_t v : values)
      if (v < lowest || v > INT32_MAX)
        return op->emitError(name) << " has the entry " << v;
  }
  if (int64_t group = onnx::intAttr(op, "group", 1); group < 1 || group > INT32_MAX)
    return op->emitError("group is ") << group;
  return success();
}

LogicalResult ssm::checkAttributes(Operation *op) {
  if (op->getNumOperands() == 0)
    return success();
  auto type = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
  if (!type)
    return success();
  StringRef name = op->getName().stripDialect();
  if (name == "Transpose")
    return checkPermutation(op, type.getRank());
  if (name == "Conv" || name == "ConvTranspose" || name == "ConvInteger" || name == "MaxPool" || name == "AveragePool" ||
      name == "LpPool" || name == "DeformConv")
    return checkWindow(op, type.getRank());
  return checkAxis(op, name, type.getRank());
}

static bool usesSymbols(AffineExpr e) {
  return e.walk([](AffineExpr part) {
            return isa<AffineSymbolExpr>(part) ? WalkResult::interrupt() : WalkResult::advance();
          }).wasInterrupted();
}

/// Files can ask for sizes that no tensor has; nothing after this phase looks at that again.
LogicalResult ssm::checkSizes(Operation *op) {
  constexpr int64_t kMaxRank = 16, kMaxElements = int64_t(1) << 46;
  for (auto [i, type] : llvm::enumerate(op->getResultTypes())) {
    auto t = dyn_cast<RankedTensorType>(type);
    if (!t)
      continue;
    if (t.getRank() > kMaxRank)
      return op->emitError("result ") << i << " has rank " << t.getRank() << ", more than " << kMaxRank;
    int64_t count = 1;
    for (auto [axis, size] : llvm::enumerate(t.getShape())) {
      if (ShapedType::isDynamic(size)) {
        // Constants whose product or sum overflows stay an expression of constants.
        AffineExpr e = onnx::getDimExpr(t, axis);
        if (!usesSymbols(e))
          return op->emitError("result ") << i << " has an impossible size in dimension " << axis;
        continue;
      }
      if (size < 0)
        return op->emitError("result ") << i << " has the impossible size " << size;
      if (size > 0 && count > kMaxElements / size)
        return op->emitError("result ") << i << " has more than 2^46 elements";
      count *= std::max<int64_t>(1, size);
    }
  }
  return success();
}
