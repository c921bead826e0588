// RUN: ssm-opt %s --split-input-file --ssm-raise-loops | FileCheck %s

// Mamba's recurrence: exp(dt A) moves into the producer, and the sum over the state is the read-out.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.Scan
// CHECK: ssm.selective_scan ins(
// CHECK-SAME: state_rank = 1
// CHECK: math.exp
// CHECK: ssm.yield %{{.*}}, %{{.*}}, %{{.*}} : f32, f32, f32
#bld = affine_map<()[s0] -> (2, s0, 8)>
#bln = affine_map<()[s0] -> (2, s0, 4)>
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%dt: tensor<2x?x8xf32, #bld>, %b: tensor<2x?x4xf32, #bln>, %c: tensor<2x?x4xf32, #bln>, %a: tensor<8x4xf32>, %h0: tensor<2x8x4xf32>)
      -> (tensor<2x8x4xf32>, tensor<2x?x8xf32, #bld>) {
    ssm.bind_dim %dt[1] -> 0 : tensor<2x?x8xf32, #bld>
    %h, %y = "onnx.Scan"(%h0, %dt, %b, %c) ({
    ^bb0(%s: tensor<2x8x4xf32>, %dtt: tensor<2x8xf32>, %bt: tensor<2x4xf32>, %ct: tensor<2x4xf32>):
      %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
      %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
      %d = "onnx.Unsqueeze"(%dtt, %two) : (tensor<2x8xf32>, tensor<1xi64>) -> tensor<2x8x1xf32>
      %da = "onnx.Mul"(%d, %a) : (tensor<2x8x1xf32>, tensor<8x4xf32>) -> tensor<2x8x4xf32>
      %decay = "onnx.Exp"(%da) : (tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
      %bu = "onnx.Unsqueeze"(%bt, %one) : (tensor<2x4xf32>, tensor<1xi64>) -> tensor<2x1x4xf32>
      %u = "onnx.Mul"(%d, %bu) : (tensor<2x8x1xf32>, tensor<2x1x4xf32>) -> tensor<2x8x4xf32>
      %kept = "onnx.Mul"(%decay, %s) : (tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
      %n = "onnx.Add"(%u, %kept) : (tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
      %r = "onnx.Einsum"(%n, %ct) {equation = "bdn,bn->bd"} : (tensor<2x8x4xf32>, tensor<2x4xf32>) -> tensor<2x8xf32>
      onnx.Yield %n, %r : tensor<2x8x4xf32>, tensor<2x8xf32>
    }) {num_scan_inputs = 3 : si64, scan_input_axes = array<i64: 1, 1, 1>, scan_output_axes = array<i64: 1>}
      : (tensor<2x8x4xf32>, tensor<2x?x8xf32, #bld>, tensor<2x?x4xf32, #bln>, tensor<2x?x4xf32, #bln>) -> (tensor<2x8x4xf32>, tensor<2x?x8xf32, #bld>)
    return %h, %y : tensor<2x8x4xf32>, tensor<2x?x8xf32, #bld>
  }
}

// -----

// Near miss: the state enters tanh. It is a recurrence, with the product before it taken out of the steps.
// CHECK-LABEL: func @main
// CHECK: %[[U:.*]] = "onnx.Mul"(%arg0, %arg0)
// CHECK: ssm.recurrence sequences(%[[U]]
// CHECK: "onnx.Tanh"
// CHECK-NOT: ssm.selective_scan
func.func @main(%x: tensor<5x8xf32>, %h0: tensor<8xf32>) -> tensor<5x8xf32> {
  %h, %y = "onnx.Scan"(%h0, %x) ({
  ^bb0(%s: tensor<8xf32>, %xt: tensor<8xf32>):
    %u = "onnx.Mul"(%xt, %xt) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    %sum = "onnx.Add"(%s, %u) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    %n = "onnx.Tanh"(%sum) : (tensor<8xf32>) -> tensor<8xf32>
    onnx.Yield %n, %n : tensor<8xf32>, tensor<8xf32>
  }) {num_scan_inputs = 1 : si64} : (tensor<8xf32>, tensor<5x8xf32>) -> (tensor<8xf32>, tensor<5x8xf32>)
  return %y : tensor<5x8xf32>
}

// -----

// The delta rule: the prediction k S is a rank-one part of the transition.
// CHECK-LABEL: func @main
// CHECK: ssm.semiseparable query(%arg0 : tensor<5x8xf32>) key({{.*}}) value(%arg2 : tensor<5x4xf32>) erase_left({{.*}}) erase_right(%arg1 : tensor<5x8xf32>)
func.func @main(%q: tensor<5x8xf32>, %k: tensor<5x8xf32>, %v: tensor<5x4xf32>, %beta: tensor<5x1xf32>) -> tensor<5x4xf32> {
  %zero = onnx.Constant dense<0.0> : tensor<8x4xf32> : tensor<8x4xf32>
  %s, %o = "onnx.Scan"(%zero, %q, %k, %v, %beta) ({
  ^bb0(%s: tensor<8x4xf32>, %qt: tensor<8xf32>, %kt: tensor<8xf32>, %vt: tensor<4xf32>, %bt: tensor<1xf32>):
    %p = "onnx.MatMul"(%kt, %s) : (tensor<8xf32>, tensor<8x4xf32>) -> tensor<4xf32>
    %e = "onnx.Sub"(%vt, %p) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %be = "onnx.Mul"(%e, %bt) : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
    %outer = "onnx.Einsum"(%kt, %be) {equation = "k,v->kv"} : (tensor<8xf32>, tensor<4xf32>) -> tensor<8x4xf32>
    %n = "onnx.Add"(%s, %outer) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
    %o = "onnx.MatMul"(%qt, %n) : (tensor<8xf32>, tensor<8x4xf32>) -> tensor<4xf32>
    onnx.Yield %n, %o : tensor<8x4xf32>, tensor<4xf32>
  }) {num_scan_inputs = 4 : si64}
    : (tensor<8x4xf32>, tensor<5x8xf32>, tensor<5x8xf32>, tensor<5x4xf32>, tensor<5x1xf32>) -> (tensor<8x4xf32>, tensor<5x4xf32>)
  return %o : tensor<5x4xf32>
}

// -----

// A carry that is the input of the step before is no state: the sequence is shifted, and one scan is left.
// CHECK-LABEL: func @main
// CHECK: "onnx.Concat"
// CHECK: ssm.selective_scan
// CHECK-NOT: ssm.selective_scan
func.func @main(%x: tensor<5x8xf32>, %a: tensor<5x8xf32>, %h0: tensor<8xf32>) -> tensor<5x8xf32> {
  %h, %p, %y = "onnx.Scan"(%h0, %h0, %a, %x) ({
  ^bb0(%s: tensor<8xf32>, %before: tensor<8xf32>, %at: tensor<8xf32>, %xt: tensor<8xf32>):
    %kept = "onnx.Mul"(%at, %s) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    %n = "onnx.Add"(%kept, %before) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    onnx.Yield %n, %xt, %n : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  }) {num_scan_inputs = 2 : si64} : (tensor<8xf32>, tensor<8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<5x8xf32>)
  return %y : tensor<5x8xf32>
}

// -----

// Near miss: a buffer that grows at each step and is also read is not the same shape every time.
// CHECK: ssm.missed = [{{.*}}the shape of a carried value changes from step to step
// CHECK: onnx.Loop
module attributes {onnx.symbols = ["", "n"]} {
  func.func @main(%x: tensor<1xf32>) -> tensor<?xf32, affine_map<()[s0, s1] -> (s1)>> {
    %m = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
    %none = onnx.NoValue
    %r = "onnx.Loop"(%m, %none, %x) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<?xf32, affine_map<()[s0] -> (s0)>>):
      ssm.bind_dim %s[0] -> 0 : tensor<?xf32, affine_map<()[s0] -> (s0)>>
      %n = "onnx.Concat"(%s, %s) {axis = 0 : si64} : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0 * 2)>>
      onnx.Yield %c, %n : tensor<i1>, tensor<?xf32, affine_map<()[s0] -> (s0 * 2)>>
    }) : (tensor<i64>, none, tensor<1xf32>) -> tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>
    ssm.bind_dim %r[0] -> 1 : tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>
    return %r : tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>
  }
}
