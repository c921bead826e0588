//===- LowerBody.cpp - a dispatch's operations to the LLVM dialect ------------===//
// Expects: cf, arith, math, memref, vector, complex (only create and parts), index and ub in a func.func with the
// machine-level signature. Leaves: the LLVM dialect inside of the func.func. Linear.
//===----------------------------------------------------------------------===//
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ComplexToLLVM/ComplexToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Transforms/DialectConversion.h"
#include "passes/target/Libm.h"
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_LOWERBODY
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
struct LowerBody : ssm::impl::LowerBodyBase<LowerBody> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (!func->hasAttr("ssm.dispatch"))
      return;
    if (failed(ssm::lowerToLibm(func)))
      return signalPassFailure();
    MLIRContext *ctx = &getContext();
    bool hasVectors =
        func.walk([](Operation *op) {
              return isa<vector::VectorDialect>(op->getDialect()) ? WalkResult::interrupt() : WalkResult::advance();
            })
            .wasInterrupted();
    expandArith(func);
    if (hasVectors)
      lowerVectors(func);
    LowerToLLVMOptions options(ctx);
    LLVMTypeConverter types(ctx, options);
    RewritePatternSet patterns(ctx);
    arith::populateArithToLLVMConversionPatterns(types, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
    populateComplexToLLVMConversionPatterns(types, patterns);
    index::populateIndexToLLVMConversionPatterns(types, patterns);
    populateMathToLLVMConversionPatterns(types, patterns, /*approximateLog1p=*/false);
    populateFinalizeMemRefToLLVMConversionPatterns(types, patterns);
    ub::populateUBToLLVMConversionPatterns(types, patterns);
    if (hasVectors)
      populateVectorToLLVMConversionPatterns(types, patterns, /*reassociateFPReductions=*/true);
    LLVMConversionTarget target(*ctx);
    target.addLegalOp<func::ReturnOp, func::ConstantOp, func::FuncOp, UnrealizedConversionCastOp>();
    if (failed(applyPartialConversion(func, target, std::move(patterns))))
      return signalPassFailure();
    WalkResult left = func.walk([](Operation *op) {
      // The conversion carries arith's flags over to casts, which have none.
      if (auto flags = op->getDiscardableAttr("fastmath"); isa_and_nonnull<arith::FastMathFlagsAttr>(flags))
        op->removeDiscardableAttr("fastmath");
      if (isa<LLVM::LLVMDialect, func::FuncDialect>(op->getDialect()) || isa<UnrealizedConversionCastOp>(op))
        return WalkResult::advance();
      op->emitOpError("cannot be lowered to machine code");
      return WalkResult::interrupt();
    });
    if (left.wasInterrupted())
      signalPassFailure();
  }

  /// Only what LLVM has no form of: its own minimum and maximum, for one, are what its vectoriser knows.
  void expandArith(func::FuncOp func) {
    RewritePatternSet patterns(&getContext());
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    arith::populateExpandBFloat16Patterns(patterns);
    (void)applyPatternsGreedily(func, std::move(patterns));
  }

  void lowerVectors(func::FuncOp func) {
    RewritePatternSet patterns(&getContext());
    vector::populateVectorToVectorCanonicalizationPatterns(patterns);
    vector::populateVectorBroadcastLoweringPatterns(patterns);
    vector::populateVectorContractLoweringPatterns(patterns, vector::VectorContractLowering::OuterProduct);
    vector::populateVectorMaskOpLoweringPatterns(patterns);
    vector::populateVectorShapeCastLoweringPatterns(patterns);
    vector::populateVectorInterleaveLoweringPatterns(patterns);
    vector::populateVectorTransposeLoweringPatterns(patterns, vector::VectorTransposeLowering::Shuffle1D);
    vector::populateVectorTransferLoweringPatterns(patterns, 1);
    vector::populateVectorMaskMaterializationPatterns(patterns, /*force32BitVectorIndices=*/false);
    (void)applyPatternsGreedily(func, std::move(patterns));
  }
};
} // namespace
