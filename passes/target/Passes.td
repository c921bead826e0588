//===- Passes.td - passes of the target phase ----------------------------===//
#ifndef SSM_PASSES_TARGET
#define SSM_PASSES_TARGET
include "mlir/Pass/PassBase.td"

def DeclareRuntime : Pass<"ssm-declare-runtime", "::mlir::ModuleOp"> {
  let summary = "declares the functions of the runtime and of libm that dispatches may call";
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def LowerLoops : Pass<"ssm-lower-loops", "::mlir::func::FuncOp"> {
  let summary = "turns linalg operations and copies on buffers into loops";
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def LowerSignature : Pass<"ssm-lower-signature", "::mlir::func::FuncOp"> {
  let summary = "gives a dispatch its machine-level signature";
  let description = [{
    `(memref ins, memref outs, index symbols)` becomes `(ptr rt, ptr ins, ptr outs, i64 symbols)`: sizes are computed
    from `ssm.dims`, strides are those of contiguous row-major buffers. Allocations become calls of the runtime.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect"];
}

def OutlineParallel : Pass<"ssm-outline-parallel", "::mlir::ModuleOp"> {
  let summary = "turns parallel loops of dispatches into functions that the runtime calls";
  let description = [{
    An outermost scf.parallel over one range becomes `void body(void *args, int64_t begin, int64_t end)` and a call of
    `ssmrt_parallel_for`; what the loop uses travels in a structure on the stack. Steps are the unit of work. Runs after
    `ssm-lower-signature`. Parallel loops inside of others stay, to be lowered as sequential ones.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def LowerBody : Pass<"ssm-lower-body", "::mlir::func::FuncOp"> {
  let summary = "converts the operations of a dispatch to the LLVM dialect";
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect"];
}

def LowerFunctions : Pass<"ssm-lower-functions", "::mlir::ModuleOp"> {
  let summary = "converts functions and globals around lowered bodies to the LLVM dialect";
  let description = [{
    The last step after `ssm-lower-body`. Declarations that nothing calls disappear.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}
#endif
