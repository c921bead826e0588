//===- Reroll.cpp - unrolled recurrences to loop form ----------------------===//
// Expects: @main after fold. A chain of values, each made from the one before by the same expression, with slices of the
// same tensors at places that move evenly, is a loop. What the steps give is found in the Concats that stack it. The
// expression of one step is compared with the instance of a template made from two steps; expressions are uniqued, so
// that is one comparison of pointers. Every step costs the size of its expression: linear in the graph.
//===----------------------------------------------------------------------===//
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/lower/Registry.h"
#include "passes/raise/Linear.h"
#include "passes/raise/LoopForm.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_REROLL
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
constexpr int64_t kStepBudget = 4000;

RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

/// Values that may be the states of one chain: made by one operator, of one type, in order.
using Class = SmallVector<Value>;

class Reroller {
public:
  explicit Reroller(Block &block) : block(block), context(block.getParentOp()->getContext()) {}
  bool run();

private:
  SmallVector<Class> candidates();
  void findLeaves();
  bool tryClass(const Class &members);
  bool chainOf(const Class &members, Exprs &x, SmallVector<Value> &chain, const Indices &dims, SmallVector<ExprRef> &steps);
  ExprRef antiUnify(Exprs &x, ExprRef a, ExprRef b, AffineExpr step, int64_t at);
  bool matchStart(Exprs &x, ExprRef pattern, ExprRef e, Value state, const Indices &dims, ExprRef &start);
  bool addOutputs(LoopForm &loop, Exprs &x, ArrayRef<Value> chain, int64_t first, int64_t count);
  bool addReadOnlyStep(LoopForm &loop, Exprs &x, ArrayRef<Value> chain, int64_t first);
  void finishNodes(LoopForm &loop, Exprs &x, ArrayRef<Value> chain);

  /// Expressions of steps end at values that steps take slices of, and at those that every step of n may read.
  bool isShared(Value v, size_t n) {
    return shared.contains(v) || (uses.lookup(v) >= n + 2 && !isa_and_nonnull<onnx::ConstantOp>(v.getDefiningOp()));
  }

  Block &block;
  MLIRContext *context;
  llvm::DenseSet<Value> shared;
  DenseMap<Value, unsigned> uses;
};
} // namespace

SmallVector<Class> Reroller::candidates() {
  llvm::MapVector<std::pair<StringAttr, Type>, Class> classes;
  for (Operation &op : block) {
    const Lowering *lowering = op.getNumResults() == 1 ? Registry::get().lookup(&op) : nullptr;
    auto type = op.getNumResults() == 1 ? typeOf(op.getResult(0)) : RankedTensorType();
    bool state = type && isa<FloatType>(type.getElementType()) && !isMovement(&op) &&
                 ((lowering && lowering->element) || op.getName().stripDialect() == "MatMul" || op.getName().stripDialect() == "Einsum");
    if (state)
      classes[{op.getName().getIdentifier(), type}].push_back(op.getResult(0));
  }
  SmallVector<Class> out;
  for (auto &[key, members] : classes)
    if (members.size() >= 2)
      out.push_back(members);
  // A state is read by the next step and by what the step gives: classes whose members are read most come first.
  auto meanUses = [&](const Class &c) {
    size_t n = 0;
    for (Value v : c)
      n += uses.lookup(v);
    return (double)n / c.size();
  };
  llvm::sort(out, [&](const Class &a, const Class &b) {
    double x = meanUses(a), y = meanUses(b);
    return x != y ? x > y : b.back().getDefiningOp()->isBeforeInBlock(a.back().getDefiningOp());
  });
  return out;
}

/// Sources of slices, looked up through movement.
void Reroller::findLeaves() {
  auto slices = [](Operation *op) {
    StringRef name = op->getName().stripDialect();
    return name == "Gather" || name == "Slice" || name == "Split";
  };
  auto mark = [&](Value v) {
    while (v.getDefiningOp() && isMovement(v.getDefiningOp()) && v.getDefiningOp()->getName().stripDialect() != "Concat")
      v = v.getDefiningOp()->getOperand(0);
    shared.insert(v);
  };
  auto consider = [&](Value v) {
    uses[v] = std::distance(v.use_begin(), v.use_end());
    unsigned count = 0;
    for (Operation *user : v.getUsers())
      if (slices(user) && user->getOperand(0) == v)
        count += user->getName().stripDialect() == "Split" ? user->getNumResults() : 1;
    if (count >= 2)
      mark(v);
  };
  for (BlockArgument a : block.getArguments())
    consider(a);
  for (Operation &op : block)
    for (Value r : op.getResults())
      consider(r);
}

/// The longest chain in which each member reads one other; steps[k] is the expression of chain[k].
bool Reroller::chainOf(const Class &members, Exprs &x, SmallVector<Value> &chain, const Indices &dims, SmallVector<ExprRef> &steps) {
  llvm::SmallDenseSet<Value> set(members.begin(), members.end());
  x.isLeaf = [&](Value v) { return set.contains(v) || isShared(v, members.size()); };
  DenseMap<Value, Value> predecessor;
  DenseMap<Value, ExprRef> expressions;
  DenseMap<Value, int64_t> depth;
  auto analyse = [&](Value v) {
    x.budget = kStepBudget;
    ExprRef e = x.definition(v, dims);
    llvm::SmallSetVector<Value, 2> read;
    for (ExprRef r : x.readsOf(e))
      if (set.contains(r->source))
        read.insert(r->source);
    // What cannot be looked through reads as itself.
    if (x.budget <= 0 || read.size() > 1 || read.contains(v))
      return false;
    expressions[v] = e;
    if (read.size() == 1)
      predecessor[v] = read[0];
    return true;
  };
  // A look at a few tells most classes that are no chain.
  bool any = false;
  for (size_t i = 1; i <= 3 && !any; ++i)
    any = analyse(members[members.size() * i / 4]) && (predecessor.size() || members.size() < 4);
  x.forget();
  predecessor.clear();
  if (!any)
    return false;
  Value deepest;
  for (Value v : members) { // in the order of the block: what a member reads comes before it
    if (!analyse(v))
      continue;
    Value before = predecessor.lookup(v);
    depth[v] = before ? depth.lookup(before) + 1 : 1;
    if (!deepest || depth[v] >= depth[deepest])
      deepest = v;
  }
  for (Value v = deepest; v; v = predecessor.lookup(v)) {
    if (!expressions.count(v))
      break;
    chain.push_back(v);
  }
  std::reverse(chain.begin(), chain.end());
  for (Value v : chain)
    steps.push_back(expressions[v]);
  return chain.size() >= 3;
}

/// An expression that is a at step `at` and b at the next; null when they differ in more than places in tensors.
ExprRef Reroller::antiUnify(Exprs &x, ExprRef a, ExprRef b, AffineExpr step, int64_t at) {
  DenseMap<std::pair<ExprRef, ExprRef>, ExprRef> done;
  std::function<ExprRef(ExprRef, ExprRef)> walk = [&](ExprRef a, ExprRef b) -> ExprRef {
    if (a == b)
      return a;
    if (auto it = done.find({a, b}); it != done.end())
      return it->second;
    if (!a || !b || a->kind != b->kind || a->type != b->type || a->name != b->name || a->source != b->source ||
        a->number != b->number || a->attributes != b->attributes || a->indices.size() != b->indices.size() ||
        a->operands.size() != b->operands.size())
      return nullptr;
    Indices indices;
    for (auto [p, q] : llvm::zip(a->indices, b->indices)) {
      auto delta = dyn_cast<AffineConstantExpr>(x.simplified(q - p));
      if (!delta || (a->kind == Expr::Kind::Reduce && delta.getValue()))
        return nullptr;
      indices.push_back(delta.getValue() ? x.simplified(p + (step - at) * delta.getValue()) : p);
    }
    SmallVector<ExprRef> operands;
    for (auto [p, q] : llvm::zip(a->operands, b->operands)) {
      operands.push_back(walk(p, q));
      if (p && !operands.back())
        return nullptr;
    }
    ExprRef r = nullptr;
    switch (a->kind) {
    case Expr::Kind::Read:
      r = x.read(a->source, indices);
      break;
    case Expr::Kind::Index:
      r = x.index(indices[0], a->type);
      break;
    case Expr::Kind::Op:
      r = x.op(a->name, operands, a->type, a->prototype);
      break;
    case Expr::Kind::Select:
      r = x.select(indices, operands[0], operands[1]);
      break;
    case Expr::Kind::Reduce:
      r = x.reduce(a->name, a->indices, operands[0]);
      break;
    case Expr::Kind::Constant:
      break;
    }
    return done[{a, b}] = r;
  };
  return walk(a, b);
}

/// Finds what stands in e where the pattern reads the state.
bool Reroller::matchStart(Exprs &x, ExprRef p, ExprRef e, Value state, const Indices &dims, ExprRef &start) {
  if (p == e)
    return true;
  if (!p || !e)
    return false;
  if (p->kind == Expr::Kind::Read && p->source == state) {
    if (!start && (e->kind == Expr::Kind::Constant || isInPlace(x, p->indices, dims)))
      start = e;
    return start != nullptr;
  }
  if (p->kind != e->kind || p->name != e->name || p->operands.empty() || p->operands.size() != e->operands.size())
    return false;
  auto all = [&](ArrayRef<ExprRef> operands) {
    ExprRef saved = start;
    for (auto [q, o] : llvm::zip(p->operands, operands))
      if (!matchStart(x, q, o, state, dims, start)) {
        start = saved;
        return false;
      }
    return true;
  };
  if (all(e->operands))
    return true;
  bool swaps = e->operands.size() == 2 && p->kind == Expr::Kind::Op && (p->name == "Add" || p->name == "Mul" || p->name == "Max");
  return swaps && all({e->operands[1], e->operands[0]});
}

static ExprRef renamed(Exprs &x, ExprRef e, ArrayRef<std::pair<Value, Value>> sources) {
  return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
    for (auto [from, to] : sources)
      if (r->source == from)
        return x.read(to, r->indices);
    return nullptr;
  });
}

/// Concats whose operands are what the steps give, one each, in order or against it.
bool Reroller::addOutputs(LoopForm &loop, Exprs &x, ArrayRef<Value> chain, int64_t first, int64_t count) {
  ExprRef start = loop.carries[0].start;
  Value state = loop.carries[0].state, updated = loop.carries[0].updated;
  DenseMap<Value, int64_t> stepOf;
  for (auto [k, v] : llvm::enumerate(chain))
    stepOf[v] = (int64_t)k - first; // -1 where the chain's first value is the state before all steps
  llvm::SmallDenseSet<Value> set(chain.begin(), chain.end());
  x.isLeaf = [&](Value v) { return set.contains(v) || isShared(v, chain.size()); };
  x.forget();
  AffineExpr step = loop.step;
  auto instance = [&](ExprRef e, int64_t k, bool beforeAll) {
    ExprRef r = x.replace(e, DenseMap<AffineExpr, AffineExpr>{{step, x.number(k)}});
    if (!beforeAll)
      return r;
    return x.replace(r, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef read) -> ExprRef {
      if (read->source != state || !start)
        return nullptr;
      DenseMap<AffineExpr, AffineExpr> map;
      for (auto [d, i] : llvm::zip(loop.carries[0].dims, read->indices))
        map[d] = i;
      return x.replace(start, map);
    });
  };
  for (Operation &op : block) {
    if (op.getName().stripDialect() != "Concat" || (int64_t)op.getNumOperands() != count || !typeOf(op.getResult(0)))
      continue;
    auto type = typeOf(op.getResult(0));
    int64_t axis = onnx::intAttr(&op, "axis");
    axis += axis < 0 ? type.getRank() : 0;
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
    auto element = [&](int64_t k) {
      ExprRef e = elements[forward ? k : count - 1 - k];
      SmallVector<std::pair<Value, Value>> sources;
      if (k + first < (int64_t)chain.size())
        sources.push_back({chain[k + first], updated});
      if (k + first > 0)
        sources.push_back({chain[k + first - 1], state});
      return renamed(x, e, sources);
    };
    int64_t at = std::min<int64_t>(1, count - 2);
    ExprRef whole = antiUnify(x, element(at), element(at + 1), step, at);
    if (!whole)
      continue;
    bool same = true;
    for (int64_t k = 0; k < count && same; ++k)
      same = instance(whole, k, k == 0 && first == 0) == element(k);
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
bool Reroller::addReadOnlyStep(LoopForm &loop, Exprs &x, ArrayRef<Value> chain, int64_t first) {
  int64_t count = chain.size() - first + 1;
  AffineExpr before = loop.step, longer = x.iterator(x.number(count));
  LoopCarry &carry = loop.carries[0];
  ExprRef next = x.replace(carry.next, DenseMap<AffineExpr, AffineExpr>{{before, longer}});
  for (ExprRef r : x.readsOf(next))
    for (auto [n, i] : llvm::enumerate(r->indices))
      if (!x.isNonNegative(i) || !x.isNonNegative(onnx::getDimExpr(typeOf(r->source), n) - 1 - i))
        return false;
  loop.step = longer;
  if (!addOutputs(loop, x, chain, first, count)) {
    loop.step = before;
    return false;
  }
  carry.next = next;
  return true;
}

/// Operators of the loop, and where the new ones go: after everything that they read.
void Reroller::finishNodes(LoopForm &loop, Exprs &x, ArrayRef<Value> chain) {
  llvm::SmallDenseSet<Value> sources;
  Operation *last = chain.back().getDefiningOp();
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
  note(loop.carries[0].next);
  note(loop.carries[0].start);
  for (LoopOutput &o : loop.outputs)
    note(o.element);
  loop.anchor = last->getNextNode();
  llvm::SetVector<Operation *> nodes;
  nodes.insert(chain.back().getDefiningOp());
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

/// What a step gives from a state of zeros, where it is linear in the state.
static ExprRef inputOf(Exprs &x, ExprRef e, Value state) {
  Linear linear(x, [&](Value v) { return v == state; });
  auto terms = linear.of(e);
  if (!terms)
    return nullptr;
  SmallVector<LinearTerm> free;
  for (LinearTerm &t : *terms)
    if (!t.state)
      free.push_back(t);
  return sumOf(x, free, e->type);
}

bool Reroller::tryClass(const Class &members) {
  Exprs x(context);
  Indices dims = x.iterators(onnx::getDimExprs(typeOf(members[0])));
  SmallVector<Value> chain;
  SmallVector<ExprRef> steps;
  if (!chainOf(members, x, chain, dims, steps))
    return false;
  OpBuilder b(&block, block.begin());
  Location loc = chain[0].getLoc();
  auto placeholder = [&] { return UnrealizedConversionCastOp::create(b, loc, chain[0].getType(), ValueRange{}).getResult(0); };
  Value state = placeholder(), updated = placeholder();
  auto clean = llvm::scope_exit([&] {
    for (Value v : {state, updated})
      if (v.use_empty())
        v.getDefiningOp()->erase();
  });
  for (size_t k = 1; k < chain.size(); ++k)
    steps[k] = renamed(x, steps[k], {{chain[k - 1], state}});

  // The template: from two steps, or from the only one.
  LoopForm loop;
  int64_t n = chain.size();
  AffineExpr step = x.iterator(x.number(n));
  ExprRef next = antiUnify(x, steps[1], steps[2], step, 1), start = nullptr;
  int64_t first = 0; // place in the chain of the value after the first step
  auto instance = [&](int64_t k) { return x.replace(next, DenseMap<AffineExpr, AffineExpr>{{step, x.number(k)}}); };
  if (!next)
    return false;
  bool trimmed = false;
  for (int64_t k = 1; k < n; ++k) {
    if (instance(k) == steps[k])
      continue;
    if (k != n - 1 || n < 4)
      return false;
    // What the last state is used for may look like one more state.
    trimmed = true;
    chain.pop_back();
    steps.pop_back();
    --n;
    AffineExpr shorter = x.iterator(x.number(n));
    next = x.replace(next, DenseMap<AffineExpr, AffineExpr>{{step, shorter}});
    step = shorter;
  }
  // The first value: a step from a start, or the start itself.
  auto with = [&](ExprRef e, ExprRef s) {
    return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      if (r->source != state)
        return nullptr;
      DenseMap<AffineExpr, AffineExpr> map;
      for (auto [d, i] : llvm::zip(dims, r->indices))
        map[d] = i;
      return x.replace(s, map);
    });
  };
  ExprRef at0 = instance(0), zero = x.constant(0, typeOf(chain[0]).getElementType());
  if (!(matchStart(x, at0, steps[0], state, dims, start) && start && with(at0, start) == steps[0])) {
    // Simplified for a state of zeros.
    bool zeros = with(at0, zero) == steps[0] || inputOf(x, at0, state) == steps[0];
    start = zeros ? zero : nullptr;
  }
  if (!start) {
    // Not the same step: the loop starts after it.
    first = 1;
    AffineExpr shorter = x.iterator(x.number(n - 1));
    next = x.replace(next, DenseMap<AffineExpr, AffineExpr>{{step, shorter + 1}});
    step = shorter;
    start = x.read(chain[0], dims);
  }
  loop.step = step;
  LoopCarry carry;
  carry.state = state;
  carry.updated = updated;
  carry.dims = dims;
  carry.next = next;
  carry.start = start;
  carry.final = chain.back();
  loop.carries.push_back(carry);
  bool lastReadsOnly = !addOutputs(loop, x, chain, first, n - first) && addReadOnlyStep(loop, x, chain, first);
  finishNodes(loop, x, chain);
  llvm::SmallDenseSet<Operation *> inside(loop.nodes.begin(), loop.nodes.end());
  if (llvm::all_of(chain.back().getUsers(), [&](Operation *user) { return inside.contains(block.findAncestorOpInBlock(*user)); }))
    loop.carries[0].final = nullptr;
  if (lastReadsOnly)
    loop.carries[0].final = nullptr; // the last value of the chain is not that of the last step
  bool finalOnly = llvm::all_of(ArrayRef<Value>(chain).drop_back(), [](Value v) { return v.hasOneUse(); });
  if (loop.outputs.empty() && (trimmed || !finalOnly))
    return false;
  x.isLeaf = nullptr;
  x.expands = nullptr;
  x.budget = 1 << 20;
  x.forget();
  std::string reason;
  if (raiseLoop(loop, x, reason))
    return true;
  noteMissed(chain.back().getDefiningOp(), "an unrolled recurrence is kept: " + reason);
  return false;
}

bool Reroller::run() {
  findLeaves();
  for (const Class &c : candidates())
    if (tryClass(c))
      return true;
  return false;
}

namespace {
struct RerollPass : ssm::impl::RerollBase<RerollPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    while (Reroller(main.getBody().front()).run())
      eraseDeadOps(main.getBody());
  }
};
} // namespace
