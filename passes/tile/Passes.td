//===- Passes.td - passes of the tile phase ------------------------------===//
#ifndef SSM_PASSES_TILE
#define SSM_PASSES_TILE
include "mlir/Pass/PassBase.td"

def DecomposeTensors : Pass<"ssm-decompose-tensors", "::mlir::func::FuncOp"> {
  let summary = "rewrites composite tensor ops of a dispatch as slices, fills and loops over elements";
  let description = [{
    tensor.concat and tensor.pad become insertions into a destination, linalg.softmax, linalg.pack and linalg.unpack
    their parts, elementwise arithmetic on tensors a linalg.generic; neighbouring elementwise generics are fused. What
    remains bufferises without further knowledge.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"];
}
#endif
