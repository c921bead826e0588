// RUN: ssm-opt %s --ssm-raise-closed-forms -split-input-file | FileCheck %s

// The sum of absolute values of a causal product is a log-sum-exp of logarithms.
// CHECK-LABEL: @main
// CHECK: %{{.+}}, %[[LOG:.+]] = ssm.attention query(%arg0 : {{.+}}) key(%arg1 :
// CHECK-DAG:   %[[ABS:.+]] = math.absf
// CHECK-DAG:   math.log %[[ABS]]
// CHECK-DAG:   arith.cmpi sle
// CHECK: %[[SUM:.+]] = "onnx.Exp"(%[[LOG]])
// CHECK: return %[[SUM]]
#q = affine_map<()[s0] -> (2, s0, 4)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#t = affine_map<()[s0] -> (2, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #q>, %k: tensor<2x4x?xf32, #k>) -> tensor<2x?xf32, #t> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #q>
    %none = onnx.NoValue
    %last = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x?x4xf32, #q>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %l = "onnx.Trilu"(%s, %none) {upper = 0 : si64} : (tensor<2x?x?xf32, #m>, none) -> tensor<2x?x?xf32, #m>
    %a = "onnx.Abs"(%l) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %n = "onnx.ReduceSum"(%a, %last) <{keepdims = 0 : si64}> : (tensor<2x?x?xf32, #m>, tensor<1xi64>) -> tensor<2x?xf32, #t>
    return %n : tensor<2x?xf32, #t>
  }
}

// -----

// Over what is to come it is another one.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.attention
// CHECK: onnx.ReduceSum
#q = affine_map<()[s0] -> (2, s0, 4)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#t = affine_map<()[s0] -> (2, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #q>, %k: tensor<2x4x?xf32, #k>) -> tensor<2x?xf32, #t> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #q>
    %none = onnx.NoValue
    %last = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x?x4xf32, #q>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %l = "onnx.Trilu"(%s, %none) {upper = 1 : si64} : (tensor<2x?x?xf32, #m>, none) -> tensor<2x?x?xf32, #m>
    %a = "onnx.Abs"(%l) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %n = "onnx.ReduceSum"(%a, %last) <{keepdims = 0 : si64}> : (tensor<2x?x?xf32, #m>, tensor<1xi64>) -> tensor<2x?xf32, #t>
    return %n : tensor<2x?xf32, #t>
  }
}

// -----

// Another function of the product is no absolute value.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.attention
// CHECK: onnx.ReduceSum
#q = affine_map<()[s0] -> (2, s0, 4)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#t = affine_map<()[s0] -> (2, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #q>, %k: tensor<2x4x?xf32, #k>) -> tensor<2x?xf32, #t> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #q>
    %none = onnx.NoValue
    %last = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x?x4xf32, #q>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %l = "onnx.Trilu"(%s, %none) {upper = 0 : si64} : (tensor<2x?x?xf32, #m>, none) -> tensor<2x?x?xf32, #m>
    %a = "onnx.Relu"(%l) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %n = "onnx.ReduceSum"(%a, %last) <{keepdims = 0 : si64}> : (tensor<2x?x?xf32, #m>, tensor<1xi64>) -> tensor<2x?xf32, #t>
    return %n : tensor<2x?xf32, #t>
  }
}
