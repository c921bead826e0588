//===- Passes.td - passes of the fold phase ------------------------------===//
#ifndef SSM_PASSES_FOLD
#define SSM_PASSES_FOLD
include "mlir/Pass/PassBase.td"

def InferShapes : Pass<"ssm-infer-shapes", "::mlir::ModuleOp"> {
  let summary = "gives every value of @main a rank and symbolic sizes";
  let description = [{
    Walks @main once in order. Sizes are expressions of symbols (docs/internals.md, section 2); the elements of small
    integer tensors are followed as expressions too, so that shape arithmetic turns into sizes and dies. What cannot be
    expressed gets a symbol that a bind op reads at run time. Bodies of Loop are inferred again until carried sizes hold.
    Declared types do not count. A value whose rank stays unknown is an error at its node.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}
#endif
