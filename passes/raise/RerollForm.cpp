//===- RerollForm.cpp - chains of values as the states of a loop -----------===//
// The expression of one step is compared with the instance of a template made from two steps; expressions are uniqued,
// so that is one comparison of pointers. What the steps give is found in the Concats that stack it. The first step may
// be simplified for a state of zeros, the last one may only read. Linear in the sizes of the steps' expressions.
//===----------------------------------------------------------------------===//
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SetVector.h"
#include "passes/raise/Operands.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Reroll.h"
#include "passes/raise/ConstantParts.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

//===- names ---------------------------------------------------------------===//

/// The expression with what chains are before and after step k in the names of the loop; null when it reads another step.
ExprRef Reroller::named(Exprs &x, ExprRef e, Chains chains, int64_t k, const Chain *own) {
  bool other = false;
  ExprRef r = x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef read) -> ExprRef {
    for (Chain &c : chains) {
      auto at = llvm::find(c.members, read->source) - c.members.begin();
      if (at == (int64_t)c.members.size())
        continue;
      if (at == k && &c != own)
        return x.read(c.updated, read->indices);
      if (at == k - 1)
        return x.read(c.state, read->indices);
      other = true;
    }
    return nullptr;
  });
  return other ? nullptr : r;
}

/// The expression with the states that chains start with in place of reads.
ExprRef Reroller::started(Exprs &x, ExprRef e, Chains chains) {
  return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
    for (Chain &c : chains) {
      if (r->source != c.state || !c.start)
        continue;
      DenseMap<AffineExpr, AffineExpr> map;
      for (auto [d, i] : llvm::zip(c.dims, r->indices))
        map[d] = i;
      return x.replace(c.start, map);
    }
    return nullptr;
  });
}

/// A constant of nothing but zeros, as the product of a state of zeros and a weight becomes.
static bool isZeros(Value v) {
  ElementsAttr value = onnx::constantValue(v);
  if (!value || !isa<FloatType>(value.getElementType()) || value.getNumElements() > 65536)
    return false;
  auto numbers = numbersOf(value);
  return numbers && llvm::all_of(*numbers, [](double d) { return d == 0; });
}

/// What is left of an expression when these values are zeros, as exporters and folding leave it: products with zero, and
/// sums of them, are zero.
ExprRef Reroller::withZeros(Exprs &x, ExprRef root, llvm::function_ref<bool(Value)> isZero) {
  DenseMap<ExprRef, ExprRef> done;
  std::function<ExprRef(ExprRef)> walk = [&](ExprRef e) -> ExprRef {
    if (!e)
      return e;
    if (auto it = done.find(e); it != done.end())
      return it->second;
    SmallVector<ExprRef> operands;
    for (ExprRef o : e->operands)
      operands.push_back(walk(o));
    auto zero = [&](unsigned i) { return operands[i] && operands[i]->isConstant(0); };
    ExprRef r = e;
    switch (e->kind) {
    case Expr::Kind::Read:
      r = isZero(e->source) || isZeros(e->source) ? x.constant(0, e->type) : e;
      break;
    case Expr::Kind::Reduce:
      r = e->isSum() && zero(0) ? operands[0] : x.reduce(e->name, e->indices, operands[0]);
      break;
    case Expr::Kind::Select:
      r = x.select(e->indices, operands[0], operands[1]);
      break;
    case Expr::Kind::Op:
      if (!isa<FloatType>(e->type))
        r = x.op(e->name, operands, e->type, e->prototype);
      else if (e->name == "Mul" && (zero(0) || zero(1)))
        r = x.constant(0, e->type);
      else if (e->name == "Div" && zero(0))
        r = operands[0];
      else if (e->name == "Neg" && zero(0))
        r = operands[0];
      else if (e->name == "Sub" && zero(0))
        r = x.neg(operands[1]);
      else
        r = x.op(e->name, operands, e->type, e->prototype);
      break;
    default:
      break;
    }
    return done[e] = r;
  };
  return walk(root);
}

//===- templates and starts ------------------------------------------------===//

/// One expression for every step of every chain but the first; the last step may turn out to be something else.
bool Reroller::findTemplates(Exprs &x, SmallVectorImpl<Chain> &chains, AffineExpr &step, bool &trimmed) {
  int64_t n = chains[0].members.size();
  for (Chain &c : chains)
    for (int64_t k = 0; k < n; ++k) {
      x.budget = kStepBudget;
      ExprRef e = named(x, x.definition(c.members[k], c.dims), chains, k, &c);
      if (!e || x.budget <= 0)
        return false;
      c.steps.push_back(e);
    }
  step = x.iterator(x.number(n));
  for (Chain &c : chains) {
    c.next = x.antiUnify(c.steps[1], c.steps[2], step, 1, /*positions=*/true);
    if (!c.next)
      return false;
  }
  for (int64_t k = 1; k < n; ++k)
    for (Chain &c : chains) {
      if (x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{step, x.number(k)}}) == c.steps[k])
        continue;
      if (k != n - 1 || n < 4)
        return false;
      // What the last state is used for may look like one more state.
      trimmed = true;
    }
  if (!trimmed)
    return true;
  AffineExpr shorter = x.iterator(x.number(n - 1));
  for (Chain &c : chains) {
    c.members.pop_back();
    c.steps.pop_back();
    c.next = x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{step, shorter}});
  }
  step = shorter;
  return true;
}

/// Finds what stands in e where the pattern reads states. A part that is what the pattern leaves of zeros says that the
/// states in it are.
bool Reroller::matchStart(Exprs &x, ExprRef p, ExprRef e, Chains chains, llvm::SmallDenseSet<Value> &opened) {
  if (p == e)
    return true;
  if (!p || !e)
    return false;
  auto chainOf = [&](Value v) -> Chain * {
    auto at = llvm::find_if(chains, [&](Chain &c) { return c.state == v; });
    return at == chains.end() ? nullptr : &*at;
  };
  if (p->kind == Expr::Kind::Read)
    if (Chain *c = chainOf(p->source)) {
      if (c->start)
        return started(x, p, chains) == e;
      if (e->kind == Expr::Kind::Constant)
        return c->start = e;
      // The places in the state, back in the names of its dims.
      DenseMap<AffineExpr, AffineExpr> back;
      for (auto [d, i] : llvm::zip(c->dims, p->indices))
        if (x.sizeOf(d) != x.number(1) && (!isa<AffineDimExpr>(i) || !back.try_emplace(i, d).second))
          return false;
      ExprRef start = x.replace(e, back);
      if (!llvm::all_of(x.freeIterators(start), [&](AffineExpr i) { return llvm::is_contained(c->dims, i); }))
        return false;
      return c->start = start;
    }
  SmallVector<ExprRef> saved;
  for (Chain &c : chains)
    saved.push_back(c.start);
  llvm::SmallDenseSet<Value> savedOpened = opened;
  auto restore = [&] {
    for (auto [c, s] : llvm::zip(chains, saved))
      c.start = s;
    opened = savedOpened;
    return false;
  };
  auto all = [&](ArrayRef<ExprRef> operands) {
    for (auto [q, o] : llvm::zip(p->operands, operands))
      if (!matchStart(x, q, o, chains, opened))
        return restore();
    return true;
  };
  if (p->kind == e->kind && p->name == e->name && p->attributes == e->attributes && !p->operands.empty() &&
      p->operands.size() == e->operands.size()) {
    if (all(e->operands))
      return true;
    bool swaps = e->operands.size() == 2 && p->kind == Expr::Kind::Op && (p->name == "Add" || p->name == "Mul" || p->name == "Max");
    if (swaps && all({e->operands[1], e->operands[0]}))
      return true;
  }
  // What the first step makes of the states that it starts with may not depend on the time: one value of its own.
  if (e->kind == Expr::Kind::Read && e->source.getDefiningOp() &&
      (p->kind == Expr::Kind::Op || p->kind == Expr::Kind::Reduce) && x.reads(p, [&](Value v) { return chainOf(v); }))
    if (ExprRef inner = x.definition(e->source, e->indices); inner->kind != Expr::Kind::Read) {
      opened.insert(e->source);
      if (matchStart(x, p, withZeros(x, inner, [](Value) { return false; }), chains, opened))
        return true;
      restore();
    }
  auto open = [&](Value v) {
    Chain *c = chainOf(v);
    return c && (!c->start || c->start->isConstant(0));
  };
  if (!x.reads(p, open))
    return false;
  auto zeros = [&](ExprRef part) {
    for (ExprRef r : x.readsOf(part))
      if (Chain *c = chainOf(r->source); c && open(r->source))
        c->start = x.constant(0, typeOf(c->state).getElementType());
  };
  if (withZeros(x, p, open) == e) {
    zeros(p);
    return true;
  }
  // One side of a sum is gone.
  if (p->isOp("Add"))
    for (unsigned i = 0; i < 2; ++i)
      if (withZeros(x, p->operands[i], open)->isConstant(0)) {
        zeros(p->operands[i]);
        if (matchStart(x, p->operands[1 - i], e, chains, opened))
          return true;
        restore();
      }
  return false;
}

ExprRef Reroller::withConstantsOf(Exprs &x, ExprRef other, ExprRef e) {
  auto isConstant = [](ExprRef r) { return onnx::constantValue(r->source) != nullptr; };
  SmallVector<ExprRef> known = llvm::filter_to_vector(x.readsOf(other), isConstant);
  DenseMap<ExprRef, ExprRef> same;
  for (ExprRef r : x.readsOf(e))
    if (isConstant(r) && !llvm::is_contained(known, r))
      if (auto *found = llvm::find_if(known, [&](ExprRef k) { return sameNumbers(x, r, k); }); found != known.end())
        same[r] = *found;
  return same.empty() ? e : x.replace(e, same);
}

/// What the chains start with, so that their first values are first steps.
bool Reroller::findStarts(Exprs &x, Chains chains, AffineExpr step) {
  auto none = [](Value) { return false; };
  auto first = [&](Chain &c) { return x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{step, x.number(0)}}); };
  bool found = true;
  llvm::SmallDenseSet<Value> opened;
  for (Chain &c : chains) {
    c.steps[0] = withConstantsOf(x, first(c), c.steps[0]);
    found &= matchStart(x, first(c), withZeros(x, c.steps[0], none), chains, opened);
  }
  // A state that nothing of the first steps is left of was zeros.
  for (Chain &c : chains)
    if (found && !c.start)
      c.start = x.constant(0, typeOf(c.state).getElementType());
  auto whole = [&](ExprRef e) {
    e = x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      return opened.contains(r->source) ? x.definition(r->source, r->indices) : nullptr;
    });
    return withZeros(x, e, none);
  };
  for (Chain &c : chains)
    found = found && whole(started(x, first(c), chains)) == whole(c.steps[0]);
  if (!found)
    for (Chain &c : chains)
      c.start = nullptr;
  return found;
}

/// Values of the last step that nothing of what is stacked reads.
void Reroller::findLast(Exprs &x, Chains chains, AffineExpr &step, llvm::SmallDenseSet<Value> &leaves) {
  int64_t n = chains[0].members.size();
  AffineExpr longer = x.iterator(x.number(n + 1));
  SmallVector<Value> last(chains.size());
  for (unsigned round = 0; round < chains.size(); ++round)
    for (auto [i, c] : llvm::enumerate(chains)) {
      if (last[i])
        continue;
      // What is made of the states of the step before, not far from them.
      llvm::SetVector<Operation *> readers;
      for (Chain &other : chains)
        for (Operation *user : other.members.back().getUsers())
          readers.insert(user);
      for (size_t r = 0; r < readers.size() && readers.size() < 64; ++r)
        for (Operation *user : readers[r]->getUsers())
          readers.insert(user);
      ExprRef wanted = x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{step, x.number(n)}});
      for (Operation *op : readers) {
        if (op->getBlock() != &block || op->getNumResults() != 1 || op->getResult(0).getType() != c.state.getType() ||
            op->getName() != c.members.back().getDefiningOp()->getName())
          continue;
        x.budget = kStepBudget;
        ExprRef e = named(x, x.definition(op->getResult(0), c.dims), chains, n, &c);
        if (e)
          e = x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef read) -> ExprRef {
            const auto *at = llvm::find(last, read->source);
            return at == last.end() ? nullptr : x.read(chains[at - last.begin()].updated, read->indices);
          });
        if (e == wanted) {
          last[i] = op->getResult(0);
          leaves.insert(last[i]);
          x.forget();
          break;
        }
      }
    }
  if (llvm::is_contained(last, Value())) {
    for (Value v : last)
      leaves.erase(v);
    x.forget();
    return;
  }
  for (auto [c, v] : llvm::zip(chains, last)) {
    c.members.push_back(v);
    c.next = x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{step, longer}});
  }
  step = longer;
}

/// Concats whose operands are what the steps give, one each, in order or against it.
bool Reroller::addOutputs(LoopForm &loop, Exprs &x, Chains chains, int64_t first, int64_t count) {
  DenseMap<Value, int64_t> stepOf;
  for (Chain &c : chains)
    for (auto [k, v] : llvm::enumerate(c.members))
      stepOf[v] = (int64_t)k - first; // -1 where the chain's first value is the state before all steps
  AffineExpr step = loop.step;
  auto none = [](Value) { return false; };
  auto instance = [&](ExprRef e, int64_t k, bool beforeAll) {
    ExprRef r = x.replace(e, DenseMap<AffineExpr, AffineExpr>{{step, x.number(k)}});
    return beforeAll ? withZeros(x, started(x, r, chains), none) : r;
  };
  for (Operation &op : block) {
    if (op.getName().stripDialect() != "Concat" || (int64_t)op.getNumOperands() != count || !typeOf(op.getResult(0)))
      continue;
    auto type = typeOf(op.getResult(0));
    int64_t axis = normalAxis(onnx::intAttr(&op, "axis"), type.getRank());
    LoopOutput out;
    Indices where;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      out.dims.push_back(i == axis ? step : x.iterator(onnx::getDimExpr(type, i)));
      where.push_back(i == axis ? x.number(0) : out.dims.back());
    }
    // Elements of each operand, in the names of the state before and after its step.
    SmallVector<ExprRef> elements(count);
    bool forward = true, backward = true;
    for (auto [j, v] : llvm::enumerate(op.getOperands())) {
      if (!typeOf(v) || typeOf(v).getDimSize(axis) != 1) {
        forward = backward = false;
        break;
      }
      x.budget = kStepBudget;
      elements[j] = x.at(v, where);
      int64_t last = -1; // what is before all steps
      for (ExprRef r : x.readsOf(elements[j]))
        if (auto it = stepOf.find(r->source); it != stepOf.end())
          last = std::max(last, it->second);
      auto fits = [&](int64_t k) { return last == k || last == k - 1; };
      forward &= x.budget > 0 && fits(j);
      backward &= x.budget > 0 && fits(count - 1 - (int64_t)j);
      if (!forward && !backward)
        break;
    }
    if (!forward && !backward)
      continue;
    auto element = [&](int64_t k) { return named(x, elements[forward ? k : count - 1 - k], chains, k + first, nullptr); };
    bool known = true;
    for (int64_t k = 0; k < count && known; ++k)
      known = element(k) != nullptr;
    if (!known)
      continue;
    int64_t at = std::min<int64_t>(1, count - 2);
    ExprRef whole = x.antiUnify(element(at), element(at + 1), step, at, /*positions=*/true);
    if (!whole)
      continue;
    bool same = true;
    for (int64_t k = 0; k < count && same; ++k)
      same = k == 0 && first == 0 ? instance(whole, k, true) == withZeros(x, element(k), none) : instance(whole, k, false) == element(k);
    if (!same)
      continue;
    out.element = whole;
    out.flipped = !forward;
    out.result = op.getResult(0);
    loop.outputs.push_back(std::move(out));
  }
  return !loop.outputs.empty();
}

/// A last step that reads the state and gives no next one: the loop has a step more than the chain.
bool Reroller::addReadOnlyStep(LoopForm &loop, Exprs &x, Chains chains, int64_t first) {
  int64_t count = chains[0].members.size() - first + 1;
  AffineExpr before = loop.step, longer = x.iterator(x.number(count));
  SmallVector<ExprRef> nexts;
  for (LoopCarry &carry : loop.carries) {
    nexts.push_back(x.replace(carry.next, DenseMap<AffineExpr, AffineExpr>{{before, longer}}));
    for (ExprRef r : x.readsOf(nexts.back()))
      for (auto [n, i] : llvm::enumerate(r->indices))
        if (!x.isNonNegative(i) || !x.isNonNegative(onnx::getDimExpr(typeOf(r->source), n) - 1 - i))
          return false;
  }
  loop.step = longer;
  if (!addOutputs(loop, x, chains, first, count)) {
    loop.step = before;
    return false;
  }
  for (auto [carry, next] : llvm::zip(loop.carries, nexts))
    carry.next = next;
  return true;
}

/// Operators of the loop, and where the new ones go: after everything that they read.
void Reroller::finishNodes(LoopForm &loop, Exprs &x, Chains chains) {
  llvm::SmallDenseSet<Value> sources;
  Operation *last = chains[0].members.back().getDefiningOp();
  for (Chain &c : chains)
    if (last->isBeforeInBlock(c.members.back().getDefiningOp()))
      last = c.members.back().getDefiningOp();
  auto note = [&](ExprRef e) {
    if (!e)
      return;
    for (ExprRef r : x.readsOf(e)) {
      sources.insert(r->source);
      Operation *def = r->source.getDefiningOp();
      if (def && def->getBlock() == &block && last->isBeforeInBlock(def))
        last = def;
    }
  };
  for (LoopCarry &c : loop.carries) {
    note(c.next);
    note(c.start);
  }
  for (LoopOutput &o : loop.outputs)
    note(o.element);
  loop.anchor = last->getNextNode();
  llvm::SetVector<Operation *> nodes;
  for (Chain &c : chains)
    nodes.insert(c.members.back().getDefiningOp());
  for (LoopOutput &o : loop.outputs)
    nodes.insert(o.result.getDefiningOp());
  for (size_t i = 0; i < nodes.size(); ++i)
    for (Value v : nodes[i]->getOperands())
      if (Operation *def = v.getDefiningOp(); def && def->getBlock() == &block && !sources.contains(v) &&
                                              !isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(def))
        nodes.insert(def);
  loop.nodes.assign(nodes.begin(), nodes.end());
  llvm::sort(loop.nodes, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
}

bool Reroller::tryChains(ArrayRef<Class> classes, const llvm::DenseSet<Value> *leaves) {
  Exprs x(context);
  llvm::SmallDenseSet<Value> set;
  size_t length = classes[0].size();
  SmallVector<Chain> chains(classes.size());
  OpBuilder b(&block, block.begin());
  for (auto [c, members] : llvm::zip(chains, classes)) {
    c.members = members;
    c.dims = x.iterators(onnx::getDimExprs(typeOf(members[0])));
    set.insert(members.begin(), members.end());
    for (Value *v : {&c.state, &c.updated})
      *v = UnrealizedConversionCastOp::create(b, members[0].getLoc(), members[0].getType(), ValueRange{}).getResult(0);
  }
  auto clean = llvm::scope_exit([&] {
    for (Chain &c : chains)
      for (Value v : {c.state, c.updated})
        if (v.use_empty())
          v.getDefiningOp()->erase();
  });
  x.isLeaf = [&](Value v) { return set.contains(v) || (leaves ? leaves->contains(v) : isShared(v, length)); };
  AffineExpr step;
  bool trimmed = false;
  if (!findTemplates(x, chains, step, trimmed))
    return false;
  bool isWhole = findStarts(x, chains, step);
  if (leaves) // chains of one operator are whole
    findLast(x, chains, step, set);
  int64_t n = chains[0].members.size(), first = 0; // place in the chain of the value after the first step
  if (!isWhole) {
    // Not the same step: the loop starts after it.
    first = 1;
    AffineExpr shorter = x.iterator(x.number(n - 1));
    for (Chain &c : chains) {
      c.next = x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{step, shorter + 1}});
      c.start = x.read(c.members[0], c.dims);
    }
    step = shorter;
  }
  LoopForm loop;
  loop.step = step;
  for (Chain &c : chains) {
    LoopCarry carry;
    carry.state = c.state;
    carry.updated = c.updated;
    carry.dims = c.dims;
    carry.next = c.next;
    carry.start = c.start;
    carry.final = c.members.back();
    loop.carries.push_back(carry);
  }
  x.forget();
  bool lastReadsOnly = !addOutputs(loop, x, chains, first, n - first) && addReadOnlyStep(loop, x, chains, first);
  finishNodes(loop, x, chains);
  llvm::SmallDenseSet<Operation *> inside(loop.nodes.begin(), loop.nodes.end());
  for (LoopCarry &c : loop.carries) {
    bool unread = llvm::all_of(c.final.getUsers(), [&](Operation *user) { return inside.contains(block.findAncestorOpInBlock(*user)); });
    if (unread || lastReadsOnly) // the last value of the chain is not that of the last step
      c.final = nullptr;
  }
  bool finalOnly = chains.size() == 1 && llvm::all_of(ArrayRef<Value>(chains[0].members).drop_back(), [](Value v) { return v.hasOneUse(); });
  if (loop.outputs.empty() && (trimmed || !finalOnly))
    return false;
  x.isLeaf = nullptr;
  x.expands = nullptr;
  x.budget = 1 << 20;
  x.forget();
  std::string reason;
  if (raiseLoop(loop, x, reason))
    return true;
  noteMissed(chains[0].members.back().getDefiningOp(), "an unrolled recurrence is kept: " + reason);
  return false;
}
