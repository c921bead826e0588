// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes | FileCheck %s

// A reshape with -1 divides symbolically; the shape arithmetic dies.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.Shape
// CHECK: "onnx.Reshape"(%{{.*}}, %{{.*}}) {{.*}} -> tensor<?x8x4xf32, {{.*}}
module attributes {onnx.symbols = ["batch"]} {
  func.func @main(%x: tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>) -> tensor<*xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>
    %shape = "onnx.Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>) -> tensor<*xi64>
    %rest = onnx.Constant dense<[8, -1]> : tensor<2xi64> : tensor<2xi64>
    %full = "onnx.Concat"(%shape, %rest) {axis = 0 : si64} : (tensor<*xi64>, tensor<2xi64>) -> tensor<*xi64>
    %r = "onnx.Reshape"(%x, %full) : (tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>, tensor<*xi64>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// Sizes that are not proved equal are broadcast at run time.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "broadcast"
// CHECK: "onnx.Add"{{.*}} -> tensor<?xf32
module attributes {onnx.symbols = ["a", "b"]} {
  func.func @main(%x: tensor<?xf32, affine_map<()[s0] -> (s0)>>, %y: tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>) -> tensor<*xf32> {
    %r = "onnx.Add"(%x, %y) : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// A size that data decides is read at run time.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_element
module attributes {onnx.symbols = []} {
  func.func @main(%n: tensor<1xi64>) -> tensor<*xf32> {
    %r = "onnx.ConstantOfShape"(%n) : (tensor<1xi64>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// What a body computes from outer sizes is an outer size.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "broadcast" #{{.*}} -> 2
// CHECK-NEXT: "onnx.Scan"
module attributes {onnx.symbols = ["a", "b"]} {
  func.func @main(%s: tensor<?xf32, affine_map<()[s0] -> (s0)>>, %x: tensor<5x?xf32, affine_map<()[s0, s1] -> (5, s1)>>) -> (tensor<*xf32>, tensor<*xf32>) {
    %r:2 = "onnx.Scan"(%s, %x) ({
    ^bb0(%c: tensor<*xf32>, %e: tensor<*xf32>):
      %y = "onnx.Add"(%c, %e) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
      onnx.Yield %c, %y : tensor<*xf32>, tensor<*xf32>
    }) {num_scan_inputs = 1 : si64} : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<5x?xf32, affine_map<()[s0, s1] -> (5, s1)>>) -> (tensor<*xf32>, tensor<*xf32>)
    return %r#0, %r#1 : tensor<*xf32>, tensor<*xf32>
  }
}
