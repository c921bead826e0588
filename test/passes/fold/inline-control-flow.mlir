// RUN: ssm-opt %s --split-input-file --ssm-inline-control-flow | FileCheck %s

// One iteration: the body, with the number 0; a collected row becomes a tensor of one row.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.Loop
// CHECK: %[[I:.*]] = onnx.Constant dense<0> : tensor<i64>
// CHECK: %[[F:.*]] = "onnx.Cast"(%[[I]])
// CHECK: %[[S:.*]] = "onnx.Add"(%arg0, %[[F]])
// CHECK: %[[R:.*]] = "onnx.Unsqueeze"(%[[F]],
// CHECK: return %[[S]], %[[R]]
func.func @main(%x: tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %m = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %none = onnx.NoValue
  %r:2 = "onnx.Loop"(%m, %none, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %y: tensor<*xf32>):
    %f = "onnx.Cast"(%i) {to = 1 : si64} : (tensor<i64>) -> tensor<*xf32>
    %s = "onnx.Add"(%y, %f) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
    onnx.Yield %c, %s, %f : tensor<i1>, tensor<*xf32>, tensor<*xf32>
  }) : (tensor<i64>, none, tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  return %r#0, %r#1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// No iteration: the initial value. Inside, a branch that is never taken goes with it.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.Loop
// CHECK: return %arg0
func.func @main(%x: tensor<2xf32>, %n: tensor<i64>) -> tensor<*xf32> {
  %false = onnx.Constant dense<false> : tensor<i1> : tensor<i1>
  %r = "onnx.Loop"(%n, %false, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %y: tensor<*xf32>):
    %s = "onnx.If"(%false) ({
      %a = "onnx.Abs"(%y) : (tensor<*xf32>) -> tensor<*xf32>
      onnx.Yield %a : tensor<*xf32>
    }, {
      %b = "onnx.Neg"(%y) : (tensor<*xf32>) -> tensor<*xf32>
      onnx.Yield %b : tensor<*xf32>
    }) : (tensor<i1>) -> tensor<*xf32>
    onnx.Yield %c, %s : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<2xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// Not: a condition or a number that the run decides, two iterations, no iteration with a row to be collected.
// CHECK-LABEL: func @main
// CHECK-COUNT-3: onnx.Loop
func.func @main(%x: tensor<2xf32>, %go: tensor<i1>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %zero = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %one = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %two = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %none = onnx.NoValue
  %r = "onnx.Loop"(%one, %go, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %y: tensor<*xf32>):
    onnx.Yield %c, %y : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, tensor<i1>, tensor<2xf32>) -> tensor<*xf32>
  %s = "onnx.Loop"(%two, %none, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %y: tensor<*xf32>):
    onnx.Yield %c, %y : tensor<i1>, tensor<*xf32>
  }) : (tensor<i64>, none, tensor<2xf32>) -> tensor<*xf32>
  %t = "onnx.Loop"(%zero, %none) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>):
    onnx.Yield %c, %x : tensor<i1>, tensor<2xf32>
  }) : (tensor<i64>, none) -> tensor<*xf32>
  return %r, %s, %t : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}
