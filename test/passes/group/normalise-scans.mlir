// RUN: ssm-opt %s --split-input-file --ssm-normalise-scans | FileCheck %s

// A step whose operators all have kernels stays, to be one dispatch. Its constants move in front of it.
// CHECK-LABEL: func @main
// CHECK: %[[C:.*]] = onnx.Constant dense<5.000000e-01>
// CHECK: ssm.recurrence sequences(%arg0 : tensor<2x5x4xf32>) initial(%arg1 : tensor<2x4xf32>)
// CHECK: "onnx.Sub"
// CHECK-NEXT: "onnx.Mul"(%{{.*}}, %[[C]])
// CHECK-NEXT: ssm.yield
func.func @main(%x: tensor<2x5x4xf32>, %h: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4x5xf32>) {
  %f, %y = ssm.recurrence sequences(%x : tensor<2x5x4xf32>) initial(%h : tensor<2x4xf32>)
      {axes = array<i64: 1>, output_axes = array<i64: 2>, reverse} -> finals(tensor<2x4xf32>) outputs(tensor<2x4x5xf32>) {
  ^bb0(%xt: tensor<2x4xf32>, %ht: tensor<2x4xf32>):
    %d = "onnx.Sub"(%xt, %ht) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %c = onnx.Constant dense<0.5> : tensor<f32> : tensor<f32>
    %n = "onnx.Mul"(%d, %c) : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
    ssm.yield %n, %n : tensor<2x4xf32>, tensor<2x4xf32>
  }
  return %f, %y : tensor<2x4xf32>, tensor<2x4x5xf32>
}

// -----

// A random operator draws a seed at each step, which is the host's work.
// CHECK-LABEL: func @main
// CHECK: %[[T:.*]] = "onnx.Transpose"(%arg0) <{perm = array<i64: 1, 0, 2>}> : (tensor<2x5x4xf32>) -> tensor<5x2x4xf32>
// CHECK: %[[S:.*]]:2 = "onnx.Scan"(%arg1, %[[T]]) <{num_scan_inputs = 1 : si64, scan_input_directions = array<i64: 1>, scan_output_directions = array<i64: 1>}>
// CHECK: ^bb0(%[[H:.*]]: tensor<2x4xf32>, %[[X:.*]]: tensor<2x4xf32>):
// CHECK: "onnx.Sub"(%[[X]], %[[H]])
// CHECK: onnx.Yield
// CHECK: "onnx.Transpose"(%[[S]]#1) <{perm = array<i64: 1, 2, 0>}> : (tensor<5x2x4xf32>) -> tensor<2x4x5xf32>
func.func @main(%x: tensor<2x5x4xf32>, %h: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4x5xf32>) {
  %f, %y = ssm.recurrence sequences(%x : tensor<2x5x4xf32>) initial(%h : tensor<2x4xf32>)
      {axes = array<i64: 1>, output_axes = array<i64: 2>, reverse} -> finals(tensor<2x4xf32>) outputs(tensor<2x4x5xf32>) {
  ^bb0(%xt: tensor<2x4xf32>, %ht: tensor<2x4xf32>):
    %d = "onnx.Sub"(%xt, %ht) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %r = "onnx.RandomNormalLike"(%d) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    %n = "onnx.Add"(%d, %r) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    ssm.yield %n, %n : tensor<2x4xf32>, tensor<2x4xf32>
  }
  return %f, %y : tensor<2x4xf32>, tensor<2x4x5xf32>
}

// -----

// A scan of dynamic length along its last axis.
// CHECK-LABEL: func @main
// CHECK: "onnx.Transpose"(%arg0) <{perm = array<i64: 1, 0>}>
// CHECK: "onnx.Scan"
// CHECK-NOT: scan_input_axes
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%x: tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>, %h: tensor<4xf32>) -> tensor<4xf32> {
    ssm.bind_dim %x[1] -> 0 : tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>
    %f = "onnx.Scan"(%h, %x) ({
    ^bb0(%ht: tensor<4xf32>, %xt: tensor<4xf32>):
      %n = "onnx.Add"(%xt, %ht) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      onnx.Yield %n : tensor<4xf32>
    }) {num_scan_inputs = 1 : si64, scan_input_axes = array<i64: -1>} : (tensor<4xf32>, tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>) -> tensor<4xf32>
    return %f : tensor<4xf32>
  }
}
