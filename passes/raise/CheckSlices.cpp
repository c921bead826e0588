//===- CheckSlices.cpp - raised slices lie inside of their tensors ---------===//
// Expects slices by writers of index expressions, marked where their end is not proved to be inside. Leaves a check of
// the sizes in front of each, outside of the bodies of recurrences. What is not used is not checked: raising may have
// been given up after it was written.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_CHECKSLICES
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
/// The size that the slice's tensor must have at least, and the size that it has.
struct Bound {
  AffineExpr end, length;
};

/// Slices of writers have one axis, one end, and a constant step.
std::optional<Bound> boundOf(Operation *slice) {
  auto axes = onnx::intValues(slice->getOperand(3));
  auto type = cast<RankedTensorType>(slice->getOperand(0).getType());
  if (!axes || axes->size() != 1)
    return std::nullopt;
  AffineExpr length = onnx::getDimExpr(type, axes->front());
  if (auto ends = onnx::intValues(slice->getOperand(2)))
    return Bound{getAffineConstantExpr(ends->front(), slice->getContext()), length};
  if (auto ends = slice->getOperand(2).getDefiningOp<onnx::DimsOp>())
    return Bound{ends.getMap().getResult(0), length};
  return std::nullopt;
}

struct CheckSlicesPass : ssm::impl::CheckSlicesBase<CheckSlicesPass> {
  void runOnOperation() override;
  void check(Operation *at, Bound bound);
  SmallVector<Attribute> names;
  llvm::DenseSet<std::tuple<Block *, AffineExpr, AffineExpr>> checked;
};
} // namespace

void CheckSlicesPass::check(Operation *at, Bound bound) {
  if (!checked.insert({at->getBlock(), bound.end, bound.length}).second)
    return;
  OpBuilder b(at);
  int64_t larger = names.size();
  names.append(2, b.getStringAttr(""));
  auto mapOf = [&](AffineExpr x, AffineExpr y) {
    return AffineMapAttr::get(AffineMap::get(0, larger + 1, {x, y}, b.getContext()));
  };
  Location loc = at->getLoc();
  BindExprOp::create(b, loc, b.getStringAttr("max"), mapOf(bound.end, bound.length), b.getI64IntegerAttr(larger));
  auto same = BindExprOp::create(b, loc, b.getStringAttr("same"), mapOf(bound.length, b.getAffineSymbolExpr(larger)),
                                 b.getI64IntegerAttr(larger + 1));
  same->setAttr("message", b.getStringAttr("an index is outside of the tensor, which has to be longer"));
  ++checks;
}

void CheckSlicesPass::runOnOperation() {
  checked.clear();
  names.clear();
  if (auto before = getOperation()->getAttrOfType<ArrayAttr>("onnx.symbols"))
    names.assign(before.begin(), before.end());
  getOperation().walk([&](Operation *op) {
    if (!op->removeDiscardableAttr(kUncheckedAttr) || op->use_empty())
      return;
    auto bound = boundOf(op);
    Operation *at = op;
    while (auto recurrence = at->getParentOfType<RecurrenceOp>())
      at = recurrence;
    if (bound)
      check(at, *bound);
  });
  if (!names.empty())
    getOperation()->setAttr("onnx.symbols", ArrayAttr::get(&getContext(), names));
}
