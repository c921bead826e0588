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
