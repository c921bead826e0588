// RUN: ssm-opt %s --ssm-tile-mixers=steps=16 --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s

#btd = affine_map<(b, d, t, n) -> (b, t, d)>
#dn = affine_map<(b, d, t, n) -> (d, n)>
#btn = affine_map<(b, d, t, n) -> (b, t, n)>
#bdn = affine_map<(b, d, t, n) -> (b, d, n)>

// A state that the op has neither at its start nor at its end begins at zero and goes from tile to tile. Reversed time
// begins with the last tile.
// CHECK-DAG: #[[MIN:.*]] = affine_map<(d0)[s0] -> (-d0 + s0, 16)>
// CHECK-DAG: #[[BACK:.*]] = affine_map<(d0, d1)[s0] -> (-d0 - d1 + s0)>
// CHECK-LABEL: func @reversed
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<2x4x8xf32>
// CHECK: %[[L:.*]] = tensor.dim %arg0, %c1
// CHECK: scf.for %[[T:.*]] = %c0 to %[[L]] step %c16 iter_args(%[[Y:.*]] = %{{.*}}, %[[H:.*]] = %[[ZERO]])
// CHECK: %[[SIZE:.*]] = affine.min #[[MIN]](%[[T]])[%[[L]]]
// CHECK: %[[AT:.*]] = affine.apply #[[BACK]](%[[T]], %[[SIZE]])[%[[L]]]
// CHECK: tensor.extract_slice %arg0[0, %[[AT]], 0] [2, %[[SIZE]], 4]
// CHECK: %[[TILE:.*]], %[[FINAL:.*]] = ssm.selective_scan {{.*}} initial(%[[H]] : tensor<2x4x8xf32>) {{.*}} final(tensor<2x4x8xf32>)
// CHECK: %[[NEXT:.*]] = tensor.insert_slice %[[TILE]] into %[[Y]][0, %[[AT]], 0] [2, %[[SIZE]], 4]
// CHECK: scf.yield %[[NEXT]], %[[FINAL]]
func.func @reversed(%x: tensor<2x?x4xf32>, %a: tensor<4x8xf32>, %c: tensor<2x?x8xf32>) -> tensor<2x?x4xf32> {
  %y = ssm.selective_scan ins(%x, %a, %c : tensor<2x?x4xf32>, tensor<4x8xf32>, tensor<2x?x8xf32>)
      {indexing_maps = [#btd, #dn, #btn, #btd], state_rank = 1 : i64, reverse} -> tensor<2x?x4xf32> {
    ^bb0(%u: f32, %d: f32, %r: f32):
      ssm.yield %d, %u, %r : f32, f32, f32
  }
  return %y : tensor<2x?x4xf32>
}

// -----

#q = affine_map<(t, k, v) -> (t, k)>
#v = affine_map<(t, k, v) -> (t, v)>
#s = affine_map<(t, k, v) -> (k, v)>

// A given state is where the first tile begins, and the last tile's is the op's.
// CHECK-LABEL: func @given
// CHECK: %[[R:.*]]:2 = scf.for %[[T:.*]] = %c0 to %c64 step %c16 iter_args(%[[Y:.*]] = %{{.*}}, %[[H:.*]] = %arg2)
// CHECK: ssm.semiseparable {{.*}} initial(%[[H]] : tensor<8x4xf32>) {{.*}} -> tensor<16x4xbf16> final(tensor<8x4xf32>)
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @given(%q: tensor<64x8xbf16>, %v: tensor<64x4xbf16>, %s0: tensor<8x4xf32>) -> (tensor<64x4xbf16>, tensor<8x4xf32>) {
  %o, %f = ssm.semiseparable query(%q : tensor<64x8xbf16>) key(%q : tensor<64x8xbf16>) value(%v : tensor<64x4xbf16>)
      initial(%s0 : tensor<8x4xf32>) {indexing_maps = [#q, #q, #v, #s, #v, #s]} -> tensor<64x4xbf16> final(tensor<8x4xf32>)
  return %o, %f : tensor<64x4xbf16>, tensor<8x4xf32>
}

// -----

#cx = affine_map<(d, t, j) -> (t, d)>
#cw = affine_map<(d, t, j) -> (d, j)>

// CHECK-LABEL: func @causal_conv
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<8x3xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[H:.*]] = %[[ZERO]])
// CHECK: ssm.causal_conv {{.*}} history(%[[H]] : tensor<8x3xf32>) {{.*}} -> tensor<?x8xf32> final_history(tensor<8x3xf32>)
func.func @causal_conv(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x8xf32> {
  %y = ssm.causal_conv input(%x : tensor<?x8xf32>) weight(%w : tensor<8x4xf32>) {indexing_maps = [#cx, #cw, #cx]} -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// The identity stands before the first step.
// CHECK-LABEL: func @scan
// CHECK-DAG: %[[ONE:.*]] = arith.constant dense<1.000000e+00> : tensor<8xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[H:.*]] = %[[ONE]])
// CHECK: ssm.scan ins(%{{.*}} : tensor<?x8xf32>) initial(%[[H]] : tensor<8xf32>) {{.*}} final(tensor<8xf32>)
func.func @scan(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = ssm.scan ins(%x : tensor<?x8xf32>) {dim = 0 : i64, identity = [1.0 : f32], exclusive} -> tensor<?x8xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.mulf %a, %b : f32
      ssm.yield %s : f32
  }
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func @recurrence
// CHECK: scf.for {{.*}} iter_args(%[[H:.*]] = %arg1, %{{.*}} = %{{.*}})
// CHECK: ssm.recurrence sequences(%{{.*}} : tensor<?x4xf32>) initial(%[[H]] : tensor<4xf32>)
// CHECK-SAME: -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>)
func.func @recurrence(%x: tensor<?x4xf32>, %h0: tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>) {
  %h, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h0 : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 0>}
      -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
    ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
      %s = "onnx.Add"(%xt, %ht) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %n = "onnx.Tanh"(%s) : (tensor<4xf32>) -> tensor<4xf32>
      ssm.yield %n, %n : tensor<4xf32>, tensor<4xf32>
  }
  return %h, %y : tensor<4xf32>, tensor<?x4xf32>
}

// -----

#lx = affine_map<(d, t, j) -> (d, t)>
#lk = affine_map<(d, t, j) -> (d, j)>
func.func @long_conv(%x: tensor<8x?xf32>, %k: tensor<8x?xf32>) -> tensor<8x?xf32> {
  // expected-error @+1 {{does not hand all of its state on, so time cannot be tiled}}
  %y = ssm.long_conv input(%x : tensor<8x?xf32>) kernel(%k : tensor<8x?xf32>) {indexing_maps = [#lx, #lk, #lx]} -> tensor<8x?xf32>
  return %y : tensor<8x?xf32>
}

// -----

#gq = affine_map<(t, k, v) -> (t, k)>
#gv = affine_map<(t, k, v) -> (t, v)>
#gg = affine_map<(t, k, v) -> (t)>
func.func @gate(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %i: tensor<?xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{does not hand all of its state on, so time cannot be tiled}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>)
      log_gate(%i : tensor<?xf32>) {indexing_maps = [#gq, #gq, #gv, #gg, #gv]} -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}
