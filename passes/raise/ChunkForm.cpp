//===- ChunkForm.cpp - one chunk of a recurrence ---------------------------===//
#include "passes/raise/ChunkForm.h"

using namespace mlir;
using namespace ssm;

namespace {
using Factors = SmallVector<ExprRef>;
using Renaming = DenseMap<AffineExpr, AffineExpr>;

class Matcher {
public:
  Matcher(const ChunkStep &step, Terms &terms, Exprs &x, AffineExpr tau, std::string &why)
      : step(step), terms(terms), x(x), tau(tau), why(why) {}
  std::optional<ChunkForm> match();

private:
  bool refuse(const char *reason) {
    why = reason;
    return false;
  }
  bool sort();
  bool decay();
  bool readOut();
  bool inside();
  bool update();
  bool insideErasing();
  bool inverse();

  Exponent stretch(AffineExpr low, AffineExpr high, const Renaming &names = Renaming());
  bool isStretch(const Exponent &e, AffineExpr low, AffineExpr high, const Renaming &names = Renaming()) {
    return e == stretch(low, high, names);
  }
  Factors renamed(ArrayRef<ExprRef> list, const Renaming &names) {
    Factors out;
    for (ExprRef f : list)
      out.push_back(x.replace(f, names));
    return out;
  }
  ExprRef stateOf(const Term &t) {
    for (ExprRef f : t.factors)
      if (f->kind == Expr::Kind::Read && f->source == step.state)
        return f;
    return nullptr;
  }
  ExprRef inverseOf(const Term &t) {
    for (ExprRef f : t.factors)
      if (terms.isInverse(f))
        return f;
    return nullptr;
  }
  /// Where a state is read, by the state's dims; nothing when it is that of another chunk.
  Indices placeOf(ExprRef state) {
    Indices out(state->indices);
    if (step.chunkAxis >= 0) {
      if (out[step.chunkAxis] != step.chunk)
        return {};
      out.erase(out.begin() + step.chunkAxis);
    }
    return out;
  }
  /// The factors without the state and the inverse that depend on an iterator, or those that do not.
  Factors dependingOn(const Term &t, AffineExpr i, bool depend = true) {
    Factors out;
    for (ExprRef f : t.factors)
      if (!terms.isInverse(f) && !(f->kind == Expr::Kind::Read && f->source == step.state) &&
          x.dependsOn(f, i) == depend)
        out.push_back(f);
    return out;
  }
  /// Renames sums over keys so that the factors become `target`; tries every assignment of equal sizes.
  bool matchKeys(ArrayRef<AffineExpr> sums, llvm::function_ref<bool(const Renaming &)> fits);

  const ChunkStep &step;
  Terms &terms;
  Exprs &x;
  AffineExpr tau;
  std::string &why;
  ChunkForm form;
  TermList output, next;
  const Term *read = nullptr, *carried = nullptr, *own = nullptr, *ownErased = nullptr, *input = nullptr,
             *inputErased = nullptr;
  Renaming ofState; // from the dims of the state to the form's
  Exponent total;   // the decay over a chunk
};
} // namespace

bool Matcher::matchKeys(ArrayRef<AffineExpr> sums, llvm::function_ref<bool(const Renaming &)> fits) {
  if (sums.size() != form.keys.size())
    return false;
  SmallVector<unsigned> order;
  for (unsigned i = 0; i < sums.size(); ++i)
    order.push_back(i);
  do {
    Renaming names;
    bool sized = true;
    for (auto [n, i] : llvm::enumerate(order)) {
      sized &= x.sizeOf(sums[n]) == x.sizeOf(form.keys[i]);
      names[sums[n]] = form.keys[i];
    }
    if (sized && fits(names))
      return true;
  } while (std::next_permutation(order.begin(), order.end()) && order.size() < 4);
  return false;
}

/// The decay from one position on and up to before another, in the form's iterators.
Exponent Matcher::stretch(AffineExpr low, AffineExpr high, const Renaming &names) {
  Exponent e;
  for (auto &[g, at, n] : total.sums) {
    ExprRef h = x.replace(g, names);
    e.add(x, h, high, n);
    e.add(x, h, low, -n);
  }
  for (auto &[g, n] : total.uniform) {
    // n is the multiple over a whole chunk.
    int64_t per = cast<AffineConstantExpr>(n).getValue() / cast<AffineConstantExpr>(x.sizeOf(tau)).getValue();
    e.addUniform(x, x.replace(g, names), (high - low) * per);
  }
  return e;
}

bool Matcher::sort() {
  auto a = terms.of(step.output, true);
  auto b = step.next ? terms.of(step.next, true) : std::optional(TermList());
  if (!a || !b)
    return refuse("a chunk's output or state is no sum of a few products");
  output = *a, next = *b;
  for (const Term &t : output) {
    ExprRef s = stateOf(t), i = inverseOf(t);
    const Term **slot = s && i ? &ownErased : s ? &read : !t.conditions.empty() ? &own : nullptr;
    if (!slot) {
      if (i || !t.sums.empty() || !t.exponent.empty())
        return refuse("a sum in a chunk's output has no mask");
      ExprRef e = x.product(t.factors, step.output->type);
      form.rest.push_back(t.coefficient == 1 ? e : x.mul(e, x.constant(t.coefficient, e->type)));
      continue;
    }
    if (*slot)
      return refuse("a chunk's output has two terms of one kind");
    *slot = &t;
  }
  for (const Term &t : next) {
    ExprRef s = stateOf(t), i = inverseOf(t);
    const Term **slot = s && i ? &inputErased : s ? &carried : &input;
    if (*slot)
      return refuse("the state behind a chunk has two terms of one kind");
    *slot = &t;
  }
  if (read && own && !step.next)
    return !ownErased == !inverseOf(*own) || refuse("a chunk's output has half of an erasing update");
  if (!read || !own || !carried || !input)
    return refuse("a chunk's output and state do not both depend on the state before and on the chunk");
  if (!ownErased != !inputErased || !inverseOf(*own) != !inputErased || !inverseOf(*input) != !inputErased)
    return refuse("a chunk's output and state do not both contain a triangular inverse");
  return true;
}

bool Matcher::decay() {
  if (!step.next) {
    for (ExprRef g : step.decay)
      if (x.dependsOn(g, tau))
        total.add(x, g, x.sizeOf(tau), 1);
      else
        total.addUniform(x, g, x.sizeOf(tau));
    return true;
  }
  if (carried->coefficient != 1 || !carried->sums.empty() || !carried->conditions.empty() ||
      carried->factors.size() != 1)
    return refuse("the state behind a chunk is not the decayed state before it and an input");
  if (placeOf(carried->factors[0]).empty())
    return refuse("the state of another chunk is read");
  for (auto [d, i] : llvm::zip(step.stateDims, placeOf(carried->factors[0])))
    if (d != i && x.sizeOf(d) != x.number(1))
      return refuse("the state before a chunk is read at another place");
  AffineExpr length = x.sizeOf(tau);
  auto size = dyn_cast<AffineConstantExpr>(length);
  for (auto &[g, at, n] : carried->exponent.sums)
    if (at != length)
      return refuse("the state's decay does not run over the whole chunk");
  for (auto &[g, n] : carried->exponent.uniform) {
    auto times = dyn_cast<AffineConstantExpr>(n);
    if (!times || !size || times.getValue() % size.getValue())
      return refuse("the state's decay does not run over the whole chunk");
  }
  total = carried->exponent;
  return true;
}

bool Matcher::readOut() {
  // The position is in the mask.
  if (own->conditions.size() != 1)
    return refuse("a chunk's mask is not one comparison");
  AffineExpr c = own->conditions[0];
  for (AffineExpr d : step.outputDims) {
    AffineExpr at0 = x.simplified(c.replace(d, x.number(0)));
    if (x.simplified(c.replace(d, x.number(1)) - at0) == x.number(1) && x.sizeOf(d) == x.sizeOf(tau))
      for (AffineExpr i : own->sums)
        if (x.sizeOf(i) == x.sizeOf(tau))
          for (int64_t k : {0, 1})
            if (x.simplified(d - i - k) == c) {
              form.position = d;
              form.before = k == 1;
            }
  }
  if (!form.position)
    return refuse("a chunk's mask is not s <= t");
  ExprRef state = stateOf(*read);
  llvm::SmallDenseSet<AffineExpr> used;
  if (placeOf(state).empty())
    return refuse("the state of another chunk is read");
  for (auto [d, i] : llvm::zip(step.stateDims, placeOf(state))) {
    if (x.sizeOf(d) == x.number(1)) {
      form.state.push_back(d);
      continue;
    }
    bool summed = llvm::is_contained(read->sums, i);
    if (!isa<AffineDimExpr>(i) || !used.insert(i).second || i == form.position ||
        !(summed || llvm::is_contained(step.outputDims, i)))
      return refuse("the state is not read element by element");
    form.state.push_back(i);
    ofState[d] = i;
    if (summed)
      form.keys.push_back(i);
  }
  if (form.keys.size() != read->sums.size() || (form.keys.empty() && ownErased))
    return refuse("the read-out does not sum over the state");
  if (!read->conditions.empty())
    return refuse("the state's read-out is masked");
  for (ExprRef f : read->factors)
    if (f != state)
      form.query.push_back(f);
  form.queryScale = read->coefficient;
  Renaming ofDecay = ofState;
  if (!step.next) {
    if (step.decayKeys.size() != form.keys.size())
      return refuse("the last chunk sums over other keys");
    for (auto [from, to] : llvm::zip(step.decayKeys, form.keys))
      ofDecay[from] = to;
  }
  for (auto &[g, at, n] : total.sums)
    g = x.replace(g, ofDecay);
  for (auto &[g, n] : total.uniform)
    g = x.replace(g, ofDecay);
  if (!isStretch(read->exponent, x.number(0), form.before ? form.position : form.position + 1))
    return refuse("the state is read with another decay");
  for (auto &[g, at, n] : total.sums)
    form.logDecay.push_back(n == 1 ? g : x.mul(g, x.constant(n, g->type)));
  for (auto &[g, n] : total.uniform) {
    int64_t per = cast<AffineConstantExpr>(n).getValue() / cast<AffineConstantExpr>(x.sizeOf(tau)).getValue();
    form.logDecay.push_back(per == 1 ? g : x.mul(g, x.constant(per, g->type)));
  }
  return true;
}

/// Without an inverse.
bool Matcher::inside() {
  AffineExpr source;
  for (AffineExpr i : own->sums)
    for (int64_t k : {0, 1})
      if (x.simplified(form.position - i - k) == own->conditions[0])
        source = i;
  Indices keys;
  for (AffineExpr i : own->sums)
    if (i != source)
      keys.push_back(i);
  Factors left = dependingOn(*own, source, false), right = dependingOn(*own, source);
  bool matched = matchKeys(keys, [&](const Renaming &names) {
    Factors q = renamed(left, names);
    // What depends on neither time may stand on either side.
    if (!terms.sameProduct(q, form.query))
      return false;
    form.key = renamed(right, names);
    return true;
  });
  if (!matched)
    return refuse("the query inside of a chunk is not that of the state");
  form.keyScale = own->coefficient / form.queryScale;
  Renaming names;
  for (AffineExpr i : keys)
    names[i] = i;
  // The exponent's iterators over keys are renamed alike.
  Exponent expected;
  bool decays = matchKeys(keys, [&](const Renaming &names) {
    Renaming back;
    for (auto [from, to] : names)
      back[to] = from;
    return isStretch(own->exponent, source + 1, form.before ? form.position : form.position + 1, back);
  });
  if (!decays)
    return refuse("the decay inside of a chunk is not that of the state");
  form.key = renamed(form.key, {{source, tau}});
  return true;
}

bool Matcher::update() {
  if (input->sums.size() != 1 || !input->conditions.empty())
    return refuse("the state's input is not one sum over the chunk");
  AffineExpr s = input->sums[0];
  if (x.sizeOf(s) != x.sizeOf(tau))
    return refuse("the state's input is not one sum over the chunk");
  Renaming names = ofState;
  names[s] = tau;
  Factors key = renamed(input->factors, names);
  if (!terms.sameProduct(key, form.key, input->coefficient / form.keyScale))
    return refuse("the state's input is not what the chunk's output sums");
  Exponent e = input->exponent;
  for (auto &[g, at, n] : e.sums)
    g = x.replace(g, ofState);
  for (auto &[g, n] : e.uniform)
    g = x.replace(g, ofState);
  if (!isStretch(e, s + 1, x.sizeOf(tau)))
    return refuse("the state's input has another decay");
  return true;
}

/// With an inverse: own = q_t k_s T_sr v_r, ownErased = q_t k_s T_sr w_r S, and the same in the state without q.
bool Matcher::insideErasing() {
  struct Part {
    Factors left, key, value;
    double coefficient;
    AffineExpr source, inner;
    Indices keys;
  };
  auto parts = [&](const Term &t, bool inOutput, Part &p) {
    ExprRef inverse = inverseOf(t);
    auto tail = ArrayRef(inverse->indices).take_back(2);
    p.source = tail[0], p.inner = tail[1];
    if (!llvm::is_contained(t.sums, p.source) || !llvm::is_contained(t.sums, p.inner) || p.source == p.inner)
      return false;
    if (inOutput ? t.conditions.size() != 1 ||
                       t.conditions[0] != x.simplified(form.position - p.source - (form.before ? 1 : 0))
                 : !t.conditions.empty())
      return false;
    for (ExprRef f : dependingOn(t, p.source)) {
      if (x.dependsOn(f, p.inner))
        return false;
      p.key.push_back(f);
    }
    for (ExprRef f : dependingOn(t, p.source, false))
      (x.dependsOn(f, p.inner) ? p.value : p.left).push_back(f);
    for (AffineExpr i : t.sums)
      if (i != p.source && i != p.inner)
        p.keys.push_back(i);
    p.coefficient = t.coefficient;
    return true;
  };
  Part u, w, su, sw;
  if (!parts(*own, true, u) || !parts(*ownErased, true, w) ||
      (step.next && (!parts(*input, false, su) || !parts(*inputErased, false, sw))))
    return refuse("a triangular inverse is not between two positions of the chunk");
  // T is the same matrix in all four, at the same place.
  ExprRef t0 = inverseOf(*own);
  auto outer = [&](ExprRef t, const Renaming &names) {
    SmallVector<AffineExpr> out;
    for (AffineExpr i : ArrayRef(t->indices).drop_back(2))
      out.push_back(x.simplified(i.replace(names)));
    return out;
  };
  for (const Term *t : {ownErased, input, inputErased}) {
    if (!t)
      continue;
    ExprRef other = inverseOf(*t);
    if (other->source != t0->source || outer(other, t == ownErased ? Renaming() : ofState) != outer(t0, Renaming()))
      return refuse("a chunk's output and state contain different triangular inverses");
  }
  // The key from the state, then everything else against it. Its sums over keys are the state's dims already.
  Renaming names = ofState;
  names[su.source] = tau;
  names[su.inner] = tau;
  if (step.next && (!su.left.empty() || !su.keys.empty() || su.value.empty() || su.key.empty()))
    return refuse("the state's input is no key times a value");
  if (step.next) {
    form.erased = renamed(su.key, names);
    form.key = renamed(su.value, names); // the value
    form.keyScale = su.coefficient;
  } else {
    if (u.keys.size() != 1 || form.keys.size() != 1)
      return refuse("a last chunk with more than one dim of keys");
    Renaming own{{u.keys[0], form.keys[0]}, {u.source, tau}, {u.inner, tau}};
    form.erased = renamed(u.key, own);
    form.key = renamed(u.value, own);
    form.keyScale = u.coefficient / form.queryScale;
  }
  auto inForm = [&](Exponent e) {
    for (auto &[g, at, n] : e.sums)
      g = x.replace(g, ofState);
    for (auto &[g, n] : e.uniform)
      g = x.replace(g, ofState);
    return e;
  };
  AffineExpr length = x.sizeOf(tau);
  if (step.next && !isStretch(inForm(input->exponent), su.source + 1, length))
    return refuse("the state's input has another decay");
  // The output's own term.
  AffineExpr end = form.before ? form.position : form.position + 1;
  bool good = matchKeys(u.keys, [&](const Renaming &keys) {
    Renaming all = keys, back;
    for (auto [from, to] : keys)
      back[to] = from;
    all[u.source] = tau;
    all[u.inner] = tau;
    return terms.sameProduct(renamed(u.left, all), form.query) && terms.sameProduct(renamed(u.key, all), form.erased) &&
           terms.sameProduct(renamed(u.value, all), form.key, u.coefficient / (form.queryScale * form.keyScale)) &&
           isStretch(own->exponent, u.source + 1, end, back);
  });
  if (!good)
    return refuse("the chunk's output does not sum what the state is given");
  // Erasing: what T multiplies reads the state over keys.
  auto erases = [&](const Term &t, const Part &p, bool inOutput, Factors &erase, double &scale) {
    ExprRef s = stateOf(t);
    Renaming keysOfRead; // the state's keys in this read
    Indices summed, place = placeOf(s);
    if (place.empty())
      return false;
    for (auto [n, d] : llvm::enumerate(step.stateDims)) {
      AffineExpr i = place[n], mine = form.state[n];
      if (x.sizeOf(d) == x.number(1))
        continue;
      if (llvm::is_contained(form.keys, mine)) {
        if (!llvm::is_contained(p.keys, i))
          return false;
        keysOfRead[i] = mine;
        summed.push_back(i);
      } else if (i != (inOutput ? mine : d)) {
        return false;
      }
    }
    Indices others;
    for (AffineExpr i : p.keys)
      if (!llvm::is_contained(summed, i))
        others.push_back(i);
    auto fits = [&](const Renaming &keys) {
      Renaming all = inOutput ? keys : ofState, back;
      for (auto [from, to] : keys)
        back[to] = from;
      all[p.source] = tau;
      if (inOutput && !terms.sameProduct(renamed(p.left, all), form.query))
        return false;
      if ((!inOutput && !p.left.empty()) || !terms.sameProduct(renamed(p.key, all), form.erased))
        return false;
      Renaming inner = inOutput ? Renaming() : ofState;
      for (auto [from, to] : keysOfRead)
        inner[from] = to;
      inner[p.inner] = tau;
      erase = renamed(p.value, inner);
      scale = p.coefficient / (inOutput ? form.queryScale : 1);
      // Two stretches: of the key's, and from the chunk's start to what is erased.
      Exponent e;
      Renaming innerBack;
      for (auto [from, to] : keysOfRead)
        innerBack[to] = from;
      auto add = [&](const Exponent &part) {
        for (auto &[g, at, n] : part.sums)
          e.add(x, g, at, n);
        for (auto &[g, n] : part.uniform)
          e.addUniform(x, g, n);
      };
      Renaming stateBack;
      if (!inOutput)
        for (auto [from, to] : ofState)
          stateBack[to] = from;
      Renaming first = inOutput ? back : stateBack, second = inOutput ? innerBack : stateBack;
      if (!inOutput)
        for (auto [from, to] : innerBack)
          second[from] = to;
      add(stretch(p.source + 1, inOutput ? end : length, first));
      add(stretch(x.number(0), p.inner + 1, second));
      return t.exponent == e;
    };
    return inOutput ? matchKeys(others, fits) : others.empty() && fits(Renaming());
  };
  Factors a, b;
  double p = 0, q = 0;
  if (!erases(*ownErased, w, true, a, p) ||
      (step.next && (!erases(*inputErased, sw, false, b, q) || !terms.sameProduct(a, b, p / q))))
    return refuse("what is erased from the state is not what the chunk's output says");
  form.erase = step.next ? b : a;
  form.eraseScale = step.next ? -q : -p;
  return true;
}

/// N = -sign * matrix is (w . k) exp(F(s) - F(r)) below the diagonal.
bool Matcher::inverse() {
  ExprRef t = inverseOf(*own);
  const auto *known = llvm::find_if(step.inverses, [&](auto &i) { return i.inverse == t->source; });
  if (known == step.inverses.end())
    return refuse("a triangular inverse without its matrix");
  Renaming place;
  for (auto [d, i] : llvm::zip(ArrayRef(known->dims).drop_back(2), ArrayRef(t->indices).drop_back(2)))
    place[d] = i;
  AffineExpr row = known->dims[known->dims.size() - 2], column = known->dims.back();
  auto list = terms.of(x.replace(known->matrix, place), true);
  if (!list || list->size() != 1)
    return refuse("the matrix of a triangular inverse is no product");
  const Term &n = list->front();
  if (n.conditions.size() != 1 || n.conditions[0] != x.simplified(row - column - 1))
    return refuse("the matrix of a triangular inverse is not strictly lower");
  Factors left = dependingOn(n, row), right = dependingOn(n, row, false);
  bool good = matchKeys(n.sums, [&](const Renaming &keys) {
    Renaming first = keys, second = keys, back;
    for (auto [from, to] : keys)
      back[to] = from;
    first[row] = tau;
    second[column] = tau;
    Factors all = renamed(left, first), k = renamed(right, second), want = form.erase;
    // Factors without a position go to where they are missing.
    double scale = -known->sign * n.coefficient / form.eraseScale;
    SmallVector<ExprRef> whole(all), expected(form.erase);
    if (!(terms.sameProduct(all, form.erase, scale) && terms.sameProduct(k, form.erased)))
      return false;
    return isStretch(n.exponent, column + 1, row + 1, back);
  });
  return good || refuse("the matrix of a triangular inverse is not that of the keys and of what is erased");
}

std::optional<ChunkForm> Matcher::match() {
  if (!sort() || !decay() || !readOut())
    return std::nullopt;
  Renaming position{{form.position, tau}};
  auto finish = [&](Factors &list) { list = renamed(list, position); };
  if (!ownErased) {
    if (!inside() || (step.next && !update()))
      return std::nullopt;
  } else {
    if (!insideErasing() || !inverse())
      return std::nullopt;
  }
  finish(form.query);
  finish(form.rest);
  finish(form.logDecay);
  return form;
}

std::optional<ChunkForm> ssm::matchChunk(const ChunkStep &step, Terms &terms, Exprs &x, AffineExpr tau,
                                         std::string &why) {
  return Matcher(step, terms, x, tau, why).match();
}
