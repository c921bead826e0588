//===- TransposedConvolutions.cpp - ConvTranspose and Col2Im ---------------===//
// Both add up the columns of an image: ConvTranspose makes the columns by a product of its kernel and its input, Col2Im
// is given them. Each element of the image gathers from the columns, so that no two threads write one element.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "passes/lower/WindowConvolutions.h"
#include "passes/lower/Index.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using It = utils::IteratorType;
using Pred = arith::CmpIPredicate;

/// Where the windows lie on the image.
struct Windows {
  SmallVector<int64_t> strides, dilations;
  SmallVector<Value> taps, counts, starts; // window sizes, number of windows, padding in front
};

/// Sum over all windows and taps that lie on the pixel: read gives the element of the columns.
Value gatherColumns(Emitter &e, Scalar &s, const Windows &w, ValueRange pixel, Type t,
                    llvm::function_ref<Value(ValueRange taps, ValueRange windows)> read) {
  Index q{e};
  int64_t n = w.taps.size();
  // Without dilation every stride-th tap meets a window: these are the only ones looked at.
  SmallVector<Value> counts, first;
  SmallVector<bool> sparse;
  for (int64_t d = 0; d < n; ++d) {
    Value position = q.add(pixel[d], w.starts[d]);
    sparse.push_back(w.dilations[d] == 1 && w.strides[d] > 1);
    first.push_back(sparse[d] ? q.rem(position, q.c(w.strides[d])) : q.c(0));
    Value taps = q.max(q.sub(w.taps[d], first[d]), q.c(0));
    counts.push_back(sparse[d] ? q.div(q.add(taps, q.c(w.strides[d] - 1)), q.c(w.strides[d])) : taps);
  }
  auto sum = loopNest(e, counts, s.constant(t, 0.0), [&](ValueRange steps, ValueRange carried) -> SmallVector<Value> {
    SmallVector<Value> taps, windows;
    Value inside = s.constant(e.b.getI1Type(), 1.0);
    for (int64_t d = 0; d < n; ++d) {
      taps.push_back(sparse[d] ? q.add(first[d], q.mul(steps[d], q.c(w.strides[d]))) : steps[d]);
      Value position = q.sub(q.add(pixel[d], w.starts[d]), q.mul(taps[d], q.c(w.dilations[d])));
      Value before = q.cmp(Pred::slt, position, q.c(0));
      position = q.max(position, q.c(0));
      Value window = w.strides[d] == 1 ? position : q.div(position, q.c(w.strides[d]));
      Value ok = q.both(q.cmp(Pred::eq, before, s.constant(e.b.getI1Type(), 0.0)), q.inside(window, w.counts[d]));
      if (w.strides[d] > 1)
        ok = q.both(ok, q.cmp(Pred::eq, q.mul(window, q.c(w.strides[d])), position));
      inside = q.both(inside, ok);
      windows.push_back(q.clamp(window, w.counts[d]));
    }
    Value v = read(taps, windows);
    return {s.add(carried[0], s.select(inside, v, s.constant(t, 0.0)), t)};
  });
  return sum[0];
}

LogicalResult convTranspose(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), w = e.operand(op, 1), bias = e.operand(op, 2);
  RankedTensorType result = Emitter::resultType(op);
  MLIRContext *c = op->getContext();
  Index q{e};
  int64_t n = x.rank() - 2, group = onnx::intAttr(op, "group", 1);
  Windows windows{onnx::intsAttr(op, "strides"), onnx::intsAttr(op, "dilations")};
  windows.strides.resize(n, 1);
  windows.dilations.resize(n, 1);
  auto pads = onnx::intsAttr(op, "pads"), extra = onnx::intsAttr(op, "output_padding");
  extra.resize(n, 0);
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  bool shaped = !onnx::intsAttr(op, "output_shape").empty();
  for (int64_t i = 0; i < n; ++i) {
    windows.taps.push_back(e.dim(w, i + 2));
    windows.counts.push_back(e.dim(x, i + 2));
    if (!shaped && !automatic.starts_with("SAME")) {
      windows.starts.push_back(q.c(pads.empty() || automatic == "VALID" ? 0 : pads[i]));
      continue;
    }
    // What does not fit the asked size is cut off, the larger half at the end for SAME_UPPER.
    Value full = q.add(q.mul(q.sub(windows.counts[i], q.c(1)), q.c(windows.strides[i])), q.c(extra[i] + 1));
    full = q.add(full, q.mul(q.sub(windows.taps[i], q.c(1)), q.c(windows.dilations[i])));
    Value total = q.max(q.sub(full, e.size(onnx::getDimExpr(result, i + 2))), q.c(0));
    windows.starts.push_back(q.div(automatic == "SAME_UPPER" ? total : q.add(total, q.c(1)), q.c(2)));
  }
  // Columns: batch, group, output channel, taps..., input positions..., the input channel contracted.
  Tensor xs = splitAxis(e, x, 1, group), ws = splitAxis(e, w, 0, group);
  Type t = x.element(), acc = computeType(t);
  SmallVector<It> iterators;
  unsigned count = 0;
  auto loop = [&](It kind) {
    iterators.push_back(kind);
    return getAffineDimExpr(count++, c);
  };
  AffineExpr nb = loop(It::parallel), g = loop(It::parallel), m = loop(It::parallel);
  SmallVector<AffineExpr> taps, space;
  for (int64_t i = 0; i < n; ++i)
    taps.push_back(loop(It::parallel));
  for (int64_t i = 0; i + 1 < n; ++i)
    space.push_back(loop(It::parallel));
  AffineExpr ic = loop(It::reduction);
  space.push_back(loop(It::parallel));
  SmallVector<AffineExpr> xe = {nb, g, ic}, we = {g, ic, m}, ce = {nb, g, m}, sizes;
  xe.append(space);
  we.append(taps);
  ce.append(taps);
  ce.append(space);
  sizes = {onnx::getDimExpr(x.type, 0), getAffineConstantExpr(group, c), onnx::getDimExpr(w.type, 1)};
  for (Tensor source : {w, x})
    for (int64_t i = 0; i < n; ++i)
      sizes.push_back(onnx::getDimExpr(source.type, i + 2));
  Tensor columns{{}, onnx::withDims(acc, sizes)};
  columns.value = e.reduce(columns.type, AffineMap::get(count, 0, ce, c),
                           {{xs, AffineMap::get(count, 0, xe, c)}, {ws, AffineMap::get(count, 0, we, c)}}, iterators,
                           e.scalar().constant(acc, 0.0), [&](Scalar &s, Value a, ValueRange v) -> Value {
                             return s.add(a, s.mul(v[0], v[1], acc), acc);
                           });
  Value perGroup = e.dim(w, 1);
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    Value v = gatherColumns(e, s, windows, i.drop_front(2), acc, [&](ValueRange k, ValueRange at) {
      SmallVector<Value> where = {i[0], q.div(i[1], perGroup), q.rem(i[1], perGroup)};
      llvm::append_range(where, k);
      llvm::append_range(where, at);
      return e.at(columns, where);
    });
    return bias ? s.add(v, e.at(bias, i[1]), acc) : v;
  }));
  return success();
}

LogicalResult col2Im(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), block = e.operand(op, 2);
  RankedTensorType result = Emitter::resultType(op);
  Index q{e};
  int64_t n = result.getRank() - 2;
  Windows windows{onnx::intsAttr(op, "strides"), onnx::intsAttr(op, "dilations")};
  windows.strides.resize(n, 1);
  windows.dilations.resize(n, 1);
  auto pads = onnx::intsAttr(op, "pads");
  pads.resize(2 * n, 0);
  Value perChannel = q.c(1);
  for (int64_t i = 0; i < n; ++i) {
    Scalar s = e.scalar();
    windows.taps.push_back(s.toIndex(e.at(block, q.c(i)), block.element()));
    perChannel = q.mul(perChannel, windows.taps[i]);
    windows.starts.push_back(q.c(pads[i]));
    Value extent = q.add(q.mul(q.sub(windows.taps[i], q.c(1)), q.c(windows.dilations[i])), q.c(1));
    Value room = q.sub(q.add(e.size(onnx::getDimExpr(result, i + 2)), q.c(pads[i] + pads[i + n])), extent);
    windows.counts.push_back(q.add(q.div(q.max(room, q.c(0)), q.c(windows.strides[i])), q.c(1)));
  }
  Type t = x.element();
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    return gatherColumns(e, s, windows, i.drop_front(2), t, [&](ValueRange taps, ValueRange at) {
      Value row = q.c(0), column = q.c(0);
      for (int64_t d = 0; d < n; ++d) {
        row = q.add(q.mul(row, windows.taps[d]), taps[d]);
        column = q.add(q.mul(column, windows.counts[d]), at[d]);
      }
      // Sizes that do not belong together must not lead outside the columns.
      return e.at(x, {i[0], q.clamp(q.add(q.mul(i[1], perChannel), row), e.dim(x, 1)), q.clamp(column, e.dim(x, 2))});
    });
  }));
  return success();
}
} // namespace

void ssm::populateTransposedConvolutions(Registry &r) {
  r.lower("ConvTranspose", convTranspose);
  r.lower("Col2Im", col2Im);
}
