// RUN: ssm-opt %s --split-input-file --ssm-simplify-graph | FileCheck %s

// Operators that change nothing.
// CHECK-LABEL: func @main
// CHECK-NEXT: %[[R:.*]] = "onnx.Neg"(%arg0)
// CHECK-NEXT: return %[[R]]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %one = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %a = "onnx.Identity"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %b = "onnx.Cast"(%a) {to = 1 : si64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %c = "onnx.Transpose"(%b) {perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %d = "onnx.Mul"(%c, %one) : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %e = "onnx.Mul"(%one, %d) : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %f = "onnx.Reshape"(%e, %none) : (tensor<2x3xf32>, none) -> tensor<2x3xf32>
  %g = "onnx.Neg"(%f) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %g : tensor<2x3xf32>
}

// -----

// Near misses: a sum with zero turns -0 into 0, a product broadcasts, a cast changes the type, an order changes.
// CHECK-LABEL: func @main
// CHECK: onnx.Add
// CHECK: onnx.Mul
// CHECK: onnx.Cast
// CHECK: onnx.Transpose
func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<3x2x2xf32>, tensor<2x2xf64>, tensor<2x2xf32>) {
  %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %ones = onnx.Constant dense<1.0> : tensor<3x1x1xf32> : tensor<3x1x1xf32>
  %a = "onnx.Add"(%x, %zero) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %b = "onnx.Mul"(%x, %ones) : (tensor<2x2xf32>, tensor<3x1x1xf32>) -> tensor<3x2x2xf32>
  %c = "onnx.Cast"(%x) {to = 11 : si64} : (tensor<2x2xf32>) -> tensor<2x2xf64>
  %d = "onnx.Transpose"(%x) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %a, %b, %c, %d : tensor<2x2xf32>, tensor<3x2x2xf32>, tensor<2x2xf64>, tensor<2x2xf32>
}

// -----

// A symbol that is an element of a constant is that number everywhere; what is left of the binding goes.
// CHECK-LABEL: func @main
// CHECK-NOT: ssm.bind_element
// CHECK: "onnx.Expand"{{.*}} -> tensor<?x4xf32, #[[M:.*]]>
// CHECK-NOT: ssm.bind
module attributes {onnx.symbols = ["n", "", ""]} {
  func.func @main(%x: tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>) -> tensor<?x?xf32, affine_map<()[s0, s1, s2] -> (s0, s2)>> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>
    %c = onnx.Constant dense<3> : tensor<1xi64> : tensor<1xi64>
    %none = onnx.NoValue
    ssm.bind_element %c[0] -> 1 : tensor<1xi64>
    ssm.bind_expr "max" affine_map<()[s0, s1] -> (s1 + 1, 2)> -> 2
    %r = "onnx.Expand"(%x, %none) : (tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>, none) -> tensor<?x?xf32, affine_map<()[s0, s1, s2] -> (s0, s2)>>
    return %r : tensor<?x?xf32, affine_map<()[s0, s1, s2] -> (s0, s2)>>
  }
}
