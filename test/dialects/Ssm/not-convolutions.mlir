// RUN: ssm-opt %s --split-input-file --verify-diagnostics
// Scans that are near convolutions and none: the form is not theirs.

// A decay that changes over time.
#x = affine_map<(b, t) -> (b, t)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> {
    ^bb0(%v: f32):
      ssm.yield %v, %v : f32, f32
  }
  return %y : tensor<4x?xf32>
}

// -----

// An input that is squared.
#x = affine_map<(b, t) -> (b, t)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> {
    ^bb0(%v: f32):
      %a = arith.constant 0.5 : f32
      %u = arith.mulf %v, %v : f32
      ssm.yield %a, %u : f32, f32
  }
  return %y : tensor<4x?xf32>
}

// -----

// An input with something added.
#x = affine_map<(b, t) -> (b, t)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> {
    ^bb0(%v: f32):
      %a = arith.constant 0.5 : f32
      %u = arith.addf %v, %a : f32
      ssm.yield %a, %u : f32, f32
  }
  return %y : tensor<4x?xf32>
}

// -----

// An input that is divided by.
#x = affine_map<(b, t) -> (b, t)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> {
    ^bb0(%v: f32):
      %a = arith.constant 0.5 : f32
      %u = arith.divf %a, %v : f32
      ssm.yield %a, %u : f32, f32
  }
  return %y : tensor<4x?xf32>
}

// -----

// A read-out that changes over time.
#x = affine_map<(b, t) -> (b, t)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> {
    ^bb0(%v: f32):
      %a = arith.constant 0.5 : f32
      ssm.yield %a, %v, %v : f32, f32, f32
  }
  return %y : tensor<4x?xf32>
}

// -----

// A term that is the same in every step.
#x = affine_map<(b, t) -> (b, t)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> {
    ^bb0(%v: f32):
      %a = arith.constant 0.5 : f32
      ssm.yield %a, %a, %a : f32, f32, f32
  }
  return %y : tensor<4x?xf32>
}

// -----

// A state that is asked for.
#x = affine_map<(b, t) -> (b, t)>
#f = affine_map<(b, t) -> (b)>
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {
  // expected-error @+1 {{form 'convolution' is none of recurrent}}
  %y, %final = ssm.selective_scan ins(%x : tensor<4x?xf32>) {indexing_maps = [#x, #x, #f], state_rank = 0 : i64, form = "convolution"} -> tensor<4x?xf32> final(tensor<4xf32>) {
    ^bb0(%v: f32):
      %a = arith.constant 0.5 : f32
      ssm.yield %a, %v : f32, f32
  }
  return %y : tensor<4x?xf32>
}
