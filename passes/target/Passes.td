//===- Passes.td - passes of the target phase ----------------------------===//
#ifndef SSM_PASSES_TARGET
#define SSM_PASSES_TARGET
include "mlir/Pass/PassBase.td"

def DispatchAbi : Pass<"ssm-dispatch-abi", "::mlir::func::FuncOp"> {
  let summary = "gives a dispatch its machine signature: runtime, plain pointers, sizes";
  let description = [{
    Replaces the memref arguments of a dispatch (docs/internals.md, section 4) by one pointer each, behind a first pointer
    for the runtime, and its index symbols by i64 (section 5). Memory descriptors are rebuilt at entry from `ssm.dims`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"];
}

def ApproximateMath : Pass<"ssm-approximate-math"> {
  let summary = "replaces float functions by polynomials that vectorise, others by libm calls";
  let description = [{
    exp, log, log1p, tanh, erf and expm1 of f32 become arithmetic (at most 4.4 ulp); other functions stay for libm. Integer
    powers, rounding and the like are expanded.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect",
    "::mlir::scf::SCFDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect"];
}
def LowerCopies : Pass<"ssm-lower-copies", "::mlir::func::FuncOp"> {
  let summary = "turns memref.copy into linalg.generic, which needs no library function";
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
}
#endif
