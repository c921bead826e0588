// RUN: ssm-opt %s --canonicalize | FileCheck %s

#x = affine_map<(d, t) -> (t, d)>
#h = affine_map<(d, t) -> (d)>

// A state that nothing reads and one that starts at zero are not kept.
// CHECK-LABEL: func @selective_scan
func.func @selective_scan(%a: tensor<?x8xf32>, %u: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<8xf32>} : () -> tensor<8xf32>
  // CHECK: ssm.selective_scan ins(%arg0, %arg1 : tensor<?x8xf32>, tensor<?x8xf32>) {indexing_maps = [#[[M:.*]], #[[M]], #[[M]]]
  // CHECK-SAME: -> tensor<?x8xf32> {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[U:.*]]: f32):
  // CHECK-NEXT: ssm.yield %[[A]], %[[U]]
  %y, %f = ssm.selective_scan ins(%a, %u, %zero : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>) initial(%zero : tensor<8xf32>)
      {indexing_maps = [#x, #x, #h, #h, #x, #h], state_rank = 0 : i64} -> tensor<?x8xf32> final(tensor<8xf32>) {
    ^bb0(%as: f32, %us: f32, %unused: f32):
      ssm.yield %as, %us : f32, f32
  }
  return %y : tensor<?x8xf32>
}

#q = affine_map<(t, k, v) -> (t, k)>
#v = affine_map<(t, k, v) -> (t, v)>
#s = affine_map<(t, k, v) -> (k, v)>
#g = affine_map<(t, k, v) -> (t)>

// CHECK-LABEL: func @semiseparable
func.func @semiseparable(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %e: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %decay = "onnx.Constant"() {value = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %erase = "onnx.Constant"() {value = dense<0.0> : tensor<1x4xf32>} : () -> tensor<1x4xf32>
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<4x8xf32>} : () -> tensor<4x8xf32>
  // CHECK: ssm.semiseparable query(%arg0 : tensor<?x4xf32>) key(%arg0 : tensor<?x4xf32>) value(%arg1 : tensor<?x8xf32>) {indexing_maps
  // CHECK-SAME: -> tensor<?x8xf32>
  // CHECK-NOT: final
  %o, %f = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>)
      log_decay(%decay : tensor<1xf32>) initial(%zero : tensor<4x8xf32>)
      {indexing_maps = [#q, #q, #v, affine_map<(t, k, v) -> (0)>, #s, #v, #s]} -> tensor<?x8xf32> final(tensor<4x8xf32>)
  return %o : tensor<?x8xf32>
}

// With a gate, an initial state is a bound of the scale and stays.
// CHECK-LABEL: func @gated
func.func @gated(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %i: tensor<?xf32>) -> tensor<?x8xf32> {
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<4x8xf32>} : () -> tensor<4x8xf32>
  // CHECK: ssm.semiseparable
  // CHECK-SAME: initial(
  // CHECK-NOT: log_scale
  %o, %m = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>)
      log_gate(%i : tensor<?xf32>) initial(%zero : tensor<4x8xf32>)
      {indexing_maps = [#q, #q, #v, #g, #s, #v, #g]} -> tensor<?x8xf32> log_scale(tensor<?xf32>)
  return %o : tensor<?x8xf32>
}

#aq = affine_map<(i, j, e, f) -> (i, e)>
#ak = affine_map<(i, j, e, f) -> (j, e)>
#av = affine_map<(i, j, e, f) -> (j, f)>
#ao = affine_map<(i, j, e, f) -> (i, f)>
#ap = affine_map<(i, j, e, f) -> (i, j)>

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) -> tensor<?x4xf32> {
  // CHECK: ssm.attention query(%arg0 : tensor<?x4xf32>) key(%arg1 : tensor<?x4xf32>) value(%arg2 : tensor<?x4xf32>) {indexing_maps
  // CHECK-SAME: -> tensor<?x4xf32>
  // CHECK-NEXT: return
  %o, %p = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) modifiers(%m : tensor<?x?xf32>)
      {indexing_maps = [#aq, #ak, #av, #ap, #ao, #ap], scale = 1.0 : f64, masked_rows = "nan"}
      -> tensor<?x4xf32> probabilities(tensor<?x?xf32>) {
    ^bb0(%s: f32, %i: index, %j: index, %unused: f32):
      ssm.yield %s : f32
  }
  return %o : tensor<?x4xf32>
}

#cx = affine_map<(d, t, j) -> (t, d)>
#cw = affine_map<(d, t, j) -> (d, j)>
#cb = affine_map<(d, t, j) -> (d)>
#ch = affine_map<(d, t, j) -> (j, d)>

// CHECK-LABEL: func @causal_conv
func.func @causal_conv(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x8xf32> {
  %bias = "onnx.Constant"() {value = dense<0.0> : tensor<8xf32>} : () -> tensor<8xf32>
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<3x8xf32>} : () -> tensor<3x8xf32>
  // CHECK: ssm.causal_conv input(%arg0 : tensor<?x8xf32>) weight(%arg1 : tensor<8x4xf32>) {indexing_maps
  // CHECK-SAME: -> tensor<?x8xf32>
  // CHECK-NEXT: return
  %y, %h = ssm.causal_conv input(%x : tensor<?x8xf32>) weight(%w : tensor<8x4xf32>) bias(%bias : tensor<8xf32>) history(%zero : tensor<3x8xf32>)
      {indexing_maps = [#cx, #cw, #cb, #ch, #cx, #ch]} -> tensor<?x8xf32> final_history(tensor<3x8xf32>)
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func @scan
func.func @scan(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: ssm.scan
  // CHECK-NOT: final
  // CHECK: return
  %y, %f = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<?x4xf32> final(tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      ssm.yield %s : f32
  }
  return %y : tensor<?x4xf32>
}
