//===- NeuralShapes.cpp - shapes of contractions, reductions, windows ------===//
// Products, reductions, normalisations, convolutions and pools, recurrent layers.
//===----------------------------------------------------------------------===//
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

static LogicalResult matmul(Operation *op, Shapes &s) {
  Dims a = s.dims(op->getOperand(0)), b = s.dims(op->getOperand(1));
  if (a.empty() || b.empty())
    return op->emitError("inputs must have at least one dimension");
  bool vectorA = a.size() == 1, vectorB = b.size() == 1;
  if (vectorA)
    a.insert(a.begin(), s.constant(1));
  if (vectorB)
    b.push_back(s.constant(1));
  AffineExpr k = a.back(), other = b[b.size() - 2];
  if (isa<AffineConstantExpr>(k) && isa<AffineConstantExpr>(other) && k != other)
    return op->emitError("contracts sizes ") << *Shapes::asConstant(k) << " and " << *Shapes::asConstant(other);
  s.require(op, k, other);
  Dims d = s.broadcast(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (!vectorA)
    d.push_back(a[a.size() - 2]);
  if (!vectorB)
    d.push_back(b.back());
  s.set(op->getResult(0), d);
  return success();
}

static LogicalResult gemm(Operation *op, Shapes &s) {
  Dims a = s.dims(op->getOperand(0)), b = s.dims(op->getOperand(1));
  if (a.size() != 2 || b.size() != 2)
    return op->emitError("inputs must be matrices");
  bool ta = onnx::intAttr(op, "transA"), tb = onnx::intAttr(op, "transB");
  AffineExpr k = a[ta ? 0 : 1], l = b[tb ? 1 : 0];
  if (isa<AffineConstantExpr>(k) && isa<AffineConstantExpr>(l) && k != l)
    return op->emitError("contracts different sizes");
  s.require(op, k, l);
  s.set(op->getResult(0), {a[ta ? 1 : 0], b[tb ? 0 : 1]});
  return success();
}

/// Reduce*: axes are an operand; ArgMin and ArgMax: an attribute.
static LogicalResult reduction(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0)), out;
  SmallVector<int64_t> axes;
  bool keep = onnx::intAttr(op, "keepdims", 1);
  if (op->hasAttr("axis") || op->getNumOperands() < 2) {
    axes.push_back(wrapAxis(onnx::intAttr(op, "axis"), d.size()));
  } else if (!onnx::isNone(op->getOperand(1))) {
    auto k = s.elements(op, op->getOperand(1));
    if (failed(k))
      return failure();
    if (llvm::any_of(*k, [](AffineExpr e) { return !isa<AffineConstantExpr>(e); })) {
      if (keep)
        for (size_t i = 0; i < d.size(); ++i)
          d[i] = s.select(s.isAxis(*k, d.size(), i), s.constant(1), d[i]);
      s.set(op->getResult(0), keep ? d : keptDims(s, d, *k));
      return success();
    }
    for (AffineExpr e : *k) {
      auto c = Shapes::asConstant(e);
      if (!c || *c < -(int64_t)d.size() || *c >= (int64_t)d.size())
        return op->emitError("an axis is out of range");
      axes.push_back(wrapAxis(*c, d.size()));
    }
  }
  if (axes.empty() && !onnx::intAttr(op, "noop_with_empty_axes"))
    for (size_t i = 0; i < d.size(); ++i)
      axes.push_back(i);
  for (size_t i = 0; i < d.size(); ++i) {
    if (!llvm::is_contained(axes, i))
      out.push_back(d[i]);
    else if (keep)
      out.push_back(s.constant(1));
  }
  s.set(op->getResult(0), out);
  if (auto k = s.known(op->getOperand(0)); k && out.size() <= 1 && s.rank(op->getOperand(0)) == 1 && !axes.empty()) {
    StringRef name = op->getName().stripDialect();
    if (name == "ReduceProd")
      s.setKnown(op->getResult(0), {s.product(*k)});
    else if (name == "ReduceSum") {
      AffineExpr e = s.constant(0);
      for (AffineExpr x : *k)
        e = e + x;
      s.setKnown(op->getResult(0), {e});
    }
  }
  return success();
}

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
  size_t n = x.size() - 2;
  auto strides = orOnes(op, "strides", n), dilations = orOnes(op, "dilations", n);
  auto pads = onnx::intsAttr(op, "pads"), extra = onnx::intsAttr(op, "output_padding"), given = onnx::intsAttr(op, "output_shape");
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

static LogicalResult recurrent(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0)), r = s.dims(op->getOperand(2));
  if (x.size() != 3 || r.size() != 3)
    return op->emitError("X and R must have rank 3");
  bool batchFirst = onnx::intAttr(op, "layout");
  AffineExpr directions = r[0], hidden = r[2], length = x[batchFirst ? 1 : 0], batch = x[batchFirst ? 0 : 1];
  if (batchFirst)
    s.set(op->getResult(0), {batch, length, directions, hidden});
  else
    s.set(op->getResult(0), {length, directions, batch, hidden});
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    s.set(op->getResult(i), batchFirst ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden});
  return success();
}

static LogicalResult einsum(Operation *op, Shapes &s) {
  std::string text;
  for (char c : onnx::stringAttr(op, "equation"))
    if (c != ' ')
      text.push_back(c);
  StringRef equation = text;
  auto [left, right] = equation.split("->");
  bool explicitOutput = equation.contains("->");
  llvm::SmallDenseMap<char, AffineExpr> sizes;
  std::map<char, int> uses;
  Dims ellipsis;
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != op->getNumOperands())
    return op->emitError("equation '") << equation << "' has " << terms.size() << " terms";
  for (auto [v, term] : llvm::zip(op->getOperands(), terms)) {
    Dims d = s.dims(v);
    size_t letters = llvm::count_if(term, [](char c) { return c != '.'; });
    if (letters > d.size() || (!term.contains("...") && letters != d.size()))
      return op->emitError("term '") << term << "' does not fit rank " << d.size();
    size_t at = 0;
    for (size_t i = 0; i < term.size(); ++i) {
      if (term[i] == '.') {
        size_t n = d.size() - letters;
        ellipsis = s.broadcast(ellipsis, ArrayRef(d).slice(at, n));
        at += n;
        i += 2;
        continue;
      }
      AffineExpr &e = sizes[term[i]];
      e = e ? s.broadcast(e, d[at]) : d[at];
      ++uses[term[i]];
      ++at;
    }
  }
  Dims out;
  if (!explicitOutput) {
    out = ellipsis;
    for (auto [c, n] : uses)
      if (n == 1)
        out.push_back(sizes[c]);
  } else {
    for (size_t i = 0; i < right.size(); ++i) {
      if (right[i] == '.') {
        out.append(ellipsis);
        i += 2;
      } else if (!sizes.count(right[i])) {
        return op->emitError("equation '") << equation << "' has an unknown output letter";
      } else {
        out.push_back(sizes[right[i]]);
      }
    }
  }
  s.set(op->getResult(0), out);
  return success();
}

static LogicalResult normalisation(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  s.set(op->getResult(0), d);
  int64_t axis = wrapAxis(onnx::intAttr(op, "axis", -1), d.size());
  for (unsigned i = 1; i < op->getNumResults(); ++i) {
    Dims e = d;
    for (size_t k = axis; k < e.size(); ++k)
      e[k] = s.constant(1);
    s.set(op->getResult(i), e);
  }
  return success();
}

static LogicalResult resize(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  SmallVector<int64_t> axes = onnx::intsAttr(op, "axes");
  if (axes.empty())
    for (size_t i = 0; i < d.size(); ++i)
      axes.push_back(i);
  Value scales = op->getOperand(2), sizes = op->getOperand(3);
  auto empty = [&](Value v) {
    auto t = dyn_cast<RankedTensorType>(v.getType());
    return !t || (t.hasStaticShape() && t.getNumElements() == 0);
  };
  if (!empty(sizes)) {
    if (onnx::stringAttr(op, "keep_aspect_ratio_policy", "stretch") != "stretch")
      return op->emitError("keep_aspect_ratio_policy other than stretch is not supported");
    auto e = s.elements(op, sizes);
    if (failed(e))
      return failure();
    if (e->size() != axes.size())
      return op->emitError("sizes has ") << e->size() << " entries for " << axes.size() << " axes";
    for (auto [i, axis] : llvm::enumerate(axes))
      d[wrapAxis(axis, d.size())] = (*e)[i];
  } else {
    if (empty(scales))
      return op->emitError("has neither scales nor sizes");
    // floor(size * scale), computed by ordinary operators when either is not constant.
    auto value = onnx::constantValue(scales);
    SmallVector<float> constant;
    if (value)
      for (APFloat v : value.getValues<APFloat>())
        constant.push_back(v.convertToFloat());
    for (auto [i, a] : llvm::enumerate(axes)) {
      int64_t axis = wrapAxis(a, d.size());
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
        Value index = onnx::ConstantOp::create(s.b, op->getLoc(), one, DenseElementsAttr::get(one, ArrayRef<int64_t>{(int64_t)i}));
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

void ssm::addNeuralShapes(llvm::StringMap<ShapeRule> &rules) {
  rules["MatMul"] = rules["MatMulInteger"] = matmul;
  rules["Gemm"] = gemm;
  rules["Einsum"] = einsum;
  for (const char *name : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
                           "ReduceProd", "ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin"})
    rules[name] = reduction;
  rules["Conv"] = rules["ConvInteger"] = rules["QLinearConv"] = conv;
  rules["ConvTranspose"] = convTranspose;
  rules["MaxPool"] = rules["AveragePool"] = rules["LpPool"] = pool;
  for (const char *name : {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})
    rules[name] = [](Operation *op, Shapes &s) -> LogicalResult {
      Dims d = s.dims(op->getOperand(0));
      for (size_t i = 2; i < d.size(); ++i)
        d[i] = s.constant(1);
      s.set(op->getResult(0), d);
      return success();
    };
  rules["LSTM"] = rules["GRU"] = rules["RNN"] = recurrent;
  rules["LayerNormalization"] = rules["RMSNormalization"] = normalisation;
  rules["BatchNormalization"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), s.dims(op->getOperand(0)));
    for (unsigned i = 1; i < op->getNumResults(); ++i)
      s.set(op->getResult(i), s.dims(op->getOperand(1)));
    return success();
  };
  rules["Resize"] = resize;
  rules["QLinearMatMul"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims a = s.dims(op->getOperand(0)), b = s.dims(op->getOperand(3));
    Dims d = s.broadcast(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
    d.push_back(a[a.size() - 2]);
    d.push_back(b.back());
    s.set(op->getResult(0), d);
    return success();
  };
  rules["Det"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), ArrayRef(s.dims(op->getOperand(0))).drop_back(2));
    return success();
  };
  rules["GridSample"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims x = s.dims(op->getOperand(0)), g = s.dims(op->getOperand(1)), d = {x[0], x[1]};
    d.append(g.begin() + 1, g.end() - 1);
    s.set(op->getResult(0), d);
    return success();
  };
  for (const char *name : {"RandomNormal", "RandomUniform"})
    rules[name] = [](Operation *op, Shapes &s) -> LogicalResult {
      Dims d;
      for (int64_t n : onnx::intsAttr(op, "shape"))
        d.push_back(s.constant(n));
      s.set(op->getResult(0), d);
      return success();
    };
}
