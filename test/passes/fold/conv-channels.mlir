// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes --verify-diagnostics | FileCheck %s

// Channels that are not proved to fit are compared at run time.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "same"
// CHECK: "onnx.Conv"
module attributes {onnx.symbols = ["c", "k"]} {
  func.func @main(%x: tensor<1x?x8xf32, affine_map<()[s0] -> (1, s0, 8)>>, %w: tensor<4x?x3xf32, affine_map<()[s0, s1] -> (4, s1, 3)>>) -> tensor<*xf32> {
    %none = onnx.NoValue
    %r = "onnx.Conv"(%x, %w, %none) {group = 2 : si64} : (tensor<1x?x8xf32, affine_map<()[s0] -> (1, s0, 8)>>, tensor<4x?x3xf32, affine_map<()[s0, s1] -> (4, s1, 3)>>, none) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

module attributes {onnx.symbols = []} {
  func.func @main(%x: tensor<1x6x8xf32>, %w: tensor<4x2x3xf32>) -> tensor<*xf32> {
    %none = onnx.NoValue
    // expected-error @+1 {{channels do not fit 2 groups}}
    %r = "onnx.Conv"(%x, %w, %none) {group = 2 : si64} : (tensor<1x6x8xf32>, tensor<4x2x3xf32>, none) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}
