// RUN: ssm-opt %s --split-input-file --ssm-fold-constants | FileCheck %s

// A chain over constants is computed, once, with its own results.
// CHECK-LABEL: func @main
// CHECK: onnx.Constant dense<{{\[}}[2.000000e+00, 8.000000e+00], [4.000000e+00, 1.000000e+01], [6.000000e+00, 1.200000e+01]]>
// CHECK-NOT: onnx.Transpose
// CHECK: onnx.Add
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = onnx.Constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32> : tensor<2x3xf32>
  %two = onnx.Constant dense<2.0> : tensor<f32> : tensor<f32>
  %t = "onnx.Transpose"(%w) : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %d = "onnx.Mul"(%t, %two) : (tensor<3x2xf32>, tensor<f32>) -> tensor<3x2xf32>
  %r = "onnx.Add"(%x, %d) : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32>
  return %r : tensor<3x2xf32>
}

// -----

// In float64: the sum of 1 and 1e-8 minus 1 is 1e-8, not 0.
// CHECK-LABEL: func @main
// CHECK: onnx.Constant dense<9.99999993E-9> : tensor<f32>
func.func @main() -> tensor<f32> {
  %one = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %e = onnx.Constant dense<1.0e-8> : tensor<f32> : tensor<f32>
  %s = "onnx.Add"(%one, %e) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %d = "onnx.Sub"(%s, %one) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %d : tensor<f32>
}

// -----

// But decisions are made on float32 numbers: what rounds to 16 is 16.
// CHECK-LABEL: func @main
// CHECK: onnx.Constant dense<1.600000e+01> : tensor<f32>
func.func @main() -> tensor<f32> {
  %a = onnx.Constant dense<15.9999999> : tensor<f32> : tensor<f32>
  %e = onnx.Constant dense<1.0e-8> : tensor<f32> : tensor<f32>
  %s = "onnx.Sub"(%a, %e) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %d = "onnx.Floor"(%s) : (tensor<f32>) -> tensor<f32>
  return %d : tensor<f32>
}

// -----

// Not folded: what grows beyond the budget, what divides by a zero that may never be reached.
// CHECK-LABEL: func @main
// CHECK: onnx.Expand
// CHECK: onnx.Div
func.func @main() -> (tensor<1024x1024xf32>, tensor<2xi64>) {
  %one = onnx.Constant dense<1.0> : tensor<1x1xf32> : tensor<1x1xf32>
  %none = onnx.NoValue
  %a = "onnx.Expand"(%one, %none) : (tensor<1x1xf32>, none) -> tensor<1024x1024xf32>
  %n = onnx.Constant dense<[1, 2]> : tensor<2xi64> : tensor<2xi64>
  %z = onnx.Constant dense<[1, 0]> : tensor<2xi64> : tensor<2xi64>
  %d = "onnx.Div"(%n, %z) : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  return %a, %d : tensor<1024x1024xf32>, tensor<2xi64>
}

// -----

// A view of a large constant is the same bytes.
// CHECK-LABEL: func @main
// CHECK: onnx.Constant dense_resource<weights> : tensor<2x12xf32>
// CHECK-NOT: onnx.Reshape
func.func @main(%x: tensor<2x12xf32>) -> tensor<2x12xf32> {
  %w = onnx.Constant dense_resource<weights> : tensor<24xf32> : tensor<24xf32>
  %none = onnx.NoValue
  %v = "onnx.Reshape"(%w, %none) : (tensor<24xf32>, none) -> tensor<2x12xf32>
  %r = "onnx.Add"(%x, %v) : (tensor<2x12xf32>, tensor<2x12xf32>) -> tensor<2x12xf32>
  return %r : tensor<2x12xf32>
}
{-#
  dialect_resources: {
    builtin: {
      weights: "0x400000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F"
    }
  }
#-}

// -----

// In a body too, where a symbolic size beside it stays.
// CHECK-LABEL: func @main
// CHECK: "onnx.Loop"
// CHECK: onnx.Constant dense<[1.000000e+00, 3.000000e+00]>
// CHECK: onnx.Add
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%m: tensor<i64>, %x: tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    %none = onnx.NoValue
    %r = "onnx.Loop"(%m, %none, %x) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %y: tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>):
      %w = onnx.Constant dense<[-1.0, 3.0]> : tensor<2xf32> : tensor<2xf32>
      %a = "onnx.Abs"(%w) : (tensor<2xf32>) -> tensor<2xf32>
      %s = "onnx.Add"(%y, %a) : (tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>, tensor<2xf32>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
      onnx.Yield %c, %s : tensor<i1>, tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    }) : (tensor<i64>, none, tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    return %r : tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
  }
}

// -----

// A large result whose elements are all equal is known by its number.
// CHECK-LABEL: func @main
// CHECK: onnx.Constant dense<3.000000e+00> : tensor<8x8xf32>
// CHECK: onnx.Constant dense_resource<{{.*}}> : tensor<8x3xf32>
func.func @main() -> (tensor<8x8xf32>, tensor<8x3xf32>) {
  %one = onnx.Constant dense<1.0> : tensor<8x1xf32> : tensor<8x1xf32>
  %two = onnx.Constant dense<2.0> : tensor<1x8xf32> : tensor<1x8xf32>
  %pair = onnx.Constant dense<[[0.0, 1.0, 2.0]]> : tensor<1x3xf32> : tensor<1x3xf32>
  %sum = "onnx.Add"(%one, %two) : (tensor<8x1xf32>, tensor<1x8xf32>) -> tensor<8x8xf32>
  %other = "onnx.Add"(%one, %pair) : (tensor<8x1xf32>, tensor<1x3xf32>) -> tensor<8x3xf32>
  return %sum, %other : tensor<8x8xf32>, tensor<8x3xf32>
}
