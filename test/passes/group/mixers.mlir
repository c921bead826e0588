// RUN: ssm-opt %s --ssm-form-dispatches | FileCheck %s

#x = affine_map<()[s0, s1, s2] -> (s2, 4)>
#t = affine_map<(d, t) -> (t, d)>

// A mixer is a dispatch of its own. What its region captures is an operand, small constants go inside, and sizes in the
// region are in the dispatch's own symbols.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = ssm.dispatch @dispatch_0(%arg0, %arg1)
// CHECK: ssm.dispatch @dispatch_1(%arg1, %[[A]], %arg2, %arg3)
func.func @main(%a: tensor<?x4xf32, #x>, %u: tensor<?x4xf32, #x>, %h0: tensor<4xf32>, %w: tensor<4x64xf32>)
    -> (tensor<4xf32>, tensor<?x4xf32, #x>) {
  %two = "onnx.Constant"() {value = dense<2.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %none = "onnx.NoValue"() : () -> none
  ssm.bind_dim %a[0] -> 2 : tensor<?x4xf32, #x>
  %y = ssm.selective_scan ins(%a, %u : tensor<?x4xf32, #x>, tensor<?x4xf32, #x>) {indexing_maps = [#t, #t, #t], state_rank = 0 : i64}
      -> tensor<?x4xf32, #x> {
    ^bb0(%p: f32, %q: f32):
      ssm.yield %p, %q : f32, f32
  }
  %h, %o = ssm.recurrence sequences(%u, %y : tensor<?x4xf32, #x>, tensor<?x4xf32, #x>) initial(%h0 : tensor<4xf32>)
      {axes = array<i64: 0, 0>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32, #x>) {
    ^bb0(%xt: tensor<4xf32>, %yt: tensor<4xf32>, %ht: tensor<4xf32>):
      %f = "onnx.MatMul"(%xt, %w) : (tensor<4xf32>, tensor<4x64xf32>) -> tensor<64xf32>
      %m = "onnx.ReduceMax"(%f, %none) {keepdims = 1 : si64} : (tensor<64xf32>, none) -> tensor<1xf32>
      %s = "onnx.Mul"(%m, %two) : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
      %z = "onnx.Add"(%s, %yt) : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
      %n = "onnx.Add"(%z, %ht) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      ssm.yield %n, %n : tensor<4xf32>, tensor<4xf32>
  }
  return %h, %o : tensor<4xf32>, tensor<?x4xf32, #x>
}

// CHECK: func.func private @dispatch_0({{.*}}) -> tensor<?x4xf32, #[[MAP:.*]]>
// CHECK: ssm.selective_scan
// CHECK: func.func private @dispatch_1
// CHECK: onnx.Constant
// CHECK: ssm.recurrence
// CHECK: onnx.MatMul
