//===- BatchStatistics.cpp - BatchNormalization that trains ----------------===//
// A BatchNormalization in training mode is one in inference mode with the mean and the variance of its own batch, which
// operators in front of it compute, and the running ones beside it. Versions before 14 train when they are asked for
// more than one output.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Import/Importer.h"

using namespace mlir;
using namespace ssm;

void Importer::takeBatchStatistics(Node &n, Location loc) {
  const auto *training = n.take("training_mode");
  size_t outputs = n.outputNames.size();
  if (n.version >= 14 ? !training || training->i() == 0 : outputs < 2)
    return;
  const auto *momentum = n.take("momentum");
  double kept = momentum ? momentum->f() : 0.9f;
  Type given = cast<TensorType>(n.operands[0].getType()).getElementType(), statistics = given.isF64() ? given : b.getF32Type();
  Type type = UnrankedTensorType::get(statistics), stored = cast<TensorType>(n.operands[3].getType()).getElementType();
  auto integer = [&](StringRef name, int64_t v) { return b.getNamedAttr(name, IntegerAttr::get(b.getIntegerType(64, true), v)); };
  auto cast = [&](Value v, Type to) -> Value {
    if (mlir::cast<TensorType>(v.getType()).getElementType() == to)
      return v;
    int64_t dtype = to.isF64() ? pb::TensorProto::DOUBLE : to.isF32() ? pb::TensorProto::FLOAT : to.isF16() ? pb::TensorProto::FLOAT16 : pb::TensorProto::BFLOAT16;
    return emit(loc, "Cast", v, UnrankedTensorType::get(to), integer("to", dtype));
  };
  auto scalar = [&](double v) { return constant(loc, DenseElementsAttr::get(RankedTensorType::get({}, statistics), b.getFloatAttr(statistics, v).getValue())); };
  // (batch, channels, all else), so that the axes do not depend on the rank.
  Value x = emit(loc, "Reshape", {cast(n.operands[0], statistics), constant(loc, intsConstant({0, 0, -1}))}, type);
  Value axes = constant(loc, intsConstant({0, 2}));
  auto average = [&](Value v, int64_t keep) { return emit(loc, "ReduceMean", {v, axes}, type, integer("keepdims", keep)); };
  Value centred = emit(loc, "Sub", {x, average(x, 1)}, type);
  Value mean = average(x, 0), variance = average(emit(loc, "Mul", {centred, centred}, type), 0);
  auto running = [&](Value before, Value now) {
    Value old = emit(loc, "Mul", {cast(before, statistics), scalar(kept)}, type);
    return cast(emit(loc, "Add", {old, emit(loc, "Mul", {now, scalar(1 - kept)}, type)}, type), stored);
  };
  for (size_t i = 1; i < outputs; ++i)
    if (!n.outputNames[i].empty()) {
      Value now = i % 2 ? mean : variance;
      define(n.outputNames[i], i < 3 ? running(n.operands[2 + i], now) : cast(now, stored)); // 3 and 4 are of this batch
    }
  n.outputNames.resize(1);
  n.operands[3] = cast(mean, stored);
  n.operands[4] = cast(variance, stored);
}
