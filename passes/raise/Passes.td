//===- Passes.td - passes of the raise phase -----------------------------===//
#ifndef SSM_PASSES_RAISE
#define SSM_PASSES_RAISE
include "mlir/Pass/PassBase.td"

def RaiseLoops : Pass<"ssm-raise-loops", "::mlir::ModuleOp"> {
  let summary = "turns onnx.Scan and onnx.Loop into sequence mixers";
  let description = [{
    Brings every loop of @main into one form with explicit carries, slices per step and outputs, and analyses how the
    next carries depend on the present ones. A loop that is not raised stays as it was, and the module attribute
    `ssm.missed` says why.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}
#endif
