//===- Phases.cpp - the table of phases ------------------------------------===//
#include "lib/Driver/Phases.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "lib/Driver/Model.h"
#include "lib/Driver/RaiseReport.h"
#include "lib/Driver/Report.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/Passes.h"
#include "passes/fold/Passes.h"
#include "passes/group/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace {
bool isOurs(Operation *op) { return isa<onnx::OnnxDialect, SsmDialect>(op->getDialect()); }

LogicalResult verifyImported(ModuleOp module) {
  if (!module.lookupSymbol<func::FuncOp>("main"))
    return module.emitError("has no function 'main'");
  auto wrong = module.walk([](Operation *op) {
    if (isOurs(op) || isa<ModuleOp, func::FuncOp, func::ReturnOp>(op))
      return WalkResult::advance();
    // The regions of mixers are scalar arithmetic.
    if (isa<SsmDialect>(op->getParentOp()->getDialect()) &&
        isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitError("operation '") << op->getName() << "' may not be left in the graph";
    return WalkResult::interrupt();
  });
  return failure(wrong.wasInterrupted());
}

/// Every symbol that a size or an expression uses gets its value somewhere, and before an expression reads it.
LogicalResult verifySymbols(ModuleOp module) {
  llvm::DenseSet<int64_t> bound;
  auto unbound = [](AffineMap map, llvm::function_ref<bool(int64_t)> isRight) {
    std::optional<int64_t> wrong;
    for (AffineExpr e : map.getResults())
      e.walk([&](AffineExpr inner) {
        if (auto s = dyn_cast<AffineSymbolExpr>(inner); s && !isRight(s.getPosition()))
          wrong = s.getPosition();
      });
    return wrong;
  };
  auto isBound = [&](int64_t s) { return bound.contains(s); };
  auto wrong = module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    AffineMap map;
    if (auto x = dyn_cast<onnx::DimsOp>(op))
      map = x.getMap();
    if (auto x = dyn_cast<BindExprOp>(op))
      map = x.getMap();
    if (std::optional<int64_t> s = map ? unbound(map, isBound) : std::nullopt) {
      op->emitError("reads symbol ") << *s << " before it has a value";
      return WalkResult::interrupt();
    }
    if (auto x = dyn_cast<BindDimOp>(op))
      bound.insert(x.getSymbol());
    if (auto x = dyn_cast<BindElementOp>(op))
      bound.insert(x.getSymbol());
    if (auto x = dyn_cast<BindExprOp>(op))
      bound.insert(x.getSymbol());
    return WalkResult::advance();
  });
  if (wrong.wasInterrupted())
    return failure();
  wrong = module.walk([&](Operation *op) {
    for (Value r : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(r.getType()))
        if (auto sizes = dyn_cast_or_null<AffineMapAttr>(type.getEncoding()))
          if (std::optional<int64_t> s = unbound(sizes.getValue(), isBound)) {
            op->emitError("has a result whose size is symbol ") << *s << ", which never gets a value";
            return WalkResult::interrupt();
          }
    return WalkResult::advance();
  });
  return failure(wrong.wasInterrupted());
}

LogicalResult verifyFolded(ModuleOp module) {
  if (failed(verifyImported(module)) || failed(verifySymbols(module)))
    return failure();
  auto wrong = module.walk([](Operation *op) {
    for (Value r : op->getResults())
      if (isa<UnrankedTensorType>(r.getType())) {
        op->emitError("the rank of a result is not known");
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  return failure(wrong.wasInterrupted());
}

/// No operation of ours outside the dispatches.
LogicalResult verifyGrouped(ModuleOp module) {
  if (!dispatchesOf(module) || !module.lookupSymbol<func::FuncOp>("ssm_generated_main"))
    return module.emitError("has no dispatches or no host function");
  for (func::FuncOp f : module.getOps<func::FuncOp>()) {
    auto wrong = f.walk([](Operation *op) {
      if (!isOurs(op))
        return WalkResult::advance();
      op->emitError("operation '") << op->getName() << "' may not be left in host code";
      return WalkResult::interrupt();
    });
    if (wrong.wasInterrupted())
      return failure();
  }
  return success();
}

LogicalResult verifyLowered(ModuleOp module) {
  if (failed(verifyGrouped(module)))
    return failure();
  auto wrong = dispatchesOf(module).walk([](Operation *op) {
    if (!isOurs(op))
      return WalkResult::advance();
    op->emitError("operation '") << op->getName() << "' may not be left by lower";
    return WalkResult::interrupt();
  });
  return failure(wrong.wasInterrupted());
}

LogicalResult verifyMachine(ModuleOp module) {
  auto wrong = module.walk([](Operation *op) {
    if (isa<ModuleOp>(op) || isa<LLVM::LLVMDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitError("operation '") << op->getName() << "' is not of the LLVM dialect";
    return WalkResult::interrupt();
  });
  return failure(wrong.wasInterrupted());
}

void fold(OpPassManager &pm, const CompilerOptions &) {
  pm.addPass(createInlineControlFlow());
  pm.addPass(createInferShapes());
  pm.addPass(createSimplifyGraph());
  pm.addNestedPass<func::FuncOp>(createCSEPass());
  pm.addPass(createFoldConstants());
  pm.addPass(createSimplifyGraph());
}

void raise(OpPassManager &pm, const CompilerOptions &options) {
  if (options.raise)
    buildRaisePipeline(pm);
  // The report of raising names the forms, so they are chosen while the mixers are still in the graph.
  ChooseFormsOptions choice;
  choice.forms.assign(options.forms.begin(), options.forms.end());
  pm.addPass(createChooseForms(choice));
}

void noteModel(ModuleOp module, Report &) { recordModel(module); }

void noteRaised(ModuleOp module, Report &report) {
  report.raised = raisedEntries(module);
  report.missed = missedEntries(module);
  module->removeAttr(kMissedAttr);
}

void noteArena(ModuleOp module, Report &report) {
  Attribute bytes = module->getAttr(kArenaAttr);
  if (auto number = dyn_cast_or_null<IntegerAttr>(bytes))
    report.arena = number.getInt();
  else if (auto text = dyn_cast_or_null<StringAttr>(bytes))
    report.arena = text.getValue().str();
}

void group(OpPassManager &pm, const CompilerOptions &) {
  pm.addPass(createConvolveScans());
  pm.addPass(createNormaliseScans());
  pm.addPass(createPackWeights());
  pm.addPass(createSeedRandom());
  pm.addPass(createFormDispatches());
  pm.addPass(createPlanMemory());
  pm.addPass(createLowerGraph());
  pm.addPass(createSplitHost());
}

void lower(OpPassManager &pm, const CompilerOptions &) { pm.addPass(createLowerDispatch()); }

void hostCode(OpPassManager &pm, const CompilerOptions &) { buildHostPipeline(pm); }

void machineCode(OpPassManager &pm, const CompilerOptions &) { buildDispatchPipeline(pm); }

constexpr Phase table[] = {
    {"import", "ONNX file into the onnx dialect", "", nullptr, nullptr, nullptr, verifyImported, nullptr, true},
    {"fold", "symbolic shapes, constants", "onnx", fold, nullptr, nullptr, verifyFolded, noteModel, true},
    {"raise", "sequence mixers in place of their spellings", "ssm", raise, nullptr, nullptr, verifyFolded, noteRaised,
     false},
    {"group", "dispatches and the host function", "", group, nullptr, nullptr, verifyGrouped, noteArena, true},
    {"lower", "dispatches on linalg, tensor, scf", "linalg", nullptr, nullptr, lower, verifyLowered, nullptr, true},
    {"target", "the LLVM dialect", "llvm", hostCode, machineCode, nullptr, verifyMachine, nullptr, false},
    {"pack", "large constants in the side file, as the kernels read them", "", nullptr, nullptr, nullptr, nullptr,
     nullptr, false},
    {"link", "object and library", "lib", nullptr, nullptr, nullptr, nullptr, nullptr, false},
};
} // namespace

ArrayRef<Phase> ssm::phases() { return table; }

int ssm::phaseNamed(StringRef name) {
  for (auto [i, phase] : llvm::enumerate(phases()))
    if (phase.name == name)
      return i;
  return -1;
}

std::string ssm::phaseNames() {
  std::string text;
  for (const Phase &phase : phases())
    text += (text.empty() ? "" : ", ") + phase.name.str();
  return text;
}

ModuleOp ssm::dispatchesOf(ModuleOp module) { return module.lookupSymbol<ModuleOp>("dispatches"); }
