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

def VectoriseContractions : Pass<"ssm-vectorise-contractions", "::mlir::func::FuncOp"> {
  let summary = "writes sums of products of floating-point buffers as register-tiled vector code";
  let description = [{
    A linalg.generic `c[..m..n] += a[..m..k..] * b[..k..n..]` (matrix products, batched or not, and convolutions) becomes
    loops around an accumulator tile of `rows` x `lanes` in registers. A panel of b, all of k times `lanes` columns, is
    packed first, so that any layout of b streams; tails are masked. Few rows read b directly where it is contiguous.
    Sums are float32 or float64; float16 and bfloat16 elements are widened when they are loaded.
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "8", "rows of the register tile">,
    Option<"lanes", "lanes", "int64_t", "32", "columns of the register tile, a power of two">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}
#endif
