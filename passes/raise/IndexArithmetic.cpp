//===- IndexArithmetic.cpp - affine indices over iterators with ranges ------===//
// Upstream simplifies affine expressions without knowing that 0 <= iterator < size; here (d0 * 8 + d1) floordiv 8 is d0
// where d1 < 8, which is what reshapes make of indices.
//===----------------------------------------------------------------------===//
#include "passes/raise/Expr.h"

using namespace mlir;
using namespace ssm;

namespace {
/// A sum of terms with integer factors.
struct Linear {
  SmallVector<std::pair<AffineExpr, int64_t>> terms;
  int64_t constant = 0;

  explicit Linear(AffineExpr e) { collect(e, 1); }
  void collect(AffineExpr e, int64_t factor) {
    if (auto c = dyn_cast<AffineConstantExpr>(e)) {
      constant += factor * c.getValue();
      return;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    if (binary && e.getKind() == AffineExprKind::Add) {
      collect(binary.getLHS(), factor);
      collect(binary.getRHS(), factor);
      return;
    }
    if (binary && e.getKind() == AffineExprKind::Mul) {
      if (auto c = dyn_cast<AffineConstantExpr>(binary.getRHS())) {
        collect(binary.getLHS(), factor * c.getValue());
        return;
      }
      // A product with a sum is the sum of the products.
      if (auto sum = dyn_cast<AffineBinaryOpExpr>(binary.getLHS()); sum && sum.getKind() == AffineExprKind::Add) {
        collect(sum.getLHS() * binary.getRHS(), factor);
        collect(sum.getRHS() * binary.getRHS(), factor);
        return;
      }
    }
    for (auto &[term, f] : terms)
      if (term == e) {
        f += factor;
        return;
      }
    terms.push_back({e, factor});
  }
  AffineExpr build(MLIRContext *context) {
    // Iterators by number, then symbols, then the rest in order of occurrence.
    auto rank = [](AffineExpr e) -> unsigned {
      if (auto d = dyn_cast<AffineDimExpr>(e))
        return d.getPosition();
      if (auto s = dyn_cast<AffineSymbolExpr>(e))
        return (1u << 30) + s.getPosition();
      return ~0u;
    };
    for (size_t i = 1; i < terms.size(); ++i)
      for (size_t j = i; j > 0 && rank(terms[j].first) < rank(terms[j - 1].first); --j)
        std::swap(terms[j], terms[j - 1]);
    AffineExpr sum = getAffineConstantExpr(0, context);
    for (auto [term, factor] : terms)
      if (factor)
        sum = sum + term * factor;
    return sum + constant;
  }
};
} // namespace

AffineExpr Exprs::simplified(AffineExpr e) {
  if (isa<AffineDimExpr, AffineConstantExpr, AffineSymbolExpr>(e))
    return e;
  auto binary = cast<AffineBinaryOpExpr>(e);
  if (e.getKind() == AffineExprKind::FloorDiv)
    return floorDiv(simplified(binary.getLHS()), simplified(binary.getRHS()));
  if (e.getKind() == AffineExprKind::Mod)
    return modulo(simplified(binary.getLHS()), simplified(binary.getRHS()));
  Linear sum(e);
  Linear out(number(sum.constant));
  for (auto [term, factor] : sum.terms) {
    bool division = term.getKind() == AffineExprKind::FloorDiv || term.getKind() == AffineExprKind::Mod;
    out.collect(division ? simplified(term) : term, factor);
  }
  // (x floordiv c) * c + x mod c is x.
  for (auto &[term, factor] : out.terms) {
    auto quotient = dyn_cast<AffineBinaryOpExpr>(term);
    if (!quotient || term.getKind() != AffineExprKind::FloorDiv || !factor)
      continue;
    auto by = dyn_cast<AffineConstantExpr>(quotient.getRHS());
    if (!by || factor % by.getValue())
      continue;
    AffineExpr rest = quotient.getLHS() % by.getValue();
    for (auto &[other, count] : out.terms)
      if (other == rest && count && count == factor / by.getValue()) {
        factor = 0;
        int64_t times = std::exchange(count, 0);
        AffineExpr whole = quotient.getLHS();
        out.collect(whole, times);
        return simplified(out.build(context));
      }
  }
  return out.build(context);
}

std::optional<int64_t> Exprs::lowest(AffineExpr e) {
  Linear sum(e);
  int64_t low = sum.constant;
  for (auto [term, factor] : sum.terms) {
    if (!factor)
      continue;
    if (factor < 0) {
      auto high = highest(term);
      if (!high)
        return std::nullopt;
      low += factor * *high;
      continue;
    }
    if (isa<AffineDimExpr, AffineSymbolExpr>(term))
      continue; // at least 0
    auto binary = cast<AffineBinaryOpExpr>(term);
    if (term.getKind() == AffineExprKind::Mod)
      continue;
    auto x = lowest(binary.getLHS()), y = lowest(binary.getRHS());
    if (!x || *x < 0 || !y || *y < 0)
      return std::nullopt;
  }
  return low;
}

std::optional<int64_t> Exprs::highest(AffineExpr e) {
  Linear sum(e);
  int64_t high = sum.constant;
  for (auto [term, factor] : sum.terms) {
    if (!factor)
      continue;
    if (factor < 0) {
      auto low = lowest(term);
      if (!low)
        return std::nullopt;
      high += factor * *low;
      continue;
    }
    std::optional<int64_t> top;
    if (isa<AffineDimExpr>(term)) {
      if (auto size = dyn_cast<AffineConstantExpr>(sizeOf(term)))
        top = size.getValue() - 1;
    } else if (auto binary = dyn_cast<AffineBinaryOpExpr>(term)) {
      auto by = dyn_cast<AffineConstantExpr>(binary.getRHS());
      if (term.getKind() == AffineExprKind::Mod && by)
        top = by.getValue() - 1;
      if (term.getKind() == AffineExprKind::FloorDiv && by && by.getValue() > 0)
        if (auto x = highest(binary.getLHS()))
          top = llvm::divideFloorSigned(*x, by.getValue());
    }
    if (!top)
      return std::nullopt;
    high += factor * *top;
  }
  return high;
}

bool Exprs::isNonNegative(AffineExpr e) {
  // Every iterator at the end of its range that makes the sum smallest; what is left is over symbols.
  Linear sum(e);
  Linear least(number(sum.constant));
  for (auto [term, factor] : sum.terms) {
    if (isa<AffineDimExpr>(term)) {
      if (factor < 0)
        least.collect(sizeOf(term) - 1, factor);
      continue;
    }
    // A product of an iterator and a size.
    auto product = dyn_cast<AffineBinaryOpExpr>(term);
    if (product && term.getKind() == AffineExprKind::Mul && isa<AffineDimExpr>(product.getLHS())) {
      if (factor < 0)
        least.collect((sizeOf(product.getLHS()) - 1) * product.getRHS(), factor);
      continue;
    }
    least.collect(term, factor);
  }
  auto low = lowest(least.build(context));
  return low && *low >= 0;
}

/// Quotient and remainder of a sum by a size: terms that are multiples go to the quotient.
static std::pair<AffineExpr, AffineExpr> divide(Exprs &x, AffineExpr e, AffineExpr by) {
  Linear sum(e), quotient(x.number(0)), rest(x.number(0));
  auto constant = dyn_cast<AffineConstantExpr>(by);
  for (auto [term, factor] : sum.terms) {
    if (constant && factor % constant.getValue() == 0) {
      quotient.collect(term, factor / constant.getValue());
      continue;
    }
    auto product = dyn_cast<AffineBinaryOpExpr>(term);
    if (product && term.getKind() == AffineExprKind::Mul && product.getRHS() == by)
      quotient.collect(product.getLHS(), factor);
    else if (term == by)
      quotient.collect(x.number(1), factor);
    else
      rest.collect(term, factor);
  }
  if (constant) {
    quotient.constant += llvm::divideFloorSigned(sum.constant, constant.getValue());
    rest.constant += sum.constant - llvm::divideFloorSigned(sum.constant, constant.getValue()) * constant.getValue();
  } else {
    rest.constant += sum.constant;
  }
  return {quotient.build(x.context), rest.build(x.context)};
}

AffineExpr Exprs::floorDiv(AffineExpr e, AffineExpr by) {
  if (by == number(1))
    return e;
  auto [quotient, rest] = divide(*this, e, by);
  if (isNonNegative(rest) && isNonNegative(by - 1 - rest))
    return quotient;
  // A quotient of a quotient, by constants, is one.
  auto c = dyn_cast<AffineConstantExpr>(by);
  if (auto inner = dyn_cast<AffineBinaryOpExpr>(rest); inner && c && rest.getKind() == AffineExprKind::FloorDiv)
    if (auto d = dyn_cast<AffineConstantExpr>(inner.getRHS()))
      return quotient + floorDiv(inner.getLHS(), number(d.getValue() * c.getValue()));
  return quotient + getAffineBinaryOpExpr(AffineExprKind::FloorDiv, rest, by);
}

AffineExpr Exprs::modulo(AffineExpr e, AffineExpr by) {
  if (by == number(1))
    return number(0);
  AffineExpr rest = divide(*this, e, by).second;
  if (isNonNegative(rest) && isNonNegative(by - 1 - rest))
    return rest;
  return getAffineBinaryOpExpr(AffineExprKind::Mod, rest, by);
}
