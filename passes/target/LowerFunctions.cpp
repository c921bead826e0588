//===- LowerFunctions.cpp - functions and globals to the LLVM dialect -===//
// Expects: func.func with bodies in the LLVM dialect, memref.global. Leaves: the LLVM dialect only. Linear.
//===----------------------------------------------------------------------===//
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Transforms/DialectConversion.h"
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_LOWERFUNCTIONS
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
struct LowerFunctions : ssm::impl::LowerFunctionsBase<LowerFunctions> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *ctx = &getContext();
    LowerToLLVMOptions options(ctx);
    LLVMTypeConverter types(ctx, options);
    RewritePatternSet patterns(ctx);
    SymbolTableCollection symbols;
    populateFinalizeMemRefToLLVMConversionPatterns(types, patterns, &symbols);
    populateFuncToLLVMConversionPatterns(types, patterns, &symbols);
    LLVMConversionTarget target(*ctx);
    target.addLegalOp<ModuleOp>();
    if (failed(applyPartialConversion(module, target, std::move(patterns))))
      return signalPassFailure();
    llvm::StringSet<> used;
    module.walk([&](Operation *op) {
      for (NamedAttribute attr : op->getAttrs())
        attr.getValue().walk([&](FlatSymbolRefAttr ref) { used.insert(ref.getValue()); });
      if (auto call = dyn_cast<LLVM::CallOp>(op))
        if (call.getCallee())
          used.insert(*call.getCallee());
      if (auto address = dyn_cast<LLVM::AddressOfOp>(op))
        used.insert(address.getGlobalName());
    });
    for (auto func : llvm::make_early_inc_range(module.getOps<LLVM::LLVMFuncOp>())) {
      if (func.isExternal() && !used.contains(func.getName()))
        func.erase();
    }
  }
};
} // namespace
