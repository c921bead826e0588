//===- Diagonal.cpp - linear carries; the diagonal family ------------------===//
#include "llvm/ADT/SetVector.h"
#include "passes/lower/Scalar.h"
#include "dialects/Ssm/SsmDialect.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Raiser.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

//===- read-outs -----------------------------------------------------------===//

void Raiser::collectReadOuts(LoopCarry &c, ExprRef e, SmallVectorImpl<ReadOut> &readOuts, DenseMap<ExprRef, bool> &seen) {
  if (!e || !seen.try_emplace(e, true).second)
    return;
  Linear linear(x, [&](Value v) { return v == c.state || v == c.updated; });
  if (!linear.readsState(e))
    return;
  Type type = typeOf(c.state).getElementType();
  auto terms = linear.of(e);
  SmallVector<LinearTerm> with, without;
  if (terms)
    for (LinearTerm &t : *terms)
      (t.state ? with : without).push_back(t);
  if (with.size() == 1 && e->kind != Expr::Kind::Read) {
    // Every dim is read at an iterator of its own: one of the sum, or one that stays.
    LinearTerm &t = with[0];
    ReadOut r;
    r.whole = e;
    r.before = t.state->source == c.state;
    DenseMap<AffineExpr, AffineExpr> names; // of the sum's iterators in the carry's dims
    llvm::SmallDenseSet<AffineExpr> used;
    bool plain = true;
    for (auto [d, i] : llvm::zip(c.dims, t.state->indices)) {
      bool summed = llvm::is_contained(t.bound, i);
      if (x.sizeOf(d) == x.number(1)) {
        r.where.push_back(x.number(0));
        names[d] = x.number(0);
        continue;
      }
      plain &= isa<AffineDimExpr>(i) && used.insert(i).second;
      names[i] = d;
      r.where.push_back(summed ? AffineExpr() : i);
    }
    plain &= llvm::all_of(t.bound, [&](AffineExpr i) { return used.contains(i); });
    if (plain && !t.bound.empty()) {
      SmallVector<ExprRef> inside, outside;
      for (ExprRef f : factorsOf(x, t.factors))
        (x.dependsOnAny(f, t.bound) ? inside : outside).push_back(f);
      r.query = x.replace(x.product(inside, type), names);
      r.outside = outside.empty() ? nullptr : x.product(outside, type);
      r.rest = without.empty() ? nullptr : sumOf(x, without, type);
      // What is left in the query must not depend on an iterator of the output that is no dim of the state.
      bool known = llvm::all_of(x.freeIterators(r.query), [&](AffineExpr i) { return i == loop.step || llvm::is_contained(c.dims, i); });
      if (known) {
        readOuts.push_back(r);
        return;
      }
    }
  }
  if (e->kind == Expr::Kind::Read) {
    ReadOut r;
    r.whole = e;
    r.query = r.outside = r.rest = nullptr;
    r.before = e->source == c.state;
    r.where.assign(e->indices.begin(), e->indices.end());
    readOuts.push_back(r);
    return;
  }
  for (ExprRef o : e->operands)
    collectReadOuts(c, o, readOuts, seen);
}

bool Raiser::collectReadOuts(LoopCarry &c, SmallVectorImpl<ReadOut> &readOuts) {
  DenseMap<ExprRef, bool> seen;
  for (LoopOutput &o : loop.outputs)
    collectReadOuts(c, o.element, readOuts, seen);
  return true;
}

void Raiser::replaceReadOuts(LoopCarry &c, ArrayRef<ReadOut> readOuts, Value output, ArrayRef<AffineExpr> axes) {
  DenseMap<ExprRef, ExprRef> nodes;
  for (const ReadOut &r : readOuts) {
    Indices where;
    for (AffineExpr a : axes) {
      const auto *d = llvm::find(c.dims, a);
      where.push_back(a == loop.step ? a : r.where[d - c.dims.begin()]);
    }
    ExprRef e = x.read(output, where);
    if (r.outside)
      e = x.mul(e, r.outside);
    if (r.rest)
      e = x.add(e, r.rest);
    nodes[r.whole] = e;
  }
  rewrite([&](ExprRef e) { return x.replace(e, nodes); });
}

//===- the recurrence ------------------------------------------------------===//

bool Raiser::resolveLinear(LoopCarry &c) {
  Type element = typeOf(c.state).getElementType();
  if (!element.isF32() && !element.isF64())
    return refuse("the state is kept in a type narrower than f32, which rounds it in every step");
  Linear linear(x, [&](Value v) { return v == c.state; });
  auto terms = linear.of(c.next);
  if (!terms)
    return refuse(linear.reason);
  SmallVector<ReadOut> readOuts;
  collectReadOuts(c, readOuts);
  SmallVector<LinearTerm> own, crossed, input;
  for (LinearTerm &t : *terms) {
    if (!t.state)
      input.push_back(t);
    else if (t.bound.empty() && isInPlace(x, t.state->indices, c.dims))
      own.push_back(t);
    else
      crossed.push_back(t);
  }
  if (raiseMatrix(c, *terms, readOuts))
    return true;
  if (!crossed.empty())
    return refuse("an element of the state depends on other elements of it: the transition is dense");
  ExprRef decay = nullptr;
  for (LinearTerm &t : own) {
    ExprRef a = x.product(t.factors, element);
    decay = decay ? x.add(decay, a) : a;
  }
  return raiseDiagonal(c, decay ? decay : x.constant(0, element), sumOf(x, input, element), readOuts);
}

/// Elementwise operators before the loop move into the producer where that saves a tensor as large as all states.
ExprRef Raiser::absorbed(ExprRef e, ArrayRef<AffineExpr> all) {
  size_t full = llvm::count_if(all, [&](AffineExpr i) { return x.sizeOf(i) != x.number(1); });
  auto extent = [&](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type ? (size_t)llvm::count_if(type.getShape(), [](int64_t d) { return d != 1; }) : 0;
  };
  x.isLeaf = [&](Value v) { return v.getDefiningOp() && !isMovement(v.getDefiningOp()) && !isa<onnx::ConstantOp>(v.getDefiningOp()) && extent(v) < full; };
  x.expands = [&](Operation *op) { return extent(op->getResult(0)) >= full; };
  x.forget();
  ExprRef r = x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef read) -> ExprRef {
    if (!x.dependsOn(read, loop.step) || extent(read->source) < full)
      return nullptr;
    ExprRef inner = x.at(read->source, read->indices);
    return isScalar(inner) ? inner : nullptr; // sums stay outside of the producer
  });
  x.isLeaf = nullptr;
  x.expands = nullptr;
  x.forget();
  return r;
}

/// A product that nothing else reads, with a factor that is read anyway, is made in the producer: dt x beside dt.
void Raiser::absorbProducts(MutableArrayRef<ExprRef> yields) {
  llvm::SmallSetVector<ExprRef, 8> reads;
  for (ExprRef y : yields)
    for (ExprRef r : x.readsOf(y))
      reads.insert(r);
  DenseMap<ExprRef, ExprRef> nodes;
  for (ExprRef r : reads) {
    Operation *def = r->source.getDefiningOp();
    if (!def || def->getName().stripDialect() != "Mul" || !def->hasOneUse())
      continue;
    ExprRef product = peeled(x, r);
    if (product->isOp("Mul") && llvm::all_of(product->operands, [](ExprRef o) { return o->kind == Expr::Kind::Read; }) &&
        llvm::any_of(product->operands, [&](ExprRef o) { return reads.contains(o); }))
      nodes[r] = product;
  }
  for (ExprRef &y : yields)
    y = x.replace(y, nodes);
}

Operation *Raiser::selectiveScan(ArrayRef<ExprRef> yields, ArrayRef<AffineExpr> iterators, unsigned stateRank,
                                 ArrayRef<LoopCarry *> carries, ArrayRef<AffineExpr> outputAxes, bool before) {
  Type element = typeOf(carries[0]->state).getElementType();
  MLIRContext *context = b.getContext();
  SmallVector<AffineMap> maps;
  SmallVector<Value> inputs, initial;
  auto region = std::make_unique<Region>();
  Block *block = new Block;
  region->push_back(block);
  SmallVector<Value> results;
  {
    OpBuilder body(context);
    body.setInsertionPointToEnd(block);
    DenseMap<std::pair<Value, AffineMap>, Value> arguments;
    DenseMap<ExprRef, Value> known;
    auto leaf = [&](ExprRef e) -> Value {
      if (Value v = known.lookup(e))
        return v;
      if (!isa<FloatType>(e->type))
        return {};
      ExprWriter::Operand o = w.operand(e, iterators);
      if (!o.value)
        return {};
      Value &argument = arguments[{o.value, o.map}];
      if (!argument) {
        inputs.push_back(o.value);
        maps.push_back(o.map);
        argument = block->addArgument(computeType(e->type), w.loc);
      }
      return known[e] = argument;
    };
    for (ExprRef y : yields) {
      Value v = writeScalar(y, body, w.loc, leaf);
      if (!v)
        v = leaf(y); // as a tensor of its own
      if (!v || v.getType() != element)
        return nullptr;
      results.push_back(v);
    }
    ssm::YieldOp::create(body, w.loc, results);
  }
  // Something must give every dim its size.
  for (auto [n, i] : llvm::enumerate(iterators)) {
    bool given = llvm::any_of(maps, [&, n = n](AffineMap m) { return llvm::is_contained(m.getResults(), getAffineDimExpr(n, context)); });
    if (!given && llvm::is_contained(iterators.take_back(stateRank), i) && !carries[0]->final) {
      // The operand that would have it is a constant over the dim: written out.
      ExprWriter::Operand o = w.operand(x.constant(0, element), iterators, {i});
      if (!o.value)
        return nullptr;
      inputs.push_back(o.value);
      maps.push_back(o.map);
      block->addArgument(element, w.loc);
    }
  }
  if (inputs.empty()) { // a recurrence of constants
    ExprWriter::Operand o = w.operand(x.constant(0, element), iterators, {loop.step});
    inputs.push_back(o.value);
    maps.push_back(o.map);
    block->addArgument(element, w.loc);
  }
  bool zero = llvm::all_of(carries, [&](LoopCarry *c) { return initialOf(*c)->isConstant(0); });
  if (!zero)
    for (LoopCarry *c : carries) {
      DenseMap<AffineExpr, AffineExpr> names;
      for (auto [d, own] : llvm::zip(carries[0]->dims, c->dims))
        names[own] = d;
      ExprWriter::Operand o = w.operand(x.replace(initialOf(*c), names), iterators);
      if (!o.value)
        return nullptr;
      initial.push_back(o.value);
      maps.push_back(o.map);
    }
  auto mapOf = [&](ArrayRef<AffineExpr> axes) {
    SmallVector<AffineExpr> results;
    for (AffineExpr a : axes)
      results.push_back(getAffineDimExpr(llvm::find(iterators, a) - iterators.begin(), context));
    return AffineMap::get(iterators.size(), 0, results, context);
  };
  auto typeWith = [&](ArrayRef<AffineExpr> axes) {
    SmallVector<AffineExpr> dims;
    for (AffineExpr a : axes)
      dims.push_back(x.sizeOf(a));
    return onnx::withDims(element, dims);
  };
  OperationState state(w.loc, "ssm.selective_scan");
  state.addOperands(inputs);
  state.addOperands(initial);
  state.addTypes(typeWith(outputAxes));
  maps.push_back(mapOf(outputAxes));
  bool finals = llvm::any_of(carries, [](LoopCarry *c) { return c->final != nullptr; });
  if (finals)
    for (unsigned i = 0; i < carries.size(); ++i) {
      state.addTypes(typeWith(carries[0]->dims));
      maps.push_back(mapOf(carries[0]->dims));
    }
  state.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr({(int32_t)inputs.size(), (int32_t)initial.size()}));
  state.addAttribute("indexing_maps", b.getAffineMapArrayAttr(maps));
  state.addAttribute("state_rank", b.getI64IntegerAttr(stateRank));
  if (carries.size() == 2)
    state.addAttribute("complex", b.getUnitAttr());
  if (before)
    state.addAttribute("read_before", b.getUnitAttr());
  if (reversed)
    state.addAttribute("reverse", b.getUnitAttr());
  state.addRegion(std::move(region));
  b.setInsertionPoint(loop.anchor);
  return b.create(state);
}

bool Raiser::raiseDiagonal(LoopCarry &c, ExprRef decay, ExprRef input, MutableArrayRef<ReadOut> readOuts) {
  // Fused when there is one way of reading, through a sum.
  bool fused = !readOuts.empty() && !isReadByOthers(c);
  for (ReadOut &r : readOuts)
    fused &= r.query && r.query == readOuts[0].query && r.before == readOuts[0].before &&
             llvm::all_of(llvm::zip(r.where, readOuts[0].where), [](auto p) { return !std::get<0>(p) == !std::get<1>(p); });
  Indices iterators, summed;
  for (auto [n, d] : llvm::enumerate(c.dims))
    (fused && !readOuts[0].where[n] ? summed : iterators).push_back(d);
  // The output has the order of axes that its first reader wants.
  Indices axes;
  auto take = [&](AffineExpr a) {
    if (!llvm::is_contained(axes, a) && (a == loop.step || llvm::is_contained(iterators, a)))
      axes.push_back(a);
  };
  if (!readOuts.empty() && !loop.outputs.empty())
    for (AffineExpr i : loop.outputs[0].dims) {
      if (i == loop.step)
        take(i);
      for (auto [d, at] : llvm::zip(c.dims, readOuts[0].where))
        if (at == i)
          take(d);
    }
  take(loop.step);
  for (AffineExpr i : Indices(iterators))
    take(i);
  // Dims of one element first: vectors are along the last.
  std::stable_partition(axes.begin(), axes.end(), [&](AffineExpr i) { return x.sizeOf(i) == x.number(1); });
  iterators.push_back(loop.step);
  iterators.append(summed.begin(), summed.end());

  SmallVector<ExprRef> yields = {decay, input};
  if (fused)
    yields.push_back(readOuts[0].query);
  for (ExprRef &y : yields)
    y = absorbed(y, iterators);
  absorbProducts(yields);
  Operation *scan = selectiveScan(yields, iterators, summed.size(), {&c}, axes, fused && readOuts[0].before);
  if (!scan)
    return refuse("a coefficient of the recurrence cannot be written as a tensor");
  if (c.final)
    setFinal(c, scan->getResult(1));
  if (fused) {
    replaceReadOuts(c, readOuts, scan->getResult(0), axes);
    return true;
  }
  LoopCarry plain = c;
  plain.final = nullptr;
  return resolveBySequence(plain, scan->getResult(0), axes);
}
