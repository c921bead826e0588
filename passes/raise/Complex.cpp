//===- Complex.cpp - two real carries that are one complex one -------------===//
// re' = a re - b im + u, im' = b re + a im + v is h' = (a + ib) h + (u + iv); read as Re(c h), or as its parts.
//===----------------------------------------------------------------------===//
#include "passes/raise/ConstantParts.h"
#include "passes/raise/Raiser.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {
/// A product with its sign taken out.
struct Signed {
  SmallVector<ExprRef> factors; // in a fixed order
  bool negative = false;
  bool isSameAs(Exprs &x, const Signed &other) const;
};

bool Signed::isSameAs(Exprs &x, const Signed &other) const {
  SmallVector<ExprRef> own, others(other.factors);
  for (ExprRef f : factors)
    if (auto *same = llvm::find(others, f); same != others.end())
      others.erase(same);
    else
      own.push_back(f);
  if (own.empty() && others.empty())
    return negative == other.negative;
  return own.size() == 1 && others.size() == 1 && sameNumbers(x, own[0], others[0], negative != other.negative);
}

Signed signedProduct(Exprs &x, ArrayRef<ExprRef> factors) {
  Signed s;
  for (ExprRef f : factorsOf(x, factors)) {
    if (f->isConstant(-1))
      s.negative = !s.negative;
    else
      s.factors.push_back(f);
  }
  llvm::sort(s.factors, [](ExprRef a, ExprRef b) { return a->id < b->id; });
  return s;
}

/// Terms of an expression by what they read: each of the two carries, or neither.
struct Parts {
  SmallVector<LinearTerm> re, im, free;
};
} // namespace

bool Raiser::raiseComplex(LoopCarry &first, LoopCarry &second) {
  Type type = typeOf(first.state).getElementType();
  if ((!type.isF32() && !type.isF64()) || typeOf(second.state).getElementType() != type || first.dims.size() != second.dims.size())
    return false;
  DenseMap<AffineExpr, AffineExpr> names;
  for (auto [d, own] : llvm::zip(first.dims, second.dims)) {
    if (x.sizeOf(d) != x.sizeOf(own))
      return false;
    names[own] = d;
  }
  if (isReadByOthers(first) && llvm::any_of(open, [&](LoopCarry *o) { return o != &first && o != &second && readsCarry(o->next, first); }))
    return false;
  auto isCarry = [&](Value v) { return v == first.state || v == first.updated || v == second.state || v == second.updated; };
  auto partsOf = [&](ExprRef e) -> std::optional<Parts> {
    Linear linear(x, isCarry);
    auto terms = linear.of(e);
    if (!terms)
      return std::nullopt;
    Parts p;
    for (LinearTerm &t : *terms) {
      if (!t.state)
        p.free.push_back(t);
      else
        (t.state->source == first.state || t.state->source == first.updated ? p.re : p.im).push_back(t);
    }
    return p;
  };
  // The transition.
  auto re = partsOf(first.next), im = partsOf(x.replace(second.next, names));
  if (!re || !im || re->re.size() != 1 || re->im.size() != 1 || im->re.size() != 1 || im->im.size() != 1)
    return false;
  for (LinearTerm *t : {&re->re[0], &re->im[0], &im->re[0], &im->im[0]})
    if (!t->bound.empty() || !isInPlace(x, t->state->indices, first.dims) ||
        (t->state->source != first.state && t->state->source != second.state))
      return false;
  Signed a = signedProduct(x, re->re[0].factors), minusB = signedProduct(x, re->im[0].factors);
  Signed b = signedProduct(x, im->re[0].factors), a2 = signedProduct(x, im->im[0].factors);
  minusB.negative = !minusB.negative;
  if (!a.isSameAs(x, a2) || !b.isSameAs(x, minusB))
    return false;
  auto built = [&](const Signed &s) {
    ExprRef e = x.product(s.factors, type);
    return s.negative ? x.neg(e) : e;
  };

  // The read-outs: one sum over both parts, after the step.
  ExprRef whole = nullptr, rest = nullptr, cRe = nullptr, cIm = nullptr;
  Indices places;
  DenseMap<ExprRef, bool> seen;
  bool readable = true;
  std::function<void(ExprRef)> visit = [&](ExprRef e) {
    if (!e || !readable || !x.reads(e, isCarry) || !seen.try_emplace(e, true).second)
      return;
    auto parts = e->kind == Expr::Kind::Read ? std::nullopt : partsOf(e);
    if (!parts) {
      if (e->kind == Expr::Kind::Read)
        readable = false;
      for (ExprRef o : e->operands)
        visit(o);
      return;
    }
    readable = !whole && parts->re.size() <= 1 && parts->im.size() <= 1;
    if (!readable)
      return;
    whole = e;
    rest = parts->free.empty() ? nullptr : sumOf(x, parts->free, type);
    auto coefficient = [&](ArrayRef<LinearTerm> terms) -> ExprRef {
      if (terms.empty())
        return x.constant(0, type);
      const LinearTerm &t = terms[0];
      if (t.state->source != first.updated && t.state->source != second.updated)
        return nullptr;
      DenseMap<AffineExpr, AffineExpr> back;
      Indices at;
      for (auto [d, i] : llvm::zip(first.dims, t.state->indices)) {
        bool single = x.sizeOf(d) == x.number(1);
        if (!single && !isa<AffineDimExpr>(i))
          return nullptr;
        at.push_back(single ? x.number(0) : llvm::is_contained(t.bound, i) ? AffineExpr() : i);
        back[i] = d;
      }
      if (!places.empty() && places != at)
        return nullptr;
      places = at;
      return x.replace(x.product(t.factors, type), back);
    };
    cRe = coefficient(parts->re);
    ExprRef c = cRe ? coefficient(parts->im) : nullptr;
    cIm = c ? x.neg(c) : nullptr;
    if (!cIm || !llvm::is_contained(places, AffineExpr())) {
      readable = false;
      return;
    }
    for (ExprRef q : {cRe, cIm})
      for (AffineExpr i : x.freeIterators(q))
        readable &= i == loop.step || llvm::is_contained(first.dims, i);
  };
  for (LoopOutput &o : loop.outputs)
    visit(o.element);
  ExprRef yields[] = {built(a), built(b), sumOf(x, re->free, type), sumOf(x, im->free, type), cRe, cIm};
  // Where the first output has time.
  auto axesOf = [&](ArrayRef<AffineExpr> outer) {
    Indices axes = {loop.step};
    axes.append(outer.begin(), outer.end());
    if (loop.outputs.empty())
      return axes;
    auto *time = llvm::find(loop.outputs[0].dims, loop.step);
    size_t position = std::min<size_t>(time - loop.outputs[0].dims.begin(), outer.size());
    std::rotate(axes.begin(), axes.begin() + 1, axes.begin() + 1 + position);
    return axes;
  };
  if (!readable || !whole) {
    // The states themselves: the real part is that of h, the imaginary part that of -i h, told apart by a dim of size 2.
    AffineExpr part = x.iterator(x.number(2));
    auto table = [&](ArrayRef<double> values) {
      auto tensor = RankedTensorType::get({2}, type);
      SmallVector<Attribute> elements;
      for (double v : values)
        elements.push_back(this->b.getFloatAttr(type, v));
      Value v = onnx::ConstantOp::create(this->b, w.loc, tensor, cast<ElementsAttr>(DenseElementsAttr::get(tensor, elements)));
      return x.read(v, {part});
    };
    Indices axes = axesOf(first.dims), all = {part};
    all.append(first.dims.begin(), first.dims.end());
    all.push_back(loop.step);
    yields[4] = table({1, 0});
    yields[5] = table({0, -1});
    for (unsigned n = 0; n < 4; ++n)
      yields[n] = absorbed(yields[n], all);
    LoopCarry plain[] = {first, second};
    plain[0].final = plain[1].final = nullptr;
    Indices outputAxes = {part};
    outputAxes.append(axes);
    Operation *scan = selectiveScan(yields, all, 0, {&plain[0], &plain[1]}, outputAxes, false);
    if (!scan)
      return false;
    LoopCarry *parts[] = {&first, &second};
    for (unsigned n = 0; n < 2; ++n) {
      Indices named(axes), place = {x.number(n)};
      place.append(axes);
      for (auto [d, mine] : llvm::zip(first.dims, parts[n]->dims))
        llvm::replace(named, d, mine);
      if (!resolveBySequence(*parts[n], w.write(x.read(scan->getResult(0), place), axes), named))
        return false;
    }
    return true;
  }

  Indices iterators, summed;
  for (auto [d, at] : llvm::zip(first.dims, places))
    (at ? iterators : summed).push_back(d);
  Indices axes = axesOf(iterators);
  iterators.push_back(loop.step);
  iterators.append(summed.begin(), summed.end());
  for (ExprRef &y : yields)
    y = absorbed(y, iterators);
  Operation *scan = selectiveScan(yields, iterators, summed.size(), {&first, &second}, axes, false);
  if (!scan)
    return false;
  if (first.final)
    setFinal(first, scan->getResult(1));
  if (second.final)
    setFinal(second, scan->getResult(2));
  Indices where;
  for (AffineExpr i : axes) {
    const auto *d = llvm::find(first.dims, i);
    where.push_back(i == loop.step ? i : places[d - first.dims.begin()]);
  }
  ExprRef read = x.read(scan->getResult(0), where);
  if (rest)
    read = x.add(read, rest);
  DenseMap<ExprRef, ExprRef> nodes{{whole, read}};
  rewrite([&](ExprRef e) { return x.replace(e, nodes); });
  return true;
}
