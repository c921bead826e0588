// RUN: ssm-opt %s --split-input-file --ssm-pack-weights | FileCheck %s

// Constant right operands become panels of 32 columns, the last one padded.
// CHECK-LABEL: func @main
// CHECK: %[[W:.*]] = onnx.Constant
// CHECK: %[[P:.*]] = ssm.pack %[[W]] : tensor<2x40xf32> -> tensor<2x2x32xf32>
// CHECK: onnx.MatMul{{.*}}(%arg0, %[[P]]) {{.*}}ssm.columns = 40
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x40xf32> {
  %w = "onnx.Constant"() {value = dense<1.0> : tensor<2x40xf32>} : () -> tensor<2x40xf32>
  %r = "onnx.MatMul"(%x, %w) : (tensor<3x2xf32>, tensor<2x40xf32>) -> tensor<3x40xf32>
  return %r : tensor<3x40xf32>
}

// -----

// transB and a Transpose of the constant cancel out; the Transpose is gone.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.Transpose
// CHECK: ssm.pack %{{.*}} : tensor<2x40xf32> -> tensor<2x2x32xf32>
func.func @main(%x: tensor<3x2xf32>, %c: tensor<40xf32>) -> tensor<3x40xf32> {
  %w = "onnx.Constant"() {value = dense<1.0> : tensor<2x40xf32>} : () -> tensor<2x40xf32>
  %t = "onnx.Transpose"(%w) {perm = array<i64: 1, 0>} : (tensor<2x40xf32>) -> tensor<40x2xf32>
  %r = "onnx.Gemm"(%x, %t, %c) {transB = 1 : si64} : (tensor<3x2xf32>, tensor<40x2xf32>, tensor<40xf32>) -> tensor<3x40xf32>
  return %r : tensor<3x40xf32>
}

// -----

// CHECK-LABEL: func @main
// CHECK: ssm.pack %{{.*}} transposed : tensor<40x2xf32> -> tensor<2x2x32xf32>
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x40xf32> {
  %w = "onnx.Constant"() {value = dense<1.0> : tensor<40x2xf32>} : () -> tensor<40x2xf32>
  %t = "onnx.Transpose"(%w) : (tensor<40x2xf32>) -> tensor<2x40xf32>
  %r = "onnx.MatMul"(%x, %t) : (tensor<3x2xf32>, tensor<2x40xf32>) -> tensor<3x40xf32>
  return %r : tensor<3x40xf32>
}

// -----

// What a step of a recurrence reads is packed in front of the loop.
// CHECK-LABEL: func @main
// CHECK: %[[P:.*]] = ssm.pack %{{.*}} transposed : tensor<40x40xf32> -> tensor<2x40x32xf32>
// CHECK: ssm.recurrence
// CHECK: onnx.Gemm{{.*}}(%{{.*}}, %[[P]], %{{.*}}) {{.*}}ssm.columns = 40
func.func @main(%x: tensor<5x3x40xf32>, %h: tensor<3x40xf32>) -> tensor<3x40xf32> {
  %w = "onnx.Constant"() {value = dense<1.0> : tensor<40x40xf32>} : () -> tensor<40x40xf32>
  %f = ssm.recurrence sequences(%x : tensor<5x3x40xf32>) initial(%h : tensor<3x40xf32>)
      {axes = array<i64: 0>, output_axes = array<i64>} -> finals(tensor<3x40xf32>) {
  ^bb0(%xt: tensor<3x40xf32>, %ht: tensor<3x40xf32>):
    %no = onnx.NoValue
    %m = "onnx.Gemm"(%ht, %w, %no) {transB = 1 : si64} : (tensor<3x40xf32>, tensor<40x40xf32>, none) -> tensor<3x40xf32>
    %n = "onnx.Add"(%xt, %m) : (tensor<3x40xf32>, tensor<3x40xf32>) -> tensor<3x40xf32>
    ssm.yield %n : tensor<3x40xf32>
  }
  return %f : tensor<3x40xf32>
}

// -----

// Not packed: an argument, a constant with few columns, a stack of matrices.
// CHECK-LABEL: func @main
// CHECK-NOT: ssm.pack
func.func @main(%x: tensor<3x2xf32>, %v: tensor<2x40xf32>) -> (tensor<3x40xf32>, tensor<3x4xf32>, tensor<5x3x40xf32>) {
  %w = "onnx.Constant"() {value = dense<1.0> : tensor<2x4xf32>} : () -> tensor<2x4xf32>
  %s = "onnx.Constant"() {value = dense<1.0> : tensor<5x2x40xf32>} : () -> tensor<5x2x40xf32>
  %0 = "onnx.MatMul"(%x, %v) : (tensor<3x2xf32>, tensor<2x40xf32>) -> tensor<3x40xf32>
  %1 = "onnx.MatMul"(%x, %w) : (tensor<3x2xf32>, tensor<2x4xf32>) -> tensor<3x4xf32>
  %2 = "onnx.MatMul"(%x, %s) : (tensor<3x2xf32>, tensor<5x2x40xf32>) -> tensor<5x3x40xf32>
  return %0, %1, %2 : tensor<3x40xf32>, tensor<3x4xf32>, tensor<5x3x40xf32>
}

// -----

// Both matrices of a recurrent operator, one stack for each direction.
// CHECK-LABEL: func @main
// CHECK: %[[W:.*]] = ssm.pack %{{.*}} transposed : tensor<1x40x2xf32> -> tensor<1x2x2x32xf32>
// CHECK: %[[R:.*]] = ssm.pack %{{.*}} transposed : tensor<1x40x10xf32> -> tensor<1x2x10x32xf32>
// CHECK: onnx.LSTM{{.*}}(%arg0, %[[W]], %[[R]],{{.*}}ssm.columns = 40
func.func @main(%x: tensor<5x3x2xf32>) -> tensor<5x1x3x10xf32> {
  %n = "onnx.NoValue"() : () -> none
  %w = "onnx.Constant"() {value = dense<1.0> : tensor<1x40x2xf32>} : () -> tensor<1x40x2xf32>
  %r = "onnx.Constant"() {value = dense<1.0> : tensor<1x40x10xf32>} : () -> tensor<1x40x10xf32>
  %y, %h, %c = "onnx.LSTM"(%x, %w, %r, %n, %n, %n, %n, %n) {hidden_size = 10 : si64} : (tensor<5x3x2xf32>, tensor<1x40x2xf32>, tensor<1x40x10xf32>, none, none, none, none, none) -> (tensor<5x1x3x10xf32>, none, none)
  return %y : tensor<5x1x3x10xf32>
}
