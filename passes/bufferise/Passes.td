//===- Passes.td - passes of the bufferise phase -------------------------===//
#ifndef SSM_PASSES_BUFFERISE
#define SSM_PASSES_BUFFERISE
include "mlir/Pass/PassBase.td"

def Bufferise : Pass<"ssm-bufferise", "::mlir::ModuleOp"> {
  let summary = "turns the tensors of dispatches into buffers";
  let description = [{
    One-shot bufferisation of one dispatch at a time (constants become globals of the module). Every tensor.empty has a use of its own before, because a shared one makes
    the analysis cubic. Outputs are written in place; what cannot be is a memref.alloc.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def PlaceBuffers : Pass<"ssm-place-buffers", "::mlir::func::FuncOp"> {
  let summary = "gives every temporary buffer of a dispatch its place and its end";
  let description = [{
    Allocations whose sizes are known outside of loops leave them; small static ones go to the stack at the entry,
    others are freed where their function or loop body ends. Only when a loop or branch hands a buffer on
    are ownership and deallocation left to upstream's general analysis (before this pass).
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}
#endif
