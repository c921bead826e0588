//===- SignalShapes.cpp - shapes of spectra and random tensors -------------===//
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

static LogicalResult dft(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  bool onesided = onnx::intAttr(op, "onesided"), inverse = onnx::intAttr(op, "inverse");
  AffineExpr axis = s.constant(-2);
  if (!onnx::isNone(op->getOperand(2))) {
    auto given = s.elements(op, 2, 1);
    if (failed(given))
      return failure();
    axis = (*given)[0];
  }
  std::optional<int64_t> fixed = Shapes::asConstant(axis);
  if (fixed && (normalAxis(*fixed, d.size()) < 0 || normalAxis(*fixed, d.size()) + 1 >= (int64_t)d.size()))
    return op->emitError("axis is out of range");
  AffineExpr length;
  if (!onnx::isNone(op->getOperand(1))) {
    auto given = s.elements(op, 1, 1);
    if (failed(given))
      return failure();
    length = (*given)[0];
  }
  for (size_t i = 0; i + 1 < d.size(); ++i) {
    AffineExpr n = length ? length : onesided && inverse ? (d[i] - 1) * 2 : d[i];
    d[i] = s.select(s.isAxis(axis, d.size(), i), onesided && !inverse ? n.floorDiv(2) + 1 : n, d[i]);
  }
  d.back() = s.constant(onesided && inverse ? 1 : 2);
  s.set(op->getResult(0), d);
  return success();
}

/// The frames of a signal, each under the window, through a DFT.
static LogicalResult stft(Operation *op, Shapes &s) {
  Location loc = op->getLoc();
  Value signal = op->getOperand(0), window = op->getOperand(2);
  Type t = s.element(signal), i64 = s.b.getI64Type();
  Dims d = s.dims(signal);
  if (d.size() != 3)
    return op->emitError("the signal has rank ") << d.size() << ", expected 3";
  auto step = s.elements(op, 1, 1);
  if (failed(step))
    return failure();
  AffineExpr n = d[1];
  if (!onnx::isNone(op->getOperand(3))) {
    auto given = s.elements(op, 3, 1);
    if (failed(given))
      return failure();
    n = (*given)[0];
  } else if (!onnx::isNone(window)) {
    n = s.dims(window)[0];
  }
  AffineExpr frames = s.max((d[1] - n).floorDiv((*step)[0]) + 1, s.constant(0));
  auto list = [&](AffineExpr size) {
    Value limit = s.make(loc, "Squeeze", {s.sizes(loc, size), s.ints(loc, {0})}, i64);
    return s.make(loc, "Range", {s.scalar(loc, 0), limit, s.scalar(loc, 1)}, i64);
  };
  Value starts = s.make(loc, "Mul", {list(frames), s.sizes(loc, (*step)[0])}, i64);
  Value at = s.make(loc, "Add", {s.make(loc, "Unsqueeze", {starts, s.ints(loc, {1})}, i64), list(n)}, i64);
  Value framed = s.make(loc, "Gather", {signal, at}, t, s.integer("axis", 1));
  if (!onnx::isNone(window)) {
    if (s.element(window) != t)
      return op->emitError("window and signal differ in type");
    framed = s.make(loc, "Mul", {framed, s.make(loc, "Unsqueeze", {window, s.ints(loc, {1})}, t)}, t);
  }
  Value none = onnx::NoValueOp::create(s.b, loc, s.b.getNoneType());
  Value spectrum = s.make(loc, "DFT", {framed, none, s.scalar(loc, 2)}, t, s.integer("onesided", onnx::intAttr(op, "onesided", 1)));
  if (!spectrum)
    return failure();
  op->getResult(0).setType(spectrum.getType());
  op->getResult(0).replaceAllUsesWith(spectrum);
  return success();
}

void ssm::addSignalShapes(llvm::StringMap<ShapeRule> &rules) {
  rules["DFT"] = dft;
  rules["STFT"] = stft;
  rules["MelWeightMatrix"] = [](Operation *op, Shapes &s) -> LogicalResult {
    auto bins = s.elements(op, 0, 1), length = s.elements(op, 1, 1);
    if (failed(bins) || failed(length))
      return failure();
    s.set(op->getResult(0), {(*length)[0].floorDiv(2) + 1, (*bins)[0]});
    return success();
  };
  rules["CausalConvWithState"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0)), w = s.dims(op->getOperand(1));
    if (d.size() != 3 || w.size() != 3)
      return op->emitError("input and weight must have rank 3");
    StringRef activation = onnx::stringAttr(op, "activation", "none");
    if (activation != "none" && activation != "silu" && activation != "swish")
      return op->emitError("unknown activation '") << activation << "'";
    s.require(op, w[0], d[1]);
    if (!onnx::isNone(op->getOperand(3)))
      s.require(op, s.dims(op->getOperand(3))[2], w[2] - 1);
    s.set(op->getResult(0), d);
    if (op->getNumResults() > 1)
      s.set(op->getResult(1), {d[0], d[1], w[2] - 1});
    return success();
  };
  rules["Multinomial"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), {s.dims(op->getOperand(0))[0], s.constant(onnx::intAttr(op, "sample_size", 1))});
    return success();
  };
}
