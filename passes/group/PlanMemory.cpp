//===- PlanMemory.cpp - one arena for the buffers of a call ----------------===//
// Expects: @main after ssm-form-dispatches. Leaves: ssm.arena where an arena is made, and on operations whose results lie
// in one the attributes ssm.arenas and ssm.offsets.
// All buffers whose sizes are known when the call starts lie in the arena of @main, those of loop bodies and branches
// included: what a region needs is a buffer of the operation that has it. What only the arguments of a body tell is in
// an arena of that body. Values that are handed out of a region, sequences, and what depends on data are allocated when
// they are made (LowerGraph.cpp). Linear in operations but for sorting, times the depth of nesting.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/group/ArenaSizes.h"
#include "passes/group/GraphLowering.h"
#include "passes/group/Passes.h"
#include "passes/group/Stacking.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/group/Passes.h.inc"
} // namespace ssm

namespace {
/// Buffers start at multiples of this.
constexpr int64_t kLine = 64;

/// A block whose entry tells sizes, and the arena of what is known then.
struct Arena {
  Block *block;
  bool used = false;
  SmallVector<Operation *> checked; // makers of values with sizes that may come out negative
};

class Planner {
public:
  explicit Planner(ModuleOp module) : module(module), sizes(module), b(module.getContext()) {}
  /// The number of values that were given a place.
  int64_t run(func::FuncOp main);

private:
  void gather(Block &block, SmallVector<unsigned> around);
  SmallVector<int64_t> hoistBinds(Block &block, unsigned arena);
  std::optional<unsigned> arenaOf(Value v, ArrayRef<unsigned> around);
  void findLifetimes(Block &block);
  void plan(Arena &arena, unsigned number);
  Subscript stack(Block &block, unsigned arena);
  void place(Block &block, unsigned arena, const Subscript &base);
  void check(Operation *op);
  void write();
  Subscript extent(Value v);
  ArrayRef<Value> valuesOf(Block &block) const {
    auto it = values.find(&block);
    return it == values.end() ? ArrayRef<Value>() : it->second;
  }
  ArrayRef<std::pair<Operation *, int64_t>> nestsOf(Block &block) const {
    auto it = nests.find(&block);
    return it == nests.end() ? ArrayRef<std::pair<Operation *, int64_t>>() : it->second;
  }

  struct Placed {
    unsigned arena;
    Subscript offset; // to be rounded up to a line
  };
  ModuleOp module;
  ArenaSizes sizes;
  OpBuilder b;
  SmallVector<Arena> arenas;
  DenseMap<int64_t, unsigned> known; // symbol -> the arena at whose start it is known
  DenseMap<Value, Placed> placed;
  DenseMap<Value, int64_t> lastUse;                              // step in the value's block
  DenseMap<Block *, SmallVector<Value>> values;                  // to be placed
  DenseMap<Block *, SmallVector<std::pair<Operation *, int64_t>>> nests; // operations with regions, and their steps
  DenseMap<Value, int64_t> made;                                 // step
  std::map<Operation *, Subscript> nestOffsets;
  DenseSet<Value> excluded; // written into an output, or handed out of a region
};
} // namespace

static bool isWhole(const Subscript &s) {
  return llvm::all_of(s.terms, [](auto &term) { return term.second % kLine == 0; });
}

/// A map without dims and with no more symbols than are used.
static AffineMapAttr mapOf(ArrayRef<AffineExpr> results) {
  return AffineMapAttr::get(AffineMap::inferFromExprList(results, results[0].getContext())[0]);
}

/// Whether every symbol of an expression is accepted.
static bool allSymbols(AffineExpr e, llvm::function_ref<bool(int64_t)> accepted) {
  bool all = true;
  e.walk([&](AffineExpr part) {
    if (auto s = dyn_cast<AffineSymbolExpr>(part))
      all &= accepted(s.getPosition());
  });
  return all;
}

static bool isPlaceable(Operation *op, Value r) {
  if (!isa<RankedTensorType>(r.getType()))
    return false;
  if (auto scan = dyn_cast<onnx::ScanOp>(op))
    return cast<OpResult>(r).getResultNumber() >= scan.getInputs().size() - scan.getNumScanInputs();
  StringRef name = op->getName().getStringRef();
  return isa<DispatchOp>(op) || name == "onnx.Concat" || name == "onnx.Split";
}

/// What a region gives to the operation around it as buffers of their own.
static OperandRange handedOut(Block &block) {
  OperandRange yielded = block.getTerminator()->getOperands();
  if (auto loop = dyn_cast<onnx::LoopOp>(block.getParentOp()))
    return yielded.slice(1, loop.getVInitial().size());
  if (auto scan = dyn_cast<onnx::ScanOp>(block.getParentOp()))
    return yielded.take_front(scan.getInputs().size() - scan.getNumScanInputs());
  return isa<onnx::IfOp>(block.getParentOp()) ? yielded : yielded.take_front(0);
}

/// Binds of what the block's arguments and earlier symbols tell go to its start. Gives their symbols.
SmallVector<int64_t> Planner::hoistBinds(Block &block, unsigned arena) {
  SmallVector<int64_t> fresh;
  Operation *after = nullptr;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (auto bind = dyn_cast<BindElementOp>(op))
      sizes.learn(bind.getSymbol());
    int64_t symbol;
    if (auto bind = dyn_cast<BindDimOp>(op)) {
      sizes.learn(bind);
      if (bind.getValue().getDefiningOp())
        continue;
      symbol = bind.getSymbol();
    } else if (auto bind = dyn_cast<BindExprOp>(op)) {
      sizes.learn(bind);
      bool early = llvm::all_of(bind.getMap().getResults(), [&](AffineExpr e) {
        return allSymbols(e, [&](int64_t s) { return known.count(s); });
      });
      if (!early)
        continue;
      symbol = bind.getSymbol();
    } else {
      continue;
    }
    if (known.try_emplace(symbol, arena).second)
      fresh.push_back(symbol);
    if (after)
      op.moveAfter(after);
    else
      op.moveBefore(&block, block.begin());
    after = &op;
  }
  return fresh;
}

/// The outermost arena at whose start all sizes of a value are known.
std::optional<unsigned> Planner::arenaOf(Value v, ArrayRef<unsigned> around) {
  unsigned arena = around[0];
  bool fine = true, mayBeNegative = false;
  for (AffineExpr e : onnx::getDimExprs(cast<RankedTensorType>(v.getType()))) {
    fine &= allSymbols(e, [&](int64_t s) {
      auto it = known.find(s);
      if (it == known.end())
        return false;
      arena = std::max(arena, it->second); // arenas are numbered from the outside
      return true;
    });
    mayBeNegative |= !sizes.isNonNegative(sizes.from(e));
  }
  if (!fine)
    return std::nullopt;
  if (mayBeNegative) {
    // The call fails when it starts, unless the operation may never run.
    if (arenas[arena].block != v.getParentBlock())
      return std::nullopt;
    arenas[arena].checked.push_back(v.getDefiningOp());
  }
  return arena;
}

void Planner::gather(Block &block, SmallVector<unsigned> around) {
  unsigned arena = arenas.size();
  arenas.push_back({&block});
  around.push_back(arena);
  SmallVector<int64_t> fresh = hoistBinds(block, arena);
  for (Value v : handedOut(block))
    excluded.insert(v);
  int64_t step = 0;
  for (Operation &op : block) {
    for (Value r : op.getResults())
      if (isPlaceable(&op, r) && !excluded.contains(r))
        if (auto arena = arenaOf(r, around)) {
          arenas[*arena].used = true;
          placed[r] = {*arena, {}};
          made[r] = step;
          values[&block].push_back(r);
        }
    if (op.getNumRegions()) {
      nests[&block].push_back({&op, step});
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          gather(inner, around);
    }
    ++step;
  }
  for (int64_t symbol : fresh) // what the block's entry told is not known outside of it
    known.erase(symbol);
}

void Planner::findLifetimes(Block &block) {
  int64_t step = 0;
  for (Operation &op : block) {
    op.walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        if (Value r = bufferOf(v); r.getParentBlock() == &block)
          lastUse[r] = step;
    });
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        findLifetimes(inner);
    ++step;
  }
}

/// Bytes of a value, with room to round its offset up where the sum of what lies below need not be a whole line.
Subscript Planner::extent(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  Subscript bytes = elementBytes(type.getElementType());
  for (AffineExpr e : onnx::getDimExprs(type))
    bytes = bytes * sizes.from(e);
  int64_t fixed = bytes.terms.count({}) ? bytes.terms[{}] : 0;
  bytes = bytes + Subscript(llvm::alignTo(fixed, kLine) - fixed);
  return isWhole(bytes) ? bytes : bytes + Subscript(kLine);
}

/// Offsets within the block's part of an arena, and what the part takes.
Subscript Planner::stack(Block &block, unsigned arena) {
  SmallVector<Lifetime> lifetimes;
  SmallVector<Subscript> extents;
  SmallVector<Subscript *> offsets;
  auto add = [&](int64_t first, int64_t last, const Subscript &extent, Subscript &offset) {
    lifetimes.push_back({first, last, sizes.typical(extent)});
    extents.push_back(extent);
    offsets.push_back(&offset);
  };
  for (Value v : valuesOf(block)) {
    Placed &p = placed.find(v)->second;
    if (p.arena != arena)
      continue;
    auto last = lastUse.find(v);
    add(made.lookup(v), last == lastUse.end() ? made.lookup(v) : last->second, extent(v), p.offset);
  }
  for (auto [op, step] : nestsOf(block)) {
    SmallVector<Subscript> parts;
    for (Region &region : op->getRegions())
      for (Block &inner : region)
        parts.push_back(stack(inner, arena));
    Subscript extent = sizes.max(parts, b);
    if (!extent.is(0)) {
      nestOffsets[op] = 0;
      add(step, step, extent, nestOffsets.find(op)->second);
    }
  }
  Stacking stacking = stackBuffers(lifetimes);
  SmallVector<Subscript> highest;
  for (unsigned i : stacking.order) {
    SmallVector<Subscript> ends;
    for (unsigned lower : stacking.below[i])
      ends.push_back(*offsets[lower] + extents[lower]);
    *offsets[i] = sizes.max(ends, b);
    if (stacking.top[i])
      highest.push_back(*offsets[i] + extents[i]);
  }
  return sizes.max(highest, b);
}

/// Offsets from the start of the arena.
void Planner::place(Block &block, unsigned arena, const Subscript &base) {
  for (Value v : valuesOf(block)) {
    Placed &p = placed.find(v)->second;
    if (p.arena == arena)
      p.offset = p.offset + base;
  }
  for (auto [op, step] : nestsOf(block))
    if (auto it = nestOffsets.find(op); it != nestOffsets.end()) {
      Subscript inner = it->second + base;
      nestOffsets.erase(it);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          place(block, arena, inner);
    }
}

/// A negative size ends the call before the offsets are made of it.
void Planner::check(Operation *op) {
  auto message = b.getStringAttr("a size that the model computed is negative");
  for (Value r : op->getResults()) {
    if (!placed.count(r))
      continue;
    for (AffineExpr e : onnx::getDimExprs(cast<RankedTensorType>(r.getType()))) {
      if (sizes.isNonNegative(sizes.from(e)))
        continue;
      Subscript clamped = sizes.max({sizes.from(e), Subscript(0)}, b);
      int64_t symbol = sizes.newSymbol();
      auto same = BindExprOp::create(b, op->getLoc(), "same", mapOf({e, sizes.toAffine(clamped)}).getValue(), symbol);
      same->setAttr("message", message);
    }
  }
}

void Planner::plan(Arena &arena, unsigned number) {
  b.setInsertionPointToStart(arena.block);
  for (Operation &op : *arena.block) {
    auto symbol = isa<BindDimOp>(op)    ? std::optional<int64_t>(cast<BindDimOp>(op).getSymbol())
                  : isa<BindExprOp>(op) ? std::optional<int64_t>(cast<BindExprOp>(op).getSymbol())
                                        : std::nullopt;
    if (!symbol)
      break;
    b.setInsertionPointAfter(&op);
  }
  sizes.startArena();
  for (Operation *op : arena.checked)
    check(op);
  Subscript bytes = stack(*arena.block, number);
  place(*arena.block, number, 0);
  ArenaOp::create(b, arena.block->getParentOp()->getLoc(), b.getI64IntegerAttr(number), mapOf(sizes.toAffine(bytes)));
  if (number == 0) {
    auto constant = bytes.constant();
    module->setAttr(kArenaAttr, constant ? (Attribute)b.getI64IntegerAttr(*constant) : b.getStringAttr(sizes.text(bytes)));
  }
}

void Planner::write() {
  llvm::SetVector<Operation *> ops;
  for (auto &[block, list] : values)
    for (Value v : list)
      ops.insert(v.getDefiningOp());
  for (Operation *op : ops) {
    SmallVector<int64_t> where;
    SmallVector<AffineExpr> offsets;
    for (Value r : op->getResults()) {
      auto it = placed.find(r);
      bool has = it != placed.end();
      where.push_back(has ? (int64_t)it->second.arena : -1);
      AffineExpr offset = sizes.toAffine(has ? it->second.offset : Subscript(0));
      offsets.push_back(!has || isWhole(it->second.offset) ? offset : offset.ceilDiv(kLine) * kLine);
    }
    op->setAttr(kArenasAttr, b.getDenseI64ArrayAttr(where));
    op->setAttr(kOffsetsAttr, mapOf(offsets));
  }
}

int64_t Planner::run(func::FuncOp main) {
  Block &body = main.getBody().front();
  for (auto [v, index] : directOutputs(main))
    excluded.insert(v);
  gather(body, {});
  findLifetimes(body);
  for (auto [i, arena] : llvm::enumerate(arenas))
    if (arena.used)
      plan(arena, i);
  write();
  sizes.finish();
  return placed.size();
}

namespace {
struct PlanMemory : ssm::impl::PlanMemoryBase<PlanMemory> {
  void runOnOperation() override {
    if (auto main = getOperation().lookupSymbol<func::FuncOp>("main"))
      numPlaced += Planner(getOperation()).run(main);
  }
};
} // namespace
