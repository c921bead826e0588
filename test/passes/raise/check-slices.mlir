// RUN: ssm-opt %s --split-input-file --ssm-raise-loops --ssm-check-slices | FileCheck %s

// Seven steps over a sequence whose length only run time knows: reading beyond its end is an error there.
// CHECK-DAG: #[[LARGER:.*]] = affine_map<()[s0, s1] -> (7, s0)>
// CHECK-DAG: #[[SAME:.*]] = affine_map<()[s0, s1] -> (s0, s1)>
// CHECK-LABEL: @main
// CHECK: ssm.bind_expr "max" #[[LARGER]] -> 1
// CHECK: ssm.bind_expr "same" #[[SAME]] -> 2 {message = "an index is outside of the tensor, which has to be longer"}
// CHECK-NOT: ssm.bind_expr
// CHECK-NOT: ssm.unchecked
// CHECK: ssm.selective_scan
module attributes {onnx.symbols = ["length"]} {
  func.func @main(%x: tensor<?x8xf32, affine_map<()[s0] -> (s0, 8)>>, %h0: tensor<8xf32>) -> tensor<7x8xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x8xf32, affine_map<()[s0] -> (s0, 8)>>
    %m = onnx.Constant dense<7> : tensor<i64> : tensor<i64>
    %none = onnx.NoValue
    %h, %y = "onnx.Loop"(%m, %none, %h0) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<8xf32>):
      %a = "onnx.Gather"(%x, %i) {axis = 0 : si64} : (tensor<?x8xf32, affine_map<()[s0] -> (s0, 8)>>, tensor<i64>) -> tensor<8xf32>
      %d = "onnx.Mul"(%a, %s) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
      %n = "onnx.Add"(%d, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
      onnx.Yield %c, %n, %n : tensor<i1>, tensor<8xf32>, tensor<8xf32>
    }) : (tensor<i64>, none, tensor<8xf32>) -> (tensor<8xf32>, tensor<7x8xf32>)
    return %y : tensor<7x8xf32>
  }
}

// -----

// What nothing reads is not checked, and what is proved neither.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.bind_expr
// CHECK: return
func.func @main(%x: tensor<9x8xf32>, %h0: tensor<8xf32>) -> tensor<7x8xf32> {
  %m = onnx.Constant dense<7> : tensor<i64> : tensor<i64>
  %none = onnx.NoValue
  %h, %y = "onnx.Loop"(%m, %none, %h0) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<8xf32>):
    %a = "onnx.Gather"(%x, %i) {axis = 0 : si64} : (tensor<9x8xf32>, tensor<i64>) -> tensor<8xf32>
    %d = "onnx.Mul"(%a, %s) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    %n = "onnx.Add"(%d, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
    onnx.Yield %c, %n, %n : tensor<i1>, tensor<8xf32>, tensor<8xf32>
  }) : (tensor<i64>, none, tensor<8xf32>) -> (tensor<8xf32>, tensor<7x8xf32>)
  return %y : tensor<7x8xf32>
}

// -----

// CHECK-LABEL: @main
// CHECK-NOT: ssm.bind_expr
// CHECK-NOT: ssm.unchecked
// CHECK: return
module attributes {onnx.symbols = ["length"]} {
  func.func @main(%x: tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>> {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, affine_map<()[s0] -> (s0)>>
    %0 = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %7 = onnx.Constant dense<7> : tensor<1xi64> : tensor<1xi64>
    %none = onnx.NoValue
    %dead = "onnx.Slice"(%x, %0, %7, %0, %none) {ssm.unchecked} : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<7xf32>
    return %x : tensor<?xf32, affine_map<()[s0] -> (s0)>>
  }
}
