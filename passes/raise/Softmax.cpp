//===- Softmax.cpp - weights that are a softmax ----------------------------===//
#include "passes/raise/Softmax.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ssm;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::optional<Element> SoftmaxMatcher::summand(const Element &total, unsigned j, StringRef kind, Softmax &found) {
  Element s = reader.rootOfFloat(total);
  SmallVector<unsigned> over;
  Element operand;
  if (auto sum = reader.reduction(s); sum && sum->kind == kind) {
    over = sum->over;
    operand = sum->operand;
  } else if (auto product = kind == "Sum" ? reader.contraction(s) : std::nullopt;
             product && product->factors.size() == 2 && product->scale == 1) { // with ones
    bool first = reader.number(reader.root(product->factors[0])) == 1.0,
         second = reader.number(reader.root(product->factors[1])) == 1.0;
    if (first == second)
      return std::nullopt;
    over = product->summed;
    operand = product->factors[first ? 1 : 0];
  } else {
    return std::nullopt;
  }
  std::map<unsigned, Subscript> to;
  int wide = 0;
  for (unsigned it : over) {
    bool isJ = !space[it].n.is(1) || over.size() == 1;
    to[it] = isJ ? Subscript::atom(j) : Subscript(0);
    if (isJ && space[it].n != space[j].n)
      return std::nullopt;
    wide += isJ;
  }
  if (wide != 1)
    return std::nullopt;
  found.nodes.push_back(s.tensor.getDefiningOp());
  return reader.substitute(operand, to);
}

/// A maximum, so that what is left is never large; nothing else is thought to be meant as one.
bool SoftmaxMatcher::isShift(const Element &e, unsigned j, int depth) {
  Element m = reader.rootOfFloat(e);
  if (reader.depends(m, j))
    return false;
  if (auto max = reader.reduction(m))
    return max->kind == "Max";
  StringRef name = reader.operatorOf(m);
  if (depth == 0 || (name != "Max" && name != "Where" && name != "Clip"))
    return false;
  auto operands = reader.operandsOf(m);
  return operands &&
         llvm::any_of(*operands, [&](const Element &o) { return !onnx::isNone(o.tensor) && isShift(o, j, depth - 1); });
}

void SoftmaxMatcher::takeShift(Exponential &e, unsigned j, Softmax &found) {
  Element difference = reader.rootOfFloat(e.score);
  auto terms = reader.operatorOf(difference) == "Sub" ? reader.operandsOf(difference) : std::nullopt;
  if (!terms || !isShift((*terms)[1], j))
    return;
  e.shift = (*terms)[1];
  e.score = (*terms)[0];
  found.nodes.append({difference.tensor.getDefiningOp(), reader.rootOfFloat(*e.shift).tensor.getDefiningOp()});
}

Element SoftmaxMatcher::masked(const Element &condition, const Element &score, Operation *at, bool inverted) {
  OpBuilder b(at);
  auto type = cast<RankedTensorType>(score.tensor.getType());
  auto scalar = RankedTensorType::get({}, type.getElementType());
  auto value = DenseElementsAttr::get(scalar, b.getFloatAttr(type.getElementType(), -kInfinity));
  Value least = onnx::ConstantOp::create(b, at->getLoc(), scalar, cast<ElementsAttr>(value));
  auto result =
      onnx::withDims(type.getElementType(), onnx::getDimExprs(cast<RankedTensorType>(at->getResult(0).getType())));
  OperationState state(at->getLoc(), "onnx.Where",
                       {condition.tensor, inverted ? least : score.tensor, inverted ? score.tensor : least}, {result});
  return {b.create(state)->getResult(0), {}};
}

bool SoftmaxMatcher::matchExponential(const Element &given, unsigned j, Exponential &out, Softmax &found, int depth) {
  Element e = reader.rootOfFloat(given);
  StringRef name = reader.operatorOf(e);
  Operation *op = e.tensor.getDefiningOp();
  if (name == "Softmax") {
    out.scaled = true;
    out.score = {op->getOperand(0), e.at};
    return matchOperator(e, j, found);
  }
  auto operands = reader.operandsOf(e);
  if (!operands || depth == 0)
    return false;
  if (name == "Exp") {
    out.score = (*operands)[0];
    takeShift(out, j, found);
    found.nodes.push_back(op);
    return true;
  }
  // Zero where masked is an exponential of minus infinity.
  auto mask = [&](const Element &condition, const Element &exponential, bool inverted) {
    if (!matchExponential(exponential, j, out, found, depth - 1))
      return false;
    // The condition and the score are broadcast to the result as the operator did it.
    Element score = reader.rootOfFloat(out.score);
    Element where = masked(condition, score, op, inverted);
    auto again = Element{where.tensor, e.at};
    auto pieces = reader.operandsOf(again);
    if (!pieces || !reader.equal((*pieces)[inverted ? 2 : 1], score) || !reader.equal((*pieces)[0], condition))
      return false;
    out.score = again;
    found.nodes.push_back(op);
    return true;
  };
  if (name == "Where") {
    if (reader.number(reader.rootOfFloat((*operands)[2])) == 0.0)
      return mask((*operands)[0], (*operands)[1], false);
    if (reader.number(reader.rootOfFloat((*operands)[1])) == 0.0)
      return mask((*operands)[0], (*operands)[2], true);
    return false;
  }
  if (name == "Mul" || name == "Div")
    for (int k : {0, 1}) {
      if (k && name == "Div")
        return false;
      const Element &x = (*operands)[k], &factor = (*operands)[1 - k];
      if (!reader.depends(factor, j)) {
        if (!matchExponential(x, j, out, found, depth - 1))
          continue;
        out.scaled = true;
        found.nodes.push_back(op);
        return true;
      }
      Element truth = reader.root(factor);
      if (name == "Mul" && reader.operatorOf(truth) == "Cast") {
        Value condition = truth.tensor.getDefiningOp()->getOperand(0);
        if (getElementTypeOrSelf(condition.getType()).isInteger(1) && mask({condition, truth.at}, x, false))
          return true;
      }
      auto constant = name == "Mul" ? factor.tensor.getDefiningOp<onnx::ConstantOp>() : onnx::ConstantOp();
      auto numbers = constant ? numbersOf(constant.getValue()) : std::nullopt;
      if (numbers && llvm::all_of(*numbers, [](double v) { return v == 0 || v == 1; })) {
        OpBuilder b(op);
        auto type = cast<RankedTensorType>(factor.tensor.getType());
        OperationState state(op->getLoc(), "onnx.Cast", {factor.tensor},
                             {onnx::withDims(b.getI1Type(), onnx::getDimExprs(type))},
                             {b.getNamedAttr("to", IntegerAttr::get(b.getIntegerType(64, true), 9))});
        if (mask({b.create(state)->getResult(0), factor.at}, x, false))
          return true;
      }
    }
  return false;
}

/// Another term of the sum: exp(sink), with the shift taken off too.
bool SoftmaxMatcher::takeSink(const Element &extra, const Exponential &e, Softmax &found) {
  if (e.scaled)
    return false;
  Element x = reader.rootOfFloat(extra);
  // One is exp(0); any other number, a small one most of all, is not meant as a score.
  if (reader.number(x) == 1.0 && !e.shift) {
    found.sinkNumber = 0;
    return true;
  }
  auto operands = reader.operatorOf(x) == "Exp" ? reader.operandsOf(x) : std::nullopt;
  if (!operands)
    return false;
  Element logit = (*operands)[0];
  if (e.shift) {
    Element difference = reader.rootOfFloat(logit);
    // exp(-shift) is that of zero.
    if (reader.operatorOf(difference) == "Neg") {
      auto negated = reader.operandsOf(difference);
      if (!negated || !reader.equal((*negated)[0], *e.shift))
        return false;
      found.sinkNumber = 0;
    } else {
      auto terms = reader.operatorOf(difference) == "Sub" ? reader.operandsOf(difference) : std::nullopt;
      if (!terms || !reader.equal((*terms)[1], *e.shift))
        return false;
      logit = (*terms)[0];
    }
  }
  if (!found.sinkNumber)
    found.sink = logit;
  found.nodes.push_back(x.tensor.getDefiningOp());
  return true;
}

bool SoftmaxMatcher::matchQuotient(const Element &weight, const Element &sum, unsigned j, Softmax &found) {
  Exponential e;
  if (!matchExponential(weight, j, e, found))
    return false;
  found.enters = e.score;
  auto isSum = [&](const Element &total) {
    auto term = summand(total, j, "Sum", found);
    return term && reader.equal(*term, weight);
  };
  if (isSum(sum))
    return true;
  Element s = reader.rootOfFloat(sum);
  auto terms = reader.operatorOf(s) == "Add" ? reader.operandsOf(s) : std::nullopt;
  if (!terms)
    return false;
  found.nodes.push_back(s.tensor.getDefiningOp());
  for (int k : {0, 1})
    if (!reader.depends((*terms)[1 - k], j) && isSum((*terms)[k]))
      return takeSink((*terms)[1 - k], e, found);
  return false;
}

bool SoftmaxMatcher::matchFactor(const Element &weight, const Element &factor, unsigned j, Softmax &found) {
  Element f = reader.rootOfFloat(factor);
  StringRef name = reader.operatorOf(f);
  auto operands = reader.operandsOf(f);
  if (!operands)
    return false;
  found.nodes.push_back(f.tensor.getDefiningOp());
  if (name == "Reciprocal")
    return matchQuotient(weight, (*operands)[0], j, found);
  if (name == "Div" && reader.number(reader.root((*operands)[0])) == 1.0)
    return matchQuotient(weight, (*operands)[1], j, found);
  if (name == "Pow" && reader.number(reader.root((*operands)[1])) == -1.0)
    return matchQuotient(weight, (*operands)[0], j, found);
  return false;
}

/// Softmax or LogSoftmax, of as many scores as there are j or of one more.
bool SoftmaxMatcher::matchOperator(const Element &e, unsigned j, Softmax &found) {
  Operation *softmax = e.tensor.getDefiningOp();
  int64_t axis = normalAxis(onnx::intAttr(softmax, "axis", -1), e.at.size());
  for (auto [k, index] : llvm::enumerate(e.at))
    if ((int64_t)k != axis && space.depends(index, j))
      return false;
  found.nodes.push_back(softmax);
  Exponential score{{softmax->getOperand(0), e.at}, std::nullopt, false};
  takeShift(score, j, found);
  found.enters = score.score;
  Subscript first = e.at[axis] - Subscript::atom(j), size = reader.dims(e.tensor)[axis];
  if (first.is(0) && size == space[j].n)
    return true;
  if ((!first.is(0) && !first.is(1)) || size != space[j].n + 1)
    return false;
  Element sink{softmax->getOperand(0), e.at};
  sink.at[axis] = first.is(0) ? space[j].n : Subscript(0);
  sink = reader.rootOfFloat(sink);
  if (score.shift) {
    auto terms = reader.operatorOf(sink) == "Sub" ? reader.operandsOf(sink) : std::nullopt;
    if (!terms || !reader.equal((*terms)[1], *score.shift))
      return false;
    sink = reader.rootOfFloat((*terms)[0]);
  }
  if (auto n = reader.number(sink))
    found.sinkNumber = *n;
  else
    found.sink = sink;
  // The scores must be found without it.
  return sink.tensor != reader.rootOfFloat(found.enters).tensor;
}

/// A logarithm of a weight: a score less the logarithm of the sum.
bool SoftmaxMatcher::matchLogarithm(const Element &given, unsigned j, Softmax &found) {
  Element e = reader.rootOfFloat(given);
  if (reader.operatorOf(e) == "LogSoftmax")
    return matchOperator(e, j, found);
  auto terms = reader.operatorOf(e) == "Sub" ? reader.operandsOf(e) : std::nullopt;
  if (!terms || reader.depends((*terms)[1], j))
    return false;
  found.nodes.push_back(e.tensor.getDefiningOp());
  const Element &score = (*terms)[0];
  Element less = reader.rootOfFloat((*terms)[1]);
  auto done = [&] {
    Exponential x{score, std::nullopt, false};
    takeShift(x, j, found);
    found.enters = x.score;
    return true;
  };
  auto isScore = [&](const std::optional<Element> &term) { return term && reader.equal(*term, score); };
  if (isScore(summand(less, j, "LogSumExp", found)))
    return done();
  auto exponentOf = [&](const std::optional<Element> &term) -> std::optional<Element> {
    Element x = term ? reader.rootOfFloat(*term) : Element();
    auto operands = term && reader.operatorOf(x) == "Exp" ? reader.operandsOf(x) : std::nullopt;
    return operands ? std::optional((*operands)[0]) : std::nullopt;
  };
  auto logged = [&](const Element &l) -> std::optional<Element> {
    Element x = reader.rootOfFloat(l);
    auto operands = reader.operatorOf(x) == "Log" ? reader.operandsOf(x) : std::nullopt;
    return operands ? exponentOf(summand((*operands)[0], j, "Sum", found)) : std::nullopt;
  };
  // s - log sum exp(s); s - (m + log sum exp(s - m))
  if (isScore(logged(less)))
    return done();
  auto parts = reader.operatorOf(less) == "Add" ? reader.operandsOf(less) : std::nullopt;
  for (int k : {0, 1}) {
    auto exponent = parts ? logged((*parts)[k]) : std::nullopt;
    Element x = exponent ? reader.rootOfFloat(*exponent) : Element();
    auto pieces = exponent && reader.operatorOf(x) == "Sub" ? reader.operandsOf(x) : std::nullopt;
    if (pieces && reader.equal((*pieces)[0], score) && reader.equal((*pieces)[1], (*parts)[1 - k])) {
      found.nodes.push_back(less.tensor.getDefiningOp());
      return done();
    }
  }
  return false;
}

bool SoftmaxMatcher::match(const Element &e, unsigned j, Softmax &found) {
  Element p = reader.rootOfFloat(e);
  StringRef name = reader.operatorOf(p);
  // The weights themselves, without that of a sink.
  found.probabilities = p;
  if (name == "Softmax") {
    if (!matchOperator(p, j, found))
      return false;
    for (Element view = e; (found.sink || found.sinkNumber) && view.tensor != p.tensor;) {
      found.probabilities = view;
      auto next = reader.throughView(view);
      bool whole = next && llvm::any_of(llvm::zip(next->at, reader.dims(next->tensor)), [&](auto axis) {
                     return std::get<0>(axis) == Subscript::atom(j) && std::get<1>(axis) == space[j].n;
                   });
      if (!whole)
        break;
      view = *next;
    }
    return true;
  }
  auto operands = reader.operandsOf(p);
  if (!operands)
    return false;
  Softmax saved = found;
  found.nodes.push_back(p.tensor.getDefiningOp());
  if (name == "Div" && matchQuotient((*operands)[0], (*operands)[1], j, found))
    return true;
  if (name == "Mul")
    for (int k : {0, 1}) {
      found = saved;
      found.nodes.push_back(p.tensor.getDefiningOp());
      if (matchFactor((*operands)[k], (*operands)[1 - k], j, found))
        return true;
    }
  if (name == "Exp")
    return matchLogarithm((*operands)[0], j, found);
  if (name == "Where" && reader.number(reader.root((*operands)[2])) == 0.0) {
    Softmax again;
    if (!match((*operands)[1], j, again) || !takeMaskAgain((*operands)[0], false, again))
      return false;
    again.probabilities = found.probabilities;
    again.nodes.append(found.nodes);
    found = again;
    return true;
  }
  if (name == "Where") { // rows without any key become zero
    if (reader.number(reader.root((*operands)[1])) != 0.0)
      return false;
    if (Softmax again; match((*operands)[2], j, again) && takeMaskAgain((*operands)[0], true, again)) {
      again.probabilities = found.probabilities;
      again.nodes.append(found.nodes);
      found = again;
      return true;
    }
    if (reader.number(reader.root((*operands)[0])) == 0.0) // there is no such row
      return match((*operands)[2], j, found);
    Softmax inner;
    if (!match((*operands)[2], j, inner) || inner.zeroRows || !isEmptyRow((*operands)[0], (*operands)[2], inner, j))
      return false;
    Element weights = found.probabilities;
    inner.nodes.append(found.nodes);
    found = inner;
    found.probabilities = weights;
    found.zeroRows = true;
    return true;
  }
  return false;
}

/// Weights that are made zero where the same condition has masked the scores: of use for rows without keys only.
bool SoftmaxMatcher::takeMaskAgain(const Element &condition, bool inverted, Softmax &found) {
  Element enters = reader.rootOfFloat(found.enters);
  auto operands = reader.operatorOf(enters) == "Where" ? reader.operandsOf(enters) : std::nullopt;
  if (!operands || found.sink || found.sinkNumber || found.zeroRows)
    return false;
  // So far below all scores that no weight is left where another key is allowed.
  auto least = reader.number(reader.rootOfFloat((*operands)[inverted ? 1 : 2]));
  if (!least || *least > -1e30 || !reader.equal((*operands)[0], condition))
    return false;
  Operation *op = enters.tensor.getDefiningOp();
  const Element &score = (*operands)[inverted ? 2 : 1];
  if (*least != -kInfinity) {
    Element where = masked({op->getOperand(0), {}}, {op->getOperand(inverted ? 2 : 1), score.at}, op, inverted);
    found.enters = {where.tensor, enters.at};
  }
  found.zeroRows = true;
  return true;
}

/// The condition holds exactly for rows in which every score is minus infinity: their softmax is not a number, or the
/// largest value of what is added to the scores is minus infinity.
bool SoftmaxMatcher::isEmptyRow(const Element &condition, const Element &softmax, Softmax &found, unsigned j) {
  Element c = reader.root(condition);
  auto operands = reader.operandsOf(c);
  if (!operands)
    return false;
  found.nodes.push_back(c.tensor.getDefiningOp());
  StringRef name = reader.operatorOf(c);
  if (name == "IsNaN")
    return reader.equal((*operands)[0], softmax);
  Element largest;
  if (name == "Equal" && reader.number(reader.rootOfFloat((*operands)[1])) == -kInfinity)
    largest = reader.rootOfFloat((*operands)[0]);
  else if (name == "IsInf" && onnx::intAttr(c.tensor.getDefiningOp(), "detect_negative", 1))
    largest = reader.rootOfFloat((*operands)[0]);
  else
    return false;
  auto max = reader.reduction(largest);
  if (!max || max->kind != "Max" || max->over.size() != 1 || space[max->over[0]].n != space[j].n)
    return false;
  found.nodes.push_back(largest.tensor.getDefiningOp());
  Element added = reader.rootOfFloat(reader.substitute(max->operand, {{max->over[0], Subscript::atom(j)}}));
  Element enters = reader.rootOfFloat(found.enters);
  if (reader.equal(added, enters))
    return true;
  auto terms = reader.operatorOf(enters) == "Add" ? reader.operandsOf(enters) : std::nullopt;
  return terms && llvm::any_of(*terms, [&](const Element &t) { return reader.equal(reader.rootOfFloat(t), added); });
}
