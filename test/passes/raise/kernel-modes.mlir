// RUN: ssm-opt %s --ssm-raise-convolutions -split-input-file | FileCheck %s

// k_j = sum_n p cos(b j) exp(a j): a complex state for each n, of any length.
// CHECK-LABEL: @main
// CHECK: %[[SIZE:.+]] = "onnx.Exp"(%arg1)
// CHECK: ssm.selective_scan ins(%arg0, %{{.+}}, %{{.+}}, %arg3, %{{.+}} : {{.*}}complex{{.*}}state_rank = 1
// CHECK: ssm.yield %{{.+}}, %{{.+}}, %{{.+}}, %{{.+}}, %{{.+}}, %{{.+}} : f32, f32, f32, f32, f32, f32
#x = affine_map<()[s0] -> (2, 8, s0)>
#l = affine_map<()[s0] -> (s0)>
#m = affine_map<()[s0] -> (8, 4, s0)>
#k = affine_map<()[s0] -> (8, s0)>
#id = affine_map<(b, d, t, j) -> (b, d, t)>
#taps = affine_map<(b, d, t, j) -> (d, j)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %a: tensor<8x4xf32>, %b: tensor<8x4xf32>, %p: tensor<8x4xf32>) -> tensor<2x8x?xf32, #x> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    %zero = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %last = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %length = onnx.Dims #l : tensor<i64>
    %r = "onnx.Range"(%zero, %length, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #l>
    %j = "onnx.Cast"(%r) {to = 1 : si64} : (tensor<?xi64, #l>) -> tensor<?xf32, #l>
    %a1 = "onnx.Unsqueeze"(%a, %last) : (tensor<8x4xf32>, tensor<1xi64>) -> tensor<8x4x1xf32>
    %b1 = "onnx.Unsqueeze"(%b, %last) : (tensor<8x4xf32>, tensor<1xi64>) -> tensor<8x4x1xf32>
    %aj = "onnx.Mul"(%a1, %j) : (tensor<8x4x1xf32>, tensor<?xf32, #l>) -> tensor<8x4x?xf32, #m>
    %bj = "onnx.Mul"(%b1, %j) : (tensor<8x4x1xf32>, tensor<?xf32, #l>) -> tensor<8x4x?xf32, #m>
    %e = "onnx.Exp"(%aj) : (tensor<8x4x?xf32, #m>) -> tensor<8x4x?xf32, #m>
    %c = "onnx.Cos"(%bj) : (tensor<8x4x?xf32, #m>) -> tensor<8x4x?xf32, #m>
    %ec = "onnx.Mul"(%e, %c) : (tensor<8x4x?xf32, #m>, tensor<8x4x?xf32, #m>) -> tensor<8x4x?xf32, #m>
    %k = "onnx.Einsum"(%p, %ec) {equation = "dn,dnl->dl"} : (tensor<8x4xf32>, tensor<8x4x?xf32, #m>) -> tensor<8x?xf32, #k>
    %y = ssm.long_conv input(%x : tensor<2x8x?xf32, #x>) kernel(%k : tensor<8x?xf32, #k>) {indexing_maps = [#id, #taps, #id]} -> tensor<2x8x?xf32, #x>
    return %y : tensor<2x8x?xf32, #x>
  }
}

// -----

// A kernel of 64 taps ends before a longer sequence does, a recurrence would not.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.selective_scan
// CHECK: ssm.long_conv
#x = affine_map<()[s0] -> (2, 8, s0)>
#id = affine_map<(b, d, t, j) -> (b, d, t)>
#taps = affine_map<(b, d, t, j) -> (d, j)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %a: tensor<8x4x1xf32>, %p: tensor<8x4xf32>) -> tensor<2x8x?xf32, #x> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    %zero = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %length = onnx.Constant dense<64> : tensor<i64> : tensor<i64>
    %r = "onnx.Range"(%zero, %length, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<64xi64>
    %j = "onnx.Cast"(%r) {to = 1 : si64} : (tensor<64xi64>) -> tensor<64xf32>
    %aj = "onnx.Mul"(%a, %j) : (tensor<8x4x1xf32>, tensor<64xf32>) -> tensor<8x4x64xf32>
    %e = "onnx.Exp"(%aj) : (tensor<8x4x64xf32>) -> tensor<8x4x64xf32>
    %k = "onnx.Einsum"(%p, %e) {equation = "dn,dnl->dl"} : (tensor<8x4xf32>, tensor<8x4x64xf32>) -> tensor<8x64xf32>
    %y = ssm.long_conv input(%x : tensor<2x8x?xf32, #x>) kernel(%k : tensor<8x64xf32>) {indexing_maps = [#id, #taps, #id]} -> tensor<2x8x?xf32, #x>
    return %y : tensor<2x8x?xf32, #x>
  }
}
