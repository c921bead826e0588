// RUN: ssm-opt %s --split-input-file --ssm-infer-shapes --verify-diagnostics | FileCheck %s

// The batch of the states is another input's: it is checked when the model runs.
// CHECK-DAG: #[[SAME:.*]] = affine_map<()[s0, s1] -> (s1, s0)>
// CHECK-DAG: #[[Y:.*]] = affine_map<()[s0] -> (7, 1, s0, 4)>
// CHECK-LABEL: func @main
// CHECK: ssm.bind_expr "same" #[[SAME]] -> 2
// CHECK: onnx.GRU{{.*}} -> (tensor<7x1x?x4xf32, #[[Y]]>,
module attributes {onnx.symbols = ["batch", "states"]} {
  func.func @main(%x: tensor<7x?x2xf32, affine_map<()[s0] -> (7, s0, 2)>>, %h: tensor<1x?x4xf32, affine_map<()[s0, s1] -> (1, s1, 4)>>,
                  %w: tensor<1x12x2xf32>, %r: tensor<1x12x4xf32>) -> tensor<*xf32> {
    ssm.bind_dim %x[1] -> 0 : tensor<7x?x2xf32, affine_map<()[s0] -> (7, s0, 2)>>
    ssm.bind_dim %h[1] -> 1 : tensor<1x?x4xf32, affine_map<()[s0, s1] -> (1, s1, 4)>>
    %no = onnx.NoValue
    %y, %last = "onnx.GRU"(%x, %w, %r, %no, %no, %h) {hidden_size = 4 : si64}
        : (tensor<7x?x2xf32, affine_map<()[s0] -> (7, s0, 2)>>, tensor<1x12x2xf32>, tensor<1x12x4xf32>, none, none, tensor<1x?x4xf32, affine_map<()[s0, s1] -> (1, s1, 4)>>) -> (tensor<*xf32>, tensor<*xf32>)
    return %y : tensor<*xf32>
  }
}

// -----

module {
  func.func @main(%x: tensor<7x3x2xf32>, %w: tensor<1x12x2xf32>, %r: tensor<1x16x4xf32>) -> tensor<*xf32> {
    %no = onnx.NoValue
    // expected-error @+1 {{W has size 12 along axis 1, which must be 16}}
    %y, %last, %cell = "onnx.LSTM"(%x, %w, %r, %no, %no, %no, %no, %no) {hidden_size = 4 : si64}
        : (tensor<7x3x2xf32>, tensor<1x12x2xf32>, tensor<1x16x4xf32>, none, none, none, none, none) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
    return %y : tensor<*xf32>
  }
}

// -----

module {
  func.func @main(%x: tensor<7x3x2xf32>, %w: tensor<1x4x2xf32>, %r: tensor<1x4x4xf32>, %n: tensor<1x3xi32>) -> tensor<*xf32> {
    %no = onnx.NoValue
    // expected-error @+1 {{sequence_lens must have rank 1}}
    %y, %last = "onnx.RNN"(%x, %w, %r, %no, %n, %no) {hidden_size = 4 : si64}
        : (tensor<7x3x2xf32>, tensor<1x4x2xf32>, tensor<1x4x4xf32>, none, tensor<1x3xi32>, none) -> (tensor<*xf32>, tensor<*xf32>)
    return %y : tensor<*xf32>
  }
}
