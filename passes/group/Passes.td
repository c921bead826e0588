//===- Passes.td - passes of the group phase -----------------------------===//
#ifndef SSM_PASSES_GROUP
#define SSM_PASSES_GROUP
include "mlir/Pass/PassBase.td"

def FormDispatches : Pass<"ssm-form-dispatches", "::mlir::ModuleOp"> {
  let summary = "outlines groups of operators of @main into dispatch functions";
  let description = [{
    Elementwise operators over one index space join the group that makes their operands; every other operator is a group
    of its own. A group stands where its last member stood and is closed when an operator outside reads from it. Equal
    groups become one function. Views, constants, control flow and sequences stay in @main. Linear in operators.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::func::FuncDialect"];
}

def LowerGraph : Pass<"ssm-lower-graph", "::mlir::ModuleOp"> {
  let summary = "turns @main into host code: allocation, shape arithmetic, control flow and calls of dispatches";
  let description = [{
    Replaces @main by `ssm_generated_main` (docs/internals.md, section 5) in func, scf, arith and llvm. Buffers of the top
    level whose sizes are known at entry lie in one arena, planned by liveness; others are allocated. Constants are
    offsets into one of two regions, the embedded and the side one, listed in the module attributes ssm.embedded and
    ssm.side.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::func::FuncDialect"];
}
#endif
