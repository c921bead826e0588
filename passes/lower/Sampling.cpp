//===- Sampling.cpp - GridSample, AffineGrid, RoiAlign, DeformConv ---------===//
// Operators that read an image at computed positions.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/WindowConvolutions.h"
#include "passes/lower/Interpolation.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

using Cmp = Scalar::Compare;
using Pred = arith::CmpIPredicate;

Value ssm::floorIndex(Emitter &e, Scalar &s, Value x, Type t) {
  Value f = s.apply<math::FloorOp>(x), low = s.constant(t, -1073741824.0), high = s.constant(t, 1073741824.0);
  f = s.select(s.compare(Cmp::Greater, f, low, t), f, low);
  return s.toIndex(s.select(s.compare(Cmp::Less, f, high, t), f, high), t);
}

SmallVector<Value> ssm::cubicWeights(Scalar &s, Value r, Type t, double a) {
  auto c = [&](double v) { return s.constant(t, v); };
  auto mul = [&](Value x, Value y) { return s.mul(x, y, t); };
  auto add = [&](Value x, Value y) { return s.add(x, y, t); };
  auto inner = [&](Value x) { return add(mul(mul(add(mul(c(a + 2), x), c(-(a + 3))), x), x), c(1)); };
  auto outer = [&](Value x) { return add(mul(add(mul(add(mul(c(a), x), c(-5 * a)), x), c(8 * a)), x), c(-4 * a)); };
  Value left = s.sub(c(1), r, t);
  return {outer(add(r, c(1))), inner(r), inner(left), outer(add(left, c(1)))};
}

Value ssm::reflected(Scalar &s, Value x, Value low, Value high, Type t) {
  Value below = s.compare(Cmp::Less, x, low, t), above = s.compare(Cmp::Greater, x, high, t);
  Value span = s.sub(high, low, t), one = s.constant(t, 1.0), zero = s.constant(t, 0.0);
  Value none = s.compare(Cmp::LessEqual, span, zero, t);
  Value distance = s.select(below, s.sub(low, x, t), s.sub(x, high, t));
  Value period = s.select(none, one, span);
  Value times = s.apply<math::FloorOp>(s.div(distance, period, t));
  Value rest = s.sub(distance, s.mul(times, period, t), t);
  Value half = s.apply<math::FloorOp>(s.mul(times, s.constant(t, 0.5), t));
  Value odd = s.compare(Cmp::NotEqual, s.mul(half, s.constant(t, 2.0), t), times, t);
  Value fromLow = arith::XOrIOp::create(s.b, s.loc, below, odd);
  Value mirrored = s.select(fromLow, s.add(low, rest, t), s.sub(high, rest, t));
  Value outside = arith::OrIOp::create(s.b, s.loc, below, above);
  return s.select(outside, s.select(none, low, mirrored), x);
}

Value ssm::interpolated(Scalar &s, ArrayRef<SmallVector<Tap>> taps, Type k,
                        llvm::function_ref<Value(ValueRange)> read) {
  SmallVector<Value> at;
  std::function<Value(size_t, Value)> nest = [&](size_t d, Value inside) -> Value {
    if (d == taps.size()) {
      Value v = read(at);
      return inside ? s.select(inside, v, s.constant(k, 0.0)) : v;
    }
    Value sum;
    for (const Tap &tap : taps[d]) {
      Value both = !inside || !tap.inside ? (inside ? inside : tap.inside)
                                          : arith::AndIOp::create(s.b, s.loc, inside, tap.inside).getResult();
      at.push_back(tap.index);
      Value v = nest(d + 1, both);
      at.pop_back();
      if (tap.weight)
        v = s.mul(v, tap.weight, k);
      sum = sum ? s.add(sum, v, k) : v;
    }
    return sum;
  };
  return nest(0, Value());
}

namespace {

/// The two neighbours of x, with zeros around the n elements.
SmallVector<Tap> linearTaps(Emitter &e, Scalar &s, Value x, Value n, Type t) {
  Index q{e};
  Value low = floorIndex(e, s, x, t), high = q.add(low, q.c(1));
  Value ratio = s.sub(x, s.apply<math::FloorOp>(x), t);
  return {{q.clamp(low, n), q.inside(low, n), s.sub(s.constant(t, 1.0), ratio, t)},
          {q.clamp(high, n), q.inside(high, n), ratio}};
}

LogicalResult gridSample(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), grid = e.operand(op, 1);
  RankedTensorType result = Emitter::resultType(op);
  int64_t n = x.rank() - 2;
  StringRef mode = onnx::stringAttr(op, "mode", "linear"), padding = onnx::stringAttr(op, "padding_mode", "zeros");
  bool align = onnx::intAttr(op, "align_corners");
  bool nearest = mode == "nearest", cubic = mode == "cubic" || mode == "bicubic";
  bool border = padding == "border", reflection = padding == "reflection";
  Type k = computeType(x.element()), t = computeType(grid.element());
  Index q{e};

  struct Ends {
    Value size, low, high; // of the image along a dimension; low and high are where padding starts
  };
  auto endsOf = [&](Scalar &s, int64_t d) -> Ends {
    Value size = e.dim(x, d + 2), real = s.fromIndex(size, t), off = s.constant(t, align ? 1.0 : 0.5);
    return {size, s.constant(t, align ? 0.0 : -0.5), s.sub(real, off, t)};
  };
  // Positions in pixels, one tensor per dimension: channels share them.
  SmallVector<AffineExpr> points = onnx::getDimExprs(grid.type);
  points.pop_back();
  auto pointType = onnx::withDims(t, points);
  SmallVector<Tensor> positions;
  for (int64_t d = 0; d < n; ++d) {
    Value v = e.generate(pointType, [&](Scalar &s, ValueRange i) -> Value {
      SmallVector<Value> at(i);
      at.push_back(q.c(n - 1 - d));
      Ends ends = endsOf(s, d);
      Value length = s.fromIndex(ends.size, t), half = s.constant(t, 0.5), one = s.constant(t, 1.0);
      Value unit = s.add(e.at(grid, at), one, t);
      Value p = align ? s.mul(s.mul(unit, half, t), s.sub(length, one, t), t)
                      : s.mul(s.sub(s.mul(unit, length, t), one, t), half, t);
      if (nearest)
        p = s.apply<math::RoundEvenOp>(p);
      if (border && !cubic) { // the cubic kernel sees a position outside, and border elements there
        Value last = s.sub(length, one, t), zero = s.constant(t, 0.0);
        p = s.select(s.compare(Cmp::Less, p, ends.low, t), zero, p);
        p = s.select(s.compare(Cmp::Greater, p, ends.high, t), last, p);
      } else if (reflection) {
        p = reflected(s, p, ends.low, ends.high, t);
      }
      return p;
    });
    positions.push_back({v, pointType});
  }
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    SmallVector<Value> where = {i[0]};
    llvm::append_range(where, i.drop_front(2));
    SmallVector<SmallVector<Tap>> taps;
    for (int64_t d = 0; d < n; ++d) {
      Value p = e.at(positions[d], where);
      Ends ends = endsOf(s, d);
      auto tap = [&](Value index, Value weight) -> Tap {
        if (reflection) {
          Value mirrored = reflected(s, s.fromIndex(index, t), ends.low, ends.high, t);
          return {q.clamp(s.toIndex(mirrored, t), ends.size), {}, weight};
        }
        return {q.clamp(index, ends.size), border ? Value() : q.inside(index, ends.size), weight};
      };
      Value floor = floorIndex(e, s, p, t);
      Value ratio = s.cast(s.sub(p, s.apply<math::FloorOp>(p), t), t, k);
      SmallVector<Tap> own;
      if (nearest) {
        own.push_back(tap(floor, {}));
      } else if (cubic) {
        for (auto [j, w] : llvm::enumerate(cubicWeights(s, ratio, k, -0.75)))
          own.push_back(tap(q.add(floor, q.c((int64_t)j - 1)), w));
      } else {
        own.push_back(tap(floor, s.sub(s.constant(k, 1.0), ratio, k)));
        own.push_back(tap(q.add(floor, q.c(1)), ratio));
      }
      taps.push_back(own);
    }
    return interpolated(s, taps, k, [&](ValueRange at) {
      SmallVector<Value> full = {i[0], i[1]};
      llvm::append_range(full, at);
      return e.at(x, full);
    });
  }));
  return success();
}

/// Normalised positions of all elements of an image, through a matrix per batch.
LogicalResult affineGrid(Operation *op, Emitter &e) {
  Tensor theta = e.operand(op, 0);
  RankedTensorType result = Emitter::resultType(op);
  bool align = onnx::intAttr(op, "align_corners");
  int64_t n = result.getRank() - 2;
  Type k = computeType(theta.element());
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    Index q{e};
    Value sum = e.at(theta, {i[0], i.back(), q.c(n)});
    for (int64_t j = 0; j < n; ++j) { // coordinate j belongs to the spatial dimension n - 1 - j
      Value size = s.fromIndex(e.size(onnx::getDimExpr(result, n - j)), k), at = s.fromIndex(i[n - j], k);
      Value two = s.constant(k, 2.0), one = s.constant(k, 1.0), p;
      if (align) {
        Value last = s.max(s.sub(size, one, k), one, k);
        p = s.sub(s.div(s.mul(at, two, k), last, k), one, k);
      } else {
        p = s.sub(s.div(s.add(s.mul(at, two, k), one, k), size, k), one, k);
      }
      sum = s.add(sum, s.mul(e.at(theta, {i[0], i.back(), q.c(j)}), p, k), k);
    }
    return sum;
  }));
  return success();
}

LogicalResult roiAlign(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), rois = e.operand(op, 1), batches = e.operand(op, 2);
  RankedTensorType result = Emitter::resultType(op);
  Type k = computeType(x.element()), t = computeType(rois.element());
  bool isMax = onnx::stringAttr(op, "mode", "avg") == "max";
  bool halfPixel = onnx::stringAttr(op, "coordinate_transformation_mode", "half_pixel") == "half_pixel";
  int64_t ratio = onnx::intAttr(op, "sampling_ratio");
  double scale = onnx::floatAttr(op, "spatial_scale", 1);
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    Index q{e};
    Value one = s.constant(t, 1.0), zero = s.constant(t, 0.0);
    Value batch = q.clamp(s.toIndex(e.at(batches, i[0]), batches.element()), e.dim(x, 0));
    SmallVector<Value> start, cell, samples; // rows, columns
    for (int64_t d = 0; d < 2; ++d) {
      auto corner = [&](int64_t column) {
        Value v = s.mul(e.at(rois, {i[0], q.c(column)}), s.constant(t, scale), t);
        return halfPixel ? s.sub(v, s.constant(t, 0.5), t) : v;
      };
      Value first = corner(1 - d), extent = s.sub(corner(3 - d), first, t);
      if (!halfPixel)
        extent = s.max(extent, one, t);
      Value size = s.div(extent, s.fromIndex(e.size(onnx::getDimExpr(result, d + 2)), t), t);
      start.push_back(s.add(first, s.mul(s.fromIndex(i[d + 2], t), size, t), t));
      cell.push_back(size);
      samples.push_back(ratio > 0 ? q.c(ratio) : q.max(s.toIndex(s.apply<math::CeilOp>(size), t), q.c(0)));
    }
    Value init = isMax ? s.lowest(k) : s.constant(k, 0.0);
    auto acc = loopNest(e, samples, init, [&](ValueRange at, ValueRange carried) -> SmallVector<Value> {
      SmallVector<SmallVector<Tap>> taps;
      Value outside = s.constant(e.b.getI1Type(), 0.0);
      for (int64_t d = 0; d < 2; ++d) {
        Value n = e.dim(x, d + 2), real = s.fromIndex(n, t);
        Value inCell = s.div(s.mul(s.add(s.fromIndex(at[d], t), s.constant(t, 0.5), t), cell[d], t),
                             s.fromIndex(samples[d], t), t);
        Value p = s.add(start[d], inCell, t);
        outside = q.either(outside, s.compare(Cmp::Less, p, s.constant(t, -1.0), t));
        outside = q.either(outside, s.compare(Cmp::Greater, p, real, t));
        // Beyond the last element its value stays; before the first as well.
        p = s.min(s.max(p, zero, t), s.max(s.sub(real, one, t), zero, t), t);
        Value low = floorIndex(e, s, p, t);
        Value w = s.cast(s.sub(p, s.apply<math::FloorOp>(p), t), t, k);
        taps.push_back(
            {{q.clamp(low, n), {}, s.sub(s.constant(k, 1.0), w, k)}, {q.clamp(q.add(low, q.c(1)), n), {}, w}});
      }
      auto read = [&](ValueRange pixel) { return e.at(x, {batch, i[1], pixel[0], pixel[1]}); };
      Value v;
      if (!isMax) {
        v = interpolated(s, taps, k, read);
      } else {
        for (const Tap &row : taps[0]) // the largest of the four weighted elements
          for (const Tap &column : taps[1]) {
            Value part = s.mul(s.mul(row.weight, column.weight, k), read({row.index, column.index}), k);
            v = v ? s.max(v, part, k) : part;
          }
      }
      v = s.select(outside, s.constant(k, 0.0), v);
      return {isMax ? s.max(carried[0], v, k) : s.add(carried[0], v, k)};
    });
    Value count = q.mul(samples[0], samples[1]);
    if (isMax)
      return s.select(q.cmp(Pred::eq, count, q.c(0)), s.constant(k, 0.0), acc[0]);
    return s.div(acc[0], s.fromIndex(q.max(count, q.c(1)), k), k);
  }));
  return success();
}

/// The columns of the image at shifted positions, then the product of a convolution.
LogicalResult deformConv(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), w = e.operand(op, 1), offset = e.operand(op, 2), bias = e.operand(op, 3),
         mask = e.operand(op, 4);
  RankedTensorType result = Emitter::resultType(op);
  MLIRContext *c = op->getContext();
  Index q{e};
  int64_t n = x.rank() - 2, group = onnx::intAttr(op, "group", 1), offsetGroups = onnx::intAttr(op, "offset_group", 1);
  auto strides = onnx::intsAttr(op, "strides"), dilations = onnx::intsAttr(op, "dilations"),
       pads = onnx::intsAttr(op, "pads");
  strides.resize(n, 1);
  dilations.resize(n, 1);
  pads.resize(2 * n, 0);
  Type k = computeType(x.element());
  SmallVector<AffineExpr> sizes = {onnx::getDimExpr(x.type, 0), getAffineConstantExpr(group, c),
                                   onnx::getDimExpr(x.type, 1).floorDiv(group)};
  for (int64_t i = 0; i < n; ++i)
    sizes.push_back(onnx::getDimExpr(w.type, i + 2));
  for (int64_t i = 0; i < n; ++i)
    sizes.push_back(onnx::getDimExpr(result, i + 2));
  Tensor columns{{}, onnx::withDims(k, sizes)};
  Value perGroup = e.size(sizes[2]), perOffset = e.size(onnx::getDimExpr(x.type, 1).floorDiv(offsetGroups));
  columns.value = e.generate(columns.type, [&](Scalar &s, ValueRange i) -> Value {
    Value channel = q.add(q.mul(i[1], perGroup), i[2]), tap = q.div(channel, perOffset);
    for (int64_t d = 0; d < n; ++d)
      tap = q.add(q.mul(tap, e.dim(w, d + 2)), i[d + 3]);
    SmallVector<Value> pixel(i.take_back(n));
    auto shifted = [&](Value plane) {
      SmallVector<Value> at = {i[0], plane};
      llvm::append_range(at, pixel);
      return at;
    };
    SmallVector<SmallVector<Tap>> taps;
    for (int64_t d = 0; d < n; ++d) {
      Value base = q.add(q.sub(q.mul(pixel[d], q.c(strides[d])), q.c(pads[d])), q.mul(i[d + 3], q.c(dilations[d])));
      Value moved = s.cast(e.at(offset, shifted(q.add(q.mul(tap, q.c(n)), q.c(d)))), offset.element(), k);
      taps.push_back(linearTaps(e, s, s.add(s.fromIndex(base, k), moved, k), e.dim(x, d + 2), k));
    }
    Value v = interpolated(s, taps, k, [&](ValueRange at) {
      SmallVector<Value> full = {i[0], channel};
      llvm::append_range(full, at);
      return e.at(x, full);
    });
    return mask ? s.mul(v, e.at(mask, shifted(tap)), k) : v;
  });
  // Loops: batch, group, channel, result positions but the last, contracted channel and taps, last position.
  SmallVector<utils::IteratorType> iterators;
  unsigned count = 0;
  auto loop = [&](utils::IteratorType kind) {
    iterators.push_back(kind);
    return getAffineDimExpr(count++, c);
  };
  auto parallel = utils::IteratorType::parallel, reduction = utils::IteratorType::reduction;
  AffineExpr nb = loop(parallel), g = loop(parallel), m = loop(parallel);
  SmallVector<AffineExpr> space, taps;
  for (int64_t i = 0; i + 1 < n; ++i)
    space.push_back(loop(parallel));
  AffineExpr ic = loop(reduction);
  for (int64_t i = 0; i < n; ++i)
    taps.push_back(loop(reduction));
  space.push_back(loop(parallel));
  Tensor ws = splitAxis(e, w, 0, group);
  SmallVector<AffineExpr> ce = {nb, g, ic}, we = {g, m, ic}, oe = {nb, g, m}, wide = onnx::getDimExprs(result);
  ce.append(taps);
  ce.append(space);
  we.append(taps);
  oe.append(space);
  wide[1] = onnx::getDimExpr(ws.type, 1);
  wide.insert(wide.begin() + 1, getAffineConstantExpr(group, c));
  auto sumType = onnx::withDims(k, wide);
  Value sums = e.reduce(sumType, AffineMap::get(count, 0, oe, c),
                        {{columns, AffineMap::get(count, 0, ce, c)}, {ws, AffineMap::get(count, 0, we, c)}}, iterators,
                        e.scalar().constant(k, 0.0),
                        [&](Scalar &s, Value a, ValueRange v) { return s.add(a, s.mul(v[0], v[1], k), k); });
  Tensor flat = joinAxes(e, {sums, sumType}, 1, RankedTensorType::get(result.getShape(), k, result.getEncoding()));
  SmallVector<Emitter::Access> last = {{flat, e.b.getMultiDimIdentityMap(n + 2)}};
  if (bias)
    last.push_back({bias, AffineMap::get(n + 2, 0, {getAffineDimExpr(1, c)}, c)});
  e.setResult(
      op, 0, e.map(result, last, [&](Scalar &s, ValueRange v) -> Value { return bias ? s.add(v[0], v[1], k) : v[0]; }));
  return success();
}
} // namespace

void ssm::populateSampling(Registry &r) {
  r.lower("GridSample", gridSample);
  r.lower("AffineGrid", affineGrid);
  r.lower("RoiAlign", roiAlign);
  r.lower("DeformConv", deformConv);
}
