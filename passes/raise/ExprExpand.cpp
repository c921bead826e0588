//===- ExprExpand.cpp - values to expressions ------------------------------===//
// One rule per family of operators. A value without a rule, or in a case that a rule does not cover, is read as it is.
//===----------------------------------------------------------------------===//
#include "mlir/IR/Matchers.h"
#include "passes/lower/Registry.h"
#include "passes/raise/Expr.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr uint32_t kMaxDepth = 1000;
constexpr unsigned kMaxPieces = 8;

RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }
StringRef nameOf(Operation *op) { return op->getName().stripDialect(); }
bool isPresent(Operation *op, unsigned i) { return i < op->getNumOperands() && !onnx::isNone(op->getOperand(i)); }
} // namespace

bool ssm::isMovement(Operation *op) {
  static constexpr StringRef names[] = {"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand",
                                        "Slice",    "Gather",    "Concat",  "Pad",     "Split",   "Tile"};
  return llvm::is_contained(names, nameOf(op));
}

SmallVector<AffineExpr> Exprs::dimsOf(Value v) {
  SmallVector<AffineExpr> dims = onnx::getDimExprs(typeOf(v));
  if (!assumed.empty())
    for (AffineExpr &d : dims)
      if (!isa<AffineConstantExpr>(d))
        d = simplified(d.replace(assumed));
  return dims;
}

ExprRef Exprs::at(Value v, ArrayRef<AffineExpr> given) {
  Indices indices;
  for (auto [i, e] : llvm::enumerate(given)) {
    bool single = typeOf(v) && typeOf(v).getDimSize(i) == 1;
    indices.push_back(single ? number(0) : simplified(e));
  }
  auto it = memo.find({v, ArrayRef<AffineExpr>(indices)});
  if (it != memo.end())
    return it->second;
  ExprRef r = nullptr;
  if (typeOf(v) && depth < kMaxDepth && budget > 0 && !opaque.contains(v) && !(isLeaf && isLeaf(v))) {
    ++depth;
    r = expand(v, indices);
    --depth;
  }
  if (!r)
    r = read(v, indices);
  memo[{v, ArrayRef<AffineExpr>(indices).copy(allocator)}] = r;
  return r;
}

SmallVector<std::pair<Value, ArrayRef<AffineExpr>>> Exprs::placesOf(ExprRef e) const {
  SmallVector<std::pair<Value, ArrayRef<AffineExpr>>> out;
  for (auto &[place, found] : memo)
    if (found == e)
      out.push_back(place);
  llvm::sort(out, [](auto &a, auto &b) {
    auto p = dyn_cast<BlockArgument>(a.first), q = dyn_cast<BlockArgument>(b.first);
    if (p && q && p != q)
      return p.getArgNumber() < q.getArgNumber();
    if (p || q)
      return p && !q;
    Operation *x = a.first.getDefiningOp(), *y = b.first.getDefiningOp();
    return x == y ? cast<OpResult>(a.first).getResultNumber() < cast<OpResult>(b.first).getResultNumber()
                  : x->getBlock() == y->getBlock() && x->isBeforeInBlock(y);
  });
  return out;
}

ExprRef Exprs::definition(Value v, ArrayRef<AffineExpr> indices) {
  ExprRef r = expand(v, indices);
  return r ? r : read(v, indices);
}

AffineExpr Exprs::indexValue(Value v, int64_t element) {
  auto type = typeOf(v);
  if (!type || !isa<IntegerType>(type.getElementType()) || type.getRank() > 1)
    return {};
  Indices indices;
  if (type.getRank())
    indices.push_back(number(element));
  ExprRef e = at(v, indices);
  if (e->kind == Expr::Kind::Index)
    return e->indices[0];
  if (e->kind == Expr::Kind::Constant)
    return number((int64_t)e->number);
  return {};
}

ExprRef Exprs::expand(Value v, ArrayRef<AffineExpr> indices) {
  Operation *op = v.getDefiningOp();
  if (!op)
    return argument ? argument(v, indices) : nullptr;
  if (op->getNumRegions())
    return argument ? argument(v, indices) : nullptr;
  StringRef name = nameOf(op);
  if (name == "Constant")
    return expandConstant(v, indices);
  if (auto dims = dyn_cast<onnx::DimsOp>(op)) {
    if (indices.empty())
      return index(dims.getMap().getResult(0), typeOf(v).getElementType());
    if (auto c = dyn_cast<AffineConstantExpr>(indices[0]); c && c.getValue() < dims.getMap().getNumResults())
      return index(dims.getMap().getResult(c.getValue()), typeOf(v).getElementType());
    return nullptr;
  }
  for (Value o : op->getOperands())
    if (!onnx::isNone(o) && !typeOf(o))
      return nullptr;
  if (ExprRef r = expandMovement(op, cast<OpResult>(v).getResultNumber(), indices))
    return r;
  if (expands && !expands(op))
    return nullptr;
  if (name == "ScatterElements" || name == "ScatterND")
    return expandScatter(op, indices);
  if (name == "MatMul" || name == "Gemm")
    return expandContraction(op, indices);
  if (name == "Einsum")
    return expandEinsum(op, indices);
  if (name.starts_with("Reduce"))
    return expandReduction(op, indices);
  if (name == "CumSum")
    return cumulative ? expandCumulative(op, indices) : nullptr;
  return expandElementwise(op, indices);
}

std::optional<Indices> Exprs::broadcast(Value operand, ArrayRef<AffineExpr> resultDims, ArrayRef<AffineExpr> indices) {
  SmallVector<AffineExpr> dims = dimsOf(operand);
  if (dims.size() > resultDims.size())
    return std::nullopt;
  Indices out;
  size_t shift = resultDims.size() - dims.size();
  for (auto [i, d] : llvm::enumerate(dims)) {
    if (d == resultDims[i + shift])
      out.push_back(indices[i + shift]);
    else if (d == number(1))
      out.push_back(number(0));
    else
      return std::nullopt;
  }
  return out;
}

ExprRef Exprs::expandElementwise(Operation *op, ArrayRef<AffineExpr> indices) {
  const Lowering *lowering = Registry::get().lookup(op);
  if (!lowering || !lowering->element || lowering->align || op->getNumResults() != 1)
    return nullptr;
  SmallVector<AffineExpr> dims = dimsOf(op->getResult(0));
  SmallVector<ExprRef> operands;
  for (Value o : op->getOperands()) {
    if (onnx::isNone(o)) {
      operands.push_back(nullptr);
      continue;
    }
    auto where = broadcast(o, dims, indices);
    if (!where)
      return nullptr;
    operands.push_back(at(o, *where));
  }
  return this->op(nameOf(op), operands, typeOf(op->getResult(0)).getElementType(), op);
}

//===- contractions --------------------------------------------------------===//

ExprRef Exprs::expandContraction(Operation *op, ArrayRef<AffineExpr> indices) {
  Value x = op->getOperand(0), y = op->getOperand(1);
  Type element = typeOf(x).getElementType();
  if (!isa<FloatType>(element))
    return nullptr;
  SmallVector<AffineExpr> xDims = dimsOf(x), yDims = dimsOf(y), dims = dimsOf(op->getResult(0));
  if (nameOf(op) == "Gemm") {
    bool transA = onnx::intAttr(op, "transA"), transB = onnx::intAttr(op, "transB");
    AffineExpr k = iterator(xDims[transA ? 0 : 1]);
    ExprRef a = transA ? at(x, {k, indices[0]}) : at(x, {indices[0], k});
    ExprRef b = transB ? at(y, {indices[1], k}) : at(y, {k, indices[1]});
    ExprRef r = mul(reduce("ReduceSum", {k}, mul(a, b)), constant(onnx::floatAttr(op, "alpha", 1), element));
    if (!isPresent(op, 2))
      return r;
    auto where = broadcast(op->getOperand(2), dims, indices);
    return where ? add(r, mul(at(op->getOperand(2), *where), constant(onnx::floatAttr(op, "beta", 1), element))) : nullptr;
  }
  // MatMul: a vector has no row or no column.
  bool rowless = xDims.size() == 1, columnless = yDims.size() == 1;
  size_t batch = dims.size() - !rowless - !columnless;
  AffineExpr k = iterator(xDims.back());
  auto operand = [&](Value v, ArrayRef<AffineExpr> vDims, ArrayRef<AffineExpr> tail) -> ExprRef {
    size_t own = vDims.size() - tail.size();
    Indices where;
    for (size_t i = 0; i < own; ++i) {
      size_t j = batch - own + i;
      if (vDims[i] != dims[j] && vDims[i] != number(1))
        return nullptr;
      where.push_back(vDims[i] == dims[j] ? indices[j] : number(0));
    }
    where.append(tail.begin(), tail.end());
    return at(v, where);
  };
  Indices xTail, yTail;
  if (!rowless)
    xTail.push_back(indices[batch]);
  xTail.push_back(k);
  yTail.push_back(k);
  if (!columnless)
    yTail.push_back(indices.back());
  ExprRef a = operand(x, xDims, xTail), b = operand(y, yDims, yTail);
  return a && b ? reduce("ReduceSum", {k}, mul(a, b)) : nullptr;
}

ExprRef Exprs::expandEinsum(Operation *op, ArrayRef<AffineExpr> indices) {
  std::string equation = onnx::stringAttr(op, "equation").str();
  llvm::erase(equation, ' ');
  auto [left, right] = StringRef(equation).split("->");
  if (StringRef(equation).contains("...") || !StringRef(equation).contains("->") || right.size() != indices.size())
    return nullptr;
  DenseMap<char, AffineExpr> letters;
  for (auto [letter, i] : llvm::zip(right, indices))
    letters[letter] = i;
  SmallVector<StringRef> terms;
  left.split(terms, ",");
  Indices summed;
  SmallVector<ExprRef> factors;
  for (auto [n, term] : llvm::enumerate(terms)) {
    SmallVector<AffineExpr> dims = dimsOf(op->getOperand(n));
    if (term.size() != dims.size())
      return nullptr;
    for (auto [letter, d] : llvm::zip(term, dims))
      if (!letters.count(letter) && d != number(1))
        summed.push_back(letters[letter] = iterator(d));
  }
  for (auto [n, term] : llvm::enumerate(terms)) {
    Indices where;
    for (auto [letter, d] : llvm::zip(term, dimsOf(op->getOperand(n))))
      where.push_back(d == number(1) ? number(0) : letters.lookup(letter));
    factors.push_back(at(op->getOperand(n), where));
  }
  Type element = typeOf(op->getResult(0)).getElementType();
  return isa<FloatType>(element) ? reduce("ReduceSum", summed, product(factors, element)) : nullptr;
}

ExprRef Exprs::expandReduction(Operation *op, ArrayRef<AffineExpr> indices) {
  StringRef name = nameOf(op);
  static constexpr StringRef known[] = {"ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceSumSquare"};
  if (!llvm::is_contained(known, name))
    return nullptr;
  SmallVector<AffineExpr> dims = dimsOf(op->getOperand(0));
  llvm::SmallDenseSet<int64_t> axes;
  if (isPresent(op, 1)) {
    auto values = onnx::intValues(op->getOperand(1));
    if (!values)
      return nullptr;
    for (int64_t a : *values)
      axes.insert(normalAxis(a, dims.size()));
  }
  if (axes.empty()) {
    if (onnx::intAttr(op, "noop_with_empty_axes"))
      return nullptr;
    for (size_t i = 0; i < dims.size(); ++i)
      axes.insert(i);
  }
  bool kept = onnx::intAttr(op, "keepdims", 1);
  Indices where, over;
  size_t next = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (axes.contains(i)) {
      over.push_back(iterator(dims[i]));
      where.push_back(over.back());
      next += kept;
    } else {
      where.push_back(indices[next++]);
    }
  }
  ExprRef body = at(op->getOperand(0), where);
  if (name == "ReduceSumSquare")
    return reduce("ReduceSum", over, mul(body, body));
  if (name != "ReduceMean")
    return reduce(name, over, body);
  // A mean over static sizes is a scaled sum.
  int64_t count = 1;
  for (AffineExpr i : over) {
    auto size = dyn_cast<AffineConstantExpr>(sizeOf(i));
    if (!size)
      return nullptr;
    count *= size.getValue();
  }
  return op->getResult(0).getType() && count ? mul(reduce("ReduceSum", over, body), constant(1.0 / count, body->type)) : nullptr;
}

ExprRef Exprs::expandCumulative(Operation *op, ArrayRef<AffineExpr> indices) {
  auto axes = onnx::intValues(op->getOperand(1));
  if (!axes || axes->size() != 1)
    return nullptr;
  int64_t axis = normalAxis(axes->front(), indices.size());
  AffineExpr r = iterator(dimsOf(op->getOperand(0))[axis]);
  AffineExpr distance = onnx::intAttr(op, "reverse") ? r - indices[axis] : indices[axis] - r;
  Indices where(indices);
  where[axis] = r;
  ExprRef body = at(op->getOperand(0), where);
  return reduce("ReduceSum", {r}, select({distance - onnx::intAttr(op, "exclusive")}, body, constant(0, body->type)));
}

//===- movement ------------------------------------------------------------===//

ExprRef Exprs::expandMovement(Operation *op, unsigned result, ArrayRef<AffineExpr> indices) {
  StringRef name = nameOf(op);
  if (!op->getNumOperands())
    return nullptr;
  Value x = op->getOperand(0);
  if (name == "Identity")
    return at(x, indices);
  if (name == "Transpose") {
    SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
    if (!op->hasAttr("perm"))
      for (int64_t i = indices.size() - 1; i >= 0; --i)
        perm.push_back(i);
    Indices where(indices.size());
    for (auto [i, p] : llvm::enumerate(perm))
      where[p] = indices[i];
    return at(x, where);
  }
  if (name == "Reshape" || name == "Flatten" || name == "Squeeze" || name == "Unsqueeze")
    return expandReshape(op, indices);
  if (name == "Expand") {
    auto where = broadcast(x, dimsOf(op->getResult(0)), indices);
    return where ? at(x, *where) : nullptr;
  }
  if (name == "Slice")
    return expandSlice(op, indices);
  if (name == "Gather")
    return expandGather(op, indices);
  if (name == "Concat")
    return expandConcat(op, indices);
  if (name == "Pad")
    return expandPad(op, indices);
  if (name == "Split") {
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), indices.size());
    Indices where(indices);
    for (unsigned i = 0; i < result; ++i) {
      auto type = typeOf(op->getResult(i));
      if (!type)
        return nullptr;
      where[axis] = where[axis] + onnx::getDimExpr(type, axis);
    }
    return at(x, where);
  }
  if (name == "Tile") {
    Indices where;
    SmallVector<AffineExpr> from = dimsOf(x), to = dimsOf(op->getResult(0));
    for (auto [i, f, t] : llvm::zip(indices, from, to))
      where.push_back(f == t ? i : f == number(1) ? number(0) : modulo(i, f));
    return at(x, where);
  }
  Type element = typeOf(op->getResult(result)) ? typeOf(op->getResult(result)).getElementType() : Type();
  if (name == "Trilu") {
    AffineExpr k = isPresent(op, 1) ? indexValue(op->getOperand(1)) : number(0);
    size_t n = indices.size();
    if (!k)
      return nullptr;
    AffineExpr above = indices[n - 1] - indices[n - 2] - k;
    return select({onnx::intAttr(op, "upper", 1) ? above : -above}, at(x, indices), constant(0, element));
  }
  if (name == "EyeLike") {
    AffineExpr off = indices[1] - indices[0] - onnx::intAttr(op, "k");
    return select({off, -off}, constant(1, element), constant(0, element));
  }
  if (name == "Range") {
    AffineExpr start = indexValue(x), delta = indexValue(op->getOperand(2));
    if (!start || !delta || !delta.isSymbolicOrConstant())
      return nullptr;
    return index(start + indices[0] * delta, element);
  }
  if (name == "ConstantOfShape") {
    auto value = op->getAttrOfType<DenseElementsAttr>("value");
    if (!value)
      return constant(0, element);
    if (auto f = dyn_cast<FloatType>(element))
      return constant(value.getSplatValue<APFloat>().convertToDouble(), element);
    return constant(value.getSplatValue<APInt>().getSExtValue(), element);
  }
  return nullptr;
}

namespace {
/// Product of sizes as a constant and symbolic factors.
struct Product {
  int64_t constant = 1;
  SmallVector<AffineExpr> factors;
  void multiply(AffineExpr e) {
    if (auto c = dyn_cast<AffineConstantExpr>(e))
      constant *= c.getValue();
    else if (auto b = dyn_cast<AffineBinaryOpExpr>(e); b && e.getKind() == AffineExprKind::Mul)
      multiply(b.getLHS()), multiply(b.getRHS());
    else
      factors.push_back(e);
  }
  bool operator==(const Product &other) const {
    return constant == other.constant && factors.size() == other.factors.size() &&
           std::is_permutation(factors.begin(), factors.end(), other.factors.begin());
  }
};
Product productOf(ArrayRef<AffineExpr> dims) {
  Product p;
  for (AffineExpr d : dims)
    p.multiply(d);
  return p;
}
} // namespace

ExprRef Exprs::expandReshape(Operation *op, ArrayRef<AffineExpr> indices) {
  Value x = op->getOperand(0);
  SmallVector<AffineExpr> from = dimsOf(x), to = dimsOf(op->getResult(0));
  Indices where(from.size(), number(0));
  // Dims of size 1 say nothing; what is left is cut into the smallest groups of equal products.
  SmallVector<unsigned> source, target;
  for (auto [i, d] : llvm::enumerate(from))
    if (d != number(1))
      source.push_back(i);
  for (auto [i, d] : llvm::enumerate(to))
    if (d != number(1))
      target.push_back(i);
  auto sizes = [&](ArrayRef<unsigned> which, ArrayRef<AffineExpr> dims) {
    SmallVector<AffineExpr> out;
    for (unsigned i : which)
      out.push_back(dims[i]);
    return out;
  };
  auto group = [&](ArrayRef<unsigned> s, ArrayRef<unsigned> t) {
    AffineExpr position = number(0), stride = number(1);
    for (unsigned i : llvm::reverse(t)) {
      position = position + indices[i] * stride;
      stride = stride * to[i];
    }
    for (auto [n, i] : llvm::enumerate(llvm::reverse(s))) {
      bool first = n + 1 == s.size();
      where[i] = first ? simplified(position) : modulo(simplified(position), from[i]);
      if (!first)
        position = floorDiv(simplified(position), from[i]);
    }
  };
  ArrayRef<unsigned> s = source, t = target;
  while (!s.empty() && !t.empty()) {
    bool found = false;
    for (size_t total = 2; total <= s.size() + t.size() && !found; ++total)
      for (size_t a = 1; a < total && !found; ++a) {
        size_t b = total - a;
        if (a > s.size() || b > t.size() || (a == s.size()) != (b == t.size()))
          continue;
        // Whatever is left at the end has the same product on both sides.
        if (a != s.size() && !(productOf(sizes(s.take_front(a), from)) == productOf(sizes(t.take_front(b), to))))
          continue;
        group(s.take_front(a), t.take_front(b));
        s = s.drop_front(a);
        t = t.drop_front(b);
        found = true;
      }
    if (!found)
      return nullptr;
  }
  if (!s.empty() || !t.empty())
    return nullptr;
  return at(x, where);
}

ExprRef Exprs::expandSlice(Operation *op, ArrayRef<AffineExpr> indices) {
  Value x = op->getOperand(0);
  SmallVector<AffineExpr> dims = dimsOf(x), result = dimsOf(op->getResult(0));
  auto starts = typeOf(op->getOperand(1));
  if (!starts.hasStaticShape())
    return nullptr;
  std::optional<SmallVector<int64_t>> axes;
  if (isPresent(op, 3)) {
    axes = onnx::intValues(op->getOperand(3));
    if (!axes)
      return nullptr;
  }
  Indices where(indices);
  for (int64_t n = 0; n < starts.getDimSize(0); ++n) {
    int64_t axis = axes ? normalAxis((*axes)[n], dims.size()) : n;
    AffineExpr start = indexValue(op->getOperand(1), n);
    AffineExpr step = isPresent(op, 4) ? indexValue(op->getOperand(4), n) : number(1);
    auto by = step ? dyn_cast<AffineConstantExpr>(step) : AffineConstantExpr();
    if (!start || !by)
      return nullptr;
    auto first = dyn_cast<AffineConstantExpr>(start);
    auto size = dyn_cast<AffineConstantExpr>(dims[axis]);
    auto kept = dyn_cast<AffineConstantExpr>(result[axis]);
    if (by.getValue() > 0) {
      if (first && first.getValue() < 0) {
        // From the end; a tensor shorter than that starts at 0.
        if (size)
          start = number(std::max<int64_t>(0, first.getValue() + size.getValue()));
        else if (first.getValue() == -1 || (kept && kept.getValue() >= -first.getValue()))
          start = dims[axis] + first.getValue();
        else if (first.getValue() < -(int64_t(1) << 30))
          start = number(0);
        else
          return nullptr;
      } else if (!isNonNegative(start)) {
        return nullptr;
      }
      where[axis] = start + indices[axis] * by.getValue();
      continue;
    }
    // Backwards: from the last element, or from a place that is surely inside.
    bool last = first && (first.getValue() == -1 || first.getValue() >= (int64_t(1) << 30));
    if (size && first && first.getValue() >= size.getValue() - 1)
      last = true;
    if (last)
      start = dims[axis] - 1;
    else if (first && first.getValue() < 0 && isNonNegative(dims[axis] + first.getValue()))
      start = dims[axis] + first.getValue();
    else if (simplified(start - dims[axis] + 1) != number(0) && !(size && first && first.getValue() >= 0))
      return nullptr;
    where[axis] = start + indices[axis] * by.getValue();
  }
  return at(x, where);
}

ExprRef Exprs::expandGather(Operation *op, ArrayRef<AffineExpr> indices) {
  Value x = op->getOperand(0), which = op->getOperand(1);
  SmallVector<AffineExpr> dims = dimsOf(x);
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), dims.size()), count = typeOf(which).getRank();
  ExprRef i = at(which, indices.slice(axis, count));
  AffineExpr position;
  if (i->kind == Expr::Kind::Index)
    position = i->indices[0];
  else if (i->kind == Expr::Kind::Constant)
    position = number((int64_t)i->number);
  else
    return nullptr;
  if (auto c = dyn_cast<AffineConstantExpr>(position); c && c.getValue() < 0)
    position = dims[axis] + c.getValue();
  else if (!isNonNegative(position))
    return nullptr;
  Indices where(indices.take_front(axis));
  where.push_back(position);
  where.append(indices.begin() + axis + count, indices.end());
  return at(x, where);
}

ExprRef Exprs::expandConcat(Operation *op, ArrayRef<AffineExpr> indices) {
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), indices.size());
  AffineExpr start = number(0);
  SmallVector<std::pair<Value, AffineExpr>> open; // pieces that the index may be in, with their starts
  for (Value v : op->getOperands()) {
    AffineExpr end = start + dimsOf(v)[axis];
    bool before = isNonNegative(indices[axis] - end), after = isNonNegative(start - 1 - indices[axis]);
    if (!before && !after && dimsOf(v)[axis] != number(0))
      open.push_back({v, start});
    if (after || open.size() > kMaxPieces)
      break;
    start = simplified(end);
  }
  if (open.empty() || open.size() > kMaxPieces || (open.size() > 1 && !(expands && expands(op))))
    return nullptr;
  auto piece = [&](std::pair<Value, AffineExpr> p) {
    Indices where(indices);
    where[axis] = simplified(indices[axis] - p.second);
    return at(p.first, where);
  };
  ExprRef r = piece(open.back());
  for (size_t n = open.size() - 1; n-- > 0;)
    r = select({open[n + 1].second - 1 - indices[axis]}, piece(open[n]), r);
  return r;
}

ExprRef Exprs::expandPad(Operation *op, ArrayRef<AffineExpr> indices) {
  Value x = op->getOperand(0);
  if (onnx::stringAttr(op, "mode", "constant") != "constant")
    return nullptr;
  SmallVector<AffineExpr> dims = dimsOf(x);
  SmallVector<int64_t> axes;
  if (isPresent(op, 3)) {
    auto values = onnx::intValues(op->getOperand(3));
    if (!values)
      return nullptr;
    for (int64_t a : *values)
      axes.push_back(normalAxis(a, dims.size()));
  } else {
    for (size_t i = 0; i < dims.size(); ++i)
      axes.push_back(i);
  }
  Indices where(indices), inside;
  for (auto [n, axis] : llvm::enumerate(axes)) {
    AffineExpr before = indexValue(op->getOperand(1), n);
    if (!before)
      return nullptr;
    where[axis] = simplified(indices[axis] - before);
    inside.push_back(where[axis]);
    inside.push_back(dims[axis] - 1 - where[axis]);
  }
  Type element = typeOf(x).getElementType();
  ExprRef fill = isPresent(op, 2) ? at(op->getOperand(2), Indices(typeOf(op->getOperand(2)).getRank(), number(0)))
                                  : constant(0, element);
  bool surely = llvm::all_of(inside, [&](AffineExpr e) { return isNonNegative(e); }) ||
                llvm::any_of(inside, [&](AffineExpr e) { return isNonNegative(-e - 1); });
  return surely || (expands && expands(op)) ? select(inside, at(x, where), fill) : nullptr;
}
