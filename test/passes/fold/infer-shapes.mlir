// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes | FileCheck %s

// A reshape with -1 divides symbolically; the shape arithmetic dies.
// CHECK-LABEL: func @main
// CHECK-NOT: onnx.Shape
// CHECK: "onnx.Reshape"(%{{.*}}, %{{.*}}) {{.*}} -> tensor<?x8x4xf32, {{.*}}
module attributes {onnx.symbols = ["batch"]} {
  func.func @main(%x: tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>) -> tensor<*xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>
    %shape = "onnx.Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>) -> tensor<*xi64>
    %rest = onnx.Constant dense<[8, -1]> : tensor<2xi64> : tensor<2xi64>
    %full = "onnx.Concat"(%shape, %rest) {axis = 0 : si64} : (tensor<*xi64>, tensor<2xi64>) -> tensor<*xi64>
    %r = "onnx.Reshape"(%x, %full) : (tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>, tensor<*xi64>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// Elements keep their order through ranks above one.
// CHECK-LABEL: func @main
// CHECK-NOT: ssm.bind_element
// CHECK: "onnx.ConstantOfShape"{{.*}} -> tensor<?x3xf32
module attributes {onnx.symbols = ["batch"]} {
  func.func @main(%x: tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>) -> tensor<*xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>
    %first = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %three = onnx.Constant dense<3> : tensor<1xi64> : tensor<1xi64>
    %batch = "onnx.Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x32xf32, affine_map<()[s0] -> (s0, 32)>>) -> tensor<*xi64>
    %shape = "onnx.Concat"(%batch, %three) {axis = 0 : si64} : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
    %row = "onnx.Unsqueeze"(%shape, %first) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
    %same = "onnx.Identity"(%row) : (tensor<*xi64>) -> tensor<*xi64>
    %back = "onnx.Squeeze"(%same, %first) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
    %r = "onnx.ConstantOfShape"(%back) : (tensor<*xi64>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// Sizes that are not proved equal are broadcast at run time.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "broadcast"
// CHECK: "onnx.Add"{{.*}} -> tensor<?xf32
module attributes {onnx.symbols = ["a", "b"]} {
  func.func @main(%x: tensor<?xf32, affine_map<()[s0] -> (s0)>>, %y: tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>) -> tensor<*xf32> {
    %r = "onnx.Add"(%x, %y) : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// A size that data decides is read at run time.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_element
module attributes {onnx.symbols = []} {
  func.func @main(%n: tensor<1xi64>) -> tensor<*xf32> {
    %r = "onnx.ConstantOfShape"(%n) : (tensor<1xi64>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// What a body computes from outer sizes is an outer size.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "broadcast" #{{.*}} -> 2
// CHECK-NEXT: "onnx.Scan"
module attributes {onnx.symbols = ["a", "b"]} {
  func.func @main(%s: tensor<?xf32, affine_map<()[s0] -> (s0)>>, %x: tensor<5x?xf32, affine_map<()[s0, s1] -> (5, s1)>>) -> (tensor<*xf32>, tensor<*xf32>) {
    %r:2 = "onnx.Scan"(%s, %x) ({
    ^bb0(%c: tensor<*xf32>, %e: tensor<*xf32>):
      %y = "onnx.Add"(%c, %e) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
      onnx.Yield %c, %y : tensor<*xf32>, tensor<*xf32>
    }) {num_scan_inputs = 1 : si64} : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<5x?xf32, affine_map<()[s0, s1] -> (5, s1)>>) -> (tensor<*xf32>, tensor<*xf32>)
    return %r#0, %r#1 : tensor<*xf32>, tensor<*xf32>
  }
}

// -----

// One scale for both axes: each size is the smaller of the two that the entries of sizes ask for.
// CHECK: affine_map<()[s0, s1, s2] -> ((s0 * 14 + 4) floordiv 8, (s0 * 16 + s1) floordiv (s1 * 2))>
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "min"
// CHECK: "onnx.Resize"{{.*}} -> tensor<?x?xf32
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%x: tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>) -> tensor<*xf32> {
    %none = onnx.NoValue
    %sizes = onnx.Constant dense<[7, 8]> : tensor<2xi64> : tensor<2xi64>
    %r = "onnx.Resize"(%x, %none, %none, %sizes) {keep_aspect_ratio_policy = "not_larger"} : (tensor<4x?xf32, affine_map<()[s0] -> (4, s0)>>, none, none, tensor<2xi64>) -> tensor<*xf32>
    return %r : tensor<*xf32>
  }
}

// -----

// The rows of NonMaxSuppression are counted beside a table with room for all; the result is a slice of it.
// CHECK-LABEL: func @main
// CHECK: %[[table:.*]], %[[count:.*]] = "onnx.SelectBoxes"{{.*}} -> (tensor<12x3xi64>, tensor<1xi64>)
// CHECK: ssm.bind_element %[[count]][0]
// CHECK: "onnx.Slice"(%[[table]]{{.*}} -> tensor<?x3xi64
// CHECK-NOT: onnx.NonMaxSuppression
module attributes {onnx.symbols = []} {
  func.func @main(%boxes: tensor<2x6x4xf32>, %scores: tensor<2x2x6xf32>) -> tensor<*xi64> {
    %none = onnx.NoValue
    %most = onnx.Constant dense<3> : tensor<i64> : tensor<i64>
    %r = "onnx.NonMaxSuppression"(%boxes, %scores, %most, %none, %none) : (tensor<2x6x4xf32>, tensor<2x2x6xf32>, tensor<i64>, none, none) -> tensor<*xi64>
    return %r : tensor<*xi64>
  }
}

// -----

// A size of an input is not -1: what exporters ask before they expand. A number from an input may be.
// CHECK-LABEL: func @main
// CHECK: "onnx.Expand"(%arg0, {{.*}} -> tensor<?x4xf32,
// CHECK: ssm.bind_element
module attributes {onnx.symbols = ["n"]} {
  func.func @main(%x: tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>, %asked: tensor<2xi64>) -> (tensor<*xf32>, tensor<*xf32>) {
    ssm.bind_dim %x[0] -> 0 : tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>
    %one = onnx.Constant dense<1> : tensor<2xi64> : tensor<2xi64>
    %minus = onnx.Constant dense<-1> : tensor<2xi64> : tensor<2xi64>
    %four = onnx.Constant dense<4> : tensor<1xi64> : tensor<1xi64>
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %s = "onnx.Shape"(%x) {start = 0 : si64, end = 1 : si64} : (tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>) -> tensor<*xi64>
    %d = "onnx.Concat"(%s, %four) {axis = 0 : si64} : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
    %e = "onnx.Equal"(%d, %minus) : (tensor<*xi64>, tensor<2xi64>) -> tensor<*xi1>
    %w = "onnx.Where"(%e, %one, %d) : (tensor<*xi1>, tensor<2xi64>, tensor<*xi64>) -> tensor<*xi64>
    %y = "onnx.Expand"(%x, %w) : (tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>, tensor<*xi64>) -> tensor<*xf32>
    %f = "onnx.Equal"(%asked, %minus) : (tensor<2xi64>, tensor<2xi64>) -> tensor<*xi1>
    %v = "onnx.Where"(%f, %one, %asked) : (tensor<*xi1>, tensor<2xi64>, tensor<2xi64>) -> tensor<*xi64>
    %z = "onnx.Expand"(%x, %v) : (tensor<?x1xf32, affine_map<()[s0] -> (s0, 1)>>, tensor<*xi64>) -> tensor<*xf32>
    return %y, %z : tensor<*xf32>, tensor<*xf32>
  }
}

// -----

// Nor is what two sizes of inputs broadcast to.
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "broadcast"
// CHECK-NOT: ssm.bind_element
// CHECK: "onnx.Expand"
module attributes {onnx.symbols = ["n", "m"]} {
  func.func @main(%x: tensor<?xf32, affine_map<()[s0] -> (s0)>>, %z: tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>) -> tensor<*xf32> {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, affine_map<()[s0] -> (s0)>>
    ssm.bind_dim %z[0] -> 1 : tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %minus = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
    %value = onnx.Constant dense<1.0> : tensor<f32> : tensor<f32>
    %a = "onnx.Add"(%x, %z) : (tensor<?xf32, affine_map<()[s0] -> (s0)>>, tensor<?xf32, affine_map<()[s0, s1] -> (s1)>>) -> tensor<*xf32>
    %s = "onnx.Shape"(%a) {start = 0 : si64} : (tensor<*xf32>) -> tensor<*xi64>
    %e = "onnx.Equal"(%s, %minus) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi1>
    %w = "onnx.Where"(%e, %one, %s) : (tensor<*xi1>, tensor<1xi64>, tensor<*xi64>) -> tensor<*xi64>
    %y = "onnx.Expand"(%value, %w) : (tensor<f32>, tensor<*xi64>) -> tensor<*xf32>
    return %y : tensor<*xf32>
  }
}

// -----

// Pads as torch writes them: pairs from the last axis on, turned around by Slice and Transpose.
// CHECK-LABEL: func @main
// CHECK: onnx.Constant dense<[0, 3, 0, 0, 4, 0]> : tensor<6xi64>
// CHECK: "onnx.Pad"({{.*}} -> tensor<2x12x4xf32>
func.func @main(%x: tensor<2x5x4xf32>) -> tensor<*xf32> {
  %pairs = onnx.Constant dense<[0, 0, 3, 4, 0, 0]> : tensor<6xi64> : tensor<6xi64>
  %shape = onnx.Constant dense<[-1, 2]> : tensor<2xi64> : tensor<2xi64>
  %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
  %minus = onnx.Constant dense<-1> : tensor<1xi64> : tensor<1xi64>
  %end = onnx.Constant dense<-9223372036854775807> : tensor<1xi64> : tensor<1xi64>
  %none = onnx.NoValue
  %two = "onnx.Reshape"(%pairs, %shape) : (tensor<6xi64>, tensor<2xi64>) -> tensor<*xi64>
  %turned = "onnx.Slice"(%two, %minus, %end, %zero, %minus) : (tensor<*xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xi64>
  %across = "onnx.Transpose"(%turned) {perm = array<i64: 1, 0>} : (tensor<*xi64>) -> tensor<*xi64>
  %pads = "onnx.Reshape"(%across, %minus) : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
  %r = "onnx.Pad"(%x, %pads, %none, %none) {mode = "constant"} : (tensor<2x5x4xf32>, tensor<*xi64>, none, none) -> tensor<*xf32>
  return %r : tensor<*xf32>
}
