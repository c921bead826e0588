//===- ArenaSizes.cpp - sizes and offsets with symbols ---------------------===//
#include "passes/group/ArenaSizes.h"

using namespace mlir;
using namespace ssm;

/// What a symbol of which nothing else is known is taken to be where an order has to be chosen.
constexpr int64_t kTypicalSize = 64;
/// More candidates of one maximum, or more terms of one sum, become a symbol.
constexpr size_t kMaxCandidates = 8, kMaxTerms = 8;
/// A longer text gives a bound instead.
constexpr size_t kMaxText = 300;

ArenaSizes::ArenaSizes(ModuleOp module) : module(module), context(module.getContext()) {
  if (auto given = module->getAttrOfType<ArrayAttr>("onnx.symbols"))
    names.append(given.begin(), given.end());
}

void ArenaSizes::learn(int64_t symbol) {
  while ((int64_t)names.size() <= symbol)
    names.push_back(StringAttr::get(context, ""));
}

void ArenaSizes::learn(BindDimOp bind) {
  learn(bind.getSymbol());
  symbols.try_emplace(bind.getSymbol(), Known{true, kTypicalSize});
}

void ArenaSizes::learn(BindExprOp bind) {
  learn(bind.getSymbol());
  SmallVector<bool> fine;
  SmallVector<int64_t> values;
  for (AffineExpr e : bind.getMap().getResults()) {
    Subscript s = from(e);
    fine.push_back(isNonNegative(s));
    values.push_back(typical(s));
  }
  bool all = llvm::all_of(fine, [](bool f) { return f; }), any = llvm::is_contained(fine, true);
  StringRef kind = bind.getKind();
  Known known{all, values[0]};
  if (kind == "max")
    known = {any, *llvm::max_element(values)};
  else if (kind == "min")
    known = {all, *llvm::min_element(values)};
  else if (kind == "broadcast")
    known = {all, values[0] == 1 ? values[1] : values[0]};
  else if (kind == "same")
    known = {any, values[0]};
  else
    known = {true, kind == "eq" ? values[0] == values[1] : values[0] < values[1]};
  symbols.try_emplace(bind.getSymbol(), known);
}

int64_t ArenaSizes::typical(AffineExpr e) const {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return c.getValue();
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    auto it = symbols.find(s.getPosition());
    return it == symbols.end() ? kTypicalSize : it->second.typical;
  }
  auto bin = cast<AffineBinaryOpExpr>(e);
  int64_t x = typical(bin.getLHS()), y = typical(bin.getRHS());
  switch (e.getKind()) {
  case AffineExprKind::Add: return x + y;
  case AffineExprKind::Mul: return x * y;
  case AffineExprKind::CeilDiv: return y > 0 ? llvm::divideCeilSigned(x, y) : 0;
  case AffineExprKind::FloorDiv: return y > 0 ? llvm::divideFloorSigned(x, y) : 0;
  default: return y > 0 ? llvm::mod(x, y) : 0;
  }
}

bool ArenaSizes::isNonNegative(AffineExpr e) {
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    auto it = symbols.find(s.getPosition());
    return it != symbols.end() && it->second.nonNegative;
  }
  auto bin = cast<AffineBinaryOpExpr>(e); // a quotient or a remainder
  auto by = dyn_cast<AffineConstantExpr>(bin.getRHS());
  return by && by.getValue() > 0 && (e.getKind() == AffineExprKind::Mod || isNonNegative(from(bin.getLHS())));
}

Subscript ArenaSizes::from(AffineExpr e) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return c.getValue();
  auto bin = dyn_cast<AffineBinaryOpExpr>(e);
  if (bin && e.getKind() == AffineExprKind::Add)
    return from(bin.getLHS()) + from(bin.getRHS());
  if (bin && e.getKind() == AffineExprKind::Mul)
    return from(bin.getLHS()) * from(bin.getRHS());
  auto [it, isNew] = atomOf.try_emplace(e, atoms.size());
  unsigned atom = it->second;
  if (isNew) {
    atoms.push_back({e, false, 0});
    bool fine = isNonNegative(e); // may make atoms
    atoms[atom].nonNegative = fine;
    atoms[atom].typical = typical(e);
  }
  return Subscript::atom(atom);
}

AffineExpr ArenaSizes::toAffine(const Subscript &s) {
  AffineExpr sum = getAffineConstantExpr(0, context);
  for (auto &[monomial, coefficient] : s.terms) {
    AffineExpr product = getAffineConstantExpr(1, context);
    for (unsigned a : monomial)
      product = product * atoms[a].expr;
    sum = sum + product * coefficient;
  }
  return sum;
}

bool ArenaSizes::isNonNegative(const Subscript &s) const {
  return llvm::all_of(s.terms, [&](auto &term) {
    return term.second >= 0 && llvm::all_of(term.first, [&](unsigned a) { return atoms[a].nonNegative; });
  });
}

int64_t ArenaSizes::typical(const Subscript &s) const {
  int64_t sum = 0;
  for (auto &[monomial, coefficient] : s.terms) {
    int64_t product = coefficient;
    for (unsigned a : monomial)
      product *= atoms[a].typical;
    sum += product;
  }
  return sum;
}

int64_t ArenaSizes::newSymbol() {
  learn((int64_t)names.size());
  return names.size() - 1;
}

Subscript ArenaSizes::bindMax(ArrayRef<Subscript> candidates, OpBuilder &b) {
  SmallVector<AffineExpr> exprs;
  for (const Subscript &s : candidates)
    exprs.push_back(toAffine(s));
  // One numbering of symbols for all maps, so that equal ones are one.
  auto key = AffineMap::get(0, 1 << 20, exprs, context);
  auto [it, isNew] = made.try_emplace(key, 0);
  if (isNew) {
    it->second = newSymbol();
    auto map = AffineMap::get(0, it->second, exprs, context);
    learn(BindExprOp::create(b, b.getUnknownLoc(), "max", map, it->second));
    unsigned atom = *from(getAffineSymbolExpr(it->second, context)).asAtom();
    maxima[atom].assign(candidates.begin(), candidates.end());
    // The largest coefficient of each term bounds all candidates.
    Subscript most;
    for (const Subscript &s : candidates)
      for (auto &[monomial, coefficient] : bound(s).terms)
        if (coefficient > 0)
          most.terms[monomial] = std::max(most.terms[monomial], coefficient);
    bounds[atom] = most;
  }
  return from(getAffineSymbolExpr(it->second, context));
}

Subscript ArenaSizes::max(ArrayRef<Subscript> candidates, OpBuilder &b) {
  SmallVector<Subscript> largest;
  for (const Subscript &s : candidates) {
    if (llvm::any_of(largest, [&](const Subscript &o) { return isNonNegative(o - s); }))
      continue;
    llvm::erase_if(largest, [&](const Subscript &o) { return isNonNegative(s - o); });
    largest.push_back(s);
    if (largest.size() > kMaxCandidates)
      largest = {bindMax(largest, b)};
  }
  if (largest.empty())
    return Subscript(0);
  bool isLong = llvm::any_of(largest, [](const Subscript &s) { return s.terms.size() > kMaxTerms; });
  return largest.size() == 1 && !isLong ? largest[0] : bindMax(largest, b);
}

Subscript ArenaSizes::bound(const Subscript &s) const {
  Subscript sum;
  for (auto &[monomial, coefficient] : s.terms) {
    Subscript product = coefficient;
    for (unsigned a : monomial) {
      auto it = bounds.find(a);
      product = product * (it == bounds.end() ? Subscript::atom(a) : it->second);
    }
    sum = sum + product;
  }
  return sum;
}

/// A sum as a person writes it; maxima made here are written out.
void ArenaSizes::print(llvm::raw_string_ostream &os, const Subscript &s) const {
  if (s.terms.empty())
    os << "0";
  bool first = true;
  for (auto &[monomial, coefficient] : s.terms) {
    os << (first ? "" : " + ");
    first = false;
    if (coefficient != 1 || monomial.empty())
      os << coefficient << (monomial.empty() ? "" : " * ");
    for (auto [i, a] : llvm::enumerate(monomial)) {
      os << (i ? " * " : "");
      if (auto it = maxima.find(a); it != maxima.end() && os.str().size() < kMaxText) {
        os << "max(";
        for (auto [k, candidate] : llvm::enumerate(it->second)) {
          os << (k ? ", " : "");
          print(os, candidate);
        }
        os << ")";
      } else if (auto symbol = dyn_cast<AffineSymbolExpr>(atoms[a].expr)) {
        StringRef name = cast<StringAttr>(names[symbol.getPosition()]).getValue();
        os << (name.empty() ? "s" + std::to_string(symbol.getPosition()) : name.str());
      } else {
        os << "(" << atoms[a].expr << ")";
      }
    }
  }
}

std::string ArenaSizes::text(const Subscript &s) const {
  std::string exact, most;
  llvm::raw_string_ostream exactStream(exact), mostStream(most);
  print(exactStream, s);
  if (exact.size() < kMaxText)
    return exact;
  print(mostStream, bound(s));
  return "at most " + most;
}

void ArenaSizes::finish() {
  if (!names.empty())
    module->setAttr("onnx.symbols", ArrayAttr::get(context, names));
}
