// RUN: ssm-opt %s --split-input-file --ssm-raise-doubling | FileCheck %s

// Three stages over a length that only the run knows: the recurrence up to eight steps, else what it was.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[A:.+]]: tensor<?x4xf32, #[[L:.+]]>, %[[B:.+]]: tensor<?x4xf32, #[[L]]>)
// CHECK-NOT: onnx.Slice
// CHECK-DAG: %[[LENGTH:.+]] = onnx.Dims #{{.+}} : tensor<i64>
// CHECK-DAG: %[[MOST:.+]] = onnx.Constant dense<8> : tensor<i64>
// CHECK: %[[SHORT:.+]] = "onnx.LessOrEqual"(%[[LENGTH]], %[[MOST]])
// CHECK: %[[Y:.+]] = "onnx.If"(%[[SHORT]]) ({
// CHECK:   %[[H:.+]] = ssm.selective_scan ins(%[[A]], %[[B]]
// CHECK:   onnx.Yield %[[H]]
// CHECK: }, {
// CHECK-COUNT-5: onnx.Concat
// CHECK:   %[[SUM:.+]] = "onnx.Add"
// CHECK:   onnx.Yield %[[SUM]]
// CHECK: return %[[Y]]
#l = affine_map<()[s0] -> (s0, 4)>
#h0 = affine_map<()[s0, s1] -> (s1, 4)>
#r0 = affine_map<()[s0, s1] -> (s0 - s1, 4)>
#h1 = affine_map<()[s0, s1, s2] -> (s2, 4)>
#r1 = affine_map<()[s0, s1, s2] -> (s0 - s2, 4)>
#h2 = affine_map<()[s0, s1, s2, s3] -> (s3, 4)>
#r2 = affine_map<()[s0, s1, s2, s3] -> (s0 - s3, 4)>
module attributes {onnx.symbols = ["L", "", "", ""]} {
  func.func @main(%a: tensor<?x4xf32, #l>, %b: tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l> {
    ssm.bind_dim %a[0] -> 0 : tensor<?x4xf32, #l>
    %none = onnx.NoValue
    %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %one = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 1)> -> 1
    %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %fa0 = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h0>
    %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r0>
    %qa0 = "onnx.Concat"(%fa0, %sa0) {axis = 0 : si64} : (tensor<?x4xf32, #h0>, tensor<?x4xf32, #r0>) -> tensor<?x4xf32, #l>
    %fb0 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h0>
    %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r0>
    %qb0 = "onnx.Concat"(%fb0, %sb0) {axis = 0 : si64} : (tensor<?x4xf32, #h0>, tensor<?x4xf32, #r0>) -> tensor<?x4xf32, #l>
    %m0 = "onnx.Mul"(%a, %qb0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b0 = "onnx.Add"(%m0, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %a0 = "onnx.Mul"(%a, %qa0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 2)> -> 2
    %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
    %fa1 = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h1>
    %sa1 = "onnx.Slice"(%a0, %z, %n1, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r1>
    %qa1 = "onnx.Concat"(%fa1, %sa1) {axis = 0 : si64} : (tensor<?x4xf32, #h1>, tensor<?x4xf32, #r1>) -> tensor<?x4xf32, #l>
    %fb1 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h1>
    %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r1>
    %qb1 = "onnx.Concat"(%fb1, %sb1) {axis = 0 : si64} : (tensor<?x4xf32, #h1>, tensor<?x4xf32, #r1>) -> tensor<?x4xf32, #l>
    %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b1 = "onnx.Add"(%m1, %b0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %a1 = "onnx.Mul"(%a0, %qa1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 4)> -> 3
    %n2 = onnx.Constant dense<-4> : tensor<1xi64> : tensor<1xi64>
    %fb2 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h2>
    %sb2 = "onnx.Slice"(%b1, %z, %n2, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r2>
    %qb2 = "onnx.Concat"(%fb2, %sb2) {axis = 0 : si64} : (tensor<?x4xf32, #h2>, tensor<?x4xf32, #r2>) -> tensor<?x4xf32, #l>
    %m2 = "onnx.Mul"(%a1, %qb2) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b2 = "onnx.Add"(%m2, %b1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    return %b2 : tensor<?x4xf32, #l>
  }
}

// -----

// The last stage is one step too short: position 7 misses what was at position 0.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: onnx.If
// CHECK: return
#l = affine_map<()[s0] -> (s0, 4)>
#h0 = affine_map<()[s0, s1] -> (s1, 4)>
#r0 = affine_map<()[s0, s1] -> (s0 - s1, 4)>
#h1 = affine_map<()[s0, s1, s2] -> (s2, 4)>
#r1 = affine_map<()[s0, s1, s2] -> (s0 - s2, 4)>
#h2 = affine_map<()[s0, s1, s2, s3] -> (s3, 4)>
#r2 = affine_map<()[s0, s1, s2, s3] -> (s0 - s3, 4)>
module attributes {onnx.symbols = ["L", "", "", ""]} {
  func.func @main(%a: tensor<?x4xf32, #l>, %b: tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l> {
    ssm.bind_dim %a[0] -> 0 : tensor<?x4xf32, #l>
    %none = onnx.NoValue
    %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %one = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 1)> -> 1
    %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %fa0 = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h0>
    %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r0>
    %qa0 = "onnx.Concat"(%fa0, %sa0) {axis = 0 : si64} : (tensor<?x4xf32, #h0>, tensor<?x4xf32, #r0>) -> tensor<?x4xf32, #l>
    %fb0 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h0>
    %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r0>
    %qb0 = "onnx.Concat"(%fb0, %sb0) {axis = 0 : si64} : (tensor<?x4xf32, #h0>, tensor<?x4xf32, #r0>) -> tensor<?x4xf32, #l>
    %m0 = "onnx.Mul"(%a, %qb0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b0 = "onnx.Add"(%m0, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %a0 = "onnx.Mul"(%a, %qa0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 2)> -> 2
    %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
    %fa1 = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h1>
    %sa1 = "onnx.Slice"(%a0, %z, %n1, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r1>
    %qa1 = "onnx.Concat"(%fa1, %sa1) {axis = 0 : si64} : (tensor<?x4xf32, #h1>, tensor<?x4xf32, #r1>) -> tensor<?x4xf32, #l>
    %fb1 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h1>
    %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r1>
    %qb1 = "onnx.Concat"(%fb1, %sb1) {axis = 0 : si64} : (tensor<?x4xf32, #h1>, tensor<?x4xf32, #r1>) -> tensor<?x4xf32, #l>
    %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b1 = "onnx.Add"(%m1, %b0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %a1 = "onnx.Mul"(%a0, %qa1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 3)> -> 3
    %n2 = onnx.Constant dense<-3> : tensor<1xi64> : tensor<1xi64>
    %fb2 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h2>
    %sb2 = "onnx.Slice"(%b1, %z, %n2, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r2>
    %qb2 = "onnx.Concat"(%fb2, %sb2) {axis = 0 : si64} : (tensor<?x4xf32, #h2>, tensor<?x4xf32, #r2>) -> tensor<?x4xf32, #l>
    %m2 = "onnx.Mul"(%a1, %qb2) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b2 = "onnx.Add"(%m2, %b1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    return %b2 : tensor<?x4xf32, #l>
  }
}

// -----

// Four steps are too few to be worth a choice.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: onnx.If
// CHECK: return
#l = affine_map<()[s0] -> (s0, 4)>
#h0 = affine_map<()[s0, s1] -> (s1, 4)>
#r0 = affine_map<()[s0, s1] -> (s0 - s1, 4)>
#h1 = affine_map<()[s0, s1, s2] -> (s2, 4)>
#r1 = affine_map<()[s0, s1, s2] -> (s0 - s2, 4)>
module attributes {onnx.symbols = ["L", "", ""]} {
  func.func @main(%a: tensor<?x4xf32, #l>, %b: tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l> {
    ssm.bind_dim %a[0] -> 0 : tensor<?x4xf32, #l>
    %none = onnx.NoValue
    %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %one = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 1)> -> 1
    %n0 = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %fa0 = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h0>
    %sa0 = "onnx.Slice"(%a, %z, %n0, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r0>
    %qa0 = "onnx.Concat"(%fa0, %sa0) {axis = 0 : si64} : (tensor<?x4xf32, #h0>, tensor<?x4xf32, #r0>) -> tensor<?x4xf32, #l>
    %fb0 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h0>
    %sb0 = "onnx.Slice"(%b, %z, %n0, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r0>
    %qb0 = "onnx.Concat"(%fb0, %sb0) {axis = 0 : si64} : (tensor<?x4xf32, #h0>, tensor<?x4xf32, #r0>) -> tensor<?x4xf32, #l>
    %m0 = "onnx.Mul"(%a, %qb0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b0 = "onnx.Add"(%m0, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %a0 = "onnx.Mul"(%a, %qa0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 2)> -> 2
    %n1 = onnx.Constant dense<-2> : tensor<1xi64> : tensor<1xi64>
    %fb1 = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h1>
    %sb1 = "onnx.Slice"(%b0, %z, %n1, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r1>
    %qb1 = "onnx.Concat"(%fb1, %sb1) {axis = 0 : si64} : (tensor<?x4xf32, #h1>, tensor<?x4xf32, #r1>) -> tensor<?x4xf32, #l>
    %m1 = "onnx.Mul"(%a0, %qb1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b1 = "onnx.Add"(%m1, %b0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    return %b1 : tensor<?x4xf32, #l>
  }
}

// -----

// Eight stages that each look one step further back: no parallel scan.
// CHECK-LABEL: func.func @main(
// CHECK-NOT: onnx.If
// CHECK: return
#l = affine_map<()[s0] -> (s0, 4)>
#h = affine_map<()[s0, s1] -> (s1, 4)>
#r = affine_map<()[s0, s1] -> (s0 - s1, 4)>
module attributes {onnx.symbols = ["L", ""]} {
  func.func @main(%a: tensor<?x4xf32, #l>, %b: tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l> {
    ssm.bind_dim %a[0] -> 0 : tensor<?x4xf32, #l>
    %none = onnx.NoValue
    %z = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %minus = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 1)> -> 1
    %f = "onnx.Expand"(%zero, %none) : (tensor<f32>, none) -> tensor<?x4xf32, #h>
    %s0 = "onnx.Slice"(%b, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q0 = "onnx.Concat"(%f, %s0) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m0 = "onnx.Mul"(%a, %q0) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b0 = "onnx.Add"(%m0, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s1 = "onnx.Slice"(%b0, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q1 = "onnx.Concat"(%f, %s1) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m1 = "onnx.Mul"(%a, %q1) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b1 = "onnx.Add"(%m1, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s2 = "onnx.Slice"(%b1, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q2 = "onnx.Concat"(%f, %s2) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m2 = "onnx.Mul"(%a, %q2) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b2 = "onnx.Add"(%m2, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s3 = "onnx.Slice"(%b2, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q3 = "onnx.Concat"(%f, %s3) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m3 = "onnx.Mul"(%a, %q3) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b3 = "onnx.Add"(%m3, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s4 = "onnx.Slice"(%b3, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q4 = "onnx.Concat"(%f, %s4) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m4 = "onnx.Mul"(%a, %q4) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b4 = "onnx.Add"(%m4, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s5 = "onnx.Slice"(%b4, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q5 = "onnx.Concat"(%f, %s5) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m5 = "onnx.Mul"(%a, %q5) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b5 = "onnx.Add"(%m5, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s6 = "onnx.Slice"(%b5, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q6 = "onnx.Concat"(%f, %s6) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m6 = "onnx.Mul"(%a, %q6) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b6 = "onnx.Add"(%m6, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %s7 = "onnx.Slice"(%b6, %z, %minus, %z, %none) : (tensor<?x4xf32, #l>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x4xf32, #r>
    %q7 = "onnx.Concat"(%f, %s7) {axis = 0 : si64} : (tensor<?x4xf32, #h>, tensor<?x4xf32, #r>) -> tensor<?x4xf32, #l>
    %m7 = "onnx.Mul"(%a, %q7) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    %b7 = "onnx.Add"(%m7, %b) : (tensor<?x4xf32, #l>, tensor<?x4xf32, #l>) -> tensor<?x4xf32, #l>
    return %b7 : tensor<?x4xf32, #l>
  }
}
