//===- ClosedForm.cpp - a sum over the past as a recurrence ----------------===//
#include "passes/raise/ClosedForm.h"

using namespace mlir;
using namespace ssm;

Element ssm::plain(ElementReader &reader, Element e) {
  for (;;) {
    e = reader.root(e);
    if (reader.operatorOf(e) != "Cast")
      return e;
    Value x = e.tensor.getDefiningOp()->getOperand(0);
    auto from = dyn_cast<FloatType>(getElementTypeOrSelf(x.getType())),
         to = dyn_cast<FloatType>(getElementTypeOrSelf(e.tensor.getType()));
    if (!from || !to || from.getWidth() > to.getWidth())
      return e;
    e.tensor = x;
  }
}

/// Position on the axis along which a cumulative operator runs, when it runs forward and includes each element.
static std::optional<size_t> runningAxis(ElementReader &reader, const Element &e) {
  Operation *op = e.tensor.getDefiningOp();
  if (onnx::intAttr(op, "exclusive") || onnx::intAttr(op, "reverse"))
    return std::nullopt;
  auto axis = reader.integers(op->getOperand(1));
  auto c = axis && axis->size() == 1 ? (*axis)[0].constant() : std::nullopt;
  if (!c)
    return std::nullopt;
  return *c < 0 ? *c + e.at.size() : *c;
}

std::optional<Subscript> ClosedForm::position(const Element &e, int depth) {
  Element at = plain(reader, e);
  if (auto n = reader.number(at))
    return *n == std::floor(*n) ? std::optional<Subscript>((int64_t)*n) : std::nullopt;
  StringRef name = reader.operatorOf(at);
  Operation *op = at.tensor.getDefiningOp();
  if (name == "Range") {
    auto start = reader.integers(op->getOperand(0)), step = reader.integers(op->getOperand(2));
    if (start && step && start->size() == 1 && step->size() == 1)
      return (*start)[0] + (*step)[0] * at.at[0];
    auto first = reader.number({op->getOperand(0), {}}), by = reader.number({op->getOperand(2), {}});
    if (first && by && *first == std::floor(*first) && *by == std::floor(*by))
      return Subscript((int64_t)*first) + Subscript((int64_t)*by) * at.at[0];
    return std::nullopt;
  }
  if (auto constant = dyn_cast_or_null<onnx::ConstantOp>(op)) { // an arithmetic progression
    auto values = constant.getValue().getNumElements() <= (1 << 20) ? numbersOf(constant.getValue()) : std::nullopt;
    Subscript i;
    int moving = 0;
    auto d = reader.dims(at.tensor);
    for (auto [x, size] : llvm::zip(at.at, d)) {
      if (size.is(1))
        continue;
      if (x.is(0))
        return std::nullopt;
      i = x, ++moving;
    }
    if (!values || moving != 1 || values->size() < 2)
      return std::nullopt;
    double first = (*values)[0], step = (*values)[1] - first;
    for (auto [k, v] : llvm::enumerate(*values))
      if (v != first + step * k || v != std::floor(v))
        return std::nullopt;
    return Subscript((int64_t)first) + Subscript((int64_t)step) * i;
  }
  if (auto values = reader.integers(at.tensor); values && values->size() == 1)
    return (*values)[0];
  auto operands = depth ? reader.operandsOf(at) : std::nullopt;
  if (!operands)
    return std::nullopt;
  if (name == "Cast")
    return position((*operands)[0], depth - 1);
  if (name != "Add" && name != "Sub")
    return std::nullopt;
  auto x = position((*operands)[0], depth - 1), y = position((*operands)[1], depth - 1);
  if (!x || !y)
    return std::nullopt;
  return name == "Add" ? *x + *y : *x - *y;
}

/// A constant that is 1 (or, negated, 0) exactly where column <= row - k, for k 0 or 1.
std::optional<Subscript> ClosedForm::triangle(const Element &constant, bool holds, unsigned row, unsigned column) {
  auto value = constant.tensor.getDefiningOp<onnx::ConstantOp>().getValue();
  auto shape = cast<ShapedType>(value.getType()).getShape();
  if (value.getNumElements() > (1 << 24))
    return std::nullopt;
  int64_t strideT = 0, strideS = 0, stride = 1, size = 0;
  for (size_t a = shape.size(); a-- > 0; stride *= shape[a]) {
    if (constant.at[a] == Subscript::atom(row))
      strideT = stride, size = shape[a];
    else if (constant.at[a] == Subscript::atom(column))
      strideS = stride, size = shape[a];
    else if (shape[a] != 1 && !constant.at[a].is(0))
      return std::nullopt;
  }
  if (!strideT || !strideS || space[row].n != Subscript(size) || space[column].n != Subscript(size))
    return std::nullopt;
  auto numbers = numbersOf(value);
  if (!numbers)
    return std::nullopt;
  for (int64_t k : {0, 1}) {
    bool good = true;
    for (int64_t t = 0; t < size && good; ++t)
      for (int64_t s = 0; s < size && good; ++s)
        good = (*numbers)[t * strideT + s * strideS] == ((s <= t - k) == holds ? 1 : 0);
    if (good)
      return Subscript::atom(row) - Subscript::atom(column) - Subscript(k);
  }
  return std::nullopt;
}

std::optional<Subscript> ClosedForm::condition(const Element &e, bool holds, unsigned row, unsigned column) {
  Element c = plain(reader, e);
  StringRef name = reader.operatorOf(c);
  Operation *op = c.tensor.getDefiningOp();
  if (--budget < 0)
    return std::nullopt;
  if (isa_and_nonnull<onnx::ConstantOp>(op))
    return triangle(c, holds, row, column);
  if (name == "Trilu" && reader.number(plain(reader, {op->getOperand(0), c.at})).value_or(0) == 1) {
    // Ones at columns >= row + k, or <= row + k.
    size_t r = c.at.size();
    auto k = onnx::isNone(op->getOperand(1)) ? std::optional<std::vector<Subscript>>({Subscript(0)})
                                             : reader.integers(op->getOperand(1));
    if (!k || k->size() != 1)
      return std::nullopt;
    Subscript d = c.at[r - 1] - c.at[r - 2] - (*k)[0];
    if (!onnx::intAttr(op, "upper", 1))
      d = Subscript(0) - d;
    return holds ? d : Subscript(-1) - d;
  }
  auto operands = reader.operandsOf(c);
  if (!operands)
    return std::nullopt;
  if (name == "Not" || name == "Cast")
    return condition((*operands)[0], holds == (name == "Cast"), row, column);
  if (name == "Equal" || name == "Greater" || name == "Less" || name == "GreaterOrEqual" || name == "LessOrEqual") {
    auto n = reader.number(plain(reader, (*operands)[1]));
    auto x = position((*operands)[0], 6), y = position((*operands)[1], 6);
    if (!x && n) { // a 0/1 matrix compared with a number
      if (name == "Equal" && (*n == 0 || *n == 1))
        return condition((*operands)[0], (*n == 1) == holds, row, column);
      if (name == "Greater" && *n >= 0 && *n < 1)
        return condition((*operands)[0], holds, row, column);
      return std::nullopt;
    }
    if (!x || !y || name == "Equal")
      return std::nullopt;
    Subscript d = name == "Greater"          ? *x - *y - 1
                  : name == "GreaterOrEqual" ? *x - *y
                  : name == "Less"           ? *y - *x - 1
                                             : *y - *x;
    return holds ? d : Subscript(-1) - d;
  }
  return std::nullopt;
}

/// The condition, or its opposite, is s <= t.
bool ClosedForm::mask(const Element &e, bool holds) {
  auto d = condition(e, holds, time, source);
  if (!d || *d != Subscript::atom(time) - Subscript::atom(source))
    return false;
  return causal = true;
}

bool ClosedForm::hasMask(const Element &e, unsigned s, int depth) {
  Element at = plain(reader, e);
  if (depth == 0 || !on(at, time) || !on(at, s))
    return false;
  StringRef name = reader.operatorOf(at);
  Operation *op = at.tensor.getDefiningOp();
  if (name == "Trilu")
    return true;
  if (isa_and_nonnull<onnx::ConstantOp>(op))
    return true;
  auto operands = reader.operandsOf(at);
  if (!operands) {
    auto c = reader.contraction(at); // scores with a decay per key
    return c && llvm::any_of(c->factors, [&](const Element &f) { return hasMask(f, s, depth - 1); });
  }
  if (name == "Where")
    return on((*operands)[0], time) && on((*operands)[0], s);
  if (name != "Mul" && name != "Exp" && name != "Div" && name != "Neg" && name != "Add" && name != "Sub")
    return false;
  return llvm::any_of(*operands, [&](const Element &o) { return hasMask(o, s, depth - 1); });
}

bool ClosedForm::temporal(const Element &e, int depth) {
  Element at = plain(reader, e);
  if (depth == 0 || !on(at, time) || --budget < 0)
    return false;
  StringRef name = reader.operatorOf(at);
  if (name == "CumSum") {
    auto a = runningAxis(reader, at);
    return a && at.at[*a] == Subscript::atom(time);
  }
  if (name == "Mul" || name == "Div" || name == "Add" || name == "Neg") {
    auto operands = reader.operandsOf(at);
    return operands && llvm::any_of(*operands, [&](const Element &o) { return temporal(o, depth - 1); });
  }
  if (name == "Exp") { // exp(cs + log(cumsum(...)))
    auto operands = reader.operandsOf(at);
    Element z = plain(reader, (*operands)[0]);
    SmallVector<Element> work = {z};
    for (int steps = 0; !work.empty() && steps < 16; ++steps) {
      Element x = plain(reader, work.pop_back_val());
      auto in = reader.operandsOf(x);
      if (!in)
        continue;
      if (reader.operatorOf(x) == "Log")
        return temporal((*in)[0], depth - 1);
      if (reader.operatorOf(x) == "Add" || reader.operatorOf(x) == "Sub")
        work.append(in->begin(), in->end());
    }
    return false;
  }
  std::optional<Contraction> c = reader.contraction(at);
  if (!c)
    if (auto r = reader.reduction(at); r && r->kind == "Sum")
      c = Contraction{r->over, {r->operand}, 1};
  if (!c)
    return false;
  for (unsigned s : c->summed)
    if (space[s].n == space[time].n && llvm::any_of(c->factors, [&](const Element &f) { return hasMask(f, s, 6); }))
      return true;
  return llvm::any_of(c->factors, [&](const Element &f) { return temporal(f, depth - 1); });
}

bool ClosedForm::sum(const Element &at, int depth) {
  std::optional<Contraction> c = reader.contraction(at);
  if (!c)
    if (auto r = reader.reduction(at); r && r->kind == "Sum")
      c = Contraction{r->over, {r->operand}, 1};
  if (!c)
    return false;
  nodes.push_back(at.tensor.getDefiningOp());
  scale *= c->scale;
  std::optional<unsigned> s;
  for (unsigned it : c->summed)
    if (space[it].n == space[time].n && llvm::any_of(c->factors, [&](const Element &f) { return hasMask(f, it, 6); }))
      s = it;
  if (s && haveSource)
    return false;
  for (unsigned it : c->summed)
    if (it != s.value_or(~0u) && !space[it].n.is(1))
      states.push_back(it);
  std::map<unsigned, Subscript> ones;
  for (unsigned it : c->summed)
    if (it != s.value_or(~0u) && space[it].n.is(1))
      ones[it] = 0;
  if (s) {
    haveSource = true;
    source = *s;
    for (const Element &f : c->factors)
      if (!mixed(reader.substitute(f, ones), false, depth - 1))
        return false;
    return true;
  }
  // A factor that is the same at all times and brings new axes is a projection behind the recurrence, no read-out.
  for (const Element &f : c->factors) {
    if (on(f, time))
      continue;
    for (unsigned it : outer)
      if (on(f, it) && llvm::none_of(c->factors, [&](const Element &g) { return on(g, time) && on(g, it); }))
        return false;
  }
  for (const Element &f : c->factors) {
    Element x = reader.substitute(f, ones);
    if (!haveSource && temporal(x, 8)) {
      size_t before = factors.size();
      double outside = scale;
      scale = 1;
      if (!top(x, depth - 1))
        return false;
      state = x;
      stateScale = scale;
      scale *= outside;
      // Factors at t inside the state are no part of what is carried.
      for (const Factor &f : ArrayRef(factors).drop_front(before))
        if (!on(f.e, source))
          state = std::nullopt;
    } else {
      factors.push_back({x});
    }
  }
  return haveSource;
}

bool ClosedForm::takeInitial(const Element &e, const Element &sum) {
  if (initial)
    return false;
  // What does not depend on time, beside a sum of which all factors at t stand outside: they carry both.
  if (!on(e, time) && reader.operatorOf(plain(reader, sum)) == "CumSum") {
    initial = e;
    return true;
  }
  // exp(cs(t)) times something that does not depend on time; proved against the decay at the end.
  Element at = plain(reader, e);
  if (reader.operatorOf(at) != "Mul")
    return false;
  auto operands = reader.operandsOf(at);
  for (int k = 0; operands && k < 2; ++k) {
    const Element &state = (*operands)[1 - k];
    Element f = plain(reader, (*operands)[k]);
    if (on(state, time))
      continue;
    if (reader.operatorOf(f) == "CumProd" || reader.operatorOf(f) == "Exp") {
      initial = state;
      nodes.push_back(at.tensor.getDefiningOp());
      // Its decay must be that of the sum.
      initialDecay = f;
      return true;
    }
  }
  return false;
}

bool ClosedForm::top(const Element &e, int depth) {
  Element at = plain(reader, e);
  StringRef name = reader.operatorOf(at);
  if (depth == 0 || --budget < 0)
    return false;
  if (name == "CumSum") {
    auto a = runningAxis(reader, at);
    if (!a || haveSource || at.at[*a] != Subscript::atom(time))
      return false;
    haveSource = causal = true;
    source = *space.iterator(space[time].n).asAtom();
    nodes.push_back(at.tensor.getDefiningOp());
    Element x{at.tensor.getDefiningOp()->getOperand(0), at.at};
    x.at[*a] = Subscript::atom(source);
    return mixed(x, false, depth - 1);
  }
  auto operands = reader.operandsOf(at);
  if (operands && (name == "Mul" || name == "Div" || name == "Neg" || name == "Add" || name == "Exp")) {
    nodes.push_back(at.tensor.getDefiningOp());
    if (name == "Exp")
      return exponent((*operands)[0], 1, depth - 1);
    if (name == "Neg") {
      scale = -scale;
      return top((*operands)[0], depth - 1);
    }
    bool first = temporal((*operands)[0], 8), second = !first && temporal((*operands)[1], 8);
    if (name == "Add") {
      const Element &whole = (*operands)[first ? 0 : 1];
      if (first == second || !takeInitial((*operands)[first ? 1 : 0], whole))
        return false;
      // What multiplies the sum alone is no part of what carries the initial state.
      size_t before = factors.size();
      double outside = scale;
      scale = 1;
      if (!top(whole, depth - 1) || scale == 0)
        return false;
      initialScale = 1 / scale;
      scale *= outside;
      return llvm::all_of(ArrayRef(factors).drop_front(before), [&](const Factor &f) { return on(f.e, source); });
    }
    if (name == "Div" && !first)
      return false;
    if (!top((*operands)[first ? 0 : 1], depth - 1))
      return false;
    return mixed((*operands)[first ? 1 : 0], name == "Div", depth - 1);
  }
  return sum(at, depth);
}

/// A contraction that only multiplies: what it sums over has one element.
static std::optional<Contraction> unitProduct(ElementReader &reader, const Element &at) {
  auto c = reader.contraction(at);
  std::map<unsigned, Subscript> ones;
  for (unsigned it : c ? ArrayRef<unsigned>(c->summed) : ArrayRef<unsigned>()) {
    if (!reader.space[it].n.is(1))
      return std::nullopt;
    ones[it] = 0;
  }
  for (Element &f : c ? MutableArrayRef<Element>(c->factors) : MutableArrayRef<Element>())
    f = reader.substitute(f, ones);
  return c;
}

/// A product without exponentials of which a factor can only be read through what moves the whole: a number times a
/// stream that is then reversed, for example.
static bool staysWhole(ElementReader &reader, const Element &e, bool moved, int depth) {
  Element at = plain(reader, e);
  StringRef name = reader.operatorOf(at);
  auto operands = reader.operandsOf(at);
  if (depth == 0 || name == "Exp" || name == "CumProd" || name == "CumSum")
    return false;
  if (auto outer = operands ? std::nullopt : unitProduct(reader, at)) {
    operands = outer->factors;
    name = "Mul";
  }
  if (!operands || (name != "Mul" && name != "Div" && name != "Neg"))
    return moved;
  bool whole = false;
  for (const Element &x : *operands) {
    bool read = reader.number(plain(reader, x)) || operandOf(reader, x);
    if (!staysWhole(reader, x, true, depth - 1))
      return false;
    whole |= !read;
  }
  return moved || whole;
}

bool ClosedForm::mixed(const Element &e, bool inverse, int depth) {
  Element at = plain(reader, e);
  if (depth == 0 || --budget < 0)
    return false;
  StringRef name = reader.operatorOf(at);
  Operation *op = at.tensor.getDefiningOp();
  if (auto n = reader.number(at)) {
    scale = inverse ? scale / *n : scale * *n;
    return true;
  }
  bool both = on(at, time) && on(at, source);
  auto operands = reader.operandsOf(at);
  if (!both && operandOf(reader, e) && staysWhole(reader, e, false, 6)) {
    factors.push_back({e, inverse ? Factor::Reciprocal : Factor::Plain});
    return true;
  }
  if (operands && name == "Mul" && (both || on(at, time) || on(at, source))) {
    nodes.push_back(op);
    return mixed((*operands)[0], inverse, depth - 1) && mixed((*operands)[1], inverse, depth - 1);
  }
  if (operands && name == "Div") {
    nodes.push_back(op);
    return mixed((*operands)[0], inverse, depth - 1) && mixed((*operands)[1], !inverse, depth - 1);
  }
  if (operands && name == "Neg") {
    scale = -scale;
    return mixed((*operands)[0], inverse, depth - 1);
  }
  if (operands && name == "Exp") {
    nodes.push_back(op);
    return exponent((*operands)[0], inverse ? -1 : 1, depth - 1);
  }
  if (name == "CumProd") {
    auto a = runningAxis(reader, at);
    if (!a || (at.at[*a] != Subscript::atom(time) && at.at[*a] != Subscript::atom(source)))
      return false;
    nodes.push_back(op);
    products.push_back({inverse ? -1. : 1., at, e});
    return true;
  }
  if (auto c = both ? std::nullopt : unitProduct(reader, at)) {
    nodes.push_back(op);
    scale = inverse ? scale / c->scale : scale * c->scale;
    return llvm::all_of(c->factors, [&](const Element &f) { return mixed(f, inverse, depth - 1); });
  }
  if (!both) {
    factors.push_back({e, inverse ? Factor::Reciprocal : Factor::Plain});
    return true;
  }
  if (inverse) {
    why = "a quotient by something that depends on both times";
    return false;
  }
  if (isa_and_nonnull<onnx::ConstantOp>(op)) {
    return mask(at, true) || matrix(at);
  }
  if (name == "Trilu") {
    size_t r = at.at.size();
    auto k = onnx::isNone(op->getOperand(1)) ? std::optional<std::vector<Subscript>>({Subscript(0)})
                                             : reader.integers(op->getOperand(1));
    if (onnx::intAttr(op, "upper", 1) || !k || k->size() != 1 || !(*k)[0].is(0) ||
        at.at[r - 2] != Subscript::atom(time) || at.at[r - 1] != Subscript::atom(source)) {
      why = "a triangle that is not s <= t";
      return false;
    }
    causal = true;
    nodes.push_back(op);
    return mixed({op->getOperand(0), at.at}, false, depth - 1);
  }
  if (name == "Where" && decayMatrix(at))
    return true;
  if (operands && name == "Where") {
    bool first = reader.number(plain(reader, (*operands)[2])) == 0.0,
         second = reader.number(plain(reader, (*operands)[1])) == 0.0;
    nodes.push_back(op);
    if (first == second || !mask((*operands)[0], first)) {
      why = "a mask that is not s <= t";
      return false;
    }
    return mixed((*operands)[first ? 1 : 2], false, depth - 1);
  }
  if (operands && name == "Cast" && isa<IntegerType>(getElementTypeOrSelf(op->getOperand(0).getType())))
    return mask((*operands)[0], true);
  if (operands && name == "Pow" && isDistance((*operands)[1], 6) && !on((*operands)[0], time) &&
      !on((*operands)[0], source)) {
    nodes.push_back(op);
    decay.push_back((*operands)[0]); // base^(t - s)
    return true;
  }
  if (auto c = reader.contraction(at)) {
    nodes.push_back(op);
    scale *= c->scale;
    for (unsigned it : c->summed)
      states.push_back(it);
    return llvm::all_of(c->factors, [&](const Element &f) { return mixed(f, false, depth - 1); });
  }
  why = "'" + name.str() + "' of both times";
  return false;
}

bool ClosedForm::exponent(const Element &e, double coefficient, int depth) {
  Element at = plain(reader, e);
  if (depth == 0 || --budget < 0)
    return false;
  StringRef name = reader.operatorOf(at);
  if (auto n = reader.number(at)) {
    scale *= std::exp(coefficient * *n);
    return true;
  }
  auto operands = reader.operandsOf(at);
  if (operands) {
    auto &o = *operands;
    if (name == "Add" || name == "Sub")
      return exponent(o[0], coefficient, depth - 1) &&
             exponent(o[1], name == "Add" ? coefficient : -coefficient, depth - 1);
    if (name == "Neg")
      return exponent(o[0], -coefficient, depth - 1);
    if (haveSource && on(at, time) && on(at, source) && powerOfDistance(at, coefficient, false))
      return true;
    if (name == "Mul" && haveSource && on(at, time) && on(at, source))
      for (int k : {0, 1})
        if (isDistance(o[k], 6) && !on(o[1 - k], time) && !on(o[1 - k], source)) {
          logDecay.push_back({coefficient, o[1 - k]});
          return true;
        }
    if (name == "Log" && std::abs(coefficient) == 1) {
      if (!haveSource && coefficient == 1 && temporal(o[0], 8))
        return top(o[0], depth - 1);
      if (haveSource)
        return mixed(o[0], coefficient < 0, depth - 1);
    }
    if (name == "Where" && haveSource && on(at, time) && on(at, source)) {
      constexpr double inf = std::numeric_limits<double>::infinity();
      bool first = reader.number(plain(reader, o[2])) == -inf, second = reader.number(plain(reader, o[1])) == -inf;
      if (coefficient == 1 && first != second) {
        if (!mask(o[0], first)) {
          why = "a mask that is not s <= t";
          return false;
        }
        return exponent(o[first ? 1 : 2], coefficient, depth - 1);
      }
    }
  }
  terms.push_back({coefficient, at, e});
  return true;
}

bool ClosedForm::match(Value v) {
  Element root = reader.everyElement(v, outer);
  time = outer[axis];
  if (space[time].n.is(1) || !temporal(root, 8))
    return false;
  budget = 200;
  if (!top(root, 24) || !haveSource)
    return false;
  return finish();
}
