// RUN: ssm-opt %s --ssm-simplify-sizes -split-input-file | FileCheck %s

// min(L, L + 3) is L, its broadcast with L too; the broadcast of two inputs stays open.
// CHECK-DAG: #[[L:.+]] = affine_map<()[s0] -> (s0)>
// CHECK-DAG: #[[OPEN:.+]] = affine_map<()[s0, s1, s2, s3, s4] -> (s4)>
// CHECK-LABEL: func.func @main
// CHECK:         "onnx.Abs"(%arg0) : (tensor<?xf32, #[[L]]>) -> tensor<?xf32, #[[L]]>
// CHECK:         "onnx.Add"(%arg0, %arg1) : (tensor<?xf32, #[[L]]>, {{.*}}) -> tensor<?xf32, #[[OPEN]]>
#l = affine_map<()[s0] -> (s0)>
#m = affine_map<()[s0, s1] -> (s1)>
#b = affine_map<()[s0, s1, s2, s3] -> (s3)>
#open = affine_map<()[s0, s1, s2, s3, s4] -> (s4)>
module attributes {onnx.symbols = ["L", "M", "", "", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %y: tensor<?xf32, #m>) -> (tensor<?xf32, #b>, tensor<?xf32, #open>) {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_dim %y[0] -> 1 : tensor<?xf32, #m>
    ssm.bind_expr "min" affine_map<()[s0, s1] -> (s0 + 3, s0)> -> 2
    ssm.bind_expr "broadcast" affine_map<()[s0, s1, s2] -> (s2, s0)> -> 3
    ssm.bind_expr "broadcast" affine_map<()[s0, s1] -> (s0, s1)> -> 4
    %a = "onnx.Abs"(%x) : (tensor<?xf32, #l>) -> tensor<?xf32, #b>
    %c = "onnx.Add"(%x, %y) : (tensor<?xf32, #l>, tensor<?xf32, #m>) -> tensor<?xf32, #open>
    return %a, %c : tensor<?xf32, #b>, tensor<?xf32, #open>
  }
}

// -----

// Added to L elements, 2 L - min(L, 128) of them can be no other number than L: it is 1 where L is. L + 1 can, for L = 1.
// CHECK-DAG: #[[L:.+]] = affine_map<()[s0] -> (s0)>
// CHECK-DAG: #[[OPEN:.+]] = affine_map<()[s0, s1, s2, s3] -> (s3)>
// CHECK-LABEL: func.func @main
// CHECK:         "onnx.Add"(%arg0, %arg1) : {{.*}} -> tensor<?xf32, #[[L]]>
// CHECK:         "onnx.Add"(%arg0, %arg2) : {{.*}} -> tensor<?xf32, #[[OPEN]]>
#l = affine_map<()[s0] -> (s0)>
#m = affine_map<()[s0, s1] -> (s0 * 2 - s1)>
#n = affine_map<()[s0] -> (s0 + 1)>
#b = affine_map<()[s0, s1, s2] -> (s2)>
#open = affine_map<()[s0, s1, s2, s3] -> (s3)>
module attributes {onnx.symbols = ["L", "", "", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %y: tensor<?xf32, #m>, %z: tensor<?xf32, #n>) -> (tensor<?xf32, #b>, tensor<?xf32, #open>) {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 128)> -> 1
    ssm.bind_expr "broadcast" affine_map<()[s0, s1] -> (s0 * 2 - s1, s0)> -> 2
    ssm.bind_expr "broadcast" affine_map<()[s0] -> (s0, s0 + 1)> -> 3
    %a = "onnx.Add"(%x, %y) : (tensor<?xf32, #l>, tensor<?xf32, #m>) -> tensor<?xf32, #b>
    %c = "onnx.Add"(%x, %z) : (tensor<?xf32, #l>, tensor<?xf32, #n>) -> tensor<?xf32, #open>
    return %a, %c : tensor<?xf32, #b>, tensor<?xf32, #open>
  }
}

// -----

// A slice of at most 64 that is broadcast to the length is all of it: a longer one cannot be broadcast.
// CHECK-DAG: #[[L:.+]] = affine_map<()[s0] -> (s0)>
// CHECK-LABEL: func.func @main
// CHECK:         "onnx.Add"(%arg0, %{{.*}}) : (tensor<?xf32, #[[L]]>, {{.*}}) -> tensor<?xf32, #[[L]]>
#l = affine_map<()[s0] -> (s0)>
#m = affine_map<()[s0, s1] -> (s1)>
#b = affine_map<()[s0, s1, s2] -> (s2)>
module attributes {onnx.symbols = ["L", "", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %y: tensor<64xf32>) -> tensor<?xf32, #b> {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %end = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<1xi64>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 64)> -> 1
    %s = "onnx.Slice"(%y, %zero, %end, %zero, %none) : (tensor<64xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?xf32, #m>
    ssm.bind_expr "broadcast" affine_map<()[s0, s1] -> (s0, s1)> -> 2
    %a = "onnx.Add"(%x, %s) : (tensor<?xf32, #l>, tensor<?xf32, #m>) -> tensor<?xf32, #b>
    return %a : tensor<?xf32, #b>
  }
}

// -----

// L rounded up to chunks of 16, in three ways; n + min(1, n) chunks against n + 1; L * 4 / L is 4.
// CHECK-DAG: #[[UP:.+]] = affine_map<()[s0] -> (-((-s0) floordiv 16))>
// CHECK-DAG: #[[MORE:.+]] = affine_map<()[s0, s1] -> (s1 - (-s0) floordiv 16)>
// CHECK-LABEL: func.func @main
// CHECK:         "onnx.Abs"{{.*}} -> tensor<?xf32, #[[UP]]>
// CHECK:         "onnx.Abs"{{.*}} -> tensor<?xf32, #[[UP]]>
// CHECK:         "onnx.Add"{{.*}} -> tensor<?xf32, #[[MORE]]>
// CHECK:         "onnx.Reshape"{{.*}} -> tensor<4x?xf32
#l = affine_map<()[s0] -> (s0)>
#u = affine_map<()[s0] -> ((s0 + (-(s0 mod 16)) mod 16) floordiv 16)>
#v = affine_map<()[s0] -> (s0 floordiv 16 - ((-s0) floordiv 16 + s0 floordiv 16))>
#m = affine_map<()[s0, s1] -> (s0 ceildiv 16 + s1)>
#n = affine_map<()[s0] -> (s0 ceildiv 16 + 1)>
#b = affine_map<()[s0, s1, s2] -> (s2)>
#four = affine_map<()[s0] -> (s0 * 4)>
#r = affine_map<()[s0, s1, s2, s3] -> (s3, s0)>
module attributes {onnx.symbols = ["L", "", "", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %u: tensor<?xf32, #u>, %v: tensor<?xf32, #v>, %m: tensor<?xf32, #m>, %n: tensor<?xf32, #n>, %y: tensor<?xf32, #four>) -> tensor<?xf32, #u> {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (1, s0 ceildiv 16)> -> 1
    %a = "onnx.Abs"(%u) : (tensor<?xf32, #u>) -> tensor<?xf32, #u>
    %c = "onnx.Abs"(%v) : (tensor<?xf32, #v>) -> tensor<?xf32, #v>
    ssm.bind_expr "broadcast" affine_map<()[s0, s1] -> (s0 ceildiv 16 + 1, s0 ceildiv 16 + s1)> -> 2
    %d = "onnx.Add"(%n, %m) : (tensor<?xf32, #n>, tensor<?xf32, #m>) -> tensor<?xf32, #b>
    %none = onnx.NoValue
    %all = onnx.Dims affine_map<()[s0] -> (s0 * 4)> : tensor<i64>
    %one = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<i64>
    %q = "onnx.Div"(%all, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    ssm.bind_element %q[0] -> 3 : tensor<i64>
    %e = "onnx.Reshape"(%y, %none) : (tensor<?xf32, #four>, none) -> tensor<?x?xf32, #r>
    return %a : tensor<?xf32, #u>
  }
}

// -----

// Two sizes that every run checks to be the same are one, and the check comes as soon as both are known.
// CHECK-DAG: #[[L:.+]] = affine_map<()[s0] -> (s0)>
// CHECK-LABEL: func.func @main
// CHECK:         ssm.bind_dim %arg1[0] -> 1
// CHECK-NEXT:    ssm.bind_expr "same" {{.*}} -> 2
// CHECK:         "onnx.Abs"(%arg1) : (tensor<?xf32, #[[L]]>) -> tensor<?xf32, #[[L]]>
#l = affine_map<()[s0] -> (s0)>
#m = affine_map<()[s0, s1] -> (s1)>
module attributes {onnx.symbols = ["L", "M", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %y: tensor<?xf32, #m>) -> tensor<?xf32, #m> {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_dim %y[0] -> 1 : tensor<?xf32, #m>
    %a = "onnx.Abs"(%y) : (tensor<?xf32, #m>) -> tensor<?xf32, #m>
    ssm.bind_expr "same" affine_map<()[s0, s1] -> (s0, s1)> -> 2
    return %a : tensor<?xf32, #m>
  }
}

// -----

// A check in a branch is no fact of every run.
// CHECK: #[[M:.+]] = affine_map<()[s0, s1] -> (s1)>
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %arg1: tensor<?xf32, #[[M]]>
#l = affine_map<()[s0] -> (s0)>
#m = affine_map<()[s0, s1] -> (s1)>
module attributes {onnx.symbols = ["L", "M", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %y: tensor<?xf32, #m>, %c: tensor<i1>) -> tensor<?xf32, #m> {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_dim %y[0] -> 1 : tensor<?xf32, #m>
    %r = "onnx.If"(%c) ({
      ssm.bind_expr "same" affine_map<()[s0, s1] -> (s0, s1)> -> 2
      onnx.Yield %y : tensor<?xf32, #m>
    }, {
      onnx.Yield %y : tensor<?xf32, #m>
    }) : (tensor<i1>) -> tensor<?xf32, #m>
    return %r : tensor<?xf32, #m>
  }
}

// -----

// What data says is a size is known from the elements that a Reshape keeps, and checked.
// CHECK-LABEL: func.func @main
// CHECK:         ssm.bind_expr "same" #{{.+}} -> 2
// CHECK-NEXT:    "onnx.Reshape"{{.*}} -> tensor<?x1x8xf32
#l = affine_map<()[s0] -> (s0, 8)>
#r = affine_map<()[s0, s1] -> (s0, s1, 8)>
module attributes {onnx.symbols = ["L", ""]} {
  func.func @main(%x: tensor<?x8xf32, #l>, %n: tensor<i64>) -> tensor<?x?x8xf32, #r> {
    ssm.bind_dim %x[0] -> 0 : tensor<?x8xf32, #l>
    ssm.bind_element %n[0] -> 1 : tensor<i64>
    %none = onnx.NoValue
    %e = "onnx.Reshape"(%x, %none) : (tensor<?x8xf32, #l>, none) -> tensor<?x?x8xf32, #r>
    return %e : tensor<?x?x8xf32, #r>
  }
}

// -----

// min(L, 4) elements and the max(L - 4, 0) others are L; a bound of the same two is the same. A bound of others is not.
// CHECK-DAG: #[[L:.+]] = affine_map<()[s0] -> (s0)>
// CHECK-DAG: #[[REST:.+]] = affine_map<()[s0, s1] -> (s0 - s1)>
// CHECK-DAG: #[[HEAD:.+]] = affine_map<()[s0, s1] -> (s1)>
// CHECK-DAG: #[[OPEN:.+]] = affine_map<()[s0, s1, s2, s3, s4] -> (s4)>
// CHECK-LABEL: func.func @main
// CHECK:         "onnx.Concat"{{.*}} : (tensor<?xf32, #[[HEAD]]>, tensor<?xf32, #[[REST]]>) -> tensor<?xf32, #[[L]]>
// CHECK:         "onnx.Expand"{{.*}} -> tensor<?xf32, #[[HEAD]]>
// CHECK:         "onnx.Expand"{{.*}} -> tensor<?xf32, #[[OPEN]]>
#l = affine_map<()[s0] -> (s0)>
#head = affine_map<()[s0, s1] -> (s1)>
#rest = affine_map<()[s0, s1, s2] -> (s2)>
#all = affine_map<()[s0, s1, s2] -> (s1 + s2)>
#again = affine_map<()[s0, s1, s2, s3] -> (s3)>
#other = affine_map<()[s0, s1, s2, s3, s4] -> (s4)>
module attributes {onnx.symbols = ["L", "", "", "", ""]} {
  func.func @main(%x: tensor<?xf32, #l>, %h: tensor<?xf32, #head>, %r: tensor<?xf32, #rest>, %one: tensor<f32>) -> (tensor<?xf32, #all>, tensor<?xf32, #again>, tensor<?xf32, #other>) {
    ssm.bind_dim %x[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (4, s0)> -> 1
    ssm.bind_expr "max" affine_map<()[s0] -> (s0 - 4, 0)> -> 2
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 4)> -> 3
    ssm.bind_expr "max" affine_map<()[s0] -> (s0 - 3, 0)> -> 4
    %none = onnx.NoValue
    %c = "onnx.Concat"(%h, %r) {axis = 0 : si64} : (tensor<?xf32, #head>, tensor<?xf32, #rest>) -> tensor<?xf32, #all>
    %e = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?xf32, #again>
    %f = "onnx.Expand"(%one, %none) : (tensor<f32>, none) -> tensor<?xf32, #other>
    return %c, %e, %f : tensor<?xf32, #all>, tensor<?xf32, #again>, tensor<?xf32, #other>
  }
}
