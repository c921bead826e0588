//===- Passes.td - passes of the lower phase -----------------------------===//
#ifndef SSM_PASSES_LOWER
#define SSM_PASSES_LOWER
include "mlir/Pass/PassBase.td"

def LowerDispatch : Pass<"ssm-lower-dispatch", "::mlir::func::FuncOp"> {
  let summary = "lowers the operators of a dispatch to linalg, tensor, scf and arith";
  let description = [{
    Turns the body of each function with `ssm.dispatch` from onnx and ssm operators on values into upstream dialects on
    destinations (docs/internals.md, sections 3 and 4). Neighbouring elementwise operators of equal shape become one
    linalg.generic. Other functions are left alone. An operator without a lowering is an error at its location.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect", "::mlir::complex::ComplexDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect", "::mlir::vector::VectorDialect"];
}
#endif
