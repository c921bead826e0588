//===- Exponents.cpp - exponents as sums over stretches of a chunk ---------===//
#include "passes/raise/Terms.h"

using namespace mlir;
using namespace ssm;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

static bool isName(Operation *op, std::initializer_list<StringRef> names) {
  return op && llvm::is_contained(names, op->getName().stripDialect());
}

void Exponent::add(Exprs &x, ExprRef g, AffineExpr upTo, int count) {
  upTo = x.simplified(upTo);
  if (upTo == x.number(0) || !count)
    return;
  for (auto &[known, at, n] : sums)
    if (known == g && at == upTo) {
      n += count;
      llvm::erase_if(sums, [](auto &s) { return std::get<2>(s) == 0; });
      return;
    }
  sums.push_back({g, upTo, count});
}

void Exponent::addUniform(Exprs &x, ExprRef g, AffineExpr times) {
  for (auto &[known, n] : uniform)
    if (known == g) {
      n = x.simplified(n + times);
      llvm::erase_if(uniform, [&](auto &u) { return u.second == x.number(0); });
      return;
    }
  if (x.simplified(times) != x.number(0))
    uniform.push_back({g, x.simplified(times)});
}

bool Exponent::operator==(const Exponent &other) const {
  return sums.size() == other.sums.size() && uniform.size() == other.uniform.size() &&
         llvm::all_of(sums, [&](auto &s) { return llvm::is_contained(other.sums, s); }) &&
         llvm::all_of(uniform, [&](auto &u) { return llvm::is_contained(other.uniform, u); });
}

bool Terms::follows(AffineExpr c, ArrayRef<AffineExpr> conditions) {
  return x.isNonNegative(c) ||
         llvm::any_of(conditions, [&](AffineExpr k) { return x.isNonNegative(x.simplified(c - k)); });
}

/// An element of what a Pad or Concat moves, looked through; null where that gives nothing new.
ExprRef Terms::shifted(ExprRef read) {
  return lookThrough(read, [](Operation *) { return false; });
}

/// A sum of something over positions, from `low` on and before `high`.
bool Terms::takeSum(Term &t, ExprRef sum, double coefficient, ExprRef scale) {
  TermList parts;
  Indices outer;
  // At its last element a cumulative sum has no condition.
  auto runs = [](ExprRef e) { return e->kind == Expr::Kind::Read && isName(e->source.getDefiningOp(), {"CumSum"}); };
  if (sum->kind == Expr::Kind::Select) { // a sum, or nothing
    bool second = sum->operands[0]->isConstant(0) && sum->indices.size() == 1;
    if (!second && !sum->operands[1]->isConstant(0))
      return false;
    outer.assign(sum->indices.begin(), sum->indices.end());
    if (second)
      outer[0] = x.simplified(x.number(-1) - outer[0]);
    sum = sum->operands[second ? 1 : 0];
  }
  bool running = runs(sum);
  if (!collect(sum, parts, true))
    return false;
  Exponent found;
  SmallVector<WholeSum> whole;
  for (Term &p : parts) {
    p.conditions.append(outer);
    // The iterator of the conditions; else the only one of a chunk's length.
    AffineExpr r;
    for (AffineExpr i : p.sums) {
      bool conditioned = llvm::any_of(p.conditions, [&](AffineExpr c) {
        bool occurs = false;
        c.walk([&](AffineExpr part) { occurs |= part == i; });
        return occurs;
      });
      if (x.sizeOf(i) == x.sizeOf(tau) && (conditioned || (!r && p.conditions.empty())))
        r = i;
      else if (start && !r && (conditioned || (running && p.sums.size() == 1)))
        r = i;
    }
    if (!r || !p.powers.empty())
      return false;
    AffineExpr length = x.sizeOf(r), low = x.number(0), high = length;
    for (AffineExpr c : p.conditions) {
      AffineExpr at0 = x.simplified(c.replace(r, x.number(0)));
      auto step = dyn_cast<AffineConstantExpr>(x.simplified(c.replace(r, x.number(1)) - at0));
      if (!step || std::abs(step.getValue()) > 1)
        return false;
      if (step.getValue() == 0) {
        // A sum that is empty elsewhere needs no condition.
        Indices others(p.conditions);
        llvm::erase(others, c);
        if (!follows(c, t.conditions) && !follows(c, others))
          return false;
        continue;
      }
      AffineExpr &bound = step.getValue() > 0 ? low : high;
      if (bound != (step.getValue() > 0 ? x.number(0) : length))
        return false;
      bound = x.simplified(step.getValue() > 0 ? x.number(0) - at0 : at0 + 1);
    }
    if (!x.isNonNegative(low) || !x.isNonNegative(x.simplified(length - high)) ||
        !follows(x.simplified(high - low), t.conditions))
      return false;
    double c = coefficient * p.coefficient;
    ExprRef g = x.product(p.factors, sum->type);
    Indices inner;
    for (AffineExpr i : p.sums)
      if (i != r)
        inner.push_back(i);
    if (!inner.empty())
      g = x.reduce("ReduceSum", inner, g);
    if (scale)
      g = x.mul(g, scale);
    if (std::abs(c) != 1)
      g = x.mul(g, x.constant(std::abs(c), g->type));
    int sign = c < 0 ? -1 : 1;
    if (x.dependsOn(g, r) && length != x.sizeOf(tau)) {
      AffineExpr &time = times[length];
      if (!time)
        time = x.iterator(length);
      g = x.replace(g, DenseMap<AffineExpr, AffineExpr>{{r, time}});
      whole.push_back({g, time, high, sign});
      if (low != x.number(0))
        whole.push_back({g, time, low, -sign});
    } else if (x.dependsOn(g, r)) {
      g = x.replace(g, DenseMap<AffineExpr, AffineExpr>{{r, tau}});
      found.add(x, g, high, sign);
      found.add(x, g, low, -sign);
    } else {
      found.addUniform(x, g, (high - low) * sign);
    }
  }
  for (auto &[g, at, n] : found.sums)
    t.exponent.add(x, g, at, n);
  for (auto &[g, n] : found.uniform)
    t.exponent.addUniform(x, g, n);
  t.whole.append(whole);
  return true;
}

/// Sums over all time of which only differences inside of the chunk are left are sums over stretches of it; others are
/// factors.
void Terms::resolveWholeSums(Term &t) {
  while (!t.whole.empty()) {
    WholeSum first = t.whole.front();
    Exponent places; // by their place only
    for (const WholeSum &s : t.whole)
      if (s.g == first.g)
        places.add(x, s.g, s.upTo, s.count);
    llvm::erase_if(t.whole, [&](const WholeSum &s) { return s.g == first.g; });
    // What is before the chunk may be written as the sum with its first element, less that.
    for (size_t n = 0; n < t.factors.size(); ++n) {
      auto known = left.find(t.factors[n]);
      if (known == left.end() || std::abs(known->second.first) != 1 ||
          x.replace(first.g, DenseMap<AffineExpr, AffineExpr>{{first.time, start}}) != known->second.second)
        continue;
      int count = known->second.first;
      AffineExpr next = x.simplified(start + 1);
      if (!llvm::is_contained(places.sums, std::tuple(first.g, next, -count)))
        continue;
      places.add(x, first.g, next, count);
      places.add(x, first.g, start, -count);
      t.factors.erase(t.factors.begin() + n--);
    }
    int balance = 0;
    bool inside = true;
    for (auto &[g, upTo, count] : places.sums) {
      AffineExpr local = x.simplified(upTo - start);
      inside &= x.isNonNegative(local) && x.isNonNegative(x.simplified(x.sizeOf(tau) - local));
      balance += count;
    }
    if (inside && (balance == 0 || start == x.number(0))) {
      ExprRef g = x.replace(first.g, DenseMap<AffineExpr, AffineExpr>{{first.time, start + tau}});
      for (auto &[unused, upTo, count] : places.sums)
        t.exponent.add(x, g, upTo - start, count);
      continue;
    }
    for (auto &[g, upTo, count] : places.sums) {
      ExprRef part = x.select({upTo - 1 - first.time}, g, x.constant(0, g->type));
      ExprRef sum = x.reduce("ReduceSum", {first.time}, part);
      for (int n = 0; n < std::abs(count); ++n)
        t.factors.push_back(x.op("Exp", {count < 0 ? x.neg(sum) : sum}, g->type));
    }
  }
}

/// Adds coefficient * e to the exponent. False when that has to wait for a condition, or fails.
bool Terms::takeExponent(Term &t, ExprRef e, double coefficient, int depth) {
  auto leave = [&] {
    ExprRef scaled = coefficient == 1 ? e : x.mul(e, x.constant(coefficient, e->type));
    t.factors.push_back(x.op("Exp", {scaled}, e->type));
    left[t.factors.back()] = {coefficient, e};
    return true;
  };
  if (depth == 0 || --budget < 0)
    return false;
  switch (e->kind) {
  case Expr::Kind::Constant:
    t.coefficient *= std::exp(coefficient * e->number);
    return std::isfinite(t.coefficient);
  case Expr::Kind::Index:
  case Expr::Kind::Reduce:
    return (e->isSum() && takeSum(t, e, coefficient, nullptr)) || leave();
  case Expr::Kind::Select: {
    if (llvm::all_of(e->indices, [&](AffineExpr c) { return follows(c, t.conditions); }))
      return takeExponent(t, e->operands[0], coefficient, depth - 1);
    AffineExpr other = e->indices.size() == 1 ? x.simplified(x.number(-1) - e->indices[0]) : AffineExpr();
    if (other && follows(other, t.conditions))
      return takeExponent(t, e->operands[1], coefficient, depth - 1);
    if (e->operands[1]->isConstant(-kInfinity) && coefficient > 0) {
      t.conditions.append(e->indices.begin(), e->indices.end());
      return takeExponent(t, e->operands[0], coefficient, depth - 1);
    }
    if (other && e->operands[0]->isConstant(-kInfinity) && coefficient > 0) {
      t.conditions.push_back(other);
      return takeExponent(t, e->operands[1], coefficient, depth - 1);
    }
    return start && takeSum(t, e, coefficient, nullptr);
  }
  case Expr::Kind::Read:
    // What is before a position is the sum moved by one.
    if (start && isName(e->source.getDefiningOp(), {"Pad", "Concat"})) {
      ExprRef inner = shifted(e);
      if (inner && inner->kind == Expr::Kind::Select)
        return takeExponent(t, inner, coefficient, depth - 1) || leave();
      if (inner && inner->kind == Expr::Kind::Read)
        return takeExponent(t, inner, coefficient, depth - 1);
      if (inner && inner->isConstant(0))
        return true;
    }
    if (isName(e->source.getDefiningOp(), {"CumSum", "ReduceSum", "MatMul", "Einsum"})) {
      ExprRef inner = definition(e);
      bool running = start && inner && isName(e->source.getDefiningOp(), {"CumSum"});
      return (inner && inner->isSum() && takeSum(t, running ? e : inner, coefficient, nullptr)) || leave();
    }
    if (isName(e->source.getDefiningOp(), {"Add", "Sub", "Neg", "Mul", "Div", "Cast", "Where", "Sum"}))
      if (ExprRef inner = definition(e))
        return takeExponent(t, inner, coefficient, depth - 1);
    return leave();
  case Expr::Kind::Op:
    break;
  }
  ArrayRef<ExprRef> o = e->operands;
  if (e->name == "Add" || e->name == "Sub" || e->name == "Sum") {
    for (auto [n, part] : llvm::enumerate(o))
      if (!takeExponent(t, part, e->name == "Sub" && n == 1 ? -coefficient : coefficient, depth - 1))
        return false;
    return true;
  }
  if (e->name == "Neg")
    return takeExponent(t, o[0], -coefficient, depth - 1);
  if (e->name == "Div" && o[1]->kind == Expr::Kind::Constant)
    return takeExponent(t, o[0], coefficient / o[1]->number, depth - 1);
  if (e->name == "Cast" && isa<FloatType>(e->type) && isa<FloatType>(o[0]->type) &&
      cast<FloatType>(o[0]->type).getWidth() <= cast<FloatType>(e->type).getWidth())
    return takeExponent(t, o[0], coefficient, depth - 1);
  if (e->name == "Mul")
    for (int k : {0, 1}) {
      if (o[k]->kind == Expr::Kind::Constant)
        return takeExponent(t, o[1 - k], coefficient * o[k]->number, depth - 1);
      // A mask of zeros and ones, where what it masks is known to be there.
      if (auto c = condition(o[k], true)) {
        if (llvm::all_of(*c, [&](AffineExpr a) { return follows(a, t.conditions); }))
          return takeExponent(t, o[1 - k], coefficient, depth - 1);
        return false;
      }
      ExprRef sum = o[k];
      if (sum->kind == Expr::Kind::Read && isName(sum->source.getDefiningOp(), {"CumSum"}))
        if (ExprRef inner = definition(sum))
          sum = inner;
      if (sum->isSum() && takeSum(t, sum, coefficient, o[1 - k]))
        return true;
      // A distance times what is the same at all positions.
      ExprRef index = o[k];
      while (index->isOp("Cast"))
        index = index->operands[0];
      if (index->kind == Expr::Kind::Index && std::abs(coefficient) == 1) {
        t.exponent.addUniform(x, o[1 - k], index->indices[0] * (int64_t)coefficient);
        return true;
      }
    }
  if (e->name == "Where") {
    for (int k : {1, 2}) {
      auto c = condition(o[0], k == 1);
      if (!c)
        continue;
      bool known = llvm::all_of(*c, [&](AffineExpr a) { return follows(a, t.conditions); });
      if (!known && !(o[3 - k]->isConstant(-kInfinity) && coefficient > 0))
        continue;
      if (!known)
        t.conditions.append(*c);
      return takeExponent(t, o[k], coefficient, depth - 1);
    }
    return false;
  }
  return leave();
}

bool Terms::resolvePowers(Term &t, bool &changed) {
  for (size_t n = 0; n < t.powers.size(); ++n) {
    Term tried = t;
    auto [coefficient, e] = tried.powers[n];
    tried.powers.erase(tried.powers.begin() + n);
    if (!takeExponent(tried, e, coefficient, 16))
      continue;
    t = std::move(tried);
    changed = true;
    --n;
  }
  return true;
}

