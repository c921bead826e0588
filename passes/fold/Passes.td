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

def InlineControlFlow : Pass<"ssm-inline-control-flow", "::mlir::ModuleOp"> {
  let summary = "replaces control flow whose choice is a constant by what it does";
  let description = [{
    Runs before ssm-infer-shapes. An If with a constant condition becomes its branch, a Loop of one iteration its body, a
    Loop of none its initial values.

    Before: %r = "onnx.Loop"(%one, %none, %x) ({ ... onnx.Yield %c, %y }). After: the body, and %y for %r.
  }];
  let statistics = [Statistic<"inlined", "inlined", "operators that were replaced">];
  let dependentDialects = ["::ssm::onnx::OnnxDialect"];
}

def SimplifyGraph : Pass<"ssm-simplify-graph", "::mlir::ModuleOp"> {
  let summary = "removes operators that change nothing, what nobody reads, and symbols that are constants";
  let description = [{
    `Identity`, a cast to the same type, a transpose that keeps the order, a product with one, a reshape to the same shape
    give their operand. A symbol that is bound to an element of a constant is replaced by the element everywhere.

    Before: %y = onnx.Cast %x : tensor<4xf32> to f32; %z = "onnx.Neg"(%y). After: %z = "onnx.Neg"(%x).
  }];
  let statistics = [Statistic<"removed", "removed", "operators that gave their operand">];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def FoldConstants : Pass<"ssm-fold-constants", "::mlir::ModuleOp"> {
  let summary = "computes operators whose operands are constants";
  let description = [{
    Compiles and runs them in this process, in float64 where float32 would only lose digits. Values of more than 16 MiB, and
    results larger than what they are computed from (beyond 64 KiB), stay as they are. Views of constants become constants
    that refer to the same bytes.

    Before: %t = "onnx.Transpose"(%w) of a constant. After: the transposed constant.
  }];
  let statistics = [Statistic<"folded", "folded", "values that became constants">];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}
#endif
