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
