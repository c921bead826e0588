//===- Contractions.cpp - matrix products and Einsum -----------------------===//
// All are one linalg.generic with the contracted loops placed so that the innermost loop runs over contiguous elements of
// the right operand and the result where that is possible. Accumulators are f32 or wider (i32 for integers).
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "passes/lower/Contractions.h"
#include "passes/lower/Index.h"
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

} // namespace

Emitter::Access ssm::perAxis(Emitter &e, Tensor t, AffineExpr size, AffineExpr loop, unsigned numLoops) {
  MLIRContext *c = e.b.getContext();
  auto at = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(numLoops, 0, exprs, c); };
  if (t.rank() == 0)
    return {t, at({})};
  AffineExpr have = onnx::getDimExpr(t.type, 0), first = getAffineConstantExpr(0, c);
  if (have == getAffineConstantExpr(1, c))
    return {t, at(first)};
  if (have == size || isa<AffineConstantExpr>(have))
    return {t, at(loop)};
  Tensor wide{{}, onnx::withDims(t.element(), {size})};
  Value one = Index{e}.cmp(Index::Pred::eq, e.dim(t, 0), e.index(1));
  wide.value = e.generate(wide.type, [&](Scalar &s, ValueRange i) { return e.at(t, s.select(one, e.index(0), i[0])); });
  return {wide, at(loop)};
}

Value ssm::emitProduct(Emitter &e, Product p) {
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
  Type accumulator = p.result.getElementType();
  SmallVector<Emitter::Access> inputs = {{p.a, mapA}, {p.b, mapB}};
  // A zero point is one number, a vector along the rows of a or the columns of b, or has the rank of the operand.
  auto zero = [&](Tensor &t, AffineExpr loop, bool left) {
    if (t.rank() < 2) {
      inputs.push_back(perAxis(e, t, out[left ? batch : batch + 1], loop, batch + 3));
      return;
    }
    AffineExpr first = getAffineConstantExpr(0, c);
    if (onnx::getDimExpr(t.type, t.rank() - (left ? 2 : 1)) == getAffineConstantExpr(1, c))
      loop = first;
    AffineMap map = left ? access(t, loop, first, false) : access(t, first, loop, false);
    inputs.push_back({t, map});
  };
  if (p.zeroA)
    zero(p.zeroA, m, true);
  if (p.zeroB)
    zero(p.zeroB, n, false);
  Value init = e.scalar().constant(accumulator, 0.0);
  return e.reduce(p.result, AffineMap::get(batch + 3, 0, outExprs, c), inputs, iterators, init,
                     [&](Scalar &s, Value acc, ValueRange v) -> Value {
                       Value x = s.cast(v[0], p.a.element(), accumulator), y = s.cast(v[1], p.b.element(), accumulator);
                       unsigned at = 2;
                       if (p.zeroA)
                         x = s.sub(x, s.cast(v[at++], p.zeroA.element(), accumulator), accumulator);
                       if (p.zeroB)
                         y = s.sub(y, s.cast(v[at++], p.zeroB.element(), accumulator), accumulator);
                       return s.add(acc, s.mul(x, y, accumulator), accumulator);
                     });
}

namespace {

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
  auto accumulator = RankedTensorType::get(full.getShape(), computeType(full.getElementType()), full.getEncoding());
  Product p{a, b, false, false, {}, {}, accumulator};
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
            {}, {}, {}, op->hasAttr(kColumnsAttr)};
  RankedTensorType result = Emitter::resultType(op);
  Type t = p.a.element();
  auto accType = RankedTensorType::get(result.getShape(), computeType(t), result.getEncoding());
  p.result = accType;
  Value r = emitProduct(e, p);
  Tensor c = e.operand(op, 2);
  double alpha = onnx::floatAttr(op, "alpha", 1), beta = onnx::floatAttr(op, "beta", 1);
  MLIRContext *context = op->getContext();
  SmallVector<Emitter::Access> inputs;
  if (c && beta != 0) {
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < c.rank(); ++i) {
      int64_t at = i + 2 - c.rank();
      exprs.push_back(batchIndex(c, i, onnx::getDimExpr(result, at), getAffineDimExpr(at, context)));
    }
    AffineMap map = e.b.getMultiDimIdentityMap(2);
    if (llvm::is_contained(exprs, AffineExpr()))
      c = materialiseBroadcast(e, c, onnx::getDimExprs(result));
    else
      map = AffineMap::get(2, 0, exprs, context);
    inputs.push_back({c, map});
  }
  auto scaledSum = [&](Scalar &s, ValueRange v) -> Value {
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
  };
  // Products that have the result's type are scaled and added to where they are.
  if (computeType(t) == t) {
    bool plain = inputs.empty() && alpha == 1;
    e.setResult(op, 0, plain ? r : e.update({r, result}, inputs, scaledSum));
    return success();
  }
  inputs.insert(inputs.begin(), {{r, accType}, e.b.getMultiDimIdentityMap(2)});
  e.setResult(op, 0, e.map(result, inputs, scaledSum));
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
} // namespace

void ssm::populateContractions(Registry &r) {
  r.lower("MatMul", matmul);
  r.lower("MatMulInteger", matmul);
  r.lower("Gemm", gemm);
  r.lower("Einsum", einsum);
}
