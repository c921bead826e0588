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
