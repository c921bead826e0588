//===- WindowShapes.cpp - shapes of convolutions, pools and resampling -----===//
// Operators that look at an image through windows or at computed positions.
//===----------------------------------------------------------------------===//
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

static SmallVector<int64_t> orOnes(Operation *op, StringRef name, size_t n) {
  auto v = onnx::intsAttr(op, name);
  return v.empty() ? SmallVector<int64_t>(n, 1) : v;
}

/// Spatial sizes of a window operator (convolution or pool) over dims 2, 3, ...
static FailureOr<Dims> windows(Operation *op, Shapes &s, Dims in, ArrayRef<AffineExpr> kernel) {
  size_t n = kernel.size();
  auto strides = orOnes(op, "strides", n), dilations = orOnes(op, "dilations", n);
  auto pads = onnx::intsAttr(op, "pads");
  if (pads.empty())
    pads.assign(2 * n, 0);
  if (strides.size() != n || dilations.size() != n || pads.size() != 2 * n || in.size() != n + 2)
    return op->emitError("strides, dilations or pads do not fit ") << n << " spatial dimensions";
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  bool ceil = onnx::intAttr(op, "ceil_mode");
  Dims out;
  for (size_t i = 0; i < n; ++i) {
    AffineExpr x = in[i + 2], extent = (kernel[i] - 1) * dilations[i] + 1;
    if (strides[i] <= 0)
      return op->emitError("a stride is not positive");
    if (automatic.starts_with("SAME")) {
      out.push_back(x.ceilDiv(strides[i]));
      continue;
    }
    int64_t pad = automatic == "VALID" ? 0 : pads[i] + pads[i + n];
    AffineExpr span = x + pad - extent;
    if (!ceil) {
      out.push_back(span.floorDiv(strides[i]) + 1);
    } else {
      AffineExpr count = span.ceilDiv(strides[i]) + 1;
      // A window must start inside the input or its left padding.
      AffineExpr last = (x + pads[i] - 1).floorDiv(strides[i]) + 1;
      out.push_back(s.min(count, last));
    }
  }
  return out;
}

static LogicalResult conv(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0)), w = s.dims(op->getOperand(op->getName().stripDialect() == "QLinearConv" ? 3 : 1));
  if (x.size() < 3 || w.size() != x.size())
    return op->emitError("the input has rank ") << x.size() << ", the weights have rank " << w.size();
  int64_t group = onnx::intAttr(op, "group", 1);
  auto channels = Shapes::asConstant(x[1]), each = Shapes::asConstant(w[1]), filters = Shapes::asConstant(w[0]);
  if (group < 1 || (channels && each && *channels != *each * group) || (filters && *filters % group))
    return op->emitError("channels do not fit ") << group << " groups";
  s.require(op, x[1], w[1] * group);
  if (!filters && group > 1)
    s.require(op, w[0] % group, s.constant(0));
  auto spatial = windows(op, s, x, ArrayRef(w).drop_front(2));
  if (failed(spatial))
    return failure();
  Dims d = {x[0], w[0]};
  d.append(*spatial);
  s.set(op->getResult(0), d);
  return success();
}

static LogicalResult pool(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0)), kernel;
  for (int64_t k : onnx::intsAttr(op, "kernel_shape"))
    kernel.push_back(s.constant(k));
  auto spatial = windows(op, s, x, kernel);
  if (failed(spatial))
    return failure();
  Dims d = {x[0], x[1]};
  d.append(*spatial);
  for (Value r : op->getResults())
    s.set(r, d);
  return success();
}

static LogicalResult convTranspose(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0)), w = s.dims(op->getOperand(1));
  if (x.size() < 3 || w.size() != x.size())
    return op->emitError("the input has rank ") << x.size() << ", the weights have rank " << w.size();
  int64_t group = onnx::intAttr(op, "group", 1);
  auto channels = Shapes::asConstant(x[1]), filters = Shapes::asConstant(w[0]);
  if (group < 1 || (channels && filters && *channels != *filters) || (channels && *channels % group))
    return op->emitError("channels do not fit ") << group << " groups";
  s.require(op, x[1], w[0]);
  if (!channels && group > 1)
    s.require(op, x[1] % group, s.constant(0));
  size_t n = x.size() - 2;
  auto strides = orOnes(op, "strides", n), dilations = orOnes(op, "dilations", n);
  auto pads = onnx::intsAttr(op, "pads"), extra = onnx::intsAttr(op, "output_padding"),
       given = onnx::intsAttr(op, "output_shape");
  pads.resize(2 * n);
  extra.resize(n);
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  Dims d = {x[0], w[1] * onnx::intAttr(op, "group", 1)};
  for (size_t i = 0; i < n; ++i) {
    if (!given.empty())
      d.push_back(s.constant(given[given.size() - n + i]));
    else if (automatic.starts_with("SAME"))
      d.push_back(x[i + 2] * strides[i]);
    else
      d.push_back((x[i + 2] - 1) * strides[i] + extra[i] + (w[i + 2] - 1) * dilations[i] + 1 - pads[i] - pads[i + n]);
  }
  s.set(op->getResult(0), d);
  return success();
}

/// One scale for all axes, so that none is larger (or smaller) than its entry of sizes: of the sizes that each entry's
/// scale would give n elements, rounded half up, the least (or greatest).
static AffineExpr keptAspect(Shapes &s, bool notLarger, const Dims &in, ArrayRef<int64_t> axes, const Dims &sizes,
                             AffineExpr n) {
  AffineExpr best;
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    AffineExpr from = s.max(in[axis], s.constant(1));
    AffineExpr scaled = (size * n * 2 + from).floorDiv(from * 2);
    best = !best ? scaled : notLarger ? s.min(best, scaled) : s.max(best, scaled);
  }
  return best;
}

static LogicalResult resize(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  SmallVector<int64_t> axes = onnx::intsAttr(op, "axes");
  if (axes.empty())
    for (size_t i = 0; i < d.size(); ++i)
      axes.push_back(i);
  for (int64_t &axis : axes) {
    if (axis < -(int64_t)d.size() || axis >= (int64_t)d.size())
      return op->emitError("axis ") << axis << " is out of range";
    axis = normalAxis(axis, d.size());
  }
  Value scales = op->getOperand(2), sizes = op->getOperand(3);
  auto empty = [&](Value v) {
    auto t = dyn_cast<RankedTensorType>(v.getType());
    return !t || (t.hasStaticShape() && t.getNumElements() == 0);
  };
  if (!empty(sizes)) {
    auto e = s.elements(op, sizes);
    if (failed(e))
      return failure();
    if (e->size() != axes.size())
      return op->emitError("sizes has ") << e->size() << " entries for " << axes.size() << " axes";
    StringRef policy = onnx::stringAttr(op, "keep_aspect_ratio_policy", "stretch");
    Dims out = d;
    for (auto [i, axis] : llvm::enumerate(axes))
      out[axis] = policy == "stretch" ? (*e)[i] : keptAspect(s, policy == "not_larger", d, axes, *e, d[axis]);
    d = out;
  } else {
    if (empty(scales))
      return op->emitError("has neither scales nor sizes");
    // floor(size * scale), computed by ordinary operators when either is not constant.
    auto value = onnx::constantValue(scales);
    SmallVector<float> constant;
    if (value)
      for (APFloat v : value.getValues<APFloat>())
        constant.push_back(v.convertToFloat());
    if (value && constant.size() != axes.size())
      return op->emitError("scales has ") << constant.size() << " entries for " << axes.size() << " axes";
    for (auto [i, axis] : llvm::enumerate(axes)) {
      auto n = Shapes::asConstant(d[axis]);
      if (value && n) {
        d[axis] = s.constant((int64_t)std::floor((float)*n * constant[i]));
      } else if (value && constant[i] == std::floor(constant[i])) {
        d[axis] = d[axis] * (int64_t)constant[i];
      } else {
        auto f32 = s.b.getF32Type();
        auto si64 = [&](int64_t v) { return IntegerAttr::get(s.b.getIntegerType(64, true), v); };
        auto make = [&](StringRef name, ValueRange in, Type t, ArrayRef<NamedAttribute> attrs = {}) {
          OperationState state(op->getLoc(), ("onnx." + name).str(), in, {t}, attrs);
          return s.b.create(state)->getResult(0);
        };
        auto one = RankedTensorType::get({1}, s.b.getI64Type());
        Value size = onnx::DimsOp::create(s.b, op->getLoc(), one, AffineMap::get(0, 1 << 20, {d[axis]}, s.context));
        Value index = onnx::ConstantOp::create(s.b, op->getLoc(), one,
                                               DenseElementsAttr::get(one, ArrayRef<int64_t>{(int64_t)i}));
        auto oneFloat = RankedTensorType::get({1}, f32);
        Value scale = make("Gather", {scales, index}, oneFloat, s.b.getNamedAttr("axis", si64(0)));
        Value real = make("Cast", size, oneFloat, s.b.getNamedAttr("to", si64(1)));
        Value floored = make("Floor", make("Mul", {real, scale}, oneFloat), oneFloat);
        Value integer = make("Cast", floored, one, s.b.getNamedAttr("to", si64(7)));
        d[axis] = (*s.elements(op, integer))[0];
      }
    }
  }
  s.set(op->getResult(0), d);
  return success();
}

static LogicalResult col2Im(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0));
  auto image = s.elements(op, op->getOperand(1)), block = s.elements(op, op->getOperand(2));
  if (failed(image) || failed(block))
    return failure();
  if (x.size() != 3 || image->size() != block->size())
    return op->emitError("the input must have rank 3, image_shape and block_shape the same length");
  Dims d = {x[0], x[1].floorDiv(s.product(*block))};
  d.append(*image);
  s.set(op->getResult(0), d);
  return success();
}

static LogicalResult affineGrid(Operation *op, Shapes &s) {
  Dims theta = s.dims(op->getOperand(0));
  auto size = s.elements(op, op->getOperand(1));
  if (failed(size))
    return failure();
  if (size->size() != 4 && size->size() != 5)
    return op->emitError("size has ") << size->size() << " elements, not 4 or 5";
  Dims d = {theta[0]};
  d.append(size->begin() + 2, size->end());
  d.push_back(s.constant(size->size() - 2));
  s.set(op->getResult(0), d);
  return success();
}

static LogicalResult maxUnpool(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0)), d = {x[0], x[1]};
  if (op->getNumOperands() > 2 && !onnx::isNone(op->getOperand(2))) {
    auto given = s.elements(op, op->getOperand(2));
    if (failed(given))
      return failure();
    if (given->size() != x.size())
      return op->emitError("output_shape has ") << given->size() << " elements, the input rank " << x.size();
    s.set(op->getResult(0), *given);
    return success();
  }
  size_t n = x.size() - 2;
  auto kernel = onnx::intsAttr(op, "kernel_shape"), pads = onnx::intsAttr(op, "pads");
  auto strides = orOnes(op, "strides", n);
  pads.resize(2 * n);
  if (kernel.size() != n || strides.size() != n)
    return op->emitError("kernel_shape or strides do not fit ") << n << " spatial dimensions";
  for (size_t i = 0; i < n; ++i)
    d.push_back((x[i + 2] - 1) * strides[i] + (kernel[i] - pads[i] - pads[i + n]));
  s.set(op->getResult(0), d);
  return success();
}

/// The number of rows depends on the data: it is counted beside a table with room for all, of which a slice is the
/// result.
static LogicalResult nonMaxSuppression(Operation *op, Shapes &s) {
  s.set(op->getResult(0), {s.constant(0), s.constant(3)});
  if (op->use_empty())
    return success();
  auto i64 = s.b.getI64Type();
  auto vector = [&](int64_t v) -> Value {
    auto type = RankedTensorType::get({1}, i64);
    return onnx::ConstantOp::create(s.b, op->getLoc(), type, DenseElementsAttr::get(type, ArrayRef<int64_t>{v}));
  };
  SmallVector<Value> in(op->getOperands());
  Type table = UnrankedTensorType::get(i64), one = RankedTensorType::get({1}, i64);
  auto center = IntegerAttr::get(s.b.getIntegerType(64, true), onnx::intAttr(op, "center_point_box"));
  auto boxes = onnx::SelectBoxesOp::create(s.b, op->getLoc(), table, one, in[0], in[1], in[2], in[3], in[4], center);
  Value none = onnx::NoValueOp::create(s.b, op->getLoc(), s.b.getNoneType());
  OperationState state(op->getLoc(), "onnx.Slice", {boxes.getTable(), vector(0), boxes.getCount(), vector(0), none},
                       {table});
  Operation *slice = s.b.create(state);
  if (failed(s.infer(boxes)))
    return failure();
  s.b.setInsertionPoint(slice);
  if (failed(s.infer(slice)))
    return failure();
  op->getResult(0).replaceAllUsesWith(slice->getResult(0));
  return success();
}

static LogicalResult selectBoxes(Operation *op, Shapes &s) {
  Dims boxes = s.dims(op->getOperand(0)), scores = s.dims(op->getOperand(1));
  if (boxes.size() != 3 || scores.size() != 3)
    return op->emitError("boxes and scores must have rank 3");
  AffineExpr most = s.constant(0);
  if (!onnx::isNone(op->getOperand(2))) {
    auto given = s.elements(op, op->getOperand(2));
    if (failed(given))
      return failure();
    most = s.max(s.min(boxes[1], (*given)[0]), s.constant(0));
  }
  s.set(op->getResult(0), {scores[0] * scores[1] * most, s.constant(3)});
  s.set(op->getResult(1), {s.constant(1)});
  return success();
}

/// DepthToSpace and SpaceToDepth.
static LogicalResult blocks(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0));
  int64_t n = onnx::intAttr(op, "blocksize");
  if (x.size() != 4 || n < 1)
    return op->emitError("the input must have rank 4 and blocksize must be positive");
  if (op->getName().stripDialect() == "DepthToSpace") {
    if (auto channels = Shapes::asConstant(x[1]); channels && *channels % (n * n))
      return op->emitError("channels cannot be divided into blocks");
    s.require(op, x[1] % (n * n), s.constant(0));
    s.set(op->getResult(0), {x[0], x[1].floorDiv(n * n), x[2] * n, x[3] * n});
    return success();
  }
  for (AffineExpr e : {x[2], x[3]}) {
    if (auto size = Shapes::asConstant(e); size && *size % n)
      return op->emitError("the image cannot be divided into blocks");
    s.require(op, e % n, s.constant(0));
  }
  s.set(op->getResult(0), {x[0], x[1] * (n * n), x[2].floorDiv(n), x[3].floorDiv(n)});
  return success();
}

void ssm::addWindowShapes(llvm::StringMap<ShapeRule> &rules) {
  rules["DepthToSpace"] = rules["SpaceToDepth"] = blocks;
  rules["Conv"] = rules["ConvInteger"] = rules["QLinearConv"] = conv;
  rules["ConvTranspose"] = convTranspose;
  rules["MaxPool"] = rules["AveragePool"] = rules["LpPool"] = pool;
  rules["MaxUnpool"] = maxUnpool;
  for (const char *name : {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})
    rules[name] = [](Operation *op, Shapes &s) -> LogicalResult {
      Dims d = s.dims(op->getOperand(0));
      for (size_t i = 2; i < d.size(); ++i)
        d[i] = s.constant(1);
      s.set(op->getResult(0), d);
      return success();
    };
  rules["Col2Im"] = col2Im;
  rules["NonMaxSuppression"] = nonMaxSuppression;
  rules["SelectBoxes"] = selectBoxes;
  rules["Resize"] = resize;
  rules["AffineGrid"] = affineGrid;
  rules["GridSample"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims x = s.dims(op->getOperand(0)), g = s.dims(op->getOperand(1)), d = {x[0], x[1]};
    if (x.size() != g.size() || x.size() < 3)
      return op->emitError("the grid must have the rank of the input");
    d.append(g.begin() + 1, g.end() - 1);
    s.set(op->getResult(0), d);
    return success();
  };
  rules["DeformConv"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims x = s.dims(op->getOperand(0)), w = s.dims(op->getOperand(1)), offset = s.dims(op->getOperand(2)),
         d = {x[0], w[0]};
    if (x.size() != offset.size() || x.size() != w.size() || x.size() < 3)
      return op->emitError("the input, the weights and the offsets must have the same rank");
    d.append(offset.begin() + 2, offset.end());
    s.set(op->getResult(0), d);
    return success();
  };
  rules["RoiAlign"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims x = s.dims(op->getOperand(0)), rois = s.dims(op->getOperand(1));
    s.set(op->getResult(0), {rois[0], x[1], s.constant(onnx::intAttr(op, "output_height", 1)),
                             s.constant(onnx::intAttr(op, "output_width", 1))});
    return success();
  };
  rules["MaxRoiPool"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims x = s.dims(op->getOperand(0)), rois = s.dims(op->getOperand(1));
    auto cells = onnx::intsAttr(op, "pooled_shape");
    if (x.size() != 4 || cells.size() != 2)
      return op->emitError("the input must have rank 4 and pooled_shape two elements");
    s.set(op->getResult(0), {rois[0], x[1], s.constant(cells[0]), s.constant(cells[1])});
    return success();
  };
}
