//===- Resize.cpp - Resize in all its modes --------------------------------===//
// Interpolation is separable: one axis after the other, each by a table of neighbours and weights for the positions of
// its result. Positions are computed in float64, as is all of an image of integers.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Interpolation.h"
#include "passes/lower/Quantise.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;

/// One axis of a Resize.
struct Axis {
  int64_t dim;
  int64_t entry; // in the operands scales, sizes and roi
};

class Resizer {
public:
  Resizer(Operation *op, Emitter &e);
  LogicalResult run();

private:
  Value scaleOf(Axis a);
  bool isIdentity(Axis a);
  Value position(Scalar &s, Axis a, Value i, Value scale);
  Tensor nearest(Tensor x, Axis a);
  Tensor interpolate(Tensor x, Axis a);
  Tensor interpolateWide(Tensor x, Axis a);
  Value extrapolated(Scalar &s, Axis a, Value position, Value v, Type k);
  Value kernel(Scalar &s, Value distance);
  RankedTensorType resized(Tensor x, Axis a, Type element);
  Value real(Scalar &s, double v) { return s.constant(wide, v); }
  Value real(Scalar &s, Value index) { return s.fromIndex(index, wide); }
  Value inSize(Axis a) { return e.dim(image, a.dim); }
  Value outSize(Axis a) { return e.size(onnx::getDimExpr(result, a.dim)); }

  Operation *op;
  Emitter &e;
  Index q;
  Type wide; // of positions, weights and scales
  Tensor image, roi, scales, sizes;
  RankedTensorType result;
  StringRef mode, coordinates, policy;
  SmallVector<Axis> axes;
};

bool isEmpty(Tensor t) { return !t || (t.type.hasStaticShape() && t.type.getNumElements() == 0); }

Resizer::Resizer(Operation *op, Emitter &e)
    : op(op), e(e), q{e}, wide(e.b.getF64Type()), image(e.operand(op, 0)), roi(e.operand(op, 1)),
      scales(e.operand(op, 2)), sizes(e.operand(op, 3)), result(Emitter::resultType(op)),
      mode(onnx::stringAttr(op, "mode", "nearest")),
      coordinates(onnx::stringAttr(op, "coordinate_transformation_mode", "half_pixel")),
      policy(onnx::stringAttr(op, "keep_aspect_ratio_policy", "stretch")) {
  if (mode == "nearest")
    wide = e.b.getF32Type();
  auto given = onnx::intsAttr(op, "axes");
  if (given.empty())
    for (int64_t i = 0; i < image.rank(); ++i)
      given.push_back(i);
  for (auto [i, axis] : llvm::enumerate(given))
    axes.push_back({normalAxis(axis, image.rank()), (int64_t)i});
}

/// The factor of an axis: given, or what the sizes amount to.
Value Resizer::scaleOf(Axis a) {
  Scalar s = e.scalar();
  if (!isEmpty(scales))
    return s.cast(e.at(scales, q.c(a.entry)), scales.element(), wide);
  if (policy == "stretch")
    return s.div(real(s, outSize(a)), real(s, inSize(a)), wide);
  Value best;
  for (Axis other : axes) {
    Value size = s.cast(e.at(sizes, q.c(other.entry)), sizes.element(), wide);
    Value factor = s.div(size, real(s, inSize(other)), wide);
    best = !best ? factor : policy == "not_larger" ? s.min(best, factor, wide) : s.max(best, factor, wide);
  }
  return best;
}

/// Known to give every element from itself.
bool Resizer::isIdentity(Axis a) {
  if (coordinates == "tf_crop_and_resize" || onnx::getDimExpr(image.type, a.dim) != onnx::getDimExpr(result, a.dim))
    return false;
  if (isEmpty(scales))
    return policy == "stretch";
  auto value = onnx::constantValue(op->getOperand(2));
  return value && value.getValues<APFloat>()[a.entry].convertToDouble() == 1;
}

/// Where element i of the result lies between the elements of the image.
Value Resizer::position(Scalar &s, Axis a, Value i, Value scale) {
  auto add = [&](Value x, Value y) { return s.add(x, y, wide); };
  auto sub = [&](Value x, Value y) { return s.sub(x, y, wide); };
  auto mul = [&](Value x, Value y) { return s.mul(x, y, wide); };
  auto div = [&](Value x, Value y) { return s.div(x, y, wide); };
  Value x = real(s, i), one = real(s, 1.0), half = real(s, 0.5), zero = real(s, 0.0);
  Value n = real(s, inSize(a)), m = real(s, outSize(a));
  Value single = s.compare(Cmp::LessEqual, m, one, wide);
  Value steps = s.select(single, one, sub(m, one));
  if (coordinates == "asymmetric")
    return div(x, scale);
  if (coordinates == "align_corners")
    return s.select(single, zero, div(mul(x, sub(n, one)), steps));
  if (coordinates == "tf_crop_and_resize") {
    auto end = [&](int64_t entry) { return s.cast(e.at(roi, q.c(entry)), roi.element(), wide); };
    Value from = end(a.entry), extent = mul(sub(end(a.entry + axes.size()), from), sub(n, one));
    Value inner = s.select(single, mul(extent, half), div(mul(x, extent), steps));
    return add(inner, mul(from, sub(n, one)));
  }
  if (coordinates == "tf_half_pixel_for_nn")
    return div(add(x, half), scale);
  Value p = sub(div(add(x, half), scale), half);
  if (coordinates == "pytorch_half_pixel")
    return s.select(single, zero, p);
  if (coordinates == "half_pixel_symmetric") {
    Value adjustment = div(m, mul(scale, n));
    return add(mul(mul(n, half), sub(one, adjustment)), p);
  }
  return p;
}

RankedTensorType Resizer::resized(Tensor x, Axis a, Type element) {
  SmallVector<AffineExpr> dims = onnx::getDimExprs(x.type);
  dims[a.dim] = onnx::getDimExpr(result, a.dim);
  return onnx::withDims(element, dims);
}

Value Resizer::extrapolated(Scalar &s, Axis a, Value p, Value v, Type k) {
  if (coordinates != "tf_crop_and_resize")
    return v;
  Value last = s.sub(real(s, inSize(a)), real(s, 1.0), wide);
  Value outside = q.either(s.compare(Cmp::Less, p, real(s, 0.0), wide), s.compare(Cmp::Greater, p, last, wide));
  return s.select(outside, s.constant(k, onnx::floatAttr(op, "extrapolation_value", 0)), v);
}

Tensor Resizer::nearest(Tensor x, Axis a) {
  StringRef rounding = onnx::stringAttr(op, "nearest_mode", "round_prefer_floor");
  Value scale = scaleOf(a);
  auto table = onnx::withDims(wide, {onnx::getDimExpr(result, a.dim)});
  Tensor places{{}, table};
  places.value = e.generate(table, [&](Scalar &s, ValueRange i) { return position(s, a, i[0], scale); });
  auto type = resized(x, a, x.element());
  Value v = e.generate(type, [&](Scalar &s, ValueRange i) -> Value {
    Value p = e.at(places, i[a.dim]), half = real(s, 0.5), r;
    if (rounding == "floor")
      r = s.apply<math::FloorOp>(p);
    else if (rounding == "ceil")
      r = s.apply<math::CeilOp>(p);
    else if (rounding == "round_prefer_ceil")
      r = s.apply<math::FloorOp>(s.add(p, half, wide));
    else
      r = s.apply<math::CeilOp>(s.sub(p, half, wide));
    SmallVector<Value> at(i);
    at[a.dim] = q.clamp(floorIndex(e, s, r, wide), inSize(a));
    return extrapolated(s, a, p, e.at(x, at), computeType(x.element()));
  });
  return {v, type};
}

/// Two (linear) or four (cubic) neighbours, with weights from a table.
Tensor Resizer::interpolate(Tensor x, Axis a) {
  bool cubic = mode == "cubic", exclude = onnx::intAttr(op, "exclude_outside");
  double coefficient = onnx::floatAttr(op, "cubic_coeff_a", -0.75);
  int64_t taps = cubic ? 4 : 2, first = cubic ? -1 : 0;
  Value scale = scaleOf(a), n = inSize(a);
  AffineExpr length = onnx::getDimExpr(result, a.dim);
  Tensor places{{}, onnx::withDims(wide, {length})};
  places.value = e.generate(places.type, [&](Scalar &s, ValueRange i) { return position(s, a, i[0], scale); });
  Type k = x.element(); // f32 or wide
  Tensor weights{{}, onnx::withDims(k, {length, getAffineConstantExpr(taps, op->getContext())})};
  weights.value = e.generate(weights.type, [&](Scalar &s, ValueRange i) -> Value {
    Value p = e.at(places, i[0]), ratio = s.sub(p, s.apply<math::FloorOp>(p), wide);
    SmallVector<Value> all =
        cubic ? cubicWeights(s, ratio, wide, coefficient) : SmallVector<Value>{s.sub(real(s, 1.0), ratio, wide), ratio};
    Value sum = real(s, 0.0), own = sum;
    for (auto [j, w] : llvm::enumerate(all)) {
      if (exclude) {
        Value at = q.add(floorIndex(e, s, p, wide), q.c((int64_t)j + first));
        w = s.select(q.inside(at, n), w, real(s, 0.0));
        sum = s.add(sum, w, wide);
      }
      own = s.select(q.cmp(Index::Pred::eq, i[1], q.c(j)), w, own);
    }
    if (exclude) {
      Value none = s.compare(Cmp::Equal, sum, real(s, 0.0), wide);
      own = s.div(own, s.select(none, real(s, 1.0), sum), wide);
    }
    return s.cast(own, wide, k);
  });
  auto type = resized(x, a, k);
  Value v = e.generate(type, [&](Scalar &s, ValueRange i) -> Value {
    Value p = e.at(places, i[a.dim]), low = floorIndex(e, s, p, wide), sum;
    SmallVector<Value> at(i);
    for (int64_t j = 0; j < taps; ++j) {
      at[a.dim] = q.clamp(q.add(low, q.c(j + first)), n);
      Value part = s.mul(e.at(x, at), e.at(weights, {i[a.dim], q.c(j)}), k);
      sum = sum ? s.add(sum, part, k) : part;
    }
    return extrapolated(s, a, p, sum, k);
  });
  return {v, type};
}

/// The triangle or the cubic kernel at a distance of at least 0.
Value Resizer::kernel(Scalar &s, Value x) {
  auto c = [&](double v) { return real(s, v); };
  auto mul = [&](Value u, Value v) { return s.mul(u, v, wide); };
  auto add = [&](Value u, Value v) { return s.add(u, v, wide); };
  if (mode == "linear")
    return s.max(s.sub(c(1), x, wide), c(0), wide);
  double a = onnx::floatAttr(op, "cubic_coeff_a", -0.75);
  Value inner = add(mul(mul(add(mul(c(a + 2), x), c(-(a + 3))), x), x), c(1));
  Value outer = add(mul(add(mul(add(mul(c(a), x), c(-5 * a)), x), c(8 * a)), x), c(-4 * a));
  outer = s.select(s.compare(Cmp::Less, x, c(2), wide), outer, c(0));
  return s.select(s.compare(Cmp::LessEqual, x, c(1), wide), inner, outer);
}

/// Antialiasing: where the image shrinks, the kernel is as much wider and sees all elements below it.
Tensor Resizer::interpolateWide(Tensor x, Axis a) {
  bool exclude = onnx::intAttr(op, "exclude_outside");
  Value scale = scaleOf(a), n = inSize(a);
  Scalar s0 = e.scalar();
  Value narrow = s0.min(scale, real(s0, 1.0), wide), support = real(s0, mode == "linear" ? -1.0 : -2.0);
  Value start = q.add(floorIndex(e, s0, s0.div(support, narrow, wide), wide), q.c(1));
  Value taps = q.sub(q.c(2), q.mul(start, q.c(2)));
  AffineExpr length = onnx::getDimExpr(result, a.dim);
  Tensor places{{}, onnx::withDims(wide, {length})}, sums = places;
  places.value = e.generate(places.type, [&](Scalar &s, ValueRange i) { return position(s, a, i[0], scale); });
  // Tap j of a position: its element, and its weight before they are made to sum to 1.
  auto tap = [&](Scalar &s, Value p, Value j) -> std::pair<Value, Value> {
    Value low = q.sub(floorIndex(e, s, s.apply<math::CeilOp>(p), wide), q.c(1));
    Value at = q.add(q.add(low, start), j);
    Value distance = s.abs(s.mul(s.sub(real(s, at), p, wide), narrow, wide), wide);
    Value w = kernel(s, distance);
    return {at, exclude ? s.select(q.inside(at, n), w, real(s, 0.0)) : w};
  };
  sums.value = e.generate(sums.type, [&](Scalar &s, ValueRange i) -> Value {
    Value p = e.at(places, i[0]);
    Value sum = countedLoop(e, q.c(0), taps, q.c(1), real(s, 0.0), [&](Value j, ValueRange acc) -> SmallVector<Value> {
      return {s.add(acc[0], tap(s, p, j).second, wide)};
    })[0];
    return s.select(s.compare(Cmp::Equal, sum, real(s, 0.0), wide), real(s, 1.0), sum);
  });
  Type k = x.element();
  auto type = resized(x, a, k);
  Value v = e.generate(type, [&](Scalar &s, ValueRange i) -> Value {
    Value p = e.at(places, i[a.dim]);
    Value sum = countedLoop(e, q.c(0), taps, q.c(1), real(s, 0.0), [&](Value j, ValueRange acc) -> SmallVector<Value> {
      auto [index, w] = tap(s, p, j);
      SmallVector<Value> at(i);
      at[a.dim] = q.clamp(index, n);
      return {s.add(acc[0], s.mul(s.cast(e.at(x, at), k, wide), w, wide), wide)};
    })[0];
    return extrapolated(s, a, p, s.cast(s.div(sum, e.at(sums, i[a.dim]), wide), wide, k), k);
  });
  return {v, type};
}

LogicalResult Resizer::run() {
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    return op->emitError("mode '") << mode << "' is unknown";
  if (coordinates == "tf_crop_and_resize" && isEmpty(roi))
    return op->emitError("tf_crop_and_resize needs the input roi");
  Type element = image.element();
  Tensor x = image;
  SmallVector<Axis> todo = llvm::to_vector(llvm::make_filter_range(axes, [&](Axis a) { return !isIdentity(a); }));
  auto identity = [&](Tensor t) { return e.b.getMultiDimIdentityMap(t.rank()); };
  if (mode == "nearest") {
    for (Axis a : todo)
      x = nearest(x, a);
    e.setResult(op, 0, e.map(result, {{x, identity(x)}}, [](Scalar &, ValueRange v) { return v[0]; }));
    return success();
  }
  if (isa<ComplexType>(element) || element.isInteger(1))
    return op->emitError("elements of this type cannot be interpolated");
  Type k = isa<IntegerType>(element) ? wide : computeType(element);
  if (element != k) {
    auto wide = RankedTensorType::get(image.type.getShape(), k, image.type.getEncoding());
    x = {e.map(wide, {{x, identity(x)}}, [&](Scalar &s, ValueRange v) { return s.cast(v[0], element, k); }), wide};
  }
  bool antialias = onnx::intAttr(op, "antialias");
  for (Axis a : todo)
    x = antialias ? interpolateWide(x, a) : interpolate(x, a);
  e.setResult(op, 0, e.map(result, {{x, identity(x)}}, [&](Scalar &s, ValueRange v) -> Value {
    return isa<IntegerType>(element) ? saturated(s, v[0], {}, k, element) : s.cast(v[0], k, element);
  }));
  return success();
}
} // namespace

void ssm::populateResize(Registry &r) {
  r.lower("Resize", [](Operation *op, Emitter &e) { return Resizer(op, e).run(); });
}
