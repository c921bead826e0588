//===- MovementShapes.cpp - shapes of operators that move elements ---------===//
// Views, slices, gathers, concatenation, sequences and what makes tensors from sizes.
//===----------------------------------------------------------------------===//
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

static std::optional<SmallVector<int64_t>> constants(const Dims &d) {
  SmallVector<int64_t> out;
  for (AffineExpr e : d) {
    auto c = Shapes::asConstant(e);
    if (!c)
      return std::nullopt;
    out.push_back(*c);
  }
  return out;
}

/// Axes of a constant operand; all axes when it is absent.
static FailureOr<SmallVector<int64_t>> axesOf(Operation *op, Shapes &s, unsigned operand, int64_t rank) {
  SmallVector<int64_t> axes;
  if (operand >= op->getNumOperands() || onnx::isNone(op->getOperand(operand))) {
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
    return axes;
  }
  auto known = s.known(op->getOperand(operand));
  auto values = known ? constants(*known) : std::nullopt;
  if (!values)
    return op->emitError("axes that are computed at run time are not supported");
  for (int64_t a : *values) {
    if (a < -rank || a >= rank)
      return op->emitError("axis ") << a << " is out of range for rank " << rank;
    axes.push_back(normalAxis(a, rank));
  }
  return axes;
}

/// Axes that only run time knows, as expressions; nothing when they are constant or absent.
static std::optional<FailureOr<Dims>> runtimeAxes(Operation *op, Shapes &s, unsigned operand) {
  if (operand >= op->getNumOperands() || onnx::isNone(op->getOperand(operand)))
    return std::nullopt;
  auto known = s.known(op->getOperand(operand));
  if (known && constants(*known))
    return std::nullopt;
  return s.elements(op, op->getOperand(operand));
}

Dims ssm::keptDims(Shapes &s, ArrayRef<AffineExpr> d, ArrayRef<AffineExpr> axes) {
  Dims out;
  int64_t rank = d.size(), kept = rank - axes.size();
  for (int64_t k = 0; k < kept; ++k) {
    AffineExpr size = s.constant(0), before = s.constant(0);
    for (int64_t i = 0; i < rank; ++i) {
      AffineExpr stays = s.constant(1) - s.isAxis(axes, rank, i);
      size = size + stays * s.equal(before, s.constant(k)) * d[i];
      before = before + stays;
    }
    out.push_back(size);
  }
  return out;
}

static LogicalResult reshape(Operation *op, Shapes &s) {
  Value x = op->getOperand(0);
  if (onnx::isNone(op->getOperand(1)))
    return success();
  auto shape = s.elements(op, op->getOperand(1));
  if (failed(shape))
    return failure();
  Dims in = s.dims(x), out;
  bool allowZero = onnx::intAttr(op, "allowzero");
  int64_t missing = -1;
  for (auto [i, e] : llvm::enumerate(*shape)) {
    auto c = Shapes::asConstant(e);
    if (c && *c == 0 && !allowZero) {
      if (i >= in.size())
        return op->emitError("shape copies dimension ") << i << " of an input of rank " << in.size();
      e = in[i];
    } else if (c && *c == -1) {
      if (missing >= 0)
        return op->emitError("shape has more than one -1");
      missing = i;
    } else if (c && *c < -1) {
      return op->emitError("shape has the size ") << *c;
    }
    out.push_back(e);
  }
  // Elements read at run time may be 0 or -1 as well.
  bool runtime = false;
  for (Operation *user : op->getOperand(1).getUsers())
    runtime |= user->getName().getStringRef() == "ssm.bind_element";
  if (runtime) {
    Dims positive;
    for (auto [i, e] : llvm::enumerate(out)) {
      if (!allowZero && i < in.size())
        e = s.select(s.equal(e, s.constant(0)), in[i], e);
      positive.push_back(s.select(s.equal(e, s.constant(-1)), s.constant(1), e));
    }
    AffineExpr total = s.product(in), others = s.product(positive);
    AffineExpr inferred = total.floorDiv(s.max(others, s.constant(1)));
    for (AffineExpr &e : out)
      if (!Shapes::asConstant(e))
        e = s.select(s.equal(e, s.constant(-1)), inferred, e);
  } else if (missing >= 0) {
    Dims others = out;
    others.erase(others.begin() + missing);
    out[missing] = s.quotient(in, others);
  }
  s.set(op->getResult(0), out);
  if (auto k = s.known(x))
    s.setKnown(op->getResult(0), *k);
  return success();
}

/// The elements at these places of every axis, row by row.
static Dims placesOf(const Dims &elements, ArrayRef<int64_t> sizes, ArrayRef<SmallVector<int64_t>> kept) {
  SmallVector<int64_t> places = {0};
  for (auto [n, own] : llvm::zip(sizes, kept)) {
    SmallVector<int64_t> next;
    for (int64_t before : places)
      for (int64_t i : own)
        next.push_back(before * n + i);
    places = std::move(next);
  }
  Dims out;
  for (int64_t i : places)
    out.push_back(elements[i]);
  return out;
}

static LogicalResult slice(Operation *op, Shapes &s) {
  Value x = op->getOperand(0);
  Dims d = s.dims(x);
  auto starts = s.elements(op, op->getOperand(1)), ends = s.elements(op, op->getOperand(2));
  if (failed(starts) || failed(ends))
    return failure();
  FailureOr<Dims> steps = Dims(starts->size(), s.constant(1));
  if (op->getNumOperands() > 4 && !onnx::isNone(op->getOperand(4)))
    steps = s.elements(op, op->getOperand(4));
  if (auto given = runtimeAxes(op, s, 3)) {
    if (failed(*given) || failed(steps) || (*given)->size() != starts->size() || ends->size() != starts->size())
      return failure();
    // Which entry concerns a dimension is a choice by products; the others keep the whole of it.
    Dims out;
    AffineExpr zero = s.constant(0), one = s.constant(1), minusOne = s.constant(-1);
    for (size_t i = 0; i < d.size(); ++i) {
      AffineExpr n = d[i], size = n;
      for (size_t j = 0; j < starts->size(); ++j) {
        auto clamp = [&](AffineExpr e, AffineExpr lo, AffineExpr hi) {
          return s.min(s.max(s.select(s.less(e, zero), e + n, e), lo), hi);
        };
        AffineExpr from = (*starts)[j], to = (*ends)[j], step = (*steps)[j];
        AffineExpr up = s.max(clamp(to, zero, n) - clamp(from, zero, n), zero).ceilDiv(s.max(step, one));
        AffineExpr down = s.max(clamp(from, minusOne, n - 1) - clamp(to, minusOne, n - 1), zero).ceilDiv(s.max(-step, one));
        AffineExpr part = s.select(s.less(zero, step), up, down);
        size = s.select(s.isAxis({(**given)[j]}, d.size(), i), part, size);
      }
      out.push_back(size);
    }
    s.set(op->getResult(0), out);
    return success();
  }
  // Without axes entry i concerns dimension i.
  auto axes = axesOf(op, s, 3, onnx::isNone(op->getOperand(3)) ? starts->size() : d.size());
  if (failed(steps) || failed(axes))
    return failure();
  if (axes->size() != starts->size() || ends->size() != starts->size() || steps->size() != starts->size())
    return op->emitError("starts, ends, axes and steps have different lengths");
  Dims out = d;
  AffineExpr zero = s.constant(0), minusOne = s.constant(-1);
  for (auto [i, axis] : llvm::enumerate(*axes)) {
    AffineExpr n = d[axis], from = (*starts)[i], to = (*ends)[i], step = (*steps)[i];
    auto nc = Shapes::asConstant(n), fc = Shapes::asConstant(from), tc = Shapes::asConstant(to),
         sc = Shapes::asConstant(step);
    if (sc && *sc == 0)
      return op->emitError("a step of 0");
    // The common cases keep expressions without bounds: [a:], [:-b], [a:b] of a symbolic size that is not clamped away.
    auto wrapped = [&](AffineExpr e) { return s.select(s.less(e, zero), e + n, e); };
    auto up = [&]() -> AffineExpr {
      AffineExpr a = fc && *fc == 0 ? zero : s.min(s.max(wrapped(from), zero), n);
      AffineExpr b = tc && *tc >= (int64_t)INT32_MAX ? n
                     : to == n                       ? n
                                                     : s.min(s.max(wrapped(to), zero), n);
      AffineExpr length = a == zero ? b : s.max(b - a, zero);
      return sc && *sc == 1 ? length : length.ceilDiv(step);
    };
    auto down = [&]() -> AffineExpr {
      AffineExpr a = s.min(s.max(wrapped(from), minusOne), n - 1);
      AffineExpr b = tc && *tc <= -(int64_t)INT32_MAX ? minusOne : s.min(s.max(wrapped(to), minusOne), n - 1);
      return s.max(a - b, zero).ceilDiv(-step);
    };
    if (sc)
      out[axis] = *sc > 0 ? up() : down();
    else
      out[axis] = s.select(s.less(zero, step), (up(), s.max(s.min(s.max(wrapped(to), zero), n) -
                                                                s.min(s.max(wrapped(from), zero), n), zero).ceilDiv(s.max(step, s.constant(1)))),
                           s.max(s.min(s.max(wrapped(from), minusOne), n - 1) -
                                     s.min(s.max(wrapped(to), minusOne), n - 1), zero).ceilDiv(s.max(-step, s.constant(1))));
    (void)nc;
  }
  s.set(op->getResult(0), out);
  // Elements of any rank, row by row: exporters of padding turn pairs around.
  auto k = s.known(x);
  auto a = constants(*starts), b = constants(*ends), c = constants(*steps), sizes = constants(d);
  if (!k || !a || !b || !c || !sizes)
    return success();
  SmallVector<SmallVector<int64_t>> kept;
  for (int64_t n : *sizes)
    kept.push_back(llvm::to_vector(llvm::seq<int64_t>(0, n)));
  for (auto [i, axis] : llvm::enumerate(*axes)) {
    int64_t n = (*sizes)[axis], step = (*c)[i];
    auto clamp = [&](int64_t v, int64_t lo, int64_t hi) { return std::clamp(v < 0 ? v + n : v, lo, hi); };
    kept[axis].clear();
    if (step > 0)
      for (int64_t j = clamp((*a)[i], 0, n), e = clamp((*b)[i], 0, n); j < e; j += step)
        kept[axis].push_back(j);
    else
      for (int64_t j = clamp((*a)[i], -1, n - 1), e = (*b)[i] < -n ? -1 : clamp((*b)[i], -1, n - 1); j > e; j += step)
        kept[axis].push_back(j);
  }
  s.setKnown(op->getResult(0), placesOf(*k, *sizes, kept));
  return success();
}

static LogicalResult concat(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), d.size());
  if (axis < 0 || axis >= (int64_t)d.size())
    return op->emitError("axis ") << axis << " is out of range";
  bool allKnown = d.size() == 1;
  Dims elements;
  AffineExpr total = s.constant(0);
  for (Value v : op->getOperands()) {
    Dims e = s.dims(v);
    if (e.size() != d.size())
      return op->emitError("inputs have different ranks");
    for (size_t i = 0; i < d.size(); ++i)
      if (isa<AffineConstantExpr>(e[i]) && (int64_t)i != axis) {
        if (isa<AffineConstantExpr>(d[i]) && d[i] != e[i])
          return op->emitError("inputs differ in dimension ") << i;
        d[i] = e[i];
      }
    total = total + e[axis];
    auto k = s.known(v);
    allKnown &= k.has_value();
    if (k)
      elements.append(*k);
  }
  d[axis] = total;
  s.set(op->getResult(0), d);
  if (allKnown)
    s.setKnown(op->getResult(0), elements);
  return success();
}

static LogicalResult split(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), d.size()), n = op->getNumResults();
  if (axis < 0 || axis >= (int64_t)d.size())
    return op->emitError("axis is out of range");
  Dims sizes;
  if (!onnx::isNone(op->getOperand(1))) {
    auto given = s.elements(op, op->getOperand(1));
    if (failed(given))
      return failure();
    sizes = *given;
    if ((int64_t)sizes.size() != n)
      return op->emitError("has ") << n << " outputs and " << sizes.size() << " sizes";
  } else {
    AffineExpr part = d[axis].ceilDiv(n);
    for (int64_t i = 0; i < n; ++i)
      sizes.push_back(i + 1 < n ? part : d[axis] - part * (n - 1));
  }
  auto k = s.known(op->getOperand(0));
  auto c = constants(sizes);
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    Dims e = d;
    e[axis] = sizes[i];
    s.set(op->getResult(i), e);
    if (k && c) {
      s.setKnown(op->getResult(i), Dims(k->begin() + at, k->begin() + at + (*c)[i]));
      at += (*c)[i];
    }
  }
  return success();
}

static LogicalResult gather(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0)), i = s.dims(op->getOperand(1)), out;
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), d.size());
  if (axis < 0 || axis >= (int64_t)d.size())
    return op->emitError("axis is out of range");
  out.append(d.begin(), d.begin() + axis);
  out.append(i.begin(), i.end());
  out.append(d.begin() + axis + 1, d.end());
  s.set(op->getResult(0), out);
  auto k = s.known(op->getOperand(0)), at = s.known(op->getOperand(1));
  auto c = at ? constants(*at) : std::nullopt;
  if (k && c && d.size() == 1) {
    Dims part;
    for (int64_t v : *c) {
      if (v < -(int64_t)k->size() || v >= (int64_t)k->size())
        return op->emitError("index ") << v << " is out of range";
      part.push_back((*k)[normalAxis(v, k->size())]);
    }
    s.setKnown(op->getResult(0), part);
  }
  return success();
}

/// Of an operator that leaves the elements in their order.
static void keepKnown(Operation *op, Shapes &s) {
  if (auto k = s.known(op->getOperand(0)))
    s.setKnown(op->getResult(0), *k);
}

static LogicalResult shapeOf(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0));
  int64_t n = d.size(), from = onnx::intAttr(op, "start"), to = onnx::intAttr(op, "end", n);
  from = std::clamp<int64_t>(from < 0 ? from + n : from, 0, n);
  to = std::clamp<int64_t>(to < 0 ? to + n : to, from, n);
  Dims part(d.begin() + from, d.begin() + std::max(from, to));
  s.set(op->getResult(0), {s.constant(part.size())});
  s.setKnown(op->getResult(0), part);
  return success();
}

static LogicalResult range(Operation *op, Shapes &s) {
  // (limit - start) / delta of integers is a size; other kinds come through a count computed at run time.
  auto a = s.known(op->getOperand(0)), b = s.known(op->getOperand(1)), c = s.known(op->getOperand(2));
  AffineExpr n;
  if (isa<IntegerType>(s.element(op->getOperand(0)))) {
    auto x = s.elements(op, op->getOperand(0)), y = s.elements(op, op->getOperand(1)), z = s.elements(op, op->getOperand(2));
    if (failed(x) || failed(y) || failed(z))
      return failure();
    auto step = Shapes::asConstant((*z)[0]);
    if (step && *step == 0)
      return op->emitError("a step of 0");
    AffineExpr span = (*y)[0] - (*x)[0], zero = s.constant(0);
    if (step)
      n = *step > 0 ? span.ceilDiv(*step) : (-span).ceilDiv(-*step);
    else
      n = s.select(s.less(zero, (*z)[0]), span.ceilDiv(s.max((*z)[0], s.constant(1))),
                   (-span).ceilDiv(s.max(-(*z)[0], s.constant(1))));
    // A size of the graph is not negative, other spans may be.
    bool isSize = step && *step == 1 && Shapes::asConstant((*x)[0]) == 0 && b && !Shapes::asConstant((*y)[0]) &&
                  isa<AffineSymbolExpr>((*y)[0]) && !op->getOperand(1).getDefiningOp<onnx::ConstantOp>();
    if (!isSize)
      n = s.max(n, zero);
  } else {
    auto read = [&](Value v) -> std::optional<double> {
      auto value = onnx::constantValue(v);
      if (!value || !isa<FloatType>(value.getElementType()))
        return std::nullopt;
      return (*value.getValues<APFloat>().begin()).convertToDouble();
    };
    auto x = read(op->getOperand(0)), y = read(op->getOperand(1)), z = read(op->getOperand(2));
    if (x && y && z) {
      n = s.constant(std::max<int64_t>(0, (int64_t)std::ceil((*y - *x) / *z)));
    } else {
      // onnx: max(ceil((limit - start) / delta), 0), computed by ordinary operators.
      Type scalar = RankedTensorType::get({}, s.element(op->getOperand(0)));
      auto make = [&](StringRef name, ValueRange in, Type t, ArrayRef<NamedAttribute> attrs = {}) {
        OperationState state(op->getLoc(), ("onnx." + name).str(), in, {t}, attrs);
        return s.b.create(state)->getResult(0);
      };
      Value span = make("Sub", {op->getOperand(1), op->getOperand(0)}, scalar);
      Value count = make("Ceil", make("Div", {span, op->getOperand(2)}, scalar), scalar);
      auto to = s.b.getNamedAttr("to", IntegerAttr::get(s.b.getIntegerType(64, true), 7));
      Value integer = make("Cast", count, RankedTensorType::get({}, s.b.getI64Type()), to);
      n = s.max((*s.elements(op, integer))[0], s.constant(0));
    }
  }
  s.set(op->getResult(0), {n});
  auto count = Shapes::asConstant(n);
  if (a && b && c && count && *count <= 64) {
    Dims out;
    for (int64_t i = 0; i < *count; ++i)
      out.push_back((*a)[0] + (*c)[0] * i);
    s.setKnown(op->getResult(0), out);
  }
  return success();
}

void ssm::addMovementShapes(llvm::StringMap<ShapeRule> &rules) {
  rules["Reshape"] = reshape;
  rules["Slice"] = slice;
  rules["Concat"] = concat;
  rules["Split"] = split;
  rules["Gather"] = gather;
  rules["Shape"] = shapeOf;
  rules["Range"] = range;
  rules["Size"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), {});
    s.setKnown(op->getResult(0), {s.product(s.dims(op->getOperand(0)))});
    return success();
  };
  rules["Transpose"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0)), out;
    SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
    if (!op->hasAttr("perm"))
      for (int64_t i = d.size() - 1; i >= 0; --i)
        perm.push_back(i);
    if (perm.size() != d.size())
      return op->emitError("perm has ") << perm.size() << " entries, the input has rank " << d.size();
    llvm::SmallDenseSet<int64_t> seen;
    for (int64_t p : perm) {
      if (p < 0 || p >= (int64_t)d.size() || !seen.insert(p).second)
        return op->emitError("perm is not a permutation");
      out.push_back(d[p]);
    }
    s.set(op->getResult(0), out);
    auto k = s.known(op->getOperand(0));
    auto sizes = constants(d);
    if (k && sizes && d.size() == 2) {
      Dims turned;
      for (int64_t i = 0; i < (int64_t)k->size(); ++i) {
        int64_t rows = perm[0] == 0 ? 1 : (*sizes)[0];
        turned.push_back((*k)[perm[0] == 0 ? i : i % rows * (*sizes)[1] + i / rows]);
      }
      s.setKnown(op->getResult(0), turned);
    }
    if (d.size() <= 1)
      keepKnown(op, s);
    return success();
  };
  rules["Squeeze"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0)), out;
    bool all = onnx::isNone(op->getOperand(1));
    if (auto given = runtimeAxes(op, s, 1)) {
      if (failed(*given))
        return failure();
      s.set(op->getResult(0), keptDims(s, d, **given));
      return success();
    }
    auto axes = axesOf(op, s, 1, d.size());
    if (failed(axes))
      return failure();
    for (size_t i = 0; i < d.size(); ++i)
      if (!llvm::is_contained(*axes, i) || (all && Shapes::asConstant(d[i]) != 1))
        out.push_back(d[i]);
    s.set(op->getResult(0), out);
    keepKnown(op, s);
    return success();
  };
  rules["Unsqueeze"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0)), out;
    auto known = s.known(op->getOperand(1));
    if (auto given = runtimeAxes(op, s, 1)) {
      if (failed(*given))
        return failure();
      int64_t rank = d.size() + (*given)->size();
      AffineExpr before = s.constant(0);
      for (int64_t k = 0; k < rank; ++k) {
        AffineExpr added = s.isAxis(**given, rank, k), size = added;
        for (size_t i = 0; i < d.size() && (int64_t)i <= k; ++i)
          size = size + (s.constant(1) - added) * s.equal(s.constant(k) - before, s.constant(i)) * d[i];
        before = before + added;
        out.push_back(size);
      }
      s.set(op->getResult(0), out);
      return success();
    }
    int64_t rank = d.size() + (known ? known->size() : 0);
    auto axes = axesOf(op, s, 1, rank);
    if (failed(axes))
      return failure();
    size_t next = 0;
    for (int64_t i = 0; i < rank; ++i) {
      if (llvm::is_contained(*axes, i))
        out.push_back(s.constant(1));
      else if (next < d.size())
        out.push_back(d[next++]);
    }
    if (next != d.size() || (int64_t)out.size() != rank)
      return op->emitError("axes are not distinct");
    s.set(op->getResult(0), out);
    keepKnown(op, s);
    return success();
  };
  rules["Flatten"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0));
    int64_t axis = normalAxis(onnx::intAttr(op, "axis", 1), d.size());
    if (axis < 0 || axis > (int64_t)d.size())
      return op->emitError("axis is out of range");
    ArrayRef<AffineExpr> all(d);
    s.set(op->getResult(0), {s.product(all.take_front(axis)), s.product(all.drop_front(axis))});
    return success();
  };
  rules["Expand"] = [](Operation *op, Shapes &s) -> LogicalResult {
    if (onnx::isNone(op->getOperand(1)))
      return success();
    auto shape = s.elements(op, op->getOperand(1));
    if (failed(shape))
      return failure();
    s.set(op->getResult(0), s.broadcast(s.dims(op->getOperand(0)), *shape));
    if (auto k = s.known(op->getOperand(0)); k && s.rank(op->getResult(0)) == 1 && k->size() == 1)
      if (auto n = Shapes::asConstant(s.dims(op->getResult(0))[0]); n && *n <= 64)
        s.setKnown(op->getResult(0), Dims(*n, (*k)[0]));
    return success();
  };
  rules["Tile"] = [](Operation *op, Shapes &s) -> LogicalResult {
    auto repeats = s.elements(op, op->getOperand(1));
    if (failed(repeats))
      return failure();
    Dims d = s.dims(op->getOperand(0));
    if (repeats->size() != d.size())
      return op->emitError("repeats has ") << repeats->size() << " entries, the input has rank " << d.size();
    for (size_t i = 0; i < d.size(); ++i) {
      auto c = Shapes::asConstant((*repeats)[i]);
      if (c && (*c < 0 || *c > int64_t(1) << 46))
        return op->emitError("repeats has the entry ") << *c;
      d[i] = d[i] * (*repeats)[i];
    }
    s.set(op->getResult(0), d);
    return success();
  };
  rules["ConstantOfShape"] = [](Operation *op, Shapes &s) -> LogicalResult {
    if (onnx::isNone(op->getOperand(0)))
      return success();
    auto shape = s.elements(op, op->getOperand(0));
    if (failed(shape))
      return failure();
    for (AffineExpr e : *shape)
      if (auto c = Shapes::asConstant(e); c && *c < 0)
        return op->emitError("shape has the size ") << *c;
    s.set(op->getResult(0), *shape);
    if (shape->size() == 1)
      if (auto n = Shapes::asConstant((*shape)[0]); n && *n <= 64 && isa<IntegerType>(s.element(op->getResult(0)))) {
        auto value = op->getAttrOfType<DenseElementsAttr>("value");
        if (value)
          s.setKnown(op->getResult(0), Dims(*n, s.constant(onnx::intValues(value)[0])));
      }
    return success();
  };
  rules["GatherElements"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), s.dims(op->getOperand(1)));
    return success();
  };
  rules["GatherND"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0)), i = s.dims(op->getOperand(1));
    auto last = Shapes::asConstant(i.back());
    if (!last)
      return op->emitError("the last size of indices is not known");
    int64_t batch = onnx::intAttr(op, "batch_dims");
    if (batch + *last > (int64_t)d.size())
      return op->emitError("indices have more entries than the input has dimensions");
    Dims out(i.begin(), i.end() - 1);
    out.append(d.begin() + batch + *last, d.end());
    s.set(op->getResult(0), out);
    return success();
  };
  rules["Pad"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims d = s.dims(op->getOperand(0));
    auto pads = s.elements(op, op->getOperand(1));
    if (auto given = runtimeAxes(op, s, 3)) {
      if (failed(*given) || failed(pads) || pads->size() != 2 * (*given)->size())
        return failure();
      size_t n = (*given)->size();
      for (size_t i = 0; i < d.size(); ++i)
        for (size_t j = 0; j < n; ++j)
          d[i] = d[i] + s.isAxis({(**given)[j]}, d.size(), i) * ((*pads)[j] + (*pads)[j + n]);
      s.set(op->getResult(0), d);
      return success();
    }
    auto axes = axesOf(op, s, 3, d.size());
    if (failed(pads) || failed(axes))
      return failure();
    if (pads->size() != 2 * axes->size())
      return op->emitError("pads has ") << pads->size() << " entries for " << axes->size() << " axes";
    for (auto [i, axis] : llvm::enumerate(*axes))
      d[axis] = d[axis] + (*pads)[i] + (*pads)[i + axes->size()];
    s.set(op->getResult(0), d);
    return success();
  };
}
