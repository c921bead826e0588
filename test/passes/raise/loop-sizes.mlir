// RUN: ssm-opt %s --split-input-file --ssm-raise-loops | FileCheck %s

// The trip count is an input; a negative one is none.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_element %arg1[0] -> [[COUNT:[0-9]+]]
// CHECK: ssm.bind_expr "max"
// CHECK: "onnx.Slice"{{.*}} {ssm.unchecked}
// CHECK: ssm.selective_scan
#rows = affine_map<()[s0] -> (s0, 3)>
#own = affine_map<()[s0, s1] -> (s1, 3)>
module attributes {onnx.symbols = ["L", ""]} {
  func.func @main(%x: tensor<?x3xf32, #rows>, %count: tensor<i64>, %h0: tensor<3xf32>) -> tensor<?x3xf32, #own> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x3xf32, #rows>
    %yes = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %h, %y = "onnx.Loop"(%count, %yes, %h0) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<3xf32>):
      %row = "onnx.Gather"(%x, %i) {axis = 0 : si64} : (tensor<?x3xf32, #rows>, tensor<i64>) -> tensor<3xf32>
      %n = "onnx.Add"(%s, %row) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      onnx.Yield %c, %n, %n : tensor<i1>, tensor<3xf32>, tensor<3xf32>
    }) : (tensor<i64>, tensor<i1>, tensor<3xf32>) -> (tensor<3xf32>, tensor<?x3xf32, #own>)
    ssm.bind_dim %y[0] -> 1 : tensor<?x3xf32, #own>
    return %y : tensor<?x3xf32, #own>
  }
}

// -----

// A start that is shorter where there is no step is padded.
// CHECK-LABEL: func @main
// CHECK: %[[START:.*]] = "onnx.Pad"(%arg1, {{.*}} -> tensor<1x3xf32>
// CHECK: ssm.selective_scan {{.*}}%[[START]]
#rows = affine_map<()[s0] -> (s0, 1, 3)>
#short = affine_map<()[s0, s1] -> (s1, 3)>
module attributes {onnx.symbols = ["L", ""]} {
  func.func @main(%x: tensor<?x1x3xf32, #rows>, %h0: tensor<?x3xf32, #short>) -> (tensor<?x3xf32, #short>, tensor<?x1x3xf32, #rows>) {
    ssm.bind_dim %x[0] -> 0 : tensor<?x1x3xf32, #rows>
    ssm.bind_expr "min" affine_map<()[s0] -> (1, s0)> -> 1
    %h, %y = "onnx.Scan"(%h0, %x) ({
    ^bb0(%s: tensor<1x3xf32>, %row: tensor<1x3xf32>):
      %n = "onnx.Add"(%s, %row) : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
      onnx.Yield %n, %n : tensor<1x3xf32>, tensor<1x3xf32>
    }) {num_scan_inputs = 1 : si64} : (tensor<?x3xf32, #short>, tensor<?x1x3xf32, #rows>) -> (tensor<?x3xf32, #short>, tensor<?x1x3xf32, #rows>)
    return %h, %y : tensor<?x3xf32, #short>, tensor<?x1x3xf32, #rows>
  }
}

// -----

// A loop that stays keeps the symbol of an output that nothing reads.
// CHECK-LABEL: func @main
// CHECK: [[H:%[0-9]+]]:2 = "onnx.Loop"
// CHECK: ssm.bind_dim [[H]]#1[0] -> 0
#own = affine_map<()[s0] -> (s0)>
module attributes {onnx.symbols = [""]} {
  func.func @main(%h0: tensor<3xf32>, %least: tensor<f32>) -> tensor<3xf32> {
    %most = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
    %none = onnx.NoValue
    %h, %sums = "onnx.Loop"(%most, %none, %h0) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<3xf32>):
      %n = "onnx.Add"(%s, %s) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %sum = "onnx.ReduceSum"(%n, %none) {keepdims = 0 : si64} : (tensor<3xf32>, none) -> tensor<f32>
      %more = "onnx.Greater"(%sum, %least) : (tensor<f32>, tensor<f32>) -> tensor<i1>
      onnx.Yield %more, %n, %sum : tensor<i1>, tensor<3xf32>, tensor<f32>
    }) : (tensor<i64>, none, tensor<3xf32>) -> (tensor<3xf32>, tensor<?xf32, #own>)
    ssm.bind_dim %sums[0] -> 0 : tensor<?xf32, #own>
    return %h : tensor<3xf32>
  }
}
