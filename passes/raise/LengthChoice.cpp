//===- LengthChoice.cpp - two ways, one for short lengths ------------------===//
#include "passes/raise/LengthChoice.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace ssm;

LengthChoice::LengthChoice(ArrayRef<Value> replaced, ArrayRef<Operation *> nodes) : nodes(nodes) {
  for (Value v : replaced)
    for (OpOperand &use : v.getUses())
      reads.push_back({&use, v});
}

/// Moves what only one region of the operator reads into it.
static void sinkInto(Operation *choice) {
  llvm::DenseSet<Operation *> unread; // left over from raising
  for (Operation &op : llvm::reverse(*choice->getBlock()))
    if (wouldOpBeTriviallyDead(&op) && llvm::all_of(op.getUsers(), [&](Operation *u) { return unread.contains(u); }))
      unread.insert(&op);
  for (Operation *op = choice->getPrevNode(), *next; op; op = next) {
    next = op->getPrevNode();
    if (unread.contains(op) || op->use_empty() || isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(op))
      continue;
    Region *only = nullptr;
    bool outside = false;
    for (Operation *user : op->getUsers()) {
      if (unread.contains(user))
        continue;
      Region *region = user->getParentRegion();
      while (region && region->getParentOp() != choice)
        region = region->getParentRegion();
      outside |= !region || (only && only != region);
      only = region;
    }
    if (!outside)
      op->moveBefore(&only->front(), only->front().begin());
  }
}

void LengthChoice::make(AffineExpr length, int64_t most) {
  // Readers of the source inside of itself read it again.
  llvm::MapVector<Value, Value> ways; // what replaced what
  llvm::erase_if(reads, [&](const Read &r) {
    if (r.use->get() == r.before)
      return true;
    ways[r.before] = r.use->get();
    bool inside = llvm::is_contained(nodes, r.use->getOwner());
    if (inside)
      r.use->set(r.before);
    return inside;
  });
  if (reads.empty())
    return;
  Block *block = nodes.front()->getBlock();
  Operation *last = nodes.front();
  SmallVector<Type> types;
  for (auto [before, after] : ways) {
    types.push_back(before.getType());
    for (Value v : {before, after})
      if (Operation *op = v.getDefiningOp(); op && last->isBeforeInBlock(op))
        last = op;
  }
  OpBuilder b(block, std::next(last->getIterator()));
  Location loc = last->getLoc();
  auto integer = RankedTensorType::get({}, b.getI64Type());
  Value size = onnx::sizesOf(b, loc, length, integer),
        bound = onnx::ConstantOp::create(b, loc, integer, DenseElementsAttr::get(integer, most));
  OperationState test(loc, "onnx.LessOrEqual", {size, bound}, {RankedTensorType::get({}, b.getI1Type())});
  OperationState state(loc, "onnx.If", {b.create(test)->getResult(0)}, types);
  for (bool isShort : {true, false}) {
    auto *branch = new Block;
    state.addRegion()->push_back(branch);
    SmallVector<Value> given;
    for (auto [before, after] : ways)
      given.push_back(isShort ? after : before);
    OpBuilder inside(b.getContext());
    inside.setInsertionPointToStart(branch);
    onnx::YieldOp::create(inside, loc, given);
  }
  Operation *choice = b.create(state);
  for (const Read &r : reads)
    r.use->set(choice->getResult(std::distance(ways.begin(), ways.find(r.before))));
  sinkInto(choice);
  if (llvm::any_of(reads, [&](const Read &r) {
        Operation *user = block->findAncestorOpInBlock(*r.use->getOwner());
        return user && user->isBeforeInBlock(choice);
      }))
    sortTopologically(block);
}
