//===- ElementSums.cpp - contractions and reductions, element by element ---===//
// Every contraction is one normal form: a product of elements, summed over iterators. MatMul, Gemm, Einsum and a
// product under ReduceSum are spellings of it.
//===----------------------------------------------------------------------===//
#include "passes/raise/Elements.h"

using namespace mlir;
using namespace ssm;

std::optional<Contraction> ElementReader::matmul(Operation *op, const Element &e) {
  Value a = op->getOperand(0), b = op->getOperand(1);
  auto da = dims(a), db = dims(b), d = dims(e.tensor);
  if (da.empty() || db.empty())
    return std::nullopt;
  Subscript k = space.iterator(da.back());
  size_t matrix = (da.size() > 1) + (db.size() > 1), batch = d.size() - matrix;
  auto batchAt = [&](const std::vector<Subscript> &from, size_t count, std::vector<Subscript> &at) {
    for (size_t i = 0; i < count; ++i) {
      size_t j = batch - count + i;
      if (from[i] == d[j])
        at.push_back(e.at[j]);
      else if (from[i].is(1))
        at.push_back(0);
      else
        return false;
    }
    return true;
  };
  Contraction c;
  c.summed.push_back(*k.asAtom());
  Element x{a, {}}, y{b, {}};
  if (da.size() > 1) {
    if (!batchAt(da, da.size() - 2, x.at))
      return std::nullopt;
    x.at.push_back(e.at[batch]);
  }
  x.at.push_back(k);
  if (db.size() > 1) {
    if (!batchAt(db, db.size() - 2, y.at))
      return std::nullopt;
    y.at.push_back(k);
    y.at.push_back(e.at.back());
  } else {
    y.at.push_back(k);
  }
  c.factors = {x, y};
  return c;
}

std::optional<Contraction> ElementReader::einsum(Operation *op, const Element &e) {
  std::string equation;
  for (char ch : onnx::stringAttr(op, "equation"))
    if (!isspace((unsigned char)ch))
      equation.push_back(ch);
  if (StringRef(equation).contains('.'))
    return std::nullopt;
  auto [left, right] = StringRef(equation).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != op->getNumOperands())
    return std::nullopt;
  std::string result = right.str();
  if (!StringRef(equation).contains("->")) {
    // Letters that occur once, in order.
    std::string letters;
    for (char ch : left)
      if (isalpha((unsigned char)ch) && left.count(ch) == 1)
        letters.push_back(ch);
    llvm::sort(letters);
    result = letters;
  }
  std::map<char, Subscript> at, size;
  for (auto [i, ch] : llvm::enumerate(result)) {
    if (at.count(ch) || i >= e.at.size())
      return std::nullopt;
    at[ch] = e.at[i];
    size[ch] = dims(e.tensor)[i];
  }
  for (auto [v, term] : llvm::zip(op->getOperands(), terms)) {
    auto d = dims(v);
    if (d.size() != term.size())
      return std::nullopt;
    for (auto [i, ch] : llvm::enumerate(term))
      if (!size.count(ch) || size[ch].is(1))
        size[ch] = d[i];
  }
  Contraction c;
  for (auto [v, term] : llvm::zip(op->getOperands(), terms)) {
    auto d = dims(v);
    Element x{v, {}};
    for (auto [i, ch] : llvm::enumerate(term)) {
      if (!at.count(ch)) {
        at[ch] = space.iterator(size[ch]);
        c.summed.push_back(*at[ch].asAtom());
      }
      if (d[i] != size[ch] && !d[i].is(1))
        return std::nullopt;
      x.at.push_back(d[i].is(1) && !size[ch].is(1) ? Subscript(0) : at[ch]);
    }
    c.factors.push_back(x);
  }
  return c;
}

std::optional<Contraction> ElementReader::contraction(const Element &e) {
  StringRef name = operatorOf(e);
  Operation *op = e.tensor.getDefiningOp();
  if (name == "MatMul")
    return matmul(op, e);
  if (name == "Einsum")
    return einsum(op, e);
  if (name == "Gemm") {
    if (!onnx::isNone(op->getOperand(2)) && number({op->getOperand(2), {}}) != 0.0 &&
        onnx::floatAttr(op, "beta", 1) != 0)
      return std::nullopt;
    Value a = op->getOperand(0), b = op->getOperand(1);
    bool ta = onnx::intAttr(op, "transA"), tb = onnx::intAttr(op, "transB");
    Subscript k = space.iterator(dims(a)[ta ? 0 : 1]);
    Contraction c;
    c.scale = onnx::floatAttr(op, "alpha", 1);
    c.summed.push_back(*k.asAtom());
    c.factors = {ta ? Element{a, {k, e.at[0]}} : Element{a, {e.at[0], k}},
                 tb ? Element{b, {e.at[1], k}} : Element{b, {k, e.at[1]}}};
    return c;
  }
  auto sum = reduction(e);
  if (!sum || sum->kind != "Sum")
    return std::nullopt;
  Element product = root(sum->operand);
  if (operatorOf(product) != "Mul")
    return std::nullopt;
  auto operands = operandsOf(product);
  if (!operands)
    return std::nullopt;
  Contraction c;
  c.summed = sum->over;
  c.factors = *operands;
  return c;
}

std::optional<Reduction> ElementReader::reduction(const Element &e) {
  StringRef kind = operatorOf(e);
  Operation *op = e.tensor.getDefiningOp();
  if (!kind.consume_front("Reduce"))
    return std::nullopt;
  Value x = op->getOperand(0);
  auto d = dims(x);
  std::vector<bool> reduced(d.size(), false);
  if (op->getNumOperands() < 2 || onnx::isNone(op->getOperand(1))) {
    if (onnx::intAttr(op, "noop_with_empty_axes"))
      return std::nullopt;
    reduced.assign(d.size(), true);
  } else {
    auto axes = integers(op->getOperand(1));
    if (!axes || axes->empty())
      return std::nullopt;
    for (const Subscript &a : *axes) {
      auto c = a.constant();
      if (!c)
        return std::nullopt;
      reduced[*c < 0 ? *c + d.size() : *c] = true;
    }
  }
  bool keep = onnx::intAttr(op, "keepdims", 1);
  Reduction r{kind, {}, {x, {}}};
  size_t next = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    if (!reduced[i]) {
      r.operand.at.push_back(e.at[next++]);
      continue;
    }
    next += keep;
    r.operand.at.push_back(space.iterator(d[i]));
    r.over.push_back(*r.operand.at.back().asAtom());
  }
  return r;
}
