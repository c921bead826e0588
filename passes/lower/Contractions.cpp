//===- Contractions.cpp - matrix products, Einsum, convolutions ------------===//
// All are one linalg.generic with the contracted loops placed so that the innermost loop runs over contiguous elements of
// the right operand and the result where that is possible. Accumulators are f32 or wider (i32 for integers).
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using It = utils::IteratorType;

/// Index of a broadcast batch dimension: the loop, 0 where the operand has one element, null when only run time knows.
AffineExpr batchIndex(Tensor t, unsigned axis, AffineExpr resultDim, AffineExpr loop) {
  AffineExpr have = onnx::getDimExpr(t.type, axis);
  if (have == resultDim)
    return loop;
  if (isa<AffineConstantExpr>(have) && !isa<AffineConstantExpr>(resultDim))
    return getAffineConstantExpr(0, loop.getContext());
  if (isa<AffineConstantExpr>(have) && cast<AffineConstantExpr>(have).getValue() == 1)
    return getAffineConstantExpr(0, loop.getContext());
  return {};
}

/// a expanded to sizes that the result has, for broadcasts that only run time decides.
Tensor materialiseBroadcast(Emitter &e, Tensor t, ArrayRef<AffineExpr> dims) {
  auto type = onnx::withDims(t.element(), dims);
  Value v = e.generate(type, [&](Scalar &, ValueRange i) { return e.atBroadcast(t, type, i); });
  return {v, type};
}

struct Product {
  Tensor a, b;            // (batch..., M, K) and (batch..., K, N), or transposed
  bool transA = false, transB = false;
  Tensor zeroA, zeroB;    // integer zero points, per tensor, per row or per column
  RankedTensorType result; // (batch..., M, N)
  bool panels = false;     // b is (ceil(N / P), K, P): ssm.pack of a matrix
};

Value emitProduct(Emitter &e, Product p, double alpha = 1) {
  MLIRContext *c = e.b.getContext();
  int64_t rank = p.result.getRank(), batch = rank - 2;
  SmallVector<AffineExpr> out = onnx::getDimExprs(p.result);
  // Loops: batch, m, k, n.
  AffineExpr m = getAffineDimExpr(batch, c), k = getAffineDimExpr(batch + 1, c), n = getAffineDimExpr(batch + 2, c);
  auto access = [&](Tensor &t, AffineExpr x, AffineExpr y, bool transposed) {
    int64_t own = t.rank() - 2;
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < own; ++i) {
      int64_t at = batch - own + i;
      AffineExpr index = batchIndex(t, i, out[at], getAffineDimExpr(at, c));
      if (!index) {
        SmallVector<AffineExpr> dims(out.begin() + batch - own, out.begin() + batch);
        dims.push_back(onnx::getDimExpr(t.type, own));
        dims.push_back(onnx::getDimExpr(t.type, own + 1));
        t = materialiseBroadcast(e, t, dims);
        exprs.clear();
        for (int64_t j = 0; j < own; ++j)
          exprs.push_back(getAffineDimExpr(batch - own + j, c));
        break;
      }
      exprs.push_back(index);
    }
    exprs.push_back(transposed ? y : x);
    exprs.push_back(transposed ? x : y);
    return AffineMap::get(batch + 3, 0, exprs, c);
  };
  AffineMap mapA = access(p.a, m, k, p.transA), mapB;
  if (p.panels) {
    int64_t width = p.b.type.getDimSize(2);
    mapB = AffineMap::get(batch + 3, 0, {n.floorDiv(width), k, n % width}, c);
  } else {
    mapB = access(p.b, k, n, p.transB);
  }
  SmallVector<AffineExpr> outExprs;
  for (int64_t i = 0; i < batch; ++i)
    outExprs.push_back(getAffineDimExpr(i, c));
  outExprs.push_back(m);
  outExprs.push_back(n);
  SmallVector<It> iterators(batch + 3, It::parallel);
  iterators[batch + 1] = It::reduction;
  Type element = p.a.element();
  bool integer = isa<IntegerType>(element);
  Type accumulator = integer && p.result.getElementType().getIntOrFloatBitWidth() <= 32 ? (Type)e.b.getI32Type()
                     : integer                                                          ? (Type)e.b.getI64Type()
                                                                                        : computeType(element);
  if (integer && !p.zeroA && !p.zeroB && p.result.getElementType() == element)
    accumulator = computeType(element);
  SmallVector<Emitter::Access> inputs = {{p.a, mapA}, {p.b, mapB}};
  auto zero = [&](Tensor t, AffineExpr loop) {
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < t.rank(); ++i)
      exprs.push_back(getAffineConstantExpr(0, c));
    if (t.rank() == 1 && !(t.type.hasStaticShape() && t.type.getDimSize(0) == 1))
      exprs[0] = loop;
    inputs.push_back({t, AffineMap::get(batch + 3, 0, exprs, c)});
  };
  if (p.zeroA)
    zero(p.zeroA, m);
  if (p.zeroB)
    zero(p.zeroB, n);
  Value init = isa<ComplexType>(accumulator) ? e.scalar().constant(accumulator, 0.0) : e.scalar().constant(accumulator, 0.0);
  auto accType = RankedTensorType::get(p.result.getShape(), accumulator, p.result.getEncoding());
  Value r = e.reduce(accType, AffineMap::get(batch + 3, 0, outExprs, c), inputs, iterators, init,
                     [&](Scalar &s, Value acc, ValueRange v) -> Value {
                       Value x = s.cast(v[0], p.a.element(), accumulator), y = s.cast(v[1], p.b.element(), accumulator);
                       unsigned at = 2;
                       if (p.zeroA)
                         x = s.sub(x, s.cast(v[at++], p.zeroA.element(), accumulator), accumulator);
                       if (p.zeroB)
                         y = s.sub(y, s.cast(v[at++], p.zeroB.element(), accumulator), accumulator);
                       return s.add(acc, s.mul(x, y, accumulator), accumulator);
                     });
  return r;
}

/// MatMul shapes with vectors widened to matrices.
RankedTensorType matrixType(RankedTensorType t, bool left) {
  SmallVector<AffineExpr> d = onnx::getDimExprs(t);
  if (d.size() == 1)
    d.insert(left ? d.begin() : d.end(), getAffineConstantExpr(1, t.getContext()));
  return onnx::withDims(t.getElementType(), d);
}

LogicalResult matmul(Operation *op, Emitter &e) {
  Tensor a = e.operand(op, 0), b = e.operand(op, 1);
  RankedTensorType result = Emitter::resultType(op), full = result;
  bool packed = op->hasAttr(kColumnsAttr), vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  if (packed) {
    // The matrix is the same for all of a's, which together are one matrix, too.
    if (a.rank() != 2) {
      SmallVector<AffineExpr> d = onnx::getDimExprs(a.type);
      AffineExpr inner = d.pop_back_val(), rows = getAffineConstantExpr(1, op->getContext());
      for (AffineExpr e : d)
        rows = rows * e;
      auto t = onnx::withDims(a.element(), {rows, inner});
      a = {e.reshape(a, t), t};
      int64_t columns = op->getAttrOfType<IntegerAttr>(kColumnsAttr).getInt();
      full = onnx::withDims(result.getElementType(), {rows, getAffineConstantExpr(columns, op->getContext())});
    }
  } else if (vectorA || vectorB) {
    SmallVector<AffineExpr> d = onnx::getDimExprs(result);
    AffineExpr one = getAffineConstantExpr(1, op->getContext());
    if (vectorA)
      d.insert(d.end() - (vectorB ? 0 : 1), one);
    if (vectorB)
      d.push_back(one);
    full = onnx::withDims(result.getElementType(), d);
    if (vectorA) {
      auto t = matrixType(a.type, true);
      a = {e.reshape(a, t), t};
    }
    if (vectorB) {
      auto t = matrixType(b.type, false);
      b = {e.reshape(b, t), t};
    }
  }
  Product p{a, b, false, false, {}, {}, full};
  p.panels = packed;
  if (op->getName().stripDialect() == "MatMulInteger") {
    p.zeroA = e.operand(op, 2);
    p.zeroB = e.operand(op, 3);
  }
  Value r = e.toStorage(emitProduct(e, p), full);
  e.setResult(op, 0, full == result ? r : e.reshape({r, full}, result));
  return success();
}

LogicalResult gemm(Operation *op, Emitter &e) {
  Product p{e.operand(op, 0), e.operand(op, 1), (bool)onnx::intAttr(op, "transA"), (bool)onnx::intAttr(op, "transB"),
            {}, {}, Emitter::resultType(op), op->hasAttr(kColumnsAttr)};
  Value r = emitProduct(e, p);
  Tensor c = e.operand(op, 2);
  Type t = p.a.element();
  double alpha = onnx::floatAttr(op, "alpha", 1), beta = onnx::floatAttr(op, "beta", 1);
  RankedTensorType result = p.result;
  auto accType = RankedTensorType::get(result.getShape(), computeType(t), result.getEncoding());
  MLIRContext *context = op->getContext();
  SmallVector<Emitter::Access> inputs = {{{r, accType}, e.b.getMultiDimIdentityMap(2)}};
  bool late = false;
  if (c && beta != 0) {
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < c.rank(); ++i) {
      AffineExpr index = batchIndex(c, i, onnx::getDimExpr(result, i + 2 - c.rank()), getAffineDimExpr(i + 2 - c.rank(), context));
      late |= !index;
      exprs.push_back(index);
    }
    if (!late)
      inputs.push_back({c, AffineMap::get(2, 0, exprs, context)});
  }
  if (late) {
    c = materialiseBroadcast(e, c, onnx::getDimExprs(result));
    inputs.push_back({c, e.b.getMultiDimIdentityMap(2)});
  }
  e.setResult(op, 0, e.map(result, inputs, [&](Scalar &s, ValueRange v) -> Value {
    Type k = computeType(t);
    auto scaled = [&](Value x, double f) -> Value {
      if (f == 1)
        return x;
      if (isa<FloatType>(k))
        return s.mul(x, s.constant(k, f), k);
      Type f64 = s.b.getF64Type();
      return s.cast(s.mul(s.cast(x, k, f64), s.constant(f64, f), f64), f64, k);
    };
    Value x = scaled(v[0], alpha);
    return v.size() > 1 ? s.add(x, scaled(v[1], beta), k) : x;
  }));
  return success();
}

LogicalResult einsum(Operation *op, Emitter &e) {
  std::string text;
  for (char c : onnx::stringAttr(op, "equation"))
    if (c != ' ')
      text.push_back(c);
  auto [left, right] = StringRef(text).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  MLIRContext *c = op->getContext();
  RankedTensorType result = Emitter::resultType(op);
  // Letters become loops; "..." becomes letters of its own, counted from the right.
  size_t widest = 0;
  auto letters = [&](StringRef term, int64_t rank) {
    SmallVector<int> out;
    size_t named = llvm::count_if(term, [](char x) { return x != '.'; });
    for (size_t i = 0; i < term.size(); ++i) {
      if (term[i] != '.') {
        out.push_back(term[i]);
        continue;
      }
      size_t n = rank - named;
      widest = std::max(widest, n);
      for (size_t k = 0; k < n; ++k)
        out.push_back(1000 - (int)(n - k));
      i += 2;
    }
    return out;
  };
  SmallVector<SmallVector<int>> in;
  SmallVector<Tensor> tensors;
  std::map<int, int> uses;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    tensors.push_back(e.operand(op, i));
    in.push_back(letters(terms[i], tensors[i].rank()));
    for (int x : in.back())
      ++uses[x];
  }
  SmallVector<int> out;
  if (StringRef(text).contains("->")) {
    out = letters(right, result.getRank());
  } else {
    for (size_t k = widest; k > 0; --k)
      out.push_back(1000 - (int)k);
    for (auto [x, n] : uses)
      if (n == 1 && x < 900)
        out.push_back(x);
  }
  std::map<int, AffineExpr> loops, sizes;
  SmallVector<It> iterators;
  auto loop = [&](int x, It kind) {
    if (!loops.count(x)) {
      loops[x] = getAffineDimExpr(loops.size(), c);
      iterators.push_back(kind);
    }
  };
  // Contracted loops stand before the last result loop.
  for (size_t i = 0; i + 1 < out.size(); ++i)
    loop(out[i], It::parallel);
  for (auto [x, n] : uses)
    if (!llvm::is_contained(out, x))
      loop(x, It::reduction);
  if (!out.empty())
    loop(out.back(), It::parallel);
  for (auto [t, ls] : llvm::zip(tensors, in))
    for (auto [k, x] : llvm::enumerate(ls)) {
      AffineExpr d = onnx::getDimExpr(t.type, k);
      auto constant = dyn_cast<AffineConstantExpr>(d);
      if (!sizes.count(x) || !(constant && constant.getValue() == 1))
        sizes[x] = d;
    }
  for (auto [k, x] : llvm::enumerate(out))
    sizes[x] = onnx::getDimExpr(result, k);
  unsigned n = loops.size();
  SmallVector<Emitter::Access> inputs;
  for (auto [t, ls] : llvm::zip(tensors, in)) {
    SmallVector<AffineExpr> exprs;
    for (auto [k, x] : llvm::enumerate(ls)) {
      AffineExpr index = batchIndex(t, k, sizes[x], loops[x]);
      exprs.push_back(index ? index : loops[x]);
    }
    inputs.push_back({t, AffineMap::get(n, 0, exprs, c)});
  }
  SmallVector<AffineExpr> outExprs;
  for (int x : out)
    outExprs.push_back(loops[x]);
  Type t = result.getElementType(), k = computeType(t);
  auto accType = RankedTensorType::get(result.getShape(), k, result.getEncoding());
  Value r = e.reduce(accType, AffineMap::get(n, 0, outExprs, c), inputs, iterators, e.scalar().constant(k, 0.0),
                     [&](Scalar &s, Value acc, ValueRange v) -> Value {
                       Value x = v[0];
                       for (Value y : v.drop_front())
                         x = s.mul(x, y, k);
                       return s.add(acc, x, k);
                     });
  e.setResult(op, 0, e.toStorage(r, result));
  return success();
}

/// Padding at the start of each spatial dimension. SAME pads depend on the size; they are an index value then.
SmallVector<Value> padStarts(Operation *op, Emitter &e, Tensor x, RankedTensorType result, ArrayRef<Value> kernel) {
  int64_t n = x.rank() - 2;
  auto pads = onnx::intsAttr(op, "pads"), strides = onnx::intsAttr(op, "strides"), dilations = onnx::intsAttr(op, "dilations");
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  SmallVector<Value> out;
  for (int64_t i = 0; i < n; ++i) {
    if (!automatic.starts_with("SAME")) {
      out.push_back(e.index(pads.empty() || automatic == "VALID" ? 0 : pads[i]));
      continue;
    }
    Value extent = arith::AddIOp::create(
        e.b, e.loc, arith::MulIOp::create(e.b, e.loc, arith::SubIOp::create(e.b, e.loc, kernel[i], e.index(1)),
                                          e.index(dilations.empty() ? 1 : dilations[i])), e.index(1));
    Value steps = arith::SubIOp::create(e.b, e.loc, e.size(onnx::getDimExpr(result, i + 2)), e.index(1));
    Value reach = arith::AddIOp::create(e.b, e.loc, arith::MulIOp::create(e.b, e.loc, steps, e.index(strides.empty() ? 1 : strides[i])), extent);
    Value total = arith::MaxSIOp::create(e.b, e.loc, arith::SubIOp::create(e.b, e.loc, reach, e.dim(x, i + 2)), e.index(0));
    if (automatic == "SAME_LOWER")
      total = arith::AddIOp::create(e.b, e.loc, total, e.index(1));
    out.push_back(arith::ShRUIOp::create(e.b, e.loc, total, e.index(1)));
  }
  return out;
}

/// x with zero (or a zero point) around its spatial dimensions, long enough for every window.
Tensor padSpatial(Emitter &e, Tensor x, ArrayRef<Value> starts, ArrayRef<Value> extents, Value padStored) {
  SmallVector<OpFoldResult> low(2, e.b.getIndexAttr(0)), high(2, e.b.getIndexAttr(0));
  SmallVector<int64_t> shape = {x.type.getDimSize(0), x.type.getDimSize(1)};
  for (auto [i, start] : llvm::enumerate(starts)) {
    low.push_back(start);
    Value after = arith::SubIOp::create(e.b, e.loc, extents[i], arith::AddIOp::create(e.b, e.loc, start, e.dim(x, i + 2)));
    high.push_back(arith::MaxSIOp::create(e.b, e.loc, after, e.index(0)).getResult());
    shape.push_back(ShapedType::kDynamic);
  }
  auto type = RankedTensorType::get(shape, storageType(x.element()));
  Value v = tensor::PadOp::create(e.b, e.loc, type, x.value, low, high, padStored);
  return {v, RankedTensorType::get(shape, x.element())};
}

LogicalResult conv(Operation *op, Emitter &e) {
  bool integer = op->getName().stripDialect() == "ConvInteger";
  Tensor x = e.operand(op, 0), w = e.operand(op, 1), bias = integer ? Tensor() : e.operand(op, 2);
  Tensor zeroX = integer ? e.operand(op, 2) : Tensor(), zeroW = integer ? e.operand(op, 3) : Tensor();
  RankedTensorType result = Emitter::resultType(op);
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
    Value last = arith::MulIOp::create(e.b, e.loc, arith::SubIOp::create(e.b, e.loc, e.size(onnx::getDimExpr(result, i + 2)), e.index(1)), e.index(strides[i]));
    Value reach = arith::MulIOp::create(e.b, e.loc, arith::SubIOp::create(e.b, e.loc, kernel[i], e.index(1)), e.index(dilations[i]));
    extents.push_back(arith::AddIOp::create(e.b, e.loc, arith::AddIOp::create(e.b, e.loc, last, reach), e.index(1)));
  }
  Value zero = e.scalar().store(e.scalar().constant(x.element(), 0.0), x.element());
  if (zeroX) {
    SmallVector<Value> none(zeroX.rank(), e.index(0));
    zero = tensor::ExtractOp::create(e.b, e.loc, zeroX.value, none);
  }
  Tensor padded = padSpatial(e, x, starts, extents, zero);
  // Loops: batch, group, channel of the group, space..., input channel, kernel... with the last spatial loop innermost.
  MLIRContext *c = op->getContext();
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
  auto splitChannels = [&](Tensor t, unsigned axis) -> Tensor { // (.., C, ..) to (.., G, C/G, ..)
    SmallVector<OpFoldResult> sizes;
    SmallVector<int64_t> shape;
    SmallVector<ReassociationIndices> groups;
    int64_t at = 0;
    for (int64_t i = 0; i < t.rank(); ++i) {
      if (i == axis) {
        int64_t d = t.type.getDimSize(i);
        shape.push_back(group);
        shape.push_back(ShapedType::isDynamic(d) ? d : d / group);
        groups.push_back({at, at + 1});
        at += 2;
      } else {
        shape.push_back(t.type.getDimSize(i));
        groups.push_back({at++});
      }
    }
    auto type = RankedTensorType::get(shape, t.element());
    Value v = tensor::ExpandShapeOp::create(e.b, e.loc, storageTensor(type), t.value, groups);
    return {v, type};
  };
  Tensor xs = splitChannels(padded, 1), ws = splitChannels(w, 0);
  SmallVector<AffineExpr> xe = {nb, g, ic}, we = {g, m, ic}, oe = {nb, g, m};
  for (int64_t i = 0; i < n; ++i) {
    xe.push_back(space[i] * strides[i] + taps[i] * dilations[i]);
    we.push_back(taps[i]);
    oe.push_back(space[i]);
  }
  Type t = x.element(), acc = integer ? (Type)e.b.getI32Type() : computeType(t);
  SmallVector<AffineExpr> wideDims = onnx::getDimExprs(result);
  wideDims[1] = wideDims[1].floorDiv(group);
  wideDims.insert(wideDims.begin() + 1, getAffineConstantExpr(group, c));
  auto wide = onnx::withDims(acc, wideDims);
  SmallVector<Emitter::Access> inputs = {{xs, AffineMap::get(count, 0, xe, c)}, {ws, AffineMap::get(count, 0, we, c)}};
  for (Tensor z : {zeroX, zeroW})
    if (z) {
      SmallVector<AffineExpr> exprs(z.rank(), getAffineConstantExpr(0, c));
      inputs.push_back({z, AffineMap::get(count, 0, exprs, c)});
    }
  Value r = e.reduce(wide, AffineMap::get(count, 0, oe, c), inputs, iterators, e.scalar().constant(acc, 0.0),
                     [&](Scalar &s, Value a, ValueRange v) -> Value {
                       Value p = s.cast(v[0], t, acc), q = s.cast(v[1], w.element(), acc);
                       unsigned at = 2;
                       if (zeroX)
                         p = s.sub(p, s.cast(v[at++], zeroX.element(), acc), acc);
                       if (zeroW)
                         q = s.sub(q, s.cast(v[at++], zeroW.element(), acc), acc);
                       return s.add(a, s.mul(p, q, acc), acc);
                     });
  auto accType = RankedTensorType::get(result.getShape(), acc, result.getEncoding());
  SmallVector<ReassociationIndices> groups = {{0}, {1, 2}};
  for (int64_t i = 0; i < n; ++i)
    groups.push_back({i + 3});
  Value flat = tensor::CollapseShapeOp::create(e.b, e.loc, RankedTensorType::get(result.getShape(), acc), r, groups);
  SmallVector<Emitter::Access> last = {{{flat, accType}, e.b.getMultiDimIdentityMap(n + 2)}};
  if (bias)
    last.push_back({bias, AffineMap::get(n + 2, 0, {getAffineDimExpr(1, c)}, c)});
  e.setResult(op, 0, e.map(result, last, [&](Scalar &s, ValueRange v) -> Value {
    return v.size() > 1 ? s.add(v[0], v[1], acc) : v[0];
  }));
  return success();
}
} // namespace

void ssm::populateContractions(Registry &r) {
  r.lower("MatMul", matmul);
  r.lower("MatMulInteger", matmul);
  r.lower("Gemm", gemm);
  r.lower("Einsum", einsum);
  r.lower("Conv", conv);
  r.lower("ConvInteger", conv);
}
