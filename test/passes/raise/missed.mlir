// RUN: ssm-opt %s --ssm-raise-loops --mlir-print-debuginfo | FileCheck %s

// A loop that ends early stays, and the report gets its node and the reason.
// CHECK: ssm.missed = [{nodes = ["until_small"], reason = "{{.+}}"}]
// CHECK: onnx.Loop
module {
  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %m = onnx.Constant dense<5> : tensor<i64> : tensor<i64>
    %go = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %r = "onnx.Loop"(%m, %go, %x) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<4xf32>):
      %n = "onnx.Add"(%s, %s) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      %axes = onnx.NoValue
      %sum = "onnx.ReduceSum"(%n, %axes) {keepdims = 0 : si64} : (tensor<4xf32>, none) -> tensor<f32>
      %limit = onnx.Constant dense<1.0e3> : tensor<f32> : tensor<f32>
      %small = "onnx.Less"(%sum, %limit) : (tensor<f32>, tensor<f32>) -> tensor<i1>
      onnx.Yield %small, %n : tensor<i1>, tensor<4xf32>
    }) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<4xf32> loc("until_small")
    return %r : tensor<4xf32>
  }
}
