//===- Subscript.cpp - index arithmetic with symbolic sizes ----------------===//
#include "passes/raise/Subscript.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ssm;

Subscript Subscript::combine(const Subscript &o, int64_t sign) const {
  Subscript r = *this;
  for (auto &[m, c] : o.terms) {
    int64_t &slot = r.terms[m];
    slot += sign * c;
    if (slot == 0)
      r.terms.erase(m);
  }
  return r;
}

Subscript Subscript::operator*(const Subscript &o) const {
  Subscript r;
  for (auto &[m, c] : terms)
    for (auto &[n, d] : o.terms) {
      Monomial product(m.size() + n.size());
      std::merge(m.begin(), m.end(), n.begin(), n.end(), product.begin());
      int64_t &slot = r.terms[product];
      slot += c * d;
      if (slot == 0)
        r.terms.erase(product);
    }
  return r;
}

std::optional<int64_t> Subscript::constant() const {
  if (terms.empty())
    return 0;
  if (terms.size() == 1 && terms.begin()->first.empty())
    return terms.begin()->second;
  return std::nullopt;
}

std::optional<unsigned> Subscript::asAtom() const {
  if (terms.size() == 1 && terms.begin()->second == 1 && terms.begin()->first.size() == 1)
    return terms.begin()->first[0];
  return std::nullopt;
}

bool Subscript::contains(unsigned atom) const {
  return llvm::any_of(terms, [&](auto &t) { return llvm::is_contained(t.first, atom); });
}

std::optional<Subscript> Subscript::coefficient(unsigned atom) const {
  Subscript r;
  for (auto &[m, c] : terms) {
    size_t power = llvm::count(m, atom);
    if (power > 1)
      return std::nullopt;
    if (power == 0)
      continue;
    Monomial rest = m;
    rest.erase(llvm::find(rest, atom));
    r.terms[rest] = c;
  }
  return r;
}

Subscript Subscript::without(unsigned atom) const {
  Subscript r;
  for (auto &[m, c] : terms)
    if (!llvm::is_contained(m, atom))
      r.terms[m] = c;
  return r;
}

/// m / n for monomials.
static std::optional<Subscript::Monomial> divide(Subscript::Monomial m, const Subscript::Monomial &n) {
  for (unsigned a : n) {
    auto it = llvm::find(m, a);
    if (it == m.end())
      return std::nullopt;
    m.erase(it);
  }
  return m;
}

std::optional<Subscript> Subscript::dividedBy(const Subscript &n) const {
  if (n.terms.empty())
    return std::nullopt;
  if (n.terms.size() == 1) {
    auto &[d, k] = *n.terms.begin();
    Subscript r;
    for (auto &[m, c] : terms) {
      auto q = divide(m, d);
      if (!q || c % k)
        return std::nullopt;
      r.terms[*q] = c / k;
    }
    return r;
  }
  // Long division by the leading term.
  Subscript rest = *this, r;
  auto &[d, k] = *n.terms.rbegin();
  for (int step = 0; step < 16 && !rest.terms.empty(); ++step) {
    auto &[m, c] = *rest.terms.rbegin();
    auto q = divide(m, d);
    if (!q || c % k)
      return std::nullopt;
    Subscript part;
    part.terms[*q] = c / k;
    r = r + part;
    rest = rest - part * n;
  }
  if (!rest.terms.empty())
    return std::nullopt;
  return r;
}

SizeSymbols IndexSpace::sizeSymbols(ModuleOp module) {
  SizeSymbols sizes;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto bind = dyn_cast<BindDimOp>(op))
      sizes.nonNegative.insert(bind.getSymbol());
    auto bind = dyn_cast<BindExprOp>(op);
    if (!bind)
      return;
    StringRef kind = bind.getKind();
    ArrayRef<AffineExpr> args = bind.getMap().getResults();
    auto isSize = [&](AffineExpr e) {
      auto c = dyn_cast<AffineConstantExpr>(e);
      auto s = dyn_cast<AffineSymbolExpr>(e);
      return (c && c.getValue() >= 0) || (s && sizes.nonNegative.contains(s.getPosition()));
    };
    if (kind == "eq" || kind == "lt" || kind == "broadcast" ||
        (kind == "max" ? llvm::any_of(args, isSize) : llvm::all_of(args, isSize)))
      sizes.nonNegative.insert(bind.getSymbol());
    if (kind == "min" || kind == "max")
      (kind == "min" ? sizes.smallestOf : sizes.largestOf)[bind.getSymbol()].assign(args.begin(), args.end());
  });
  // s - 1 elements of a tensor of @main are no fewer than none.
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.empty())
    return sizes;
  for (Operation &op : main.front())
    for (Type type : op.getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && tensor.getEncoding())
        for (AffineExpr e : onnx::getDimExprs(tensor)) {
          auto sum = dyn_cast<AffineBinaryOpExpr>(e);
          auto less = sum ? dyn_cast<AffineConstantExpr>(sum.getRHS()) : AffineConstantExpr();
          if (!less || e.getKind() != AffineExprKind::Add || less.getValue() >= 0)
            continue;
          AffineExpr whole = sum.getLHS();
          if (auto product = dyn_cast<AffineBinaryOpExpr>(whole); product && whole.getKind() == AffineExprKind::Mul)
            if (auto factor = dyn_cast<AffineConstantExpr>(product.getRHS()); factor && factor.getValue() > 0)
              whole = product.getLHS();
          if (auto s = dyn_cast<AffineSymbolExpr>(whole); s && sizes.nonNegative.contains(s.getPosition()))
            sizes.positive.insert(s.getPosition());
        }
  return sizes;
}

unsigned IndexSpace::intern(Atom a) {
  if (a.kind != Atom::Iterator)
    for (auto [i, old] : llvm::enumerate(atoms))
      if (old.kind == a.kind && old.symbol == a.symbol && old.x == a.x && old.n == a.n)
        return i;
  atoms.push_back(std::move(a));
  return atoms.size() - 1;
}

Subscript IndexSpace::iterator(const Subscript &extent) {
  if (extent.terms.size() == 1)
    for (unsigned a : extent.terms.begin()->first)
      if (atoms[a].kind == Atom::Symbol)
        positive.insert(a);
  return Subscript::atom(intern({Atom::Iterator, {}, extent, 0}));
}

Subscript IndexSpace::symbol(int64_t position) {
  auto [it, isNew] = symbolAtoms.try_emplace(position, 0);
  if (!isNew)
    return Subscript::atom(it->second);
  unsigned a = it->second = intern({Atom::Symbol, {}, {}, position});
  if (sizes.positive.contains(position))
    positive.insert(a);
  auto learn = [&](const auto &known, auto &bounds) {
    auto args = known.find(position);
    if (args == known.end())
      return;
    for (AffineExpr e : args->second) {
      Subscript bound = from(e);
      bounds[a].push_back(bound);
    }
  };
  learn(sizes.smallestOf, atMost);
  learn(sizes.largestOf, atLeast);
  return Subscript::atom(a);
}

void IndexSpace::split(const Subscript &x, const Subscript &n, Subscript &quotient, Subscript &rest) const {
  if (n.terms.size() != 1) {
    if (auto q = x.dividedBy(n)) {
      quotient = *q;
      rest = 0;
      return;
    }
    // A mixed radix: the coefficient of an iterator is n times something.
    quotient = 0;
    rest = x;
    for (unsigned a = 0; a < atoms.size(); ++a)
      if (isIterator(a) && rest.contains(a))
        if (auto c = rest.coefficient(a))
          if (auto q = c->dividedBy(n)) {
            quotient = quotient + *q * Subscript::atom(a);
            rest = rest - *c * Subscript::atom(a);
          }
    return;
  }
  auto &[d, k] = *n.terms.begin();
  quotient = rest = 0;
  for (auto &[m, c] : x.terms) {
    auto q = divide(m, d);
    if (!q) {
      rest.terms[m] = c;
      continue;
    }
    int64_t whole = c / k, left = c % k;
    if (m.empty() && left < 0) { // constants keep a rest that is not negative
      --whole;
      left += k;
    }
    if (whole) {
      int64_t &slot = quotient.terms[*q];
      slot += whole;
      if (!slot)
        quotient.terms.erase(*q);
    }
    if (left)
      rest.terms[m] = left;
  }
}

Subscript IndexSpace::floorDiv(const Subscript &x, const Subscript &n) {
  if (n.is(1))
    return x;
  Subscript quotient, rest;
  split(x, n, quotient, rest);
  if (rest.is(0) || (nonNegative(rest) && nonNegative(n - 1 - rest)))
    return quotient;
  // (a floordiv m) floordiv n = a floordiv (m n)
  if (auto a = rest.asAtom(); a && atoms[*a].kind == Atom::FloorDiv) {
    Subscript inner = atoms[*a].x, divisor = atoms[*a].n;
    return quotient + floorDiv(inner, divisor * n);
  }
  // Rounding up of sizes: (x + n - 1) floordiv n = -(-x floordiv n)
  auto by = n.constant();
  auto constant = rest.terms.find({});
  llvm::SmallDenseSet<unsigned, 8> iterators;
  collectIterators(rest, iterators);
  if (by && *by > 1 && constant != rest.terms.end() && constant->second == *by - 1 && iterators.empty())
    return quotient - floorDiv(Subscript(*by - 1) - rest, n);
  return quotient + Subscript::atom(intern({Atom::FloorDiv, rest, n, 0}));
}

Subscript IndexSpace::mod(const Subscript &x, const Subscript &n) {
  if (n.is(1))
    return 0;
  Subscript quotient, rest;
  split(x, n, quotient, rest);
  if (rest.is(0) || (nonNegative(rest) && nonNegative(n - 1 - rest)))
    return rest;
  // Of sizes: in quotients only, so that rounding up is one expression however it is written.
  llvm::SmallDenseSet<unsigned, 8> iterators;
  collectIterators(rest, iterators);
  if (iterators.empty() && n.constant())
    return rest - n * floorDiv(rest, n);
  return Subscript::atom(intern({Atom::Mod, rest, n, 0}));
}

Subscript IndexSpace::from(AffineExpr e) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return c.getValue();
  if (auto s = dyn_cast<AffineSymbolExpr>(e))
    return symbol(s.getPosition());
  auto bin = cast<AffineBinaryOpExpr>(e);
  Subscript l = from(bin.getLHS()), r = from(bin.getRHS());
  switch (bin.getKind()) {
  case AffineExprKind::Add:
    return l + r;
  case AffineExprKind::Mul:
    return l * r;
  case AffineExprKind::FloorDiv:
    return floorDiv(l, r);
  case AffineExprKind::CeilDiv:
    return floorDiv(l + r - 1, r);
  default:
    return mod(l, r);
  }
}

std::vector<Subscript> IndexSpace::from(ArrayRef<AffineExpr> e) {
  std::vector<Subscript> r;
  for (AffineExpr x : e)
    r.push_back(from(x));
  return r;
}

AffineExpr IndexSpace::toAffine(const Subscript &e, MLIRContext *context,
                                const llvm::DenseMap<unsigned, unsigned> &dims) {
  AffineExpr sum = getAffineConstantExpr(0, context);
  for (auto &[m, c] : e.terms) {
    AffineExpr term = getAffineConstantExpr(c, context);
    for (unsigned a : m) {
      const Atom &atom = atoms[a];
      AffineExpr factor;
      if (atom.kind == Atom::Symbol) {
        factor = getAffineSymbolExpr(atom.symbol, context);
      } else if (atom.kind == Atom::Iterator) {
        auto it = dims.find(a);
        if (it == dims.end())
          return {};
        factor = getAffineDimExpr(it->second, context);
      } else {
        AffineExpr x = toAffine(atom.x, context, dims), n = toAffine(atom.n, context, dims);
        if (!x || !n)
          return {};
        factor = atom.kind == Atom::Mod ? x % n : x.floorDiv(n);
      }
      term = factor * term;
    }
    sum = sum + term;
  }
  return sum;
}

Subscript IndexSpace::substitute(const Subscript &e, const std::map<unsigned, Subscript> &by) {
  Subscript sum;
  for (auto &[m, c] : e.terms) {
    Subscript term = c;
    for (unsigned a : m) {
      if (auto it = by.find(a); it != by.end()) {
        term = term * it->second;
      } else if (atoms[a].kind == Atom::FloorDiv || atoms[a].kind == Atom::Mod) {
        Atom atom = atoms[a];
        Subscript x = substitute(atom.x, by), n = substitute(atom.n, by);
        term = term * (atom.kind == Atom::Mod ? mod(x, n) : floorDiv(x, n));
      } else {
        term = term * Subscript::atom(a);
      }
    }
    sum = sum + term;
  }
  // n (x floordiv n) + x mod n = x, each times the same factor
  for (auto &[m, c] : sum.terms)
    for (unsigned a : m) {
      if (atoms[a].kind != Atom::Mod)
        continue;
      Atom atom = atoms[a];
      Subscript factor;
      factor.terms[*divide(m, {a})] = c;
      Subscript whole = factor * atom.n * floorDiv(atom.x, atom.n);
      bool present = llvm::all_of(whole.terms, [&](auto &t) {
        auto it = sum.terms.find(t.first);
        return it != sum.terms.end() && it->second == t.second;
      });
      if (present)
        return substitute(sum - whole - factor * Subscript::atom(a) + factor * atom.x, {});
    }
  return sum;
}

void IndexSpace::collectIterators(const Subscript &e, llvm::SmallDenseSet<unsigned, 8> &out) const {
  for (auto &[m, c] : e.terms)
    for (unsigned a : m) {
      if (atoms[a].kind == Atom::Iterator)
        out.insert(a);
      else if (atoms[a].kind != Atom::Symbol)
        collectIterators(atoms[a].x, out);
    }
}

bool IndexSpace::depends(const Subscript &e, unsigned iterator) const {
  llvm::SmallDenseSet<unsigned, 8> all;
  collectIterators(e, all);
  return all.contains(iterator);
}

bool IndexSpace::nonNegative(const Subscript &e, int depth) const {
  if (auto c = e.constant())
    return *c >= 0;
  if (depth <= 0)
    return false;
  for (auto &[m, c] : e.terms)
    for (unsigned a : m) {
      const Atom &atom = atoms[a];
      if (atom.kind == Atom::Symbol)
        continue;
      auto coefficient = e.coefficient(a);
      if (!coefficient)
        return false;
      Subscript rest = e.without(a);
      if (nonNegative(*coefficient, depth - 1)) { // smallest at 0
        if (atom.kind == Atom::FloorDiv && !nonNegative(atom.x, depth - 1)) {
          // x floordiv n >= (x + 1 - n) / n
          auto perUnit = coefficient->dividedBy(atom.n);
          return perUnit && nonNegative(rest + *perUnit * (atom.x + 1 - atom.n), depth - 1);
        }
        return nonNegative(rest, depth - 1);
      }
      if (!nonNegative(Subscript(0) - *coefficient, depth - 1))
        return false;
      if (atom.kind != Atom::FloorDiv) // largest at n - 1
        return nonNegative(rest + *coefficient * (atom.n - 1), depth - 1);
      if (nonNegative(Subscript(0) - atom.x, depth - 1) && nonNegative(rest, depth - 1)) // largest at 0
        return true;
      // x floordiv n <= x / n
      auto perUnit = coefficient->dividedBy(atom.n);
      return perUnit && nonNegative(rest + *perUnit * atom.x, depth - 1);
    }
  // Symbols only: s = s' + 1 where s is positive, s >= 0 where it is a size.
  Subscript shifted;
  for (auto &[m, c] : e.terms) {
    Subscript term = c;
    for (unsigned a : m) {
      if (!positive.contains(a) && !sizes.nonNegative.contains(atoms[a].symbol))
        return boundedNonNegative(e, depth);
      term = term * (positive.contains(a) ? Subscript::atom(a) + 1 : Subscript::atom(a));
    }
    shifted = shifted + term;
  }
  return llvm::all_of(shifted.terms, [](auto &t) { return t.second >= 0; }) || boundedNonNegative(e, depth);
}

bool IndexSpace::boundedNonNegative(const Subscript &e, int depth) const {
  for (auto &[m, c] : e.terms) {
    if (m.size() != 1 || atoms[m[0]].kind != Atom::Symbol)
      continue;
    const auto &bounds = c < 0 ? atMost : atLeast;
    auto coefficient = e.coefficient(m[0]);
    auto it = bounds.find(m[0]);
    if (it == bounds.end() || !coefficient || coefficient->constant() != c)
      continue;
    for (const Subscript &bound : it->second)
      if (nonNegative(e.without(m[0]) + *coefficient * bound, depth - 4))
        return true;
  }
  return false;
}
