// RUN: ssm-opt %s --split-input-file --ssm-raise-loops | FileCheck %s

// A state with an axis of two whose parts turn into each other is a complex one.
// CHECK-LABEL: func @main
// CHECK: ssm.selective_scan {{.*}}complex
// CHECK-NOT: onnx.Scan
#rows = affine_map<()[s0] -> (s0, 3)>
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%x: tensor<?x3xf32, #rows>, %re: tensor<3xf32>, %im: tensor<3xf32>) -> tensor<?x3xf32, #rows> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x3xf32, #rows>
    %h0 = onnx.Constant dense<0.0> : tensor<2x3xf32> : tensor<2x3xf32>
    %zero = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %first = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %h, %y = "onnx.Scan"(%h0, %x) ({
    ^bb0(%s: tensor<2x3xf32>, %row: tensor<3xf32>):
      %a = "onnx.Gather"(%s, %zero) {axis = 0 : si64} : (tensor<2x3xf32>, tensor<i64>) -> tensor<3xf32>
      %b = "onnx.Gather"(%s, %one) {axis = 0 : si64} : (tensor<2x3xf32>, tensor<i64>) -> tensor<3xf32>
      %aa = "onnx.Mul"(%a, %re) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %bb = "onnx.Mul"(%b, %im) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %ab = "onnx.Mul"(%a, %im) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %ba = "onnx.Mul"(%b, %re) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %turned = "onnx.Sub"(%aa, %bb) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %p = "onnx.Add"(%turned, %row) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %q = "onnx.Add"(%ab, %ba) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %p1 = "onnx.Unsqueeze"(%p, %first) : (tensor<3xf32>, tensor<1xi64>) -> tensor<1x3xf32>
      %q1 = "onnx.Unsqueeze"(%q, %first) : (tensor<3xf32>, tensor<1xi64>) -> tensor<1x3xf32>
      %n = "onnx.Concat"(%p1, %q1) {axis = 0 : si64} : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
      onnx.Yield %n, %p : tensor<2x3xf32>, tensor<3xf32>
    }) {num_scan_inputs = 1 : si64} : (tensor<2x3xf32>, tensor<?x3xf32, #rows>) -> (tensor<2x3xf32>, tensor<?x3xf32, #rows>)
    return %y : tensor<?x3xf32, #rows>
  }
}

// -----

// Two parts of which each keeps to itself are two channels: nothing is split.
// CHECK-LABEL: func @main
// CHECK: ssm.selective_scan
// CHECK-NOT: complex
// CHECK-NOT: ssm.selective_scan
#rows = affine_map<()[s0] -> (s0, 2)>
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%x: tensor<?x2xf32, #rows>, %a: tensor<2xf32>) -> tensor<?x2xf32, #rows> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x2xf32, #rows>
    %h0 = onnx.Constant dense<0.0> : tensor<2xf32> : tensor<2xf32>
    %h, %y = "onnx.Scan"(%h0, %x) ({
    ^bb0(%s: tensor<2xf32>, %row: tensor<2xf32>):
      %d = "onnx.Mul"(%s, %a) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
      %n = "onnx.Add"(%d, %row) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
      onnx.Yield %n, %n : tensor<2xf32>, tensor<2xf32>
    }) {num_scan_inputs = 1 : si64} : (tensor<2xf32>, tensor<?x2xf32, #rows>) -> (tensor<2xf32>, tensor<?x2xf32, #rows>)
    return %y : tensor<?x2xf32, #rows>
  }
}
