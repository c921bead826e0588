//===- AttentionScore.cpp - what happens to a score before softmax ---------===//
#include "passes/raise/AttentionScore.h"
#include "dialects/Ssm/SsmDialect.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

ScoreRegion::ScoreRegion(OpBuilder &b, ElementReader &reader, ArrayRef<unsigned> iterators, Type scoreType)
    : b(b), reader(reader), space(reader.space), iterators(iterators), i(iterators[iterators.size() - 2]),
      j(iterators.back()), block(new Block) {
  Location loc = b.getUnknownLoc();
  block->addArgument(scoreType, loc);
  for (size_t k = 0; k < iterators.size(); ++k)
    block->addArgument(b.getIndexType(), loc);
}

ScoreRegion::~ScoreRegion() { delete block; }

bool ScoreRegion::product(const Element &e, double &factor, Contraction &found) {
  Element at = reader.rootOfFloat(e);
  double scaled = 1;
  for (int depth = 0; depth < 8; ++depth) {
    StringRef name = reader.operatorOf(at);
    if (name != "Mul" && name != "Div")
      break;
    auto operands = reader.operandsOf(at);
    if (!operands)
      return false;
    auto left = reader.number(reader.root((*operands)[0])), right = reader.number(reader.root((*operands)[1]));
    if (right) {
      scaled = name == "Mul" ? scaled * *right : scaled / *right;
      at = reader.rootOfFloat((*operands)[0]);
    } else if (left && name == "Mul") {
      scaled *= *left;
      at = reader.rootOfFloat((*operands)[1]);
    } else {
      break;
    }
  }
  if (haveScore && at.tensor == scoreTensor && at.at == scoreAt && scaled == scoreFactor) {
    factor = scale;
    return true;
  }
  if (haveScore)
    return false;
  auto c = reader.contraction(at);
  if (!c || c->factors.size() != 2)
    return false;
  auto side = [&](const Element &x, unsigned with, unsigned without) {
    return reader.depends(x, with) && !reader.depends(x, without);
  };
  // A query of one row does not depend on i.
  bool oneRow = space[i].n.is(1);
  auto isQuery = [&](const Element &x) { return oneRow ? !reader.depends(x, j) : side(x, i, j); };
  if (isQuery(c->factors[1]) && side(c->factors[0], j, i))
    std::swap(c->factors[0], c->factors[1]);
  else if (!isQuery(c->factors[0]) || !side(c->factors[1], j, i))
    return false;
  // Only one iterator is summed; others have one element.
  SmallVector<unsigned> summed;
  for (unsigned s : c->summed)
    if (!space[s].n.is(1))
      summed.push_back(s);
  if (summed.empty())
    summed.push_back(c->summed.back());
  if (summed.size() != 1)
    return false;
  std::map<unsigned, Subscript> ones;
  for (unsigned s : c->summed)
    if (s != summed[0])
      ones[s] = 0;
  for (Element &f : c->factors)
    f = reader.substitute(f, ones);
  c->summed = summed;
  scoreTensor = at.tensor;
  scoreAt = at.at;
  scoreFactor = scaled;
  factor = scaled * c->scale;
  found = *c;
  return true;
}

bool ScoreRegion::leadsToScore(const Element &e, int depth) {
  Element at = reader.root(e);
  if (depth == 0 || !reader.depends(at, j))
    return false;
  auto [it, isNew] = leads.try_emplace(at.tensor, false);
  if (!isNew)
    return it->second;
  bool saved = haveScore;
  double factor;
  Contraction c;
  bool yes = product(at, factor, c);
  haveScore = saved;
  if (!yes) {
    StringRef name = reader.operatorOf(at);
    if (name == "Trilu") {
      yes = leadsToScore({at.tensor.getDefiningOp()->getOperand(0), at.at}, depth - 1);
    } else if (auto operands = reader.expandedOperandsOf(at)) {
      for (const Element &o : *operands)
        yes = yes || (!onnx::isNone(o.tensor) && leadsToScore(o, depth - 1));
    }
  }
  leads[at.tensor] = yes;
  return yes;
}

Value ScoreRegion::asType(Value position, Type element) {
  Scalar s(b, b.getUnknownLoc());
  Value integer = s.fromIndex(position, b.getI64Type());
  return element.isSignlessInteger(64) ? integer : s.cast(integer, b.getI64Type(), element);
}

Value ScoreRegion::position(const Subscript &index) {
  Location loc = b.getUnknownLoc();
  Scalar s(b, loc);
  Value sum;
  for (auto &[m, c] : index.terms) {
    Value term;
    if (m.empty()) {
      term = s.index(c);
    } else {
      if (m.size() > 1)
        return {};
      const IndexSpace::Atom atom = space[m[0]];
      if (atom.kind == IndexSpace::Atom::Symbol)
        return {};
      if (atom.kind == IndexSpace::Atom::Iterator) {
        auto it = llvm::find(iterators, m[0]);
        if (it == iterators.end())
          return {};
        term = block->getArgument(1 + (it - iterators.begin()));
      } else {
        Value x = position(atom.x);
        auto n = atom.n.constant();
        if (!x || !n)
          return {};
        term = atom.kind == IndexSpace::Atom::Mod ? arith::RemSIOp::create(b, loc, x, s.index(*n)).getResult()
                                                  : arith::FloorDivSIOp::create(b, loc, x, s.index(*n)).getResult();
      }
      if (c != 1)
        term = arith::MulIOp::create(b, loc, term, s.index(c));
    }
    sum = sum ? arith::AddIOp::create(b, loc, sum, term).getResult() : term;
  }
  return sum ? sum : s.index(0);
}

/// A constant over (i, j) that only depends on j - i and changes at most three times along it.
Value ScoreRegion::band(const Element &constant) {
  auto value = constant.tensor.getDefiningOp<onnx::ConstantOp>().getValue();
  Type element = value.getElementType();
  if (!element.isIntOrFloat() || value.getNumElements() > (1 << 24))
    return {};
  auto shape = cast<ShapedType>(value.getType()).getShape();
  int64_t strideI = 0, strideJ = 0, stride = 1, rows = 0, columns = 0;
  for (size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
    const Subscript &at = constant.at[axis];
    if (at == Subscript::atom(i))
      strideI = stride, rows = shape[axis];
    else if (at == Subscript::atom(j))
      strideJ = stride, columns = shape[axis];
    else if (shape[axis] != 1)
      return {};
  }
  if (!rows || !columns)
    return {};
  auto numbers = numbersOf(value);
  if (!numbers)
    return {};
  std::vector<std::optional<double>> diagonal(rows + columns - 1); // by j - i + rows - 1
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      double v = (*numbers)[r * strideI + c * strideJ];
      auto &slot = diagonal[c - r + rows - 1];
      if (std::isnan(v) || (slot && *slot != v))
        return {};
      slot = v;
    }
  SmallVector<std::pair<int64_t, double>> runs; // from this difference on
  for (auto [k, v] : llvm::enumerate(diagonal))
    if (runs.empty() || runs.back().second != *v)
      runs.push_back({(int64_t)k - rows + 1, *v});
  if (runs.size() > 4)
    return {};
  Scalar s(b, b.getUnknownLoc());
  Value difference = position(Subscript::atom(j) - Subscript::atom(i)), r = s.constant(element, runs[0].second);
  for (auto [from, v] : ArrayRef(runs).drop_front()) {
    Value later = arith::CmpIOp::create(b, b.getUnknownLoc(), arith::CmpIPredicate::sge, difference, s.index(from));
    r = s.select(later, s.constant(element, v), r);
  }
  return r;
}

/// Cheap enough to be computed per score instead of read.
static bool isCheap(StringRef name) {
  static constexpr StringLiteral cheap[] = {
      "Where", "And", "Or",  "Not", "Xor",  "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "Add",
      "Sub",   "Mul", "Neg", "Abs", "Cast", "Min",  "Max",         "Clip"};
  return llvm::is_contained(cheap, name);
}

/// Made of positions and numbers only.
bool ScoreRegion::isPosition(const Element &e, int depth) {
  Element at = reader.root(e);
  StringRef name = reader.operatorOf(at);
  if (reader.number(at) || name == "Range" || name == "Trilu")
    return true;
  auto operands = reader.operandsOf(at);
  return depth > 0 && operands && isCheap(name) &&
         llvm::all_of(*operands, [&](const Element &o) { return onnx::isNone(o.tensor) || isPosition(o, depth - 1); });
}

Value ScoreRegion::modifier(const Element &e) {
  auto operand = operandOf(reader, e);
  if (!operand) {
    // An iterator over several axes at once can be split; positions of rows and columns cannot.
    Element at = reader.root(e);
    for (const Subscript &index : at.at)
      for (auto &[m, c] : index.terms)
        for (unsigned a : m) {
          const auto &atom = space[a];
          if (atom.kind != IndexSpace::Atom::Mod && atom.kind != IndexSpace::Atom::FloorDiv)
            continue;
          auto of = atom.x.asAtom();
          while (of && (space[*of].kind == IndexSpace::Atom::FloorDiv || space[*of].kind == IndexSpace::Atom::Mod))
            of = space[*of].x.asAtom();
          if (of && space.isIterator(*of) && *of != i && *of != j && !split)
            split = SplitRequest{*of, space[m[0]].kind == IndexSpace::Atom::Iterator ? atom.n : atom.n};
        }
    why = "a mask or bias is read at indices that no index map gives";
    return {};
  }
  Type element = cast<RankedTensorType>(operand->tensor.getType()).getElementType();
  if (!element.isIntOrFloat()) {
    why = "a mask or bias has elements that are no numbers";
    return {};
  }
  for (auto [k, m] : llvm::enumerate(modifiers)) {
    bool same = m.tensor == operand->tensor && m.layout.size() == operand->layout.size();
    for (size_t a = 0; same && a < m.layout.size(); ++a) {
      auto &p = m.layout[a].parts, &q = operand->layout[a].parts;
      same = p.size() == q.size();
      for (size_t t = 0; same && t < p.size(); ++t)
        same = p[t].iterator == q[t].iterator && p[t].divisor == q[t].divisor;
    }
    if (same)
      return block->getArgument(1 + iterators.size() + k);
  }
  modifiers.push_back(*operand);
  return block->addArgument(computeType(element), b.getUnknownLoc());
}

Value ScoreRegion::scalar(const Element &e, int depth) {
  Element at = reader.root(e);
  auto key = std::make_pair(at.tensor.getAsOpaquePointer(), at.at);
  if (auto it = memo.find(key); it != memo.end())
    return it->second;
  if (depth == 0 || --budget < 0) {
    why = "too much is computed from the scores before softmax";
    return {};
  }
  Value v = computed(at, e, depth);
  return memo[key] = v;
}

Value ScoreRegion::computed(const Element &at, const Element &e, int depth) {
  Operation *op = at.tensor.getDefiningOp();
  StringRef name = reader.operatorOf(at);
  Type element = cast<RankedTensorType>(at.tensor.getType()).getElementType();
  Scalar s(b, b.getUnknownLoc());
  if (auto n = reader.number(at); n && element.isIntOrFloat())
    return s.constant(element, *n);
  double factor;
  Contraction c;
  if (isa<FloatType>(element) && product(at, factor, c)) {
    if (!haveScore) {
      haveScore = true;
      scale = factor;
      query = c.factors[0];
      this->key = c.factors[1];
      embedding = c.summed[0];
    }
    nodes.push_back(op);
    nodes.push_back(scoreTensor.getDefiningOp());
    return block->getArgument(0);
  }
  bool onPath = leadsToScore(at, 40);
  if (name == "Range") {
    auto start = reader.integers(op->getOperand(0)), delta = reader.integers(op->getOperand(2));
    if (start && delta && start->size() == 1 && delta->size() == 1)
      if (Value p = position((*start)[0] + at.at[0] * (*delta)[0]))
        return asType(p, element);
    auto first = reader.number({op->getOperand(0), {}}), step = reader.number({op->getOperand(2), {}});
    if (first && step && isa<FloatType>(element))
      if (Value p = position(at.at[0])) {
        Value x = s.mul(asType(p, element), s.constant(element, *step), element);
        return s.add(x, s.constant(element, *first), element);
      }
    return modifier(e);
  }
  if (isa_and_nonnull<onnx::ConstantOp>(op)) {
    if (Value v = band(at))
      return v;
    return modifier(e);
  }
  if (name == "Trilu") {
    bool upper = onnx::intAttr(op, "upper", 1);
    auto k = onnx::isNone(op->getOperand(1)) ? std::optional<std::vector<Subscript>>({Subscript(0)})
                                             : reader.integers(op->getOperand(1));
    size_t rank = at.at.size();
    Value row = position(at.at[rank - 2]), column = position(at.at[rank - 1]);
    Value offset = k && k->size() == 1 ? position((*k)[0]) : Value();
    if (!row || !column || !offset)
      return onPath ? Value() : modifier(e);
    Value x = scalar({op->getOperand(0), at.at}, depth - 1);
    if (!x)
      return {};
    Value edge = arith::AddIOp::create(b, s.loc, row, offset);
    auto predicate = upper ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle;
    Value kept = arith::CmpIOp::create(b, s.loc, predicate, column, edge);
    nodes.push_back(op);
    return s.select(kept, x, s.constant(element, 0.0));
  }
  bool both = reader.depends(at, i) && reader.depends(at, j);
  auto operands = onPath ? reader.expandedOperandsOf(at) : reader.operandsOf(at);
  if (operands && (onPath || (isCheap(name) && (isPosition(at, 8) || (both && element.isIntOrFloat()))))) {
    SmallVector<Value> values;
    for (const Element &o : *operands) {
      if (onnx::isNone(o.tensor)) {
        values.push_back({});
        continue;
      }
      values.push_back(scalar(o, depth - 1));
      if (!values.back())
        return {};
    }
    nodes.push_back(op);
    return Registry::get().lookup(op)->element(op, s, values);
  }
  if (onPath) {
    why = "'" + name.str() + "' stands between the scores and softmax";
    return {};
  }
  return modifier(e);
}

bool ScoreRegion::build(const Element &entersSoftmax) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(block);
  if (!leadsToScore(entersSoftmax, 40)) {
    why = "softmax is not over products of a query and a key";
    return false;
  }
  leads.clear();
  result = scalar(entersSoftmax, 40);
  if (!result || !haveScore)
    return false;
  Type type = block->getArgument(0).getType();
  Element top = reader.root(entersSoftmax);
  Type element = cast<RankedTensorType>(top.tensor.getType()).getElementType();
  if (result.getType() != type)
    result = Scalar(b, b.getUnknownLoc()).cast(result, element, type);
  YieldOp::create(b, b.getUnknownLoc(), result);
  return true;
}
