// The onnx dialect as text becomes an ONNX file, and the file the same text again.
// RUN: ssm-translate --export-onnx %s -o %t.onnx
// RUN: ssm-translate --import-onnx %t.onnx | FileCheck %s
// RUN: ssmc %t.onnx -o %t.so && ssm-run %t.so | FileCheck %s --check-prefix=MODEL
// RUN: not ssm-translate --import-onnx %s 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: sed 's/onnx.Relu/onnx.Foo/' %s | not ssm-translate --export-onnx --allow-unregistered-dialect - 2>&1 | FileCheck %s --check-prefix=FOO

// CHECK: onnx.symbols = ["batch"]
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32, #map> {onnx.name = "x"}
// CHECK-DAG: %[[W:.*]] = onnx.Constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]> : tensor<4xf32>
// CHECK: %[[A:.*]] = "onnx.Mul"(%[[X]], %[[W]])
// CHECK: %[[R:.*]] = "onnx.Relu"(%[[A]])
// CHECK: "onnx.Clip"(%[[R]], %{{.*}}, %{{.*}}) : (tensor<*xf32>, none, none)
// CHECK: return
// CHECK-SAME: tensor<*xf32>

// MODEL: input  x: float32 [batch, 4]
// MODEL: output y: float32 [batch, 4]

// TEXT: is not an ONNX model
// FOO: error

module attributes {onnx.symbols = ["batch"]} {
  func.func @main(%x: tensor<?x4xf32, affine_map<()[s0] -> (s0, 4)>> {onnx.name = "x"}) -> (tensor<*xf32> {onnx.name = "y"}) {
    ssm.bind_dim %x[0] -> 0 : tensor<?x4xf32, affine_map<()[s0] -> (s0, 4)>>
    %w = onnx.Constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32> : tensor<4xf32>
    %none = onnx.NoValue
    %a = "onnx.Mul"(%x, %w) : (tensor<?x4xf32, affine_map<()[s0] -> (s0, 4)>>, tensor<4xf32>) -> tensor<*xf32>
    %r = "onnx.Relu"(%a) : (tensor<*xf32>) -> tensor<*xf32>
    %c = "onnx.Clip"(%r, %none, %none) : (tensor<*xf32>, none, none) -> tensor<*xf32>
    return %c : tensor<*xf32>
  }
}
