// RUN: ssm-opt %s --ssm-raise-chunks -split-input-file | FileCheck %s

// Linear attention in chunks of 4, the state carried by a loop over any number of chunks: time is chunk and position.
// CHECK-LABEL: @main
// CHECK:       ssm.semiseparable query(%{{.+}} : tensor<2x?x3xf32, {{.+}}) key({{.+}}) value({{.+}}) initial(%arg3
// CHECK-SAME:    final(tensor<2x3x5xf32>)
// CHECK-NOT:   onnx.Scan
#c = affine_map<()[s0] -> (s0, 2, 4, 3)>
#v = affine_map<()[s0] -> (s0, 2, 4, 5)>
module {
  func.func @main(%q: tensor<?x2x4x3xf32, #c>, %k: tensor<?x2x4x3xf32, #c>, %v: tensor<?x2x4x5xf32, #v>, %s0: tensor<2x3x5xf32>) -> (tensor<2x3x5xf32>, tensor<?x2x4x5xf32, #v>) {
    ssm.bind_dim %q[0] -> 0 : tensor<?x2x4x3xf32, #c>
    %none = onnx.NoValue
    %s, %o = "onnx.Scan"(%s0, %q, %k, %v) ({
    ^bb0(%h: tensor<2x3x5xf32>, %qc: tensor<2x4x3xf32>, %kc: tensor<2x4x3xf32>, %vc: tensor<2x4x5xf32>):
      %kt = "onnx.Transpose"(%kc) {perm = array<i64: 0, 2, 1>} : (tensor<2x4x3xf32>) -> tensor<2x3x4xf32>
      %a = "onnx.MatMul"(%qc, %kt) : (tensor<2x4x3xf32>, tensor<2x3x4xf32>) -> tensor<2x4x4xf32>
      %m = "onnx.Trilu"(%a, %none) {upper = 0 : si64} : (tensor<2x4x4xf32>, none) -> tensor<2x4x4xf32>
      %inside = "onnx.MatMul"(%m, %vc) : (tensor<2x4x4xf32>, tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
      %before = "onnx.MatMul"(%qc, %h) : (tensor<2x4x3xf32>, tensor<2x3x5xf32>) -> tensor<2x4x5xf32>
      %out = "onnx.Add"(%inside, %before) : (tensor<2x4x5xf32>, tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
      %u = "onnx.MatMul"(%kt, %vc) : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
      %n = "onnx.Add"(%h, %u) : (tensor<2x3x5xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
      onnx.Yield %n, %out : tensor<2x3x5xf32>, tensor<2x4x5xf32>
    }) {num_scan_inputs = 3 : si64} : (tensor<2x3x5xf32>, tensor<?x2x4x3xf32, #c>, tensor<?x2x4x3xf32, #c>, tensor<?x2x4x5xf32, #v>) -> (tensor<2x3x5xf32>, tensor<?x2x4x5xf32, #v>)
    return %s, %o : tensor<2x3x5xf32>, tensor<?x2x4x5xf32, #v>
  }
}

// -----

// Without the diagonal it is the state before the update that is read.
// CHECK-LABEL: @main
// CHECK:       ssm.semiseparable
// CHECK-SAME:    read_before
module {
  func.func @main(%q: tensor<6x4x3xf32>, %k: tensor<6x4x3xf32>, %v: tensor<6x4x5xf32>, %s0: tensor<3x5xf32>) -> tensor<6x4x5xf32> {
    %one = onnx.Constant dense<-1> : tensor<i64> : tensor<i64>
    %s, %o = "onnx.Scan"(%s0, %q, %k, %v) ({
    ^bb0(%h: tensor<3x5xf32>, %qc: tensor<4x3xf32>, %kc: tensor<4x3xf32>, %vc: tensor<4x5xf32>):
      %kt = "onnx.Transpose"(%kc) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
      %a = "onnx.MatMul"(%qc, %kt) : (tensor<4x3xf32>, tensor<3x4xf32>) -> tensor<4x4xf32>
      %m = "onnx.Trilu"(%a, %one) {upper = 0 : si64} : (tensor<4x4xf32>, tensor<i64>) -> tensor<4x4xf32>
      %inside = "onnx.MatMul"(%m, %vc) : (tensor<4x4xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
      %before = "onnx.MatMul"(%qc, %h) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
      %out = "onnx.Add"(%inside, %before) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
      %u = "onnx.MatMul"(%kt, %vc) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
      %n = "onnx.Add"(%h, %u) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      onnx.Yield %n, %out : tensor<3x5xf32>, tensor<4x5xf32>
    }) {num_scan_inputs = 3 : si64} : (tensor<3x5xf32>, tensor<6x4x3xf32>, tensor<6x4x3xf32>, tensor<6x4x5xf32>) -> (tensor<3x5xf32>, tensor<6x4x5xf32>)
    return %o : tensor<6x4x5xf32>
  }
}

// -----

// The state is updated with other values than those of the chunk's output.
// CHECK-LABEL: @main
// CHECK:       onnx.Scan
// CHECK-NOT:   ssm.semiseparable
module {
  func.func @main(%q: tensor<6x4x3xf32>, %k: tensor<6x4x3xf32>, %v: tensor<6x4x5xf32>, %s0: tensor<3x5xf32>) -> tensor<6x4x5xf32> {
    %none = onnx.NoValue
    %s, %o = "onnx.Scan"(%s0, %q, %k, %v) ({
    ^bb0(%h: tensor<3x5xf32>, %qc: tensor<4x3xf32>, %kc: tensor<4x3xf32>, %vc: tensor<4x5xf32>):
      %kt = "onnx.Transpose"(%kc) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
      %qt = "onnx.Transpose"(%qc) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
      %a = "onnx.MatMul"(%qc, %kt) : (tensor<4x3xf32>, tensor<3x4xf32>) -> tensor<4x4xf32>
      %m = "onnx.Trilu"(%a, %none) {upper = 0 : si64} : (tensor<4x4xf32>, none) -> tensor<4x4xf32>
      %inside = "onnx.MatMul"(%m, %vc) : (tensor<4x4xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
      %before = "onnx.MatMul"(%qc, %h) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
      %out = "onnx.Add"(%inside, %before) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
      %u = "onnx.MatMul"(%qt, %vc) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
      %n = "onnx.Add"(%h, %u) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      onnx.Yield %n, %out : tensor<3x5xf32>, tensor<4x5xf32>
    }) {num_scan_inputs = 3 : si64} : (tensor<3x5xf32>, tensor<6x4x3xf32>, tensor<6x4x3xf32>, tensor<6x4x5xf32>) -> (tensor<3x5xf32>, tensor<6x4x5xf32>)
    return %o : tensor<6x4x5xf32>
  }
}

// -----

// With chunks of two steps I - A is the inverse of I + A, A strictly lower: the delta rule.
// CHECK-LABEL: @main
// CHECK:       ssm.semiseparable
// CHECK-SAME:    erase_left
// CHECK-NOT:   onnx.Scan
module {
  func.func @main(%q: tensor<6x2x3xf32>, %k: tensor<6x2x3xf32>, %w: tensor<6x2x3xf32>, %v: tensor<6x2x5xf32>, %s0: tensor<3x5xf32>) -> tensor<6x2x5xf32> {
    %none = onnx.NoValue
    %below = onnx.Constant dense<-1> : tensor<i64> : tensor<i64>
    %eye = onnx.Constant dense<[[1.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32> : tensor<2x2xf32>
    %s, %o = "onnx.Scan"(%s0, %q, %k, %w, %v) ({
    ^bb0(%h: tensor<3x5xf32>, %qc: tensor<2x3xf32>, %kc: tensor<2x3xf32>, %wc: tensor<2x3xf32>, %vc: tensor<2x5xf32>):
      %kt = "onnx.Transpose"(%kc) {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
      %wk = "onnx.MatMul"(%wc, %kt) : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
      %n0 = "onnx.Trilu"(%wk, %below) {upper = 0 : si64} : (tensor<2x2xf32>, tensor<i64>) -> tensor<2x2xf32>
      %t = "onnx.Sub"(%eye, %n0) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
      %tv = "onnx.MatMul"(%t, %vc) : (tensor<2x2xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
      %tw = "onnx.MatMul"(%t, %wc) : (tensor<2x2xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
      %known = "onnx.MatMul"(%tw, %h) : (tensor<2x3xf32>, tensor<3x5xf32>) -> tensor<2x5xf32>
      %new = "onnx.Sub"(%tv, %known) : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
      %a = "onnx.MatMul"(%qc, %kt) : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
      %m = "onnx.Trilu"(%a, %none) {upper = 0 : si64} : (tensor<2x2xf32>, none) -> tensor<2x2xf32>
      %inside = "onnx.MatMul"(%m, %new) : (tensor<2x2xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
      %before = "onnx.MatMul"(%qc, %h) : (tensor<2x3xf32>, tensor<3x5xf32>) -> tensor<2x5xf32>
      %out = "onnx.Add"(%inside, %before) : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
      %u = "onnx.MatMul"(%kt, %new) : (tensor<3x2xf32>, tensor<2x5xf32>) -> tensor<3x5xf32>
      %n = "onnx.Add"(%h, %u) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      onnx.Yield %n, %out : tensor<3x5xf32>, tensor<2x5xf32>
    }) {num_scan_inputs = 4 : si64} : (tensor<3x5xf32>, tensor<6x2x3xf32>, tensor<6x2x3xf32>, tensor<6x2x3xf32>, tensor<6x2x5xf32>) -> (tensor<3x5xf32>, tensor<6x2x5xf32>)
    return %o : tensor<6x2x5xf32>
  }
}

// -----

// It is not where chunks have three.
// CHECK-LABEL: @main
// CHECK:       onnx.Scan
// CHECK-NOT:   ssm.semiseparable
module {
  func.func @main(%q: tensor<6x3x4xf32>, %k: tensor<6x3x4xf32>, %w: tensor<6x3x4xf32>, %v: tensor<6x3x5xf32>, %s0: tensor<4x5xf32>) -> tensor<6x3x5xf32> {
    %none = onnx.NoValue
    %below = onnx.Constant dense<-1> : tensor<i64> : tensor<i64>
    %eye = onnx.Constant dense<[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]> : tensor<3x3xf32> : tensor<3x3xf32>
    %s, %o = "onnx.Scan"(%s0, %q, %k, %w, %v) ({
    ^bb0(%h: tensor<4x5xf32>, %qc: tensor<3x4xf32>, %kc: tensor<3x4xf32>, %wc: tensor<3x4xf32>, %vc: tensor<3x5xf32>):
      %kt = "onnx.Transpose"(%kc) {perm = array<i64: 1, 0>} : (tensor<3x4xf32>) -> tensor<4x3xf32>
      %wk = "onnx.MatMul"(%wc, %kt) : (tensor<3x4xf32>, tensor<4x3xf32>) -> tensor<3x3xf32>
      %n0 = "onnx.Trilu"(%wk, %below) {upper = 0 : si64} : (tensor<3x3xf32>, tensor<i64>) -> tensor<3x3xf32>
      %t = "onnx.Sub"(%eye, %n0) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
      %tv = "onnx.MatMul"(%t, %vc) : (tensor<3x3xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      %tw = "onnx.MatMul"(%t, %wc) : (tensor<3x3xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
      %known = "onnx.MatMul"(%tw, %h) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
      %new = "onnx.Sub"(%tv, %known) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      %a = "onnx.MatMul"(%qc, %kt) : (tensor<3x4xf32>, tensor<4x3xf32>) -> tensor<3x3xf32>
      %m = "onnx.Trilu"(%a, %none) {upper = 0 : si64} : (tensor<3x3xf32>, none) -> tensor<3x3xf32>
      %inside = "onnx.MatMul"(%m, %new) : (tensor<3x3xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      %before = "onnx.MatMul"(%qc, %h) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
      %out = "onnx.Add"(%inside, %before) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
      %u = "onnx.MatMul"(%kt, %new) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
      %n = "onnx.Add"(%h, %u) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
      onnx.Yield %n, %out : tensor<4x5xf32>, tensor<3x5xf32>
    }) {num_scan_inputs = 4 : si64} : (tensor<4x5xf32>, tensor<6x3x4xf32>, tensor<6x3x4xf32>, tensor<6x3x4xf32>, tensor<6x3x5xf32>) -> (tensor<4x5xf32>, tensor<6x3x5xf32>)
    return %o : tensor<6x3x5xf32>
  }
}

// -----

// Two chunks written one by one, nothing behind the last.
// CHECK-LABEL: @main
// CHECK:       ssm.semiseparable query(%arg0 : {{.+}}) key(%arg1 : {{.+}}) value(%arg3
// CHECK-NOT:   onnx.Concat
module {
  func.func @main(%q: tensor<8x3xf32>, %k: tensor<8x3xf32>, %l: tensor<8x3xf32>, %v: tensor<8x5xf32>) -> tensor<8x5xf32> {
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %four = onnx.Constant dense<4> : tensor<1xi64> : tensor<1xi64>
    %eight = onnx.Constant dense<8> : tensor<1xi64> : tensor<1xi64>
    %s0 = onnx.Constant dense<0.0> : tensor<3x5xf32> : tensor<3x5xf32>
    %q0 = "onnx.Slice"(%q, %zero, %four, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %k0 = "onnx.Slice"(%k, %zero, %four, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %v0 = "onnx.Slice"(%v, %zero, %four, %zero, %none) : (tensor<8x5xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x5xf32>
    %t0 = "onnx.Transpose"(%k0) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
    %a0 = "onnx.MatMul"(%q0, %t0) : (tensor<4x3xf32>, tensor<3x4xf32>) -> tensor<4x4xf32>
    %m0 = "onnx.Trilu"(%a0, %none) {upper = 0 : si64} : (tensor<4x4xf32>, none) -> tensor<4x4xf32>
    %i0 = "onnx.MatMul"(%m0, %v0) : (tensor<4x4xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %b0 = "onnx.MatMul"(%q0, %s0) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
    %o0 = "onnx.Add"(%i0, %b0) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %u0 = "onnx.MatMul"(%t0, %v0) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
    %s1 = "onnx.Add"(%s0, %u0) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
    %q1 = "onnx.Slice"(%q, %four, %eight, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %k1 = "onnx.Slice"(%k, %four, %eight, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %v1 = "onnx.Slice"(%v, %four, %eight, %zero, %none) : (tensor<8x5xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x5xf32>
    %t1 = "onnx.Transpose"(%k1) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
    %a1 = "onnx.MatMul"(%q1, %t1) : (tensor<4x3xf32>, tensor<3x4xf32>) -> tensor<4x4xf32>
    %m1 = "onnx.Trilu"(%a1, %none) {upper = 0 : si64} : (tensor<4x4xf32>, none) -> tensor<4x4xf32>
    %i1 = "onnx.MatMul"(%m1, %v1) : (tensor<4x4xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %b1 = "onnx.MatMul"(%q1, %s1) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
    %o1 = "onnx.Add"(%i1, %b1) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %o = "onnx.Concat"(%o0, %o1) {axis = 0 : si64} : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<8x5xf32>
    return %o : tensor<8x5xf32>
  }
}

// -----

// The second chunk has other keys than the first.
// CHECK-LABEL: @main
// CHECK-NOT:   ssm.semiseparable
// CHECK:       onnx.Concat
module {
  func.func @main(%q: tensor<8x3xf32>, %k: tensor<8x3xf32>, %l: tensor<8x3xf32>, %v: tensor<8x5xf32>) -> tensor<8x5xf32> {
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %four = onnx.Constant dense<4> : tensor<1xi64> : tensor<1xi64>
    %eight = onnx.Constant dense<8> : tensor<1xi64> : tensor<1xi64>
    %s0 = onnx.Constant dense<0.0> : tensor<3x5xf32> : tensor<3x5xf32>
    %q0 = "onnx.Slice"(%q, %zero, %four, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %k0 = "onnx.Slice"(%k, %zero, %four, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %v0 = "onnx.Slice"(%v, %zero, %four, %zero, %none) : (tensor<8x5xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x5xf32>
    %t0 = "onnx.Transpose"(%k0) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
    %a0 = "onnx.MatMul"(%q0, %t0) : (tensor<4x3xf32>, tensor<3x4xf32>) -> tensor<4x4xf32>
    %m0 = "onnx.Trilu"(%a0, %none) {upper = 0 : si64} : (tensor<4x4xf32>, none) -> tensor<4x4xf32>
    %i0 = "onnx.MatMul"(%m0, %v0) : (tensor<4x4xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %b0 = "onnx.MatMul"(%q0, %s0) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
    %o0 = "onnx.Add"(%i0, %b0) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %u0 = "onnx.MatMul"(%t0, %v0) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
    %s1 = "onnx.Add"(%s0, %u0) : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
    %q1 = "onnx.Slice"(%q, %four, %eight, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %k1 = "onnx.Slice"(%l, %four, %eight, %zero, %none) : (tensor<8x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x3xf32>
    %v1 = "onnx.Slice"(%v, %four, %eight, %zero, %none) : (tensor<8x5xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<4x5xf32>
    %t1 = "onnx.Transpose"(%k1) {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
    %a1 = "onnx.MatMul"(%q1, %t1) : (tensor<4x3xf32>, tensor<3x4xf32>) -> tensor<4x4xf32>
    %m1 = "onnx.Trilu"(%a1, %none) {upper = 0 : si64} : (tensor<4x4xf32>, none) -> tensor<4x4xf32>
    %i1 = "onnx.MatMul"(%m1, %v1) : (tensor<4x4xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %b1 = "onnx.MatMul"(%q1, %s1) : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
    %o1 = "onnx.Add"(%i1, %b1) : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
    %o = "onnx.Concat"(%o0, %o1) {axis = 0 : si64} : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<8x5xf32>
    return %o : tensor<8x5xf32>
  }
}

// -----

// Steps that sum are looked at as chunks, with the size of what they stack put in first. A trip count that could be negative
// has a symbol of its own: the one symbol, however often the loop is looked at.

#blk = affine_map<()[s0, s1] -> (s0, s1, 3)>
#bkk = affine_map<()[s0] -> (s0, 3, 3)>
#bk = affine_map<()[s0] -> (s0, 3)>
#b1k = affine_map<()[s0] -> (s0, 1, 3)>
#out = affine_map<()[s0, s1, s2] -> (s2, s0, 3)>

// CHECK-DAG: #[[OUT:map[0-9]*]] = affine_map<()[s0, s1, s2, s3] -> (s3, s0, 3)>
// CHECK-DAG: #[[MAX:map[0-9]*]] = affine_map<()[s0, s1] -> (s1 - 1, 0)>
// CHECK-LABEL: func.func @main
// CHECK: ssm.bind_expr "max" #[[MAX]] -> 3
// CHECK-NOT: ssm.bind_expr
// CHECK: "onnx.Loop"
// CHECK: -> (tensor<?x3x3xf32, #{{.*}}>, tensor<?x?x3xf32, #[[OUT]]>)
module attributes {onnx.symbols = ["B", "L", ""]} {
  func.func @main(%q: tensor<?x?x3xf32, #blk>, %s0: tensor<?x3x3xf32, #bkk>) -> tensor<?x?x3xf32, #out> {
    ssm.bind_dim %q[0] -> 0 : tensor<?x?x3xf32, #blk>
    ssm.bind_dim %q[1] -> 1 : tensor<?x?x3xf32, #blk>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %trip = onnx.Dims affine_map<()[s0, s1] -> (s1 - 1)> : tensor<i64>
    %r:2 = "onnx.Loop"(%trip, %true, %s0) ({
    ^bb0(%i: tensor<i64>, %go: tensor<i1>, %s: tensor<?x3x3xf32, #bkk>):
      %qt = "onnx.Gather"(%q, %i) <{axis = 1 : si64}> : (tensor<?x?x3xf32, #blk>, tensor<i64>) -> tensor<?x3xf32, #bk>
      %row = "onnx.Unsqueeze"(%qt, %one) : (tensor<?x3xf32, #bk>, tensor<1xi64>) -> tensor<?x1x3xf32, #b1k>
      %read = "onnx.MatMul"(%row, %s) : (tensor<?x1x3xf32, #b1k>, tensor<?x3x3xf32, #bkk>) -> tensor<?x1x3xf32, #b1k>
      %y = "onnx.Squeeze"(%read, %one) : (tensor<?x1x3xf32, #b1k>, tensor<1xi64>) -> tensor<?x3xf32, #bk>
      %next = "onnx.Tanh"(%s) : (tensor<?x3x3xf32, #bkk>) -> tensor<?x3x3xf32, #bkk>
      onnx.Yield %go, %next, %y : tensor<i1>, tensor<?x3x3xf32, #bkk>, tensor<?x3xf32, #bk>
    }) : (tensor<i64>, tensor<i1>, tensor<?x3x3xf32, #bkk>) -> (tensor<?x3x3xf32, #bkk>, tensor<?x?x3xf32, #out>)
    ssm.bind_dim %r#1[0] -> 2 : tensor<?x?x3xf32, #out>
    return %r#1 : tensor<?x?x3xf32, #out>
  }
}
