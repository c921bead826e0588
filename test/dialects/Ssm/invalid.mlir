// RUN: ssm-opt %s --split-input-file --verify-diagnostics

func.func @c1(%x: tensor<?xf32>) {
  // expected-error @+1 {{axis 1 is out of range for a value of rank 1}}
  ssm.bind_dim %x[1] -> 0 : tensor<?xf32>
  return
}

// -----

func.func @kind() {
  // expected-error @+1 {{kind must be min, max, broadcast, eq, lt or same, not 'mean'}}
  ssm.bind_expr "mean" affine_map<()[s0] -> (s0, 1)> -> 1
  return
}

// -----

func.func @two_results() {
  // expected-error @+1 {{map must have no dims and at least one result, two for broadcast, eq, lt and same}}
  ssm.bind_expr "lt" affine_map<()[s0] -> (s0)> -> 1
  return
}

// -----

func.func @pack_c1(%x: tensor<?x40xf32>) {
  // expected-error @+1 {{value must be one matrix, or a stack of them, of floats of static size}}
  %p = ssm.pack %x : tensor<?x40xf32> -> tensor<2x4x32xf32>
  return
}

// -----

func.func @pack_c2(%x: tensor<4x40xf32>) {
  // expected-error @+1 {{panels of 'tensor<4x40xf32>' cannot be 'tensor<1x4x32xf32>'}}
  %p = ssm.pack %x : tensor<4x40xf32> -> tensor<1x4x32xf32>
  return
}

// -----

func.func @pack_stack(%x: tensor<3x4x40xf32>) {
  // expected-error @+1 {{panels of 'tensor<3x4x40xf32>' cannot be 'tensor<2x4x32xf32>'}}
  %p = ssm.pack %x : tensor<3x4x40xf32> -> tensor<2x4x32xf32>
  return
}

// -----

func.func @arena_c1() {
  // expected-error @+1 {{arena must not be negative}}
  ssm.arena -1 of affine_map<()[s0] -> (s0)>
  return
}

// -----

func.func @arena_c2() {
  // expected-error @+1 {{bytes must have no dims and one result}}
  ssm.arena 0 of affine_map<()[s0] -> (s0, 64)>
  return
}

// -----

func.func @bind_seed_c1() {
  // expected-error @+1 {{symbol must not be negative}}
  ssm.bind_seed -> -1
  return
}
