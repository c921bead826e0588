// RUN: ssm-opt %s --split-input-file --ssm-form-dispatches | FileCheck %s

// A chain of elementwise operators is one dispatch, and equal chains are one function.
// CHECK-LABEL: func @main
// CHECK: ssm.dispatch @dispatch_0
// CHECK: ssm.dispatch @dispatch_1
// CHECK: ssm.dispatch @dispatch_0
// CHECK-NOT: ssm.dispatch
// CHECK: func private @dispatch_0
// CHECK: onnx.Exp
// CHECK: onnx.Neg
// CHECK: func private @dispatch_1
// CHECK: onnx.Transpose
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = "onnx.Exp"(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = "onnx.Neg"(%0) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = "onnx.Transpose"(%1) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = "onnx.Exp"(%2) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = "onnx.Neg"(%3) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %4 : tensor<4x4xf32>
}

// -----

// Slices that differ in where they start only are one function: the start is a symbol.
// CHECK-DAG: [[ONE:#.*]] = affine_map<() -> (1)>
// CHECK-DAG: [[TWO:#.*]] = affine_map<() -> (2)>
// CHECK-DAG: [[START:#.*]] = affine_map<()[s0] -> (s0)>
// CHECK-LABEL: func @main
// CHECK: ssm.dispatch @dispatch_0(%arg0) [[ONE]]
// CHECK: ssm.dispatch @dispatch_0(%arg0) [[TWO]]
// CHECK: func private @dispatch_0
// CHECK: onnx.Dims [[START]]
// CHECK-NOT: func private
func.func @main(%x: tensor<4x4xf32>) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %n = "onnx.NoValue"() : () -> none
  %1 = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %2 = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %3 = "onnx.Constant"() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %r = "onnx.Slice"(%x, %1, %2, %n, %n) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, none, none) -> tensor<1x4xf32>
  %s = "onnx.Slice"(%x, %2, %3, %n, %n) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, none, none) -> tensor<1x4xf32>
  return %r, %s : tensor<1x4xf32>, tensor<1x4xf32>
}

// -----

// A join of many parts stays with the host.
// CHECK-LABEL: func @main
// CHECK-NOT: ssm.dispatch
// CHECK: onnx.Concat
func.func @main(%x: tensor<1xf32>) -> tensor<17xf32> {
  %r = "onnx.Concat"(%x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x) {axis = 0 : si64} : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<17xf32>
  return %r : tensor<17xf32>
}
