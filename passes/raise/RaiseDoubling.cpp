//===- RaiseDoubling.cpp - scans as trees of operators ---------------------===//
// Expects: @main after fold. Leaves: values that are running combinations along an axis (PrefixProof.h), made by stages
// of shifted products and sums, as ssm.selective_scan. Only values above two or more stages are tried, from the last
// one on, and most that are none fail at the second position. A proof costs the size of the tree, n log n for length n.
// Where the length is known at run time only, an onnx.If keeps the tree for lengths that it does not reach across.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/raise/Passes.h"
#include "passes/raise/PrefixLoop.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISEDOUBLING
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
constexpr int64_t kNodesPerProof = 1 << 22;
constexpr unsigned kNear = 8; // values that are tried as the other part of a complex number

class DoublingRaiser {
public:
  DoublingRaiser(Block &block, SymbolMap &sizes, ArrayRef<OpenLength> open) : block(block), sizes(sizes), open(open) {}
  void run();

private:
  void findStages();
  int64_t tryRoots(ArrayRef<Value> roots);
  llvm::DenseMap<Value, unsigned> stages; // sums of products of shifted values below a value

  Block &block;
  SymbolMap &sizes;
  ArrayRef<OpenLength> open;
  std::optional<Exprs> x;
};

bool movesAlong(Operation *op) {
  static constexpr StringRef names[] = {"Slice", "Gather", "Pad", "Concat", "Split"};
  return llvm::is_contained(names, op->getName().stripDialect());
}
} // namespace

void DoublingRaiser::findStages() {
  stages.clear();
  llvm::DenseMap<Value, bool> shifted; // since the last sum
  for (Operation &op : block) {
    StringRef name = op.getName().stripDialect();
    bool sum = name == "Add" || name == "Sub", product = name == "Mul";
    bool scatter = name == "ScatterElements" || name == "ScatterND";
    if (!sum && !product && !scatter && !isMovement(&op) && name != "Where")
      continue;
    unsigned below = 0;
    bool moved = movesAlong(&op);
    for (Value v : op.getOperands()) {
      below = std::max(below, stages.lookup(v));
      moved |= shifted.lookup(v);
    }
    bool stage = sum && moved;
    for (Value r : op.getResults()) {
      stages[r] = below + stage;
      shifted[r] = moved && !stage;
    }
  }
}

/// How far the recurrence goes from the start, or -1 when it was raised.
int64_t DoublingRaiser::tryRoots(ArrayRef<Value> roots) {
  auto type = cast<RankedTensorType>(roots[0].getType());
  int64_t furthest = 0;
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    const OpenLength *openAxis = nullptr;
    if (type.isDynamicDim(axis)) {
      openAxis = llvm::find_if(open, [&](const OpenLength &l) { return l.symbol == onnx::getDimExpr(type, axis); });
      if (openAxis == open.end())
        continue;
    } else if (type.getDimSize(axis) < 3) {
      continue;
    }
    for (bool reversed : {false, true}) {
      if (openAxis && reversed)
        continue;
      if (!x) {
        x.emplace(type.getContext());
        PrefixProof::prepare(*x);
      }
      x->budget = kNodesPerProof;
      PrefixProof proof(*x, roots, axis, reversed, openAxis);
      bool proved = proof.run();
      furthest = std::max(furthest, proof.furthest);
      // Over an open length, one step after the other that reaches as far as it was written is no parallel scan.
      if (!proved || (openAxis && proof.length < 2 * (int64_t)stages.lookup(roots[0])))
        continue;
      std::string reason;
      bool raised = raisePrefix(proof, *x, sizes, reason);
      x.reset(); // it knows values that are gone
      if (raised)
        return -1;
      noteMissed(roots[0].getDefiningOp(), "a parallel scan is kept: " + reason);
      return 0;
    }
  }
  return furthest;
}

void DoublingRaiser::run() {
  findStages();
  SmallVector<Operation *> candidates;
  for (Operation &op : llvm::reverse(block)) {
    auto type = op.getNumResults() == 1 ? dyn_cast<RankedTensorType>(op.getResult(0).getType()) : RankedTensorType();
    if (type && (type.getElementType().isF32() || type.getElementType().isF64()) && stages.lookup(op.getResult(0)) >= 2)
      candidates.push_back(&op);
  }
  // All elements of a scan that something else reads too, moved, come after the scan: it is one for both.
  llvm::SmallPtrSet<Operation *, 16> given(candidates.begin(), candidates.end());
  auto elements = [](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && type.hasStaticShape() ? type.getNumElements() : -1;
  };
  std::stable_partition(candidates.begin(), candidates.end(), [&](Operation *op) {
    Value whole = isMovement(op) ? op->getOperand(0) : Value();
    return !whole || whole.hasOneUse() || elements(whole) < 0 || elements(whole) != elements(op->getResult(0)) ||
           !given.contains(whole.getDefiningOp());
  });
  llvm::DenseSet<Operation *> erased;
  for (auto [n, op] : llvm::enumerate(candidates)) {
    if (erased.contains(op) || op->getBlock() != &block) // it may be one of the operators that an If has taken
      continue;
    Value v = op->getResult(0);
    int64_t reached = tryRoots(v);
    bool raised = reached < 0;
    // Half of a complex number looks like a recurrence for two steps; the other half is near.
    unsigned near = reached >= 2 ? 0 : kNear;
    for (Operation *other : ArrayRef<Operation *>(candidates).drop_front(n + 1)) {
      if (raised || near == kNear)
        break;
      if (erased.contains(other) || other->getBlock() != &block || other->getResult(0).getType() != v.getType() ||
          other->getName().stripDialect() == "Mul")
        continue;
      ++near;
      raised = tryRoots({v, other->getResult(0)}) < 0 || tryRoots({other->getResult(0), v}) < 0;
    }
    if (!raised)
      continue;
    for (Operation &dead : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&dead)) {
        erased.insert(&dead);
        dead.erase();
      }
  }
}

/// Symbols of which others are the smaller one, with a number: sizes of what a stage shifts.
static SmallVector<OpenLength> openLengths(func::FuncOp main) {
  SmallVector<OpenLength> lengths;
  unsigned symbols = 0;
  if (auto names = main->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>("onnx.symbols"))
    symbols = names.size();
  main.walk([&](BindExprOp bind) {
    if (bind.getKind() != "min" || bind.getMap().getNumResults() != 2)
      return;
    AffineExpr a = bind.getMap().getResult(0), b = bind.getMap().getResult(1);
    if (isa<AffineConstantExpr>(b))
      std::swap(a, b);
    auto number = dyn_cast<AffineConstantExpr>(a);
    if (!number || !isa<AffineSymbolExpr>(b))
      return;
    auto *length = llvm::find_if(lengths, [&](const OpenLength &l) { return l.symbol == b; });
    if (length == lengths.end()) {
      lengths.push_back({b, {}, symbols});
      length = &lengths.back();
    }
    length->clamped.push_back({getAffineSymbolExpr(bind.getSymbol(), main.getContext()), number.getValue()});
  });
  return lengths;
}

namespace {
struct RaiseDoublingPass : ssm::impl::RaiseDoublingBase<RaiseDoublingPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SymbolMap sizes;
    SmallVector<OpenLength> open = openLengths(main);
    SmallVector<Block *> blocks;
    main.walk([&](Block *block) { blocks.push_back(block); });
    for (Block *block : blocks)
      DoublingRaiser(*block, sizes, open).run();
    replaceSymbols(main, sizes);
  }
};
} // namespace
