// RUN: ssm-opt %s --ssm-raise-attention --mlir-print-debuginfo -split-input-file | FileCheck %s

// Softmax over the rows, summed over the columns: no attention.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.attention
// CHECK: onnx.Softmax
module {
  func.func @main(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x7xf32>) -> tensor<4x7xf32> {
    %s = "onnx.MatMul"(%q, %k) : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
    %p = "onnx.Softmax"(%s) {axis = 0 : si64} : (tensor<4x5xf32>) -> tensor<4x5xf32>
    %o = "onnx.MatMul"(%p, %v) : (tensor<4x5xf32>, tensor<5x7xf32>) -> tensor<4x7xf32>
    return %o : tensor<4x7xf32>
  }
}

// -----

// The divisor has an epsilon: the weights do not sum to one.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.attention
// CHECK: onnx.Exp
module {
  func.func @main(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x7xf32>) -> tensor<4x7xf32> {
    %last = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %eps = onnx.Constant dense<1.0e-6> : tensor<f32> : tensor<f32>
    %s = "onnx.MatMul"(%q, %k) : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
    %e = "onnx.Exp"(%s) : (tensor<4x5xf32>) -> tensor<4x5xf32>
    %sum = "onnx.ReduceSum"(%e, %last) {keepdims = 1 : si64} : (tensor<4x5xf32>, tensor<1xi64>) -> tensor<4x1xf32>
    %d = "onnx.Add"(%sum, %eps) : (tensor<4x1xf32>, tensor<f32>) -> tensor<4x1xf32>
    %p = "onnx.Div"(%e, %d) : (tensor<4x5xf32>, tensor<4x1xf32>) -> tensor<4x5xf32>
    %o = "onnx.MatMul"(%p, %v) : (tensor<4x5xf32>, tensor<5x7xf32>) -> tensor<4x7xf32>
    return %o : tensor<4x7xf32>
  }
}

// -----

// A mixture of experts: the scores are no product of two sequences. The reason is noted.
// CHECK: ssm.missed = [{nodes = ["mixture"], reason = "attention: softmax is not over products of a query and a key"}]
// CHECK-NOT: ssm.attention
module {
  func.func @main(%s: tensor<4x5xf32>, %v: tensor<5x7xf32>) -> tensor<4x7xf32> {
    %p = "onnx.Softmax"(%s) {axis = 1 : si64} : (tensor<4x5xf32>) -> tensor<4x5xf32>
    %o = "onnx.MatMul"(%p, %v) : (tensor<4x5xf32>, tensor<5x7xf32>) -> tensor<4x7xf32> loc("mixture")
    return %o : tensor<4x7xf32>
  }
}

// -----

// Weights that another condition than that of the scores makes zero no longer sum to one.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.attention
// CHECK: onnx.Softmax
module {
  func.func @main(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x7xf32>, %a: tensor<4x5xi1>, %b: tensor<4x5xi1>) -> tensor<4x7xf32> {
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %least = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %s = "onnx.MatMul"(%q, %k) : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
    %m = "onnx.Where"(%a, %s, %least) : (tensor<4x5xi1>, tensor<4x5xf32>, tensor<f32>) -> tensor<4x5xf32>
    %p = "onnx.Softmax"(%m) {axis = 1 : si64} : (tensor<4x5xf32>) -> tensor<4x5xf32>
    %w = "onnx.Where"(%b, %p, %zero) : (tensor<4x5xi1>, tensor<4x5xf32>, tensor<f32>) -> tensor<4x5xf32>
    %o = "onnx.MatMul"(%w, %v) : (tensor<4x5xf32>, tensor<5x7xf32>) -> tensor<4x7xf32>
    return %o : tensor<4x7xf32>
  }
}
