// RUN: ssm-opt %s --transform-interpreter --split-input-file --verify-diagnostics

// Upstream's loops have no way to hand the state on.

#x = affine_map<(d, t) -> (t, d)>
func.func @time(%a: tensor<64x8xf32>, %u: tensor<64x8xf32>) -> tensor<64x8xf32> {
  // expected-error @+3 {{loop 1 is sequential and cannot be cut without handing on the state}}
  // expected-error @+2 {{tile operation}}
  // expected-error @+1 {{failed to generate tiling loops}}
  %y = ssm.selective_scan ins(%a, %u : tensor<64x8xf32>, tensor<64x8xf32>) {indexing_maps = [#x, #x, #x], state_rank = 0 : i64} -> tensor<64x8xf32> {
    ^bb0(%as: f32, %us: f32):
      ssm.yield %as, %us : f32, f32
  }
  return %y : tensor<64x8xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.selective_scan"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l = transform.structured.tile_using_for %0 tile_sizes [0, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#q = affine_map<(h, t, k, v) -> (t, h floordiv 4, k)>
#v = affine_map<(h, t, k, v) -> (t, h, v)>
func.func @groups(%q: tensor<?x4x32xf32>, %v: tensor<?x16x64xf32>) -> tensor<?x16x64xf32> {
  // expected-error @+3 {{a tile cuts through elements that share one of operand 0}}
  // expected-error @+2 {{tile operation}}
  // expected-error @+1 {{failed to generate tiling loops}}
  %o = ssm.semiseparable query(%q : tensor<?x4x32xf32>) key(%q : tensor<?x4x32xf32>) value(%v : tensor<?x16x64xf32>)
      {indexing_maps = [#q, #q, #v, #v]} -> tensor<?x16x64xf32>
  return %o : tensor<?x16x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.semiseparable"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l = transform.structured.tile_using_for %0 tile_sizes [3] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
