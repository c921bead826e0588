// RUN: ssm-opt %s --split-input-file --ssm-reroll | FileCheck %s

// Two states that read each other; the first step, from zeros, has lost what they were multiplied with.
// CHECK-LABEL: func.func @main
// CHECK-NOT: onnx.Gather
// CHECK: ssm.recurrence
// CHECK-NOT: onnx.Gather
// CHECK: return
func.func @main(%x: tensor<4x8xf32>, %r: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %first = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %x0 = "onnx.Gather"(%x, %i0) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %n0 = "onnx.Sigmoid"(%x0) : (tensor<8xf32>) -> tensor<8xf32>
  %h0 = "onnx.Tanh"(%n0) : (tensor<8xf32>) -> tensor<8xf32>
  %y0 = "onnx.Mul"(%h0, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z0 = "onnx.Unsqueeze"(%y0, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %x1 = "onnx.Gather"(%x, %i1) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %f1 = "onnx.Sigmoid"(%x1) : (tensor<8xf32>) -> tensor<8xf32>
  %p1 = "onnx.MatMul"(%h0, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %q1 = "onnx.Mul"(%p1, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n1 = "onnx.Add"(%q1, %f1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h1 = "onnx.Tanh"(%n1) : (tensor<8xf32>) -> tensor<8xf32>
  %y1 = "onnx.Mul"(%h1, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z1 = "onnx.Unsqueeze"(%y1, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %x2 = "onnx.Gather"(%x, %i2) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %f2 = "onnx.Sigmoid"(%x2) : (tensor<8xf32>) -> tensor<8xf32>
  %p2 = "onnx.MatMul"(%h1, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %q2 = "onnx.Mul"(%p2, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n2 = "onnx.Add"(%q2, %f2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h2 = "onnx.Tanh"(%n2) : (tensor<8xf32>) -> tensor<8xf32>
  %y2 = "onnx.Mul"(%h2, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z2 = "onnx.Unsqueeze"(%y2, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i3 = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
  %x3 = "onnx.Gather"(%x, %i3) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %f3 = "onnx.Sigmoid"(%x3) : (tensor<8xf32>) -> tensor<8xf32>
  %p3 = "onnx.MatMul"(%h2, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %q3 = "onnx.Mul"(%p3, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n3 = "onnx.Add"(%q3, %f3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h3 = "onnx.Tanh"(%n3) : (tensor<8xf32>) -> tensor<8xf32>
  %y3 = "onnx.Mul"(%h3, %n3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z3 = "onnx.Unsqueeze"(%y3, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%z0, %z1, %z2, %z3) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Near miss: one step is another.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ssm.recurrence
// CHECK: return
func.func @main(%x: tensor<4x8xf32>, %r: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %first = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %x0 = "onnx.Gather"(%x, %i0) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %n0 = "onnx.Sigmoid"(%x0) : (tensor<8xf32>) -> tensor<8xf32>
  %h0 = "onnx.Tanh"(%n0) : (tensor<8xf32>) -> tensor<8xf32>
  %y0 = "onnx.Mul"(%h0, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z0 = "onnx.Unsqueeze"(%y0, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %x1 = "onnx.Gather"(%x, %i1) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %f1 = "onnx.Sigmoid"(%x1) : (tensor<8xf32>) -> tensor<8xf32>
  %p1 = "onnx.MatMul"(%h0, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %q1 = "onnx.Mul"(%p1, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n1 = "onnx.Add"(%q1, %f1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h1 = "onnx.Tanh"(%n1) : (tensor<8xf32>) -> tensor<8xf32>
  %y1 = "onnx.Mul"(%h1, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z1 = "onnx.Unsqueeze"(%y1, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %x2 = "onnx.Gather"(%x, %i2) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %f2 = "onnx.Sigmoid"(%x2) : (tensor<8xf32>) -> tensor<8xf32>
  %p2 = "onnx.MatMul"(%h1, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %q2 = "onnx.Mul"(%p2, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n2 = "onnx.Sub"(%q2, %f2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h2 = "onnx.Tanh"(%n2) : (tensor<8xf32>) -> tensor<8xf32>
  %y2 = "onnx.Mul"(%h2, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z2 = "onnx.Unsqueeze"(%y2, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i3 = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
  %x3 = "onnx.Gather"(%x, %i3) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %f3 = "onnx.Sigmoid"(%x3) : (tensor<8xf32>) -> tensor<8xf32>
  %p3 = "onnx.MatMul"(%h2, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %q3 = "onnx.Mul"(%p3, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n3 = "onnx.Add"(%q3, %f3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h3 = "onnx.Tanh"(%n3) : (tensor<8xf32>) -> tensor<8xf32>
  %y3 = "onnx.Mul"(%h3, %n3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %z3 = "onnx.Unsqueeze"(%y3, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%z0, %z1, %z2, %z3) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// The first step's product with a state from outside depends on no time: it is looked through.
// CHECK-LABEL: func.func @main
// CHECK-NOT: onnx.Gather
// CHECK: ssm.recurrence
// CHECK: return
func.func @main(%x: tensor<4x8xf32>, %r: tensor<8x8xf32>, %other: tensor<8x8xf32>, %h: tensor<8xf32>, %n: tensor<8xf32>) -> tensor<4x8xf32> {
  %first = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %x0 = "onnx.Gather"(%x, %i0) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p0 = "onnx.MatMul"(%h, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a0 = "onnx.Add"(%x0, %p0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q0 = "onnx.Mul"(%a0, %n) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n0 = "onnx.Max"(%q0, %x0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d0 = "onnx.Div"(%a0, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h0 = "onnx.Tanh"(%d0) : (tensor<8xf32>) -> tensor<8xf32>
  %z0 = "onnx.Unsqueeze"(%h0, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %x1 = "onnx.Gather"(%x, %i1) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p1 = "onnx.MatMul"(%h0, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a1 = "onnx.Add"(%x1, %p1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q1 = "onnx.Mul"(%a1, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n1 = "onnx.Max"(%q1, %x1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d1 = "onnx.Div"(%a1, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h1 = "onnx.Tanh"(%d1) : (tensor<8xf32>) -> tensor<8xf32>
  %z1 = "onnx.Unsqueeze"(%h1, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %x2 = "onnx.Gather"(%x, %i2) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p2 = "onnx.MatMul"(%h1, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a2 = "onnx.Add"(%x2, %p2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q2 = "onnx.Mul"(%a2, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n2 = "onnx.Max"(%q2, %x2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d2 = "onnx.Div"(%a2, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h2 = "onnx.Tanh"(%d2) : (tensor<8xf32>) -> tensor<8xf32>
  %z2 = "onnx.Unsqueeze"(%h2, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i3 = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
  %x3 = "onnx.Gather"(%x, %i3) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p3 = "onnx.MatMul"(%h2, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a3 = "onnx.Add"(%x3, %p3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q3 = "onnx.Mul"(%a3, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n3 = "onnx.Max"(%q3, %x3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d3 = "onnx.Div"(%a3, %n3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h3 = "onnx.Tanh"(%d3) : (tensor<8xf32>) -> tensor<8xf32>
  %z3 = "onnx.Unsqueeze"(%h3, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%z0, %z1, %z2, %z3) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Near miss: the first product is with another matrix.
// CHECK-LABEL: func.func @main
// CHECK-NOT: ssm.recurrence
// CHECK: return
func.func @main(%x: tensor<4x8xf32>, %r: tensor<8x8xf32>, %other: tensor<8x8xf32>, %h: tensor<8xf32>, %n: tensor<8xf32>) -> tensor<4x8xf32> {
  %first = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %i0 = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
  %x0 = "onnx.Gather"(%x, %i0) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p0 = "onnx.MatMul"(%h, %other) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a0 = "onnx.Add"(%x0, %p0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q0 = "onnx.Mul"(%a0, %n) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n0 = "onnx.Max"(%q0, %x0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d0 = "onnx.Div"(%a0, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h0 = "onnx.Tanh"(%d0) : (tensor<8xf32>) -> tensor<8xf32>
  %z0 = "onnx.Unsqueeze"(%h0, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i1 = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
  %x1 = "onnx.Gather"(%x, %i1) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p1 = "onnx.MatMul"(%h0, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a1 = "onnx.Add"(%x1, %p1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q1 = "onnx.Mul"(%a1, %n0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n1 = "onnx.Max"(%q1, %x1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d1 = "onnx.Div"(%a1, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h1 = "onnx.Tanh"(%d1) : (tensor<8xf32>) -> tensor<8xf32>
  %z1 = "onnx.Unsqueeze"(%h1, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i2 = onnx.Constant dense<2> : tensor<i64> : tensor<i64>
  %x2 = "onnx.Gather"(%x, %i2) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p2 = "onnx.MatMul"(%h1, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a2 = "onnx.Add"(%x2, %p2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q2 = "onnx.Mul"(%a2, %n1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n2 = "onnx.Max"(%q2, %x2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d2 = "onnx.Div"(%a2, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h2 = "onnx.Tanh"(%d2) : (tensor<8xf32>) -> tensor<8xf32>
  %z2 = "onnx.Unsqueeze"(%h2, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %i3 = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
  %x3 = "onnx.Gather"(%x, %i3) {axis = 0 : si64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<8xf32>
  %p3 = "onnx.MatMul"(%h2, %r) : (tensor<8xf32>, tensor<8x8xf32>) -> tensor<8xf32>
  %a3 = "onnx.Add"(%x3, %p3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %q3 = "onnx.Mul"(%a3, %n2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %n3 = "onnx.Max"(%q3, %x3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %d3 = "onnx.Div"(%a3, %n3) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %h3 = "onnx.Tanh"(%d3) : (tensor<8xf32>) -> tensor<8xf32>
  %z3 = "onnx.Unsqueeze"(%h3, %first) : (tensor<8xf32>, tensor<1xi64>) -> tensor<1x8xf32>
  %y = "onnx.Concat"(%z0, %z1, %z2, %z3) {axis = 0 : si64} : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
