//===- Normalise.cpp - old operator versions into the latest form ----------===//
// Every operator is read at its own since-version. Three kinds of change happened over the opsets: attributes became
// inputs, names or defaults changed, and in a few operators the meaning changed. libonnx's converter is not used: it is
// lossy (GroupNormalization-18, Resize-10) and knows one target only.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Import/Importer.h"

using namespace mlir;
using namespace ssm;

static SmallVector<int64_t> intsOf(const pb::AttributeProto *a) {
  return SmallVector<int64_t>(a->ints().begin(), a->ints().end());
}

void Importer::completeOperands(Node &n, Location loc) {
  // AffineGrid has as many sizes as its grid has dimensions.
  if (n.op != "AffineGrid" || n.operands.size() < 2)
    return;
  auto type = dyn_cast<RankedTensorType>(n.operands[1].getType());
  auto rank = ranks.find(n.outputNames[0]);
  if (rank == ranks.end() || !type || type.getRank() != 1 || !type.isDynamicDim(0))
    return;
  n.operands[1] = emit(loc, "Reshape", {n.operands[1], none(loc)}, RankedTensorType::get({rank->second}, type.getElementType()));
}

bool Importer::normalise(Node &n, Location loc) {
  StringRef op = n.op;
  int64_t v = n.version;
  auto atLeast = [&](unsigned count) {
    while (n.operands.size() < count)
      n.operands.push_back(none(loc));
  };
  auto toInput = [&](StringRef name, unsigned position) {
    if (const auto *a = n.take(name)) {
      atLeast(position + 1);
      n.operands[position] = constant(loc, intsConstant(intsOf(a)));
    }
  };
  auto floatToInput = [&](StringRef name, unsigned position) {
    if (const auto *a = n.take(name)) {
      Type element = cast<TensorType>(n.operands[0].getType()).getElementType();
      auto floats = dyn_cast<FloatType>(element);
      if (!floats)
        throw Refusal{"attribute '" + name.str() + "' on a tensor that is not of floats"};
      APFloat value(a->f());
      bool lost;
      value.convert(floats.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
      atLeast(position + 1);
      n.operands[position] = constant(loc, DenseElementsAttr::get(RankedTensorType::get({}, element), value));
    }
  };
  auto set = [&](StringRef name, Attribute value) { n.extra.push_back(b.getNamedAttr(name, value)); };
  auto setInt = [&](StringRef name, int64_t value) { set(name, IntegerAttr::get(b.getIntegerType(64, true), value)); };

  if ((op == "Squeeze" || op == "Unsqueeze") && v < 13)
    toInput("axes", 1);
  else if (op.starts_with("Reduce") && v < (op == "ReduceSum" ? 13 : 18))
    toInput("axes", 1);
  else if (op == "Split") {
    if (v < 13)
      toInput("split", 1);
    if (n.operands.size() < 2 || onnx::isNone(n.operands[1])) {
      if (v < 18)
        setInt("num_outputs", n.outputNames.size());
    }
  } else if (op == "Slice" && v < 10) {
    toInput("starts", 1);
    toInput("ends", 2);
    toInput("axes", 3);
  } else if (op == "Pad" && v < 11) {
    toInput(v == 1 ? "paddings" : "pads", 1);
    floatToInput("value", 2);
  } else if (op == "TopK" && v < 10) {
    if (const auto *k = n.take("k"))
      n.operands.push_back(constant(loc, intsConstant({k->i()})));
  } else if (op == "Clip" && v < 11) {
    floatToInput("min", 1);
    floatToInput("max", 2);
  } else if (op == "Dropout" && v < 12) {
    n.attributes.clear();
  } else if (op == "Reshape" && v < 5) {
    toInput("shape", 1);
  } else if (op == "Tile" && v < 6) {
    throw Refusal{"Tile-1 is not supported"};
  } else if (op == "Upsample" || (op == "Resize" && v < 11)) {
    n.op = "Resize";
    Value scales;
    if (op == "Upsample" && v < 9) {
      SmallVector<float> values;
      if (const auto *a = n.take("scales"))
        values.append(a->floats().begin(), a->floats().end());
      else if (const auto *h = n.take("height_scale"), *w = n.take("width_scale"); h && w)
        values = {1, 1, h->f(), w->f()};
      scales = constant(loc, DenseElementsAttr::get(RankedTensorType::get({(int64_t)values.size()}, b.getF32Type()),
                                                    ArrayRef<float>(values)));
    } else {
      scales = n.operands[1];
    }
    n.operands.resize(1);
    atLeast(2);
    n.operands.push_back(scales);
    std::string mode = "nearest";
    if (const auto *a = n.take("mode"))
      mode = a->s() == "bilinear" ? "linear" : a->s();
    set("mode", b.getStringAttr(mode));
    set("coordinate_transformation_mode", b.getStringAttr("asymmetric"));
    set("nearest_mode", b.getStringAttr("floor"));
  } else if ((op == "Softmax" || op == "LogSoftmax" || op == "Hardmax") && v < 13) {
    // The input was a matrix, all dims from axis on its columns.
    int64_t axis = 1;
    if (const auto *a = n.take("axis"))
      axis = a->i();
    Type type = n.operands[0].getType();
    auto si64 = [&](int64_t value) { return IntegerAttr::get(b.getIntegerType(64, true), value); };
    Value flat = emit(loc, "Flatten", n.operands[0], type, b.getNamedAttr("axis", si64(axis)));
    Value soft = emit(loc, n.op, flat, type, b.getNamedAttr("axis", si64(-1)));
    Value shape = emit(loc, "Shape", n.operands[0], UnrankedTensorType::get(b.getI64Type()));
    define(n.outputNames[0], emit(loc, "Reshape", {soft, shape}, type, b.getNamedAttr("allowzero", si64(1))));
    return false;
  } else if (v < 7 && (op == "Add" || op == "Sub" || op == "Mul" || op == "Div" || op == "Pow" || op == "And" ||
                       op == "Or" || op == "Xor" || op == "Greater" || op == "Less" || op == "Equal")) {
    const auto *axis = n.take("axis");
    n.take("broadcast");
    if (axis) {
      int64_t a = rankOf(n, 0), c = rankOf(n, 1);
      int64_t first = axis->i() < 0 ? axis->i() + a : axis->i();
      SmallVector<int64_t> trailing;
      for (int64_t i = c; first + i < a; ++i)
        trailing.push_back(i);
      if (!trailing.empty())
        n.operands[1] = emit(loc, "Unsqueeze", {n.operands[1], constant(loc, intsConstant(trailing))}, n.operands[1].getType());
    }
  } else if (op == "PRelu" && v < 7) {
    int64_t rank = rankOf(n, 0);
    if (rankOf(n, 1) == 1 && rank > 2) {
      SmallVector<int64_t> trailing;
      for (int64_t i = 1; i < rank - 1; ++i)
        trailing.push_back(i);
      n.operands[1] = emit(loc, "Unsqueeze", {n.operands[1], constant(loc, intsConstant(trailing))}, n.operands[1].getType());
    }
  } else if (op == "Cast" && v < 6) {
    const auto *to = n.take("to");
    int value = 0;
    if (!to || !pb::TensorProto::DataType_Parse(to->s(), (pb::TensorProto::DataType *)&value))
      throw Refusal{"Cast-1 to '" + (to ? to->s() : "") + "'"};
    setInt("to", value);
  } else if (op == "CastLike") {
    // Only the type of the second input counts, and it is known.
    Type element = cast<TensorType>(n.operands[1].getType()).getElementType();
    int to = 0;
    for (int d = 1; d <= pb::TensorProto::DataType_MAX && !to; ++d)
      if (pb::TensorProto::DataType_IsValid(d) && d != pb::TensorProto::STRING && elementType(d) == element)
        to = d;
    if (!to)
      throw Refusal{"CastLike to a type that is not supported"};
    n.op = "Cast";
    n.operands.resize(1);
    setInt("to", to);
  } else if (op == "Concat" && v < 4) {
    if (!n.attributes.count("axis"))
      setInt("axis", 1);
  } else if (op == "BatchNormalization" && v >= 14) {
    takeBatchStatistics(n, loc);
  } else if (op == "BatchNormalization") {
    if (const auto *spatial = n.take("spatial"); spatial && spatial->i() == 0)
      throw Refusal{"BatchNormalization with spatial = 0"};
    n.take("is_test");
    n.take("consumed_inputs");
    takeBatchStatistics(n, loc);
  } else if (op == "GroupNormalization" && v < 21) {
    // scale and bias were per group: repeat each for the channels of its group.
    auto si64 = [&](int64_t value) { return IntegerAttr::get(b.getIntegerType(64, true), value); };
    int64_t groups = n.attributes["num_groups"]->i();
    Type ints = UnrankedTensorType::get(b.getI64Type());
    Value channels = emit(loc, "Shape", n.operands[0], ints, {b.getNamedAttr("start", si64(1)), b.getNamedAttr("end", si64(2))});
    Value per = emit(loc, "Div", {channels, constant(loc, intsConstant({groups}))}, ints);
    Value one = constant(loc, intsConstant({1}));
    Value shape = emit(loc, "Concat", {one, per}, ints, b.getNamedAttr("axis", si64(0)));
    for (unsigned i : {1u, 2u}) {
      Type type = n.operands[i].getType();
      Value column = emit(loc, "Unsqueeze", {n.operands[i], one}, UnrankedTensorType::get(cast<TensorType>(type).getElementType()));
      Value wide = emit(loc, "Expand", {column, shape}, column.getType());
      n.operands[i] = emit(loc, "Reshape", {wide, constant(loc, intsConstant({-1}))}, column.getType());
    }
  } else if (op == "DFT" && v < 20) {
    int64_t axis = 1;
    if (const auto *a = n.take("axis"))
      axis = a->i();
    atLeast(3);
    n.operands[2] = constant(loc, intsConstant({axis}, true));
  } else if (op == "Scatter") {
    n.op = "ScatterElements";
  } else if (op == "Scan" && v < 9) {
    importBatchedScan(n, loc);
    return false;
  } else if (op == "SplitToSequence") {
    if (n.operands.size() > 1 && cast<TensorType>(n.operands[1].getType()).getElementType().isInteger(32))
      n.operands[1] = emit(loc, "Cast", n.operands[1], UnrankedTensorType::get(b.getI64Type()),
                           b.getNamedAttr("to", IntegerAttr::get(b.getIntegerType(64, true), pb::TensorProto::INT64)));
  } else if ((op == "RNN" || op == "GRU" || op == "LSTM") && v < 7) {
    n.take("output_sequence");
  } else if (op == "RoiAlign" && v < 16) {
    set("coordinate_transformation_mode", b.getStringAttr("output_half_pixel"));
  } else if (op == "LpPool" && v < 2) {
    if (const auto *p = n.take("p"))
      setInt("p", (int64_t)p->f());
  }
  // Numbers without a seed differ from node to node: two Dropouts of one value are not the same operation.
  if (op == "Dropout" && v >= 12 && !n.attributes.count("seed"))
    set("ssm.unseeded", b.getI64IntegerAttr(ordinal));
  n.take("consumed_inputs");
  return true;
}
