//===- Passes.td - passes of the vectorise phase -------------------------===//
#ifndef SSM_PASSES_VECTORISE
#define SSM_PASSES_VECTORISE
include "mlir/Pass/PassBase.td"

def ExpandMath : Pass<"ssm-expand-math", "::mlir::func::FuncOp"> {
  let summary = "writes transcendental functions of float32 as branch-free arithmetic";
  let description = [{
    exp, log, tanh, erf, sin, cos and others on float32 (scalars or vectors) become polynomials and bit operations of at
    most 2 units in the last place, which every vectoriser takes. Narrower floats are computed in float32. Other math
    operations stay for `target`, which calls libm.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect",
    "::mlir::scf::SCFDialect"];
}
#endif
