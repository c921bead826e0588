//===- ClosedFormDecay.cpp - decays of a sum over the past -----------------===//
// What is left of exponents and powers once a value is taken apart: pairs of one cumulative sum at t and at s, decays
// that are the same at all times, and terms that cancel.
//===----------------------------------------------------------------------===//
#include "passes/raise/ClosedForm.h"

using namespace mlir;
using namespace ssm;

/// t - s wherever s <= t; what stands elsewhere does not matter behind a mask.
bool ClosedForm::isDistance(const Element &e, int depth) {
  Element at = reader.rootOfFloat(e);
  auto p = position(at, depth);
  if (p)
    return *p == Subscript::atom(time) - Subscript::atom(source);
  StringRef name = reader.operatorOf(at);
  if (auto constant = at.tensor.getDefiningOp<onnx::ConstantOp>()) {
    auto value = constant.getValue();
    auto shape = cast<ShapedType>(value.getType()).getShape();
    auto numbers = value.getNumElements() <= (1 << 24) ? numbersOf(value) : std::nullopt;
    int64_t strideT = 0, strideS = 0, stride = 1, size = 0;
    for (size_t a = shape.size(); a-- > 0; stride *= shape[a]) {
      if (at.at[a] == Subscript::atom(time))
        strideT = stride, size = shape[a];
      else if (at.at[a] == Subscript::atom(source))
        strideS = stride, size = shape[a];
      else if (shape[a] != 1 && !at.at[a].is(0))
        return false;
    }
    if (!numbers || !strideT || !strideS)
      return false;
    for (int64_t t = 0; t < size; ++t)
      for (int64_t s = 0; s <= t; ++s)
        if ((*numbers)[t * strideT + s * strideS] != t - s)
          return false;
    return true;
  }
  auto operands = depth ? reader.operandsOf(at) : std::nullopt;
  if (!operands)
    return false;
  if (name == "Cast" || name == "Relu" || name == "Abs")
    return isDistance((*operands)[0], depth - 1);
  if (name == "Max")
    for (int k : {0, 1})
      if (operands->size() == 2 && reader.number(reader.root((*operands)[k])).value_or(1) <= 0)
        return isDistance((*operands)[1 - k], depth - 1);
  if (name == "Clip" && !onnx::isNone((*operands)[1].tensor) && onnx::isNone((*operands)[2].tensor) &&
      reader.number(reader.root((*operands)[1])).value_or(1) <= 0)
    return isDistance((*operands)[0], depth - 1);
  if (name == "Where") // a distance where it is masked anyway
    if (auto d = condition((*operands)[0], true, time, source);
        d && *d == Subscript::atom(time) - Subscript::atom(source))
      return isDistance((*operands)[1], depth - 1);
  return false;
}

/// An exponent c (t - s), c <= 0 a constant and the distance infinite where it is masked. No number comes of it where c
/// is 0, in the masked part, which is as well when that counts as zero.
bool ClosedForm::powerOfDistance(const Element &product, double coefficient, bool noNumberIsZero) {
  auto operands = reader.operandsOf(product);
  for (int k = 0; operands && reader.operatorOf(product) == "Mul" && k < 2; ++k) {
    Element distance = plain(reader, (*operands)[k]), slope = plain(reader, (*operands)[1 - k]);
    auto constant = slope.tensor.getDefiningOp<onnx::ConstantOp>();
    auto branches = reader.operatorOf(distance) == "Where" ? reader.operandsOf(distance) : std::nullopt;
    if (!constant || !branches || on(slope, time) || on(slope, source) ||
        constant.getValue().getNumElements() > (1 << 20))
      continue;
    constexpr double inf = std::numeric_limits<double>::infinity();
    bool first = reader.number(plain(reader, (*branches)[2])) == inf;
    auto numbers = numbersOf(constant.getValue());
    bool falls = numbers && llvm::all_of(*numbers, [&](double c) {
                   return std::isfinite(c) && (noNumberIsZero ? c * coefficient <= 0 : c * coefficient < 0);
                 });
    if (!falls || first == (reader.number(plain(reader, (*branches)[1])) == inf) ||
        !isDistance((*branches)[first ? 1 : 2], 6) || !mask((*branches)[0], first))
      continue;
    logDecay.push_back({coefficient, slope});
    return true;
  }
  return false;
}

/// The exponential of that, 0 written for what is no number and something for the infinities that there are none of.
bool ClosedForm::decayMatrix(const Element &e) {
  Element at = e;
  std::optional<Element> tested;
  bool noNumberIsZero = false;
  while (reader.operatorOf(at) == "Where") {
    auto branches = reader.operandsOf(at);
    Element test = branches ? plain(reader, (*branches)[0]) : Element();
    StringRef name = branches ? reader.operatorOf(test) : "";
    auto tests = reader.operandsOf(test);
    for (int k = 0; name == "And" && tests && k < 2; ++k) // of one sign
      if (Element inner = plain(reader, (*tests)[k]); reader.operatorOf(inner) == "IsInf") {
        tests = reader.operandsOf(inner);
        name = "IsInf";
      }
    if (!tests || (name != "IsNaN" && name != "IsInf") || (tested && !reader.equal(*tested, (*tests)[0])))
      return false;
    if (name == "IsNaN" && reader.number(plain(reader, (*branches)[1])) != 0.0)
      return false;
    noNumberIsZero |= name == "IsNaN";
    tested = (*tests)[0];
    nodes.push_back(at.tensor.getDefiningOp());
    at = plain(reader, (*branches)[2]);
  }
  if (!tested || reader.operatorOf(at) != "Exp" || !reader.equal(*tested, at))
    return false;
  nodes.push_back(at.tensor.getDefiningOp());
  return powerOfDistance(plain(reader, (*reader.operandsOf(at))[0]), 1, noNumberIsZero);
}

/// A constant c r^(t - s) for s <= t and zero elsewhere, per head.
bool ClosedForm::matrix(const Element &constant) {
  auto value = constant.tensor.getDefiningOp<onnx::ConstantOp>().getValue();
  auto shape = cast<ShapedType>(value.getType()).getShape();
  auto numbers = value.getNumElements() <= (1 << 24) ? numbersOf(value) : std::nullopt;
  int64_t strideT = 0, strideS = 0, strideH = 0, heads = 1, stride = 1, size = 0;
  Constant found;
  for (size_t a = shape.size(); a-- > 0; stride *= shape[a]) {
    auto atom = constant.at[a].asAtom();
    if (atom == time)
      strideT = stride, size = shape[a];
    else if (atom == source)
      strideS = stride;
    else if (shape[a] == 1 || constant.at[a].is(0))
      continue;
    else if (atom && space.isIterator(*atom) && space[*atom].n == Subscript(shape[a]) && !found.head)
      found.head = *atom, strideH = stride, heads = shape[a];
    else
      return false;
  }
  if (!numbers || !strideT || !strideS || size < 2)
    return false;
  double first = (*numbers)[0];
  if (first == 0 || !std::isfinite(first))
    return false;
  for (int64_t h = 0; h < heads; ++h) {
    auto m = [&](int64_t t, int64_t s) { return (*numbers)[h * strideH + t * strideT + s * strideS]; };
    // The farthest entry that rounding has not eaten gives the decay best.
    int64_t far = size - 1;
    while (far > 1 && std::abs(m(far, 0) / first) < 1e-30)
      --far;
    double ratio = m(far, 0) / first;
    if (!(ratio > 0))
      return false;
    double log = std::log(ratio) / far;
    for (int64_t t = 0; t < size; ++t)
      for (int64_t s = 0; s < size; ++s) {
        double want = s <= t ? first * std::exp(log * (t - s)) : 0;
        if (!(std::abs(m(t, s) - want) <= (4e-7 + 1.2e-7 * std::abs(log) * (t + s)) * std::abs(want) + 1e-37))
          return false;
      }
    found.log.push_back(log);
  }
  scale *= first;
  constantDecay.push_back(found);
  return causal = true;
}

/// Pairs cumulative sums (and products), and what else exponents hold, at t with the same at s.
bool ClosedForm::takeCumulative() {
  auto running = [&](const Element &e) -> std::optional<size_t> {
    StringRef name = reader.operatorOf(e);
    if (name != "CumSum" && name != "CumProd")
      return std::nullopt;
    Operation *op = e.tensor.getDefiningOp();
    auto axis = reader.integers(op->getOperand(1));
    auto c = axis && axis->size() == 1 ? (*axis)[0].constant() : std::nullopt;
    if (!c || onnx::intAttr(op, "exclusive") || onnx::intAttr(op, "reverse"))
      return std::nullopt;
    return *c < 0 ? *c + e.at.size() : *c;
  };
  auto operandAt = [&](const Element &e, size_t axis, const Subscript &i) {
    Element x{e.tensor.getDefiningOp()->getOperand(0), e.at};
    x.at[axis] = i;
    return x;
  };
  auto pair = [&](SmallVectorImpl<Term> &list, auto take) {
    for (size_t i = 0; i < list.size(); ++i) {
      auto a = running(list[i].e);
      if (!a || list[i].e.at[*a] != Subscript::atom(time))
        continue;
      Element x = operandAt(list[i].e, *a, Subscript::atom(time));
      for (size_t j = 0; j < list.size(); ++j) {
        auto c = running(list[j].e);
        if (!c || list[j].coefficient != -list[i].coefficient || list[j].e.at[*c] != Subscript::atom(source) ||
            list[j].e.tensor.getDefiningOp()->getName() != list[i].e.tensor.getDefiningOp()->getName() ||
            !reader.equal(operandAt(list[j].e, *c, Subscript::atom(time)), x))
          continue;
        take(list[i].coefficient, x);
        list.erase(list.begin() + std::max(i, j));
        list.erase(list.begin() + std::min(i, j));
        i = ~size_t(0); // from the start
        break;
      }
    }
    return true;
  };
  pair(terms, [&](double c, const Element &x) { logDecay.push_back({c, x}); });
  bool good = true;
  pair(products, [&](double c, const Element &x) {
    good &= c == 1;
    decay.push_back(x);
  });
  // The sum over s < r <= t of g(r), masked before it is cumulated.
  for (size_t i = 0; i < terms.size(); ++i) {
    Element e = terms[i].e;
    auto a = running(e);
    if (!a || reader.operatorOf(e) != "CumSum" || e.at[*a] != Subscript::atom(time) || !on(e, source))
      continue;
    Subscript r = space.iterator(space[time].n);
    Element x = reader.root(operandAt(e, *a, r)), inner;
    StringRef name = reader.operatorOf(x);
    std::optional<Subscript> kept;
    if (name == "Where") {
      auto o = reader.operandsOf(x);
      bool first = o && reader.number(reader.root((*o)[2])) == 0.0,
           second = o && reader.number(reader.root((*o)[1])) == 0.0;
      if (first == second)
        return false;
      kept = condition((*o)[0], first, *r.asAtom(), source);
      inner = (*o)[first ? 1 : 2];
    } else if (name == "Trilu" && !onnx::intAttr(x.tensor.getDefiningOp(), "upper", 1)) {
      Operation *op = x.tensor.getDefiningOp();
      auto k = onnx::isNone(op->getOperand(1)) ? std::optional<std::vector<Subscript>>({Subscript(0)})
                                               : reader.integers(op->getOperand(1));
      size_t rank = x.at.size();
      if (k && k->size() == 1)
        kept = x.at[rank - 2] + (*k)[0] - x.at[rank - 1];
      inner = {op->getOperand(0), x.at};
    } else if (name == "Mul") {
      auto o = reader.operandsOf(x);
      for (int k = 0; o && k < 2 && !kept; ++k) {
        kept = condition((*o)[k], true, *r.asAtom(), source);
        inner = (*o)[1 - k];
      }
    }
    if (!kept || *kept != r - Subscript::atom(source) - 1 || on(inner, source)) {
      why = "a cumulative sum over both times that is not masked to s < r";
      return false;
    }
    logDecay.push_back({terms[i].coefficient, reader.substitute(inner, {{*r.asAtom(), Subscript::atom(time)}})});
    terms.erase(terms.begin() + i);
    i = ~size_t(0);
  }
  // Any other value at t less the same at s is a sum of its steps.
  for (size_t i = 0; i < terms.size(); ++i)
    for (size_t j = 0; j < terms.size(); ++j) {
      const Element &f = terms[i].e, &g = terms[j].e;
      if (terms[j].coefficient != -terms[i].coefficient || !on(f, time) || on(f, source) || !on(g, source) ||
          on(g, time) || !reader.equal(reader.substitute(g, {{source, Subscript::atom(time)}}), f))
        continue;
      OpBuilder b(nodes.front());
      auto step = reader.stepOf(b, f, time);
      if (!step)
        break;
      logDecay.push_back({terms[i].coefficient, *step});
      terms.erase(terms.begin() + std::max(i, j));
      terms.erase(terms.begin() + std::min(i, j));
      i = ~size_t(0);
      break;
    }
  return good;
}

bool ClosedForm::finish() {
  if (!causal) {
    why = "nothing says that only the past is summed";
    return false;
  }
  if (!takeCumulative())
    return false;
  for (const Term &p : products) {
    if ((on(p.e, time) && on(p.e, source)) || (initial && !on(p.e, source)))
      return false;
    factors.push_back({p.whole, p.coefficient < 0 ? Factor::Reciprocal : Factor::Plain});
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    double c = terms[i].coefficient;
    for (size_t j = i + 1; j < terms.size(); ++j)
      if (reader.equal(terms[i].e, terms[j].e)) {
        c += terms[j].coefficient;
        terms.erase(terms.begin() + j--);
      }
    if (c == 0)
      continue;
    if (on(terms[i].e, time) && on(terms[i].e, source)) {
      why = "an exponent that is no difference of a cumulative sum";
      return false;
    }
    if (initial && !on(terms[i].e, source)) {
      why = "an initial state that has another decay than the sum";
      return false;
    }
    factors.push_back({terms[i].whole, Factor::Exponential, c});
  }
  auto isGate = [&](const Factor &f) {
    return f.kind == Factor::Exponential && llvm::none_of(states, [&](unsigned it) { return on(f.e, it); });
  };
  bool gated = llvm::any_of(factors, [&](const Factor &f) { return isGate(f) && on(f.e, source); });
  for (Factor &f : factors) {
    // What an exponent has at all times alike, a bias, belongs to the gate: the maximum has it too.
    if (on(f.e, source) || (gated && isGate(f) && !on(f.e, time))) {
      f.e = reader.substitute(f.e, {{source, Subscript::atom(time)}});
      right.push_back(f);
    } else {
      left.push_back(f);
    }
  }
  for (unsigned it : states) {
    auto in = [&](ArrayRef<Factor> list) { return llvm::any_of(list, [&](const Factor &f) { return on(f.e, it); }); };
    bool decays = llvm::any_of(logDecay, [&](auto &d) { return on(d.second, it); }) ||
                  llvm::any_of(decay, [&](const Element &d) { return on(d, it); });
    if (!(in(right) || decays) || !(in(left) || decays)) {
      why = "a sum that does not run over the state";
      return false;
    }
  }
  if (initialDecay) {
    // exp(cs(t)) of the same g, or its cumulative product.
    Element f = *initialDecay;
    std::optional<Element> of;
    if (reader.operatorOf(f) == "Exp" && logDecay.size() == 1 && logDecay[0].first == 1 && decay.empty()) {
      Element z = reader.rootOfFloat((*reader.operandsOf(f))[0]);
      if (reader.operatorOf(z) == "CumSum")
        of = z;
    } else if (reader.operatorOf(f) == "CumProd" && decay.size() == 1 && logDecay.empty()) {
      of = f;
    }
    if (!of || !constantDecay.empty())
      return false;
    Operation *op = of->tensor.getDefiningOp();
    auto axis = reader.integers(op->getOperand(1));
    auto c = axis && axis->size() == 1 ? (*axis)[0].constant() : std::nullopt;
    if (!c || onnx::intAttr(op, "exclusive") || onnx::intAttr(op, "reverse"))
      return false;
    size_t a = *c < 0 ? *c + of->at.size() : *c;
    Element x{op->getOperand(0), of->at};
    if (of->at[a] != Subscript::atom(time) || !reader.equal(x, logDecay.empty() ? decay[0] : logDecay[0].second))
      return false;
  }
  return true;
}
