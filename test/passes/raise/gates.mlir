// RUN: ssm-opt %s --ssm-raise-closed-forms -split-input-file | FileCheck %s

// A bias of the gate is part of the gate, and of its maximum.
// CHECK-LABEL: @main
// CHECK: %[[G:.+]] = "onnx.Add"
// CHECK: ssm.semiseparable query(%arg0 : {{.+}}) key(%arg1 : {{.+}}) value(%arg2 : {{.+}}) log_decay(%arg3 : {{.+}}) log_gate(%[[G]] :
// CHECK-NOT: onnx.ReduceMax
#x = affine_map<()[s0] -> (2, s0, 4)>
#h = affine_map<()[s0] -> (2, s0)>
#t = affine_map<()[s0] -> (2, s0, 1)>
#s = affine_map<()[s0] -> (2, 1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>, %g: tensor<2x?xf32, #h>, %i: tensor<2x?xf32, #h>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %axis = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %bias = onnx.Constant dense<[[0.5], [-0.5]]> : tensor<2x1xf32> : tensor<2x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<2x?x?xi1, #m>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<2x?x?xi1, #m>, none) -> tensor<2x?x?xi1, #m>
    %cs = "onnx.CumSum"(%g, %axis) : (tensor<2x?xf32, #h>, tensor<i64>) -> tensor<2x?xf32, #h>
    %gate = "onnx.Add"(%i, %bias) : (tensor<2x?xf32, #h>, tensor<2x1xf32>) -> tensor<2x?xf32, #h>
    %t = "onnx.Unsqueeze"(%cs, %two) : (tensor<2x?xf32, #h>, tensor<1xi64>) -> tensor<2x?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%cs, %one) : (tensor<2x?xf32, #h>, tensor<1xi64>) -> tensor<2x1x?xf32, #s>
    %i1 = "onnx.Unsqueeze"(%gate, %one) : (tensor<2x?xf32, #h>, tensor<1xi64>) -> tensor<2x1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<2x?x1xf32, #t>, tensor<2x1x?xf32, #s>) -> tensor<2x?x?xf32, #m>
    %d1 = "onnx.Add"(%d, %i1) : (tensor<2x?x?xf32, #m>, tensor<2x1x?xf32, #s>) -> tensor<2x?x?xf32, #m>
    %d2 = "onnx.Where"(%mask, %d1, %inf) : (tensor<2x?x?xi1, #m>, tensor<2x?x?xf32, #m>, tensor<f32>) -> tensor<2x?x?xf32, #m>
    %top = "onnx.ReduceMax"(%d2, %two) <{keepdims = 1 : si64}> : (tensor<2x?x?xf32, #m>, tensor<1xi64>) -> tensor<2x?x1xf32, #t>
    %z = "onnx.Sub"(%d2, %top) : (tensor<2x?x?xf32, #m>, tensor<2x?x1xf32, #t>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %e) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}

// -----

// The maximum of the decays without the gate is another.
// CHECK-LABEL: @main
// CHECK: onnx.ReduceMax
#x = affine_map<()[s0] -> (2, s0, 4)>
#h = affine_map<()[s0] -> (2, s0)>
#t = affine_map<()[s0] -> (2, s0, 1)>
#s = affine_map<()[s0] -> (2, 1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>, %g: tensor<2x?xf32, #h>, %i: tensor<2x?xf32, #h>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %axis = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %bias = onnx.Constant dense<[[0.5], [-0.5]]> : tensor<2x1xf32> : tensor<2x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<2x?x?xi1, #m>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<2x?x?xi1, #m>, none) -> tensor<2x?x?xi1, #m>
    %cs = "onnx.CumSum"(%g, %axis) : (tensor<2x?xf32, #h>, tensor<i64>) -> tensor<2x?xf32, #h>
    %gate = "onnx.Add"(%i, %bias) : (tensor<2x?xf32, #h>, tensor<2x1xf32>) -> tensor<2x?xf32, #h>
    %t = "onnx.Unsqueeze"(%cs, %two) : (tensor<2x?xf32, #h>, tensor<1xi64>) -> tensor<2x?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%cs, %one) : (tensor<2x?xf32, #h>, tensor<1xi64>) -> tensor<2x1x?xf32, #s>
    %i1 = "onnx.Unsqueeze"(%gate, %one) : (tensor<2x?xf32, #h>, tensor<1xi64>) -> tensor<2x1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<2x?x1xf32, #t>, tensor<2x1x?xf32, #s>) -> tensor<2x?x?xf32, #m>
    %d1 = "onnx.Add"(%d, %i1) : (tensor<2x?x?xf32, #m>, tensor<2x1x?xf32, #s>) -> tensor<2x?x?xf32, #m>
    %d2 = "onnx.Where"(%mask, %d1, %inf) : (tensor<2x?x?xi1, #m>, tensor<2x?x?xf32, #m>, tensor<f32>) -> tensor<2x?x?xf32, #m>
    %top = "onnx.ReduceMax"(%d, %two) <{keepdims = 1 : si64}> : (tensor<2x?x?xf32, #m>, tensor<1xi64>) -> tensor<2x?x1xf32, #t>
    %z = "onnx.Sub"(%d2, %top) : (tensor<2x?x?xf32, #m>, tensor<2x?x1xf32, #t>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %e) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}
