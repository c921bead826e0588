// RUN: ssm-opt %s --split-input-file --ssm-stack-writes | FileCheck %s

// Three slices of a buffer of zeros, in any order: one Concat.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[A:.*]]: tensor<2x4xf32>, %[[B:.*]]: tensor<2x4xf32>, %[[C:.*]]: tensor<2x4xf32>)
// CHECK-DAG: %[[A1:.*]] = "onnx.Reshape"(%[[A]]
// CHECK-DAG: %[[B1:.*]] = "onnx.Reshape"(%[[B]]
// CHECK-DAG: %[[C1:.*]] = "onnx.Reshape"(%[[C]]
// CHECK: %[[Y:.*]] = "onnx.Concat"(%[[A1]], %[[B1]], %[[C1]]) <{axis = 1 : si64}>
// CHECK-NOT: Scatter
// CHECK: return %[[Y]]
func.func @main(%a: tensor<2x4xf32>, %b: tensor<2x4xf32>, %c: tensor<2x4xf32>) -> tensor<2x3x4xf32> {
  %none = onnx.NoValue
  %axis = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
  %zeros = "onnx.ConstantOfShape"(%none) : (none) -> tensor<2x3x4xf32>
  %i0 = onnx.Constant dense<0> : tensor<2x1x4xi64> : tensor<2x1x4xi64>
  %i1 = onnx.Constant dense<1> : tensor<2x1x4xi64> : tensor<2x1x4xi64>
  %i2 = onnx.Constant dense<-1> : tensor<2x1x4xi64> : tensor<2x1x4xi64>
  %a1 = "onnx.Unsqueeze"(%a, %axis) : (tensor<2x4xf32>, tensor<1xi64>) -> tensor<2x1x4xf32>
  %b1 = "onnx.Unsqueeze"(%b, %axis) : (tensor<2x4xf32>, tensor<1xi64>) -> tensor<2x1x4xf32>
  %c1 = "onnx.Unsqueeze"(%c, %axis) : (tensor<2x4xf32>, tensor<1xi64>) -> tensor<2x1x4xf32>
  %0 = "onnx.ScatterElements"(%zeros, %i1, %b1) {axis = 1 : si64} : (tensor<2x3x4xf32>, tensor<2x1x4xi64>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  %1 = "onnx.ScatterElements"(%0, %i0, %a1) {axis = 1 : si64} : (tensor<2x3x4xf32>, tensor<2x1x4xi64>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  %2 = "onnx.ScatterElements"(%1, %i2, %c1) {axis = 1 : si64} : (tensor<2x3x4xf32>, tensor<2x1x4xi64>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  return %2 : tensor<2x3x4xf32>
}

// -----

// Two rows each, the buffer turned in between; what nothing was written to stays zeros.
// CHECK-LABEL: func.func @main
// CHECK: %[[HEAD:.*]] = "onnx.Concat"(%{{.*}}, %{{.*}}) <{axis = 0 : si64}> : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
// CHECK: %[[FILL:.*]] = "onnx.Expand"({{.*}}) : ({{.*}}) -> tensor<1x3xf32>
// CHECK: %[[Y:.*]] = "onnx.Concat"(%[[HEAD]], %[[FILL]]) <{axis = 0 : si64}>
// CHECK-NOT: Scatter
// CHECK: "onnx.Transpose"(%[[Y]])
func.func @main(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> tensor<3x5xf32> {
  %none = onnx.NoValue
  %zeros = "onnx.ConstantOfShape"(%none) : (none) -> tensor<5x3xf32>
  %i0 = onnx.Constant dense<[[0], [1]]> : tensor<2x1xi64> : tensor<2x1xi64>
  %i1 = onnx.Constant dense<[[2], [3]]> : tensor<2x1xi64> : tensor<2x1xi64>
  %0 = "onnx.ScatterND"(%zeros, %i0, %a) : (tensor<5x3xf32>, tensor<2x1xi64>, tensor<2x3xf32>) -> tensor<5x3xf32>
  %t = "onnx.Transpose"(%0) {perm = array<i64: 1, 0>} : (tensor<5x3xf32>) -> tensor<3x5xf32>
  %u = "onnx.Transpose"(%t) {perm = array<i64: 1, 0>} : (tensor<3x5xf32>) -> tensor<5x3xf32>
  %1 = "onnx.ScatterND"(%u, %i1, %b) : (tensor<5x3xf32>, tensor<2x1xi64>, tensor<2x3xf32>) -> tensor<5x3xf32>
  %y = "onnx.Transpose"(%1) {perm = array<i64: 1, 0>} : (tensor<5x3xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// -----

// A buffer whose length only run time knows: what is written must be there.
// CHECK-DAG: #[[LARGER:.*]] = affine_map<()[s0] -> (2, s0)>
// CHECK-DAG: #[[REST:.*]] = affine_map<()[s0] -> (s0 - 2, 4)>
// CHECK-LABEL: func.func @main
// CHECK: ssm.bind_expr "max" #[[LARGER]] -> 1
// CHECK: ssm.bind_expr "same" {{.*}} -> 2 {message = "an index is outside of the tensor, which has to be longer"}
// CHECK: %[[HEAD:.*]] = "onnx.Concat"({{.*}}) <{axis = 0 : si64}> : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
// CHECK: %[[FILL:.*]] = "onnx.Expand"({{.*}}) -> tensor<?x4xf32, #[[REST]]>
// CHECK: "onnx.Concat"(%[[HEAD]], %[[FILL]])
// CHECK-NOT: Scatter
// CHECK: return
#n = affine_map<()[s0] -> (s0, 4)>
module attributes {onnx.symbols = ["n"]} {
func.func @main(%x: tensor<?x4xf32, #n>, %a: tensor<1x4xf32>, %b: tensor<1x4xf32>) -> tensor<?x4xf32, #n> {
  ssm.bind_dim %x[0] -> 0 : tensor<?x4xf32, #n>
  %none = onnx.NoValue
  %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %zeros = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #n>
  %i0 = onnx.Constant dense<0> : tensor<1x1xi64> : tensor<1x1xi64>
  %i1 = onnx.Constant dense<1> : tensor<1x1xi64> : tensor<1x1xi64>
  %0 = "onnx.ScatterND"(%zeros, %i0, %a) : (tensor<?x4xf32, #n>, tensor<1x1xi64>, tensor<1x4xf32>) -> tensor<?x4xf32, #n>
  %1 = "onnx.ScatterND"(%0, %i1, %b) : (tensor<?x4xf32, #n>, tensor<1x1xi64>, tensor<1x4xf32>) -> tensor<?x4xf32, #n>
  return %1 : tensor<?x4xf32, #n>
}
}

// -----

// Near miss: the second write covers a part of the first.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: onnx.ScatterND
// CHECK-NOT: onnx.Concat
// CHECK: return
func.func @main(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> tensor<4x3xf32> {
  %none = onnx.NoValue
  %zeros = "onnx.ConstantOfShape"(%none) : (none) -> tensor<4x3xf32>
  %i0 = onnx.Constant dense<[[0], [1]]> : tensor<2x1xi64> : tensor<2x1xi64>
  %i1 = onnx.Constant dense<[[1], [2]]> : tensor<2x1xi64> : tensor<2x1xi64>
  %0 = "onnx.ScatterND"(%zeros, %i0, %a) : (tensor<4x3xf32>, tensor<2x1xi64>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %1 = "onnx.ScatterND"(%0, %i1, %b) : (tensor<4x3xf32>, tensor<2x1xi64>, tensor<2x3xf32>) -> tensor<4x3xf32>
  return %1 : tensor<4x3xf32>
}

// -----

// Near misses: one is added, one goes to places that are no run, one is on another axis than the one before.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-4: onnx.Scatter
// CHECK-NOT: onnx.Concat
// CHECK: return
func.func @main(%a: tensor<2x3xf32>, %b: tensor<4x1xf32>, %c: tensor<1x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>) {
  %none = onnx.NoValue
  %zeros = "onnx.ConstantOfShape"(%none) : (none) -> tensor<4x3xf32>
  %i = onnx.Constant dense<[[0], [1]]> : tensor<2x1xi64> : tensor<2x1xi64>
  %j = onnx.Constant dense<[[0], [2]]> : tensor<2x1xi64> : tensor<2x1xi64>
  %k = onnx.Constant dense<1> : tensor<4x1xi64> : tensor<4x1xi64>
  %l = onnx.Constant dense<0> : tensor<1x3xi64> : tensor<1x3xi64>
  %0 = "onnx.ScatterND"(%zeros, %i, %a) {reduction = "add"} : (tensor<4x3xf32>, tensor<2x1xi64>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %1 = "onnx.ScatterND"(%zeros, %j, %a) : (tensor<4x3xf32>, tensor<2x1xi64>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %2 = "onnx.ScatterElements"(%zeros, %l, %c) {axis = 0 : si64} : (tensor<4x3xf32>, tensor<1x3xi64>, tensor<1x3xf32>) -> tensor<4x3xf32>
  %3 = "onnx.ScatterElements"(%2, %k, %b) {axis = 1 : si64} : (tensor<4x3xf32>, tensor<4x1xi64>, tensor<4x1xf32>) -> tensor<4x3xf32>
  return %0, %1, %3 : tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>
}

// -----

// Near misses: what is between the writes is no constant, and what is read between them.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-3: onnx.ScatterND
// CHECK-NOT: onnx.ScatterND
// CHECK: return
func.func @main(%x: tensor<4x3xf32>, %a: tensor<1x3xf32>, %b: tensor<1x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>) {
  %i0 = onnx.Constant dense<0> : tensor<1x1xi64> : tensor<1x1xi64>
  %i1 = onnx.Constant dense<1> : tensor<1x1xi64> : tensor<1x1xi64>
  %0 = "onnx.ScatterND"(%x, %i0, %a) : (tensor<4x3xf32>, tensor<1x1xi64>, tensor<1x3xf32>) -> tensor<4x3xf32>
  %e = "onnx.Exp"(%0) : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %1 = "onnx.ScatterND"(%0, %i1, %b) : (tensor<4x3xf32>, tensor<1x1xi64>, tensor<1x3xf32>) -> tensor<4x3xf32>
  %2 = "onnx.ScatterND"(%e, %i1, %b) : (tensor<4x3xf32>, tensor<1x1xi64>, tensor<1x3xf32>) -> tensor<4x3xf32>
  return %0, %1, %2 : tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>
}
