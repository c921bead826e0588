//===- Raiser.cpp - carries in the order of their dependences --------------===//
#include "passes/raise/Raiser.h"
#include "llvm/ADT/SetVector.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

bool Raiser::readsCarry(ExprRef e, const LoopCarry &c) {
  return x.reads(e, [&](Value v) { return v == c.state || v == c.updated; });
}

void Raiser::rewrite(llvm::function_ref<ExprRef(ExprRef)> fn) {
  for (LoopCarry *c : open)
    c->next = fn(c->next);
  for (LoopOutput &o : loop.outputs)
    o.element = fn(o.element);
}

/// Steps count from the end where sequences are only read from the end.
void Raiser::normaliseDirection() {
  AffineExpr last = x.sizeOf(loop.step) - 1, fromEnd = x.simplified(last - loop.step);
  unsigned forward = 0, backward = 0;
  auto count = [&](ExprRef e) {
    for (ExprRef r : x.readsOf(e))
      for (AffineExpr i : r->indices) {
        bool uses = false;
        i.walk([&](AffineExpr part) { uses |= part == loop.step; });
        if (!uses)
          continue;
        // The sign of the step tells the direction.
        AffineExpr at0 = i.replace(loop.step, x.number(0)), at1 = i.replace(loop.step, x.number(1));
        auto delta = dyn_cast<AffineConstantExpr>(x.simplified(at1 - at0));
        (delta && delta.getValue() < 0 ? backward : forward)++;
      }
  };
  for (LoopCarry &c : loop.carries)
    count(c.next);
  for (LoopOutput &o : loop.outputs)
    count(o.element);
  reversed = backward > 0 && forward == 0;
  if (!reversed)
    return;
  DenseMap<AffineExpr, AffineExpr> map{{loop.step, fromEnd}};
  rewrite([&](ExprRef e) { return x.replace(e, map); });
  for (LoopOutput &o : loop.outputs)
    o.flipped = !o.flipped;
}

ExprRef Raiser::initialOf(LoopCarry &c) {
  Type element = typeOf(c.state).getElementType();
  if (c.start)
    return c.start;
  return c.initial ? x.at(c.initial, c.dims) : x.constant(0, element);
}

void Raiser::replaceResult(Value result, Value by) {
  replaced.push_back({result, by});
}

void Raiser::setFinal(LoopCarry &c, Value v) {
  if (!c.final)
    return;
  // Without a step the state may be shorter than with one.
  SmallVector<AffineExpr> given = onnx::getDimExprs(typeOf(c.initial ? c.initial : c.state)),
                          wanted = onnx::getDimExprs(typeOf(c.final));
  for (auto [axis, from, to] : llvm::enumerate(given, wanted))
    if (from != to && !isOwnSize(c.final, to))
      v = w.slice(v, axis, x.number(0), to);
  replaceResult(c.final, v);
}

bool Raiser::isReadByOthers(const LoopCarry &c) {
  return llvm::any_of(open, [&](LoopCarry *other) { return other != &c && readsCarry(other->next, c); });
}

/// The carry never changes.
bool Raiser::resolveInvariant(LoopCarry &c) {
  if (c.next->kind != Expr::Kind::Read || c.next->source != c.state || !isInPlace(x, c.next->indices, c.dims))
    return false;
  ExprRef initial = initialOf(c);
  rewrite([&](ExprRef e) {
    return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      if (r->source != c.state && r->source != c.updated)
        return nullptr;
      DenseMap<AffineExpr, AffineExpr> map;
      for (auto [d, i] : llvm::zip(c.dims, r->indices))
        map[d] = i;
      return x.replace(initial, map);
    });
  });
  if (c.final)
    setFinal(c, w.write(initial, c.dims));
  return true;
}

bool Raiser::resolveBySequence(LoopCarry &c, Value after, ArrayRef<AffineExpr> axes) {
  // Before the step: the initial value, then all values but the last.
  int64_t time = llvm::find(axes, loop.step) - axes.begin();
  Value before, joined;
  auto join = [&] {
    if (joined)
      return joined;
    Indices start(axes);
    AffineExpr one = x.iterator(x.number(1));
    start[time] = one;
    Value initial = w.write(initialOf(c), start);
    if (initial)
      joined = reversed ? w.concat({after, initial}, time) : w.concat({initial, after}, time);
    return joined;
  };
  AffineExpr length = x.sizeOf(loop.step);
  bool failed = false;
  rewrite([&](ExprRef e) {
    return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      if (r->source != c.state && r->source != c.updated)
        return nullptr;
      if (r->source == c.state && !before) {
        if (!join())
          return failed = true, nullptr;
        before = w.slice(joined, time, x.number(reversed ? 1 : 0), length);
      }
      Indices where;
      for (AffineExpr a : axes) {
        const auto *d = llvm::find(c.dims, a);
        where.push_back(a == loop.step ? a : r->indices[d - c.dims.begin()]);
      }
      return x.read(r->source == c.state ? before : after, where);
    });
  });
  if (failed)
    return refuse("the state before the first step cannot be written as a tensor");
  if (c.final) {
    if (!join())
      return refuse("the final state cannot be written as a tensor");
    Value last = w.slice(joined, time, reversed ? x.number(0) : length, x.number(1));
    Indices where, own;
    for (AffineExpr a : axes)
      where.push_back(a == loop.step ? x.number(0) : a);
    Value final = w.write(x.read(last, where), c.dims);
    if (!final)
      return refuse("the final state cannot be written as a tensor");
    setFinal(c, final);
  }
  return true;
}

/// The carry is something of the step before: no recurrence at all.
bool Raiser::resolveShift(LoopCarry &c) {
  for (LoopCarry &other : loop.carries)
    if (readsCarry(c.next, other))
      return refuse("a value of the step before reads a state in a way that is not resolved");
  Indices axes = {loop.step};
  axes.append(c.dims.begin(), c.dims.end());
  Value after = w.write(c.next, axes);
  if (!after)
    return refuse("a value of the step before cannot be written for all steps at once");
  return resolveBySequence(c, after, axes);
}

/// Carries that depend on each other and on nothing else that is open.
Raiser::Group Raiser::nextGroup() {
  // Those that can be reached from a carry; the smallest such set is closed.
  Group best;
  for (LoopCarry *c : open) {
    llvm::SetVector<LoopCarry *> reached;
    reached.insert(c);
    for (size_t i = 0; i < reached.size(); ++i)
      for (LoopCarry *other : open)
        if (readsCarry(reached[i]->next, *other))
          reached.insert(other);
    if (best.empty() || reached.size() < best.size())
      best.assign(reached.begin(), reached.end());
  }
  return best;
}

bool Raiser::resolveCarries() {
  while (!open.empty()) {
    Group group = nextGroup();
    auto close = [&] { llvm::erase_if(open, [&](LoopCarry *c) { return llvm::is_contained(group, c); }); };
    if (group.size() == 1) {
      LoopCarry &c = *group[0];
      if (resolveInvariant(c)) {
        close();
        continue;
      }
      bool done = readsCarry(c.next, c) ? resolveLinear(c) : resolveShift(c);
      if (done) {
        close();
        continue;
      }
    }
    if (group.size() == 2 && (raiseComplex(*group[0], *group[1]) || raiseComplex(*group[1], *group[0]))) {
      close();
      continue;
    }
    if (!raiseSequential(group))
      return false;
    close();
  }
  return true;
}

bool Raiser::finish() {
  AffineExpr fromEnd = x.simplified(x.sizeOf(loop.step) - 1 - loop.step);
  for (LoopOutput &o : loop.outputs) {
    for (LoopCarry &c : loop.carries)
      if (readsCarry(o.element, c))
        return refuse("an output reads a state in a way that is not resolved");
    ExprRef e = o.flipped ? x.replace(o.element, DenseMap<AffineExpr, AffineExpr>{{loop.step, fromEnd}}) : o.element;
    Value v = w.write(e, o.dims);
    if (!v)
      return refuse("an output of the loop cannot be written for all steps at once");
    replaceResult(o.result, v);
  }
  // A step of an unrolled loop may read the last state before the place of the new operators: it keeps the old one.
  Block *block = loop.anchor->getBlock();
  for (auto [result, by] : replaced) {
    noteEqualSizes(result, by, loop.sizes);
    result.replaceUsesWithIf(by, [&](OpOperand &use) {
      Operation *user = block->findAncestorOpInBlock(*use.getOwner());
      return user && !user->isBeforeInBlock(loop.anchor);
    });
  }
  return true;
}

bool Raiser::run() {
  w.loc = fusedLocation(loop.nodes);
  Operation *before = loop.anchor->getPrevNode();
  splitCarries();
  for (LoopCarry &c : loop.carries)
    open.push_back(&c);
  normaliseDirection();
  if (resolveCarries() && finish()) {
    for (Operation *op : placeholders)
      op->erase();
    return true;
  }
  // Nothing that was made is needed.
  for (Operation *op : llvm::reverse(joins))
    op->erase();
  while (loop.anchor->getPrevNode() != before)
    loop.anchor->getPrevNode()->erase();
  return false;
}

bool ssm::raiseLoop(LoopForm &loop, Exprs &x, std::string &reason) { return Raiser(loop, x, reason).run(); }
