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
