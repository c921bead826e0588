// RUN: ssm-opt %s --ssm-raise-closed-forms -split-input-file | FileCheck %s

// A distance that is infinite where it is masked. Zero times infinity counts as zero.
// CHECK-LABEL: @main
// CHECK: %[[SLOPE:.+]] = onnx.Constant dense<{{.*}}-5.000000e-01{{.*}}0.000000e+00
// CHECK: ssm.semiseparable query(%arg0 : {{.+}}) key(%arg1 : {{.+}}) value(%arg2 : {{.+}}) log_decay(%[[SLOPE]] :
#x = affine_map<()[s0] -> (2, s0, 4)>
#r = affine_map<()[s0] -> (s0)>
#t = affine_map<()[s0] -> (s0, 1)>
#s = affine_map<()[s0] -> (1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#l = affine_map<()[s0] -> (s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %first = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %by = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %zeroth = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<0x7F800000> : tensor<f32> : tensor<f32>
    %slope = onnx.Constant dense<[[[-0.5]], [[0.0]]]> : tensor<2x1x1xf32> : tensor<2x1x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<?x?xi1, #l>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<?x?xi1, #l>, none) -> tensor<?x?xi1, #l>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<i64>
    %range = "onnx.Range"(%first, %length, %by) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #r>
    %place = "onnx.Cast"(%range) <{to = 1 : si64}> : (tensor<?xi64, #r>) -> tensor<?xf32, #r>
    %t = "onnx.Unsqueeze"(%place, %one) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%place, %zeroth) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<?x1xf32, #t>, tensor<1x?xf32, #s>) -> tensor<?x?xf32, #l>
    %far = "onnx.Where"(%mask, %d, %inf) : (tensor<?x?xi1, #l>, tensor<?x?xf32, #l>, tensor<f32>) -> tensor<?x?xf32, #l>
    %z = "onnx.Mul"(%far, %slope) : (tensor<?x?xf32, #l>, tensor<2x1x1xf32>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %none_is = "onnx.IsNaN"(%e) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xi1, #m>
    %nan = "onnx.Where"(%none_is, %zero, %e) : (tensor<2x?x?xi1, #m>, tensor<f32>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %nan) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}

// -----

// Nobody says that it does.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.semiseparable
// CHECK: onnx.Exp
#x = affine_map<()[s0] -> (2, s0, 4)>
#r = affine_map<()[s0] -> (s0)>
#t = affine_map<()[s0] -> (s0, 1)>
#s = affine_map<()[s0] -> (1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#l = affine_map<()[s0] -> (s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %first = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %by = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %zeroth = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<0x7F800000> : tensor<f32> : tensor<f32>
    %slope = onnx.Constant dense<[[[-0.5]], [[0.0]]]> : tensor<2x1x1xf32> : tensor<2x1x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<?x?xi1, #l>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<?x?xi1, #l>, none) -> tensor<?x?xi1, #l>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<i64>
    %range = "onnx.Range"(%first, %length, %by) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #r>
    %place = "onnx.Cast"(%range) <{to = 1 : si64}> : (tensor<?xi64, #r>) -> tensor<?xf32, #r>
    %t = "onnx.Unsqueeze"(%place, %one) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%place, %zeroth) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<?x1xf32, #t>, tensor<1x?xf32, #s>) -> tensor<?x?xf32, #l>
    %far = "onnx.Where"(%mask, %d, %inf) : (tensor<?x?xi1, #l>, tensor<?x?xf32, #l>, tensor<f32>) -> tensor<?x?xf32, #l>
    %z = "onnx.Mul"(%far, %slope) : (tensor<?x?xf32, #l>, tensor<2x1x1xf32>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %e) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}

// -----

// Without a slope of zero nobody has to.
// CHECK-LABEL: @main
// CHECK: ssm.semiseparable
#x = affine_map<()[s0] -> (2, s0, 4)>
#r = affine_map<()[s0] -> (s0)>
#t = affine_map<()[s0] -> (s0, 1)>
#s = affine_map<()[s0] -> (1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#l = affine_map<()[s0] -> (s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %first = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %by = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %zeroth = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<0x7F800000> : tensor<f32> : tensor<f32>
    %slope = onnx.Constant dense<[[[-0.5]], [[-0.25]]]> : tensor<2x1x1xf32> : tensor<2x1x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<?x?xi1, #l>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<?x?xi1, #l>, none) -> tensor<?x?xi1, #l>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<i64>
    %range = "onnx.Range"(%first, %length, %by) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #r>
    %place = "onnx.Cast"(%range) <{to = 1 : si64}> : (tensor<?xi64, #r>) -> tensor<?xf32, #r>
    %t = "onnx.Unsqueeze"(%place, %one) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%place, %zeroth) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<?x1xf32, #t>, tensor<1x?xf32, #s>) -> tensor<?x?xf32, #l>
    %far = "onnx.Where"(%mask, %d, %inf) : (tensor<?x?xi1, #l>, tensor<?x?xf32, #l>, tensor<f32>) -> tensor<?x?xf32, #l>
    %z = "onnx.Mul"(%far, %slope) : (tensor<?x?xf32, #l>, tensor<2x1x1xf32>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %e) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}

// -----

// Infinity where the exponent rises is no mask.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.semiseparable
// CHECK: onnx.Exp
#x = affine_map<()[s0] -> (2, s0, 4)>
#r = affine_map<()[s0] -> (s0)>
#t = affine_map<()[s0] -> (s0, 1)>
#s = affine_map<()[s0] -> (1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#l = affine_map<()[s0] -> (s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %first = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %by = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %zeroth = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<0x7F800000> : tensor<f32> : tensor<f32>
    %slope = onnx.Constant dense<[[[-0.5]], [[0.25]]]> : tensor<2x1x1xf32> : tensor<2x1x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<?x?xi1, #l>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<?x?xi1, #l>, none) -> tensor<?x?xi1, #l>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<i64>
    %range = "onnx.Range"(%first, %length, %by) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #r>
    %place = "onnx.Cast"(%range) <{to = 1 : si64}> : (tensor<?xi64, #r>) -> tensor<?xf32, #r>
    %t = "onnx.Unsqueeze"(%place, %one) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%place, %zeroth) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<?x1xf32, #t>, tensor<1x?xf32, #s>) -> tensor<?x?xf32, #l>
    %far = "onnx.Where"(%mask, %d, %inf) : (tensor<?x?xi1, #l>, tensor<?x?xf32, #l>, tensor<f32>) -> tensor<?x?xf32, #l>
    %z = "onnx.Mul"(%far, %slope) : (tensor<?x?xf32, #l>, tensor<2x1x1xf32>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %none_is = "onnx.IsNaN"(%e) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xi1, #m>
    %nan = "onnx.Where"(%none_is, %zero, %e) : (tensor<2x?x?xi1, #m>, tensor<f32>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %nan) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}

// -----

// Nor is a large number.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.semiseparable
// CHECK: onnx.Exp
#x = affine_map<()[s0] -> (2, s0, 4)>
#r = affine_map<()[s0] -> (s0)>
#t = affine_map<()[s0] -> (s0, 1)>
#s = affine_map<()[s0] -> (1, s0)>
#k = affine_map<()[s0] -> (2, 4, s0)>
#m = affine_map<()[s0] -> (2, s0, s0)>
#l = affine_map<()[s0] -> (s0, s0)>
module {
  func.func @main(%q: tensor<2x?x4xf32, #x>, %k: tensor<2x?x4xf32, #x>, %v: tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x> {
    ssm.bind_dim %q[1] -> 0 : tensor<2x?x4xf32, #x>
    %none = onnx.NoValue
    %first = onnx.Constant dense<0> : tensor<i64> : tensor<i64>
    %by = onnx.Constant dense<1> : tensor<i64> : tensor<i64>
    %zeroth = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %true = onnx.Constant dense<true> : tensor<i1> : tensor<i1>
    %inf = onnx.Constant dense<4.0> : tensor<f32> : tensor<f32>
    %slope = onnx.Constant dense<[[[-0.5]], [[-0.25]]]> : tensor<2x1x1xf32> : tensor<2x1x1xf32>
    %all = "onnx.Expand"(%true, %none) : (tensor<i1>, none) -> tensor<?x?xi1, #l>
    %mask = "onnx.Trilu"(%all, %none) {upper = 0 : si64} : (tensor<?x?xi1, #l>, none) -> tensor<?x?xi1, #l>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<i64>
    %range = "onnx.Range"(%first, %length, %by) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #r>
    %place = "onnx.Cast"(%range) <{to = 1 : si64}> : (tensor<?xi64, #r>) -> tensor<?xf32, #r>
    %t = "onnx.Unsqueeze"(%place, %one) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<?x1xf32, #t>
    %s = "onnx.Unsqueeze"(%place, %zeroth) : (tensor<?xf32, #r>, tensor<1xi64>) -> tensor<1x?xf32, #s>
    %d = "onnx.Sub"(%t, %s) : (tensor<?x1xf32, #t>, tensor<1x?xf32, #s>) -> tensor<?x?xf32, #l>
    %far = "onnx.Where"(%mask, %d, %inf) : (tensor<?x?xi1, #l>, tensor<?x?xf32, #l>, tensor<f32>) -> tensor<?x?xf32, #l>
    %z = "onnx.Mul"(%far, %slope) : (tensor<?x?xf32, #l>, tensor<2x1x1xf32>) -> tensor<2x?x?xf32, #m>
    %e = "onnx.Exp"(%z) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %zero = onnx.Constant dense<0.0> : tensor<f32> : tensor<f32>
    %none_is = "onnx.IsNaN"(%e) : (tensor<2x?x?xf32, #m>) -> tensor<2x?x?xi1, #m>
    %nan = "onnx.Where"(%none_is, %zero, %e) : (tensor<2x?x?xi1, #m>, tensor<f32>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %kt = "onnx.Transpose"(%k) {perm = array<i64: 0, 2, 1>} : (tensor<2x?x4xf32, #x>) -> tensor<2x4x?xf32, #k>
    %c = "onnx.MatMul"(%q, %kt) : (tensor<2x?x4xf32, #x>, tensor<2x4x?xf32, #k>) -> tensor<2x?x?xf32, #m>
    %w = "onnx.Mul"(%c, %nan) : (tensor<2x?x?xf32, #m>, tensor<2x?x?xf32, #m>) -> tensor<2x?x?xf32, #m>
    %o = "onnx.MatMul"(%w, %v) : (tensor<2x?x?xf32, #m>, tensor<2x?x4xf32, #x>) -> tensor<2x?x4xf32, #x>
    return %o : tensor<2x?x4xf32, #x>
  }
}
