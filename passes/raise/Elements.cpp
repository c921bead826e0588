//===- Elements.cpp - which element of which tensor is read ----------------===//
#include "passes/raise/Elements.h"
#include "passes/lower/Registry.h"
#include "passes/raise/Operands.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace ssm;

bool ssm::isElementwise(Operation *op) {
  const Lowering *lowering = Registry::get().lookup(op);
  return lowering && lowering->element && !lowering->align && op->getNumResults() == 1;
}

std::vector<Subscript> ElementReader::dims(Value v) {
  return space.from(onnx::getDimExprs(cast<RankedTensorType>(v.getType())));
}

Element ElementReader::everyElement(Value v, SmallVectorImpl<unsigned> &iterators) {
  Element e{v, {}};
  for (const Subscript &d : dims(v)) {
    e.at.push_back(space.iterator(d));
    iterators.push_back(*e.at.back().asAtom());
  }
  return e;
}

StringRef ElementReader::operatorOf(const Element &e) {
  Operation *op = e.tensor.getDefiningOp();
  if (!op)
    return "";
  StringRef name = op->getName().getStringRef();
  return name.consume_front("onnx.") ? name : "";
}

std::optional<std::vector<Subscript>> ElementReader::integers(Value v) {
  if (auto op = v.getDefiningOp<onnx::DimsOp>()) {
    std::vector<Subscript> r;
    for (AffineExpr e : op.getMap().getResults())
      r.push_back(space.from(e));
    return r;
  }
  if (auto values = onnx::intValues(v)) {
    std::vector<Subscript> r;
    for (int64_t x : *values)
      r.push_back(x);
    return r;
  }
  return std::nullopt;
}

std::optional<double> ElementReader::number(const Element &e) {
  Operation *op = e.tensor.getDefiningOp();
  if (!op)
    return std::nullopt;
  StringRef name = operatorOf(e);
  if (auto dims = dyn_cast<onnx::DimsOp>(op)) {
    auto c = dims.getMap().getNumResults() == 1 ? space.from(dims.getMap().getResult(0)).constant() : std::nullopt;
    return c ? std::optional<double>(*c) : std::nullopt;
  }
  if (isa<onnx::ConstantOp>(op) || name == "ConstantOfShape") {
    auto value = op->getAttrOfType<ElementsAttr>("value");
    if (!value)
      return 0;
    if (value.getNumElements() != 1 && !value.isSplat()) {
      // Folded constants do not say that they are uniform.
      auto numbers = value.getNumElements() <= 4096 ? numbersOf(value) : std::nullopt;
      if (!numbers || numbers->empty() || llvm::any_of(*numbers, [&](double v) { return v != numbers->front(); }))
        return std::nullopt;
      return numbers->front();
    }
    Attribute one = *value.getValues<Attribute>().begin();
    if (auto f = dyn_cast<FloatAttr>(one))
      return f.getValueAsDouble();
    if (auto i = dyn_cast<IntegerAttr>(one))
      return i.getType().isUnsignedInteger() || i.getType().isInteger(1) ? (double)i.getValue().getZExtValue()
                                                                         : (double)i.getValue().getSExtValue();
    return std::nullopt;
  }
  // Arithmetic on numbers, as scales come out of exporters.
  static constexpr StringLiteral known[] = {"Sqrt", "Reciprocal", "Neg", "Add",  "Sub",
                                            "Mul",  "Div",        "Pow", "Cast", "CastLike"};
  if (!llvm::is_contained(known, name))
    return std::nullopt;
  // One element only: elsewhere, operands may differ from element to element.
  auto type = dyn_cast<RankedTensorType>(e.tensor.getType());
  if (!type || !type.hasStaticShape() || type.getNumElements() != 1 || !isa<FloatType>(type.getElementType()))
    return std::nullopt;
  double x[2] = {0, 0};
  unsigned count = name == "CastLike" ? 1 : op->getNumOperands();
  for (unsigned k = 0; k < count; ++k) {
    auto v = number(root(
        {op->getOperand(k), std::vector<Subscript>(cast<RankedTensorType>(op->getOperand(k).getType()).getRank())}));
    if (!v)
      return std::nullopt;
    x[k] = *v;
  }
  return llvm::StringSwitch<double>(name)
      .Case("Sqrt", std::sqrt(x[0]))
      .Case("Reciprocal", 1 / x[0])
      .Case("Neg", -x[0])
      .Case("Add", x[0] + x[1])
      .Case("Sub", x[0] - x[1])
      .Case("Mul", x[0] * x[1])
      .Case("Div", x[0] / x[1])
      .Case("Pow", std::pow(x[0], x[1]))
      .Default(x[0]);
}

std::optional<std::vector<Subscript>> ElementReader::reshaped(const std::vector<Subscript> &from,
                                                              const std::vector<Subscript> &to,
                                                              const std::vector<Subscript> &at) {
  std::vector<Subscript> r(from.size());
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    // The shortest groups of equal product from here on.
    size_t bestI = from.size(), bestJ = to.size();
    bool found = false;
    Subscript left = 1;
    for (size_t a = i; a <= from.size() && !found; ++a) {
      if (a > i)
        left = left * from[a - 1];
      Subscript right = 1;
      for (size_t b = j; b <= to.size(); ++b) {
        if (b > j)
          right = right * to[b - 1];
        if ((a > i || b > j) && left == right) {
          // An axis of size 1 alone is a group, otherwise both sides take part.
          if (a > i && b > j) {
            bestI = a, bestJ = b, found = true;
          } else if ((a == i && b == j + 1) || (b == j && a == i + 1)) {
            bestI = a, bestJ = b, found = true;
          } else {
            continue;
          }
          break;
        }
      }
    }
    if (!found && i == from.size())
      return std::nullopt;
    Subscript linear = 0;
    for (size_t b = j; b < bestJ; ++b)
      linear = linear * to[b] + at[b];
    linear = space.substitute(linear, {});
    Subscript stride = 1;
    for (size_t a = bestI; a-- > i;) {
      Subscript q = space.floorDiv(linear, stride);
      r[a] = a == i ? q : space.mod(q, from[a]);
      if (from[a].is(1))
        r[a] = 0;
      stride = stride * from[a];
    }
    i = bestI;
    j = bestJ;
  }
  return r;
}

std::optional<std::vector<Subscript>> ElementReader::broadcast(Value operand, const std::vector<Subscript> &resultDims,
                                                               const std::vector<Subscript> &at) {
  std::vector<Subscript> d = dims(operand), r;
  if (d.size() > resultDims.size())
    return std::nullopt;
  size_t shift = resultDims.size() - d.size();
  for (size_t i = 0; i < d.size(); ++i) {
    if (d[i] == resultDims[i + shift])
      r.push_back(at[i + shift]);
    else if (d[i].is(1))
      r.push_back(0);
    else
      return std::nullopt;
  }
  return r;
}

std::optional<Element> ElementReader::slice(Operation *op, const Element &e) {
  Value x = op->getOperand(0);
  std::vector<Subscript> d = dims(x), out = dims(op->getResult(0));
  auto starts = integers(op->getOperand(1));
  if (!starts)
    return std::nullopt;
  std::vector<Subscript> axes, steps(starts->size(), Subscript(1));
  for (size_t i = 0; i < starts->size(); ++i)
    axes.push_back(i);
  if (!onnx::isNone(op->getOperand(3))) {
    auto given = integers(op->getOperand(3));
    if (!given)
      return std::nullopt;
    axes = *given;
  }
  if (!onnx::isNone(op->getOperand(4))) {
    auto given = integers(op->getOperand(4));
    if (!given)
      return std::nullopt;
    steps = *given;
  }
  Element r{x, e.at};
  for (size_t i = 0; i < starts->size(); ++i) {
    auto axis = axes[i].constant(), step = steps[i].constant(), from = (*starts)[i].constant();
    if (!axis || !step || *step == 0)
      return std::nullopt;
    int64_t a = normalAxis(*axis, d.size());
    Subscript n = d[a], start;
    if (out[a].is(1) && n.is(1)) {
      start = 0;
    } else if (*step > 0) {
      if (from && *from >= 0)
        start = *from; // beyond the end the result is empty
      else if (from && space.nonNegative(n + *from))
        start = n + *from;
      else if (from && out[a] == Subscript(-*from)) // as long as asked for
        start = n + *from;
      else if (!from && space.nonNegative((*starts)[i]))
        start = (*starts)[i];
      else
        return std::nullopt;
    } else {
      if (from && *from >= 0 && (space.nonNegative(n - 1 - *from)))
        start = *from;
      else if (from && *from >= (int64_t)INT32_MAX)
        start = n - 1;
      else if (from && *from == -1)
        start = n - 1;
      else if (from && *from < 0 && space.nonNegative(n + *from))
        start = n + *from;
      else if (!from && (*starts)[i] == n - 1)
        start = n - 1;
      else
        return std::nullopt;
    }
    r.at[a] = start + e.at[a] * Subscript(*step);
  }
  return r;
}

std::optional<Element> ElementReader::throughView(const Element &e) {
  StringRef name = operatorOf(e);
  Operation *op = e.tensor.getDefiningOp();
  if (name.empty() || op->getNumOperands() == 0)
    return std::nullopt;
  Value x = op->getOperand(0);
  if (!isa<RankedTensorType>(x.getType()))
    return std::nullopt;
  auto to = dims(e.tensor);
  if (name == "Identity" || ((name == "Cast" || name == "CastLike") && x.getType() == e.tensor.getType()))
    return Element{x, e.at};
  if (name == "Dropout" && e.tensor == op->getResult(0)) {
    Value training = op->getOperand(2);
    auto flag = onnx::isNone(training) ? std::optional<SmallVector<int64_t>>({0}) : onnx::intValues(training);
    if (flag && flag->size() == 1 && !(*flag)[0])
      return Element{x, e.at};
    return std::nullopt;
  }
  if (name == "Reshape" || name == "Squeeze" || name == "Unsqueeze" || name == "Flatten") {
    auto at = reshaped(dims(x), to, e.at);
    return at ? std::optional<Element>({x, *at}) : std::nullopt;
  }
  if (name == "Transpose") {
    SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
    if (!op->hasAttr("perm"))
      for (int64_t i = to.size() - 1; i >= 0; --i)
        perm.push_back(i);
    Element r{x, std::vector<Subscript>(to.size())};
    for (auto [i, p] : llvm::enumerate(perm))
      r.at[p] = e.at[i];
    return r;
  }
  if (name == "Expand") {
    auto at = broadcast(x, to, e.at);
    return at ? std::optional<Element>({x, *at}) : std::nullopt;
  }
  if (name == "Tile") {
    Element r{x, {}};
    auto from = dims(x);
    for (size_t i = 0; i < from.size(); ++i)
      r.at.push_back(from[i].is(1) ? Subscript(0) : from[i] == to[i] ? e.at[i] : space.mod(e.at[i], from[i]));
    return r;
  }
  if (name == "Slice")
    return slice(op, e);
  if (name == "Split") {
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), to.size());
    Element r{x, e.at};
    for (Value part : op->getResults()) {
      if (part == e.tensor)
        return r;
      r.at[axis] = r.at[axis] + dims(part)[axis];
    }
  }
  if (name == "Concat") {
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), to.size());
    Subscript at = e.at[axis];
    for (Value part : op->getOperands()) {
      Subscript n = dims(part)[axis];
      if (space.nonNegative(at) && space.nonNegative(n - 1 - at)) {
        Element r{part, e.at};
        r.at[axis] = at;
        return r;
      }
      at = at - n;
    }
    return std::nullopt;
  }
  if (name == "Gather") {
    auto values = integers(op->getOperand(1));
    auto from = dims(x), index = dims(op->getOperand(1));
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), from.size());
    if (!values || values->empty() || index.size() > 1)
      return std::nullopt;
    for (Subscript &v : *values)
      if (auto c = v.constant(); c && *c < 0)
        v = v + from[axis];
    // Positions in arithmetic progression, or each one repeated n times.
    Subscript chosen = (*values)[0];
    if (index.size() == 1 && values->size() > 1) {
      Subscript step = (*values)[1] - (*values)[0], i = e.at[axis];
      size_t repeat = 1;
      while (repeat < values->size() && (*values)[repeat] == (*values)[0])
        ++repeat;
      if (repeat > 1 && repeat < values->size())
        step = (*values)[repeat] - (*values)[0];
      for (size_t k = 0; k < values->size(); ++k)
        if ((*values)[k] != (*values)[0] + step * Subscript(k / repeat))
          return std::nullopt;
      chosen = chosen + step * space.floorDiv(i, Subscript(repeat));
    }
    Element r{x, {}};
    r.at.assign(e.at.begin(), e.at.begin() + axis);
    r.at.push_back(chosen);
    r.at.insert(r.at.end(), e.at.begin() + axis + index.size(), e.at.end());
    return r;
  }
  return std::nullopt;
}

Element ElementReader::root(Element e) {
  while (auto next = throughView(e))
    e = *next;
  return e;
}

Element ElementReader::rootOfFloat(Element e) {
  for (;;) {
    e = root(e);
    if (operatorOf(e) != "Cast" && operatorOf(e) != "CastLike")
      return e;
    Value x = e.tensor.getDefiningOp()->getOperand(0);
    if (!isa<FloatType>(getElementTypeOrSelf(x.getType())) || !isa<FloatType>(getElementTypeOrSelf(e.tensor.getType())))
      return e;
    e.tensor = x;
  }
}

std::optional<SmallVector<Element>> ElementReader::operandsOf(const Element &e) {
  Operation *op = e.tensor.getDefiningOp();
  if (!op || !isElementwise(op))
    return std::nullopt;
  auto d = dims(e.tensor);
  SmallVector<Element> r;
  for (Value v : op->getOperands()) {
    if (onnx::isNone(v)) {
      r.push_back({v, {}});
      continue;
    }
    auto at = broadcast(v, d, e.at);
    if (!at)
      return std::nullopt;
    r.push_back({v, *at});
  }
  return r;
}

std::optional<SmallVector<Element>> ElementReader::expandedOperandsOf(const Element &e) {
  Operation *op = e.tensor.getDefiningOp();
  if (!op || !isElementwise(op))
    return std::nullopt;
  auto d = dims(e.tensor);
  SmallVector<Element> r;
  bool anyDecided = false;
  OpBuilder b(op);
  for (Value v : op->getOperands()) {
    if (onnx::isNone(v)) {
      r.push_back({v, {}});
      continue;
    }
    auto at = broadcast(v, d, e.at);
    if (at) {
      anyDecided |= !at->empty();
      r.push_back({v, *at});
      continue;
    }
    auto type = cast<RankedTensorType>(v.getType());
    auto wide = onnx::withDims(type.getElementType(), onnx::getDimExprs(cast<RankedTensorType>(e.tensor.getType())));
    Value none = onnx::NoValueOp::create(b, op->getLoc(), b.getNoneType());
    OperationState state(op->getLoc(), "onnx.Expand", {v, none}, {wide});
    r.push_back({b.create(state)->getResult(0), e.at});
  }
  return anyDecided ? std::optional(r) : std::nullopt;
}

Element ElementReader::substitute(const Element &e, const std::map<unsigned, Subscript> &by) {
  Element r{e.tensor, {}};
  for (const Subscript &i : e.at)
    r.at.push_back(space.substitute(i, by));
  return r;
}

bool ElementReader::depends(const Element &e, unsigned iterator) {
  return llvm::any_of(e.at, [&](const Subscript &i) { return space.depends(i, iterator); });
}

std::optional<Element> ElementReader::stepOf(OpBuilder &b, const Element &e, unsigned iterator) {
  auto type = cast<RankedTensorType>(e.tensor.getType());
  size_t axis = llvm::find(e.at, Subscript::atom(iterator)) - e.at.begin();
  if (axis == e.at.size() || dims(e.tensor)[axis] != space[iterator].n || !isa<FloatType>(type.getElementType()))
    return std::nullopt;
  for (auto [a, i] : llvm::enumerate(e.at))
    if (a != axis && space.depends(i, iterator))
      return std::nullopt;
  Value &step = steps[{e.tensor.getAsOpaquePointer(), axis}];
  if (step)
    return Element{step, e.at};
  Location loc = e.tensor.getLoc();
  if (auto constant = e.tensor.getDefiningOp<onnx::ConstantOp>()) {
    auto values = numbersOf(constant.getValue());
    if (!values)
      return std::nullopt;
    int64_t size = type.getDimSize(axis), stride = 1;
    for (int64_t n : type.getShape().drop_front(axis + 1))
      stride *= n;
    SmallVector<Attribute> differences;
    for (auto [k, v] : llvm::enumerate(*values)) {
      bool first = k / stride % size == 0;
      differences.push_back(b.getFloatAttr(type.getElementType(), first ? 0 : v - (*values)[k - stride]));
    }
    step = onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, differences));
    return Element{step, e.at};
  }
  auto make = [&](StringRef name, ValueRange operands, ArrayRef<NamedAttribute> attributes = {}) {
    OperationState state(loc, ("onnx." + name).str(), operands, {type}, attributes);
    return b.create(state)->getResult(0);
  };
  // One step later, the first element standing before itself: its difference is 0, and no length is too short.
  SmallVector<int64_t> pads(2 * type.getRank(), 0);
  pads[axis] = 1;
  pads[type.getRank() + axis] = -1;
  auto padsType = RankedTensorType::get({2 * type.getRank()}, b.getI64Type());
  Value none = onnx::NoValueOp::create(b, loc, b.getNoneType()),
        by = onnx::ConstantOp::create(b, loc, padsType, DenseElementsAttr::get(padsType, ArrayRef(pads)));
  Value before = make("Pad", {e.tensor, by, none, none}, b.getNamedAttr("mode", b.getStringAttr("edge")));
  step = make("Sub", {e.tensor, before});
  return Element{step, e.at};
}

bool ElementReader::equalConstants(const Element &a, const Element &b) {
  auto x = a.tensor.getDefiningOp<onnx::ConstantOp>(), y = b.tensor.getDefiningOp<onnx::ConstantOp>();
  if (!x || !y || x.getValue().getNumElements() != y.getValue().getNumElements() ||
      x.getValue().getNumElements() > (1 << 20))
    return false;
  // The same indices in the same order, but for axes of size 1.
  auto moving = [&](const Element &e) {
    SmallVector<Subscript> r;
    for (auto [i, n] : llvm::zip(e.at, dims(e.tensor)))
      if (!n.is(1))
        r.push_back(i);
    return r;
  };
  if (moving(a) != moving(b))
    return false;
  auto v = numbersOf(x.getValue()), w = numbersOf(y.getValue());
  return v && w && *v == *w;
}

bool ElementReader::equal(const Element &a, const Element &b, int depth) {
  Element x = root(a), y = root(b);
  if (x == y || equalConstants(x, y))
    return true;
  auto n = number(x), m = number(y);
  if (n || m)
    return n && m && *n == *m;
  Operation *p = x.tensor.getDefiningOp(), *q = y.tensor.getDefiningOp();
  if (!p || !q || depth == 0 || p->getName() != q->getName() || p->getAttrDictionary() != q->getAttrDictionary())
    return false;
  auto l = operandsOf(x), r = operandsOf(y);
  if (!l || !r || l->size() != r->size())
    return false;
  return llvm::all_of(llvm::zip(*l, *r), [&](auto pair) {
    auto &[u, v] = pair;
    if (onnx::isNone(u.tensor) || onnx::isNone(v.tensor))
      return onnx::isNone(u.tensor) == onnx::isNone(v.tensor);
    return equal(u, v, depth - 1);
  });
}
