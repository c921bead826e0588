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
/// What the pass needs for every function alike. Making the patterns takes longer than applying them to a small
/// dispatch.
struct Rewrites {
  explicit Rewrites(MLIRContext *context)
      : types(context, LowerToLLVMOptions(context)), target(*context), arithExpansion(makeArith(context)),
        vectorLowering(makeVectors(context)), scalarConversion(makeConversion(context, false)),
        vectorConversion(makeConversion(context, true)) {
    target.addLegalOp<func::ReturnOp, func::ConstantOp, func::FuncOp, UnrealizedConversionCastOp>();
  }

  LLVMTypeConverter types;
  LLVMConversionTarget target;
  FrozenRewritePatternSet arithExpansion, vectorLowering, scalarConversion, vectorConversion;

private:
  /// Only what LLVM has no form of: its own minimum and maximum, for one, are what its vectoriser knows.
  static RewritePatternSet makeArith(MLIRContext *context) {
    RewritePatternSet patterns(context);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    arith::populateExpandBFloat16Patterns(patterns);
    return patterns;
  }

  static RewritePatternSet makeVectors(MLIRContext *context) {
    RewritePatternSet patterns(context);
    vector::populateVectorToVectorCanonicalizationPatterns(patterns);
    vector::populateVectorBroadcastLoweringPatterns(patterns);
    vector::populateVectorContractLoweringPatterns(patterns, vector::VectorContractLowering::OuterProduct);
    vector::populateVectorMaskOpLoweringPatterns(patterns);
    vector::populateVectorShapeCastLoweringPatterns(patterns);
    vector::populateVectorInterleaveLoweringPatterns(patterns);
    vector::populateVectorTransposeLoweringPatterns(patterns, vector::VectorTransposeLowering::Shuffle1D);
    vector::populateVectorTransferLoweringPatterns(patterns, 1);
    vector::populateVectorMaskMaterializationPatterns(patterns, /*force32BitVectorIndices=*/false);
    return patterns;
  }

  RewritePatternSet makeConversion(MLIRContext *context, bool hasVectors) {
    RewritePatternSet patterns(context);
    arith::populateArithToLLVMConversionPatterns(types, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
    populateComplexToLLVMConversionPatterns(types, patterns);
    index::populateIndexToLLVMConversionPatterns(types, patterns);
    populateMathToLLVMConversionPatterns(types, patterns, /*approximateLog1p=*/false);
    populateFinalizeMemRefToLLVMConversionPatterns(types, patterns);
    ub::populateUBToLLVMConversionPatterns(types, patterns);
    if (hasVectors)
      populateVectorToLLVMConversionPatterns(types, patterns, /*reassociateFPReductions=*/true);
    return patterns;
  }
};

struct LowerBody : ssm::impl::LowerBodyBase<LowerBody> {
  LogicalResult initialize(MLIRContext *context) override {
    rewrites = std::make_shared<Rewrites>(context);
    return success();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (!func->hasAttr("ssm.dispatch"))
      return;
    if (failed(ssm::lowerToLibm(func)))
      return signalPassFailure();
    bool hasVectors =
        func.walk([](Operation *op) {
              return isa<vector::VectorDialect>(op->getDialect()) ? WalkResult::interrupt() : WalkResult::advance();
            })
            .wasInterrupted();
    (void)applyPatternsGreedily(func, rewrites->arithExpansion);
    if (hasVectors)
      (void)applyPatternsGreedily(func, rewrites->vectorLowering);
    if (failed(applyPartialConversion(func, rewrites->target,
                                      hasVectors ? rewrites->vectorConversion : rewrites->scalarConversion)))
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

private:
  std::shared_ptr<Rewrites> rewrites; // the copies of the pass for other threads share them
};
} // namespace
