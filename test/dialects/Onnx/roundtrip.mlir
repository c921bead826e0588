// RUN: ssm-opt %s | ssm-opt | FileCheck %s

// CHECK-LABEL: func @elementwise
func.func @elementwise(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK: "onnx.LeakyRelu"(%{{.*}}) <{alpha = 2.000000e-01 : f32}>
  %0 = "onnx.LeakyRelu"(%x) {alpha = 0.2 : f32} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func @absent
func.func @absent(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: onnx.NoValue
  %none = onnx.NoValue
  %0 = "onnx.Clip"(%x, %none, %none) : (tensor<4xf32>, none, none) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func @strings
// CHECK-SAME: !onnx.seq<tensor<*xf32>>
func.func @strings(%s: !onnx.seq<tensor<*xf32>>, %t: tensor<3x!onnx.string>) {
  return
}
