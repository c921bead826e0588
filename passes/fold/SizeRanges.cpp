//===- SizeRanges.cpp - what is known of sizes inside of loops -------------===//
// In the body of a loop the iteration number is at least 0 and less than the trip count, which is at least 1. A slice
// [i : i + 1] of an axis as long as the trip count is then 1 long, and a carried value keeps its size.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

namespace {
/// A sum of whole multiples of atoms; an atom is anything that is no sum.
struct Sum {
  SmallVector<std::pair<AffineExpr, int64_t>> terms;
  int64_t constant = 0;

  void add(AffineExpr e, int64_t by) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    if (auto c = dyn_cast<AffineConstantExpr>(e)) {
      constant += by * c.getValue();
    } else if (e.getKind() == AffineExprKind::Add) {
      add(binary.getLHS(), by);
      add(binary.getRHS(), by);
    } else if (e.getKind() == AffineExprKind::Mul && isa<AffineConstantExpr>(binary.getRHS())) {
      add(binary.getLHS(), by * cast<AffineConstantExpr>(binary.getRHS()).getValue());
    } else {
      auto *at = llvm::find_if(terms, [&](auto &t) { return t.first == e; });
      if (at == terms.end())
        terms.push_back({e, by});
      else if (!(at->second += by))
        terms.erase(at);
    }
  }
  /// The same with an atom replaced.
  Sum with(AffineExpr atom, AffineExpr value, int64_t factor) const {
    Sum s = *this;
    s.add(atom, -factor);
    s.add(value, factor);
    return s;
  }
};
} // namespace

int64_t Shapes::newIteration(Value number, AffineExpr trip) {
  int64_t symbol = newSymbol(b.getInsertionBlock());
  BindElementOp::create(b, number.getLoc(), number, 0, symbol);
  iterated.insert(symbol);
  if (trip)
    trips.push_back({getAffineSymbolExpr(symbol, context), trip});
  return symbol;
}

bool Shapes::isIterated(AffineExpr e) {
  bool found = false;
  e.walk([&](AffineExpr part) {
    auto s = dyn_cast<AffineSymbolExpr>(part);
    found |= s && iterated.contains(s.getPosition());
  });
  return found;
}

/// The least value of an atom where it is known.
std::optional<int64_t> Shapes::lowestOf(AffineExpr atom) {
  if (auto s = dyn_cast<AffineSymbolExpr>(atom)) {
    if (!sizeSymbols.contains(s.getPosition()))
      return std::nullopt;
    return llvm::any_of(trips, [&](Trip &t) { return t.count == atom; }) ? 1 : 0;
  }
  if (atom.getKind() == AffineExprKind::Mul) {
    auto product = cast<AffineBinaryOpExpr>(atom);
    auto x = lowestOf(product.getLHS()), y = lowestOf(product.getRHS());
    return x && y ? std::optional(*x * *y) : std::nullopt;
  }
  if (auto quotient = dyn_cast<AffineBinaryOpExpr>(atom)) { // or what remains of one
    auto by = asConstant(quotient.getRHS());
    return by && *by > 0 && isNonNegative(quotient.getLHS()) ? std::optional(0) : std::nullopt;
  }
  return std::nullopt;
}

bool Shapes::isNonNegative(AffineExpr e) {
  std::function<bool(const Sum &, int)> proved = [&](const Sum &s, int depth) {
    int64_t least = s.constant;
    bool known = true;
    for (auto [atom, factor] : s.terms) {
      auto lowest = factor > 0 ? lowestOf(atom) : std::nullopt;
      known &= lowest.has_value();
      least += known ? factor * *lowest : 0;
    }
    if (known && least >= 0)
      return true;
    if (depth == 0)
      return false;
    for (auto [atom, factor] : s.terms) {
      for (Trip &t : trips)
        if (t.number == atom)
          return proved(s.with(atom, factor > 0 ? constant(0) : t.count - 1, factor), depth - 1);
      auto symbol = dyn_cast<AffineSymbolExpr>(atom);
      auto it = symbol ? definitions.find(symbol.getPosition()) : definitions.end();
      if (it == definitions.end() || (it->second.kind != "min" && it->second.kind != "max"))
        continue;
      // A minimum is at most each of the two, and one of them.
      auto &d = it->second;
      bool any = (d.kind == "min") == (factor < 0), first = proved(s.with(atom, d.x, factor), depth - 1);
      if (any ? first || proved(s.with(atom, d.y, factor), depth - 1) : first && proved(s.with(atom, d.y, factor), depth - 1))
        return true;
    }
    return false;
  };
  Sum sum;
  sum.add(e, 1);
  return proved(sum, 6);
}

AffineExpr Shapes::solved(StringRef kind, AffineExpr x, AffineExpr y) {
  auto a = asConstant(x), c = asConstant(y);
  bool less = (a && c) ? *a < *c : isNonNegative(y - x - 1),
       notLess = (a && c) ? *a >= *c : !less && isNonNegative(x - y);
  if (kind == "lt")
    return less ? constant(1) : notLess ? constant(0) : AffineExpr();
  if (kind == "min" || kind == "max") {
    bool atMost = less || isNonNegative(y - x);
    if (atMost || notLess)
      return atMost == (kind == "min") ? x : y;
    return {};
  }
  if (kind == "eq")
    return less || isNonNegative(x - y - 1) ? constant(0) : AffineExpr();
  if (kind == "broadcast" && !a && !c && notLess && isNonNegative(y - x))
    return x;
  return {};
}

AffineExpr Shapes::inLoop(AffineExpr e) {
  if (trips.empty())
    return e;
  DenseMap<AffineExpr, AffineExpr> known;
  e.walk([&](AffineExpr part) {
    auto s = dyn_cast<AffineSymbolExpr>(part);
    auto it = s ? definitions.find(s.getPosition()) : definitions.end();
    if (it == definitions.end())
      return;
    Definition d = it->second;
    if (AffineExpr value = solved(d.kind, inLoop(d.x), inLoop(d.y)))
      known[part] = value;
  });
  return known.empty() ? e : e.replace(known);
}
