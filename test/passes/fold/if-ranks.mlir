// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes --verify-diagnostics | FileCheck %s

// A condition that is known leaves one branch; the other is not even looked at.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.If
// CHECK: %[[R:.*]] = "onnx.Abs"
// CHECK: return %[[R]]
module attributes {onnx.symbols = []} {
  func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
    %shape = "onnx.Shape"(%x) : (tensor<2x3xf32>) -> tensor<*xi64>
    %rank = "onnx.Size"(%shape) : (tensor<*xi64>) -> tensor<*xi64>
    %two = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
    %c = "onnx.Equal"(%rank, %two) : (tensor<*xi64>, tensor<i64>) -> tensor<*xi1>
    %r = "onnx.If"(%c) ({
      %a = "onnx.Abs"(%x) : (tensor<2x3xf32>) -> tensor<*xf32>
      onnx.Yield %a : tensor<*xf32>
    }, {
      %axis = onnx.Constant dense<7> : tensor<1xi64> : tensor<1xi64>
      %s = "onnx.Squeeze"(%x, %axis) : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<*xf32>
      onnx.Yield %s : tensor<*xf32>
    }) : (tensor<*xi1>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// Branches of different ranks: the first from which the rest can be inferred is compiled, and the condition is checked.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_element %{{.*}}[0] -> [[C:[0-9]+]] : tensor<i1>
// CHECK: ssm.bind_expr "same"
// CHECK-NOT: onnx.If
// CHECK: %[[I:.*]] = "onnx.Identity"
// CHECK: "onnx.Transpose"(%[[I]])
module attributes {onnx.symbols = []} {
  func.func @main(%x: tensor<2x1x3xf32>, %c: tensor<i1>) -> tensor<*xf32> {
    %r = "onnx.If"(%c) ({
      %axis = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
      %s = "onnx.Squeeze"(%x, %axis) : (tensor<2x1x3xf32>, tensor<1xi64>) -> tensor<*xf32>
      onnx.Yield %s : tensor<*xf32>
    }, {
      %i = "onnx.Identity"(%x) : (tensor<2x1x3xf32>) -> tensor<*xf32>
      onnx.Yield %i : tensor<*xf32>
    }) : (tensor<i1>) -> tensor<*xf32>
    %t = "onnx.Transpose"(%r) {perm = array<i64: 2, 0, 1>} : (tensor<*xf32>) -> tensor<*xf32>
    return %t : tensor<*xf32>
  }
}

// -----

// Neither branch fits what follows: the problem of the first is told.
module attributes {onnx.symbols = []} {
  func.func @main(%x: tensor<2x1x3xf32>, %c: tensor<i1>) -> tensor<*xf32> {
    %r = "onnx.If"(%c) ({
      %axis = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
      %s = "onnx.Squeeze"(%x, %axis) : (tensor<2x1x3xf32>, tensor<1xi64>) -> tensor<*xf32>
      onnx.Yield %s : tensor<*xf32>
    }, {
      %i = "onnx.Identity"(%x) : (tensor<2x1x3xf32>) -> tensor<*xf32>
      onnx.Yield %i : tensor<*xf32>
    }) : (tensor<i1>) -> tensor<*xf32>
    // expected-error @+1 {{perm has 4 entries, the input has rank 2}}
    %t = "onnx.Transpose"(%r) {perm = array<i64: 2, 0, 1, 3>} : (tensor<*xf32>) -> tensor<*xf32>
    return %t : tensor<*xf32>
  }
}

// -----

// A branch that only names a constant is the exception (a step of 0 where there is one point): the other is compiled.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_element %{{.*}}[0] -> [[C:[0-9]+]] : tensor<i1>
// CHECK: ssm.bind_expr "same"
// CHECK-NOT: onnx.If
// CHECK: %[[D:.*]] = "onnx.Div"
// CHECK: return %[[D]] : tensor<1xf32>
module attributes {onnx.symbols = []} {
  func.func @main(%x: tensor<1xf32>, %c: tensor<i1>) -> tensor<*xf32> {
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %two = onnx.Constant dense<2.0> : tensor<f32> : tensor<f32>
    %r = "onnx.If"(%c) ({
      %s = "onnx.Identity"(%zero) : (tensor<f32>) -> tensor<*xf32>
      onnx.Yield %s : tensor<*xf32>
    }, {
      %d = "onnx.Div"(%two, %x) : (tensor<f32>, tensor<1xf32>) -> tensor<*xf32>
      onnx.Yield %d : tensor<*xf32>
    }) : (tensor<i1>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}
