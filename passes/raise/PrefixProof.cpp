//===- PrefixProof.cpp - values that are running combinations --------------===//
// Every node of the tree is looked at once per stretch of time it stands for; what is proved about it is kept.
//===----------------------------------------------------------------------===//
#include "passes/raise/PrefixProof.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;
using namespace ssm;

namespace {
// Steps that a tree over an open length must combine to be worth a choice at run time, and most that are looked at.
constexpr int64_t kShortestOpen = 8, kLongestOpen = 4096;

/// Operators of which the trees are made; what others give is taken as it is.
bool belongsToTree(Operation *op) {
  static constexpr StringRef names[] = {
      "Add",   "Sub",    "Mul", "Neg", "Sum", "Where", "ScatterElements", "ScatterND", "Constant", "ConstantOfShape",
      "Trilu", "EyeLike"};
  return isMovement(op) || llvm::is_contained(names, op->getName().stripDialect());
}
} // namespace

PrefixProof::PrefixProof(Exprs &x, ArrayRef<Value> roots, int64_t axis, bool reversed, const OpenLength *open)
    : roots(roots), axis(axis), reversed(reversed), open(open), x(x) {
  auto rootType = cast<RankedTensorType>(roots[0].getType());
  type = rootType.getElementType();
  length = open ? kLongestOpen : rootType.getDimSize(axis);
  dims = x.axisIterators(onnx::getDimExprs(rootType));
  step = dims[axis];
}

void PrefixProof::prepare(Exprs &x) {
  x.isLeaf = [](Value v) {
    Operation *op = v.getDefiningOp();
    return op && isa<FloatType>(cast<RankedTensorType>(v.getType()).getElementType()) && !belongsToTree(op);
  };
  // A place that may be in several pieces stays a read.
  x.expands = [](Operation *op) {
    StringRef name = op->getName().stripDialect();
    return name != "Concat" && name != "Pad";
  };
  x.forget();
}

//===- an open length ------------------------------------------------------===//

/// From here on there are steps up to t. What was found for fewer stays true.
void PrefixProof::assume(int64_t t) {
  if (!open)
    return;
  // What is beyond t, as symbols that stand nowhere else.
  auto beyond = [&](unsigned k) { return getAffineSymbolExpr(open->symbols + k, x.context) + (t + 1); };
  x.assumed[open->symbol] = beyond(0);
  for (auto [k, clamp] : llvm::enumerate(open->clamped))
    x.assumed[clamp.first] = clamp.second <= t + 1 ? x.number(clamp.second) : beyond(k + 1);
}

/// Whether it reads a place that is told by what is beyond a step, which is another one at each step.
bool PrefixProof::assumes(ExprRef e) {
  if (!open || !e)
    return false;
  if (auto it = assuming.find(e); it != assuming.end())
    return it->second;
  bool r = llvm::any_of(e->operands, [&](ExprRef o) { return assumes(o); });
  for (AffineExpr i : e->indices)
    i.walk([&](AffineExpr part) {
      auto s = dyn_cast<AffineSymbolExpr>(part);
      r |= s && s.getPosition() >= open->symbols;
    });
  return assuming[e] = r;
}

//===- terms ---------------------------------------------------------------===//

ExprRef PrefixProof::element(unsigned part, int64_t t) {
  assume(t);
  Indices where(dims);
  where[axis] = x.number(reversed ? length - 1 - t : t);
  return x.at(roots[part], where);
}

/// Padding is zero, and so is what is multiplied by it: the recurrence has no product there that could be no number.
bool PrefixProof::isZero(ExprRef e) {
  if (e->kind != Expr::Kind::Op)
    return e->isConstant(0);
  if (auto it = zeros.find(e); it != zeros.end())
    return it->second;
  bool zero = false;
  if (e->name == "Mul")
    zero = isZero(e->operands[0]) || isZero(e->operands[1]);
  else if (e->name == "Add" || e->name == "Sub" || e->name == "Neg")
    zero = llvm::all_of(e->operands, [&](ExprRef o) { return isZero(o); });
  return zeros[e] = zero;
}

bool PrefixProof::isOne(ExprRef e) {
  return e->isConstant(1) || (e->isOp("Add") && ((isZero(e->operands[0]) && isOne(e->operands[1])) ||
                                                 (isZero(e->operands[1]) && isOne(e->operands[0]))));
}

void PrefixProof::flatten(ExprRef e, bool negative, Terms &terms, SmallVectorImpl<Whole> *wholes) {
  if (isZero(e))
    return;
  bool sum = e->isOp("Add") || e->isOp("Sub") || e->isOp("Sum") || e->isOp("Neg");
  if (!sum) {
    terms.push_back({e, negative});
    return;
  }
  size_t begin = terms.size();
  for (auto [n, o] : llvm::enumerate(e->operands)) {
    if (stretches.contains(o) && !isZero(o))
      terms.push_back({o, negative != ((e->name == "Sub" && n == 1) || e->name == "Neg")});
    else
      flatten(o, negative != ((e->name == "Sub" && n == 1) || e->name == "Neg"), terms, wholes);
  }
  if (wholes && e->isOp("Add") && !negative)
    wholes->push_back({e, begin, terms.size()});
}

//===- products of decays --------------------------------------------------===//

std::optional<PrefixProof::Stretch> PrefixProof::joined(const Stretch &p, const Stretch &q) const {
  Stretch r = p;
  r.negative = p.negative != q.negative;
  if (p.last < p.first || q.last < q.first) { // a factor that is 1
    Stretch other = p.last < p.first ? q : p;
    other.negative = r.negative;
    return other;
  }
  if (invariant)
    r.last = p.last + q.last + 1;
  else if (p.last + 1 == q.first)
    r.last = q.last;
  else if (q.last + 1 == p.first)
    r.first = q.first;
  else
    return std::nullopt;
  return r;
}

std::optional<PrefixProof::Stretch> PrefixProof::productOf(ExprRef e) {
  if (auto it = products.find(e); it != products.end())
    return it->second;
  if (auto it = notProducts.find(e); it != notProducts.end() && it->second == known)
    return std::nullopt;
  std::optional<Stretch> r;
  if (isOne(e)) {
    r = Stretch{};
  } else if (e->isOp("Neg")) {
    r = productOf(e->operands[0]);
    if (r)
      r->negative = !r->negative;
  } else if (e->isOp("Mul")) {
    auto p = productOf(e->operands[0]), q = p ? productOf(e->operands[1]) : std::nullopt;
    if (p && q && p->part == 0 && q->part == 0 && roots.size() == 1)
      r = joined(*p, *q);
    else if (p && q && (p->last < p->first || q->last < q->first))
      r = joined(*p, *q);
  } else if (roots.size() == 2 && (e->isOp("Add") || e->isOp("Sub"))) {
    r = complexProductOf(e);
  }
  if (r)
    products[e] = *r;
  else
    notProducts[e] = known;
  return r;
}

/// re re' - im im' or re im' + im re', of two stretches that follow each other.
std::optional<PrefixProof::Stretch> PrefixProof::complexProductOf(ExprRef e) {
  Terms terms;
  flatten(e, false, terms);
  if (terms.size() == 1) {
    auto r = productOf(terms[0].e);
    if (r && terms[0].negative)
      r->negative = !r->negative;
    return r;
  }
  if (terms.size() != 2)
    return std::nullopt;
  struct Pair {
    Stretch p, q;
    bool negative;
  } pairs[2];
  for (auto [pair, t] : llvm::zip(pairs, terms)) {
    if (!t.e->isOp("Mul"))
      return std::nullopt;
    auto p = productOf(t.e->operands[0]), q = productOf(t.e->operands[1]);
    if (!p || !q)
      return std::nullopt;
    pair = {*p, *q, (t.negative != p->negative) != q->negative};
  }
  auto same = [](const Stretch &a, const Stretch &b) { return a.first == b.first && a.last == b.last; };
  if (!same(pairs[0].p, pairs[1].p) || !same(pairs[0].q, pairs[1].q) ||
      (same(pairs[0].p, pairs[0].q) && pairs[0].p.part + pairs[0].q.part == 1 && pairs[0].p.part == pairs[1].p.part))
    std::swap(pairs[1].p, pairs[1].q);
  if (!same(pairs[0].p, pairs[1].p) || !same(pairs[0].q, pairs[1].q))
    return std::nullopt;
  auto r = joined(pairs[0].p, pairs[0].q);
  if (!r)
    return std::nullopt;
  auto parts = [](const Pair &p) { return std::pair(p.p.part, p.q.part); };
  using P = std::pair<unsigned, unsigned>;
  if (parts(pairs[0]) == P(1, 1))
    std::swap(pairs[0], pairs[1]);
  r->negative = pairs[0].negative;
  if (parts(pairs[0]) == P(0, 0) && parts(pairs[1]) == P(1, 1) && pairs[0].negative != pairs[1].negative)
    r->part = 0;
  else if (((parts(pairs[0]) == P(0, 1) && parts(pairs[1]) == P(1, 0)) ||
            (parts(pairs[0]) == P(1, 0) && parts(pairs[1]) == P(0, 1))) &&
           pairs[0].negative == pairs[1].negative)
    r->part = 1;
  else
    return std::nullopt;
  return r;
}

bool PrefixProof::checkFactor(const Signed &factor, unsigned part, bool negative, int64_t first, int64_t last,
                              bool define) {
  if (first == last && (int64_t)decays[part].size() == last) {
    if (!define)
      return false;
    Signed decay = factor;
    decay.negative = decay.negative != negative;
    return defineDecay(part, last, decay);
  }
  ExprRef e = factor.e ? factor.e : x.constant(1, type);
  if (invariant && isOne(e) && isOne(decays[0].back().e) && part == 0)
    return factor.negative == negative;
  auto p = productOf(e);
  bool fits = p && p->part == part &&
              (invariant ? p->last - p->first == last - first : p->first == first && p->last == last) &&
              (p->negative != factor.negative) == negative;
  return fits || (roots.size() == 1 && factor.negative == negative && hasValueOfProduct(e, part, first, last));
}

bool PrefixProof::defineDecay(unsigned part, int64_t t, Signed decay) {
  if (!decay.e)
    decay.e = x.constant(1, type);
  decays[part].push_back(decay);
  ++known;
  if (roots.size() == 2 && part == 0)
    return true; // both parts are needed to tell
  auto isLike = [&](int64_t a, int64_t b) {
    return llvm::all_of(llvm::seq<unsigned>(0, roots.size()), [&](unsigned p) {
      return decays[p][a].e == decays[p][b].e && decays[p][a].negative == decays[p][b].negative;
    });
  };
  if (t == 2 && isLike(1, 2) && (starts[0].empty() || isLike(0, 1))) {
    invariant = true;
    products.clear();
  }
  if (invariant && !isLike(1, t))
    return false;
  if (roots.size() == 1) {
    // By their numbers, where they are known.
    bool isFirst = t == (starts[0].empty() ? 1 : 0);
    if (isFirst || sameColumns) {
      auto numbers = numbersOf(decay.e);
      bool usable = numbers && !decay.negative;
      sameColumns = usable && (isFirst || *numbers == firstColumn);
      if (isFirst && usable)
        firstColumn = *numbers;
    }
  }
  for (unsigned p = 0; p < roots.size(); ++p) {
    const Signed &d = decays[p][t];
    if (!isOne(d.e))
      products[d.e] = invariant ? Stretch{p, 0, 0, d.negative} : Stretch{p, t, t, d.negative};
  }
  return true;
}

//===- stretches of the recurrence -----------------------------------------===//

/// The stretch that a node stands for, when it ends before this step.
std::optional<PrefixProof::Stretch> PrefixProof::stretchOf(ExprRef e, int64_t before) {
  if (auto it = stretches.find(e); it != stretches.end())
    return it->second.last < before ? std::optional(it->second) : std::nullopt;
  if (auto it = notStretches.find(e); it != notStretches.end() && it->second == before)
    return std::nullopt;
  Terms terms;
  flatten(e, false, terms);
  // It ends where the last of its own terms belongs, one that is no product with a decay.
  Stretch r;
  r.last = -1;
  for (const Signed &t : terms) {
    auto input = inputOf.find(t.e);
    auto stretch = stretches.find(t.e);
    auto [part, last] = stretch != stretches.end() ? std::pair(stretch->second.part, stretch->second.last)
                        : input != inputOf.end()   ? input->second
                                                   : std::pair(0u, int64_t(-1));
    if (last > r.last)
      r = {part, 0, last, false};
  }
  if (r.last >= 0 && r.last < before && resolve(e, r.part, r.last, false, r))
    return r;
  notStretches[e] = before;
  return std::nullopt;
}

bool PrefixProof::findPiece(ExprRef e, int64_t before, Piece &piece) {
  if (auto s = stretchOf(e, before)) {
    piece.stretch = *s;
    return true;
  }
  if (e->isOp("Neg")) {
    piece.factor.negative = !piece.factor.negative;
    return findPiece(e->operands[0], before, piece);
  }
  if (!e->isOp("Mul"))
    return false;
  for (unsigned n : {0, 1}) {
    Piece inner = piece;
    if (!findPiece(e->operands[n], before, inner))
      continue;
    ExprRef other = e->operands[1 - n];
    inner.factor.e = inner.factor.e ? x.mul(inner.factor.e, other) : other;
    piece = inner;
    return true;
  }
  return false;
}

bool PrefixProof::defineInput(unsigned part, int64_t t, Terms terms) {
  for (const Signed &s : terms) {
    auto [it, added] = inputOf.try_emplace(s.e, part, t);
    if (!added)
      it->second.second = -1; // of several steps
  }
  inputs[part].push_back(std::move(terms));
  return true;
}

/// Takes pieces that cover what is before t, the last one first.
bool PrefixProof::coverBefore(SmallVectorImpl<Piece> &pieces, unsigned part, int64_t t, bool define, int64_t &first) {
  llvm::sort(pieces, [](const Piece &a, const Piece &b) {
    return std::tuple(a.stretch.last, a.stretch.part) > std::tuple(b.stretch.last, b.stretch.part);
  });
  for (size_t i = 0; i < pieces.size(); i += roots.size()) {
    if (i + roots.size() > pieces.size())
      return false;
    const Stretch &s = pieces[i].stretch;
    if (s.last != first - 1)
      return false;
    if (roots.size() == 1) {
      if (!checkFactor(pieces[i].factor, 0, s.negative, s.last + 1, t, define))
        return false;
    } else {
      // The imaginary part comes first. re' = re re - im im, im' = re im + im re.
      const Piece &im = pieces[i], &re = pieces[i + 1];
      if (im.stretch.part != 1 || re.stretch.part != 0 || re.stretch.first != s.first || re.stretch.last != s.last)
        return false;
      const Piece &own = part == 0 ? re : im, &other = part == 0 ? im : re;
      if (!checkFactor(own.factor, 0, own.stretch.negative, s.last + 1, t, define) ||
          !checkFactor(other.factor, 1, other.stretch.negative != (part == 0), s.last + 1, t, define))
        return false;
    }
    first = s.first;
  }
  return true;
}

/// The node is the recurrence over a stretch that ends at t. With `define`, what is not known at t yet is what it says.
bool PrefixProof::resolve(ExprRef e, unsigned part, int64_t t, bool define, Stretch &result) {
  Terms terms, rest;
  SmallVector<Whole> wholes;
  flatten(e, false, terms, &wholes);
  SmallVector<Piece> pieces;
  SmallVector<int64_t> begins(terms.size(), t); // of the stretch that each term belongs to
  int64_t first = t;
  bool whole = false;
  for (auto [i, term] : llvm::enumerate(terms)) {
    auto it = stretches.find(term.e);
    if (it != stretches.end() && it->second.last == t) {
      if (whole || term.negative || it->second.negative || it->second.part != part)
        return false;
      whole = true;
      first = begins[i] = it->second.first;
      continue;
    }
    Piece p{{nullptr, term.negative}, {}};
    if (findPiece(term.e, t, p)) {
      begins[i] = p.stretch.first;
      pieces.push_back(p);
    } else {
      rest.push_back(term);
    }
  }
  llvm::sort(rest, [](const Signed &a, const Signed &b) {
    return std::pair(a.e->id, a.negative) < std::pair(b.e->id, b.negative);
  });
  auto isInput = [&](const Terms &known) {
    return llvm::equal(known, rest,
                       [](const Signed &a, const Signed &b) { return a.e == b.e && a.negative == b.negative; });
  };
  if (whole) {
    if (!rest.empty())
      return false;
  } else if ((int64_t)inputs[part].size() > t) {
    if (!isInput(inputs[part][t]))
      return false;
  } else if (!define || !defineInput(part, t, rest)) {
    return false;
  }
  if (!coverBefore(pieces, part, t, define, first))
    return false;
  result = {part, first, t, false};
  stretches[e] = result;
  // Sums inside, of the last stretches, are known too.
  if (roots.size() == 1)
    for (const Whole &w : wholes) {
      int64_t low = t;
      for (size_t i = w.begin; i < w.end; ++i)
        low = std::min(low, begins[i]);
      bool covers = w.e != e;
      for (size_t i = 0; i < terms.size() && covers; ++i)
        covers = (i >= w.begin && i < w.end) == (begins[i] >= low);
      if (covers)
        stretches.try_emplace(w.e, Stretch{part, low, t, false});
    }
  return true;
}

//===- the proof -----------------------------------------------------------===//

/// Ways of seeing an initial state in the first element: each factor of each product in it.
int64_t PrefixProof::hypotheses() {
  if (roots.size() != 1)
    return 0;
  Terms terms;
  flatten(element(0, 0), false, terms);
  int64_t count = 0;
  for (const Signed &t : terms)
    count += t.e->isOp("Mul") ? 2 : 0;
  return count;
}

/// The first step: an input, and with hypothesis 1, 2, ... the decayed initial state.
bool PrefixProof::beginning(int64_t hypothesis) {
  for (unsigned p = 0; p < roots.size(); ++p) {
    ExprRef e = element(p, 0);
    if (assumes(e))
      return false;
    if (!hypothesis) {
      Terms terms;
      flatten(e, false, terms);
      llvm::sort(terms, [](const Signed &a, const Signed &b) {
        return std::pair(a.e->id, a.negative) < std::pair(b.e->id, b.negative);
      });
      defineInput(p, 0, terms);
      stretches[e] = {p, 0, 0, false};
      decays[p].push_back({}); // none is needed
      continue;
    }
    Terms terms;
    flatten(e, false, terms);
    for (const Signed &t : terms)
      if (t.e->isOp("Mul") && (hypothesis -= 2) <= 0) {
        ExprRef start = t.e->operands[hypothesis == 0];
        stretches[start] = {p, -1, -1, false};
        starts[p].push_back({start, false});
        break;
      }
    Stretch s;
    if (!resolve(e, p, 0, true, s) || s.first != -1)
      return false;
  }
  return true;
}

/// The recurrence at each step, or at as many as a tree over an open length combines.
bool PrefixProof::prove(int64_t hypothesis) {
  if (open)
    x.forget();
  for (unsigned p = 0; p < 2; ++p) {
    decays[p].clear();
    inputs[p].clear();
    starts[p].clear();
  }
  stretches.clear(), products.clear(), notStretches.clear(), notProducts.clear(), inputOf.clear(), columns.clear();
  invariant = false;
  if (!beginning(hypothesis))
    return false;
  for (int64_t t = 1; t < length; ++t) {
    ++known;
    furthest = std::max(furthest, t);
    bool proved = true;
    for (unsigned p = 0; p < roots.size() && proved; ++p) {
      Stretch s;
      ExprRef e = element(p, t);
      proved = x.budget > 0 && !assumes(e) && !stretches.contains(e) && resolve(e, p, t, true, s) &&
               s.first == (hypothesis ? -1 : 0) && (int64_t)decays[0].size() == t + 1;
    }
    if (proved)
      continue;
    if (!open || t < kShortestOpen)
      return false;
    length = t;
    for (unsigned p = 0; p < roots.size(); ++p) {
      decays[p].resize(t);
      inputs[p].resize(t);
    }
  }
  return true;
}

bool PrefixProof::run() {
  if (length < 3)
    return false;
  llvm::scope_exit forget([&] {
    if (open) {
      x.assumed.clear();
      x.forget();
    }
  });
  if (open)
    x.forget();
  int64_t count = hypotheses();
  for (int64_t h = 0; h <= count && h <= 8; ++h)
    if (prove(h))
      return makeTemplates();
  return false;
}
