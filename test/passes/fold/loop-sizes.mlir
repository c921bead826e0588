// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes | FileCheck %s

// While a loop over all rows runs there is a row, and [i : i + 1] is one of them; where it does not run, the state is
// as short as its start.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "min" {{.*}} -> [[SHORT:[0-9]+]]
// CHECK: "onnx.Loop"
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %[[H:.*]]: tensor<1x3xf32>):
// CHECK: "onnx.Slice"{{.*}} -> tensor<1x3xf32>
// CHECK: onnx.Yield {{.*}} : tensor<i1>, tensor<1x3xf32>
// CHECK-NEXT: -> tensor<?x3xf32, {{.*}}>
#rows = affine_map<()[s0] -> (s0, 3)>
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%x: tensor<?x3xf32, #rows>) -> tensor<*xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x3xf32, #rows>
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %yes = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %none = onnx.NoValue
    %h0 = "onnx.Slice"(%x, %zero, %one, %zero, %none) : (tensor<?x3xf32, #rows>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<*xf32>
    %shape = "onnx.Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x3xf32, #rows>) -> tensor<*xi64>
    %count = "onnx.Squeeze"(%shape, %none) : (tensor<*xi64>, none) -> tensor<*xi64>
    %h = "onnx.Loop"(%count, %yes, %h0) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<*xf32>):
      %at = "onnx.Reshape"(%i, %one) : (tensor<i64>, tensor<1xi64>) -> tensor<*xi64>
      %next = "onnx.Add"(%at, %one) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
      %row = "onnx.Slice"(%x, %at, %next, %zero, %none) : (tensor<?x3xf32, #rows>, tensor<*xi64>, tensor<*xi64>, tensor<1xi64>, none) -> tensor<*xf32>
      %n = "onnx.Add"(%s, %row) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
      onnx.Yield %c, %n : tensor<i1>, tensor<*xf32>
    }) : (tensor<*xi64>, tensor<i1>, tensor<*xf32>) -> tensor<*xf32>
    return %h : tensor<*xf32>
  }
}

// -----

// The same with one row more than there are: the last slice is empty, and the state is what only a run can tell.
// CHECK-LABEL: func @main
// CHECK: "onnx.Loop"
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %{{.*}}: tensor<?x3xf32, {{.*}}>):
#rows = affine_map<()[s0] -> (s0, 3)>
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%x: tensor<?x3xf32, #rows>, %h0: tensor<1x3xf32>) -> tensor<*xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x3xf32, #rows>
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %yes = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %none = onnx.NoValue
    %shape = "onnx.Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x3xf32, #rows>) -> tensor<*xi64>
    %more = "onnx.Add"(%shape, %one) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
    %count = "onnx.Squeeze"(%more, %none) : (tensor<*xi64>, none) -> tensor<*xi64>
    %h = "onnx.Loop"(%count, %yes, %h0) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<*xf32>):
      %at = "onnx.Reshape"(%i, %one) : (tensor<i64>, tensor<1xi64>) -> tensor<*xi64>
      %next = "onnx.Add"(%at, %one) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
      %row = "onnx.Slice"(%x, %at, %next, %zero, %none) : (tensor<?x3xf32, #rows>, tensor<*xi64>, tensor<*xi64>, tensor<1xi64>, none) -> tensor<*xf32>
      %n = "onnx.Add"(%s, %row) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
      onnx.Yield %c, %n : tensor<i1>, tensor<*xf32>
    }) : (tensor<*xi64>, tensor<i1>, tensor<1x3xf32>) -> tensor<*xf32>
    return %h : tensor<*xf32>
  }
}
