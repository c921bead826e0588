// RUN: ssm-opt %s --ssm-raise-closed-forms -split-input-file | FileCheck %s

// A ratio of cumulative sums: the decay goes into the producer, nothing is divided any more.
// CHECK-LABEL: @main
// CHECK:       ssm.selective_scan ins(%arg0, %arg1
// CHECK-SAME:    state_rank = 0
// CHECK:         math.exp
// CHECK-NOT:   onnx.CumSum
#x = affine_map<()[s0] -> (2, s0, 8)>
module {
  func.func @main(%g: tensor<2x?x8xf32, #x>, %u: tensor<2x?x8xf32, #x>) -> tensor<2x?x8xf32, #x> {
    ssm.bind_dim %g[1] -> 0 : tensor<2x?x8xf32, #x>
    %axis = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %cs = "onnx.CumSum"(%g, %axis) : (tensor<2x?x8xf32, #x>, tensor<i64>) -> tensor<2x?x8xf32, #x>
    %e = "onnx.Exp"(%cs) : (tensor<2x?x8xf32, #x>) -> tensor<2x?x8xf32, #x>
    %d = "onnx.Div"(%u, %e) : (tensor<2x?x8xf32, #x>, tensor<2x?x8xf32, #x>) -> tensor<2x?x8xf32, #x>
    %s = "onnx.CumSum"(%d, %axis) : (tensor<2x?x8xf32, #x>, tensor<i64>) -> tensor<2x?x8xf32, #x>
    %h = "onnx.Mul"(%e, %s) : (tensor<2x?x8xf32, #x>, tensor<2x?x8xf32, #x>) -> tensor<2x?x8xf32, #x>
    return %h : tensor<2x?x8xf32, #x>
  }
}

// -----

// Causal linear attention by a mask.
// CHECK-LABEL: @main
// CHECK: ssm.semiseparable query(%arg0 : {{.+}}) key(%arg1 : {{.+}}) value(%arg2 :
module {
  func.func @main(%q: tensor<2x5x4xf32>, %k: tensor<2x4x5xf32>, %v: tensor<2x5x8xf32>) -> tensor<2x5x8xf32> {
    %none = onnx.NoValue
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x5x4xf32>, tensor<2x4x5xf32>) -> tensor<2x5x5xf32>
    %m = "onnx.Trilu"(%s, %none) {upper = 0 : si64} : (tensor<2x5x5xf32>, none) -> tensor<2x5x5xf32>
    %o = "onnx.MatMul"(%m, %v) : (tensor<2x5x5xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    return %o : tensor<2x5x8xf32>
  }
}

// -----

// A gate behind merged heads stays outside: with it, keys and values would not be apart.
// CHECK-LABEL: @main
// CHECK: %[[O:.+]] = ssm.semiseparable query(%arg0 : {{.+}}) key(%arg1 : {{.+}}) value(%arg2 :
// CHECK: "onnx.Mul"({{.*}}%arg3
module {
  func.func @main(%q: tensor<2x5x4xf32>, %k: tensor<2x4x5xf32>, %v: tensor<2x5x8xf32>, %z: tensor<5x16xf32>) -> tensor<5x16xf32> {
    %none = onnx.NoValue
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x5x4xf32>, tensor<2x4x5xf32>) -> tensor<2x5x5xf32>
    %m = "onnx.Trilu"(%s, %none) {upper = 0 : si64} : (tensor<2x5x5xf32>, none) -> tensor<2x5x5xf32>
    %o = "onnx.MatMul"(%m, %v) : (tensor<2x5x5xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    %t = "onnx.Transpose"(%o) {perm = array<i64: 1, 0, 2>} : (tensor<2x5x8xf32>) -> tensor<5x2x8xf32>
    %r = "onnx.Reshape"(%t, %none) : (tensor<5x2x8xf32>, none) -> tensor<5x16xf32>
    %g = "onnx.Mul"(%r, %z) : (tensor<5x16xf32>, tensor<5x16xf32>) -> tensor<5x16xf32>
    return %g : tensor<5x16xf32>
  }
}

// -----

// The diagonal is left out: no such recurrence.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.semiseparable
// CHECK: onnx.Trilu
module {
  func.func @main(%q: tensor<2x5x4xf32>, %k: tensor<2x4x5xf32>, %v: tensor<2x5x8xf32>) -> tensor<2x5x8xf32> {
    %minus = onnx.Constant dense<-1> : tensor<i64> : tensor<i64>
    %s = "onnx.MatMul"(%q, %k) : (tensor<2x5x4xf32>, tensor<2x4x5xf32>) -> tensor<2x5x5xf32>
    %m = "onnx.Trilu"(%s, %minus) {upper = 0 : si64} : (tensor<2x5x5xf32>, tensor<i64>) -> tensor<2x5x5xf32>
    %o = "onnx.MatMul"(%m, %v) : (tensor<2x5x5xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    return %o : tensor<2x5x8xf32>
  }
}

// -----

// The two cumulative sums are of different decays.
// CHECK-LABEL: @main
// CHECK: onnx.CumSum
// CHECK: onnx.CumSum
// CHECK: onnx.CumSum
module {
  func.func @main(%g: tensor<2x5x8xf32>, %f: tensor<2x5x8xf32>, %u: tensor<2x5x8xf32>) -> tensor<2x5x8xf32> {
    %axis = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %cs = "onnx.CumSum"(%g, %axis) : (tensor<2x5x8xf32>, tensor<i64>) -> tensor<2x5x8xf32>
    %ds = "onnx.CumSum"(%f, %axis) : (tensor<2x5x8xf32>, tensor<i64>) -> tensor<2x5x8xf32>
    %e = "onnx.Exp"(%cs) : (tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    %x = "onnx.Exp"(%ds) : (tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    %d = "onnx.Div"(%u, %x) : (tensor<2x5x8xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    %s = "onnx.CumSum"(%d, %axis) : (tensor<2x5x8xf32>, tensor<i64>) -> tensor<2x5x8xf32>
    %h = "onnx.Mul"(%e, %s) : (tensor<2x5x8xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
    return %h : tensor<2x5x8xf32>
  }
}

// -----

// A projection behind the recurrence stays behind it; what is read out is a state of the size of the keys.
// CHECK-LABEL: @main
// CHECK: %[[O:.+]] = ssm.semiseparable
// CHECK: "onnx.MatMul"(%[[O]], %arg3)
module {
  func.func @main(%q: tensor<2x5x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x8xf32>, %w: tensor<8x6xf32>) -> tensor<2x5x6xf32> {
    %axis = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %kv = "onnx.Einsum"(%k, %v) {equation = "bik,biv->bikv"} : (tensor<2x5x4xf32>, tensor<2x5x8xf32>) -> tensor<2x5x4x8xf32>
    %s = "onnx.CumSum"(%kv, %axis) : (tensor<2x5x4x8xf32>, tensor<i64>) -> tensor<2x5x4x8xf32>
    %o = "onnx.Einsum"(%q, %s) {equation = "bik,bikv->biv"} : (tensor<2x5x4xf32>, tensor<2x5x4x8xf32>) -> tensor<2x5x8xf32>
    %r = "onnx.MatMul"(%o, %w) : (tensor<2x5x8xf32>, tensor<8x6xf32>) -> tensor<2x5x6xf32>
    return %r : tensor<2x5x6xf32>
  }
}

// -----

// The cumulative sum starts with a zero that is cut off again: its decay is not lost.
// CHECK-LABEL: @main
// CHECK: ssm.selective_scan
// CHECK: math.exp
module {
  func.func @main(%g: tensor<2x5xf32>, %u: tensor<2x5x1xf32>) -> tensor<2x5x1xf32> {
    %none = onnx.NoValue
    %axis = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %six = onnx.Constant dense<6> : tensor<1xi64> : tensor<1xi64>
    %zeros = onnx.Constant dense<0.0> : tensor<2x1xf32> : tensor<2x1xf32>
    %inf = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %ones = onnx.Constant dense<true> : tensor<5x5xi1> : tensor<5x5xi1>
    %cs = "onnx.CumSum"(%g, %axis) : (tensor<2x5xf32>, tensor<i64>) -> tensor<2x5xf32>
    %from = "onnx.Concat"(%zeros, %cs) {axis = 1 : si64} : (tensor<2x1xf32>, tensor<2x5xf32>) -> tensor<2x6xf32>
    %rows = "onnx.Unsqueeze"(%from, %two) : (tensor<2x6xf32>, tensor<1xi64>) -> tensor<2x6x1xf32>
    %columns = "onnx.Unsqueeze"(%from, %one) : (tensor<2x6xf32>, tensor<1xi64>) -> tensor<2x1x6xf32>
    %d = "onnx.Sub"(%rows, %columns) : (tensor<2x6x1xf32>, tensor<2x1x6xf32>) -> tensor<2x6x6xf32>
    %d1 = "onnx.Slice"(%d, %one, %six, %one, %one) : (tensor<2x6x6xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x5x6xf32>
    %d2 = "onnx.Slice"(%d1, %one, %six, %two, %one) : (tensor<2x5x6xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x5x5xf32>
    %past = "onnx.Trilu"(%ones, %none) {upper = 0 : si64} : (tensor<5x5xi1>, none) -> tensor<5x5xi1>
    %masked = "onnx.Where"(%past, %d2, %inf) : (tensor<5x5xi1>, tensor<2x5x5xf32>, tensor<f32>) -> tensor<2x5x5xf32>
    %m = "onnx.Exp"(%masked) : (tensor<2x5x5xf32>) -> tensor<2x5x5xf32>
    %h = "onnx.MatMul"(%m, %u) : (tensor<2x5x5xf32>, tensor<2x5x1xf32>) -> tensor<2x5x1xf32>
    return %h : tensor<2x5x1xf32>
  }
}

// -----

// Any value at t less the same at s telescopes: a constant, whose steps are numbers.
// CHECK-LABEL: @main
// CHECK: %[[G:.+]] = onnx.Constant dense<{{.*}}0.000000e+00{{.*}}-5.000000e-01{{.*}}-1.500000e+00{{.*}}-2.500000e-01
// CHECK: ssm.selective_scan ins(%[[G]], %arg0
// CHECK-NOT: onnx.Sub
module {
  func.func @main(%u: tensor<2x4x1xf32>) -> tensor<2x4x1xf32> {
    %t = onnx.Constant dense<[[[[1.0]], [[0.5]], [[-1.0]], [[-1.25]]]]> : tensor<1x4x1x1xf32> : tensor<1x4x1x1xf32>
    %s = onnx.Constant dense<[[[1.0], [0.5], [-1.0], [-1.25]]]> : tensor<1x4x1xf32> : tensor<1x4x1xf32>
    %mask = onnx.Constant dense<[[[1], [0], [0], [0]], [[1], [1], [0], [0]], [[1], [1], [1], [0]], [[1], [1], [1], [1]]]> : tensor<4x4x1xi1> : tensor<4x4x1xi1>
    %inf = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %d = "onnx.Sub"(%t, %s) : (tensor<1x4x1x1xf32>, tensor<1x4x1xf32>) -> tensor<1x4x4x1xf32>
    %m = "onnx.Where"(%mask, %d, %inf) : (tensor<4x4x1xi1>, tensor<1x4x4x1xf32>, tensor<f32>) -> tensor<1x4x4x1xf32>
    %e = "onnx.Exp"(%m) : (tensor<1x4x4x1xf32>) -> tensor<1x4x4x1xf32>
    %w = "onnx.Unsqueeze"(%u, %one) : (tensor<2x4x1xf32>, tensor<1xi64>) -> tensor<2x1x4x1xf32>
    %p = "onnx.Mul"(%e, %w) : (tensor<1x4x4x1xf32>, tensor<2x1x4x1xf32>) -> tensor<2x4x4x1xf32>
    %h = "onnx.ReduceSum"(%p, %two) <{keepdims = 0 : si64}> : (tensor<2x4x4x1xf32>, tensor<1xi64>) -> tensor<2x4x1xf32>
    return %h : tensor<2x4x1xf32>
  }
}

// -----

// Constants that differ in one element.
// CHECK-LABEL: @main
// CHECK: onnx.ReduceSum
module {
  func.func @main(%u: tensor<2x4x1xf32>) -> tensor<2x4x1xf32> {
    %t = onnx.Constant dense<[[[[1.0]], [[0.5]], [[-1.0]], [[-1.25]]]]> : tensor<1x4x1x1xf32> : tensor<1x4x1x1xf32>
    %s = onnx.Constant dense<[[[1.0], [0.5], [-1.5], [-1.25]]]> : tensor<1x4x1xf32> : tensor<1x4x1xf32>
    %mask = onnx.Constant dense<[[[1], [0], [0], [0]], [[1], [1], [0], [0]], [[1], [1], [1], [0]], [[1], [1], [1], [1]]]> : tensor<4x4x1xi1> : tensor<4x4x1xi1>
    %inf = onnx.Constant dense<0xFF800000> : tensor<f32> : tensor<f32>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %d = "onnx.Sub"(%t, %s) : (tensor<1x4x1x1xf32>, tensor<1x4x1xf32>) -> tensor<1x4x4x1xf32>
    %m = "onnx.Where"(%mask, %d, %inf) : (tensor<4x4x1xi1>, tensor<1x4x4x1xf32>, tensor<f32>) -> tensor<1x4x4x1xf32>
    %e = "onnx.Exp"(%m) : (tensor<1x4x4x1xf32>) -> tensor<1x4x4x1xf32>
    %w = "onnx.Unsqueeze"(%u, %one) : (tensor<2x4x1xf32>, tensor<1xi64>) -> tensor<2x1x4x1xf32>
    %p = "onnx.Mul"(%e, %w) : (tensor<1x4x4x1xf32>, tensor<2x1x4x1xf32>) -> tensor<2x4x4x1xf32>
    %h = "onnx.ReduceSum"(%p, %two) <{keepdims = 0 : si64}> : (tensor<2x4x4x1xf32>, tensor<1xi64>) -> tensor<2x4x1xf32>
    return %h : tensor<2x4x1xf32>
  }
}

// -----

// A value the graph computes, whatever computes it: the one before comes from a shift that repeats the first.
// CHECK-LABEL: @main
// CHECK: %[[BEFORE:.+]] = "onnx.Pad"(%arg0, {{.+}}mode = "edge"
// CHECK: %[[G:.+]] = "onnx.Sub"(%arg0, %[[BEFORE]])
// CHECK: ssm.semiseparable query(%arg1 : {{.+}}) key(%arg2 : {{.+}}) value(%arg3 : {{.+}}) log_decay(%[[G]] :
#f = affine_map<()[s0] -> (2, s0)>
#x = affine_map<()[s0] -> (2, s0, 4)>
#t = affine_map<()[s0] -> (2, s0, 1)>
#s = affine_map<()[s0] -> (2, 1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
module {
  func.func @main(%f: tensor<2x?xf32, #f>, %q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %f[1] -> 0 : tensor<2x?xf32, #f>
    %none = onnx.NoValue
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %t = "onnx.Unsqueeze"(%f, %two) : (tensor<2x?xf32, #f>, tensor<1xi64>) -> tensor<2x?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%f, %one) : (tensor<2x?xf32, #f>, tensor<1xi64>) -> tensor<2x1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<2x?x1xf32, #t>, tensor<2x1x?xf32, #s>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%d) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %e) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %l = "onnx.Trilu"(%w, %none) {upper = 0 : si64} : (tensor<2x?x?xf32, #m>, none) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%l, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}
