// RUN: ssm-opt %s --ssm-raise-convolutions -split-input-file | FileCheck %s

// irfft(rfft(u, 2 L) rfft(k, 2 L))[:L] of any length.
// CHECK-LABEL: @main
// CHECK: ssm.long_conv input(%arg0 : tensor<2x8x?xf32, #{{.+}}>) kernel(%arg1 : tensor<8x?xf32, #{{.+}}>)
// CHECK-NOT: onnx.DFT
#u = affine_map<()[s0] -> (2, 8, s0)>
#u1 = affine_map<()[s0] -> (2, 8, s0, 1)>
#uf = affine_map<()[s0] -> (2, 8, s0 + 1, 2)>
#uh = affine_map<()[s0] -> (2, 8, s0 + 1)>
#k = affine_map<()[s0] -> (8, s0)>
#k1 = affine_map<()[s0] -> (8, s0, 1)>
#kf = affine_map<()[s0] -> (8, s0 + 1, 2)>
#kh = affine_map<()[s0] -> (8, s0 + 1)>
#ph = affine_map<()[s0] -> (2, 8, s0 + 1, 1)>
#y1 = affine_map<()[s0] -> (2, 8, s0 * 2, 1)>
#y0 = affine_map<()[s0] -> (2, 8, s0 * 2)>
module {
  func.func @main(%u: tensor<2x8x?xf32, #u>, %k: tensor<8x?xf32, #k>) -> tensor<2x8x?xf32, #u> {
    ssm.bind_dim %u[2] -> 0 : tensor<2x8x?xf32, #u>
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %last = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %re = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %im = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %axis = onnx.Constant dense<-2> : tensor<i64> : tensor<i64>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<1xi64>
    %n = onnx.Dims affine_map<()[s0] -> (s0 * 2)> : tensor<i64>
    %u1 = "onnx.Unsqueeze"(%u, %last) : (tensor<2x8x?xf32, #u>, tensor<1xi64>) -> tensor<2x8x?x1xf32, #u1>
    %k1 = "onnx.Unsqueeze"(%k, %last) : (tensor<8x?xf32, #k>, tensor<1xi64>) -> tensor<8x?x1xf32, #k1>
    %uf = "onnx.DFT"(%u1, %n, %axis) {onesided = 1 : si64} : (tensor<2x8x?x1xf32, #u1>, tensor<i64>, tensor<i64>) -> tensor<2x8x?x2xf32, #uf>
    %kf = "onnx.DFT"(%k1, %n, %axis) {onesided = 1 : si64} : (tensor<8x?x1xf32, #k1>, tensor<i64>, tensor<i64>) -> tensor<8x?x2xf32, #kf>
    %ur = "onnx.Gather"(%uf, %re) {axis = 3 : si64} : (tensor<2x8x?x2xf32, #uf>, tensor<i64>) -> tensor<2x8x?xf32, #uh>
    %ui = "onnx.Gather"(%uf, %im) {axis = 3 : si64} : (tensor<2x8x?x2xf32, #uf>, tensor<i64>) -> tensor<2x8x?xf32, #uh>
    %kr = "onnx.Gather"(%kf, %re) {axis = 2 : si64} : (tensor<8x?x2xf32, #kf>, tensor<i64>) -> tensor<8x?xf32, #kh>
    %ki = "onnx.Gather"(%kf, %im) {axis = 2 : si64} : (tensor<8x?x2xf32, #kf>, tensor<i64>) -> tensor<8x?xf32, #kh>
    %rr = "onnx.Mul"(%ur, %kr) : (tensor<2x8x?xf32, #uh>, tensor<8x?xf32, #kh>) -> tensor<2x8x?xf32, #uh>
    %ii = "onnx.Mul"(%ui, %ki) : (tensor<2x8x?xf32, #uh>, tensor<8x?xf32, #kh>) -> tensor<2x8x?xf32, #uh>
    %ri = "onnx.Mul"(%ur, %ki) : (tensor<2x8x?xf32, #uh>, tensor<8x?xf32, #kh>) -> tensor<2x8x?xf32, #uh>
    %ir = "onnx.Mul"(%ui, %kr) : (tensor<2x8x?xf32, #uh>, tensor<8x?xf32, #kh>) -> tensor<2x8x?xf32, #uh>
    %pr = "onnx.Sub"(%rr, %ii) : (tensor<2x8x?xf32, #uh>, tensor<2x8x?xf32, #uh>) -> tensor<2x8x?xf32, #uh>
    %pi = "onnx.Add"(%ri, %ir) : (tensor<2x8x?xf32, #uh>, tensor<2x8x?xf32, #uh>) -> tensor<2x8x?xf32, #uh>
    %pr1 = "onnx.Unsqueeze"(%pr, %last) : (tensor<2x8x?xf32, #uh>, tensor<1xi64>) -> tensor<2x8x?x1xf32, #ph>
    %pi1 = "onnx.Unsqueeze"(%pi, %last) : (tensor<2x8x?xf32, #uh>, tensor<1xi64>) -> tensor<2x8x?x1xf32, #ph>
    %p = "onnx.Concat"(%pr1, %pi1) {axis = 3 : si64} : (tensor<2x8x?x1xf32, #ph>, tensor<2x8x?x1xf32, #ph>) -> tensor<2x8x?x2xf32, #uf>
    %y1 = "onnx.DFT"(%p, %n, %axis) {onesided = 1 : si64, inverse = 1 : si64} : (tensor<2x8x?x2xf32, #uf>, tensor<i64>, tensor<i64>) -> tensor<2x8x?x1xf32, #y1>
    %y0 = "onnx.Squeeze"(%y1, %last) : (tensor<2x8x?x1xf32, #y1>, tensor<1xi64>) -> tensor<2x8x?xf32, #y0>
    %y = "onnx.Slice"(%y0, %zero, %length, %two, %one) : (tensor<2x8x?xf32, #y0>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x8x?xf32, #u>
    return %y : tensor<2x8x?xf32, #u>
  }
}
