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
