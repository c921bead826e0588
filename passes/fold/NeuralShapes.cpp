//===- NeuralShapes.cpp - shapes of contractions and reductions ------------===//
// Products, reductions, normalisations, recurrent layers.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Activations.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

static LogicalResult matmul(Operation *op, Shapes &s) {
  bool quantised = op->getName().stripDialect() == "QLinearMatMul";
  Dims a = s.dims(op->getOperand(0)), b = s.dims(op->getOperand(quantised ? 3 : 1));
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
  Dims out = {a[ta ? 1 : 0], b[tb ? 0 : 1]};
  if (!onnx::isNone(op->getOperand(2))) {
    Dims c = s.dims(op->getOperand(2));
    for (size_t i = 0; i < c.size(); ++i) {
      AffineExpr e = c[c.size() - 1 - i];
      if (i >= out.size() ||
          (isa<AffineConstantExpr>(e) && isa<AffineConstantExpr>(out[1 - i]) && e != out[1 - i] && e != s.constant(1)))
        return op->emitError("the added input does not broadcast to the shape of the product");
      s.require(op, s.broadcast(out[1 - i], e), out[1 - i]);
    }
  }
  s.set(op->getResult(0), out);
  return success();
}

/// Reduce*: axes are an operand; ArgMin and ArgMax: an attribute.
static LogicalResult reduction(Operation *op, Shapes &s) {
  Dims d = s.dims(op->getOperand(0)), out;
  SmallVector<int64_t> axes;
  bool keep = onnx::intAttr(op, "keepdims", 1);
  if (op->hasAttr("axis") || op->getNumOperands() < 2) {
    axes.push_back(normalAxis(onnx::intAttr(op, "axis"), d.size()));
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
      axes.push_back(normalAxis(*c, d.size()));
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

/// LSTM, GRU and RNN. Every input has the sizes that its kernel reads.
static LogicalResult recurrent(Operation *op, Shapes &s) {
  Dims x = s.dims(op->getOperand(0)), r = s.dims(op->getOperand(2));
  if (x.size() != 3 || r.size() != 3)
    return op->emitError("X and R must have rank 3");
  int64_t gates = onnx::gatesOf(op);
  bool batchFirst = onnx::intAttr(op, "layout");
  AffineExpr directions = s.constant(onnx::directionsOf(op)), hidden = r[2], length = x[batchFirst ? 1 : 0],
             batch = x[batchFirst ? 0 : 1];
  Dims states = batchFirst ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  std::pair<StringRef, Dims> inputs[] = {{"X", x},
                                         {"W", {directions, hidden * gates, x[2]}},
                                         {"R", {directions, hidden * gates, hidden}},
                                         {"B", {directions, hidden * (2 * gates)}},
                                         {"sequence_lens", {batch}},
                                         {"initial_h", states},
                                         {"initial_c", states},
                                         {"P", {directions, hidden * 3}}};
  for (auto [operand, input] : llvm::zip(op->getOperands(), inputs)) {
    if (onnx::isNone(operand))
      continue;
    Dims have = s.dims(operand);
    auto [what, want] = input;
    if (have.size() != want.size())
      return op->emitError() << what << " must have rank " << want.size();
    for (auto [axis, pair] : llvm::enumerate(llvm::zip_equal(have, want))) {
      auto [is, should] = pair;
      if (Shapes::asConstant(is) && Shapes::asConstant(should) && is != should)
        return op->emitError() << what << " has size " << *Shapes::asConstant(is) << " along axis " << axis
                               << ", which must be " << *Shapes::asConstant(should);
      s.require(op, is, should);
    }
  }
  if (batchFirst)
    s.set(op->getResult(0), {batch, length, directions, hidden});
  else
    s.set(op->getResult(0), {length, directions, batch, hidden});
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    s.set(op->getResult(i), states);
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
  int64_t axis = normalAxis(onnx::intAttr(op, "axis", -1), d.size());
  for (unsigned i = 1; i < op->getNumResults(); ++i) {
    Dims e = d;
    for (size_t k = axis; k < e.size(); ++k)
      e[k] = s.constant(1);
    s.set(op->getResult(i), e);
  }
  return success();
}

void ssm::addNeuralShapes(llvm::StringMap<ShapeRule> &rules) {
  rules["MatMul"] = rules["MatMulInteger"] = rules["QLinearMatMul"] = matmul;
  rules["Gemm"] = gemm;
  rules["Einsum"] = einsum;
  for (const char *name : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                           "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin"})
    rules[name] = reduction;
  rules["LSTM"] = rules["GRU"] = rules["RNN"] = recurrent;
  rules["LayerNormalization"] = rules["RMSNormalization"] = normalisation;
  rules["BatchNormalization"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), s.dims(op->getOperand(0)));
    for (unsigned i = 1; i < op->getNumResults(); ++i)
      s.set(op->getResult(i), s.dims(op->getOperand(1)));
    return success();
  };
  rules["LinearAttention"] = [](Operation *op, Shapes &s) -> LogicalResult {
    Dims q = s.dims(op->getOperand(0)), k = s.dims(op->getOperand(1)), v = s.dims(op->getOperand(2));
    int64_t heads = onnx::intAttr(op, "q_num_heads"), shared = onnx::intAttr(op, "kv_num_heads");
    if (q.size() != 3 || k.size() != 3 || v.size() != 3)
      return op->emitError("query, key and value must have rank 3");
    if (heads < 1 || shared < 1 || heads % shared)
      return op->emitError("q_num_heads must be a multiple of kv_num_heads");
    AffineExpr width = v[2].floorDiv(shared);
    s.set(op->getResult(0), {q[0], q[1], width * heads});
    s.set(op->getResult(1), {q[0], s.constant(shared), k[2].floorDiv(shared), width});
    return success();
  };
  rules["Det"] = [](Operation *op, Shapes &s) -> LogicalResult {
    s.set(op->getResult(0), ArrayRef(s.dims(op->getOperand(0))).drop_back(2));
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
