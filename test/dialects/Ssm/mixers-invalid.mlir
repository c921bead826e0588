// RUN: ssm-opt %s --split-input-file --verify-diagnostics
// One case per constraint of dialects/Ssm/MixerOps.td; ssm.scan and ssm.recurrence are in scans-invalid.mlir.

func.func @m1_number_of_maps(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{has 2 index maps for 3 operands and results}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m2_dims(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{map of operand 1 is not over 2 dims and no symbols}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t, n) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m2_rank(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{map of operand 1 has 1 results for a tensor of rank 2}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m3_broadcast(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{axis 1 of operand 1 is broadcast and has size 4}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, 0)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m3_kind(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{map of operand 1 has a result that is not a dim of its own, a dim floordiv a constant, or 0}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t + 1, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m3_twice(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{map of operand 1 has a result that is not a dim of its own, a dim floordiv a constant, or 0}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, t)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m4_no_size(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{no operand or result gives the size of dim d2}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t, n) -> (d, t)>, affine_map<(d, t, n) -> (d, t)>, affine_map<(d, t, n) -> (d, t)>], state_rank = 1 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q, %q : f32, f32, f32
  }
  return
}

// -----

func.func @m4_sizes(%a: tensor<?x4xf32>, %u: tensor<?x5xf32>) {
  // expected-error @+1 {{axis 1 of operand 1 has size 5, its map needs 4}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x5xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m4_shared(%a: tensor<?x4xf32>, %u: tensor<?x3xf32>) {
  // expected-error @+1 {{axis 1 of operand 1 has size 3, its map needs 2}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x3xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d floordiv 2)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m5_elements(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{elements must be f16, bf16, f32 or f64, not 'i32'}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xi32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m5_read_by_a_region(%a: tensor<?x4xf8E4M3FN>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{elements must be floats of at least 16 bits, integers of at least 8 bits or i1, not 'f8E4M3FN'}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf8E4M3FN>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m6_arguments(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{region has 1 arguments, needs 2}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32):
    ssm.yield %p, %p : f32, f32
  }
  return
}

// -----

func.func @m6_argument_type(%a: tensor<?x4xbf16>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{argument 0 of the region must be 'f32', not 'bf16'}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xbf16>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: bf16, %q: f32):
    ssm.yield %q, %q : f32, f32
  }
  return
}

// -----

func.func @m6_yield_type(%a: tensor<?x4xf64>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{value 1 that the region yields must be 'f64', not 'f32'}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf64>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f64, %q: f32):
    ssm.yield %p, %q : f64, f32
  }
  return
}

// -----

func.func @m7_operations(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{region holds tensor.empty, only scalar arith and math operations are allowed}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %t = tensor.empty() : tensor<f32>
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @m8_form(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{form 'online' is none of recurrent}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64, form = "online"} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @selective_scan_c1(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{state_rank 2 does not fit 2 dims}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 2 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @selective_scan_c2(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{producer must yield 2 or 3 values, not 1}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p : f32
  }
  return
}

// -----

func.func @selective_scan_c2_complex(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{producer must yield 6 values, not 2}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64, complex} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @selective_scan_c3(%a: tensor<4x8xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{without a read-out, state_rank must be 0, not 1}}
  %r = ssm.selective_scan ins(%a, %u : tensor<4x8xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t, n) -> (d, n)>, affine_map<(d, t, n) -> (t, d)>, affine_map<(d, t, n) -> (t, d)>], state_rank = 1 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @selective_scan_c4(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>, %h: tensor<4xf32>) {
  // expected-error @+1 {{initial must be 1 tensors, not 2}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) initial(%h, %h : tensor<4xf32>, tensor<4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (d)>, affine_map<(d, t) -> (d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @selective_scan_c4_dims(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{final must be over (p, n)}}
  %r:2 = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>], state_rank = 0 : i64} -> tensor<?x4xf32> final(tensor<?x4xf32>) {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @selective_scan_c5(%a: tensor<?x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{output must be over (p, t)}}
  %r = ssm.selective_scan ins(%a, %u : tensor<?x4xf32>, tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (t)>], state_rank = 0 : i64} -> tensor<?xf32> {
  ^bb0(%p: f32, %q: f32):
    ssm.yield %p, %q : f32, f32
  }
  return
}

// -----

func.func @semiseparable_c1(%q: tensor<?x4xf32>, %w: tensor<?x1xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{value must be over (p, t, v)}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%w : tensor<?x1xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, 0)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c1_query(%q: tensor<?x4xf32>, %c: tensor<?x1xf32>, %v: tensor<?x8xf32>) {
  // expected-error @+1 {{query must be over (p, t, k)}}
  %o = ssm.semiseparable query(%c : tensor<?x1xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, 0)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c1_key(%q: tensor<?x4xf32>, %c: tensor<?x1xf32>, %v: tensor<?x8xf32>) {
  // expected-error @+1 {{key must be over (p, t, k)}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%v : tensor<?x8xf32>) value(%v : tensor<?x8xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c2(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{log_decay must be over a subset of (p, t, k)}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) log_decay(%v : tensor<?x8xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c3(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{erase_left and erase_right must come together}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) erase_left(%q : tensor<?x4xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c3_left(%q: tensor<?x4xf32>, %c: tensor<?x1xf32>, %v: tensor<?x8xf32>) {
  // expected-error @+1 {{erase_left must be over (p, t, k)}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) erase_left(%v : tensor<?x8xf32>) erase_right(%q : tensor<?x4xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c3_right(%q: tensor<?x4xf32>, %c: tensor<?x1xf32>, %v: tensor<?x8xf32>) {
  // expected-error @+1 {{erase_right must be over (p, t, k)}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) erase_left(%q : tensor<?x4xf32>) erase_right(%c : tensor<?x1xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, 0)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c4(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{initial must be over (p, k, v)}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) initial(%q : tensor<?x4xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c5(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{bonus needs read_before}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) bonus(%g : tensor<?xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t)>, affine_map<(t, k, v) -> (t, v)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @semiseparable_c6_scale(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{log_scale needs log_gate}}
  %o, %m = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t)>]} -> tensor<?x8xf32> log_scale(tensor<?xf32>)
  return
}

// -----

func.func @semiseparable_c6_gate(%q: tensor<?x4xf32>, %v: tensor<?x8xf32>, %g: tensor<?xf32>, %s: tensor<4x8xf32>) {
  // expected-error @+1 {{log_gate needs a decay without k, no erase pair and no read_before}}
  %o = ssm.semiseparable query(%q : tensor<?x4xf32>) key(%q : tensor<?x4xf32>) value(%v : tensor<?x8xf32>) log_gate(%g : tensor<?xf32>) {indexing_maps = [affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, k)>, affine_map<(t, k, v) -> (t, v)>, affine_map<(t, k, v) -> (t)>, affine_map<(t, k, v) -> (t, v)>], read_before} -> tensor<?x8xf32>
  return
}

// -----

func.func @attention_c1(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) {
  // expected-error @+1 {{key must be over (p, j, e)}}
  %o = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) {indexing_maps = [affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (j, f)>, affine_map<(i, j, e, f) -> (i, f)>], scale = 1.0 : f64, masked_rows = "nan"} -> tensor<?x4xf32>
  return
}

// -----

func.func @attention_c2(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) {
  // expected-error @+1 {{modifier must be over a subset of (p, i, j)}}
  %o = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) modifiers(%q : tensor<?x4xf32>) {indexing_maps = [affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (j, e)>, affine_map<(i, j, e, f) -> (j, f)>, affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (i, f)>], scale = 1.0 : f64, masked_rows = "nan"} -> tensor<?x4xf32>
  return
}

// -----

func.func @attention_c3(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) {
  // expected-error @+1 {{log_sum_exp must be over (p, i)}}
  %o, %l = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) {indexing_maps = [affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (j, e)>, affine_map<(i, j, e, f) -> (j, f)>, affine_map<(i, j, e, f) -> (i, f)>, affine_map<(i, j, e, f) -> (i, j)>], scale = 1.0 : f64, masked_rows = "nan"} -> tensor<?x4xf32> log_sum_exp(tensor<?x?xf32>)
  return
}

// -----

func.func @attention_c4(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) {
  // expected-error @+1 {{masked_rows must be nan or zero, not 'one'}}
  %o = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) {indexing_maps = [affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (j, e)>, affine_map<(i, j, e, f) -> (j, f)>, affine_map<(i, j, e, f) -> (i, f)>], scale = 1.0 : f64, masked_rows = "one"} -> tensor<?x4xf32>
  return
}

// -----

func.func @attention_c5(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) {
  // expected-error @+1 {{has modifiers and no score region to read them}}
  %o = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) modifiers(%m : tensor<?x?xf32>) {indexing_maps = [affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (j, e)>, affine_map<(i, j, e, f) -> (j, f)>, affine_map<(i, j, e, f) -> (i, j)>, affine_map<(i, j, e, f) -> (i, f)>], scale = 1.0 : f64, masked_rows = "nan"} -> tensor<?x4xf32>
  return
}

// -----

func.func @attention_c5_arguments(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %m: tensor<?x?xf32>) {
  // expected-error @+1 {{region has 1 arguments, needs 3}}
  %o = ssm.attention query(%q : tensor<?x4xf32>) key(%k : tensor<?x4xf32>) value(%v : tensor<?x4xf32>) {indexing_maps = [affine_map<(i, j, e, f) -> (i, e)>, affine_map<(i, j, e, f) -> (j, e)>, affine_map<(i, j, e, f) -> (j, f)>, affine_map<(i, j, e, f) -> (i, f)>], scale = 1.0 : f64, masked_rows = "nan"} -> tensor<?x4xf32> {
  ^bb0(%s: f32):
    ssm.yield %s : f32
  }
  return
}

// -----

func.func @causal_conv_c1(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %h: tensor<4x8xf32>) {
  // expected-error @+1 {{input must be over (p, t)}}
  %y = ssm.causal_conv input(%x : tensor<?x8xf32>) weight(%w : tensor<8x4xf32>) {indexing_maps = [affine_map<(d, t, j) -> (j, d)>, affine_map<(d, t, j) -> (d, j)>, affine_map<(d, t, j) -> (t, d)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @causal_conv_c2(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %h: tensor<4x8xf32>) {
  // expected-error @+1 {{bias must be over a subset of p}}
  %y = ssm.causal_conv input(%x : tensor<?x8xf32>) weight(%w : tensor<8x4xf32>) bias(%x : tensor<?x8xf32>) {indexing_maps = [affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (d, j)>, affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (t, d)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @causal_conv_c3(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %h: tensor<4x8xf32>) {
  // expected-error @+1 {{axis 0 of operand 2 has size 4, its map needs 3}}
  %y = ssm.causal_conv input(%x : tensor<?x8xf32>) weight(%w : tensor<8x4xf32>) history(%h : tensor<4x8xf32>) {indexing_maps = [affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (d, j)>, affine_map<(d, t, j) -> (j, d)>, affine_map<(d, t, j) -> (t, d)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @causal_conv_c4(%x: tensor<?x8xf32>, %w: tensor<8x0xf32>) {
  // expected-error @+1 {{needs at least one tap}}
  %y = ssm.causal_conv input(%x : tensor<?x8xf32>) weight(%w : tensor<8x0xf32>) {indexing_maps = [affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (d, j)>, affine_map<(d, t, j) -> (t, d)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @long_conv_c1(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %h: tensor<4x8xf32>) {
  // expected-error @+1 {{output must be over (p, t)}}
  %y = ssm.long_conv input(%x : tensor<?x8xf32>) kernel(%w : tensor<8x4xf32>) {indexing_maps = [affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (d, j)>, affine_map<(d, t, j) -> (j, d)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @long_conv_c2(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %h: tensor<4x8xf32>) {
  // expected-error @+1 {{no operand or result gives the size of dim d2}}
  %y = ssm.long_conv input(%x : tensor<?x8xf32>) kernel(%x : tensor<?x8xf32>) {indexing_maps = [affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (t, d)>]} -> tensor<?x8xf32>
  return
}

// -----

func.func @long_conv_c2_dims(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %h: tensor<4x8xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{kernel must be over j and a subset of p}}
  %y = ssm.long_conv input(%x : tensor<?x8xf32>) kernel(%k : tensor<?x4xf32>) {indexing_maps = [affine_map<(d, t, j) -> (t, d)>, affine_map<(d, t, j) -> (t, j)>, affine_map<(d, t, j) -> (t, d)>]} -> tensor<?x8xf32>
  return
}
