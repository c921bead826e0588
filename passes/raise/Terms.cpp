//===- Terms.cpp - an expression as a sum of products ----------------------===//
#include "passes/raise/Terms.h"
#include "passes/raise/Operands.h"

using namespace mlir;
using namespace ssm;

static constexpr size_t kMaxTerms = 12;

static bool isName(Operation *op, std::initializer_list<StringRef> names) {
  return op && llvm::is_contained(names, op->getName().stripDialect());
}

//===- looking through -----------------------------------------------------===//

ExprRef Terms::definition(ExprRef read) {
  Operation *op = read->source.getDefiningOp();
  if (!op || op->getNumRegions() || isMovement(op) || inverses.contains(read->source) || isState(read->source) ||
      --budget < 0)
    return nullptr;
  return lookThrough(read, [](Operation *other) {
    // Masks are arithmetic on positions.
    auto integer = [](Value v) {
      auto type = dyn_cast<RankedTensorType>(v.getType());
      return type && isa<IntegerType>(type.getElementType());
    };
    return other->getNumResults() == 1 &&
           (integer(other->getResult(0)) || (isName(other, {"Cast"}) && integer(other->getOperand(0))));
  });
}

ExprRef Terms::lookThrough(ExprRef read, std::function<bool(Operation *)> expands) {
  Operation *op = read->source.getDefiningOp();
  auto before = x.expands;
  x.expands = [&](Operation *other) { return other == op || expands(other); };
  ExprRef r = x.definition(read->source, read->indices);
  x.expands = before;
  if (r == read || (r->kind == Expr::Kind::Read && r->source == read->source))
    return nullptr;
  opened.insert(op);
  return r;
}

bool Terms::readsState(ExprRef e) {
  if (!e)
    return false;
  if (auto it = stateReads.find(e); it != stateReads.end())
    return it->second;
  bool r = e->kind == Expr::Kind::Read ? isState(e->source)
                                       : llvm::any_of(e->operands, [&](ExprRef o) { return readsState(o); });
  if (!r && e->kind == Expr::Kind::Read &&
      isName(e->source.getDefiningOp(), {"Add", "Sub", "Mul", "Neg", "MatMul", "Einsum", "ReduceSum", "Sum", "Cast"}))
    if (reachesState && reachesState(e->source))
      if (ExprRef inner = definition(e))
        r = readsState(inner);
  return stateReads[e] = r;
}

/// A constant matrix of two values, one where column <= row - k and one elsewhere.
static std::optional<std::pair<Indices, std::pair<double, double>>> triangle(Exprs &x, ExprRef e) {
  if (e->kind != Expr::Kind::Read || !isa_and_nonnull<onnx::ConstantOp>(e->source.getDefiningOp()))
    return std::nullopt;
  ElementsAttr value = onnx::constantValue(e->source);
  auto shape = cast<ShapedType>(value.getType()).getShape();
  SmallVector<size_t> moving;
  for (auto [n, i] : llvm::enumerate(e->indices))
    if (i != x.number(0)) {
      if (isa<AffineConstantExpr>(i))
        return std::nullopt;
      moving.push_back(n);
    } else if (shape[n] != 1) {
      return std::nullopt;
    }
  if (moving.size() != 2 || shape[moving[0]] != shape[moving[1]])
    return std::nullopt;
  auto found = x.triangleOf(value);
  if (!found)
    return std::nullopt;
  AffineExpr row = e->indices[moving[0]], column = e->indices[moving[1]];
  return std::pair(Indices{x.simplified(row - column - found->below)}, std::pair(found->low, found->high));
}

/// What elements of a constant are that are the same wherever the iterators are: a row of a mask.
static std::optional<double> uniformPart(Exprs &x, ExprRef e) {
  if (e->kind != Expr::Kind::Read || !isa_and_nonnull<onnx::ConstantOp>(e->source.getDefiningOp()))
    return std::nullopt;
  ElementsAttr value = onnx::constantValue(e->source);
  auto shape = cast<ShapedType>(value.getType()).getShape();
  auto numbers = value.getNumElements() <= (1 << 20) ? numbersOf(value) : std::nullopt;
  if (!numbers || numbers->empty())
    return std::nullopt;
  std::optional<double> same;
  for (int64_t n = 0; n < (int64_t)numbers->size(); ++n) {
    bool there = true;
    int64_t rest = n;
    for (int64_t axis = shape.size() - 1; axis >= 0; rest /= shape[axis], --axis)
      if (auto fixed = dyn_cast<AffineConstantExpr>(e->indices[axis]))
        there &= rest % shape[axis] == fixed.getValue();
    if (!there)
      continue;
    if (same && *same != (*numbers)[n])
      return std::nullopt;
    same = (*numbers)[n];
  }
  return same;
}

/// The condition, or its opposite, as numbers that are all >= 0.
std::optional<Indices> Terms::condition(ExprRef e, bool holds, int depth) {
  auto opposite = [&](const Indices &c) -> std::optional<Indices> {
    if (c.size() != 1)
      return std::nullopt;
    return Indices{x.simplified(x.number(-1) - c[0])};
  };
  auto chosen = [&](const Indices &c, double yes, double no) -> std::optional<Indices> {
    if ((yes != 0 && yes != 1) || (no != 0 && no != 1) || yes == no)
      return std::nullopt;
    return (yes == 1) == holds ? std::optional(c) : opposite(c);
  };
  if (!e || depth == 0)
    return std::nullopt;
  if (e->kind == Expr::Kind::Select && e->operands[0]->kind == Expr::Kind::Constant &&
      e->operands[1]->kind == Expr::Kind::Constant)
    return chosen(Indices(e->indices), e->operands[0]->number, e->operands[1]->number);
  if (auto t = triangle(x, e))
    return chosen(t->first, t->second.first, t->second.second);
  if (auto value = uniformPart(x, e))
    return (*value != 0) == holds ? std::optional(Indices()) : std::nullopt;
  if (e->isOp("Not"))
    return condition(e->operands[0], !holds, depth - 1);
  if (e->isOp("Cast"))
    return condition(e->operands[0], holds, depth - 1);
  if (e->isOp("Equal") && e->operands[1]->kind == Expr::Kind::Constant) {
    double n = e->operands[1]->number;
    if (n == 0 || n == 1)
      return condition(e->operands[0], (n == 1) == holds, depth - 1);
  }
  if (e->isOp("Greater") && e->operands[1]->kind == Expr::Kind::Constant && e->operands[1]->number >= 0 &&
      e->operands[1]->number < 1)
    return condition(e->operands[0], holds, depth - 1);
  if (e->isOp("And") && holds) {
    auto a = condition(e->operands[0], true, depth - 1), b = condition(e->operands[1], true, depth - 1);
    if (!a || !b)
      return std::nullopt;
    a->append(b->begin(), b->end());
    return a;
  }
  if (e->kind == Expr::Kind::Read)
    if (ExprRef inner = definition(e))
      return condition(inner, holds, depth - 1);
  return std::nullopt;
}

/// A product one of whose factors is a mask, a decay, a state or a triangular inverse.
bool Terms::isMasked(ExprRef e, int depth) {
  if (!e || depth == 0 || e->kind == Expr::Kind::Constant)
    return false;
  if (auto it = masked.find(e); it != masked.end())
    return it->second;
  masked[e] = false;
  auto any = [&](ArrayRef<ExprRef> list) {
    return llvm::any_of(list, [&](ExprRef o) { return isMasked(o, depth - 1); });
  };
  bool r = false;
  switch (e->kind) {
  case Expr::Kind::Select:
    r = e->operands[0]->isConstant(0) || e->operands[1]->isConstant(0) || any(e->operands);
    break;
  case Expr::Kind::Op:
    if (e->name == "Mul" || e->name == "Div" || e->name == "Neg" || e->name == "Cast" || e->name == "Where")
      r = any(e->operands) || (e->name == "Where" && condition(e->operands[0], true));
    else if (e->name == "Exp") { // of a sum over positions, or masked
      std::function<bool(ExprRef, int)> sums = [&](ExprRef o, int left) -> bool {
        if (!o || left == 0)
          return false;
        if (o->isSum() || o->kind == Expr::Kind::Select)
          return true;
        if (o->kind == Expr::Kind::Op)
          return (o->name == "Where" && condition(o->operands[0], true)) ||
                 (llvm::is_contained({"Add", "Sub", "Neg", "Mul", "Cast", "Where", "Div"}, o->name) &&
                  llvm::any_of(o->operands, [&](ExprRef p) { return sums(p, left - 1); }));
        if (o->kind != Expr::Kind::Read ||
            !isName(o->source.getDefiningOp(),
                    {"CumSum", "ReduceSum", "Add", "Sub", "Neg", "Mul", "Div", "Cast", "Where", "MatMul", "Einsum"}))
          return false;
        ExprRef inner = definition(o);
        return inner && sums(inner, left - 1);
      };
      r = sums(e->operands[0], 8);
    }
    break;
  case Expr::Kind::Read:
    if (isState(e->source) || inverses.contains(e->source) || triangle(x, e)) {
      r = true;
    } else if (isName(e->source.getDefiningOp(), {"Mul", "Div", "Neg", "Cast", "Where", "Exp"})) {
      ExprRef inner = definition(e);
      r = inner && isMasked(inner, depth - 1);
    }
    break;
  default:
    break;
  }
  return masked[e] = r;
}

/// What has to be taken apart: masked products, sums of them over a position, and what is computed from a state.
bool Terms::isStructure(ExprRef e, int depth) {
  if (!e || depth == 0)
    return false;
  if (isMasked(e) || readsState(e))
    return true;
  if (e->kind == Expr::Kind::Reduce) {
    std::function<bool(ExprRef)> any = [&](ExprRef o) -> bool {
      if (o->isOp("Mul") || o->isOp("Neg"))
        return llvm::any_of(o->operands, any);
      if (o->kind == Expr::Kind::Read && isName(o->source.getDefiningOp(), {"Mul"})) {
        ExprRef inner = definition(o);
        return isMasked(o) || (inner && any(inner));
      }
      return isMasked(o) || (o->kind == Expr::Kind::Reduce && isStructure(o, depth - 1));
    };
    return e->isSum() && any(e->operands[0]);
  }
  if (e->kind == Expr::Kind::Op && llvm::is_contained({"Add", "Sub", "Neg", "Mul", "Div", "Cast", "Sum"}, e->name))
    return llvm::any_of(e->operands, [&](ExprRef o) { return isStructure(o, depth - 1); });
  if (e->kind == Expr::Kind::Read &&
      isName(e->source.getDefiningOp(),
             {"Add", "Sub", "Neg", "Mul", "Div", "Cast", "Sum", "MatMul", "Einsum", "ReduceSum", "CumSum"})) {
    ExprRef inner = definition(e);
    return inner && isStructure(inner, depth - 1);
  }
  return false;
}

//===- collecting ----------------------------------------------------------===//

bool Terms::multiply(const TermList &a, const TermList &b, TermList &out) {
  for (const Term &s : a)
    for (const Term &t : b) {
      Term p = s;
      p.coefficient *= t.coefficient;
      p.conditions.append(t.conditions);
      p.sums.append(t.sums);
      p.factors.append(t.factors);
      p.powers.append(t.powers);
      out.push_back(std::move(p));
    }
  return out.size() <= kMaxTerms;
}

bool Terms::collect(ExprRef e, TermList &out, bool whole) {
  auto factor = [&] {
    Term t;
    t.factors.push_back(e);
    out.push_back(t);
    return true;
  };
  if (--budget < 0)
    return false;
  switch (e->kind) {
  case Expr::Kind::Constant:
    if (e->number != 0) {
      out.emplace_back();
      out.back().coefficient = e->number;
    }
    return std::isfinite(e->number);
  case Expr::Kind::Index:
    return factor();
  case Expr::Kind::Select: {
    TermList part;
    Indices conditions(e->indices);
    bool second = e->operands[0]->isConstant(0) && conditions.size() == 1;
    if (second)
      conditions = {x.simplified(x.number(-1) - conditions[0])};
    else if (!e->operands[1]->isConstant(0))
      return factor();
    if (!collect(e->operands[second ? 1 : 0], part, false))
      return false;
    for (Term &t : part)
      t.conditions.append(conditions);
    llvm::append_range(out, part);
    return true;
  }
  case Expr::Kind::Reduce: {
    if (!e->isSum() || !(whole || isStructure(e)))
      return factor();
    DenseMap<AffineExpr, AffineExpr> fresh;
    Indices sums;
    for (AffineExpr i : e->indices)
      sums.push_back(fresh[i] = x.iterator(x.sizeOf(i)));
    TermList part;
    if (!collect(x.replace(e->operands[0], fresh), part, false))
      return false;
    for (Term &t : part)
      t.sums.append(sums);
    llvm::append_range(out, part);
    return out.size() <= kMaxTerms;
  }
  case Expr::Kind::Read:
    if (isState(e->source) || inverses.contains(e->source))
      return factor();
    if (auto t = triangle(x, e)) {
      if (t->second.first != 0 && t->second.second != 0)
        return factor();
      bool low = t->second.second == 0;
      out.emplace_back();
      out.back().coefficient = low ? t->second.first : t->second.second;
      out.back().conditions = low ? t->first : Indices{x.simplified(x.number(-1) - t->first[0])};
      return std::isfinite(out.back().coefficient);
    }
    if (whole || isStructure(e))
      if (ExprRef inner = definition(e))
        return collect(inner, out, whole);
    return factor();
  case Expr::Kind::Op:
    break;
  }
  ArrayRef<ExprRef> o = e->operands;
  if (e->name == "Mul") {
    TermList a, b;
    return collect(o[0], a, false) && collect(o[1], b, false) && multiply(a, b, out);
  }
  if (e->name == "Add" || e->name == "Sub" || e->name == "Sum") {
    if (!whole && !isStructure(e))
      return factor();
    for (auto [n, part] : llvm::enumerate(o)) {
      TermList list;
      if (!collect(part, list, whole))
        return false;
      for (Term &t : list)
        t.coefficient *= e->name == "Sub" && n == 1 ? -1 : 1;
      llvm::append_range(out, list);
    }
    return out.size() <= kMaxTerms;
  }
  if (e->name == "Neg" || (e->name == "Div" && o[1]->kind == Expr::Kind::Constant)) {
    TermList part;
    if (!collect(o[0], part, whole))
      return false;
    for (Term &t : part)
      t.coefficient *= e->name == "Neg" ? -1 : 1 / o[1]->number;
    llvm::append_range(out, part);
    return true;
  }
  if (e->name == "Div") {
    TermList a, b(1);
    if (o[1]->isOp("Exp"))
      b[0].powers.push_back({-1, o[1]->operands[0]});
    else
      b[0].factors.push_back(x.op("Reciprocal", {o[1]}, e->type));
    return collect(o[0], a, false) && multiply(a, b, out);
  }
  if (e->name == "Exp" && isMasked(e)) {
    out.emplace_back();
    out.back().powers.push_back({1, o[0]});
    return true;
  }
  if (e->name == "Where") {
    bool second = o[1]->isConstant(0);
    auto c = second || o[2]->isConstant(0) ? condition(o[0], !second) : std::nullopt;
    if (!c)
      return factor();
    TermList part;
    if (!collect(o[second ? 2 : 1], part, false))
      return false;
    for (Term &t : part)
      t.conditions.append(*c);
    llvm::append_range(out, part);
    return true;
  }
  if (e->name == "Cast" && isa<FloatType>(o[0]->type) && isa<FloatType>(e->type) &&
      cast<FloatType>(o[0]->type).getWidth() <= cast<FloatType>(e->type).getWidth() && isStructure(o[0]))
    return collect(o[0], out, whole);
  if (e->name == "Cast" && isa<IntegerType>(o[0]->type))
    if (auto c = condition(o[0], true)) {
      out.emplace_back();
      out.back().conditions = *c;
      return true;
    }
  return factor();
}

//===- resolving -----------------------------------------------------------===//

/// A factor that depends on two positions is no factor yet.
bool Terms::split(TermList &terms, size_t at, bool &changed) {
  Term &t = terms[at];
  llvm::SmallDenseSet<AffineExpr> positions;
  auto collectFrom = [&](AffineExpr e) {
    e.walk([&](AffineExpr part) {
      if (isa<AffineDimExpr>(part))
        positions.insert(part);
    });
  };
  for (AffineExpr c : t.conditions)
    collectFrom(c);
  for (auto &[g, upTo, n] : t.exponent.sums)
    collectFrom(upTo);
  for (auto &[g, n] : t.exponent.uniform)
    collectFrom(n);
  for (const WholeSum &sum : t.whole)
    collectFrom(x.simplified(sum.upTo - start));
  for (ExprRef f : t.factors)
    if (isInverse(f))
      for (AffineExpr i : ArrayRef(f->indices).take_back(2))
        collectFrom(i);
  for (size_t n = 0; n < t.factors.size(); ++n) {
    ExprRef f = t.factors[n];
    if (isInverse(f) || (f->kind == Expr::Kind::Read && isState(f->source)))
      continue;
    unsigned count = llvm::count_if(x.freeIterators(f), [&](AffineExpr i) { return positions.contains(i); });
    if (count < 2)
      continue;
    ExprRef inner = f->kind == Expr::Kind::Read ? definition(f) : f;
    TermList part, whole;
    if (!inner || !collect(inner, part, true))
      return false;
    if (part.size() == 1 && part[0].factors.size() == 1 && part[0].factors[0] == f)
      return false;
    Term rest = t;
    rest.factors.erase(rest.factors.begin() + n);
    // An exponent that is resolved stays with the rest.
    if (!multiply({rest}, part, whole))
      return false;
    for (Term &w : whole) {
      w.exponent = rest.exponent;
      w.whole = rest.whole;
    }
    terms.erase(terms.begin() + at);
    llvm::append_range(terms, whole);
    return changed = true;
  }
  return true;
}

bool Terms::resolve(TermList &terms) {
  bool changed = true;
  for (unsigned round = 0; changed && round < 32; ++round) {
    changed = false;
    for (Term &t : terms)
      if (!resolvePowers(t, changed))
        return false;
    for (size_t n = 0; n < terms.size() && !changed; ++n)
      if (!split(terms, n, changed))
        return false;
    if (terms.size() > kMaxTerms)
      return false;
  }
  for (Term &t : terms) {
    if (!t.powers.empty())
      return false;
    resolveWholeSums(t);
    // Each condition once, and none that another gives.
    for (size_t n = 0; n < t.conditions.size(); ++n) {
      Indices others(t.conditions);
      AffineExpr c = others[n];
      others.erase(others.begin() + n);
      if (follows(c, others))
        t.conditions.erase(t.conditions.begin() + n--);
    }
    // Iterators of size 1 are no sums.
    llvm::erase_if(t.sums, [&](AffineExpr i) { return x.sizeOf(i) == x.number(1); });
  }
  return !changed;
}

std::optional<TermList> Terms::of(ExprRef e, bool whole) {
  TermList out;
  if (!collect(e, out, whole) || !resolve(out))
    return std::nullopt;
  return out;
}

//===- products ------------------------------------------------------------===//

bool Terms::flatten(ExprRef e, double &coefficient, SmallVectorImpl<ExprRef> &factors) {
  if (--budget < 0)
    return false;
  if (e->kind == Expr::Kind::Constant) {
    coefficient *= e->number;
    return true;
  }
  if (e->isOp("Mul"))
    return flatten(e->operands[0], coefficient, factors) && flatten(e->operands[1], coefficient, factors);
  if (e->isOp("Neg")) {
    coefficient = -coefficient;
    return flatten(e->operands[0], coefficient, factors);
  }
  if (e->isOp("Div")) {
    if (e->operands[1]->kind == Expr::Kind::Constant)
      coefficient /= e->operands[1]->number;
    else
      factors.push_back(x.op("Reciprocal", {e->operands[1]}, e->type));
    return flatten(e->operands[0], coefficient, factors);
  }
  if (e->kind == Expr::Kind::Read && isName(e->source.getDefiningOp(), {"Mul", "Div", "Neg"}))
    if (ExprRef inner = definition(e))
      return flatten(inner, coefficient, factors);
  factors.push_back(e);
  return true;
}

bool Terms::sameProduct(ArrayRef<ExprRef> a, ArrayRef<ExprRef> b, double ratio) {
  auto same = [](SmallVector<ExprRef> p, SmallVector<ExprRef> q) {
    llvm::sort(p);
    llvm::sort(q);
    return p == q;
  };
  auto close = [](double p, double q) { return std::abs(p - q) <= 2.5e-7 * std::abs(q); };
  if (close(ratio, 1) && same(SmallVector<ExprRef>(a), SmallVector<ExprRef>(b)))
    return true;
  SmallVector<ExprRef> p, q;
  double c = ratio, d = 1;
  for (ExprRef e : a)
    if (!flatten(e, c, p))
      return false;
  for (ExprRef e : b)
    if (!flatten(e, d, q))
      return false;
  return close(c, d) && same(p, q);
}
