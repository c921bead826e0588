//===- ClosedFormStabiliser.cpp - maxima and normalisers beside a sum ------===//
// An exponential gate comes with a running maximum, which keeps the exponentials finite, and with a normaliser, the sum
// of the same decays and keys without values:
//
//   D(t, s) = cs(t) - cs(s) + gate(s) for s <= t       m(t) = max over s of D(t, s)
//   h(t) = sum over s of q(t) k(s) exp(D(t, s) - m(t)) v(s)      n(t) = sum over s of q(t) k(s) exp(D(t, s) - m(t))
//
// The maximum is the log_scale of the one ssm.semiseparable that gives h, the normaliser one more column of its values.
// Neither is computed by itself, since the sums apart would have exponentials that nothing keeps finite.
//===----------------------------------------------------------------------===//
#include "mlir/Analysis/SliceAnalysis.h"
#include "passes/raise/ClosedFormWriter.h"

using namespace mlir;
using namespace ssm;

static bool sameFactors(ElementReader &reader, ArrayRef<Factor> a, ArrayRef<Factor> b) {
  SmallVector<Factor> rest(b);
  for (const Factor &f : a) {
    auto *at = llvm::find_if(rest, [&](const Factor &g) {
      return f.kind == g.kind && (f.kind != Factor::Exponential || f.coefficient == g.coefficient) &&
             reader.equal(f.e, g.e);
    });
    if (at == rest.end())
      return false;
    rest.erase(at);
  }
  return rest.empty();
}

bool ClosedForm::sameDecay(const ClosedForm &other) {
  auto in = [&](const auto &list, auto same) { return llvm::any_of(list, same); };
  return logDecay.size() == other.logDecay.size() && decay.size() == other.decay.size() &&
         constantDecay.size() == other.constantDecay.size() &&
         llvm::all_of(logDecay,
                      [&](auto &d) {
                        return in(other.logDecay,
                                  [&](auto &o) { return d.first == o.first && reader.equal(d.second, o.second); });
                      }) &&
         llvm::all_of(
             decay,
             [&](const Element &d) { return in(other.decay, [&](const Element &o) { return reader.equal(d, o); }); }) &&
         llvm::all_of(constantDecay, [&](const Constant &d) {
           return in(other.constantDecay, [&](const Constant &o) { return d.head == o.head && d.log == o.log; });
         });
}

bool ClosedForm::matchMaximum(const Element &e, const ClosedForm &of) {
  Element at = plain(reader, e);
  auto r = reader.reduction(at);
  if (!r || r->kind != "Max")
    return false;
  time = of.time;
  outer = of.outer;
  std::map<unsigned, Subscript> ones;
  for (unsigned it : r->over)
    if (space[it].n == space[time].n && !haveSource && !space[it].n.is(1))
      source = it, haveSource = true;
    else if (space[it].n.is(1))
      ones[it] = 0;
    else
      return false;
  nodes.push_back(at.tensor.getDefiningOp());
  return haveSource && exponent(reader.substitute(r->operand, ones), 1, 16) && finish() && scale == 1 && left.empty() &&
         !initial && states.empty();
}

bool ClosedForm::matchSum(const Element &e, const ClosedForm &beside) {
  time = beside.time;
  outer = beside.outer;
  if (!temporal(e, 8))
    return false;
  budget = 200;
  if (!top(e, 24) || !haveSource || !finish() || initial || states.size() != 1 || beside.states.size() != 1 ||
      space[states[0]].n != space[beside.states[0]].n)
    return false;
  std::map<unsigned, Subscript> rename = {{states[0], Subscript::atom(beside.states[0])}};
  for (auto *list : {&left, &right})
    for (Factor &f : *list)
      f.e = reader.substitute(f.e, rename);
  for (auto &d : logDecay)
    d.second = reader.substitute(d.second, rename);
  for (Element &d : decay)
    d = reader.substitute(d, rename);
  states = beside.states;
  return true;
}

/// Iterator of each axis that is longer than one; none where an axis is anything else.
static std::optional<SmallVector<unsigned>> axesOf(ElementReader &reader, const Element &e) {
  SmallVector<unsigned> axes;
  for (auto [at, n] : llvm::zip(e.at, reader.dims(e.tensor))) {
    auto atom = at.asAtom();
    if (atom && reader.space.isIterator(*atom) && reader.space[*atom].n == n && !llvm::is_contained(axes, *atom))
      axes.push_back(*atom);
    else if (!at.is(0) || !n.is(1))
      return std::nullopt;
  }
  return axes;
}

Value ClosedFormWriter::transposed(Value v, ArrayRef<unsigned> over, ArrayRef<unsigned> to) {
  SmallVector<int64_t> perm;
  for (unsigned it : to)
    if (const auto *at = llvm::find(over, it); at != over.end())
      perm.push_back(at - over.begin());
  for (auto [k, it] : llvm::enumerate(over)) // of size 1
    if (!llvm::is_contained(to, it))
      perm.push_back(k);
  if (llvm::is_sorted(perm))
    return v;
  auto sizes = llvm::map_to_vector(perm, [&](int64_t k) { return size(over[k]); });
  return make("Transpose", v, onnx::withDims(getElementTypeOrSelf(v.getType()), sizes),
              b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
}

Value ClosedFormWriter::inOrderOf(const Element &e, Value v, ArrayRef<unsigned> over) {
  return reshapeTo(b, loc, transposed(v, over, *axesOf(reader, e)), cast<RankedTensorType>(e.tensor.getType()));
}

bool ClosedFormWriter::coversRows(const Element &e, ArrayRef<unsigned> rows) {
  auto axes = axesOf(reader, e);
  return axes && llvm::all_of(*axes, [&](unsigned it) { return llvm::is_contained(rows, it); }) &&
         llvm::all_of(rows, [&](unsigned it) { return llvm::is_contained(*axes, it) || space[it].n.is(1); });
}

/// Elements at the rows that the factor is computed from, a few elementwise operators up.
static void collectOperands(ElementReader &reader, const Element &e, int depth, SmallVectorImpl<Element> &found) {
  Element at = reader.root(e);
  if (llvm::is_contained(found, at) || found.size() >= 32)
    return;
  found.push_back(at);
  if (auto operands = depth ? reader.operandsOf(at) : std::nullopt)
    for (const Element &o : *operands)
      if (!onnx::isNone(o.tensor))
        collectOperands(reader, o, depth - 1, found);
}

void ClosedFormWriter::findStabiliser(ArrayRef<Factor> gates, ArrayRef<Factor> after, ArrayRef<unsigned> rows) {
  for (const Factor &f : after) {
    Element m = reader.root(f.e);
    ClosedForm maximum(reader, 0);
    if (f.kind != Factor::Exponential || f.coefficient != -1 || !coversRows(m, rows) ||
        !maximum.matchMaximum(m, form) || !maximum.sameDecay(form) || !sameFactors(reader, maximum.right, gates))
      continue;
    stabiliser = m;
    form.nodes.append(maximum.nodes);
    return;
  }
}

void ClosedFormWriter::findNormaliser(ArrayRef<Factor> right, ArrayRef<Factor> left, ArrayRef<Factor> after,
                                      ArrayRef<Factor> quotients, ArrayRef<unsigned> rows) {
  SmallVector<Element> candidates;
  for (const Factor &f : quotients)
    collectOperands(reader, f.e, 8, candidates);
  // Sums of what this sum is made of; their axes are the rows, in order.
  static constexpr StringLiteral sums[] = {"ReduceSum", "MatMul", "Einsum"};
  for (Operation *node : form.nodes)
    for (Operation *user : node->getUsers()) {
      if (user == root || user->getNumResults() != 1 || !llvm::is_contained(sums, user->getName().stripDialect()) ||
          !isa<RankedTensorType>(user->getResult(0).getType()))
        continue;
      Element e{user->getResult(0), {}};
      size_t row = 0;
      for (const Subscript &n : reader.dims(e.tensor)) {
        while (row < rows.size() && space[rows[row]].n.is(1) && !n.is(1))
          ++row;
        bool fits = row < rows.size() && space[rows[row]].n == n;
        e.at.push_back(fits ? Subscript::atom(rows[row]) : Subscript(0));
        row += fits;
      }
      candidates.push_back(reader.root(e));
    }
  for (const Element &e : candidates) {
    if (!e.tensor.getDefiningOp() || !llvm::is_contained(sums, reader.operatorOf(e)) || !coversRows(e, rows))
      continue;
    ClosedForm sum(reader, 0);
    if (!sum.matchSum(e, form) || !sum.sameDecay(form) || !sameFactors(reader, sum.right, right))
      continue;
    SmallVector<Factor> all(left);
    all.append(after.begin(), after.end());
    if (!sameFactors(reader, sum.left, all))
      continue;
    normaliser = e;
    normaliserScale = sum.scale / form.scale;
    form.nodes.append(sum.nodes);
    return;
  }
}

void ClosedFormWriter::forgetUsedBy(ArrayRef<Factor> factors) {
  SetVector<Operation *> slice;
  BackwardSliceOptions options;
  options.inclusive = true;
  bool whole = llvm::all_of(factors, [&](const Factor &f) {
    Operation *def = f.e.tensor.getDefiningOp();
    return !def || slice.contains(def) || succeeded(getBackwardSlice(f.e.tensor, &slice, options));
  });
  for (std::optional<Element> *e : {&stabiliser, &normaliser})
    if (*e && (!whole || slice.contains((*e)->tensor.getDefiningOp())))
      e->reset();
}

Value ClosedFormWriter::withColumn(Value values, ArrayRef<unsigned> axes, unsigned v, ArrayRef<Factor> column) {
  auto type = cast<RankedTensorType>(values.getType());
  SmallVector<AffineExpr> sizes = onnx::getDimExprs(type);
  size_t at = llvm::find(axes, v) - axes.begin();
  AffineExpr width = sizes[at];
  sizes[at] = b.getAffineConstantExpr(1);
  Value none = make("NoValue", {}, b.getNoneType());
  Value one = reshapeTo(b, loc, number(1),
                        cast<RankedTensorType>(
                            onnx::withDims(element, SmallVector<AffineExpr>(axes.size(), b.getAffineConstantExpr(1)))));
  Value ones = make("Expand", {one, none}, onnx::withDims(element, sizes));
  sizes[at] = width + 1;
  Value all = make("Concat", {values, ones}, onnx::withDims(element, sizes),
                   b.getNamedAttr("axis", IntegerAttr::get(b.getIntegerType(64, true), at)));
  for (const Factor &f : column) {
    Value x = aligned(f, axes);
    if (!x)
      return {};
    all = combine("Mul", all, x);
  }
  return all;
}

Value ClosedFormWriter::columns(Value v, int64_t axis, int64_t first, int64_t last) {
  auto ints = [&](int64_t n) -> Value {
    auto type = RankedTensorType::get({1}, b.getI64Type());
    return onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, n));
  };
  auto type = cast<RankedTensorType>(v.getType());
  SmallVector<AffineExpr> sizes = onnx::getDimExprs(type);
  sizes[axis] = b.getAffineConstantExpr(last - first);
  return make("Slice", {v, ints(first), ints(last), ints(axis), make("NoValue", {}, b.getNoneType())},
              onnx::withDims(type.getElementType(), sizes));
}

Value ClosedFormWriter::unscaled(Operation *mixer, ArrayRef<unsigned> outer, ArrayRef<unsigned> rows, unsigned v,
                                 int64_t width, ArrayRef<Factor> after, ArrayRef<Factor> quotients) {
  Value out = mixer->getResult(0), log = mixer->getResults().back();
  SmallVector<AffineExpr> sizes = onnx::getDimExprs(cast<RankedTensorType>(log.getType()));
  log = castTo(b, loc, log, element);
  // Exponents at t mostly undo the scale: the stabiliser wholly.
  Value rest = log;
  bool cancelled = false;
  for (Factor f : after) {
    double c = f.coefficient;
    f.kind = Factor::Plain;
    if (stabiliser && !cancelled && c == -1 && reader.root(f.e) == *stabiliser) {
      cancelled = true;
      continue;
    }
    Value x = aligned(f, rows);
    if (!x)
      return {};
    rest = combine("Add", rest, c == 1 ? x : make("Mul", {x, number(c)}, x.getType()));
  }
  Value factor;
  if (!cancelled)
    factor = unary("Exp", rest);
  else if (after.size() > 1)
    factor = unary("Exp", make("Sub", {rest, log}, rest.getType()));
  // A tensor over the rows against one over these iterators.
  auto against = [&](Value x, ArrayRef<unsigned> over) {
    auto sizes = llvm::map_to_vector(
        over, [&](unsigned it) { return llvm::is_contained(rows, it) ? size(it) : b.getAffineConstantExpr(1); });
    return reshapeTo(b, loc, transposed(x, rows, over), cast<RankedTensorType>(onnx::withDims(element, sizes)));
  };
  Value value = out, total;
  if (normaliser) {
    int64_t axis = llvm::find(outer, v) - outer.begin();
    value = columns(out, axis, 0, width);
    Value n = columns(out, axis, width, width + 1);
    if (factor)
      n = make("Mul", {n, against(factor, outer)}, n.getType());
    if (normaliserScale != 1)
      n = make("Mul", {n, number(normaliserScale)}, n.getType());
    SmallVector<unsigned> order;
    SmallVector<AffineExpr> sizes;
    for (unsigned it : outer)
      if (it != v) {
        order.push_back(it);
        sizes.push_back(size(it));
      }
    n = reshapeTo(b, loc, n, cast<RankedTensorType>(onnx::withDims(element, sizes)));
    total = inOrderOf(*normaliser, n, order);
    normaliser->tensor.replaceAllUsesWith(total);
    moved = true;
  }
  if (stabiliser) {
    stabiliser->tensor.replaceAllUsesWith(inOrderOf(*stabiliser, log, rows));
    moved = true;
  }
  if (factor)
    value = make("Mul", {value, against(factor, outer)}, value.getType());
  for (Factor f : quotients) {
    if (Element e = reader.root(f.e); normaliser && e == *normaliser)
      f.e = {total, e.at};
    Value x = aligned(f, form.outer);
    if (!x)
      return {};
    value = combine("Mul", value, x);
  }
  return value;
}
