// RUN: ssm-opt %s --ssm-raise-convolutions -split-input-file | FileCheck %s

// Padding on both sides, what is beyond the sequence cut off; any length.
// CHECK-LABEL: @main
// CHECK: ssm.causal_conv input(%arg0 : tensor<2x8x?xf32, #{{.+}}>) weight(%{{.+}} : tensor<8x1x4xf32>)
// CHECK-NOT: onnx.Conv
#x = affine_map<()[s0] -> (2, 8, s0)>
#y = affine_map<()[s0] -> (2, 8, s0 + 3)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %w: tensor<8x1x4xf32>) -> tensor<2x8x?xf32, #x> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %end = onnx.Constant dense<-3> : tensor<1xi64> : tensor<1xi64>
    %axis = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %c = "onnx.Conv"(%x, %w, %none) {group = 8 : si64, pads = array<i64: 3, 3>} : (tensor<2x8x?xf32, #x>, tensor<8x1x4xf32>, none) -> tensor<2x8x?xf32, #y>
    %y = "onnx.Slice"(%c, %zero, %end, %axis, %one) : (tensor<2x8x?xf32, #y>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x8x?xf32, #x>
    return %y : tensor<2x8x?xf32, #x>
  }
}

// -----

// A history in front.
// CHECK-LABEL: @main
// CHECK: ssm.causal_conv input(%arg0 : {{.+}}) weight(%{{.+}} : {{.+}}) history(%arg1 :
module {
  func.func @main(%x: tensor<2x8x5xf32>, %h: tensor<2x8x3xf32>, %w: tensor<8x1x4xf32>) -> tensor<2x8x5xf32> {
    %none = onnx.NoValue
    %p = "onnx.Concat"(%h, %x) {axis = 2 : si64} : (tensor<2x8x3xf32>, tensor<2x8x5xf32>) -> tensor<2x8x8xf32>
    %y = "onnx.Conv"(%p, %w, %none) {group = 8 : si64} : (tensor<2x8x8xf32>, tensor<8x1x4xf32>, none) -> tensor<2x8x5xf32>
    return %y : tensor<2x8x5xf32>
  }
}

// -----

// More than 32 taps: a long convolution, whose kernel starts with the present.
// CHECK-LABEL: @main
// CHECK: %[[KERNEL:.+]] = "onnx.Slice"(%arg1
// CHECK: ssm.long_conv input(%arg0 : {{.+}}) kernel(%[[KERNEL]] :
module {
  func.func @main(%x: tensor<2x8x64xf32>, %w: tensor<8x1x64xf32>) -> tensor<2x8x64xf32> {
    %none = onnx.NoValue
    %y = "onnx.Conv"(%x, %w, %none) {group = 8 : si64, pads = array<i64: 63, 0>} : (tensor<2x8x64xf32>, tensor<8x1x64xf32>, none) -> tensor<2x8x64xf32>
    return %y : tensor<2x8x64xf32>
  }
}

// -----

// Padding the same on both sides looks into the future.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.causal_conv
// CHECK: onnx.Conv
module {
  func.func @main(%x: tensor<2x8x5xf32>, %w: tensor<8x1x3xf32>) -> tensor<2x8x5xf32> {
    %none = onnx.NoValue
    %y = "onnx.Conv"(%x, %w, %none) {group = 8 : si64, pads = array<i64: 1, 1>} : (tensor<2x8x5xf32>, tensor<8x1x3xf32>, none) -> tensor<2x8x5xf32>
    return %y : tensor<2x8x5xf32>
  }
}

// -----

// The padding of the convolution stands where the slice has cut elements off: those are zeros, not the sequence.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.causal_conv
// CHECK: onnx.Conv
module {
  func.func @main(%x: tensor<2x8x7xf32>, %w: tensor<8x1x4xf32>) -> tensor<2x8x7xf32> {
    %none = onnx.NoValue
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %end = onnx.Constant dense<7> : tensor<1xi64> : tensor<1xi64>
    %one = onnx.Constant dense<1> : tensor<1xi64> : tensor<1xi64>
    %s = "onnx.Slice"(%x, %two, %end, %two, %one) : (tensor<2x8x7xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x8x5xf32>
    %y = "onnx.Conv"(%s, %w, %none) {group = 8 : si64, pads = array<i64: 5, 0>} : (tensor<2x8x5xf32>, tensor<8x1x4xf32>, none) -> tensor<2x8x7xf32>
    return %y : tensor<2x8x7xf32>
  }
}

// -----

// A kernel of min(L, 30) taps, made in the graph, behind L - 1 zeros: a delay of what is left, which is never negative.
// CHECK-LABEL: @main
// CHECK: %[[PADS:.+]] = onnx.Dims #{{.+}} : tensor<6xi64>
// CHECK: %[[DELAYED:.+]] = "onnx.Pad"(%arg0, %[[PADS]]
// CHECK: ssm.long_conv input(%[[DELAYED]] :
#x = affine_map<()[s0] -> (2, 8, s0)>
#k = affine_map<()[s0, s1] -> (8, 1, s1)>
#p = affine_map<()[s0] -> (2, 8, s0 * 2 - 1)>
#y = affine_map<()[s0, s1] -> (2, 8, s0 * 2 - s1)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %w: tensor<8x1x30xf32>) -> tensor<2x8x?xf32, #y> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 30)> -> 1
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<1xi64>
    %pads = onnx.Dims affine_map<()[s0] -> (0, 0, s0 - 1, 0, 0, 0)> : tensor<6xi64>
    %k = "onnx.Slice"(%w, %zero, %length, %two, %none) : (tensor<8x1x30xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<8x1x?xf32, #k>
    %p = "onnx.Pad"(%x, %pads, %none, %none) {mode = "constant"} : (tensor<2x8x?xf32, #x>, tensor<6xi64>, none, none) -> tensor<2x8x?xf32, #p>
    %y = "onnx.Conv"(%p, %k, %none) {group = 8 : si64} : (tensor<2x8x?xf32, #p>, tensor<8x1x?xf32, #k>, none) -> tensor<2x8x?xf32, #y>
    return %y : tensor<2x8x?xf32, #y>
  }
}

// -----

// The same with 30 taps whatever the length: shorter sequences would be looked at ahead.
// CHECK-LABEL: @main
// CHECK-NOT: ssm.{{long|causal}}_conv
// CHECK: onnx.Conv
#x = affine_map<()[s0] -> (2, 8, s0)>
#p = affine_map<()[s0] -> (2, 8, s0 * 2 - 1)>
#y = affine_map<()[s0] -> (2, 8, s0 * 2 - 30)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %w: tensor<8x1x30xf32>) -> tensor<2x8x?xf32, #y> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    %none = onnx.NoValue
    %pads = onnx.Dims affine_map<()[s0] -> (0, 0, s0 - 1, 0, 0, 0)> : tensor<6xi64>
    %p = "onnx.Pad"(%x, %pads, %none, %none) {mode = "constant"} : (tensor<2x8x?xf32, #x>, tensor<6xi64>, none, none) -> tensor<2x8x?xf32, #p>
    %y = "onnx.Conv"(%p, %w, %none) {group = 8 : si64} : (tensor<2x8x?xf32, #p>, tensor<8x1x30xf32>, none) -> tensor<2x8x?xf32, #y>
    return %y : tensor<2x8x?xf32, #y>
  }
}

// -----

// Cut to a length that only run time knows, at most with the padding behind: zeros there, then cut.
// CHECK-LABEL: @main
// CHECK: "onnx.Pad"(%arg0
// CHECK: %[[CUT:.+]] = "onnx.Slice"
// CHECK: ssm.causal_conv input(%[[CUT]] :
#l = affine_map<()[s0] -> (s0)>
#y = affine_map<()[s0, s1] -> (2, 8, s1)>
module {
  func.func @main(%x: tensor<2x8x37xf32>, %w: tensor<8x1x4xf32>, %like: tensor<?xf32, #l>) -> tensor<2x8x?xf32, #y> {
    ssm.bind_dim %like[0] -> 0 : tensor<?xf32, #l>
    ssm.bind_expr "min" affine_map<()[s0] -> (s0, 40)> -> 1
    %none = onnx.NoValue
    %zero = onnx.Constant dense<0> : tensor<1xi64> : tensor<1xi64>
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %length = onnx.Dims affine_map<()[s0] -> (s0)> : tensor<1xi64>
    %c = "onnx.Conv"(%x, %w, %none) {group = 8 : si64, pads = array<i64: 3, 3>} : (tensor<2x8x37xf32>, tensor<8x1x4xf32>, none) -> tensor<2x8x40xf32>
    %y = "onnx.Slice"(%c, %zero, %length, %two, %none) : (tensor<2x8x40xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<2x8x?xf32, #y>
    return %y : tensor<2x8x?xf32, #y>
  }
}

// -----

// A history of more than the taps reach: its end.
// CHECK-LABEL: @main
// CHECK: %[[END:.+]] = "onnx.Slice"(%arg1
// CHECK: ssm.causal_conv input(%arg0 : {{.+}}) weight(%{{.+}}) history(%[[END]] : tensor<2x8x3xf32>)
#x = affine_map<()[s0] -> (2, 8, s0)>
#p = affine_map<()[s0] -> (2, 8, s0 + 5)>
#c = affine_map<()[s0] -> (2, 8, s0 + 2)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %h: tensor<2x8x5xf32>, %w: tensor<8x1x4xf32>) -> tensor<2x8x?xf32, #x> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    %none = onnx.NoValue
    %two = onnx.Constant dense<2> : tensor<1xi64> : tensor<1xi64>
    %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64> : tensor<1xi64>
    %p = "onnx.Concat"(%h, %x) {axis = 2 : si64} : (tensor<2x8x5xf32>, tensor<2x8x?xf32, #x>) -> tensor<2x8x?xf32, #p>
    %c = "onnx.Conv"(%p, %w, %none) {group = 8 : si64} : (tensor<2x8x?xf32, #p>, tensor<8x1x4xf32>, none) -> tensor<2x8x?xf32, #c>
    %y = "onnx.Slice"(%c, %two, %end, %two, %none) : (tensor<2x8x?xf32, #c>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<2x8x?xf32, #x>
    return %y : tensor<2x8x?xf32, #x>
  }
}

// -----

// Taps that are two apart: zeros between them.
// CHECK-LABEL: @main
// CHECK: "onnx.Pad"(%{{.+}}) {{.*}} -> tensor<8x1x4x2xf32>
// CHECK: %[[W:.+]] = "onnx.Slice"({{.+}} -> tensor<8x1x7xf32>
// CHECK: ssm.causal_conv input(%arg0 : {{.+}}) weight(%[[W]] :
#x = affine_map<()[s0] -> (2, 8, s0)>
module {
  func.func @main(%x: tensor<2x8x?xf32, #x>, %w: tensor<8x1x4xf32>) -> tensor<2x8x?xf32, #x> {
    ssm.bind_dim %x[2] -> 0 : tensor<2x8x?xf32, #x>
    %none = onnx.NoValue
    %y = "onnx.Conv"(%x, %w, %none) {group = 8 : si64, pads = array<i64: 6, 0>, dilations = array<i64: 2>} : (tensor<2x8x?xf32, #x>, tensor<8x1x4xf32>, none) -> tensor<2x8x?xf32, #x>
    return %y : tensor<2x8x?xf32, #x>
  }
}
