//===- RuntimeLengths.cpp - small integer operands of unknown length -------===//
// Axes, pads, repeats and shapes may come from outside with a length that only run time knows. Ranks are static here,
// so the length is either fixed by a rank (the repeats of Tile, the shape of a Reshape whose result is declared), or
// bounded by one (axes). In the first case the operand is viewed as a tensor of the length that it must have, which is
// checked at run time; in the second it is padded to the bound with entries that mean nothing. Rules and lowerings then
// see operands of static length only.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

namespace {
/// An axis that no dimension has.
constexpr int64_t kNoAxis = 1 << 20;

class Lengths {
public:
  Lengths(Operation *op, Shapes &s) : op(op), s(s) {}
  LogicalResult run(StringRef name);

private:
  bool given(unsigned i) { return i < op->getNumOperands() && isa<RankedTensorType>(op->getOperand(i).getType()); }
  /// Length of a one-dimensional operand: absent operands and scalars have none, kDynamic is an unknown one.
  std::optional<int64_t> length(unsigned i);
  bool unknown(unsigned i) { return length(i) == ShapedType::kDynamic; }
  FailureOr<Value> make(StringRef name, ValueRange operands, ArrayRef<NamedAttribute> attributes = {});
  Value constants(ArrayRef<int64_t> values, Type element);
  Value filled(int64_t n, int64_t value, Type element) { return constants(SmallVector<int64_t>(n, value), element); }
  NamedAttribute number(StringRef name, int64_t v);
  void view(unsigned i, int64_t n) { op->setOperand(i, viewed(op->getOperand(i), n)); }
  Value viewed(Value v, int64_t n);
  /// The first n of v ++ fallback, which has n entries; `front` puts the fallback before v and takes the last n.
  FailureOr<Value> padded(Value v, Value fallback, int64_t n, bool front = false);
  LogicalResult pad(unsigned i, int64_t n, int64_t fill);
  LogicalResult slice();
  LogicalResult padOperator();
  LogicalResult reduction();
  void col2Im();

  Operation *op;
  Shapes &s;
};
} // namespace

std::optional<int64_t> Lengths::length(unsigned i) {
  if (!given(i))
    return std::nullopt;
  auto type = cast<RankedTensorType>(op->getOperand(i).getType());
  if (type.getRank() != 1 || !isa<IntegerType>(type.getElementType()))
    return std::nullopt;
  return type.getDimSize(0);
}

NamedAttribute Lengths::number(StringRef name, int64_t v) {
  return s.b.getNamedAttr(name, IntegerAttr::get(s.b.getIntegerType(64, true), v));
}

FailureOr<Value> Lengths::make(StringRef name, ValueRange operands, ArrayRef<NamedAttribute> attributes) {
  OperationState state(op->getLoc(), ("onnx." + name).str(), operands, {}, attributes);
  Type element = s.element(operands[0]);
  if (name == "Shape")
    element = s.b.getI64Type();
  else if (name == "Equal")
    element = s.b.getI1Type();
  else if (name == "Cast")
    element = s.b.getI64Type();
  if (const onnx::OpSchema *schema = onnx::schemaOf(name))
    while (state.operands.size() < schema->inputs.size() && !schema->inputs[state.operands.size()].variadic)
      state.operands.push_back(onnx::NoValueOp::create(s.b, op->getLoc(), s.b.getNoneType()));
  state.addTypes(UnrankedTensorType::get(element));
  Operation *made = s.b.create(state);
  LogicalResult ok = s.infer(made);
  s.b.setInsertionPoint(op);
  if (failed(ok))
    return failure();
  return made->getResult(0);
}

Value Lengths::constants(ArrayRef<int64_t> values, Type element) {
  auto type = RankedTensorType::get({(int64_t)values.size()}, element);
  SmallVector<APInt> elements;
  for (int64_t v : values)
    elements.push_back(APInt(element.getIntOrFloatBitWidth(), v, true, /*implicitTrunc=*/true));
  return onnx::ConstantOp::create(s.b, op->getLoc(), type, DenseElementsAttr::get(type, elements));
}

Value Lengths::viewed(Value v, int64_t n) {
  auto type = cast<RankedTensorType>(v.getType());
  if (!type.isDynamicDim(0))
    return v;
  OperationState state(op->getLoc(), "onnx.Reshape");
  state.addOperands({v, onnx::NoValueOp::create(s.b, op->getLoc(), s.b.getNoneType())});
  state.addTypes(RankedTensorType::get({n}, type.getElementType()));
  return s.b.create(state)->getResult(0);
}

FailureOr<Value> Lengths::padded(Value v, Value fallback, int64_t n, bool front) {
  auto joined = make("Concat", front ? ValueRange{fallback, v} : ValueRange{v, fallback}, number("axis", 0));
  if (failed(joined))
    return failure();
  Type i64 = s.b.getI64Type();
  Value from = constants({front ? -n : 0}, i64), to = constants({front ? INT64_MAX : n}, i64);
  auto part = make("Slice", {*joined, from, to});
  if (failed(part))
    return failure();
  return viewed(*part, n);
}

LogicalResult Lengths::pad(unsigned i, int64_t n, int64_t fill) {
  Value v = op->getOperand(i);
  auto made = padded(v, filled(n, fill, s.element(v)), n);
  if (failed(made))
    return failure();
  op->setOperand(i, *made);
  return success();
}

LogicalResult Lengths::slice() {
  int64_t rank = s.rank(op->getOperand(0)), known = ShapedType::kDynamic;
  for (unsigned i = 1; i < 5; ++i)
    if (auto n = length(i); n && *n != ShapedType::kDynamic)
      known = *n;
  bool wide = given(1) && s.element(op->getOperand(1)).isInteger(64);
  const int64_t fills[] = {0, 0, wide ? INT64_MAX : INT32_MAX, kNoAxis, 1};
  for (unsigned i = 1; i < 5; ++i) {
    if (!unknown(i))
      continue;
    if (known != ShapedType::kDynamic)
      view(i, known);
    else if (failed(pad(i, rank, fills[i])))
      return failure();
  }
  return success();
}

LogicalResult Lengths::padOperator() {
  int64_t rank = s.rank(op->getOperand(0));
  if (!given(3)) {
    if (unknown(1))
      view(1, 2 * rank);
    return success();
  }
  if (!unknown(1) && unknown(3)) {
    view(3, length(1).value_or(0) / 2);
  } else if (unknown(1) && !unknown(3)) {
    view(1, 2 * length(3).value_or(1));
  } else if (unknown(1)) {
    Value pads = op->getOperand(1);
    auto n = make("Shape", op->getOperand(3));
    if (failed(n))
      return failure();
    Type element = s.element(pads);
    auto low = make("Slice", {pads, constants({0}, s.b.getI64Type()), *n});
    auto high = make("Slice", {pads, *n, constants({INT64_MAX}, s.b.getI64Type())});
    if (failed(low) || failed(high))
      return failure();
    auto first = padded(*low, filled(rank, 0, element), rank), second = padded(*high, filled(rank, 0, element), rank);
    if (failed(first) || failed(second))
      return failure();
    auto both = make("Concat", {*first, *second}, number("axis", 0));
    if (failed(both) || failed(pad(3, rank, kNoAxis)))
      return failure();
    op->setOperand(1, *both);
  }
  return success();
}

LogicalResult Lengths::reduction() {
  if (!unknown(1))
    return success();
  int64_t rank = s.rank(op->getOperand(0));
  Value axes = op->getOperand(1);
  SmallVector<int64_t> all;
  for (int64_t i = 0; i < rank; ++i)
    all.push_back(i);
  if (!onnx::intAttr(op, "keepdims", 1)) {
    auto result = declaredRank(op->getResult(0));
    if (!result || *result > rank)
      return success();
    if (*result == 0 && rank)
      op->setOperand(1, constants(all, s.element(axes)));
    else
      view(1, rank - *result);
    return success();
  }
  if (rank == 0) {
    view(1, 0);
    return success();
  }
  // Missing entries mean no axis. Without any entry all axes are meant, unless the operator says none.
  Value none = filled(rank, kNoAxis, s.element(axes)), fallback = none;
  if (!onnx::intAttr(op, "noop_with_empty_axes")) {
    auto n = make("Shape", axes);
    if (failed(n))
      return failure();
    auto empty = make("Equal", {*n, constants({0}, s.b.getI64Type())});
    if (failed(empty))
      return failure();
    auto factor = make("Cast", *empty, number("to", 7));
    SmallVector<int64_t> difference;
    for (int64_t i : all)
      difference.push_back(i - kNoAxis);
    auto shift = make("Mul", {constants(difference, s.b.getI64Type()), *factor});
    auto sum = make("Add", {none, *shift});
    if (failed(sum))
      return failure();
    fallback = *sum;
  }
  auto made = padded(axes, fallback, rank);
  if (failed(made))
    return failure();
  op->setOperand(1, *made);
  return success();
}

/// image_shape and block_shape have an entry for each dimension that an attribute, the other one or the result has.
void Lengths::col2Im() {
  std::optional<int64_t> n;
  for (StringRef attribute : {"dilations", "strides"})
    if (op->hasAttr(attribute))
      n = onnx::intsAttr(op, attribute).size();
  if (op->hasAttr("pads"))
    n = onnx::intsAttr(op, "pads").size() / 2;
  for (unsigned i : {1u, 2u})
    if (auto have = length(i); have && *have != ShapedType::kDynamic)
      n = *have;
  if (auto r = declaredRank(op->getResult(0)); r && !n && *r > 2)
    n = *r - 2;
  for (unsigned i : {1u, 2u})
    if (n && unknown(i))
      view(i, *n);
}

LogicalResult Lengths::run(StringRef name) {
  auto rank = [&] { return s.rank(op->getOperand(0)); };
  if (op->getNumOperands() == 0 || !given(0))
    return success();
  if (name == "Slice")
    return slice();
  if (name == "Pad")
    return padOperator();
  if (name.starts_with("Reduce"))
    return reduction();
  if (name == "Tile" && unknown(1))
    view(1, rank());
  else if (name == "Split" && unknown(1))
    view(1, op->getNumResults());
  else if ((name == "TopK" || name == "OneHot") && unknown(1))
    view(1, 1);
  else if (name == "Resize" && unknown(3))
    view(3, op->hasAttr("axes") ? onnx::intsAttr(op, "axes").size() : rank());
  else if ((name == "MaxUnpool" || name == "SelectBoxes") && unknown(2))
    view(2, name == "MaxUnpool" ? rank() : 1);
  else if (name == "Col2Im")
    col2Im();
  if (name == "ScatterND" || name == "GatherND") {
    // The last size of the indices follows from the ranks of the other tensors.
    Dims indices = s.dims(op->getOperand(1));
    if (indices.empty() || Shapes::asConstant(indices.back()))
      return success();
    int64_t most = rank() + indices.size() - 1 - onnx::intAttr(op, "batch_dims"), rest = -1;
    if (name == "ScatterND")
      rest = s.rank(op->getOperand(2));
    else if (auto r = declaredRank(op->getResult(0)))
      rest = *r;
    if (rest < 0 || most - rest < 0)
      return success();
    indices.back() = s.constant(most - rest);
    OperationState state(op->getLoc(), "onnx.Reshape");
    state.addOperands({op->getOperand(1), onnx::NoValueOp::create(s.b, op->getLoc(), s.b.getNoneType())});
    state.addTypes(onnx::withDims(s.element(op->getOperand(1)), indices));
    op->setOperand(1, s.b.create(state)->getResult(0));
    return success();
  }
  auto declared = [&] { return declaredRank(op->getResult(0)); };
  unsigned shape = name == "ConstantOfShape" ? 0 : 1;
  if (!unknown(shape))
    return success();
  if (name == "Reshape" || name == "ConstantOfShape") {
    if (auto r = declared())
      view(shape, *r);
  } else if (name == "AffineGrid") {
    // theta is (N, 2, 3) or (N, 3, 4), size has the two sizes of a batch and as many as an image has dimensions.
    Dims theta = s.dims(op->getOperand(0));
    auto rows = theta.size() == 3 ? Shapes::asConstant(theta[1]) : std::nullopt;
    if (auto r = declared(); rows || r)
      view(1, rows ? *rows + 2 : *r);
  } else if (name == "Squeeze" || name == "Unsqueeze") {
    if (auto r = declared(); r && (name == "Squeeze" ? *r <= rank() : *r >= rank()))
      view(1, std::abs(*r - rank()));
  } else if (name == "Expand") {
    if (auto r = declared(); r && *r > rank()) {
      view(1, *r);
    } else if (r) {
      auto made = padded(op->getOperand(1), filled(rank(), 1, s.element(op->getOperand(1))), rank(), /*front=*/true);
      if (failed(made))
        return failure();
      op->setOperand(1, *made);
    }
  }
  return success();
}

std::optional<int64_t> ssm::declaredRank(Value v) {
  // Through operators that keep the shape, down to an output of the model.
  for (int steps = 0; steps < 16; ++steps) {
    if (Operation *def = v.getDefiningOp(); def && def->getNumResults() == 1)
      if (auto rank = onnx::rankHint(def))
        return rank;
    Value next;
    for (OpOperand &use : v.getUses()) {
      Operation *user = use.getOwner();
      if (isa<func::ReturnOp>(user)) {
        auto main = cast<func::FuncOp>(user->getParentOp());
        if (auto rank = main.getResultAttrOfType<IntegerAttr>(use.getOperandNumber(), "onnx.rank"))
          return rank.getInt();
      }
      if (use.getOperandNumber() == 0 && keepsShape(user->getName().stripDialect()))
        next = user->getResult(0);
    }
    if (!next)
      return std::nullopt;
    v = next;
  }
  return std::nullopt;
}

LogicalResult ssm::fixLengths(Operation *op, StringRef name, Shapes &s) { return Lengths(op, s).run(name); }
