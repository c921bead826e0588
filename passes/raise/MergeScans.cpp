//===- MergeScans.cpp - sums of scans with one decay -----------------------===//
#include "mlir/IR/IRMapping.h"
#include "passes/raise/ClosedFormPasses.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

/// Both scalars of two producers are computed alike from the same elements.
static bool sameScalar(SelectiveScanOp a, Value x, SelectiveScanOp c, Value y) {
  auto p = dyn_cast<BlockArgument>(x), q = dyn_cast<BlockArgument>(y);
  if (p && q)
    return a.getInputs()[p.getArgNumber()] == c.getInputs()[q.getArgNumber()] &&
           a.getIndexingMaps()[p.getArgNumber()] == c.getIndexingMaps()[q.getArgNumber()];
  Operation *from = x.getDefiningOp(), *other = y.getDefiningOp();
  return from && other && from->getName() == other->getName() &&
         from->getAttrDictionary() == other->getAttrDictionary() && from->getNumOperands() == other->getNumOperands() &&
         llvm::all_of(llvm::zip(from->getOperands(), other->getOperands()),
                      [&](auto pair) { return sameScalar(a, std::get<0>(pair), c, std::get<1>(pair)); });
}

void ssm::mergeScans(Operation *sum) {
  StringRef name = sum->getName().getStringRef();
  if (name != "onnx.Sub" && name != "onnx.Add")
    return;
  auto a = sum->getOperand(0).getDefiningOp<SelectiveScanOp>(), c = sum->getOperand(1).getDefiningOp<SelectiveScanOp>();
  if (!a || !c || a == c || !a->hasOneUse() || !c->hasOneUse() || a.getStateRank() || c.getStateRank() ||
      a->getNumResults() != 1 || c->getNumResults() != 1 || !a.getInitial().empty() || !c.getInitial().empty() ||
      a.getComplex() || c.getComplex() || a.getReverse() || c.getReverse() || a.getReadBefore() || c.getReadBefore() ||
      a.getIndexingMaps()[a->getNumOperands()] != c.getIndexingMaps()[c->getNumOperands()] ||
      a->getResult(0).getType() != sum->getResult(0).getType() ||
      c->getResult(0).getType() != sum->getResult(0).getType())
    return;
  Block &first = a.getProducer().front(), &second = c.getProducer().front();
  Operation *yield = first.getTerminator(), *other = second.getTerminator();
  if (!sameScalar(a, yield->getOperand(0), c, other->getOperand(0)))
    return;
  OpBuilder b(sum);
  SmallVector<Value> inputs(a.getInputs());
  llvm::append_range(inputs, c.getInputs());
  SmallVector<Attribute> maps(a.getIndexingMaps().getValue().drop_back());
  llvm::append_range(maps, c.getIndexingMaps().getValue());
  auto block = std::make_unique<Block>();
  IRMapping mapping;
  for (Block *from : {&first, &second})
    for (BlockArgument arg : from->getArguments())
      mapping.map(arg, block->addArgument(arg.getType(), arg.getLoc()));
  OpBuilder region(sum->getContext());
  region.setInsertionPointToStart(block.get());
  for (Block *from : {&first, &second})
    for (Operation &op : from->without_terminator())
      region.clone(op, mapping);
  Value x = mapping.lookup(yield->getOperand(1)), y = mapping.lookup(other->getOperand(1));
  Location loc = fusedLocation({a, c, sum});
  Value u = name == "onnx.Sub" ? arith::SubFOp::create(region, loc, x, y).getResult()
                               : arith::AddFOp::create(region, loc, x, y).getResult();
  YieldOp::create(region, loc, ValueRange{mapping.lookup(yield->getOperand(0)), u});
  OperationState state(loc, SelectiveScanOp::getOperationName());
  state.addOperands(inputs);
  state.addTypes(sum->getResult(0).getType());
  state.addAttribute("indexing_maps", b.getArrayAttr(maps));
  state.addAttribute("state_rank", b.getI64IntegerAttr(0));
  state.addAttribute(SelectiveScanOp::getOperandSegmentSizeAttr(), b.getDenseI32ArrayAttr({(int32_t)inputs.size(), 0}));
  state.addRegion()->push_back(block.release());
  sum->getResult(0).replaceAllUsesWith(b.create(state)->getResult(0));
}
