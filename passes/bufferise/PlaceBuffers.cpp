//===- PlaceBuffers.cpp - where temporary buffers live ---------------------===//
// Expects: a bufferised dispatch. Leaves: allocations outside of sequential loops where their sizes allow it, small
// static ones on the stack, and every other one freed at the end of the block that made it. Linear.
//===----------------------------------------------------------------------===//
#include "mlir/Conversion/BufferizationToMemRef/BufferizationToMemRef.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/bufferise/Passes.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_PLACEBUFFERS
#include "passes/bufferise/Passes.h.inc"
} // namespace ssm

namespace {
constexpr int64_t kStackBytes = 16 << 10, kStackTotal = 128 << 10;

bool isParallel(Operation *op) { return isa<scf::ForallOp, scf::ParallelOp>(op); }
bool isLoop(Operation *op) { return isa<scf::ForOp, scf::WhileOp>(op); }

/// Whether a loop around the allocation hands its buffer to the next iteration or out of the loop.
bool outlivesIteration(memref::AllocOp alloc) {
  SmallVector<Value> work{alloc.getResult()};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (!seen.insert(v).second)
      continue;
    for (OpOperand &use : v.getUses()) {
      Operation *user = use.getOwner();
      if (isa<scf::YieldOp, scf::ConditionOp>(user)) {
        Operation *parent = user->getParentOp();
        if (isLoop(parent) && parent->isProperAncestor(alloc))
          return true;
        if (auto loop = dyn_cast<scf::ForOp>(parent))
          work.push_back(loop.getResult(use.getOperandNumber()));
        else
          llvm::append_range(work, parent->getResults());
      } else if (auto loop = dyn_cast<scf::ForOp>(user)) {
        work.push_back(loop.getTiedLoopRegionIterArg(&use));
        work.push_back(loop.getTiedLoopResult(&use));
      } else if (isa<scf::WhileOp>(user)) {
        llvm::append_range(work, user->getResults());
        for (Region &region : user->getRegions())
          llvm::append_range(work, region.getArguments());
      } else {
        for (Value r : user->getResults())
          if (isa<BaseMemRefType>(r.getType()))
            work.push_back(r);
      }
    }
  }
  return false;
}

/// Moves what `value` is computed from before `op`, when it is pure and needs nothing defined inside of `op`.
bool availableBefore(Value value, Operation *op, SmallVectorImpl<Operation *> &moved) {
  Operation *def = value.getDefiningOp();
  Block *block = def ? def->getBlock() : cast<BlockArgument>(value).getOwner();
  if (!op->isAncestor(block->getParentOp()))
    return true;
  if (!def || !isPure(def) || def->getNumRegions())
    return false;
  for (Value operand : def->getOperands())
    if (!availableBefore(operand, op, moved))
      return false;
  if (!llvm::is_contained(moved, def))
    moved.push_back(def);
  return true;
}

/// Takes an allocation out of the sequential regions around it as far as its sizes are known there.
void hoist(memref::AllocOp alloc) {
  while (true) {
    Operation *parent = alloc->getParentOp();
    if (isa<func::FuncOp>(parent) || isParallel(parent) || !isa<scf::ForOp, scf::WhileOp, scf::IfOp>(parent))
      return;
    SmallVector<Operation *> moved;
    for (Value size : alloc.getDynamicSizes())
      if (!availableBefore(size, parent, moved))
        return;
    for (Operation *op : moved)
      op->moveBefore(parent);
    alloc->moveBefore(parent);
  }
}

struct PlaceBuffers : ssm::impl::PlaceBuffersBase<PlaceBuffers> {
  void getDependentDialects(DialectRegistry &registry) const override {
    PlaceBuffersBase::getDependentDialects(registry);
    OpPassManager pm("builtin.module");
    buildGeneral(pm);
    pm.getDependentDialects(registry);
  }

  static void buildGeneral(OpPassManager &pm) {
    bufferization::buildBufferDeallocationPipeline(pm);
    pm.addPass(createConvertBufferizationToMemRefPass());
    pm.addPass(createInlinerPass());
  }

  /// Ownership at run time. It needs a helper function, so the dispatch goes into a module of its own meanwhile.
  LogicalResult placeGenerally(func::FuncOp func) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
    OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
    func::FuncOp copy = func.clone();
    copy.setPublic();
    b.insert(copy);
    // Constants are globals beside the dispatch.
    llvm::StringSet<> globals;
    func.walk([&](memref::GetGlobalOp use) {
      if (Operation *global = SymbolTable::lookupNearestSymbolFrom(func, use.getNameAttr());
          global && globals.insert(use.getName()).second)
        b.insert(global->clone());
    });
    PassManager pm(&getContext());
    buildGeneral(pm);
    pm.enableVerifier(false);
    if (failed(pm.run(*module)))
      return failure();
    func.getBody().takeBody(cast<func::FuncOp>(module->lookupSymbol(func.getName())).getBody());
    return success();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (!func->hasAttr("ssm.dispatch"))
      return;
    SmallVector<memref::AllocOp> allocs;
    func.walk([&](memref::AllocOp op) { allocs.push_back(op); });
    if (llvm::any_of(allocs, outlivesIteration)) {
      if (failed(placeGenerally(func)))
        signalPassFailure();
      return;
    }
    int64_t onStack = 0;
    for (memref::AllocOp alloc : allocs) {
      hoist(alloc);
      place(alloc, onStack);
    }
  }

  void place(memref::AllocOp alloc, int64_t &onStack) {
    MemRefType type = alloc.getType();
    Block *block = alloc->getBlock();
    Type element = type.getElementType();
    int64_t bits = isa<ComplexType>(element) ? 2 * cast<ComplexType>(element).getElementType().getIntOrFloatBitWidth()
                   : element.isIndex()       ? 64
                                             : element.getIntOrFloatBitWidth();
    Operation *owner = block->getParentOp();
    bool inLoop = !isa<func::FuncOp>(owner); // a thread runs many iterations of a parallel loop in one frame
    if (type.hasStaticShape() && !inLoop && type.getNumElements() * bits <= kStackBytes * 8 &&
        onStack + type.getNumElements() * bits / 8 <= kStackTotal) {
      onStack += type.getNumElements() * bits / 8;
      OpBuilder b = OpBuilder::atBlockBegin(block);
      auto alloca = memref::AllocaOp::create(b, alloc.getLoc(), type, b.getI64IntegerAttr(64));
      alloc.replaceAllUsesWith(alloca.getResult());
      alloc.erase();
      return;
    }
    OpBuilder b(block->getTerminator());
    memref::DeallocOp::create(b, alloc.getLoc(), alloc);
  }
};
} // namespace
