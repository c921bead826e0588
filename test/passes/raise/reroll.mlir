// RUN: ssm-opt %s --split-input-file --ssm-reroll | FileCheck %s

// Four steps, the first simplified for a state of zeros, operands in any order, outputs stacked.
// CHECK-LABEL: func @main
// CHECK: %[[H:.*]] = ssm.selective_scan ins(
// CHECK-NOT: onnx.Mul
// CHECK: return %[[H]]
func.func @main(%a: tensor<4x8xf32>, %x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %i3 = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
  %axis = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %a1 = "onnx.Gather"(%a, %i1) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %a2 = "onnx.Gather"(%a, %i2) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %a3 = "onnx.Gather"(%a, %i3) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x0 = "onnx.Gather"(%x, %i0) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x1 = "onnx.Gather"(%x, %i1) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x2 = "onnx.Gather"(%x, %i2) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x3 = "onnx.Gather"(%x, %i3) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %zero = onnx.Constant dense<0.0> : tensor<8xf32> : tensor<8xf32>
  %h0 = "onnx.Add"(%x0, %zero) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %m1 = "onnx.Mul"(%a1, %h0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h1 = "onnx.Add"(%m1, %x1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %m2 = "onnx.Mul"(%h1, %a2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h2 = "onnx.Add"(%x2, %m2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %m3 = "onnx.Mul"(%a3, %h2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h3 = "onnx.Add"(%m3, %x3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %o0 = "onnx.Unsqueeze"(%h0, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o1 = "onnx.Unsqueeze"(%h1, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o2 = "onnx.Unsqueeze"(%h2, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o3 = "onnx.Unsqueeze"(%h3, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%o0, %o1, %o2, %o3) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Near miss: the third step takes the slice of another place.
// CHECK-LABEL: func @main
// CHECK-NOT: ssm.selective_scan
// CHECK: onnx.Concat
func.func @main(%x: tensor<5x8xf32>, %h0: tensor<8xf32>, %a: tensor<8xf32>) -> tensor<4x8xf32> {
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %i4 = onnx.Constant dense<4> : tensor<i64> : tensor<i64>
  %axis = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %x0 = "onnx.Gather"(%x, %i0) {axis = 0 : si64} : (tensor<5x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x1 = "onnx.Gather"(%x, %i1) {axis = 0 : si64} : (tensor<5x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x2 = "onnx.Gather"(%x, %i4) {axis = 0 : si64} : (tensor<5x8xf32>, tensor<i64>) -> tensor<8xf32>
  %x3 = "onnx.Gather"(%x, %i2) {axis = 0 : si64} : (tensor<5x8xf32>, tensor<i64>) -> tensor<8xf32>
  %m0 = "onnx.Mul"(%h0, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %s0 = "onnx.Add"(%m0, %x0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %m1 = "onnx.Mul"(%s0, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %s1 = "onnx.Add"(%m1, %x1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %m2 = "onnx.Mul"(%s1, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %s2 = "onnx.Add"(%m2, %x2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %m3 = "onnx.Mul"(%s2, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %s3 = "onnx.Add"(%m3, %x3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %o0 = "onnx.Unsqueeze"(%s0, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o1 = "onnx.Unsqueeze"(%s1, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o2 = "onnx.Unsqueeze"(%s2, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o3 = "onnx.Unsqueeze"(%s3, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%o0, %o1, %o2, %o3) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// A state that is given, and a read-out as a product and a sum: one operator, also for the last state.
// CHECK-LABEL: func @main
// CHECK: %[[Y:.*]], %[[H:.*]] = ssm.selective_scan ins({{.*}}) initial(%arg3
// CHECK-SAME: state_rank = 1
// CHECK: return %[[Y]], %[[H]]
func.func @main(%a: tensor<3x8x4xf32>, %u: tensor<3x8x4xf32>, %c: tensor<3x4xf32>, %start: tensor<8x4xf32>) -> (tensor<3x8xf32>, tensor<8x4xf32>) {
  %axis = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %last = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %a0 = "onnx.Gather"(%a, %i0) {axis = 0 : si64} : (tensor<3x8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %a1 = "onnx.Gather"(%a, %i1) {axis = 0 : si64} : (tensor<3x8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %a2 = "onnx.Gather"(%a, %i2) {axis = 0 : si64} : (tensor<3x8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %u0 = "onnx.Gather"(%u, %i0) {axis = 0 : si64} : (tensor<3x8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %u1 = "onnx.Gather"(%u, %i1) {axis = 0 : si64} : (tensor<3x8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %u2 = "onnx.Gather"(%u, %i2) {axis = 0 : si64} : (tensor<3x8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %c0 = "onnx.Gather"(%c, %i0) {axis = 0 : si64} : (tensor<3x4xf32>, tensor<i64>) -> tensor<4xf32>
  %c1 = "onnx.Gather"(%c, %i1) {axis = 0 : si64} : (tensor<3x4xf32>, tensor<i64>) -> tensor<4xf32>
  %c2 = "onnx.Gather"(%c, %i2) {axis = 0 : si64} : (tensor<3x4xf32>, tensor<i64>) -> tensor<4xf32>
  %m0 = "onnx.Mul"(%a0, %start) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %h0 = "onnx.Add"(%m0, %u0) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %m1 = "onnx.Mul"(%h0, %a1) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %h1 = "onnx.Add"(%m1, %u1) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %m2 = "onnx.Mul"(%a2, %h1) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %h2 = "onnx.Add"(%u2, %m2) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %p0 = "onnx.Mul"(%h0, %c0) : (tensor<8x4xf32>, tensor<4xf32>) -> tensor<8x4xf32>
  %p1 = "onnx.Mul"(%c1, %h1) : (tensor<4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %p2 = "onnx.Mul"(%h2, %c2) : (tensor<8x4xf32>, tensor<4xf32>) -> tensor<8x4xf32>
  %y0 = "onnx.ReduceSum"(%p0, %last) {keepdims = 0 : si64} : (tensor<8x4xf32>, tensor<1xi64>) -> tensor<8xf32>
  %y1 = "onnx.ReduceSum"(%p1, %last) {keepdims = 0 : si64} : (tensor<8x4xf32>, tensor<1xi64>) -> tensor<8xf32>
  %y2 = "onnx.ReduceSum"(%p2, %last) {keepdims = 0 : si64} : (tensor<8x4xf32>, tensor<1xi64>) -> tensor<8xf32>
  %o0 = "onnx.Unsqueeze"(%y0, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o1 = "onnx.Unsqueeze"(%y1, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %o2 = "onnx.Unsqueeze"(%y2, %axis) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%o0, %o1, %o2) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<3x8xf32>
  return %y, %h2 : tensor<3x8xf32>, tensor<8x4xf32>
}
