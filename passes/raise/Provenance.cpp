//===- Provenance.cpp - which nodes became what ----------------------------===//
#include "passes/raise/Provenance.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace ssm;

Location ssm::fusedLocation(ArrayRef<Operation *> ops) {
  llvm::SetVector<Location> locations;
  for (Operation *op : ops)
    op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
      for (StringAttr name : nodeNames(inner->getLoc()))
        locations.insert(NameLoc::get(name));
    });
  return FusedLoc::get(ops[0]->getContext(), locations.getArrayRef());
}

SmallVector<StringAttr> ssm::nodeNames(Location loc) {
  llvm::SetVector<StringAttr> names;
  loc->walk([&](Location l) {
    if (auto name = dyn_cast<NameLoc>(l))
      names.insert(name.getName());
    return WalkResult::advance();
  });
  return SmallVector<StringAttr>(names.begin(), names.end());
}

void ssm::noteMissed(Operation *op, const Twine &reason) {
  auto module = op->getParentOfType<ModuleOp>();
  OpBuilder b(op->getContext());
  SmallVector<Attribute> nodes;
  for (StringAttr name : nodeNames(op->getLoc()))
    nodes.push_back(name);
  auto entry = b.getDictionaryAttr({b.getNamedAttr("nodes", b.getArrayAttr(nodes)), b.getNamedAttr("reason", b.getStringAttr(reason))});
  SmallVector<Attribute> entries;
  if (auto before = module->getAttrOfType<ArrayAttr>(kMissedAttr))
    entries.assign(before.begin(), before.end());
  if (llvm::is_contained(entries, entry))
    return;
  entries.push_back(entry);
  module->setAttr(kMissedAttr, b.getArrayAttr(entries));
}

void ssm::eraseDeadOps(Region &region) {
  for (Block &block : region)
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
        continue;
      }
      for (Region &inner : op.getRegions())
        eraseDeadOps(inner);
    }
}
