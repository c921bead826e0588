// RUN: ssm-opt %s --split-input-file --ssm-lower-dispatch | FileCheck %s

// Two elementwise operators become one linalg.generic; the destination is an argument.
// CHECK-LABEL: func private @fused
// CHECK-SAME: memref<?xf32> {ssm.dims = affine_map<()[s0] -> (s0)>}
// CHECK: linalg.generic
// CHECK: math.exp
// CHECK: arith.negf
// CHECK-NOT: linalg.generic
// CHECK: bufferization.materialize_in_destination
func.func private @fused(%x: tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>>
    attributes {ssm.dispatch, ssm.symbols = 1 : i64} {
  %0 = "onnx.Exp"(%x) : (tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>>
  %1 = "onnx.Neg"(%0) : (tensor<?xf32, affine_map<()[s0] -> (s0)>>) -> tensor<?xf32, affine_map<()[s0] -> (s0)>>
  return %1 : tensor<?xf32, affine_map<()[s0] -> (s0)>>
}

// -----

// Unsigned integers divide as such, and a zero divisor cannot trap.
// CHECK-LABEL: func private @unsigned
// CHECK: arith.select
// CHECK: arith.divui
func.func private @unsigned(%x: tensor<4xui8>, %y: tensor<4xui8>) -> tensor<4xui8>
    attributes {ssm.dispatch, ssm.symbols = 0 : i64} {
  %0 = "onnx.Div"(%x, %y) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}
