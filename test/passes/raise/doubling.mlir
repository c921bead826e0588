// RUN: ssm-opt %s --split-input-file --ssm-raise-doubling | FileCheck %s

// Five steps by stages of 1, 2 and 4 back: the padding is the identity of (a, b).
// CHECK-LABEL: func @main(
// CHECK-SAME: %[[A:.*]]: tensor<5x8xf32>, %[[B:.*]]: tensor<5x8xf32>)
// CHECK: %[[H:.*]] = ssm.selective_scan ins(%[[A]], %[[B]]
// CHECK-NOT: onnx.Mul
// CHECK: return %[[H]]
func.func @main(%a: tensor<5x8xf32>, %b: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %fa = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %fb = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %p0 = onnx.Constant dense<[1, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qa0 = "onnx.Pad"(%sa0, %p0, %fa, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qb0 = "onnx.Pad"(%sb0, %p0, %fb, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m0 = "onnx.Mul"(%a, %qb0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b0 = "onnx.Add"(%m0, %b) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %a0 = "onnx.Mul"(%a, %qa0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
  %p1 = onnx.Constant dense<[2, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa1 = "onnx.Slice"(%a0, %z, %n1, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<3x8xf32>
  %qa1 = "onnx.Pad"(%sa1, %p1, %fa, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<3x8xf32>
  %qb1 = "onnx.Pad"(%sb1, %p1, %fb, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b1 = "onnx.Add"(%m1, %b0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %a1 = "onnx.Mul"(%a0, %qa1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %n2 = onnx.Constant dense<-4> : tensor<1xi64> : tensor<1xi64>
  %p2 = onnx.Constant dense<[4, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb2 = "onnx.Slice"(%b1, %z, %n2, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<1x8xf32>
  %qb2 = "onnx.Pad"(%sb2, %p2, %fb, %none) {mode = "constant"} : (tensor<1x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m2 = "onnx.Mul"(%a1, %qb2) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b2 = "onnx.Add"(%m2, %b1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  return %b2 : tensor<5x8xf32>
}

// -----

// Near miss: without the last stage only four steps are summed.
// CHECK-LABEL: func @main(
// CHECK-NOT: ssm.selective_scan
// CHECK: return
func.func @main(%a: tensor<5x8xf32>, %b: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %fa = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %fb = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %p0 = onnx.Constant dense<[1, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qa0 = "onnx.Pad"(%sa0, %p0, %fa, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qb0 = "onnx.Pad"(%sb0, %p0, %fb, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m0 = "onnx.Mul"(%a, %qb0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b0 = "onnx.Add"(%m0, %b) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %a0 = "onnx.Mul"(%a, %qa0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
  %p1 = onnx.Constant dense<[2, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<3x8xf32>
  %qb1 = "onnx.Pad"(%sb1, %p1, %fb, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b1 = "onnx.Add"(%m1, %b0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  return %b1 : tensor<5x8xf32>
}

// -----

// Near miss: three steps back leave one out.
// CHECK-LABEL: func @main(
// CHECK-NOT: ssm.selective_scan
// CHECK: return
func.func @main(%a: tensor<5x8xf32>, %b: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %fa = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %fb = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %p0 = onnx.Constant dense<[1, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qa0 = "onnx.Pad"(%sa0, %p0, %fa, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qb0 = "onnx.Pad"(%sb0, %p0, %fb, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m0 = "onnx.Mul"(%a, %qb0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b0 = "onnx.Add"(%m0, %b) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %a0 = "onnx.Mul"(%a, %qa0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %n1 = onnx.Constant dense<-3> : tensor<1xi64> : tensor<1xi64>
  %p1 = onnx.Constant dense<[3, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<2x8xf32>
  %qb1 = "onnx.Pad"(%sb1, %p1, %fb, %none) {mode = "constant"} : (tensor<2x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b1 = "onnx.Add"(%m1, %b0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  return %b1 : tensor<5x8xf32>
}

// -----

// Near miss: the third stage goes two steps back again, so that some are taken twice.
// CHECK-LABEL: func @main(
// CHECK-NOT: ssm.selective_scan
// CHECK: return
func.func @main(%a: tensor<8x8xf32>, %b: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %fa = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %fb = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %p0 = onnx.Constant dense<[1, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<8x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<7x8xf32>
  %qa0 = "onnx.Pad"(%sa0, %p0, %fa, %none) {mode = "constant"} : (tensor<7x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<8x8xf32>
  %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<8x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<7x8xf32>
  %qb0 = "onnx.Pad"(%sb0, %p0, %fb, %none) {mode = "constant"} : (tensor<7x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<8x8xf32>
  %m0 = "onnx.Mul"(%a, %qb0) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %b0 = "onnx.Add"(%m0, %b) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %a0 = "onnx.Mul"(%a, %qa0) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
  %p1 = onnx.Constant dense<[2, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa1 = "onnx.Slice"(%a0, %z, %n1, %z, %none) : (tensor<8x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<6x8xf32>
  %qa1 = "onnx.Pad"(%sa1, %p1, %fa, %none) {mode = "constant"} : (tensor<6x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<8x8xf32>
  %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<8x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<6x8xf32>
  %qb1 = "onnx.Pad"(%sb1, %p1, %fb, %none) {mode = "constant"} : (tensor<6x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<8x8xf32>
  %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %b1 = "onnx.Add"(%m1, %b0) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %a1 = "onnx.Mul"(%a0, %qa1) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %n3 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
  %p3 = onnx.Constant dense<[2, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb3 = "onnx.Slice"(%b1, %z, %n3, %z, %none) : (tensor<8x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<6x8xf32>
  %qb3 = "onnx.Pad"(%sb3, %p3, %fb, %none) {mode = "constant"} : (tensor<6x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<8x8xf32>
  %m3 = "onnx.Mul"(%a1, %qb3) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %b3 = "onnx.Add"(%m3, %b1) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %b3 : tensor<8x8xf32>
}

// -----

// Near miss: what is before the first step is 1, not 0.
// CHECK-LABEL: func @main(
// CHECK-NOT: ssm.selective_scan
// CHECK: return
func.func @main(%a: tensor<5x8xf32>, %b: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %fa = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %fb = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %p0 = onnx.Constant dense<[1, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qa0 = "onnx.Pad"(%sa0, %p0, %fa, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x8xf32>
  %qb0 = "onnx.Pad"(%sb0, %p0, %fb, %none) {mode = "constant"} : (tensor<4x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m0 = "onnx.Mul"(%a, %qb0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b0 = "onnx.Add"(%m0, %b) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %a0 = "onnx.Mul"(%a, %qa0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
  %p1 = onnx.Constant dense<[2, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sa1 = "onnx.Slice"(%a0, %z, %n1, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<3x8xf32>
  %qa1 = "onnx.Pad"(%sa1, %p1, %fa, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<3x8xf32>
  %qb1 = "onnx.Pad"(%sb1, %p1, %fb, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b1 = "onnx.Add"(%m1, %b0) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %a1 = "onnx.Mul"(%a0, %qa1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %n2 = onnx.Constant dense<-4> : tensor<1xi64> : tensor<1xi64>
  %p2 = onnx.Constant dense<[4, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb2 = "onnx.Slice"(%b1, %z, %n2, %z, %none) : (tensor<5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<1x8xf32>
  %qb2 = "onnx.Pad"(%sb2, %p2, %fb, %none) {mode = "constant"} : (tensor<1x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<5x8xf32>
  %m2 = "onnx.Mul"(%a1, %qb2) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %b2 = "onnx.Add"(%m2, %b1) : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  return %b2 : tensor<5x8xf32>
}

// -----

// Near miss: the decay of the second stage is that of the first.
// CHECK-LABEL: func @main(
// CHECK-NOT: ssm.selective_scan
// CHECK: return
func.func @main(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %fa = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %fb = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %none = onnx.NoValue
  %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %p0 = onnx.Constant dense<[1, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<4x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<3x8xf32>
  %qb0 = "onnx.Pad"(%sb0, %p0, %fb, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<4x8xf32>
  %m0 = "onnx.Mul"(%a, %qb0) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %b0 = "onnx.Add"(%m0, %b) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
  %p1 = onnx.Constant dense<[2, 0, 0, 0]> : tensor<4xi64> : tensor<4xi64>
  %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<4x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<2x8xf32>
  %qb1 = "onnx.Pad"(%sb1, %p1, %fb, %none) {mode = "constant"} : (tensor<2x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<4x8xf32>
  %m1 = "onnx.Mul"(%a, %qb1) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %b1 = "onnx.Add"(%m1, %b0) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %b1 : tensor<4x8xf32>
}

// -----

// Odd and even halves of four steps, interleaved: pairs first, then what is between. Decays are the same in all steps,
// the batch is of any size.
// CHECK-LABEL: func @main(
// CHECK: %[[H:.*]] = ssm.selective_scan ins(
// CHECK-NOT: onnx.Concat
// CHECK: return %[[H]]
#b4 = affine_map<()[s0] -> (s0, 4, 8)>
#b2 = affine_map<()[s0] -> (s0, 2, 8)>
#b1 = affine_map<()[s0] -> (s0, 1, 8)>
#b21 = affine_map<()[s0] -> (s0, 2, 1, 8)>
#b22 = affine_map<()[s0] -> (s0, 2, 2, 8)>
module attributes {onnx.symbols = ["B"]} {
func.func @main(%a: tensor<8xf32>, %b: tensor<?x4x8xf32, #b4>) -> tensor<?x4x8xf32, #b4> {
  ssm.bind_dim %b[0] -> 0 : tensor<?x4x8xf32, #b4>
  %none = onnx.NoValue
  %c0 = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64> : tensor<1xi64>
  %even = "onnx.Slice"(%b, %c0, %end, %c1, %c2) : (tensor<?x4x8xf32, #b4>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x8xf32, #b2>
  %odd = "onnx.Slice"(%b, %c1, %end, %c1, %c2) : (tensor<?x4x8xf32, #b4>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x8xf32, #b2>
  %m = "onnx.Mul"(%a, %even) : (tensor<8xf32>, tensor<?x2x8xf32, #b2>) -> tensor<?x2x8xf32, #b2>
  %pairs = "onnx.Add"(%m, %odd) : (tensor<?x2x8xf32, #b2>, tensor<?x2x8xf32, #b2>) -> tensor<?x2x8xf32, #b2>
  %aa = "onnx.Mul"(%a, %a) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %first = "onnx.Slice"(%pairs, %c0, %c1, %c1, %none) : (tensor<?x2x8xf32, #b2>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x1x8xf32, #b1>
  %second = "onnx.Slice"(%pairs, %c1, %c2, %c1, %none) : (tensor<?x2x8xf32, #b2>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x1x8xf32, #b1>
  %m1 = "onnx.Mul"(%aa, %first) : (tensor<8xf32>, tensor<?x1x8xf32, #b1>) -> tensor<?x1x8xf32, #b1>
  %h3 = "onnx.Add"(%m1, %second) : (tensor<?x1x8xf32, #b1>, tensor<?x1x8xf32, #b1>) -> tensor<?x1x8xf32, #b1>
  %odds = "onnx.Concat"(%first, %h3) {axis = 1 : si64} : (tensor<?x1x8xf32, #b1>, tensor<?x1x8xf32, #b1>) -> tensor<?x2x8xf32, #b2>
  %e0 = "onnx.Slice"(%even, %c0, %c1, %c1, %none) : (tensor<?x2x8xf32, #b2>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x1x8xf32, #b1>
  %e1 = "onnx.Slice"(%even, %c1, %c2, %c1, %none) : (tensor<?x2x8xf32, #b2>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x1x8xf32, #b1>
  %m2 = "onnx.Mul"(%a, %first) : (tensor<8xf32>, tensor<?x1x8xf32, #b1>) -> tensor<?x1x8xf32, #b1>
  %h2 = "onnx.Add"(%e1, %m2) : (tensor<?x1x8xf32, #b1>, tensor<?x1x8xf32, #b1>) -> tensor<?x1x8xf32, #b1>
  %evens = "onnx.Concat"(%e0, %h2) {axis = 1 : si64} : (tensor<?x1x8xf32, #b1>, tensor<?x1x8xf32, #b1>) -> tensor<?x2x8xf32, #b2>
  %u = "onnx.Unsqueeze"(%evens, %c2) : (tensor<?x2x8xf32, #b2>, tensor<1xi64>) -> tensor<?x2x1x8xf32, #b21>
  %w = "onnx.Unsqueeze"(%odds, %c2) : (tensor<?x2x8xf32, #b2>, tensor<1xi64>) -> tensor<?x2x1x8xf32, #b21>
  %both = "onnx.Concat"(%u, %w) {axis = 2 : si64} : (tensor<?x2x1x8xf32, #b21>, tensor<?x2x1x8xf32, #b21>) -> tensor<?x2x2x8xf32, #b22>
  %h = "onnx.Reshape"(%both, %none) : (tensor<?x2x2x8xf32, #b22>, none) -> tensor<?x4x8xf32, #b4>
  return %h : tensor<?x4x8xf32, #b4>
}
}

// -----

// Complex numbers as pairs, three steps: one complex scan, read by sums with c and without.
// CHECK-LABEL: func @main(
// CHECK: %[[Y:.*]] = ssm.selective_scan ins({{.*}}complex{{.*}}state_rank = 1
// CHECK-NOT: onnx.ReduceSum
// CHECK: return %[[Y]]
func.func @main(%ar: tensor<3x8xf32>, %ai: tensor<3x8xf32>, %br: tensor<3x8xf32>, %bi: tensor<3x8xf32>, %cr: tensor<8xf32>, %ci: tensor<8xf32>) -> tensor<3xf32> {
  %axis = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %last = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
  %one = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
  %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
  %p1 = onnx.Constant dense<[1, 0, -1, 0]> : tensor<4xi64> : tensor<4xi64>
  %p2 = onnx.Constant dense<[2, 0, -2, 0]> : tensor<4xi64> : tensor<4xi64>
  %none = onnx.NoValue
  %sar = "onnx.Pad"(%ar, %p1, %one, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<3x8xf32>
  %sai = "onnx.Pad"(%ai, %p1, %zero, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<3x8xf32>
  %sbr = "onnx.Pad"(%br, %p1, %zero, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<3x8xf32>
  %sbi = "onnx.Pad"(%bi, %p1, %zero, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<3x8xf32>
  %m0 = "onnx.Mul"(%ar, %sbr) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m1 = "onnx.Mul"(%ai, %sbi) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m2 = "onnx.Mul"(%ar, %sbi) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m3 = "onnx.Mul"(%ai, %sbr) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %d0 = "onnx.Sub"(%m0, %m1) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %d1 = "onnx.Add"(%m2, %m3) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %hr = "onnx.Add"(%d0, %br) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %hi = "onnx.Add"(%bi, %d1) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m4 = "onnx.Mul"(%ar, %sar) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m5 = "onnx.Mul"(%ai, %sai) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m6 = "onnx.Mul"(%ar, %sai) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %m7 = "onnx.Mul"(%ai, %sar) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %aar = "onnx.Sub"(%m4, %m5) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %aai = "onnx.Add"(%m6, %m7) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %tbr = "onnx.Pad"(%hr, %p2, %zero, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<3x8xf32>
  %tbi = "onnx.Pad"(%hi, %p2, %zero, %none) {mode = "constant"} : (tensor<3x8xf32>, tensor<4xi64>, tensor<f32>, none) -> tensor<3x8xf32>
  %n0 = "onnx.Mul"(%aar, %tbr) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %n1 = "onnx.Mul"(%aai, %tbi) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %n2 = "onnx.Mul"(%aar, %tbi) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %n3 = "onnx.Mul"(%aai, %tbr) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %e0 = "onnx.Sub"(%n0, %n1) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %e1 = "onnx.Add"(%n2, %n3) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %re = "onnx.Add"(%hr, %e0) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %im = "onnx.Add"(%hi, %e1) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %r0 = "onnx.Mul"(%re, %cr) : (tensor<3x8xf32>, tensor<8xf32>) -> tensor<3x8xf32>
  %r1 = "onnx.Mul"(%im, %ci) : (tensor<3x8xf32>, tensor<8xf32>) -> tensor<3x8xf32>
  %r = "onnx.Sub"(%r0, %r1) : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %y = "onnx.ReduceSum"(%r, %last) {keepdims = 0 : si64} : (tensor<3x8xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}
