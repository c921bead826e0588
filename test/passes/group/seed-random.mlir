// RUN: ssm-opt %s --ssm-seed-random --split-input-file | FileCheck %s

// Each operator without a seed draws one where it stands, so that each turn of a loop has another.
// CHECK: onnx.symbols = ["n", "", ""]
// CHECK-LABEL: func @main
// CHECK: ssm.bind_seed -> 1
// CHECK-NEXT: "onnx.RandomNormal"() {{.*}}ssm.seed = #[[ONE:[a-z0-9]*]]}
// CHECK: "onnx.Loop"
// CHECK: ssm.bind_seed -> 2
// CHECK-NEXT: "onnx.RandomUniformLike"{{.*}}ssm.seed = #{{[a-z0-9]*}}}
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%n: tensor<i64>, %c: tensor<i1>) -> (tensor<2xf32>, tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>) {
    %a = "onnx.RandomNormal"() {shape = array<i64: 2>} : () -> tensor<2xf32>
    %r = "onnx.Loop"(%n, %c) ({
    ^bb0(%i: tensor<i64>, %cc: tensor<i1>):
      %b = "onnx.RandomUniformLike"(%a) : (tensor<2xf32>) -> tensor<2xf32>
      onnx.Yield %cc, %b : tensor<i1>, tensor<2xf32>
    }) : (tensor<i64>, tensor<i1>) -> tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
    return %a, %r : tensor<2xf32>, tensor<?x2xf32, affine_map<()[s0] -> (s0, 2)>>
  }
}

// -----

// A seed that is given stays; a Dropout that does not train draws nothing.
// CHECK-LABEL: func @main
// CHECK-NOT: ssm.bind_seed
// CHECK-NOT: ssm.seed
func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.RandomNormal"() {shape = array<i64: 2>, seed = 1.0 : f32} : () -> tensor<2xf32>
  %b, %m = "onnx.Dropout"(%x, %none, %none) : (tensor<2xf32>, none, none) -> (tensor<2xf32>, none)
  return %a, %b : tensor<2xf32>, tensor<2xf32>
}
