//===- ExprSums.cpp - sums and other reductions back to operators ----------===//
// A sum of products of two is a contraction: a product with a matrix where one of them is a constant that is one, which
// stays in the order that kernels read (ssm.pack), and else an Einsum.
//===----------------------------------------------------------------------===//
#include "passes/raise/ExprWriter.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// sum_k a[..., k] w[k, n] with a constant w, the iterators [..., n].
Value ExprWriter::writeProduct(ExprRef e, ArrayRef<AffineExpr> iterators) {
  ExprRef body = e->operands[0];
  if (!e->isSum() || !body->isOp("Mul") || !isa<FloatType>(e->type) || e->indices.size() != 1 || iterators.empty())
    return {};
  AffineExpr k = e->indices[0], n = iterators.back();
  for (unsigned i : {0, 1}) {
    ExprRef w = body->operands[i], a = body->operands[1 - i];
    if (w->kind != Expr::Kind::Read || !onnx::constantValue(w->source) || x.freeIterators(w).size() != 2 ||
        !x.dependsOn(w, n) || !x.dependsOn(w, k) || !x.dependsOn(a, k) || x.dependsOn(a, n))
      continue;
    Indices rows, dims;
    for (AffineExpr r : iterators.drop_back()) {
      bool there = x.dependsOn(a, r);
      if (there)
        rows.push_back(r);
      dims.push_back(there ? x.sizeOf(r) : x.number(1));
    }
    Indices left(rows);
    left.push_back(k);
    Value matrix = write(w, {k, n}), rest = rows.empty() ? Value() : write(a, left);
    if (!matrix || !rest)
      return {};
    SmallVector<AffineExpr> kept = onnx::getDimExprs(typeOf(rest));
    kept.back() = x.sizeOf(n);
    dims.push_back(x.sizeOf(n));
    return reshape(create("MatMul", {rest, matrix}, onnx::withDims(e->type, kept)), dims);
  }
  return {};
}

Value ExprWriter::writeReduce(ExprRef e, ArrayRef<AffineExpr> iterators) {
  ExprRef body = e->operands[0];
  Indices all(iterators);
  all.append(e->indices.begin(), e->indices.end());
  if (Value product = writeProduct(e, iterators))
    return product;
  // A sum of a product of two is a contraction.
  if (e->isSum() && body->isOp("Mul") && isa<FloatType>(e->type) && all.size() <= 26) {
    std::string equation;
    SmallVector<Value> operands;
    for (ExprRef o : body->operands) {
      Indices own;
      for (AffineExpr i : all)
        if (x.dependsOn(o, i))
          own.push_back(i);
      operands.push_back(write(o, own));
      if (!operands.back())
        return {};
      if (operands.size() > 1)
        equation += ",";
      for (AffineExpr i : own)
        equation += 'a' + (llvm::find(all, i) - all.begin());
    }
    equation += "->";
    SmallVector<AffineExpr> dims, kept;
    for (AffineExpr i : iterators)
      if (x.dependsOn(e, i)) {
        equation += 'a' + (llvm::find(all, i) - all.begin());
        kept.push_back(x.sizeOf(i));
        dims.push_back(kept.back());
      } else {
        dims.push_back(x.number(1));
      }
    Value r = create("Einsum", operands, onnx::withDims(e->type, kept),
                     b.getNamedAttr("equation", b.getStringAttr(equation)));
    return reshape(r, dims);
  }
  Value v = writeBroadcast(body, all);
  if (!v)
    return {};
  SmallVector<AffineExpr> dims(all.size(), x.number(1));
  for (auto [i, d] : llvm::enumerate(onnx::getDimExprs(typeOf(v))))
    dims[i] = d;
  for (size_t i = iterators.size(); i < all.size(); ++i)
    dims[i] = x.sizeOf(all[i]);
  if (typeOf(v).getRank() == 0)
    v = reshape(v, SmallVector<AffineExpr>(all.size(), x.number(1)));
  v = expand(v, dims);
  SmallVector<int64_t> axes;
  for (size_t i = iterators.size(); i < all.size(); ++i)
    axes.push_back(i);
  dims.resize(iterators.size());
  return create(e->name, {v, constantInts(axes)}, onnx::withDims(e->type, dims),
                b.getNamedAttr("keepdims", IntegerAttr::get(b.getIntegerType(64, true), 0)));
}
