// RUN: ssm-opt %s --ssm-raise-attention -split-input-file | FileCheck %s

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

// -----

// One more score, of each head, is in the softmax and its weight is dropped: a factor from the sum of exponentials.
// CHECK-LABEL: @main
// CHECK: %[[O:.+]], %[[LSE:.+]] = ssm.attention query(%arg0 :{{.*}}masked_rows = "zero"
// CHECK: %[[SINK:.+]] = "onnx.Reshape"(%arg3
// CHECK: %[[D:.+]] = "onnx.Sub"(%[[LSE]], %[[SINK]])
// CHECK: %[[G:.+]] = "onnx.Sigmoid"(%[[D]])
// CHECK: %[[R:.+]] = "onnx.Reshape"(%[[G]]
// CHECK: "onnx.Mul"(%[[O]], %[[R]])
#q = affine_map<()[s0] -> (2, s0, 8)>
#k = affine_map<()[s0, s1] -> (2, 8, s1)>
#v = affine_map<()[s0, s1] -> (2, s1, 7)>
#s = affine_map<()[s0, s1] -> (2, s0, s1)>
#c = affine_map<()[s0] -> (2, s0, 1)>
#w = affine_map<()[s0, s1] -> (2, s0, s1 + 1)>
#o = affine_map<()[s0] -> (2, s0, 7)>
module {
  func.func @main(%q: tensor<2x?x8xf32, #q>, %k: tensor<2x8x?xf32, #k>, %v: tensor<2x?x7xf32, #v>, %sink: tensor<2xf32>) -> tensor<2x?x7xf32, #o> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x8xf32, #q>
    ssm.bind_dim %k[2] -> 1 : tensor<2x8x?xf32, #k>
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %end = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %axis = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %col = "onnx.Reshape"(%sink, %none) : (tensor<2xf32>, none) -> tensor<2x1x1xf32>
    %wide = "onnx.Expand"(%col, %none) : (tensor<2x1x1xf32>, none) -> tensor<2x?x1xf32, #c>
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x?x8xf32, #q>, tensor<2x8x?xf32, #k>) -> tensor<2x?x?xf32, #s>
    %all = "onnx.Concat"(%s, %wide) {axis = 2 : si64} : (tensor<2x?x?xf32, #s>, tensor<2x?x1xf32, #c>) -> tensor<2x?x?xf32, #w>
    %p = "onnx.Softmax"(%all) {axis = 2 : si64} : (tensor<2x?x?xf32, #w>) -> tensor<2x?x?xf32, #w>
    %cut = "onnx.Slice"(%p, %zero, %end, %axis, %one) : (tensor<2x?x?xf32, #w>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x?x?xf32, #s>
    %o = "onnx.MatMul"(%cut, %v) : (tensor<2x?x?xf32, #s>, tensor<2x?x7xf32, #v>) -> tensor<2x?x7xf32, #o>
    return %o : tensor<2x?x7xf32, #o>
  }
}

// -----

// Windows of an image that a number multiplies: the image has no index map, the windows have.
// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = "onnx.Reshape"({{.*}}) : (tensor<2x2x2x2x8xf32>, none) -> tensor<4x4x8xf32>
// CHECK: ssm.attention query(%[[W]] : tensor<4x4x8xf32>) key(%[[W]] : tensor<4x4x8xf32>)
func.func @main(%image: tensor<4x4x8xf32>) -> tensor<4x4x8xf32> {
  %none = onnx.NoValue
  %half = onnx.Constant dense<0.5> : tensor<f32> : tensor<f32>
  %x = "onnx.Mul"(%image, %half) : (tensor<4x4x8xf32>, tensor<f32>) -> tensor<4x4x8xf32>
  %split = "onnx.Reshape"(%x, %none) : (tensor<4x4x8xf32>, none) -> tensor<2x2x2x2x8xf32>
  %swapped = "onnx.Transpose"(%split) {perm = array<i64: 0, 2, 1, 3, 4>} : (tensor<2x2x2x2x8xf32>) -> tensor<2x2x2x2x8xf32>
  %w = "onnx.Reshape"(%swapped, %none) : (tensor<2x2x2x2x8xf32>, none) -> tensor<4x4x8xf32>
  %kT = "onnx.Transpose"(%w) {perm = array<i64: 0, 2, 1>} : (tensor<4x4x8xf32>) -> tensor<4x8x4xf32>
  %s = "onnx.MatMul"(%w, %kT) : (tensor<4x4x8xf32>, tensor<4x8x4xf32>) -> tensor<4x4x4xf32>
  %p = "onnx.Softmax"(%s) {axis = -1 : si64} : (tensor<4x4x4xf32>) -> tensor<4x4x4xf32>
  %o = "onnx.MatMul"(%p, %w) : (tensor<4x4x4xf32>, tensor<4x4x8xf32>) -> tensor<4x4x8xf32>
  return %o : tensor<4x4x8xf32>
}
