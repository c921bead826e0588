// RUN: ssm-opt %s --ssm-raise-attention | FileCheck %s

// A causal mask from ranges, heads repeated by Expand, any length: the mask is index arithmetic, the repetition a map.
// CHECK-DAG: #[[SHARED:.+]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 floordiv 2, d3, d4)>
// CHECK-LABEL: func.func @main
// CHECK:         ssm.attention query(%arg0 {{.*}}key(%arg1 {{.*}}value(%arg2
// CHECK-NOT:     modifiers
// CHECK-SAME:    #[[SHARED]]
// CHECK:         ^bb0(%[[S:.+]]: f32, %{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
// CHECK-DAG:       %[[COLUMN:.+]] = arith.index_cast %[[J]]
// CHECK-DAG:       %[[ROW:.+]] = arith.index_cast %[[I]]
// CHECK:           %[[KEEP:.+]] = arith.cmpi sle, %[[COLUMN]], %[[ROW]]
// CHECK:           arith.select %[[KEEP]], %[[S]]
// CHECK-NOT:     onnx.Expand
#q = affine_map<()[s0, s1] -> (s0, 4, s1, 8)>
#k = affine_map<()[s0, s1] -> (s0, 2, s1, 8)>
#k1 = affine_map<()[s0, s1] -> (s0, 2, 1, s1, 8)>
#k2 = affine_map<()[s0, s1] -> (s0, 2, 2, s1, 8)>
#kt = affine_map<()[s0, s1] -> (s0, 4, 8, s1)>
#s = affine_map<()[s0, s1] -> (s0, 4, s1, s1)>
#m = affine_map<()[s0, s1] -> (s1, s1)>
#r = affine_map<()[s0, s1] -> (s1)>
#c = affine_map<()[s0, s1] -> (s1, 1)>
module {
  func.func @main(%q: tensor<?x4x?x8xf32, #q>, %k: tensor<?x2x?x8xf32, #k>, %v: tensor<?x2x?x8xf32, #k>) -> tensor<?x4x?x8xf32, #q> {
    ssm.bind_dim %q[0] -> 0 : tensor<?x4x?x8xf32, #q>
    ssm.bind_dim %q[2] -> 1 : tensor<?x4x?x8xf32, #q>
    %none = onnx.NoValue
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %k1 = "onnx.Unsqueeze"(%k, %two) : (tensor<?x2x?x8xf32, #k>, tensor<1xi64>) -> tensor<?x2x1x?x8xf32, #k1>
    %k2 = "onnx.Expand"(%k1, %none) : (tensor<?x2x1x?x8xf32, #k1>, none) -> tensor<?x2x2x?x8xf32, #k2>
    %k3 = "onnx.Reshape"(%k2, %none) : (tensor<?x2x2x?x8xf32, #k2>, none) -> tensor<?x4x?x8xf32, #q>
    %v1 = "onnx.Unsqueeze"(%v, %two) : (tensor<?x2x?x8xf32, #k>, tensor<1xi64>) -> tensor<?x2x1x?x8xf32, #k1>
    %v2 = "onnx.Expand"(%v1, %none) : (tensor<?x2x1x?x8xf32, #k1>, none) -> tensor<?x2x2x?x8xf32, #k2>
    %v3 = "onnx.Reshape"(%v2, %none) : (tensor<?x2x2x?x8xf32, #k2>, none) -> tensor<?x4x?x8xf32, #q>
    %kt = "onnx.Transpose"(%k3) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x8xf32, #q>) -> tensor<?x4x8x?xf32, #kt>
    %s = "onnx.MatMul"(%q, %kt) : (tensor<?x4x?x8xf32, #q>, tensor<?x4x8x?xf32, #kt>) -> tensor<?x4x?x?xf32, #s>
    %zero = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %length = onnx.Dims affine_map<()[s0, s1] -> (s1)> : tensor<i64>
    %axis = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %j = "onnx.Range"(%zero, %length, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #r>
    %i = "onnx.Unsqueeze"(%j, %axis) : (tensor<?xi64, #r>, tensor<1xi64>) -> tensor<?x1xi64, #c>
    %keep = "onnx.LessOrEqual"(%j, %i) : (tensor<?xi64, #r>, tensor<?x1xi64, #c>) -> tensor<?x?xi1, #m>
    %inf = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %masked = "onnx.Where"(%keep, %s, %inf) : (tensor<?x?xi1, #m>, tensor<?x4x?x?xf32, #s>, tensor<f32>) -> tensor<?x4x?x?xf32, #s>
    %p = "onnx.Softmax"(%masked) {axis = -1 : si64} : (tensor<?x4x?x?xf32, #s>) -> tensor<?x4x?x?xf32, #s>
    %o = "onnx.MatMul"(%p, %v3) : (tensor<?x4x?x?xf32, #s>, tensor<?x4x?x8xf32, #q>) -> tensor<?x4x?x8xf32, #q>
    return %o : tensor<?x4x?x8xf32, #q>
  }
}
