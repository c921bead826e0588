// RUN: ssm-opt %s --ssm-plan-memory --split-input-file | FileCheck %s

// Neighbours of a chain take turns in two places; what the caller gets lies in its own memory.
// CHECK-DAG: #[[LOW:.*]] = affine_map<() -> (0)>
// CHECK-DAG: #[[HIGH:.*]] = affine_map<() -> (256)>
// CHECK: ssm.arena = 512 : i64
// CHECK-LABEL: func @main
// CHECK: ssm.arena 0 of #{{.*}}
// CHECK: %[[A:.*]] = ssm.dispatch @f(%arg0) {{.*}}ssm.arenas = array<i64: 0>, ssm.offsets = #[[P:.*]]}
// CHECK: %[[B:.*]] = ssm.dispatch @f(%[[A]]) {{.*}}ssm.offsets = #[[Q:.*]]}
// CHECK: %[[C:.*]] = ssm.dispatch @f(%[[B]]) {{.*}}ssm.offsets = #[[P]]}
// CHECK: ssm.dispatch @f(%[[C]]) #{{[a-z0-9]*}} :
module {
  func.func private @f(%x: tensor<64xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    return %x : tensor<64xf32>
  }
  func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
    %a = ssm.dispatch @f(%x) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    %b = ssm.dispatch @f(%a) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    %c = ssm.dispatch @f(%b) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    %d = ssm.dispatch @f(%c) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    return %d : tensor<64xf32>
  }
}

// -----

// A view keeps the buffer of its operand alive: nothing shares, and 4 bytes take a line of 64.
// CHECK: ssm.arena = 384 : i64
// CHECK-LABEL: func @main
module {
  func.func private @f(%x: tensor<64xf32>) -> tensor<f32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    %0 = onnx.Dims affine_map<() -> ()> : tensor<f32>
    return %0 : tensor<f32>
  }
  func.func private @g(%x: tensor<64xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    return %x : tensor<64xf32>
  }
  func.func private @h(%x: tensor<64xf32>, %y: tensor<f32>, %z: tensor<16xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    return %x : tensor<64xf32>
  }
  func.func private @k(%x: tensor<64xf32>) -> tensor<16xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    %0 = onnx.Dims affine_map<() -> ()> : tensor<16xf32>
    return %0 : tensor<16xf32>
  }
  func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
    %none = "onnx.NoValue"() : () -> none
    %a = ssm.dispatch @g(%x) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    %view = "onnx.Reshape"(%a, %none) : (tensor<64xf32>, none) -> tensor<64xf32>
    %b = ssm.dispatch @f(%x) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<f32>
    %c = ssm.dispatch @k(%x) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<16xf32>
    %d = ssm.dispatch @h(%view, %b, %c) affine_map<() -> ()> : (tensor<64xf32>, tensor<f32>, tensor<16xf32>) -> tensor<64xf32>
    return %d : tensor<64xf32>
  }
}

// -----

// Sizes of two inputs: neither is proved the larger, so what lies above both starts at a maximum, which is a symbol. The
// number of dimension 0 is odd: the offset is rounded to a line.
// CHECK-DAG: #[[TWO:.*]] = affine_map<()[s0, s1] -> (s1 * 4 + 64, s0 * 4 + 64)>
// CHECK-DAG: #[[ALL:.*]] = affine_map<()[s0, s1, s2] -> (s2 + 256)>
// CHECK-DAG: #[[UP:.*]] = affine_map<()[s0, s1, s2] -> ((s2 ceildiv 64) * 64)>
// CHECK: ssm.arena = "256 + max(64 + 4 * columns, 64 + 4 * rows)"
// CHECK-LABEL: func @main
// CHECK: ssm.bind_dim %arg0[0] -> 0
// CHECK: ssm.bind_dim %arg1[0] -> 1
// CHECK: ssm.bind_expr "max" #[[TWO]] -> 2
// CHECK: ssm.arena 0 of #[[ALL]]
// CHECK: ssm.dispatch @keep(%arg2) {{.*}}ssm.offsets = #[[UP]]}
#m = affine_map<()[s0] -> (s0)>
#n = affine_map<()[s0, s1] -> (s1)>
!s = tensor<?xf32, #m>
!t = tensor<?xf32, #n>
module attributes {onnx.symbols = ["rows", "columns"]} {
  func.func private @f(%x: !s) -> !s attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    return %x : !s
  }
  func.func private @keep(%x: tensor<64xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    return %x : tensor<64xf32>
  }
  func.func private @use(%x: tensor<64xf32>, %y: !s) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    return %x : tensor<64xf32>
  }
  func.func @main(%x: !s, %y: !t, %z: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
    ssm.bind_dim %x[0] -> 0 : !s
    %k = ssm.dispatch @keep(%z) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    %a = ssm.dispatch @f(%x) affine_map<()[s0] -> (s0)> : (!s) -> !s
    %c = ssm.dispatch @use(%k, %a) affine_map<()[s0] -> (s0)> : (tensor<64xf32>, !s) -> tensor<64xf32>
    ssm.bind_dim %y[0] -> 1 : !t
    %b = ssm.dispatch @f(%y) affine_map<()[s0, s1] -> (s1)> : (!t) -> !t
    %d = ssm.dispatch @use(%k, %b) affine_map<()[s0, s1] -> (s1)> : (tensor<64xf32>, !t) -> tensor<64xf32>
    return %c, %d : tensor<64xf32>, tensor<64xf32>
  }
}

// -----

// A size that may come out negative ends the call before offsets are made of it; a size that data tell is allocated when
// it is known.
// CHECK: ssm.arena = "-768 + 256 * length"
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "max" #{{.*}} -> 2
// CHECK: ssm.bind_expr "same" #{{.*}} -> 3 {message = "a size that the model computed is negative"}
// CHECK: ssm.arena 0
// CHECK: ssm.dispatch @shrink(%arg0) {{.*}}ssm.arenas
// CHECK: ssm.dispatch @data
// CHECK-NOT: ssm.arenas
#m = affine_map<()[s0] -> (s0, 64)>
#less = affine_map<()[s0] -> (s0 - 3, 64)>
#data = affine_map<()[s0, s1] -> (s1)>
#one = affine_map<()[s0] -> (s0)>
module attributes {onnx.symbols = ["length", ""]} {
  func.func private @shrink(%x: tensor<?x64xf32, #m>) -> tensor<?x64xf32, #less> attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    %0 = onnx.Dims affine_map<() -> ()> : tensor<?x64xf32, #less>
    return %0 : tensor<?x64xf32, #less>
  }
  func.func private @sum(%x: tensor<?x64xf32, #less>) -> tensor<f32> attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    %0 = onnx.Dims affine_map<() -> ()> : tensor<f32>
    return %0 : tensor<f32>
  }
  func.func private @data(%x: tensor<1xi64>) -> tensor<?xf32, #one> attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    %0 = onnx.Dims affine_map<() -> ()> : tensor<?xf32, #one>
    return %0 : tensor<?xf32, #one>
  }
  func.func private @last(%x: tensor<?xf32, #one>) -> tensor<f32> attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    %0 = onnx.Dims affine_map<() -> ()> : tensor<f32>
    return %0 : tensor<f32>
  }
  func.func @main(%x: tensor<?x64xf32, #m>, %n: tensor<1xi64>) -> (tensor<f32>, tensor<f32>) {
    ssm.bind_dim %x[0] -> 0 : tensor<?x64xf32, #m>
    %a = ssm.dispatch @shrink(%x) affine_map<()[s0] -> (s0)> : (tensor<?x64xf32, #m>) -> tensor<?x64xf32, #less>
    %b = ssm.dispatch @sum(%a) affine_map<()[s0] -> (s0)> : (tensor<?x64xf32, #less>) -> tensor<f32>
    ssm.bind_element %n[0] -> 1 : tensor<1xi64>
    %c = ssm.dispatch @data(%n) affine_map<()[s0, s1] -> (s1)> : (tensor<1xi64>) -> tensor<?xf32, #data>
    %d = ssm.dispatch @last(%c) affine_map<()[s0, s1] -> (s1)> : (tensor<?xf32, #data>) -> tensor<f32>
    return %b, %d : tensor<f32>, tensor<f32>
  }
}

// -----

// A body's buffers are one buffer of the loop: they lie beside what lives across it, at the same place in every step.
// What is carried to the next step is handed over and has no place.
// CHECK: ssm.arena = 512 : i64
// CHECK-LABEL: func @main
// CHECK: ssm.arena 0
// CHECK: %[[LONG:.*]] = ssm.dispatch @f(%arg0) {{.*}}ssm.arenas = array<i64: 0>
// CHECK: onnx.Scan
// CHECK: %[[IN:.*]] = ssm.dispatch @f(%{{.*}}) {{.*}}ssm.arenas = array<i64: 0>
// CHECK: %[[NEXT:.*]] = ssm.dispatch @f(%[[IN]]) #{{[a-z0-9]*}} :
// CHECK: onnx.Yield %[[NEXT]]
module {
  func.func private @f(%x: tensor<64xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    return %x : tensor<64xf32>
  }
  func.func private @g(%x: tensor<64xf32>, %y: tensor<64xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    return %x : tensor<64xf32>
  }
  func.func @main(%x: tensor<64xf32>, %rows: tensor<5x64xf32>) -> tensor<64xf32> {
    %long = ssm.dispatch @f(%x) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    %end = "onnx.Scan"(%x, %rows) ({
    ^bb0(%state: tensor<64xf32>, %row: tensor<64xf32>):
      %in = ssm.dispatch @f(%row) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
      %next = ssm.dispatch @f(%in) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
      onnx.Yield %next : tensor<64xf32>
    }) {num_scan_inputs = 1 : si64} : (tensor<64xf32>, tensor<5x64xf32>) -> tensor<64xf32>
    %r = ssm.dispatch @g(%end, %long) affine_map<() -> ()> : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
    return %r : tensor<64xf32>
  }
}

// -----

// The size of a carried value is known when a step starts: an arena of the body.
// CHECK-LABEL: func @main
// CHECK: onnx.Loop
// CHECK: ssm.bind_dim %[[X:.*]][0] -> 0
// CHECK-NEXT: ssm.arena 1 of
// CHECK: ssm.dispatch @f(%[[X]]) {{.*}}ssm.arenas = array<i64: 1>
#m = affine_map<()[s0] -> (s0)>
!s = tensor<?xf32, #m>
module attributes {onnx.symbols = [""]} {
  func.func private @f(%x: !s) -> !s attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
    return %x : !s
  }
  func.func @main(%n: tensor<i64>, %cond: tensor<i1>, %x: tensor<1xf32>) -> () {
    %r = "onnx.Loop"(%n, %cond, %x) ({
    ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: !s):
      ssm.bind_dim %v[0] -> 0 : !s
      %a = ssm.dispatch @f(%v) affine_map<()[s0] -> (s0)> : (!s) -> !s
      %b = ssm.dispatch @f(%a) affine_map<()[s0] -> (s0)> : (!s) -> !s
      onnx.Yield %c, %b : tensor<i1>, !s
    }) : (tensor<i64>, tensor<i1>, tensor<1xf32>) -> !s
    return
  }
}

// -----

// Of two results one leaves the call: it has no arena, the other has.
// CHECK-LABEL: func @main
// CHECK: ssm.dispatch @two(%arg0) {{.*}}ssm.arenas = array<i64: -1, 0>
module attributes {onnx.symbols = []} {
  func.func @main(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
    %a:2 = ssm.dispatch @two(%x) affine_map<() -> ()> : (tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>)
    %b = ssm.dispatch @f(%a#1) affine_map<() -> ()> : (tensor<64xf32>) -> tensor<64xf32>
    return %a#0, %b : tensor<64xf32>, tensor<64xf32>
  }
  func.func private @two(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    %0 = "onnx.Exp"(%x) : (tensor<64xf32>) -> tensor<64xf32>
    %1 = "onnx.Neg"(%x) : (tensor<64xf32>) -> tensor<64xf32>
    return %0, %1 : tensor<64xf32>, tensor<64xf32>
  }
  func.func private @f(%x: tensor<64xf32>) -> tensor<64xf32> attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
    %0 = "onnx.Exp"(%x) : (tensor<64xf32>) -> tensor<64xf32>
    return %0 : tensor<64xf32>
  }
}
