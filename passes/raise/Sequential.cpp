//===- Sequential.cpp - what stays a recurrence ----------------------------===//
// Work that does not depend on the carries is done for all steps before the recurrence.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Raiser.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// What a step makes from nothing of the step stands before the loop.
static void hoistInvariants(Operation *recurrence) {
  Block &body = recurrence->getRegion(0).front();
  for (Operation &op : llvm::make_early_inc_range(body.without_terminator()))
    if (!op.hasAttr(kUncheckedAttr) && op.getNumRegions() == 0 &&
        llvm::none_of(op.getOperands(), [&](Value v) { return v.getParentBlock() == &body; }))
      op.moveBefore(recurrence);
}

bool Raiser::raiseSequential(ArrayRef<LoopCarry *> unordered) {
  // A carry whose next value is read by another's comes first.
  Group group, left(unordered);
  while (!left.empty()) {
    auto *ready = llvm::find_if(left, [&](LoopCarry *c) {
      return llvm::none_of(left, [&](LoopCarry *o) { return o != c && x.reads(c->next, [&](Value v) { return v == o->updated; }); });
    });
    if (ready == left.end())
      return refuse("the carries' next values read each other");
    group.push_back(*ready);
    left.erase(ready);
  }
  auto isState = [&](Value v) {
    return llvm::any_of(group, [&](LoopCarry *c) { return v == c->state || v == c->updated; });
  };
  Linear linear(x, isState); // only for readsState
  auto region = std::make_unique<Region>();
  Block *block = new Block;
  region->push_back(block);
  SmallVector<Value> sequences, initial;
  DenseMap<ExprRef, ExprRef> hoisted;
  bool written = true;
  ArrayRef<AffineExpr> order;
  std::function<ExprRef(ExprRef)> hoist = [&](ExprRef e) -> ExprRef {
    if (!e || e->kind == Expr::Kind::Constant)
      return e;
    if (auto it = hoisted.find(e); it != hoisted.end())
      return it->second;
    auto inner = [&] {
      DenseMap<ExprRef, ExprRef> nodes;
      for (ExprRef o : e->operands)
        if (o)
          nodes[o] = hoist(o);
      return x.replace(e, nodes);
    };
    ExprRef r = e;
    Indices own;
    for (AffineExpr i : order) // as the state's axes, so that a step reads them as they are
      if (i != loop.step && x.dependsOn(e, i))
        own.push_back(i);
    for (AffineExpr i : x.freeIterators(e))
      if (i != loop.step && !llvm::is_contained(own, i))
        own.push_back(i);
    bool perStep = x.dependsOn(e, loop.step);
    if (linear.readsState(e)) {
      if (e->kind != Expr::Kind::Read)
        r = inner();
    } else if (e->kind == Expr::Kind::Op && llvm::all_of(e->operands, [&](ExprRef o) {
                 return !o || x.freeIterators(o).size() < x.freeIterators(e).size();
               })) {
      r = inner(); // an outer product is cheaper in the step than as a tensor of all steps
    } else if (perStep) {
      Indices axes = {loop.step};
      axes.append(own);
      Value v = w.write(e, axes);
      written &= v != nullptr;
      if (!v)
        return e;
      sequences.push_back(v);
      SmallVector<AffineExpr> dims;
      for (AffineExpr i : own)
        dims.push_back(x.sizeOf(i));
      r = x.read(block->insertArgument(sequences.size() - 1, onnx::withDims(e->type, dims), w.loc), own);
    } else if (e->kind != Expr::Kind::Read) {
      Value v = w.write(e, own);
      written &= v != nullptr;
      if (!v)
        return e;
      r = x.read(v, own);
    }
    return hoisted[e] = r;
  };
  SmallVector<ExprRef> nexts, elements;
  for (LoopCarry *c : group) {
    order = c->dims;
    nexts.push_back(hoist(c->next));
  }
  // What is less than the state it is made of is made in the step: no state of all steps is stored for it.
  auto readsOwn = [&](LoopCarry *c, const LoopOutput &o) { return readsCarry(o.element, *c); };
  SmallVector<LoopOutput *> reduced;
  for (LoopOutput &o : loop.outputs) {
    bool foreign = llvm::any_of(open, [&](LoopCarry *c) { return !llvm::is_contained(group, c) && readsOwn(c, o); });
    bool smaller = llvm::any_of(group, [&](LoopCarry *c) { return c->dims.size() >= o.dims.size() && readsOwn(c, o); });
    if (foreign || !smaller)
      continue;
    order = o.dims;
    reduced.push_back(&o);
    elements.push_back(hoist(o.element));
  }
  if (!written)
    return refuse("work that does not depend on the state cannot be written for all steps at once");
  if (sequences.empty()) {
    sequences.push_back(w.write(x.constant(0, b.getF32Type()), {loop.step}));
    block->addArgument(RankedTensorType::get({}, b.getF32Type()), w.loc);
  }
  DenseMap<Value, Value> arguments;
  for (LoopCarry *c : group) {
    arguments[c->state] = block->addArgument(c->state.getType(), w.loc);
    Value v = w.write(initialOf(*c), c->dims);
    if (!v)
      return refuse("the state before the first step cannot be written as a tensor");
    initial.push_back(w.reshape(v, onnx::getDimExprs(typeOf(c->state))));
  }
  OpBuilder body(b.getContext());
  body.setInsertionPointToEnd(block);
  ExprWriter inside(x, body, w.loc);
  SmallVector<Value> yields, after;
  // In the step: a state is an argument, a next value of a carry of the group is that value.
  auto inStep = [&](ExprRef e) {
    e = x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      Value v = arguments.lookup(r->source);
      return v ? x.read(v, r->indices) : nullptr;
    });
    return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      for (auto [other, value] : llvm::zip(group, yields))
        if (r->source == other->updated)
          return x.read(value, r->indices);
      return nullptr;
    });
  };
  for (auto [c, next] : llvm::zip(group, nexts)) {
    Value v = inside.write(inStep(next), c->dims);
    if (!v)
      return refuse("the step of the recurrence cannot be written with operators");
    yields.push_back(inside.reshape(v, onnx::getDimExprs(typeOf(c->state))));
  }
  struct Stacked {
    Value value;
    Indices dims;
  };
  SmallVector<Stacked> stacked;
  for (auto [o, element] : llvm::zip(reduced, elements)) {
    Indices dims;
    for (AffineExpr d : o->dims)
      if (d != loop.step)
        dims.push_back(d);
    Value v = inside.write(inStep(element), dims);
    if (!v)
      return refuse("what is read of the state cannot be written with operators");
    stacked.push_back({v, dims});
  }
  SmallVector<LoopCarry *> readCarries;
  for (LoopCarry *c : group) {
    bool outside = llvm::any_of(loop.outputs, [&](LoopOutput &o) { return !llvm::is_contained(reduced, &o) && readsOwn(c, o); }) ||
                   llvm::any_of(open, [&](LoopCarry *o) { return !llvm::is_contained(group, o) && readsCarry(o->next, *c); });
    if (outside)
      readCarries.push_back(c);
  }
  OperationState state(w.loc, "ssm.recurrence");
  state.addOperands(sequences);
  state.addOperands(initial);
  SmallVector<Value> all(yields);
  for (LoopCarry *c : group)
    state.addTypes(c->state.getType());
  for (LoopCarry *c : readCarries)
    stacked.push_back({yields[llvm::find(group, c) - group.begin()], c->dims});
  for (const Stacked &s : stacked) {
    SmallVector<AffineExpr> dims = {x.sizeOf(loop.step)};
    for (AffineExpr d : s.dims)
      dims.push_back(x.sizeOf(d));
    state.addTypes(onnx::withDims(typeOf(s.value).getElementType(), dims));
    all.push_back(s.value);
  }
  ssm::YieldOp::create(body, w.loc, all);
  state.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr({(int32_t)sequences.size(), (int32_t)initial.size()}));
  state.addAttribute("resultSegmentSizes", b.getDenseI32ArrayAttr({(int32_t)group.size(), (int32_t)stacked.size()}));
  state.addAttribute("axes", b.getDenseI64ArrayAttr(SmallVector<int64_t>(sequences.size(), 0)));
  state.addAttribute("output_axes", b.getDenseI64ArrayAttr(SmallVector<int64_t>(stacked.size(), 0)));
  if (reversed)
    state.addAttribute("reverse", b.getUnitAttr());
  state.addRegion(std::move(region));
  b.setInsertionPoint(loop.anchor);
  Operation *op = b.create(state);
  hoistInvariants(op);
  for (auto [i, o] : llvm::enumerate(reduced)) {
    Indices at = {loop.step};
    at.append(stacked[i].dims);
    o->element = x.read(op->getResult(group.size() + i), at);
  }
  for (auto [i, c] : llvm::enumerate(group)) {
    LoopCarry plain = *c;
    if (plain.final)
      setFinal(plain, op->getResult(i));
    plain.final = nullptr;
    const auto *at = llvm::find(readCarries, c);
    if (at == readCarries.end())
      continue;
    Indices axes = {loop.step};
    axes.append(c->dims.begin(), c->dims.end());
    if (!resolveBySequence(plain, op->getResult(group.size() + reduced.size() + (at - readCarries.begin())), axes))
      return false;
  }
  return true;
}
