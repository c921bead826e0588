// RUN: ssm-opt %s --ssm-choose-forms | FileCheck %s
// RUN: ssm-opt %s --ssm-choose-forms=forms=semiseparable:recurrent,scan:blocked | FileCheck %s --check-prefix=ASKED
// RUN: not ssm-opt %s --ssm-choose-forms=forms=scan:online 2>&1 | FileCheck %s --check-prefix=WRONG

// WRONG: form 'online' was asked for, but scan has only sequential, blocked

#q = affine_map<(t, k, v) -> (t, k)>
#v = affine_map<(t, k, v) -> (t, v)>

// CHECK-LABEL: func @main
func.func @main(%q: tensor<512x64xf32>, %one: tensor<1x64xf32>, %v1: tensor<1x64xf32>, %x: tensor<512x64xf32>, %line: tensor<4096xf32>)
    -> (tensor<512x64xf32>, tensor<1x64xf32>, tensor<512x64xf32>, tensor<4096xf32>) {
  // A long sequence goes in chunks, one step does not.
  // CHECK: ssm.semiseparable {{.*}}form = "chunked"
  // ASKED: ssm.semiseparable {{.*}}form = "recurrent"
  %a = ssm.semiseparable query(%q : tensor<512x64xf32>) key(%q : tensor<512x64xf32>) value(%x : tensor<512x64xf32>)
      {indexing_maps = [#q, #q, #v, #v]} -> tensor<512x64xf32>
  // CHECK: ssm.semiseparable {{.*}}form = "recurrent"
  %b = ssm.semiseparable query(%one : tensor<1x64xf32>) key(%one : tensor<1x64xf32>) value(%v1 : tensor<1x64xf32>)
      {indexing_maps = [#q, #q, #v, #v]} -> tensor<1x64xf32>
  // Lanes lie over the other axis where there is one.
  // CHECK: ssm.scan {{.*}}form = "sequential"
  // ASKED: ssm.scan {{.*}}form = "blocked"
  %c = ssm.scan ins(%x : tensor<512x64xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<512x64xf32> {
    ^bb0(%p: f32, %n: f32):
      %s = arith.addf %p, %n : f32
      ssm.yield %s : f32
  }
  // CHECK: ssm.scan {{.*}}form = "blocked"
  %d = ssm.scan ins(%line : tensor<4096xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<4096xf32> {
    ^bb0(%p: f32, %n: f32):
      %s = arith.addf %p, %n : f32
      ssm.yield %s : f32
  }
  return %a, %b, %c, %d : tensor<512x64xf32>, tensor<1x64xf32>, tensor<512x64xf32>, tensor<4096xf32>
}

#y = affine_map<(d, t, j) -> (d, t)>
#k = affine_map<(d, t, j) -> (d, j)>

// Sums for a short kernel, transforms for a long one.
// CHECK-LABEL: func @long_conv
// CHECK: ssm.long_conv {{.*}}form = "convolution"
// CHECK: ssm.long_conv {{.*}}form = "chunked"
func.func @long_conv(%x: tensor<64x4096xf32>, %short: tensor<64x40xf32>, %long: tensor<64x4096xf32>) -> (tensor<64x4096xf32>, tensor<64x4096xf32>) {
  %a = ssm.long_conv input(%x : tensor<64x4096xf32>) kernel(%short : tensor<64x40xf32>) {indexing_maps = [#y, #k, #y]} -> tensor<64x4096xf32>
  %b = ssm.long_conv input(%x : tensor<64x4096xf32>) kernel(%long : tensor<64x4096xf32>) {indexing_maps = [#y, #k, #y]} -> tensor<64x4096xf32>
  return %a, %b : tensor<64x4096xf32>, tensor<64x4096xf32>
}
