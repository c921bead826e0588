//===- RaiseClosedForms.cpp - materialised masks and cumulative sums -------===//
// Expects: @main after fold. Leaves: values that are a sum over the past in closed form (ClosedForm.h) as
// ssm.semiseparable, when keys and values are apart and the decay does not know the value's features, else as
// ssm.selective_scan. Values are tried from the last one on, so that what is inside a larger match is not matched by
// itself. Only values a few operators behind a mask or a cumulative operator are tried, each at bounded cost. Sums of
// absolute values, by which RetNet divides, are the log_sum_exp of an ssm.attention: no recurrence gives them.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/raise/ClosedForm.h"
#include "passes/raise/ClosedFormPasses.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISECLOSEDFORMS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

/// A factor that may stay outside: a number, or what no exponential is part of, which a quotient of decays would need.
static bool staysOutside(Value factor) {
  if (ElementsAttr constant = onnx::constantValue(factor))
    return constant.getNumElements() == 1;
  constexpr unsigned kNear = 16;
  SmallVector<Value> todo = {factor};
  for (unsigned i = 0; i < todo.size() && i < kNear; ++i) {
    Operation *op = todo[i].getDefiningOp();
    if (op && op->getName().stripDialect() == "Exp")
      return false;
    if (op)
      todo.append(op->operand_begin(), op->operand_end());
  }
  return todo.size() <= kNear;
}

namespace {
struct RaiseClosedFormsPass : ssm::impl::RaiseClosedFormsBase<RaiseClosedFormsPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SizeSymbols sizes = IndexSpace::sizeSymbols(getOperation());
    SmallVector<Block *> blocks;
    main.walk([&](Block *block) { blocks.push_back(block); });
    for (Block *block : blocks) {
      // Operators at most a few steps behind a mask or a cumulative operator.
      constexpr int kFar = 24;
      llvm::DenseMap<Operation *, int> distance;
      SmallVector<Operation *> roots;
      for (Operation &op : *block) {
        StringRef name = op.getName().getStringRef();
        static constexpr StringLiteral seeds[] = {"onnx.CumSum", "onnx.CumProd", "onnx.Trilu", "onnx.Where"};
        int d = llvm::is_contained(seeds, name) ? 0 : kFar;
        for (Value v : op.getOperands()) {
          Operation *from = v.getDefiningOp();
          if (from && isa<onnx::ConstantOp>(from)) { // a folded mask is square
            auto type = dyn_cast<RankedTensorType>(v.getType());
            if ((name == "onnx.Mul" || name == "onnx.Einsum") && type)
              for (int64_t a = 1; a < type.getRank(); ++a)
                if (type.getDimSize(a) > 1 && type.getDimSize(a) == type.getDimSize(a - 1))
                  d = 0;
          } else if (from) {
            if (auto it = distance.find(from); it != distance.end())
              d = std::min(d, it->second + 1);
          }
        }
        if (d >= kFar)
          continue;
        distance[&op] = d;
        static constexpr StringLiteral tried[] = {"onnx.MatMul", "onnx.Einsum", "onnx.ReduceSum",
                                                  "onnx.Mul",    "onnx.Add",    "onnx.Exp"};
        // A product with what the past does not know is no larger match than its other factor.
        bool gated = name == "onnx.Mul" && llvm::any_of(op.getOperands(), [&](Value v) {
                       Operation *from = v.getDefiningOp();
                       return !(from && distance.contains(from)) && staysOutside(v);
                     });
        if (llvm::is_contained(tried, name) && !gated)
          roots.push_back(&op);
      }
      llvm::DenseSet<Operation *> erased;
      for (Operation *root : llvm::reverse(roots)) {
        if (erased.contains(root))
          continue;
        auto type = dyn_cast<RankedTensorType>(root->getResult(0).getType());
        if (!type || !isa<FloatType>(type.getElementType()))
          continue;
        std::string why;
        for (int64_t axis = 0; axis < type.getRank(); ++axis) {
          IndexSpace space(sizes);
          ElementReader reader(space);
          ClosedForm form(reader, axis);
          bool matches = form.match(root->getResult(0));
          bool recurs =
              !form.states.empty() || !form.logDecay.empty() || !form.decay.empty() || !form.constantDecay.empty();
          if (matches && recurs && writeMixer(form, root)) {
            why.clear();
            for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
              if (isOpTriviallyDead(&op)) {
                erased.insert(&op);
                op.erase();
              }
            break;
          }
          if (why.empty())
            why = form.why;
        }
        if (!why.empty() && !erased.contains(root))
          noteMissed(root, "closed form: " + why);
      }
      for (Operation &op : llvm::make_early_inc_range(*block)) {
        if (op.getName().getStringRef() == "onnx.ReduceSum") {
          IndexSpace space(sizes);
          ElementReader reader(space);
          raiseAbsoluteSum(reader, &op);
        }
        mergeScans(&op);
      }
      eraseDead(*block);
    }
  }
};
} // namespace
