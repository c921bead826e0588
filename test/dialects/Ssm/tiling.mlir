// RUN: ssm-opt %s --transform-interpreter --canonicalize --cse --split-input-file | FileCheck %s

// Heads and state channels of the value are tiled, the shared query by whole groups of heads. Time and k stay whole.

#q = affine_map<(h, t, k, v) -> (t, h floordiv 4, k)>
#v = affine_map<(h, t, k, v) -> (t, h, v)>
#s = affine_map<(h, t, k, v) -> (h, k, v)>

// CHECK-LABEL: func @semiseparable
// CHECK: scf.for %[[H:.*]] = %c0 to %c16 step %c8
// CHECK: scf.for %[[V:.*]] = %c0 to %c64 step %c32
// CHECK: %[[G:.*]] = affine.apply #{{.*}}(%[[H]])
// CHECK: tensor.extract_slice %arg0[0, %[[G]], 0] [%{{.*}}, 2, 32] [1, 1, 1] : tensor<?x4x32xf32> to tensor<?x2x32xf32>
// CHECK: tensor.extract_slice %arg1[0, %[[H]], %[[V]]] [%{{.*}}, 8, 32] [1, 1, 1]
// CHECK: tensor.extract_slice %arg2[%[[H]], 0, %[[V]]] [8, 32, 32] [1, 1, 1]
// CHECK: ssm.semiseparable {{.*}} -> tensor<?x8x32xf32> final(tensor<8x32x32xf32>)
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, %[[H]], %[[V]]] [%{{.*}}, 8, 32] [1, 1, 1]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[%[[H]], 0, %[[V]]] [8, 32, 32] [1, 1, 1]
func.func @semiseparable(%q: tensor<?x4x32xf32>, %v: tensor<?x16x64xf32>, %s0: tensor<16x32x64xf32>)
    -> (tensor<?x16x64xf32>, tensor<16x32x64xf32>) {
  %o, %f = ssm.semiseparable query(%q : tensor<?x4x32xf32>) key(%q : tensor<?x4x32xf32>) value(%v : tensor<?x16x64xf32>)
      initial(%s0 : tensor<16x32x64xf32>) {indexing_maps = [#q, #q, #v, #s, #v, #s]} -> tensor<?x16x64xf32> final(tensor<16x32x64xf32>)
  return %o, %f : tensor<?x16x64xf32>, tensor<16x32x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.semiseparable"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l:2 = transform.structured.tile_using_for %0 tile_sizes [8, 0, 0, 32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#btd = affine_map<(b, d, t, n) -> (b, t, d)>
#dn = affine_map<(b, d, t, n) -> (d, n)>
#btn = affine_map<(b, d, t, n) -> (b, t, n)>

// A dim of dynamic size has a smaller last tile.
// CHECK-LABEL: func @selective_scan
// CHECK: %[[D:.*]] = tensor.dim %arg0, %c2
// CHECK: %[[TILES:.*]] = affine.apply #{{.*}}()[%[[D]]]
// CHECK: scf.forall (%[[B:.*]], %[[N:.*]]) in (2, %[[TILES]])
// CHECK: %[[I:.*]] = affine.apply #{{.*}}(%[[N]])
// CHECK: %[[SIZE:.*]] = affine.min #{{.*}}(%[[N]])[%[[D]]]
// CHECK: tensor.extract_slice %arg0[%[[B]], 0, %[[I]]] [1, %{{.*}}, %[[SIZE]]] [1, 1, 1]
// CHECK: tensor.extract_slice %arg1[%[[I]], 0] [%[[SIZE]], 8] [1, 1]
// CHECK: ssm.selective_scan {{.*}}reverse{{.*}} -> tensor<1x?x?xf32>
// CHECK: tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%[[B]], 0, %[[I]]] [1, %{{.*}}, %[[SIZE]]]
func.func @selective_scan(%x: tensor<2x?x?xf32>, %a: tensor<?x8xf32>, %c: tensor<2x?x8xf32>) -> tensor<2x?x?xf32> {
  %y = ssm.selective_scan ins(%x, %a, %c : tensor<2x?x?xf32>, tensor<?x8xf32>, tensor<2x?x8xf32>)
      {indexing_maps = [#btd, #dn, #btn, #btd], state_rank = 1 : i64, reverse} -> tensor<2x?x?xf32> {
    ^bb0(%u: f32, %d: f32, %r: f32):
      ssm.yield %d, %u, %r : f32, f32, f32
  }
  return %y : tensor<2x?x?xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.selective_scan"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l = transform.structured.tile_using_forall %0 tile_sizes [1, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#aq = affine_map<(h, i, j, e, f) -> (h, i, e)>
#ak = affine_map<(h, i, j, e, f) -> (h floordiv 4, j, e)>
#av = affine_map<(h, i, j, e, f) -> (h floordiv 4, j, f)>
#ao = affine_map<(h, i, j, e, f) -> (h, i, f)>

// A tile of queries tells the score region where it starts. One head reads one of the shared keys.
// CHECK-LABEL: func @attention
// CHECK: scf.for %[[H:.*]] = %c0 to %c8 step %c1
// CHECK: scf.for %[[I:.*]] = %c0 to %{{.*}} step %c64
// CHECK: tensor.extract_slice %arg1[%{{.*}}, 0, 0] [1, %{{.*}}, 64]
// CHECK: %[[O:.*]] = arith.index_cast %[[I]] : index to i64
// CHECK: %[[M:.*]] = tensor.from_elements %[[O]] : tensor<i64>
// CHECK: ssm.attention {{.*}} modifiers(%[[M]] : tensor<i64>)
// CHECK: ^bb0(%{{.*}}: f32, %{{.*}}: index, %[[II:.*]]: index, %[[JJ:.*]]: index, %[[OFF:.*]]: i64):
// CHECK: %[[X:.*]] = arith.index_cast %[[OFF]]
// CHECK: %[[AT:.*]] = arith.addi %[[II]], %[[X]] : index
// CHECK: arith.cmpi sgt, %[[JJ]], %[[AT]]
func.func @attention(%q: tensor<8x?x64xf32>, %k: tensor<2x?x64xf32>) -> tensor<8x?x64xf32> {
  %o = ssm.attention query(%q : tensor<8x?x64xf32>) key(%k : tensor<2x?x64xf32>) value(%k : tensor<2x?x64xf32>)
      {indexing_maps = [#aq, #ak, #av, #ao], scale = 0.125 : f64, masked_rows = "nan"} -> tensor<8x?x64xf32> {
    ^bb0(%s: f32, %h: index, %i: index, %j: index):
      %future = arith.cmpi sgt, %j, %i : index
      %m = arith.constant 0xFF800000 : f32
      %r = arith.select %future, %m, %s : f32
      ssm.yield %r : f32
  }
  return %o : tensor<8x?x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.attention"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l:2 = transform.structured.tile_using_for %0 tile_sizes [1, 64] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#cx = affine_map<(d, t, j) -> (t, d)>
#cw = affine_map<(d, t, j) -> (d, j)>
#ch = affine_map<(d, t, j) -> (j, d)>

// The history is never cut; neither is its length the number of taps.
// CHECK-LABEL: func @causal_conv
// CHECK: scf.for %[[D:.*]] = %c0 to %c64 step %c16
// CHECK: tensor.extract_slice %arg0[0, %[[D]]] [%{{.*}}, 16]
// CHECK: tensor.extract_slice %arg2[0, %[[D]]] [3, 16]
// CHECK: ssm.causal_conv {{.*}} -> tensor<?x16xf32> final_history(tensor<3x16xf32>)
func.func @causal_conv(%x: tensor<?x64xf32>, %w: tensor<64x4xf32>, %h: tensor<3x64xf32>) -> (tensor<?x64xf32>, tensor<3x64xf32>) {
  %y, %f = ssm.causal_conv input(%x : tensor<?x64xf32>) weight(%w : tensor<64x4xf32>) history(%h : tensor<3x64xf32>)
      {indexing_maps = [#cx, #cw, #ch, #cx, #ch]} -> tensor<?x64xf32> final_history(tensor<3x64xf32>)
  return %y, %f : tensor<?x64xf32>, tensor<3x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.causal_conv"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l = transform.structured.tile_using_for %0 tile_sizes [16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#lx = affine_map<(b, d, t, j) -> (b, d, t)>
#lk = affine_map<(b, d, t, j) -> (d, j)>

// CHECK-LABEL: func @long_conv
// CHECK: scf.for %[[D:.*]] = %c0 to %c64 step %c16
// CHECK: tensor.extract_slice %arg1[%[[D]], 0] [16, %{{.*}}]
// CHECK: ssm.long_conv
func.func @long_conv(%x: tensor<2x64x?xf32>, %k: tensor<64x?xf32>) -> tensor<2x64x?xf32> {
  %y = ssm.long_conv input(%x : tensor<2x64x?xf32>) kernel(%k : tensor<64x?xf32>) {indexing_maps = [#lx, #lk, #lx]} -> tensor<2x64x?xf32>
  return %y : tensor<2x64x?xf32>
}
// CHECK-LABEL: func @scan
// CHECK: scf.for %[[D:.*]] = %c0 to %c64 step %c16
// CHECK: tensor.extract_slice %arg0[0, %[[D]]] [%{{.*}}, 16]
// CHECK: ssm.scan {{.*}} -> tensor<?x16xf32> final(tensor<16xf32>)
func.func @scan(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<64xf32>) {
  %y, %f = ssm.scan ins(%x : tensor<?x64xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<?x64xf32> final(tensor<64xf32>) {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      ssm.yield %s : f32
  }
  return %y, %f : tensor<?x64xf32>, tensor<64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.structured.match ops{["ssm.long_conv", "ssm.scan"]} in %m : (!transform.any_op) -> !transform.any_op
    %1, %l = transform.structured.tile_using_for %0 tile_sizes [0, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
