//===- ClosedFormTensors.cpp - operands and results of a closed form -------===//
#include "passes/raise/ClosedFormWriter.h"

using namespace mlir;
using namespace ssm;

Type ClosedFormWriter::resultType(ArrayRef<unsigned> over, Type scalar) {
  SmallVector<AffineExpr> sizes, exprs;
  for (unsigned it : over) {
    sizes.push_back(size(it));
    exprs.push_back(b.getAffineDimExpr(dims.lookup(it)));
  }
  maps.push_back(AffineMapAttr::get(AffineMap::get(order.size(), 0, exprs, b.getContext())));
  return onnx::withDims(scalar, sizes);
}

Value ClosedFormWriter::number(double v) {
  auto type = RankedTensorType::get({}, element);
  return onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, b.getFloatAttr(element, v)));
}

bool ClosedFormWriter::decayDepends(unsigned it) {
  return llvm::any_of(form.logDecay, [&](auto &d) { return reader.depends(reader.root(d.second), it); }) ||
         llvm::any_of(form.decay, [&](const Element &d) { return reader.depends(reader.root(d), it); }) ||
         llvm::any_of(form.constantDecay, [&](auto &c) { return c.head == it; });
}

AffineMap ClosedFormWriter::mapFor(Value v, ArrayRef<unsigned> over) {
  SmallVector<AffineExpr> exprs;
  for (auto [it, d] : llvm::zip(over, onnx::getDimExprs(cast<RankedTensorType>(v.getType()))))
    exprs.push_back(d == b.getAffineConstantExpr(1) && !space[it].n.is(1) ? b.getAffineConstantExpr(0)
                                                                          : b.getAffineDimExpr(dims.lookup(it)));
  return AffineMap::get(order.size(), 0, exprs, b.getContext());
}

Value ClosedFormWriter::combine(StringRef name, Value x, Value y) {
  auto a = cast<RankedTensorType>(x.getType()), c = cast<RankedTensorType>(y.getType());
  SmallVector<AffineExpr> sizes = onnx::getDimExprs(a), other = onnx::getDimExprs(c);
  for (auto [k, s] : llvm::enumerate(sizes))
    if (!other.empty() && s == b.getAffineConstantExpr(1))
      s = other[k];
  return make(name, {x, y}, onnx::withDims(a.getElementType(), sizes));
}

Value ClosedFormWriter::aligned(const Factor &f, ArrayRef<unsigned> over) {
  // The nearest view back whose axes are single iterators.
  std::optional<Operand> operand;
  for (std::optional<Element> e = f.e; e; e = reader.throughView(*e)) {
    auto layout = layoutOf(reader, *e);
    bool single = layout && llvm::all_of(*layout, [&](const Axis &a) {
                    return llvm::all_of(a.parts, [&](const Axis::Part &p) {
                      return p.divisor == 1 && llvm::is_contained(over, p.iterator);
                    });
                  });
    if (single)
      operand = Operand{e->tensor, *layout};
  }
  if (!operand)
    return {};
  SmallVector<unsigned> parts;
  for (const Axis &a : operand->layout)
    for (const Axis::Part &p : a.parts)
      parts.push_back(p.iterator);
  Value v = operand->tensor;
  Type type = cast<RankedTensorType>(v.getType()).getElementType();
  SmallVector<AffineExpr> sizes;
  for (unsigned it : parts)
    sizes.push_back(size(it));
  v = reshapeTo(b, loc, v, onnx::withDims(type, sizes));
  SmallVector<int64_t> perm;
  for (unsigned it : over)
    if (auto found = llvm::find(parts, it); found != parts.end())
      perm.push_back(found - parts.begin());
  if (!llvm::is_sorted(perm)) {
    SmallVector<AffineExpr> permuted;
    for (int64_t p : perm)
      permuted.push_back(sizes[p]);
    v = make("Transpose", v, onnx::withDims(type, permuted), b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
  }
  sizes.clear();
  for (unsigned it : over)
    sizes.push_back(llvm::is_contained(parts, it) ? size(it) : b.getAffineConstantExpr(1));
  v = reshapeTo(b, loc, v, onnx::withDims(type, sizes));
  v = castTo(b, loc, v, element);
  if (f.kind == Factor::Exponential) {
    if (f.coefficient != 1)
      v = make("Mul", {v, number(f.coefficient)}, v.getType());
    v = unary("Exp", v);
  } else if (f.kind == Factor::Reciprocal) {
    v = unary("Reciprocal", v);
  }
  return v;
}

Value ClosedFormWriter::product(ArrayRef<Factor> factors, ArrayRef<unsigned> over, double scale, AffineMap &map) {
  auto typeOf = [](const Factor &f) { return getElementTypeOrSelf(f.e.tensor.getType()); };
  if (factors.size() == 1 && factors[0].kind == Factor::Plain && (scale == 1 || typeOf(factors[0]) == element))
    if (auto operand = operandOf(reader, factors[0].e)) { // as it is
      bool known = llvm::all_of(operand->layout, [&](const Axis &a) {
        return llvm::all_of(a.parts, [&](const Axis::Part &p) { return llvm::is_contained(over, p.iterator); });
      });
      if (known) {
        AffineMap m;
        Value v = materialise(b, loc, space, *operand, {}, dims, m);
        map = AffineMap::get(order.size(), 0, m.getResults(), b.getContext());
        return scale == 1 ? v : make("Mul", {v, number(scale)}, v.getType());
      }
    }
  Value all;
  for (const Factor &f : factors) {
    Value v = aligned(f, over);
    if (!v)
      return {};
    all = all ? combine("Mul", all, v) : v;
  }
  if (!all)
    return {};
  if (scale != 1)
    all = make("Mul", {all, number(scale)}, all.getType());
  map = mapFor(all, over);
  return all;
}

Value ClosedFormWriter::logDecay(ArrayRef<unsigned> over, AffineMap &map) {
  if (form.logDecay.size() == 1 && form.logDecay[0].first == 1 && form.decay.empty() && form.constantDecay.empty())
    return product({Factor{form.logDecay[0].second}}, over, 1, map);
  Value sum;
  auto add = [&](Value v) { sum = sum ? combine("Add", sum, v) : v; };
  for (auto &[c, e] : form.logDecay) {
    Value v = aligned({e}, over);
    if (!v)
      return {};
    add(c == 1 ? v : make("Mul", {v, number(c)}, v.getType()));
  }
  for (const Element &e : form.decay) {
    Value v = aligned({e}, over);
    if (!v)
      return {};
    add(unary("Log", v));
  }
  for (auto &c : form.constantDecay) {
    SmallVector<int64_t> shape(over.size(), 1);
    if (c.head)
      shape[llvm::find(over, *c.head) - over.begin()] = c.log.size();
    auto type = RankedTensorType::get(shape, element);
    SmallVector<Attribute> values;
    for (double v : c.log)
      values.push_back(b.getFloatAttr(element, v));
    add(onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, values)));
  }
  if (sum)
    map = mapFor(sum, over);
  return sum;
}

/// Readers of the state at the last step get the final state.
void ClosedFormWriter::replaceLastStates(Value final, const Layout &layout) {
  const Element &state = *form.state;
  for (Operation &op : llvm::make_early_inc_range(*root->getBlock())) {
    StringRef name = op.getName().getStringRef();
    if ((name != "onnx.Gather" && name != "onnx.Slice") || op.use_empty() ||
        op.isBeforeInBlock(state.tensor.getDefiningOp()))
      continue;
    SmallVector<unsigned> iterators;
    Element e = reader.everyElement(op.getResult(0), iterators);
    while (e.tensor != state.tensor) {
      auto next = reader.throughView(e);
      if (!next)
        break;
      e = *next;
    }
    if (e.tensor != state.tensor)
      continue;
    // Every axis of the state: the last time, else the iterator of the result's axis.
    std::map<unsigned, Subscript> to;
    bool good = true;
    for (auto [mine, theirs] : llvm::zip(state.at, e.at)) {
      if (mine == Subscript::atom(form.time))
        good &= theirs == space[form.time].n - 1;
      else if (auto a = mine.asAtom())
        to[*a] = theirs;
      else
        good &= mine == theirs;
    }
    SmallVector<int64_t> perm;
    SmallVector<AffineExpr> sizes;
    for (unsigned it : iterators) {
      if (space[it].n.is(1))
        continue;
      std::optional<int64_t> axis;
      for (auto [k, a] : llvm::enumerate(layout))
        if (auto found = to.find(a.parts[0].iterator); found != to.end() && found->second == Subscript::atom(it))
          axis = k;
      if (!axis)
        good = false;
      else
        perm.push_back(*axis);
    }
    for (auto [k, a] : llvm::enumerate(layout))
      if (!llvm::is_contained(perm, (int64_t)k)) {
        good &= space[a.parts[0].iterator].n.is(1);
        perm.insert(perm.begin(), k);
      }
    if (!good)
      continue;
    for (int64_t p : perm)
      sizes.push_back(size(layout[p].parts[0].iterator));
    Value v = final;
    if (!llvm::is_sorted(perm))
      v = make("Transpose", v, onnx::withDims(element, sizes), b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
    op.getResult(0).replaceAllUsesWith(reshapeTo(b, loc, v, cast<RankedTensorType>(op.getResult(0).getType())));
    moved = true;
  }
}
