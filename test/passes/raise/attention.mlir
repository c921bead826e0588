// RUN: ssm-opt %s --ssm-raise-attention | FileCheck %s

// Softmax in pieces, the sum divided behind the product, scale on the query, batch and heads folded for the products.
// CHECK-DAG: #[[QMAP:.+]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3)>
// CHECK-DAG: #[[KMAP:.+]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d2)>
// CHECK-LABEL: func.func @main
// CHECK:         ssm.attention query(%arg0 : tensor<6x4x8xf32>) key(%arg1 : tensor<6x8x5xf32>)
// CHECK-SAME:      indexing_maps = [#[[QMAP]], #[[KMAP]],
// CHECK-SAME:      masked_rows = "nan", scale = 5.000000e-01
module {
  func.func @main(%q: tensor<6x4x8xf32>, %k: tensor<6x8x5xf32>, %v: tensor<6x5x7xf32>) -> tensor<6x4x7xf32> {
    %half = onnx.Constant dense<0.5> : tensor<f32> : tensor<f32>
    %last = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %scaled = "onnx.Mul"(%q, %half) : (tensor<6x4x8xf32>, tensor<f32>) -> tensor<6x4x8xf32>
    %s = "onnx.MatMul"(%scaled, %k) : (tensor<6x4x8xf32>, tensor<6x8x5xf32>) -> tensor<6x4x5xf32>
    %max = "onnx.ReduceMax"(%s, %last) {keepdims = 1 : si64} : (tensor<6x4x5xf32>, tensor<1xi64>) -> tensor<6x4x1xf32>
    %d = "onnx.Sub"(%s, %max) : (tensor<6x4x5xf32>, tensor<6x4x1xf32>) -> tensor<6x4x5xf32>
    %e = "onnx.Exp"(%d) : (tensor<6x4x5xf32>) -> tensor<6x4x5xf32>
    %sum = "onnx.ReduceSum"(%e, %last) {keepdims = 1 : si64} : (tensor<6x4x5xf32>, tensor<1xi64>) -> tensor<6x4x1xf32>
    %o = "onnx.MatMul"(%e, %v) : (tensor<6x4x5xf32>, tensor<6x5x7xf32>) -> tensor<6x4x7xf32>
    %r = "onnx.Div"(%o, %sum) : (tensor<6x4x7xf32>, tensor<6x4x1xf32>) -> tensor<6x4x7xf32>
    return %r : tensor<6x4x7xf32>
  }
}
