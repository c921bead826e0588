// RUN: ssm-opt %s | ssm-opt | FileCheck %s

#btd = affine_map<(b, d, t, n) -> (b, t, d)>
#dn = affine_map<(b, d, t, n) -> (d, n)>
#btn = affine_map<(b, d, t, n) -> (b, t, n)>
#bdn = affine_map<(b, d, t, n) -> (b, d, n)>

// CHECK-LABEL: func @mamba
func.func @mamba(%dt: tensor<2x?x8xf32>, %a: tensor<8x16xf32>, %b: tensor<2x?x16xf32>, %c: tensor<2x?x16xf32>, %x: tensor<2x?x8xf32>,
                 %h0: tensor<2x8x16xf32>) -> (tensor<2x?x8xf32>, tensor<2x8x16xf32>) {
  // CHECK: ssm.selective_scan ins(%{{.*}} : tensor<2x?x8xf32>, {{.*}}) initial(%{{.*}} : tensor<2x8x16xf32>)
  // CHECK-SAME: state_rank = 1
  // CHECK-SAME: -> tensor<2x?x8xf32> final(tensor<2x8x16xf32>)
  // CHECK: ssm.yield %{{.*}} : f32, f32, f32
  %y, %h = ssm.selective_scan ins(%dt, %a, %b, %c, %x : tensor<2x?x8xf32>, tensor<8x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x8xf32>)
      initial(%h0 : tensor<2x8x16xf32>) {indexing_maps = [#btd, #dn, #btn, #btn, #btd, #bdn, #btd, #bdn], state_rank = 1 : i64}
      -> tensor<2x?x8xf32> final(tensor<2x8x16xf32>) {
    ^bb0(%dts: f32, %as: f32, %bs: f32, %cs: f32, %xs: f32):
      %l = arith.mulf %dts, %as : f32
      %decay = math.exp %l : f32
      %p = arith.mulf %dts, %xs : f32
      %u = arith.mulf %p, %bs : f32
      ssm.yield %decay, %u, %cs : f32, f32, f32
  }
  return %y, %h : tensor<2x?x8xf32>, tensor<2x8x16xf32>
}

#q = affine_map<(b, h, t, k, v) -> (b, t, h floordiv 4, k)>
#v = affine_map<(b, h, t, k, v) -> (b, t, h, v)>
#g = affine_map<(b, h, t, k, v) -> (b, t, h)>
#er = affine_map<(b, h, t, k, v) -> (b, t, h, k)>
#s = affine_map<(b, h, t, k, v) -> (b, h, k, v)>

// CHECK-LABEL: func @gated_delta
func.func @gated_delta(%q: tensor<1x?x2x64xbf16>, %k: tensor<1x?x2x64xbf16>, %v: tensor<1x?x8x32xbf16>, %g: tensor<1x?x8xf32>,
                       %l: tensor<1x?x8x64xf32>, %r: tensor<1x?x8x64xf32>, %s0: tensor<1x8x64x32xf32>)
    -> (tensor<1x?x8x32xbf16>, tensor<1x8x64x32xf32>) {
  // CHECK: ssm.semiseparable query(%{{.*}}) key(%{{.*}}) value(%{{.*}}) log_decay(%{{.*}}) erase_left(%{{.*}}) erase_right(%{{.*}}) initial(
  // CHECK-SAME: form = "chunked"
  // CHECK-SAME: final(tensor<1x8x64x32xf32>)
  %o, %s = ssm.semiseparable query(%q : tensor<1x?x2x64xbf16>) key(%k : tensor<1x?x2x64xbf16>) value(%v : tensor<1x?x8x32xbf16>)
      log_decay(%g : tensor<1x?x8xf32>) erase_left(%l : tensor<1x?x8x64xf32>) erase_right(%r : tensor<1x?x8x64xf32>)
      initial(%s0 : tensor<1x8x64x32xf32>) {form = "chunked", indexing_maps = [#q, #q, #v, #g, #er, #er, #s, #v, #s]}
      -> tensor<1x?x8x32xbf16> final(tensor<1x8x64x32xf32>)
  return %o, %s : tensor<1x?x8x32xbf16>, tensor<1x8x64x32xf32>
}

#aq = affine_map<(h, i, j, e, f) -> (h, i, e)>
#ak = affine_map<(h, i, j, e, f) -> (h, j, e)>
#av = affine_map<(h, i, j, e, f) -> (h, j, f)>
#ab = affine_map<(h, i, j, e, f) -> (i, j)>
#ao = affine_map<(h, i, j, e, f) -> (h, i, f)>
#al = affine_map<(h, i, j, e, f) -> (h, i)>

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<4x?x64xf32>, %k: tensor<4x?x64xf32>, %v: tensor<4x?x64xf32>, %m: tensor<?x?xi1>)
    -> (tensor<4x?x64xf32>, tensor<4x?xf32>) {
  // CHECK: ssm.attention query(%{{.*}}) key(%{{.*}}) value(%{{.*}}) modifiers(%{{.*}} : tensor<?x?xi1>)
  // CHECK-SAME: masked_rows = "zero", scale = 1.250000e-01 : f64
  // CHECK-SAME: log_sum_exp(tensor<4x?xf32>)
  %o, %l = ssm.attention query(%q : tensor<4x?x64xf32>) key(%k : tensor<4x?x64xf32>) value(%v : tensor<4x?x64xf32>)
      modifiers(%m : tensor<?x?xi1>) {indexing_maps = [#aq, #ak, #av, #ab, #ao, #al], scale = 0.125 : f64, masked_rows = "zero"}
      -> tensor<4x?x64xf32> log_sum_exp(tensor<4x?xf32>) {
    ^bb0(%score: f32, %h: index, %i: index, %j: index, %keep: i1):
      %masked = arith.constant 0xFF800000 : f32
      %r = arith.select %keep, %score, %masked : f32
      ssm.yield %r : f32
  }
  // CHECK: ssm.attention
  // CHECK-NOT: ssm.yield
  %p = ssm.attention query(%q : tensor<4x?x64xf32>) key(%k : tensor<4x?x64xf32>) value(%v : tensor<4x?x64xf32>)
      {indexing_maps = [#aq, #ak, #av, #ao], scale = 1.0 : f64, masked_rows = "nan"} -> tensor<4x?x64xf32>
  return %p, %l : tensor<4x?x64xf32>, tensor<4x?xf32>
}

#cx = affine_map<(b, d, t, j) -> (b, d, t)>
#cw = affine_map<(b, d, t, j) -> (d, j)>
#cb = affine_map<(b, d, t, j) -> (d)>
#ch = affine_map<(b, d, t, j) -> (b, d, j)>

// CHECK-LABEL: func @convolutions
func.func @convolutions(%x: tensor<?x64x?xf32>, %w: tensor<64x4xf32>, %b: tensor<64xf32>, %h0: tensor<?x64x3xf32>, %k: tensor<64x?xf32>)
    -> (tensor<?x64x?xf32>, tensor<?x64x3xf32>, tensor<?x64x?xf32>) {
  // CHECK: ssm.causal_conv input(%{{.*}}) weight(%{{.*}}) bias(%{{.*}}) history(%{{.*}}) {{.*}} -> tensor<?x64x?xf32> final_history(tensor<?x64x3xf32>)
  %y, %h = ssm.causal_conv input(%x : tensor<?x64x?xf32>) weight(%w : tensor<64x4xf32>) bias(%b : tensor<64xf32>)
      history(%h0 : tensor<?x64x3xf32>) {indexing_maps = [#cx, #cw, #cb, #ch, #cx, #ch]}
      -> tensor<?x64x?xf32> final_history(tensor<?x64x3xf32>)
  // CHECK: ssm.long_conv input(%{{.*}}) kernel(%{{.*}}) {{.*}}reverse
  %z = ssm.long_conv input(%x : tensor<?x64x?xf32>) kernel(%k : tensor<64x?xf32>) {indexing_maps = [#cx, #cw, #cx], reverse}
      -> tensor<?x64x?xf32>
  return %y, %h, %z : tensor<?x64x?xf32>, tensor<?x64x3xf32>, tensor<?x64x?xf32>
}

// CHECK-LABEL: func @general
func.func @general(%x: tensor<?x4xf32>, %h0: tensor<4xf32>, %w: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<4xf32>, tensor<?x4xf32>) {
  // CHECK: ssm.scan ins(%{{.*}} : tensor<?x4xf32>) {dim = 0 : i64, exclusive, identity = [0.000000e+00 : f32], reverse} -> tensor<?x4xf32> {
  %y = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0.0 : f32], exclusive, reverse} -> tensor<?x4xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      ssm.yield %s : f32
  }
  // CHECK: ssm.recurrence sequences(%{{.*}} : tensor<?x4xf32>) initial(%{{.*}} : tensor<4xf32>)
  // CHECK-SAME: -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>)
  %h, %o = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h0 : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 0>}
      -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
    ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
      %g = "onnx.Mul"(%ht, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %s = "onnx.Add"(%xt, %g) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %n = "onnx.Tanh"(%s) : (tensor<4xf32>) -> tensor<4xf32>
      ssm.yield %n, %n : tensor<4xf32>, tensor<4xf32>
  }
  return %y, %h, %o : tensor<?x4xf32>, tensor<4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func @arena
func.func @arena() {
  // CHECK: ssm.arena 3 of #{{.*}}
  ssm.arena 3 of affine_map<()[s0] -> (s0 * 256)>
  return
}
