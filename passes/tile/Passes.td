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

def TileMixers : Pass<"ssm-tile-mixers", "::mlir::func::FuncOp"> {
  let summary = "cuts the time of sequence mixers into tiles";
  let description = [{
    Each mixer that carries a state becomes an scf.for over tiles of `steps` steps, with the outputs so far and the state
    as carried values: the state goes in through the operands for the initial state, zero or the identity when there are
    none, and comes out through the results for the final one. A mixer that carries none is an error. The parallel loops
    are upstream's to tile (transform.structured.tile_using_for), through TilingInterface.
  }];
  let options = [Option<"steps", "steps", "int64_t", "64", "steps of a tile">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"];
}
#endif
