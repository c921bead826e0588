//===- PrefixTemplates.cpp - coefficients of a running combination ---------===//
// The proof knows inputs and decays of every step; here they become one expression over the step. Decays that were
// computed before the program runs are known by their numbers.
//===----------------------------------------------------------------------===//
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/raise/PrefixProof.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ssm;

//===- numbers -------------------------------------------------------------===//

/// Elements of a constant over the iterators that its indices have, the last one fastest.
std::optional<std::vector<double>> PrefixProof::numbersOf(ExprRef e) {
  if (e->kind == Expr::Kind::Constant)
    return std::vector<double>{e->number};
  ElementsAttr value = e->kind == Expr::Kind::Read ? onnx::constantValue(e->source) : ElementsAttr();
  if (!value || !value.getElementType().isF32())
    return std::nullopt;
  int64_t offset = 0, stride = 1;
  SmallVector<std::pair<int64_t, int64_t>> loops; // size and stride, the innermost first
  for (auto [size, i] : llvm::reverse(llvm::zip(cast<RankedTensorType>(e->source.getType()).getShape(), e->indices))) {
    if (auto c = dyn_cast<AffineConstantExpr>(i)) {
      offset += c.getValue() * stride;
    } else {
      auto extent = isa<AffineDimExpr>(i) ? dyn_cast<AffineConstantExpr>(x.sizeOf(i)) : AffineConstantExpr();
      if (!extent || extent.getValue() != size)
        return std::nullopt;
      loops.push_back({size, stride});
    }
    stride *= size;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!dense && !blob)
    return std::nullopt;
  std::vector<double> out;
  std::function<void(int64_t, size_t)> visit = [&](int64_t at, size_t level) {
    if (level) {
      for (int64_t k = 0; k < loops[level - 1].first; ++k)
        visit(at + k * loops[level - 1].second, level - 1);
      return;
    }
    float f;
    if (blob)
      memcpy(&f, blob->getData().data() + at * sizeof(f), sizeof(f));
    else
      f = *(dense.value_begin<float>() + at);
    out.push_back(f);
  };
  visit(offset, loops.size());
  return out;
}

/// What folding computed: each factor may have rounded once.
bool PrefixProof::hasValueOfProduct(ExprRef e, unsigned part, int64_t first, int64_t last) {
  const Indices &over = x.freeIterators(e);
  auto values = numbersOf(e);
  if (!values)
    return false;
  auto columnOf = [&](int64_t t) -> const std::vector<double> * {
    std::vector<double> &c = columns[{part, t}];
    const Signed &d = decays[part][t];
    if (c.empty() && d.e && !d.negative)
      if (auto own = numbersOf(d.e))
        c = std::move(*own);
    bool fits = d.e && (c.size() == 1 || (c.size() == values->size() && x.freeIterators(d.e) == over));
    return fits ? &c : nullptr;
  };
  // The same decay in all steps is a power.
  std::vector<double> product(values->size(), 1.0);
  const std::vector<double> *one = columnOf(last);
  bool same = one && sameColumns;
  if (same) {
    for (auto [k, p] : llvm::enumerate(product))
      p = std::pow((*one)[one->size() == 1 ? 0 : k], (double)(last - first + 1));
  } else {
    for (int64_t t = first; t <= last; ++t) {
      const std::vector<double> *c = columnOf(t);
      if (!c || (work -= values->size()) < 0)
        return false;
      for (auto [k, p] : llvm::enumerate(product))
        p *= (*c)[c->size() == 1 ? 0 : k];
    }
  }
  double relative = 1.2e-7 * (double)(last - first + 2);
  return llvm::all_of(llvm::zip(*values, product), [&](auto pair) {
    auto [v, p] = pair;
    return std::abs(v - p) <= relative * std::abs(p) + 1e-37;
  });
}

//===- templates -----------------------------------------------------------===//

/// The elements of a tensor from `at` on, when they are these from step `first` on.
ExprRef PrefixProof::readFrom(Value v, Indices at, int64_t moving, int64_t by, ArrayRef<ExprRef> instances,
                              int64_t first) {
  int64_t start = cast<AffineConstantExpr>(at[moving]).getValue();
  AffineExpr place = x.simplified(step * by + (start - first * by));
  AffineExpr size = onnx::getDimExpr(cast<RankedTensorType>(v.getType()), moving);
  if (!x.isNonNegative(place) || !x.isNonNegative(size - 1 - place))
    return nullptr;
  if (open) // what was found there later may be true of longer ones only
    x.forget();
  bool even = true;
  for (int64_t t = first; t < length && even; ++t) {
    assume(t);
    at[moving] = x.number(start + (t - first) * by);
    even = x.at(v, at) == instances[t];
  }
  at[moving] = place;
  return even ? x.read(v, at) : nullptr;
}

/// A tensor that has them at places that move evenly.
ExprRef PrefixProof::readTemplate(ArrayRef<ExprRef> instances, int64_t first) {
  auto firsts = x.placesOf(instances[first]), seconds = x.placesOf(instances[first + 1]);
  ExprRef found = nullptr;
  for (auto &[v, where] : firsts)
    for (auto &[other, there] : seconds) {
      if (other != v || found)
        continue;
      std::optional<size_t> moving;
      bool even = true;
      for (size_t i = 0; i < where.size(); ++i)
        if (where[i] != there[i]) {
          even &= !moving && isa<AffineConstantExpr>(where[i]) && isa<AffineConstantExpr>(there[i]);
          moving = i;
        }
      if (even && moving)
        found = readFrom(v, Indices(where), *moving,
                         cast<AffineConstantExpr>(there[*moving]).getValue() -
                             cast<AffineConstantExpr>(where[*moving]).getValue(),
                         instances, first);
    }
  if (open)
    x.forget();
  for (int64_t t = 0; open && t < length; ++t) // places of other instances
    for (unsigned p = 0; p < roots.size(); ++p)
      element(p, t);
  return assumes(found) ? nullptr : found;
}

ExprRef PrefixProof::templateOf(ArrayRef<ExprRef> instances, int64_t first) {
  if (llvm::all_of(instances.drop_front(first), [&](ExprRef e) { return e == instances[first]; }))
    return instances[first];
  if (ExprRef e = readTemplate(instances, first))
    return e;
  ExprRef e = x.antiUnify(instances[first], instances[first + 1], step, first, /*positions=*/false);
  if (!e)
    return nullptr;
  for (int64_t t = first; t < length; ++t)
    if (x.replace(e, DenseMap<AffineExpr, AffineExpr>{{step, x.number(t)}}) != instances[t])
      return nullptr;
  for (ExprRef r : x.readsOf(e))
    for (auto [n, i] : llvm::enumerate(r->indices))
      if (x.dependsOn(r, step) &&
          (!x.isNonNegative(i) ||
           !x.isNonNegative(onnx::getDimExpr(cast<RankedTensorType>(r->source.getType()), n) - 1 - i)))
        return nullptr;
  return e;
}

bool PrefixProof::makeTemplates() {
  auto whole = [&](const Signed &s) { return s.negative ? x.neg(s.e) : s.e; };
  for (unsigned p = 0; p < roots.size(); ++p) {
    bool started = !starts[p].empty();
    SmallVector<ExprRef> all;
    for (const Signed &d : decays[p])
      all.push_back(d.e ? whole(d) : nullptr);
    // Numbers that are the same in every step need no step.
    parts[p].decay = sameColumns ? all[1] : templateOf(all, started ? 0 : 1);
    all.clear();
    bool any = false;
    for (const Terms &terms : inputs[p]) {
      ExprRef sum = nullptr;
      for (const Signed &t : terms)
        sum = sum ? x.add(sum, whole(t)) : whole(t);
      any |= sum != nullptr;
      all.push_back(sum ? sum : x.constant(0, type));
    }
    if (any)
      parts[p].input = templateOf(all, 0);
    if (!parts[p].decay || (any && !parts[p].input))
      return false;
    if (started)
      parts[p].initial = starts[p][0].e;
  }
  return true;
}
