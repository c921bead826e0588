//===- RaiseCut.cpp - parts of the graph that raise changed ----------------===//
// An operator of @main that is there before and after raise is one that raise left alone, and its results are the same
// values by what raise promises. It is known again by its address and by a number in its location; copies that passes
// make of it have another address. All other operators after raise are changed; those that read each other are one
// part. The inputs of a part are unchanged values behind which both sides agree; none of them may be computed from
// another, for they are drawn independently. Where that fails, the later one is computed on both sides. Linear in
// operators for each part and each step of this.
//===----------------------------------------------------------------------===//
#include "lib/Driver/RaiseCut.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/Mixers.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;
using namespace ssm;

/// More inputs than these are not told apart; the part is compared from the inputs of the model on.
constexpr size_t kMostInputs = 200;

static Block &mainOf(ModuleOp module) { return module.lookupSymbol<func::FuncOp>("main").front(); }

bool ssm::isCopied(Operation *op) { return isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(op); }

llvm::SetVector<Value> ssm::readBy(Operation *op) {
  llvm::SetVector<Value> values(op->operand_begin(), op->operand_end());
  for (Region &region : op->getRegions())
    getUsedValuesDefinedAbove(region, values);
  return values;
}

static bool isCopiedValue(Value v) { return v.getDefiningOp() && isCopied(v.getDefiningOp()); }

/// The operator of `block` that `op` is or lies in.
static Operation *ancestorIn(Block *block, Operation *op) { return block->findAncestorOpInBlock(*op); }

RaiseOrigin::RaiseOrigin(ModuleOp module) {
  unsigned next = 0;
  Builder b(module.getContext());
  for (Operation &op : mainOf(module)) {
    op.setLoc(FusedLoc::get(module.getContext(), {op.getLoc()}, b.getI64IntegerAttr(next)));
    number[&op] = next++;
  }
  copy = cast<ModuleOp>(module->clone(mapping));
  for (auto [i, op] : llvm::enumerate(mainOf(*copy)))
    order[&op] = i;
  auto from = mainOf(module).getArguments(), to = mainOf(*copy).getArguments();
  for (auto [a, b] : llvm::zip(from, to))
    mapping.map(a, b);
}

Operation *RaiseOrigin::sourceOf(Operation *op) const {
  auto it = number.find(op);
  auto loc = dyn_cast<FusedLoc>(op->getLoc());
  auto mark = loc ? dyn_cast_or_null<IntegerAttr>(loc.getMetadata()) : IntegerAttr();
  if (it == number.end() || !mark || mark.getInt() != it->second)
    return nullptr;
  Operation *source = mapping.lookupOrNull(op);
  // The address may be that of another operator that has gone.
  bool same = source && source->getName() == op->getName() && source->getNumResults() == op->getNumResults() &&
              source->getNumOperands() == op->getNumOperands();
  return same ? source : nullptr;
}

Value RaiseOrigin::sourceOf(Value v) const {
  if (isa<BlockArgument>(v))
    return mapping.lookupOrNull(v);
  Operation *source = sourceOf(v.getDefiningOp());
  return source ? source->getResult(cast<OpResult>(v).getResultNumber()) : Value();
}

void RaiseOrigin::findChanged(Block &block) {
  changed.clear();
  for (Operation &op : block) {
    if (isCopied(&op) || op.getNumResults() == 0)
      continue;
    bool differs = !sourceOf(&op);
    if (!differs && op.getNumRegions()) {
      op.walk([&](SequenceMixerOpInterface) { differs = true; });
      for (Value v : readBy(&op))
        differs |= !llvm::is_contained(op.getOperands(), v) && v.getDefiningOp() && changed.contains(v.getDefiningOp());
    }
    if (differs)
      changed.insert(&op);
  }
}

/// Where values of the part are read by what raise left alone: what was read there before is what they must equal.
void RaiseOrigin::findOutputs(RaiseCut &cut) {
  llvm::DenseSet<std::pair<Value, Value>> seen;
  llvm::SmallPtrSet<Operation *, 8> members(cut.changed.begin(), cut.changed.end());
  auto add = [&](Value before, Value after) {
    if (isa<NoneType>(after.getType()) || !seen.insert({before, after}).second)
      return;
    cut.outputs.push_back({before, after});
    auto a = dyn_cast<RankedTensorType>(after.getType()), b = dyn_cast<RankedTensorType>(before.getType());
    if (!a || !b || a.getElementType() != b.getElementType() || isa<onnx::StringType>(a.getElementType()))
      cut.obstacle = "it gives a value that is no tensor of numbers";
  };
  for (Operation *op : cut.changed)
    for (OpResult r : op->getResults())
      for (OpOperand &use : r.getUses()) {
        Operation *user = ancestorIn(op->getBlock(), use.getOwner());
        if (members.contains(user) || user->getNumResults() + user->hasTrait<OpTrait::IsTerminator>() == 0)
          continue;                             // a symbol that is bound
        if (Operation *itself = sourceOf(op)) { // what changed is inside of it
          add(itself->getResult(r.getResultNumber()), r);
          continue;
        }
        Operation *source = sourceOf(user);
        if (!source || user != use.getOwner())
          cut.obstacle = "it is read inside of a region that was changed too";
        else
          add(source->getOperand(use.getOperandNumber()), r);
      }
}

namespace {
/// Walks back from values, latest operator first.
class Walk {
public:
  explicit Walk(const llvm::DenseMap<Operation *, unsigned> &order) : order(order) {}
  void run(ArrayRef<Value> from, llvm::function_ref<bool(Value)> stop) {
    for (Value v : from)
      add(v, stop);
    while (!open.empty()) {
      Operation *op = open.rbegin()->second;
      open.erase(std::prev(open.end()));
      ops.push_back(op);
      for (Value v : readBy(op))
        add(v, stop);
    }
    std::reverse(ops.begin(), ops.end());
  }
  SmallVector<Operation *> ops; // in order
  llvm::SetVector<Value> leaves;

private:
  void add(Value v, llvm::function_ref<bool(Value)> stop) {
    Operation *def = v.getDefiningOp();
    if (!def || (!isCopied(def) && stop(v)))
      leaves.insert(v);
    else
      open[order.lookup(def)] = def;
  }
  const llvm::DenseMap<Operation *, unsigned> &order;
  std::map<unsigned, Operation *> open;
};
} // namespace

/// What is computed from a value, directly or not.
static llvm::DenseSet<Operation *> readersOf(Value v, Block *block) {
  llvm::DenseSet<Operation *> readers;
  SmallVector<Value> open = {v};
  while (!open.empty())
    for (Operation *user : open.pop_back_val().getUsers())
      if (Operation *top = ancestorIn(block, user); top && readers.insert(top).second)
        open.append(top->result_begin(), top->result_end());
  return readers;
}

void RaiseOrigin::findInputs(RaiseCut &cut, Values excluded) {
  SmallVector<Value> before, after;
  for (ValuePair p : cut.outputs) {
    before.push_back(p.before);
    after.push_back(p.after);
  }
  Block *block = &mainOf(*copy);
  llvm::DenseMap<Value, Value> inputs; // before -> after
  while (true) {
    inputs.clear();
    Walk raised(order);
    raised.run(after, [&](Value v) {
      Value source = sourceOf(v);
      return source && !changed.contains(v.getDefiningOp()) && !cut.whole && !excluded.contains(source);
    });
    for (Value v : raised.leaves)
      inputs[sourceOf(v)] = v;
    llvm::DenseSet<Operation *> readers;
    for (auto [v, _] : inputs) {
      llvm::DenseSet<Operation *> more = readersOf(v, block);
      readers.insert(more.begin(), more.end());
    }
    // A value that no input reaches is one more input, where it lives on.
    Walk source(order);
    source.run(before, [&](Value v) {
      if (inputs.contains(v))
        return true;
      return !cut.whole && !excluded.contains(v) && survivors.contains(v) && !readers.contains(v.getDefiningOp());
    });
    for (Value v : source.leaves)
      if (!inputs.contains(v))
        inputs[v] = survivors.lookup(v);
    cut.before = source.ops;
    cut.after = raised.ops;
    if (cut.whole || inputs.size() > kMostInputs) {
      if (cut.whole)
        break;
      cut.whole = true;
      continue;
    }
    size_t numExcluded = excluded.size();
    for (auto [v, _] : inputs) {
      llvm::DenseSet<Operation *> readersOfOne = readersOf(v, block);
      for (auto [w, _] : inputs)
        if (w != v && w.getDefiningOp() && readersOfOne.contains(w.getDefiningOp()))
          excluded.insert(w);
    }
    if (excluded.size() == numExcluded)
      break;
  }
  cut.inputs.clear();
  for (auto [v, w] : inputs)
    cut.inputs.push_back({v, w});
  auto place = [&](Value v) -> std::pair<unsigned, unsigned> {
    if (auto a = dyn_cast<BlockArgument>(v))
      return {0, a.getArgNumber()};
    return {order.lookup(v.getDefiningOp()) + 1, cast<OpResult>(v).getResultNumber()};
  };
  llvm::sort(cut.inputs, [&](ValuePair a, ValuePair b) { return place(a.before) < place(b.before); });
  for (ValuePair p : cut.inputs) {
    auto type = dyn_cast<RankedTensorType>(p.before.getType());
    if (!type || isa<onnx::StringType>(type.getElementType()))
      cut.obstacle = "it reads a value that is no tensor of numbers";
  }
  for (Operation *op : cut.before)
    for (StringRef name : {"onnx.Random", "onnx.Bernoulli", "onnx.Multinomial", "onnx.Dropout"})
      if (op->getName().getStringRef().starts_with(name))
        cut.obstacle = ("it reads random numbers of " + op->getName().stripDialect()).str();
}

std::vector<RaiseCut> RaiseOrigin::cuts(ModuleOp raised) {
  Block &block = mainOf(raised);
  for (auto [i, op] : llvm::enumerate(block))
    order[&op] = i;
  findChanged(block);
  survivors.clear();
  for (BlockArgument a : block.getArguments())
    survivors[sourceOf(a)] = a;
  for (Operation &op : block)
    if (sourceOf(&op) && !changed.contains(&op))
      for (Value r : op.getResults())
        survivors[sourceOf(r)] = r;
  llvm::EquivalenceClasses<Operation *> parts;
  for (Operation *op : changed) {
    parts.insert(op);
    for (Value v : readBy(op))
      if (Operation *def = v.getDefiningOp(); def && changed.contains(def))
        parts.unionSets(op, def);
  }
  llvm::MapVector<Operation *, RaiseCut> byLeader;
  for (Operation *op : changed)
    byLeader[parts.getLeaderValue(op)].changed.push_back(op);
  // An operand that was replaced by another value that was there before.
  RaiseCut &replaced = byLeader[nullptr];
  llvm::DenseSet<std::pair<Value, Value>> seen;
  for (Operation &op : block)
    if (Operation *source = sourceOf(&op))
      for (auto [before, after] : llvm::zip(source->getOperands(), op.getOperands())) {
        Value expected = sourceOf(after);
        if (!expected || expected == before || changed.contains(after.getDefiningOp()) ||
            isa<NoneType>(before.getType()))
          continue;
        if (seen.insert({before, after}).second && !(isCopiedValue(before) && isCopiedValue(after)))
          replaced.outputs.push_back({before, after});
      }
  std::vector<RaiseCut> cuts;
  for (auto &[leader, cut] : byLeader) {
    findOutputs(cut);
    if (cut.outputs.empty() && cut.obstacle.empty())
      continue; // dead
    if (cut.obstacle.empty())
      findInputs(cut, {});
    cuts.push_back(std::move(cut));
  }
  return cuts;
}

RaiseCut RaiseOrigin::widened(const RaiseCut &cut) {
  RaiseCut wide;
  wide.changed = cut.changed;
  wide.outputs = cut.outputs;
  wide.whole = true;
  findInputs(wide, {});
  return wide;
}
