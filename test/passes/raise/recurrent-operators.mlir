// RUN: ssm-opt %s --split-input-file --ssm-raise-operators | FileCheck %s

// The inputs' product and both biases stand before the loop; only one result is read, so no states are stacked.
// CHECK-LABEL: func @rnn
// CHECK: %[[B:.*]] = onnx.Constant dense<[4.000000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK: %[[X:.*]] = "onnx.Reshape"(%arg0, %{{.*}}) : (tensor<7x3x2xf32>, none) -> tensor<21x2xf32>
// CHECK: %[[W:.*]] = onnx.Constant dense<{{\[\[}}5.0{{.*}} : tensor<2x2xf32>
// CHECK: "onnx.Gemm"(%[[X]], %[[W]], %[[B]]) <{transB = 1 : si64}>
// CHECK: %[[R:.*]] = onnx.Constant dense<{{\[\[}}3.0{{.*}} : tensor<2x2xf32>
// CHECK: ssm.recurrence sequences(%{{.*}} : tensor<7x3x2xf32>) initial(%{{.*}} : tensor<3x2xf32>) {axes = array<i64: 0>, output_axes = array<i64>, reverse}
// CHECK: "onnx.Gemm"(%{{.*}}, %[[R]], %{{.*}}) <{transB = 1 : si64}>
// CHECK-NEXT: "onnx.Add"
// CHECK-NEXT: "onnx.Relu"
// CHECK-NEXT: ssm.yield
func.func @rnn(%x: tensor<7x3x2xf32>) -> tensor<1x3x2xf32> {
  %w = onnx.Constant dense<[[[5.0, 1.0], [2.0, 4.0]]]> : tensor<1x2x2xf32> : tensor<1x2x2xf32>
  %r = onnx.Constant dense<[[[3.0, 1.0], [2.0, 4.0]]]> : tensor<1x2x2xf32> : tensor<1x2x2xf32>
  %b = onnx.Constant dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32> : tensor<1x4xf32>
  %no = onnx.NoValue
  %y, %h = "onnx.RNN"(%x, %w, %r, %b, %no, %no) {activations = ["relu"], direction = "reverse", hidden_size = 2 : si64}
      : (tensor<7x3x2xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>, tensor<1x4xf32>, none, none) -> (tensor<7x1x3x2xf32>, tensor<1x3x2xf32>)
  return %h : tensor<1x3x2xf32>
}

// -----

// Two directions are two loops. A sequence that has ended keeps its states.
// CHECK-LABEL: func @lstm
// CHECK: "onnx.Less"{{.*}} -> tensor<7x3x1xi1>
// CHECK: ssm.recurrence
// CHECK-NOT: reverse
// CHECK-SAME: finals(tensor<3x4xf32>, tensor<3x4xf32>) outputs(tensor<7x3x4xf32>)
// CHECK: ^bb0(%{{[^:]*}}: tensor<3x16xf32>, %[[RUNS:[^:]*]]: tensor<3x1xi1>, %[[H:[^:]*]]: tensor<3x4xf32>, %[[C:[^:]*]]: tensor<3x4xf32>):
// CHECK: "onnx.Where"(%[[RUNS]], %[[NEXT:.*]], %{{.*}}) : (tensor<3x1xi1>, tensor<3x4xf32>, tensor<f32>)
// CHECK: "onnx.Where"(%[[RUNS]], %[[NEXT]], %[[H]])
// CHECK: "onnx.Where"(%[[RUNS]], %{{.*}}, %[[C]])
// CHECK: ssm.recurrence {{.*}} reverse
// CHECK: "onnx.Concat"(%{{.*}}, %{{.*}}) <{axis = 1 : si64}> : (tensor<7x1x3x4xf32>, tensor<7x1x3x4xf32>) -> tensor<7x2x3x4xf32>
func.func @lstm(%x: tensor<7x3x2xf32>, %w: tensor<2x16x2xf32>, %r: tensor<2x16x4xf32>, %n: tensor<3xi32>) -> tensor<7x2x3x4xf32> {
  %no = onnx.NoValue
  %y, %h, %c = "onnx.LSTM"(%x, %w, %r, %no, %n, %no, %no, %no) {direction = "bidirectional", hidden_size = 4 : si64}
      : (tensor<7x3x2xf32>, tensor<2x16x2xf32>, tensor<2x16x4xf32>, none, tensor<3xi32>, none, none, none) -> (tensor<7x2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>)
  return %y : tensor<7x2x3x4xf32>
}

// -----

// Before the reset gate is known, GRU multiplies the state with two of the three matrices. Time is the second axis.
// CHECK-LABEL: func @gru
// CHECK: ssm.recurrence {{.*}} {axes = array<i64: 1>, output_axes = array<i64: 1>}
// CHECK: "onnx.Gemm"{{.*}} -> tensor<3x8xf32>
// CHECK: "onnx.Gemm"{{.*}} -> tensor<3x4xf32>
func.func @gru(%x: tensor<3x7x2xf16>, %w: tensor<1x12x2xf16>, %r: tensor<1x12x4xf16>) -> tensor<3x7x1x4xf16> {
  %no = onnx.NoValue
  %y, %h = "onnx.GRU"(%x, %w, %r, %no, %no, %no) {hidden_size = 4 : si64, layout = 1 : si64}
      : (tensor<3x7x2xf16>, tensor<1x12x2xf16>, tensor<1x12x4xf16>, none, none, none) -> (tensor<3x7x1x4xf16>, tensor<3x1x4xf16>)
  return %y : tensor<3x7x1x4xf16>
}

// -----

// CHECK-LABEL: func @no_states
// CHECK: onnx.RNN
func.func @no_states(%x: tensor<7x3x2xf32>, %w: tensor<1x0x2xf32>, %r: tensor<1x0x0xf32>) -> tensor<7x1x3x0xf32> {
  %no = onnx.NoValue
  %y, %h = "onnx.RNN"(%x, %w, %r, %no, %no, %no) {hidden_size = 0 : si64}
      : (tensor<7x3x2xf32>, tensor<1x0x2xf32>, tensor<1x0x0xf32>, none, none, none) -> (tensor<7x1x3x0xf32>, tensor<1x3x0xf32>)
  return %y : tensor<7x1x3x0xf32>
}
