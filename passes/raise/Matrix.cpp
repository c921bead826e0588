//===- Matrix.cpp - matrix-valued carries ----------------------------------===//
// S = (diag(decay) + left right^T) S + key value^T, read as S^T query: which dims of a carry are k and v follows from
// what its coefficients depend on, not from the order of its axes.
//===----------------------------------------------------------------------===//
#include "llvm/ADT/SetVector.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Raiser.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {
struct Matrix {
  AffineExpr k, v;
  ExprRef logDecay = nullptr, left = nullptr, right = nullptr, value = nullptr, query = nullptr;
  SmallVector<ExprRef> key; // factors
  bool before = false;
};

class Matcher {
public:
  Matcher(LoopCarry &c, ArrayRef<LinearTerm> terms, ArrayRef<ReadOut> readOuts, AffineExpr step, Exprs &x)
      : c(c), terms(terms), readOuts(readOuts), step(step), x(x), type(typeOf(c.state).getElementType()) {}
  std::optional<Matrix> match();

private:
  bool transition();
  bool input();
  bool readOut();
  LoopCarry &c;
  ArrayRef<LinearTerm> terms;
  ArrayRef<ReadOut> readOuts;
  AffineExpr step;
  Exprs &x;
  Type type;
  Matrix m;
  SmallVector<ExprRef> inputFactors;
};
} // namespace

bool Matcher::transition() {
  ExprRef decay = nullptr;
  unsigned erases = 0;
  for (const LinearTerm &t : terms) {
    if (!t.state)
      continue;
    SmallVector<ExprRef> factors = factorsOf(x, t.factors);
    AffineExpr crossed;
    for (auto [d, i] : llvm::zip(c.dims, t.state->indices)) {
      if (i == d || x.sizeOf(d) == x.number(1))
        continue;
      if (crossed || t.bound.size() != 1 || i != t.bound[0])
        return false;
      crossed = d;
    }
    if (!crossed) {
      if (!t.bound.empty() || decay)
        return false;
      decay = x.product(factors, type);
      continue;
    }
    if (erases++)
      return false;
    m.k = crossed;
    SmallVector<ExprRef> left, right;
    for (ExprRef f : factors) {
      bool inner = x.dependsOn(f, t.bound[0]);
      if (inner && x.dependsOn(f, m.k))
        return false;
      (inner ? right : left).push_back(f);
    }
    m.left = x.product(left, type);
    m.right = x.replace(x.product(right, type), DenseMap<AffineExpr, AffineExpr>{{t.bound[0], m.k}});
  }
  if (!decay)
    return false;
  if (decay->isConstant(1))
    return true;
  m.logDecay = logarithm(x, decay);
  return m.logDecay != nullptr;
}

/// The input as a product of what depends on v and what does not.
bool Matcher::input() {
  SmallVector<ExprRef> rest = inputFactors, values;
  m.key.clear();
  for (unsigned round = 0; !rest.empty(); ++round) {
    SmallVector<ExprRef> both;
    for (ExprRef f : rest) {
      bool k = x.dependsOn(f, m.k), v = x.dependsOn(f, m.v);
      if (k && v)
        both.push_back(f);
      else
        (v ? values : m.key).push_back(f);
    }
    rest.clear();
    for (ExprRef f : both) {
      // An outer product that was made before the loop.
      ExprRef inner = round < 4 && f->kind == Expr::Kind::Read ? peeled(x, f) : f;
      if (inner == f)
        return false;
      rest.append(factorsOf(x, {inner}));
    }
  }
  if (values.empty())
    return false;
  m.value = x.product(values, type);
  return llvm::any_of(m.key, [&](ExprRef f) { return x.dependsOn(f, m.k); });
}

bool Matcher::readOut() {
  for (const ReadOut &r : readOuts) {
    if (!r.query || r.query != readOuts[0].query || r.before != readOuts[0].before)
      return false;
    for (auto [d, at] : llvm::zip(c.dims, r.where))
      if (!at != (d == m.k))
        return false;
  }
  if (readOuts.empty())
    return true;
  m.query = readOuts[0].query;
  m.before = readOuts[0].before;
  return !x.dependsOn(m.query, m.v);
}

std::optional<Matrix> Matcher::match() {
  SmallVector<LinearTerm> free;
  for (const LinearTerm &t : terms)
    if (!t.state)
      free.push_back(t);
  if (free.empty() || c.dims.size() < 2 || !transition())
    return std::nullopt;
  if (free.size() == 1 && free[0].bound.empty())
    inputFactors = factorsOf(x, free[0].factors);
  else
    inputFactors = {sumOf(x, free, type)};
  Indices ks;
  if (m.k)
    ks.push_back(m.k);
  else
    for (auto [n, d] : llvm::enumerate(c.dims))
      if (x.sizeOf(d) != x.number(1) && (readOuts.empty() || !readOuts[0].where[n]))
        ks.push_back(d);
  auto freeOf = [&](ExprRef e, AffineExpr d) { return !e || !x.dependsOn(e, d); };
  auto varies = [&](ExprRef e) { return x.dependsOn(e, step); };
  for (AffineExpr k : ks)
    for (AffineExpr v : llvm::reverse(c.dims)) {
      m.k = k;
      m.v = v;
      if (v == k || (x.sizeOf(v) == x.number(1) && !m.left) || !freeOf(m.logDecay, v) || !freeOf(m.left, v) || !freeOf(m.right, v))
        continue;
      // With a key and a query that are the same in every step, each element of the state is a recurrence of its own.
      if (readOut() && input() && (m.left || !m.query || varies(m.query) || llvm::any_of(m.key, varies)))
        return m;
    }
  return std::nullopt;
}

/// A vector-valued carry with the same decay, key and query is one more column of values; null when it is none.
static ExprRef columnOf(LoopCarry &n, LoopCarry &c, const Matrix &m, ArrayRef<ReadOut> readOuts, Exprs &x, AffineExpr step) {
  if (m.left || m.before)
    return nullptr;
  Linear linear(x, [&](Value v) { return v == n.state; });
  auto terms = linear.of(n.next);
  if (!terms || terms->size() != 2)
    return nullptr;
  // The carry's dims are those of the matrix without v, in this order.
  DenseMap<AffineExpr, AffineExpr> names;
  SmallVector<AffineExpr> left;
  for (AffineExpr d : n.dims)
    if (x.sizeOf(d) != x.number(1))
      left.push_back(d);
    else
      names[d] = x.number(0);
  SmallVector<AffineExpr> right;
  for (AffineExpr d : c.dims)
    if (d != m.v && x.sizeOf(d) != x.number(1))
      right.push_back(d);
  if (left.size() != right.size())
    return nullptr;
  for (auto [from, to] : llvm::zip(left, right)) {
    if (x.sizeOf(from) != x.sizeOf(to))
      return nullptr;
    names[from] = to;
  }
  Type type = typeOf(n.state).getElementType();
  const LinearTerm &own = (*terms)[(*terms)[0].state ? 0 : 1], &input = (*terms)[(*terms)[0].state ? 1 : 0];
  if (!own.state || input.state || !own.bound.empty() || !input.bound.empty())
    return nullptr;
  ExprRef decay = x.replace(x.product(factorsOf(x, own.factors), type), names);
  ExprRef log = decay->isConstant(1) ? nullptr : logarithm(x, decay);
  if ((!decay->isConstant(1) && !log) || log != m.logDecay)
    return nullptr;
  SmallVector<ExprRef> rest;
  for (ExprRef f : factorsOf(x, input.factors))
    rest.push_back(x.replace(f, names));
  for (ExprRef f : m.key) {
    auto *at = llvm::find(rest, f);
    if (at == rest.end())
      return nullptr;
    rest.erase(at);
  }
  for (ExprRef f : rest)
    if (x.dependsOn(f, m.k))
      return nullptr;
  for (const ReadOut &r : readOuts) {
    if (!r.query || r.before || x.replace(r.query, names) != m.query)
      return nullptr;
    for (auto [d, at] : llvm::zip(n.dims, r.where))
      if (x.sizeOf(d) != x.number(1) && !at != (names.lookup(d) == m.k))
        return nullptr;
  }
  return x.product(rest, type);
}

bool Raiser::raiseMatrix(LoopCarry &c, ArrayRef<LinearTerm> terms, MutableArrayRef<ReadOut> readOuts) {
  if (isReadByOthers(c))
    return false;
  auto matched = Matcher(c, terms, readOuts, loop.step, x).match();
  if (!matched)
    return false;
  Matrix &m = *matched;
  MLIRContext *context = b.getContext();
  Type type = typeOf(c.state).getElementType();
  ExprRef key = x.product(m.key, type), query = m.query ? m.query : key;

  // Normalisers join as columns.
  SmallVector<std::pair<LoopCarry *, ExprRef>> columns;
  for (LoopCarry *n : open) {
    if (n == &c || isReadByOthers(*n) || n->dims.size() > c.dims.size() || typeOf(n->state).getElementType() != type)
      continue;
    SmallVector<ReadOut> reads;
    collectReadOuts(*n, reads);
    if (ExprRef column = reads.empty() || !m.query ? nullptr : columnOf(*n, c, m, reads, x, loop.step))
      columns.push_back({n, column});
  }

  Indices iterators;
  for (AffineExpr d : c.dims)
    if (d != m.k && d != m.v)
      iterators.push_back(d);
  iterators.append({loop.step, m.k, m.v});
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  SmallVector<int32_t> segments;
  auto add = [&](ExprWriter::Operand o) {
    segments.push_back(o.value ? 1 : 0);
    if (!o.value)
      return;
    operands.push_back(o.value);
    maps.push_back(o.map);
  };
  bool written = true;
  auto addExpr = [&](ExprRef e, ArrayRef<AffineExpr> required) {
    ExprWriter::Operand o = e ? w.operand(e, iterators, required) : ExprWriter::Operand();
    written &= !e || o.value;
    add(o);
  };
  auto dimsMap = [&](ArrayRef<AffineExpr> axes) {
    SmallVector<AffineExpr> results;
    for (AffineExpr a : axes)
      results.push_back(getAffineDimExpr(llvm::find(iterators, a) - iterators.begin(), context));
    return AffineMap::get(iterators.size(), 0, results, context);
  };
  /// A tensor over these axes, with the columns behind along v.
  auto joined = [&](ExprRef e, ArrayRef<ExprRef> further, ArrayRef<AffineExpr> axes) -> Value {
    SmallVector<Value> parts = {w.write(e, axes)};
    Indices single(axes);
    int64_t at = llvm::find(axes, m.v) - axes.begin();
    single[at] = x.iterator(x.number(1));
    for (ExprRef f : further)
      parts.push_back(w.write(f, single));
    return llvm::is_contained(parts, Value()) ? Value() : w.concat(parts, at);
  };
  AffineExpr width = x.simplified(x.sizeOf(m.v) + columns.size());
  addExpr(query, {loop.step, m.k});
  addExpr(key, {loop.step, m.k});
  if (columns.empty()) {
    addExpr(m.value, {loop.step, m.v});
  } else {
    Indices axes;
    SmallVector<ExprRef> further;
    for (auto &[n, e] : columns)
      further.push_back(e);
    for (AffineExpr i : iterators)
      if (i == loop.step || i == m.v || x.dependsOn(m.value, i) || llvm::any_of(further, [&](ExprRef e) { return x.dependsOn(e, i); }))
        axes.push_back(i);
    Value v = joined(m.value, further, axes);
    written &= v != nullptr;
    add({v, dimsMap(axes)});
  }
  addExpr(m.logDecay, {});
  addExpr(m.left, {loop.step, m.k});
  addExpr(m.right, {loop.step, m.k});
  segments.append({0, 0}); // bonus, gate
  bool zero = initialOf(c)->isConstant(0);
  SmallVector<ExprRef> initials;
  for (auto &[n, e] : columns) {
    DenseMap<AffineExpr, AffineExpr> names;
    unsigned at = 0;
    for (AffineExpr d : n->dims) {
      if (x.sizeOf(d) == x.number(1)) {
        names[d] = x.number(0);
        continue;
      }
      while (c.dims[at] == m.v || x.sizeOf(c.dims[at]) == x.number(1))
        ++at;
      names[d] = c.dims[at++];
    }
    initials.push_back(x.replace(initialOf(*n), names));
    zero &= initials.back()->isConstant(0);
  }
  if (zero) {
    segments.push_back(0);
  } else if (columns.empty()) {
    addExpr(initialOf(c), {});
  } else {
    Value v = joined(initialOf(c), initials, c.dims);
    written &= v != nullptr;
    add({v, dimsMap(c.dims)});
  }
  if (!written)
    return false;

  auto typeWith = [&](ArrayRef<AffineExpr> axes) {
    SmallVector<AffineExpr> dims;
    for (AffineExpr a : axes)
      dims.push_back(a == m.v ? width : x.sizeOf(a));
    return onnx::withDims(type, dims);
  };
  Indices axes;
  auto take = [&](AffineExpr a) {
    if (a != m.k && !llvm::is_contained(axes, a))
      axes.push_back(a);
  };
  if (!readOuts.empty() && !loop.outputs.empty())
    for (AffineExpr i : loop.outputs[0].dims) {
      if (i == loop.step)
        take(i);
      for (auto [d, at] : llvm::zip(c.dims, readOuts[0].where))
        if (at == i)
          take(d);
    }
  for (AffineExpr i : iterators)
    take(i);
  bool finals = c.final || llvm::any_of(columns, [](auto &p) { return p.first->final != nullptr; });
  OperationState state(w.loc, "ssm.semiseparable");
  state.addOperands(operands);
  state.addTypes(typeWith(axes));
  maps.push_back(dimsMap(axes));
  if (finals) {
    state.addTypes(typeWith(c.dims));
    maps.push_back(dimsMap(c.dims));
  }
  state.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr(segments));
  state.addAttribute("resultSegmentSizes", b.getDenseI32ArrayAttr({1, finals, 0}));
  state.addAttribute("indexing_maps", b.getAffineMapArrayAttr(maps));
  if (m.before)
    state.addAttribute("read_before", b.getUnitAttr());
  if (reversed)
    state.addAttribute("reverse", b.getUnitAttr());
  b.setInsertionPoint(loop.anchor);
  Operation *op = b.create(state);
  Value output = op->getResult(0);
  auto part = [&](Value v, ArrayRef<AffineExpr> of, AffineExpr start, AffineExpr size) {
    return w.slice(v, llvm::find(of, m.v) - of.begin(), start, size);
  };
  if (c.final)
    setFinal(c, part(op->getResult(1), c.dims, x.number(0), x.sizeOf(m.v)));
  replaceReadOuts(c, readOuts, output, axes);
  for (auto [i, column] : llvm::enumerate(columns)) {
    auto [n, e] = column;
    AffineExpr start = x.simplified(x.sizeOf(m.v) + (int64_t)i);
    if (n->final) {
      Value last = part(op->getResult(1), c.dims, start, x.number(1));
      setFinal(*n, w.reshape(last, onnx::getDimExprs(typeOf(n->state))));
    }
    // The column's reads of the output: its own dims, and its place along v.
    DenseMap<ExprRef, ExprRef> nodes;
    SmallVector<ReadOut> reads; // as they are now that the matrix is resolved
    collectReadOuts(*n, reads);
    for (const ReadOut &r : reads) {
      Indices where;
      unsigned at = 0;
      SmallVector<AffineExpr> places; // where of dims that are not of size 1
      for (auto [d, p] : llvm::zip(n->dims, r.where))
        if (x.sizeOf(d) != x.number(1))
          places.push_back(p);
      DenseMap<AffineExpr, AffineExpr> place;
      for (AffineExpr d : c.dims)
        if (d != m.v)
          place[d] = x.sizeOf(d) == x.number(1) ? x.number(0) : places[at++];
      for (AffineExpr a : axes)
        where.push_back(a == loop.step ? a : a == m.v ? start : place.lookup(a));
      ExprRef read = x.read(output, where);
      if (r.outside)
        read = x.mul(read, r.outside);
      if (r.rest)
        read = x.add(read, r.rest);
      nodes[r.whole] = read;
    }
    llvm::erase(open, n);
    rewrite([&](ExprRef e) { return x.replace(e, nodes); });
  }
  return true;
}
