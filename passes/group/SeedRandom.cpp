//===- SeedRandom.cpp - seeds that are drawn at run time --------------------===//
// Expects: @main of onnx operators. Leaves: an ssm.bind_seed in front of each random operator without a seed, which names
// its symbol in the attribute ssm.seed. Linear in operators.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/group/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_SEEDRANDOM
#include "passes/group/Passes.h.inc"
} // namespace ssm

/// A Dropout that does not say whether it trains does not.
bool ssm::drawsSeed(Operation *op) {
  StringRef name = op->getName().getStringRef();
  bool random = name.starts_with("onnx.Random") || name == "onnx.Multinomial" ||
                (name == "onnx.Dropout" && !onnx::isNone(op->getOperand(2)));
  return random && !op->hasAttr("seed");
}

namespace {
struct SeedRandom : ssm::impl::SeedRandomBase<SeedRandom> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    OpBuilder b(&getContext());
    SmallVector<Attribute> names;
    if (auto given = module->getAttrOfType<ArrayAttr>("onnx.symbols"))
      names.append(given.begin(), given.end());
    main.walk([&](Operation *op) {
      if (!drawsSeed(op))
        return;
      int64_t symbol = names.size();
      names.push_back(b.getStringAttr(""));
      b.setInsertionPoint(op);
      BindSeedOp::create(b, op->getLoc(), b.getI64IntegerAttr(symbol));
      op->setAttr(kSeedAttr, AffineMapAttr::get(AffineMap::get(0, symbol + 1, b.getAffineSymbolExpr(symbol))));
      ++numSeeded;
    });
    if (!names.empty())
      module->setAttr("onnx.symbols", b.getArrayAttr(names));
  }
};
} // namespace
