//===- RaiseAttention.cpp - softmax between two contractions ---------------===//
// Expects: @main after fold. Leaves: one ssm.attention for every contraction of a softmax with values, where the
// softmax is over a function of one query-key product. Recognised by what is computed, element by element, not by how
// it is spelled: softmax may be in pieces, moved behind the product, batched in any layout; masks and biases go to the
// score region. Each contraction is looked at once, so the cost is linear in nodes.
//===----------------------------------------------------------------------===//
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/AttentionScore.h"
#include "passes/raise/AttentionSink.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISEATTENTION
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {

/// Sizes of the parts of each axis of the result, outermost first.
using Parts = SmallVector<SmallVector<AffineExpr>>;

class Attempt {
public:
  Attempt(const SizeSymbols &sizes, Operation *root) : space(sizes), reader(space), root(root) {}

  /// Whether root was replaced; `missed` is a reason when it came close, `parts` is changed to try again.
  enum class Outcome { No, Again, Done };
  Outcome run(Parts &parts, std::string &missed);

private:
  Outcome rewrite(const Softmax &softmax, const Element &weights, const Element &values, unsigned j, double scale,
                  Parts &parts, std::string &missed);
  Outcome split(const SplitRequest &request, Parts &parts);

  IndexSpace space;
  ElementReader reader;
  Operation *root;
  SmallVector<unsigned> outer;             // iterators of the result, in order
  SmallVector<SmallVector<unsigned>> axes; // the same by axis
};

Attempt::Outcome Attempt::split(const SplitRequest &request, Parts &parts) {
  for (auto [axis, iterators] : llvm::enumerate(axes))
    for (auto [k, it] : llvm::enumerate(iterators)) {
      if (it != request.iterator)
        continue;
      auto quotient = space[it].n.dividedBy(request.inner);
      if (!quotient || quotient->is(1) || request.inner.is(1))
        return Outcome::No;
      parts[axis][k] = space.toAffine(*quotient, root->getContext());
      parts[axis].insert(parts[axis].begin() + k + 1, space.toAffine(request.inner, root->getContext()));
      return Outcome::Again;
    }
  return Outcome::No;
}

Attempt::Outcome Attempt::run(Parts &parts, std::string &missed) {
  Value result = root->getResult(0);
  auto type = dyn_cast<RankedTensorType>(result.getType());
  if (!type || !isa<FloatType>(type.getElementType()))
    return Outcome::No;
  if (parts.empty())
    for (AffineExpr d : onnx::getDimExprs(type))
      parts.push_back({d});
  Element at{result, {}};
  for (auto &sizes : parts) {
    axes.emplace_back();
    Subscript position = 0;
    for (AffineExpr size : sizes) {
      Subscript extent = space.from(size), it = space.iterator(extent);
      position = position * extent + it;
      outer.push_back(*it.asAtom());
      axes.back().push_back(outer.back());
    }
    at.at.push_back(position);
  }
  auto tryContraction = [&](const Element &product, const Element *divisor, const Element *factor) {
    auto c = reader.contraction(product);
    if (!c || c->factors.size() != 2)
      return Outcome::No;
    SmallVector<unsigned> summed;
    for (unsigned s : c->summed)
      if (!space[s].n.is(1) || c->summed.size() == 1)
        summed.push_back(s);
    if (summed.size() != 1)
      return Outcome::No;
    std::map<unsigned, Subscript> ones;
    for (unsigned s : c->summed)
      if (s != summed[0])
        ones[s] = 0;
    for (int weights : {0, 1}) {
      Element w = reader.substitute(c->factors[weights], ones), v = reader.substitute(c->factors[1 - weights], ones);
      Softmax softmax;
      SoftmaxMatcher matcher(reader);
      bool matches = divisor  ? matcher.matchQuotient(w, *divisor, summed[0], softmax)
                     : factor ? matcher.matchFactor(w, *factor, summed[0], softmax)
                              : matcher.match(w, summed[0], softmax);
      if (!matches)
        continue;
      if (divisor || factor) {
        softmax.probabilities = {};
        softmax.nodes.push_back(product.tensor.getDefiningOp());
      }
      return rewrite(softmax, w, v, summed[0], c->scale, parts, missed);
    }
    return Outcome::No;
  };
  StringRef name = reader.operatorOf(at);
  if (name != "Div" && name != "Mul")
    return tryContraction(at, nullptr, nullptr);
  auto operands = reader.operandsOf(at);
  if (!operands)
    return Outcome::No;
  if (name == "Div")
    return tryContraction(reader.rootOfFloat((*operands)[0]), &(*operands)[1], nullptr);
  for (int k : {0, 1}) {
    Outcome o = tryContraction(reader.rootOfFloat((*operands)[k]), nullptr, &(*operands)[1 - k]);
    if (o != Outcome::No)
      return o;
  }
  return Outcome::No;
}

Attempt::Outcome Attempt::rewrite(const Softmax &softmax, const Element &weights, const Element &values, unsigned j,
                                  double scale, Parts &parts, std::string &missed) {
  OpBuilder b(root);
  MLIRContext *context = b.getContext();
  if (scale != 1)
    return Outcome::No;
  // Rows are what the weights know and the values do not; features the other way around.
  std::optional<unsigned> i, f;
  for (unsigned it : outer)
    if (reader.depends(values, it) && !reader.depends(weights, it))
      f = it;
  for (const Subscript &index : softmax.enters.at) // the row stands beside the column as a rule
    if (auto a = index.asAtom();
        a && llvm::is_contained(outer, *a) && !reader.depends(values, *a) && !space[*a].n.is(1))
      i = *a;
  for (unsigned it : outer)
    if (!i && reader.depends(weights, it) && !reader.depends(values, it) && !space[it].n.is(1))
      i = it;
  for (unsigned it : outer) // a single row
    if (!i && reader.depends(weights, it) && !reader.depends(values, it))
      i = it;
  if (!i)
    i = *space.iterator(1).asAtom();
  if (!f)
    f = *space.iterator(1).asAtom();
  SmallVector<unsigned> shared;
  for (unsigned it : outer)
    if (it != *i && it != *f)
      shared.push_back(it);

  SmallVector<unsigned> positions = shared;
  positions.append({*i, j});
  Type element = cast<RankedTensorType>(root->getResult(0).getType()).getElementType();
  Element enters = softmax.enters;
  for (Subscript &index : enters.at)
    index = space.substitute(index, {});
  Type scoreType = element.isF64() ? b.getF64Type() : b.getF32Type();
  ScoreRegion region(b, reader, positions, scoreType);
  auto again = [&](const std::optional<SplitRequest> &request) {
    return request ? split(*request, parts) : Outcome::No;
  };
  if (!region.build(enters)) {
    if (again(region.split) == Outcome::Again)
      return Outcome::Again;
    missed = region.why;
    return Outcome::No;
  }

  // Numbers that multiply the query or the key belong to the scale, unless what they multiply has no index map.
  double factor = region.scale;
  auto peel = [&](Element e) {
    for (int depth = 0; depth < 4; ++depth) {
      Element r = reader.root(e);
      StringRef name = reader.operatorOf(r);
      auto operands = name == "Mul" || name == "Div" ? reader.operandsOf(r) : std::nullopt;
      if (!operands)
        return e;
      auto left = reader.number(reader.root((*operands)[0])), right = reader.number(reader.root((*operands)[1]));
      if (!right && !(left && name == "Mul"))
        return e;
      const Element &rest = (*operands)[right ? 0 : 1];
      if (!operandOf(reader, rest) && operandOf(reader, e))
        return e;
      double number = right ? *right : *left;
      factor = name == "Mul" ? factor * number : factor / number;
      e = rest;
    }
    return e;
  };
  auto query = operandOf(reader, peel(region.query)), key = operandOf(reader, peel(region.key)),
       value = operandOf(reader, values);
  if (!query || !key || !value) {
    for (const Element *e : {(const Element *)&region.query, (const Element *)&region.key, &values})
      for (const Subscript &index : e->at)
        for (auto &[m, c] : index.terms)
          for (unsigned a : m)
            if (space[a].kind == IndexSpace::Atom::Mod || space[a].kind == IndexSpace::Atom::FloorDiv)
              if (auto of = space[a].x.asAtom(); of && space.isIterator(*of) && llvm::is_contained(shared, *of))
                if (split({*of, space[a].n}, parts) == Outcome::Again)
                  return Outcome::Again;
    missed = "query, key or value is read at indices that no index map gives";
    return Outcome::No;
  }
  unsigned e = region.embedding;
  for (auto [operand, rows, columns] : {std::tuple(&*query, *i, e), {&*key, j, e}, {&*value, j, *f}}) {
    for (unsigned it : {rows, columns})
      if (!operand->reads(it) && !space[it].n.is(1))
        return Outcome::No;
    for (unsigned it : {*i, j, e, *f})
      if (operand->reads(it) && it != rows && it != columns)
        return Outcome::No;
  }

  IteratorDims dims;
  SmallVector<unsigned> all = positions;
  all.append({e, *f});
  for (auto [k, it] : llvm::enumerate(all))
    dims[it] = k;
  std::optional<Layout> probabilities;
  if (softmax.probabilities.tensor && hasOtherReaders(softmax.probabilities.tensor, root)) {
    probabilities = layoutOf(reader, softmax.probabilities);
    bool whole = probabilities.has_value();
    if (whole)
      for (const Axis &axis : *probabilities)
        for (const Axis::Part &part : axis.parts)
          whole &= part.divisor == 1 && dims.contains(part.iterator);
    if (!whole) {
      missed = "the probabilities are used elsewhere in a layout that no index map gives";
      return Outcome::No;
    }
  }

  std::optional<AttentionSink> sink;
  if (softmax.sink || softmax.sinkNumber)
    sink.emplace(reader, softmax, ArrayRef(positions).drop_back());
  if (sink && !sink->isValid()) {
    missed = "the score that takes part in the softmax without a value is not one for each row";
    return Outcome::No;
  }

  SmallVector<Operation *> nodes = softmax.nodes;
  nodes.append(region.nodes);
  nodes.push_back(root);
  Location loc = fusedLocation(nodes);
  SmallVector<AffineMap> maps;
  SmallVector<Value> operands;
  auto add = [&](const Operand &operand, ArrayRef<unsigned> required) {
    operands.push_back(materialise(b, loc, space, operand, required, dims, maps.emplace_back()));
  };
  add(*query, {*i, e});
  add(*key, {j, e});
  add(*value, {j, *f});
  for (const Operand &m : region.modifiers)
    add(m, {});

  Layout resultLayout;
  for (auto &iterators : axes) {
    Axis axis;
    for (unsigned it : iterators)
      axis.parts.push_back({it});
    resultLayout.push_back(axis);
  }
  AffineMap resultMap, weightsMap;
  SmallVector<Type> types = {resultTypeOf(space, element, resultLayout, {*i, *f}, dims, resultMap, context)};
  maps.push_back(resultMap);
  if (probabilities) {
    Type of = cast<RankedTensorType>(softmax.probabilities.tensor.getType()).getElementType();
    types.push_back(resultTypeOf(space, of, *probabilities, {*i, j}, dims, weightsMap, context));
    maps.push_back(weightsMap);
  }
  if (sink) {
    SmallVector<AffineExpr> sizes, exprs;
    for (unsigned it : ArrayRef(positions).drop_back()) {
      sizes.push_back(space.toAffine(space[it].n, context));
      exprs.push_back(getAffineDimExpr(dims.lookup(it), context));
    }
    types.insert(types.begin() + 1, onnx::withDims(scoreType, sizes));
    maps.insert(maps.begin() + operands.size() + 1, AffineMap::get(dims.size(), 0, exprs, context));
  }
  OperationState state(loc, AttentionOp::getOperationName());
  state.addOperands(operands);
  state.addTypes(types);
  SmallVector<Attribute> mapAttrs;
  for (AffineMap m : maps)
    mapAttrs.push_back(AffineMapAttr::get(m));
  state.addAttribute("indexing_maps", b.getArrayAttr(mapAttrs));
  state.addAttribute("scale", b.getF64FloatAttr(factor));
  state.addAttribute("masked_rows", b.getStringAttr(softmax.zeroRows || sink ? "zero" : "nan"));
  state.addAttribute(AttentionOp::getResultSegmentSizeAttr(),
                     b.getDenseI32ArrayAttr({1, sink ? 1 : 0, probabilities ? 1 : 0}));
  Region *body = state.addRegion();
  if (!region.isIdentity() || !region.modifiers.empty())
    body->push_back(region.take());
  Operation *op = b.create(state);

  Value output = op->getResult(0);
  if (sink) {
    sink->build(b, loc, op->getResult(1));
    SmallVector<unsigned> order = outer;
    for (unsigned it : {*i, *f})
      if (!llvm::is_contained(order, it))
        order.push_back(it);
    output = sink->scale(b, loc, output, order);
  }
  output = reshapeTo(b, loc, output, cast<RankedTensorType>(root->getResult(0).getType()));
  if (probabilities) {
    Value old = softmax.probabilities.tensor, weights = op->getResults().back();
    if (sink) {
      SmallVector<unsigned> order;
      for (const Axis &a : *probabilities) {
        for (const Axis::Part &p : a.parts)
          order.push_back(p.iterator);
        if (a.parts.empty())
          order.push_back(j);
      }
      for (unsigned it : {*i, j})
        if (!llvm::is_contained(order, it))
          order.push_back(it);
      weights = sink->scale(b, loc, weights, order);
    }
    old.replaceAllUsesWith(reshapeTo(b, loc, weights, cast<RankedTensorType>(old.getType())));
  }
  root->getResult(0).replaceAllUsesWith(output);
  if (probabilities)
    sortTopologically(root->getBlock());
  return Outcome::Done;
}

struct RaiseAttentionPass : ssm::impl::RaiseAttentionBase<RaiseAttentionPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SizeSymbols sizes = IndexSpace::sizeSymbols(getOperation());
    SmallVector<Operation *> roots;
    SmallVector<Block *> blocks;
    main.walk([&](Block *block) { blocks.push_back(block); });
    main.walk([&](Operation *op) {
      static constexpr StringLiteral names[] = {"onnx.MatMul",    "onnx.Einsum", "onnx.Gemm",
                                                "onnx.ReduceSum", "onnx.Div",    "onnx.Mul"};
      if (llvm::is_contained(names, op->getName().getStringRef()))
        roots.push_back(op);
    });
    for (Operation *root : roots) {
      Parts parts;
      std::string missed;
      auto outcome = Attempt::Outcome::Again;
      for (int attempt = 0; attempt < 8 && outcome == Attempt::Outcome::Again; ++attempt)
        outcome = Attempt(sizes, root).run(parts, missed);
      if (outcome != Attempt::Outcome::Done && !missed.empty())
        noteMissed(root, "attention: " + missed);
    }
    for (Block *block : llvm::reverse(blocks))
      eraseDead(*block);
  }
};
} // namespace
