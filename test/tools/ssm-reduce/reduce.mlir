// A module with our dialect is cut down to the operation that the script asks for.
// RUN: printf '#!/bin/sh\ngrep -q onnx.Relu "$1" && exit 1\nexit 0\n' > %t.sh && chmod +x %t.sh
// RUN: ssm-reduce %s --reduction-tree='traversal-mode=0 test=%t.sh' | FileCheck %s

// CHECK: "onnx.Relu"
// CHECK-NOT: func.func @unneeded
func.func @needed(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = "onnx.Relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
func.func @unneeded(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = "onnx.Neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
