// RUN: ssm-opt %s --split-input-file --ssm-choose-forms --ssm-convolve-scans | FileCheck %s

// The kernel is over what its operands are over, not over the batch; the recurrence runs once for all sequences.
// CHECK-LABEL: func @main
// CHECK-SAME: %[[X:[^:]*]]: tensor<16x1024x64xf32>
// CHECK: %[[TIME:.*]] = "onnx.Range"({{.*}}) : {{.*}} -> tensor<1024xi64>
// CHECK: %[[FIRST:.*]] = "onnx.Equal"(%[[TIME]]
// CHECK: %[[IMPULSE:.*]] = "onnx.Cast"(%[[FIRST]]){{.*}} -> tensor<1024xf32>
// CHECK: %[[KERNEL:.*]] = ssm.selective_scan ins(%arg1, %[[IMPULSE]], %arg2 : {{.*}}form = "recurrent"
// CHECK-NOT: reverse
// CHECK-SAME: -> tensor<64x1024xf32>
// CHECK: ssm.long_conv input(%[[X]] {{.*}} kernel(%[[KERNEL]] {{.*}}reverse
#x = affine_map<(b, d, t, n) -> (b, t, d)>
#a = affine_map<(b, d, t, n) -> (d, n)>
func.func @main(%x: tensor<16x1024x64xf32>, %a: tensor<64x64xf32>, %c: tensor<64x64xf32>) -> tensor<16x1024x64xf32> {
  %y = ssm.selective_scan ins(%a, %x, %c : tensor<64x64xf32>, tensor<16x1024x64xf32>, tensor<64x64xf32>)
      {indexing_maps = [#a, #x, #a, #x], state_rank = 1 : i64, reverse} -> tensor<16x1024x64xf32> {
    ^bb0(%d: f32, %v: f32, %w: f32):
      %e = math.exp %d : f32
      %u = arith.mulf %v, %w : f32
      ssm.yield %e, %u, %w : f32, f32, f32
  }
  return %y : tensor<16x1024x64xf32>
}

// -----

// A length that only run time knows: the recurrence stays for few steps.
// CHECK-LABEL: func @main
// CHECK: %[[ENOUGH:.*]] = "onnx.GreaterOrEqual"
// CHECK: "onnx.If"(%[[ENOUGH]]) ({
// CHECK: ssm.selective_scan
// CHECK: ssm.long_conv
// CHECK: }, {
// CHECK-NOT: ssm.long_conv
// CHECK: ssm.selective_scan {{.*}}form = "recurrent"
#x = affine_map<(b, t, n) -> (b, t)>
#a = affine_map<(b, t, n) -> (n)>
#dims = affine_map<()[s0] -> (8, s0)>
module attributes {onnx.symbols = ["L"]} {
  func.func @main(%x: tensor<8x?xf32, #dims>, %a: tensor<64xf32>) -> tensor<8x?xf32, #dims> {
    ssm.bind_dim %x[1] -> 0 : tensor<8x?xf32, #dims>
    %y = ssm.selective_scan ins(%a, %x : tensor<64xf32>, tensor<8x?xf32, #dims>)
        {indexing_maps = [#a, #x, #x], state_rank = 1 : i64} -> tensor<8x?xf32, #dims> {
      ^bb0(%d: f32, %v: f32):
        ssm.yield %d, %v, %d : f32, f32, f32
    }
    return %y : tensor<8x?xf32, #dims>
  }
}
