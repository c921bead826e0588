// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes --verify-diagnostics | FileCheck %s

// Repeats must have one entry for each dimension: their length is fixed, and checked by the view.
// CHECK-LABEL: func @main
// CHECK: %[[R:.*]] = "onnx.Reshape"(%{{.*}}, %{{.*}}) {{.*}} -> tensor<2xi64>
// CHECK: ssm.bind_element %[[R]][0]
// CHECK: ssm.bind_element %[[R]][1]
// CHECK: "onnx.Tile"(%{{.*}}, %[[R]])
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%x: tensor<3x4xf32>, %repeats: tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32> {
    ssm.bind_dim %repeats[0] -> 0 : tensor<?xi64, affine_map<()[s0] -> (s0)>>
    %r = "onnx.Tile"(%x, %repeats) : (tensor<3x4xf32>, tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// Any number of axes up to the rank: the operand is padded with axes that no dimension has.
// CHECK-LABEL: func @main
// CHECK: "onnx.Concat"
// CHECK: %[[A:.*]] = "onnx.Reshape"{{.*}} -> tensor<2xi64>
// CHECK: "onnx.ReduceMax"(%{{.*}}, %[[A]]) {{.*}} -> tensor<?x?xf32
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%x: tensor<3x4xf32>, %axes: tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32> {
    ssm.bind_dim %axes[0] -> 0 : tensor<?xi64, affine_map<()[s0] -> (s0)>>
    %r = "onnx.ReduceMax"(%x, %axes) {keepdims = 1 : si64} : (tensor<3x4xf32>, tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// The declared rank of an output tells how many axes go, also through operators that keep the shape.
// CHECK-LABEL: func @main
// CHECK: %[[A:.*]] = "onnx.Reshape"{{.*}} -> tensor<2xi64>
// CHECK: "onnx.ReduceMax"(%{{.*}}, %[[A]]) {{.*}} -> tensor<?xf32
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%x: tensor<3x4x5xf32>, %axes: tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> (tensor<*xf32> {onnx.rank = 1 : i64}) {
    ssm.bind_dim %axes[0] -> 0 : tensor<?xi64, affine_map<()[s0] -> (s0)>>
    %r = "onnx.ReduceMax"(%x, %axes) {keepdims = 0 : si64} : (tensor<3x4x5xf32>, tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32>
    %a = "onnx.Abs"(%r) : (tensor<*xf32>) -> tensor<*xf32>
    return %a : tensor<*xf32>
  }
}

// -----

// Without a declared rank there is none.
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%x: tensor<3x4x5xf32>, %axes: tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32> {
    // expected-error @+1 {{needs the elements of an input whose size is not known}}
    %r = "onnx.ReduceMax"(%x, %axes) {keepdims = 0 : si64} : (tensor<3x4x5xf32>, tensor<?xi64, affine_map<()[s0] -> (s0)>>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}
