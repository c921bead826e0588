//===- Reroll.cpp - unrolled recurrences to loop form ----------------------===//
// Expects: @main after fold. A chain of values, each made from the one before by the same expression, with slices of the
// same tensors at places that move evenly, is a loop. What the steps give is found in the Concats that stack it. The
// expression of one step is compared with the instance of a template made from two steps; expressions are uniqued, so
// that is one comparison of pointers. Every step costs the size of its expression: linear in the graph.
//===----------------------------------------------------------------------===//
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/lower/Registry.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Reroll.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_REROLL
#include "passes/raise/Passes.h.inc"
} // namespace ssm

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

bool Reroller::isShared(Value v, size_t n) {
  return shared.contains(v) || (uses.lookup(v) >= n + 2 && !isa_and_nonnull<onnx::ConstantOp>(v.getDefiningOp()));
}

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

/// The longest chain in which each member reads one other.
Class Reroller::chainOf(const Class &members) {
  Exprs x(context);
  Indices dims = x.iterators(onnx::getDimExprs(typeOf(members[0])));
  llvm::SmallDenseSet<Value> set(members.begin(), members.end());
  x.isLeaf = [&](Value v) { return set.contains(v) || isShared(v, members.size()); };
  DenseMap<Value, Value> predecessor;
  llvm::SmallDenseSet<Value> known;
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
    known.insert(v);
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
    return {};
  Value deepest;
  Class chain;
  for (Value v : members) { // in the order of the block: what a member reads comes before it
    if (!analyse(v))
      continue;
    Value before = predecessor.lookup(v);
    depth[v] = before ? depth.lookup(before) + 1 : 1;
    if (!deepest || depth[v] >= depth[deepest])
      deepest = v;
  }
  for (Value v = deepest; v; v = predecessor.lookup(v)) {
    if (!known.contains(v))
      break;
    chain.push_back(v);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

bool Reroller::tryClass(const Class &members) {
  Class chain = chainOf(members);
  return chain.size() >= 3 && tryChains(chain);
}

bool Reroller::run() {
  findLeaves();
  for (const Class &c : candidates())
    if (tryClass(c))
      return true;
  return trySteps();
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
