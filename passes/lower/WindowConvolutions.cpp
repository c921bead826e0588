//===- WindowConvolutions.cpp - Conv, ConvInteger and QLinearConv ----------===//
// One linalg.generic over a padded input, with the contracted loops placed so that the innermost loop runs over
// contiguous elements of the input and the result. Accumulators are f32 or wider (i32 for integers).
//===----------------------------------------------------------------------===//
#include "passes/lower/WindowConvolutions.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Contractions.h"
#include "passes/lower/Index.h"
#include "passes/lower/Quantise.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

using It = utils::IteratorType;

Tensor ssm::splitAxis(Emitter &e, Tensor t, unsigned axis, int64_t parts) {
  SmallVector<int64_t> shape;
  SmallVector<ReassociationIndices> groups;
  SmallVector<AffineExpr> dims;
  int64_t at = 0;
  auto have = cast<RankedTensorType>(t.value.getType());
  for (int64_t i = 0; i < t.rank(); ++i) {
    int64_t size = have.getDimSize(i);
    AffineExpr d = onnx::getDimExpr(t.type, i);
    if (i == axis) {
      shape.push_back(parts);
      shape.push_back(ShapedType::isDynamic(size) ? size : size / parts);
      dims.push_back(getAffineConstantExpr(parts, e.b.getContext()));
      dims.push_back(d.floorDiv(parts));
      groups.push_back({at, at + 1});
      at += 2;
    } else {
      shape.push_back(size);
      dims.push_back(d);
      groups.push_back({at++});
    }
  }
  auto type = RankedTensorType::get(shape, storageType(t.element()));
  return {tensor::ExpandShapeOp::create(e.b, e.loc, type, t.value, groups), onnx::withDims(t.element(), dims)};
}

Tensor ssm::joinAxes(Emitter &e, Tensor t, unsigned axis, RankedTensorType to) {
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0, at = 0; i < to.getRank(); ++i) {
    groups.push_back({at++});
    if (i == axis)
      groups.back().push_back(at++);
  }
  auto type = RankedTensorType::get(to.getShape(), storageType(t.element()));
  return {tensor::CollapseShapeOp::create(e.b, e.loc, type, t.value, groups), to};
}

namespace {

/// Padding at the start of each spatial dimension. SAME pads depend on the size; they are an index value then.
SmallVector<Value> padStarts(Operation *op, Emitter &e, Tensor x, RankedTensorType result, ArrayRef<Value> kernel) {
  Index q{e};
  int64_t n = x.rank() - 2;
  auto pads = onnx::intsAttr(op, "pads"), strides = onnx::intsAttr(op, "strides"),
       dilations = onnx::intsAttr(op, "dilations");
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  SmallVector<Value> out;
  for (int64_t i = 0; i < n; ++i) {
    if (!automatic.starts_with("SAME")) {
      out.push_back(q.c(pads.empty() || automatic == "VALID" ? 0 : pads[i]));
      continue;
    }
    Value extent = q.add(q.mul(q.sub(kernel[i], q.c(1)), q.c(dilations.empty() ? 1 : dilations[i])), q.c(1));
    Value steps = q.sub(e.size(onnx::getDimExpr(result, i + 2)), q.c(1));
    Value reach = q.add(q.mul(steps, q.c(strides.empty() ? 1 : strides[i])), extent);
    Value total = q.max(q.sub(reach, e.dim(x, i + 2)), q.c(0));
    if (automatic == "SAME_LOWER")
      total = q.add(total, q.c(1));
    out.push_back(q.div(total, q.c(2)));
  }
  return out;
}

/// x with zero (or a zero point) around its spatial dimensions, long enough for every window. The type stays that of x:
/// the padded sizes are in the value's own type only.
Tensor padSpatial(Emitter &e, Tensor x, ArrayRef<Value> starts, ArrayRef<Value> extents, Value padStored) {
  Index q{e};
  SmallVector<OpFoldResult> low(2, e.b.getIndexAttr(0)), high(2, e.b.getIndexAttr(0));
  SmallVector<int64_t> shape = {x.type.getDimSize(0), x.type.getDimSize(1)};
  for (auto [i, start] : llvm::enumerate(starts)) {
    low.push_back(start);
    Value after = q.sub(extents[i], q.add(start, e.dim(x, i + 2)));
    high.push_back(q.max(after, q.c(0)));
    shape.push_back(ShapedType::kDynamic);
  }
  auto type = RankedTensorType::get(shape, storageType(x.element()));
  Value v = tensor::PadOp::create(e.b, e.loc, type, x.value, low, high, padStored);
  return {v, x.type};
}

/// The operands of the three convolutions by their meaning.
struct Operands {
  Tensor x, w, bias, zeroX, zeroW;
  bool integer = false; // accumulates in i32
};

/// Sums of products of every window, in accumulators: a tensor with the result's shape.
Tensor windowSums(Operation *op, Emitter &e, const Operands &in) {
  Tensor x = in.x, w = in.w;
  RankedTensorType result = Emitter::resultType(op);
  MLIRContext *c = op->getContext();
  Index q{e};
  int64_t n = x.rank() - 2, group = onnx::intAttr(op, "group", 1);
  auto strides = onnx::intsAttr(op, "strides"), dilations = onnx::intsAttr(op, "dilations");
  strides.resize(n, 1);
  dilations.resize(n, 1);
  SmallVector<Value> kernel, extents;
  for (int64_t i = 0; i < n; ++i)
    kernel.push_back(e.dim(w, i + 2));
  SmallVector<Value> starts = padStarts(op, e, x, result, kernel);
  for (int64_t i = 0; i < n; ++i) {
    // Size read: (out - 1) * stride + (kernel - 1) * dilation + 1.
    Value last = q.mul(q.sub(e.size(onnx::getDimExpr(result, i + 2)), q.c(1)), q.c(strides[i]));
    Value reach = q.mul(q.sub(kernel[i], q.c(1)), q.c(dilations[i]));
    extents.push_back(q.add(q.add(last, reach), q.c(1)));
  }
  Value fill = e.scalar().store(e.scalar().constant(x.element(), 0.0), x.element());
  if (in.zeroX)
    fill = tensor::ExtractOp::create(e.b, e.loc, in.zeroX.value, SmallVector<Value>(in.zeroX.rank(), q.c(0)));
  Tensor padded = padSpatial(e, x, starts, extents, fill);
  // Loops: batch, group, channel of the group, space..., input channel, kernel... with the last spatial loop innermost.
  SmallVector<It> iterators;
  unsigned count = 0;
  auto loop = [&](It kind) {
    iterators.push_back(kind);
    return getAffineDimExpr(count++, c);
  };
  AffineExpr nb = loop(It::parallel), g = loop(It::parallel), m = loop(It::parallel);
  SmallVector<AffineExpr> space, taps;
  for (int64_t i = 0; i + 1 < n; ++i)
    space.push_back(loop(It::parallel));
  AffineExpr ic = loop(It::reduction);
  for (int64_t i = 0; i < n; ++i)
    taps.push_back(loop(It::reduction));
  space.push_back(loop(It::parallel));
  Tensor xs = splitAxis(e, padded, 1, group), ws = splitAxis(e, w, 0, group);
  SmallVector<AffineExpr> xe = {nb, g, ic}, we = {g, m, ic}, oe = {nb, g, m};
  for (int64_t i = 0; i < n; ++i) {
    xe.push_back(space[i] * strides[i] + taps[i] * dilations[i]);
    we.push_back(taps[i]);
    oe.push_back(space[i]);
  }
  Type t = x.element(), acc = in.integer ? (Type)e.b.getI32Type() : computeType(t);
  SmallVector<Emitter::Access> inputs = {{xs, AffineMap::get(count, 0, xe, c)}, {ws, AffineMap::get(count, 0, we, c)}};
  if (in.zeroX)
    inputs.push_back(
        {in.zeroX, AffineMap::get(count, 0, SmallVector<AffineExpr>(in.zeroX.rank(), getAffineConstantExpr(0, c)), c)});
  if (in.zeroW) {
    // Along the output channels, which are two loops here.
    AffineExpr channels = onnx::getDimExpr(w.type, 0);
    Emitter::Access one = perAxis(e, in.zeroW, channels, g, count);
    if (llvm::is_contained(one.map.getResults(), g)) {
      one.tensor = splitAxis(e, one.tensor, 0, group);
      one.map = AffineMap::get(count, 0, {g, m}, c);
    }
    inputs.push_back(one);
  }
  SmallVector<AffineExpr> wide = onnx::getDimExprs(result);
  wide[1] = onnx::getDimExpr(ws.type, 1);
  wide.insert(wide.begin() + 1, getAffineConstantExpr(group, c));
  auto accumulators = onnx::withDims(acc, wide);
  Value r = e.reduce(accumulators, AffineMap::get(count, 0, oe, c), inputs, iterators, e.scalar().constant(acc, 0.0),
                     [&](Scalar &s, Value a, ValueRange v) -> Value {
                       Value p = s.cast(v[0], t, acc), k = s.cast(v[1], w.element(), acc);
                       unsigned at = 2;
                       if (in.zeroX)
                         p = s.sub(p, s.cast(v[at++], in.zeroX.element(), acc), acc);
                       if (in.zeroW)
                         k = s.sub(k, s.cast(v[at++], in.zeroW.element(), acc), acc);
                       return s.add(a, s.mul(p, k, acc), acc);
                     });
  return joinAxes(e, {r, accumulators}, 1, RankedTensorType::get(result.getShape(), acc, result.getEncoding()));
}

LogicalResult conv(Operation *op, Emitter &e) {
  Operands in{e.operand(op, 0), e.operand(op, 1), e.operand(op, 2), {}, {}};
  Tensor sums = windowSums(op, e, in);
  MLIRContext *c = op->getContext();
  unsigned rank = sums.rank();
  Type acc = sums.element();
  SmallVector<Emitter::Access> last = {{sums, e.b.getMultiDimIdentityMap(rank)}};
  if (in.bias)
    last.push_back({in.bias, AffineMap::get(rank, 0, {getAffineDimExpr(1, c)}, c)});
  e.setResult(op, 0, e.map(Emitter::resultType(op), last, [&](Scalar &s, ValueRange v) -> Value {
    return v.size() > 1 ? s.add(v[0], v[1], acc) : v[0];
  }));
  return success();
}

LogicalResult convInteger(Operation *op, Emitter &e) {
  Operands in{e.operand(op, 0), e.operand(op, 1), {}, e.operand(op, 2), e.operand(op, 3), true};
  e.setResult(op, 0, windowSums(op, e, in).value);
  return success();
}

/// y = round((conv(x - x_zero, w - w_zero) + bias) * x_scale * w_scale / y_scale) + y_zero.
LogicalResult qlinearConv(Operation *op, Emitter &e) {
  Operands in{e.operand(op, 0), e.operand(op, 3), e.operand(op, 8), e.operand(op, 2), e.operand(op, 5), true};
  Tensor sums = windowSums(op, e, in);
  MLIRContext *c = op->getContext();
  unsigned rank = sums.rank();
  AffineExpr channels = onnx::getDimExpr(in.w.type, 0), channel = getAffineDimExpr(1, c);
  Requantised r{{sums, e.b.getMultiDimIdentityMap(rank)}};
  r.scaleX = perAxis(e, e.operand(op, 1), channels, channel, rank);
  r.scaleW = perAxis(e, e.operand(op, 4), channels, channel, rank);
  r.scaleY = perAxis(e, e.operand(op, 6), channels, channel, rank);
  r.zeroY = perAxis(e, e.operand(op, 7), channels, channel, rank);
  if (in.bias)
    r.bias = {in.bias, AffineMap::get(rank, 0, {channel}, c)};
  e.setResult(op, 0, requantise(e, Emitter::resultType(op), r));
  return success();
}
} // namespace

void ssm::populateWindowConvolutions(Registry &r) {
  r.lower("Conv", conv);
  r.lower("ConvInteger", convInteger);
  r.lower("QLinearConv", qlinearConv);
}
