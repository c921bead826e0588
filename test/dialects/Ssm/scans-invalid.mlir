// RUN: ssm-opt %s --split-input-file --verify-diagnostics
// One case per constraint of ssm.scan and ssm.recurrence, the mixers without maps (dialects/Ssm/MixerOps.td).

func.func @scan_c1(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{operands must have one shape and outputs their types, got 'tensor<?x4xf32>' and 'tensor<?x4xf64>'}}
  %y = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<?x4xf64> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    ssm.yield %s : f32
  }
  return
}

// -----

func.func @scan_c2(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{dim 2 is out of range for operands of rank 2}}
  %y = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 2 : i64, identity = [0.0 : f32]} -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    ssm.yield %s : f32
  }
  return
}

// -----

func.func @scan_c3(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{initial must be the operand without axis 0, not 'tensor<?x4xf32>'}}
  %y = ssm.scan ins(%x : tensor<?x4xf32>) initial(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    ssm.yield %s : f32
  }
  return
}

// -----

func.func @scan_c4(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{identity has 2 numbers for 1 operands}}
  %y = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0.0 : f32, 1.0 : f32]} -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    ssm.yield %s : f32
  }
  return
}

// -----

func.func @scan_c4_kind(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{identity 0 : i32 is no number of type 'f32'}}
  %y = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0 : i32]} -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    ssm.yield %s : f32
  }
  return
}

// -----

func.func @scan_c5(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{region yields 2 values, needs 1}}
  %y = ssm.scan ins(%x : tensor<?x4xf32>) {dim = 0 : i64, identity = [0.0 : f32]} -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    ssm.yield %a, %b : f32, f32
  }
  return
}

// -----

func.func @recurrence_c1(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{axes has axis 2 for a tensor of rank 2}}
  %s, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 2>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
  ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
    ssm.yield %ht, %xt : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @recurrence_c1_number(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{axes has 2 axes for 1 tensors}}
  %s, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 0, 1>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
  ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
    ssm.yield %ht, %xt : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @recurrence_c6_none(%h: tensor<4xf32>) {
  // expected-error @+1 {{needs at least one sequence}}
  %s = "ssm.recurrence"(%h) ({
  ^bb0(%ht: tensor<4xf32>):
    ssm.yield %ht : tensor<4xf32>
  }) {axes = array<i64>, output_axes = array<i64>, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_c2(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{output_axes has axis 3 for a tensor of rank 2}}
  %s, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 3>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
  ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
    ssm.yield %ht, %xt : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @recurrence_c3(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{body takes 1 values, needs 2}}
  %s, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
  ^bb0(%ht: tensor<4xf32>):
    ssm.yield %ht, %ht : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @recurrence_c4(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{body yields 'tensor<?x4xf32>', needs 'tensor<4xf32>'}}
  %s, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
  ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
    ssm.yield %ht, %x : tensor<4xf32>, tensor<?x4xf32>
  }
  return
}

// -----

func.func @recurrence_c5(%x: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{final 'tensor<5xf32>' is not of the type of its initial carry, 'tensor<4xf32>'}}
  %s, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 0>} -> finals(tensor<5xf32>) outputs(tensor<?x4xf32>) {
  ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
    ssm.yield %ht, %xt : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @recurrence_c6(%x: tensor<7x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{lengths 7 and 6 do not agree}}
  %s, %y = ssm.recurrence sequences(%x : tensor<7x4xf32>) initial(%h : tensor<4xf32>) {axes = array<i64: 0>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<6x4xf32>) {
  ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
    ssm.yield %ht, %xt : tensor<4xf32>, tensor<4xf32>
  }
  return
}
