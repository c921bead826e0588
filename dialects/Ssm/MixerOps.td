//===- MixerOps.td - sequence mixers -------------------------------------===//
#ifndef SSM_MIXER_OPS_TD
#define SSM_MIXER_OPS_TD

include "dialects/Ssm/SsmDialect.td"
include "dialects/Ssm/Interfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

/// What all mixers share. Named ones carry index maps over the iteration dims their description lists, one map per
/// operand that is present, then one per result that is present. The constraints M1 to M7 hold for each of them:
///   M1  there is one map per present operand and result
///   M2  all maps are over the same dims, without symbols, with one result per axis of their tensor
///   M3  a map's result is a dim, a dim floordiv a positive constant, or 0 for an axis of size 1; no dim occurs twice
///   M4  sizes that maps give to one dim agree where they are known, and every dim has a size
///   M5  elements are f16, bf16, f32 or f64; those that only a region reads may also be integers of at least 8 bits or i1
///   M6  a region has one block with one scalar argument per value it stands for: f32 for narrower floats, else the
///       element type (signless), and ends with ssm.yield of values of the state type, f32 or f64 when an operand is f64
///   M7  a region holds scalar arith and math operations only and uses nothing defined outside of it
///   M8  form, when given, is one of the op's forms
/// `answers` are the methods of the interface that have a default which is not this op's.
class Ssm_MixerOp<string mnemonic, list<Trait> traits = [], list<string> answers = []>
    : Ssm_Op<mnemonic, [Pure, DeclareOpInterfaceMethods<Ssm_SequenceMixerOpInterface, answers>,
        DeclareOpInterfaceMethods<TilingInterface, ["getLoopIteratorTypes", "getIterationDomain",
            "getTiledImplementation", "getResultTilePosition"]>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>] # traits> {
  let hasVerifier = 1;
  let extraClassDefinition = [{
    ::mlir::SmallVector<::mlir::utils::IteratorType> $cppClass::getLoopIteratorTypes() {
      return ::ssm::tilingIterators(*this);
    }
    ::mlir::SmallVector<::mlir::Range> $cppClass::getIterationDomain(::mlir::OpBuilder &builder) {
      return ::ssm::tilingDomain(*this, builder);
    }
    ::mlir::FailureOr<::mlir::TilingResult> $cppClass::getTiledImplementation(::mlir::OpBuilder &builder,
        ::mlir::ArrayRef<::mlir::OpFoldResult> offsets, ::mlir::ArrayRef<::mlir::OpFoldResult> sizes) {
      return ::ssm::tileMixer(*this, builder, offsets, sizes, /*cutsTime=*/false);
    }
    ::llvm::LogicalResult $cppClass::getResultTilePosition(::mlir::OpBuilder &builder, unsigned result,
        ::mlir::ArrayRef<::mlir::OpFoldResult> offsets, ::mlir::ArrayRef<::mlir::OpFoldResult> sizes,
        ::mlir::SmallVector<::mlir::OpFoldResult> &resultOffsets, ::mlir::SmallVector<::mlir::OpFoldResult> &resultSizes) {
      return ::ssm::tilePosition(*this, builder, result, offsets, sizes, resultOffsets, resultSizes);
    }
    ::llvm::LogicalResult $cppClass::reifyResultShapes(::mlir::OpBuilder &builder,
        ::mlir::ReifiedRankedShapedTypeDims &shapes) {
      return ::ssm::reifyShapes(*this, builder, shapes);
    }
  }];
}

def Ssm_YieldOp : Ssm_Op<"yield", [Pure, Terminator]> {
  let summary = "ends the region of a mixer and gives its values";
  let description = [{ Example: ssm.yield %decay, %input : f32, f32 }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Ssm_SelectiveScanOp : Ssm_MixerOp<"selective_scan", [AttrSizedOperandSegments, IsolatedFromAbove],
      ["getStateGroups", "getNeutralStates", "getChunkSize"]> {
  let summary = "diagonal linear recurrence with data-dependent coefficients";
  let description = [{
    Dims (p..., t, n...), the last `state_rank` of them n.

        h[p, t, n] = a h[p, t-1, n] + u;   output[p, t] = sum_n c h[p, t, n]

    where a, u and c are what the producer yields for the elements of the inputs at (p, t, n). Without c, state_rank is 0
    and output = h. With `read_before` the read-out is of h[p, t-1, n]. With `complex` the producer yields real and
    imaginary parts (a, u and c are six values), states are pairs of tensors and the output is the real part of the sum.
    With `reverse` time runs from the last index to the first; outputs stay at their index.
    Source: Mamba (arXiv 2312.00752), equation 2; S5 (arXiv 2208.04933); LRU (arXiv 2303.06349) for the complex one.

    | # | constraint |
    |---|---|
    | C1 | state_rank is not negative and less than the number of dims |
    | C2 | the producer yields 2 values, or 3; 6 when complex |
    | C3 | without c, state_rank is 0 |
    | C4 | initial is absent or one tensor (two when complex) over (p, n), final likewise |
    | C5 | the output is over (p, t) |

    Example:

        %y, %h = ssm.selective_scan ins(%dt, %x : tensor<?x?x64xf32>, tensor<?x?x64xf32>)
            {indexing_maps = [...], state_rank = 0 : i64} -> tensor<?x?x64xf32> final(tensor<?x64xf32>) {
        ^bb0(%d: f32, %v: f32):
          %a = math.exp %d : f32
          ssm.yield %a, %v : f32, f32
        }
  }];
  let arguments = (ins
    Variadic<AnyRankedTensor>:$inputs, // read by the producer
    Variadic<AnyRankedTensor>:$initial, // h before the first step, zero when absent
    AffineMapArrayAttr:$indexing_maps,
    I64Attr:$state_rank,
    UnitAttr:$complex,
    UnitAttr:$read_before,
    UnitAttr:$reverse,
    OptionalAttr<StrAttr>:$form);
  let results = (outs AnyRankedTensor:$output, Variadic<AnyRankedTensor>:$final);
  let regions = (region SizedRegion<1>:$producer);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` (`initial` `(` $initial^ `:` type($initial) `)`)? attr-dict
    `->` type($output) (`final` `(` type($final)^ `)`)? $producer
  }];
  let hasCanonicalizer = 1;
}

def Ssm_SemiseparableOp : Ssm_MixerOp<"semiseparable", [AttrSizedOperandSegments, AttrSizedResultSegments],
      ["getStateGroups", "getNeutralStates", "getChunkSize", "isParallelLoop"]> {
  let summary = "linear recurrence of a matrix-valued state with rank-one updates";
  let description = [{
    Dims (p..., t, k, v).

        S_t = (diag(exp(log_decay_t)) + erase_left_t erase_right_t^T) S_{t-1} + exp(log_gate_t) key_t value_t^T
        output_t = S_t^T query_t

    and with `read_before`

        output_t = S_{t-1}^T query_t + (sum_k bonus . query_t . key_t) value_t

    With log_gate, output and final are scaled by exp(-log_scale), log_scale a running bound that keeps them finite:
    log_scale_t = max(log_scale_{t-1} + log_decay_t, log_gate_t), from 0 with an initial state and else from minus infinity.
    Source: Mamba-2 (arXiv 2405.21060), section 3; DeltaNet (arXiv 2406.06484); RWKV-7 (arXiv 2503.14456);
    mLSTM (arXiv 2405.04517) for the gate.

    | # | constraint |
    |---|---|
    | C1 | query and key are over (p, t, k), value and output over (p, t, v); p may be shared through floordiv |
    | C2 | log_decay and bonus are over any subset of (p, t, k), log_gate over a subset of (p, t) |
    | C3 | erase_left and erase_right are over (p, t, k) and come together |
    | C4 | initial and final are over (p, k, v), log_scale is over (p, t) |
    | C5 | bonus needs read_before |
    | C6 | log_scale needs log_gate; log_gate needs a decay without k, no erase pair and no read_before |

    Example:

        %o, %s = ssm.semiseparable query(%q : tensor<?x?x8x64xf32>) key(%k : tensor<?x?x8x64xf32>)
            value(%v : tensor<?x?x8x64xf32>) log_decay(%g : tensor<?x?x8xf32>) {indexing_maps = [...]}
            -> tensor<?x?x8x64xf32> final(tensor<?x8x64x64xf32>)
  }];
  let arguments = (ins
    AnyRankedTensor:$query,
    AnyRankedTensor:$key,
    AnyRankedTensor:$value,
    Optional<AnyRankedTensor>:$log_decay,
    Optional<AnyRankedTensor>:$erase_left,
    Optional<AnyRankedTensor>:$erase_right,
    Optional<AnyRankedTensor>:$bonus,
    Optional<AnyRankedTensor>:$log_gate,
    Optional<AnyRankedTensor>:$initial,
    AffineMapArrayAttr:$indexing_maps,
    UnitAttr:$read_before,
    UnitAttr:$reverse,
    OptionalAttr<StrAttr>:$form);
  let results = (outs AnyRankedTensor:$output, Optional<AnyRankedTensor>:$final, Optional<AnyRankedTensor>:$log_scale);
  let assemblyFormat = [{
    `query` `(` $query `:` type($query) `)` `key` `(` $key `:` type($key) `)` `value` `(` $value `:` type($value) `)`
    (`log_decay` `(` $log_decay^ `:` type($log_decay) `)`)?
    (`erase_left` `(` $erase_left^ `:` type($erase_left) `)`)? (`erase_right` `(` $erase_right^ `:` type($erase_right) `)`)?
    (`bonus` `(` $bonus^ `:` type($bonus) `)`)? (`log_gate` `(` $log_gate^ `:` type($log_gate) `)`)?
    (`initial` `(` $initial^ `:` type($initial) `)`)? attr-dict
    `->` type($output) (`final` `(` type($final)^ `)`)? (`log_scale` `(` type($log_scale)^ `)`)?
  }];
  let hasCanonicalizer = 1;
}

def Ssm_AttentionOp : Ssm_MixerOp<"attention", [AttrSizedResultSegments, IsolatedFromAbove], ["isParallelLoop"]> {
  let summary = "softmax attention";
  let description = [{
    Dims (p..., i, j, e, f).

        score[p, i, j] = score region(scale sum_e query[p, i, e] key[p, j, e], p..., i, j, modifiers at (p, i, j))
        output[p, i, f] = sum_j softmax_j(score)[p, i, j] value[p, j, f]

    A score of minus infinity masks. A row with all scores masked gives `masked_rows`: "nan" as softmax of nothing does,
    or "zero". An absent region leaves the score as it is. log_sum_exp[p, i] = log sum_j exp(score), probabilities are the
    softmax. Source: arXiv 1706.03762, section 3.2; computed online after arXiv 1805.02867.

    | # | constraint |
    |---|---|
    | C1 | query is over (p, i, e), key over (p, j, e), value over (p, j, f); p may be shared through floordiv |
    | C2 | modifiers are over any subset of (p, i, j) |
    | C3 | output is over (p, i, f), log_sum_exp over (p, i), probabilities over (p, i, j) |
    | C4 | masked_rows is nan or zero |
    | C5 | the score region takes the score, one index per dim of (p, i, j) and one scalar per modifier, and yields one value;
           it is there when there are modifiers |

    Example:

        %o = ssm.attention query(%q : tensor<?x?x64xf32>) key(%k : tensor<?x?x64xf32>) value(%v : tensor<?x?x64xf32>)
            {indexing_maps = [...], scale = 0.125 : f64, masked_rows = "nan"} -> tensor<?x?x64xf32> {
        ^bb0(%s: f32, %b: index, %i: index, %j: index):
          %future = arith.cmpi sgt, %j, %i : index
          %m = arith.constant 0xFF800000 : f32
          %r = arith.select %future, %m, %s : f32
          ssm.yield %r : f32
        }
  }];
  let arguments = (ins
    AnyRankedTensor:$query,
    AnyRankedTensor:$key,
    AnyRankedTensor:$value,
    Variadic<AnyRankedTensor>:$modifiers, // biases and masks, read by the score region
    AffineMapArrayAttr:$indexing_maps,
    F64Attr:$scale,
    StrAttr:$masked_rows,
    OptionalAttr<StrAttr>:$form);
  let results = (outs AnyRankedTensor:$output, Optional<AnyRankedTensor>:$log_sum_exp, Optional<AnyRankedTensor>:$probabilities);
  let regions = (region MaxSizedRegion<1>:$score);
  let assemblyFormat = [{
    `query` `(` $query `:` type($query) `)` `key` `(` $key `:` type($key) `)` `value` `(` $value `:` type($value) `)`
    (`modifiers` `(` $modifiers^ `:` type($modifiers) `)`)? attr-dict
    `->` type($output) (`log_sum_exp` `(` type($log_sum_exp)^ `)`)? (`probabilities` `(` type($probabilities)^ `)`)?
    ($score^)?
  }];
  let hasCanonicalizer = 1;
}

def Ssm_CausalConvOp : Ssm_MixerOp<"causal_conv", [AttrSizedOperandSegments],
      ["getStateGroups", "getNeutralStates", "getStateSize", "getLoopAccesses"]> {
  let summary = "depthwise causal convolution with carried history";
  let description = [{
    Dims (p..., t, j), j one of the K taps.

        output[p, t] = bias[p] + sum_j weight[p, j] x'[p, t - K + 1 + j],   x' = history ++ input

    in which zeros stand for an absent history. final_history are the last K-1 of x'. With `reverse`, time runs from the
    last index to the first and history comes before the last index.
    Source: ONNX CausalConvWithState-27; Mamba (arXiv 2312.00752), section 3.4.

    | # | constraint |
    |---|---|
    | C1 | input and output are over (p, t) |
    | C2 | weight is over j and a subset of p, bias over a subset of p |
    | C3 | history and final_history are over (p, j), of size K-1 in j |
    | C4 | K is at least 1 |

    Example: %y, %h = ssm.causal_conv input(%x : tensor<?x?x64xf32>) weight(%w : tensor<64x4xf32>)
                 history(%h0 : tensor<?x3x64xf32>) {indexing_maps = [...]} -> tensor<?x?x64xf32> final_history(tensor<?x3x64xf32>)
  }];
  let arguments = (ins
    AnyRankedTensor:$input,
    AnyRankedTensor:$weight,
    Optional<AnyRankedTensor>:$bias,
    Optional<AnyRankedTensor>:$history,
    AffineMapArrayAttr:$indexing_maps,
    UnitAttr:$reverse,
    OptionalAttr<StrAttr>:$form);
  let results = (outs AnyRankedTensor:$output, Optional<AnyRankedTensor>:$final_history);
  let assemblyFormat = [{
    `input` `(` $input `:` type($input) `)` `weight` `(` $weight `:` type($weight) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)? (`history` `(` $history^ `:` type($history) `)`)? attr-dict
    `->` type($output) (`final_history` `(` type($final_history)^ `)`)?
  }];
  let hasCanonicalizer = 1;
}

def Ssm_LongConvOp : Ssm_MixerOp<"long_conv"> {
  let summary = "causal convolution with a kernel as long as the sequence";
  let description = [{
    Dims (p..., t, j).

        output[p, t] = sum_{j <= min(t, K-1)} kernel[p, j] input[p, t - j]

    With `reverse` the sum is over input[p, t + j]. Source: S4 (arXiv 2111.00396), equation 4; Hyena (arXiv 2302.10866).

    | # | constraint |
    |---|---|
    | C1 | input and output are over (p, t) |
    | C2 | kernel is over j and a subset of p |

    Example: %y = ssm.long_conv input(%x : tensor<?x64x?xf32>) kernel(%k : tensor<64x?xf32>) {indexing_maps = [...]}
                 -> tensor<?x64x?xf32>
  }];
  let arguments = (ins
    AnyRankedTensor:$input,
    AnyRankedTensor:$kernel,
    AffineMapArrayAttr:$indexing_maps,
    UnitAttr:$reverse,
    OptionalAttr<StrAttr>:$form);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = [{
    `input` `(` $input `:` type($input) `)` `kernel` `(` $kernel `:` type($kernel) `)` attr-dict `->` type($output)
  }];
}

def Ssm_ScanOp : Ssm_MixerOp<"scan", [AttrSizedOperandSegments, AttrSizedResultSegments, IsolatedFromAbove],
      ["getStateGroups", "getNeutralStates", "getChunkSize", "getNumLoops", "isParallelLoop", "getLoopAccesses"]> {
  let summary = "scan with an associative combiner";
  let description = [{
    Over m operands x of one shape, along `dim`:

        y_t = combiner(y_{t-1}, x_t),  y_{-1} = initial, or identity where there is none;  outputs_t = y_t

    With `exclusive`, outputs_t = y_{t-1}. final is y after the last step. With `reverse` time runs from the last index to
    the first; the combiner's first values are always the earlier ones in the order of the run.
    Source: Blelloch, Prefix sums and their applications (CMU-CS-90-190), sections 1.1 and 1.4.

    | # | constraint |
    |---|---|
    | C1 | there is at least one operand, all have one shape, and outputs are of the operands' types |
    | C2 | dim is one of the operands' axes |
    | C3 | initial is absent or one tensor per operand, without the axis dim; final likewise |
    | C4 | identity has one number per operand |
    | C5 | the combiner takes 2m scalars, the earlier m and the later m, and yields m, of the operands' computation types
           (f32 for narrower floats, else the signless element type) |

    Example:

        %y = ssm.scan ins(%x : tensor<?x8xf32>) {dim = 0 : i64, identity = [0.0]} -> tensor<?x8xf32> {
        ^bb0(%a: f32, %b: f32):
          %s = arith.addf %a, %b : f32
          ssm.yield %s : f32
        }
  }];
  let arguments = (ins
    Variadic<AnyRankedTensor>:$inputs,
    Variadic<AnyRankedTensor>:$initial,
    I64Attr:$dim,
    ArrayAttr:$identity,
    UnitAttr:$exclusive,
    UnitAttr:$reverse,
    OptionalAttr<StrAttr>:$form);
  let results = (outs Variadic<AnyRankedTensor>:$outputs, Variadic<AnyRankedTensor>:$final);
  let regions = (region SizedRegion<1>:$combiner);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` (`initial` `(` $initial^ `:` type($initial) `)`)? attr-dict
    `->` type($outputs) (`final` `(` type($final)^ `)`)? $combiner
  }];
  let hasCanonicalizer = 1;
}

def Ssm_RecurrenceOp : Ssm_MixerOp<"recurrence", [AttrSizedOperandSegments, AttrSizedResultSegments],
      ["getStateGroups", "getChunkSize", "getNumLoops", "getTimeLoop", "isParallelLoop", "getLoopAccesses"]> {
  let summary = "sequential recurrence with any body";
  let description = [{
    For each step t, the body takes the slices of the sequences at t (without their time axis) and the carries, and yields
    the next carries and the slices of the outputs. Values from outside are captured. The finals are the carries after the
    last step. With `reverse` steps run from the last index to the first; outputs stay at their index.
    This is the form of any recurrence that is not linear in its state: LSTM (Hochreiter and Schmidhuber, 1997), GRU
    (arXiv 1406.1078), sLSTM (arXiv 2405.04517), and of dense state-space models.

    | # | constraint |
    |---|---|
    | C1 | axes has one axis per sequence, and each is an axis of its sequence |
    | C2 | output_axes has one axis per output, and each is an axis of its output |
    | C3 | the body takes the slices of the sequences and then the carries, each a tensor of its element type and rank |
    | C4 | the body ends with ssm.yield of the next carries and then the slices of the outputs |
    | C5 | there is one final per initial, of its type |
    | C6 | known lengths of the sequences and the outputs agree, and there is at least one sequence |

    Example:

        %h, %y = ssm.recurrence sequences(%x : tensor<?x4xf32>) initial(%h0 : tensor<4xf32>)
            {axes = array<i64: 0>, output_axes = array<i64: 0>} -> finals(tensor<4xf32>) outputs(tensor<?x4xf32>) {
        ^bb0(%xt: tensor<4xf32>, %ht: tensor<4xf32>):
          %s = "onnx.Add"(%xt, %ht) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
          %n = "onnx.Tanh"(%s) : (tensor<4xf32>) -> tensor<4xf32>
          ssm.yield %n, %n : tensor<4xf32>, tensor<4xf32>
        }
  }];
  let arguments = (ins
    Variadic<AnyRankedTensor>:$sequences,
    Variadic<AnyRankedTensor>:$initial,
    DenseI64ArrayAttr:$axes,
    DenseI64ArrayAttr:$output_axes,
    UnitAttr:$reverse,
    OptionalAttr<StrAttr>:$form);
  let results = (outs Variadic<AnyRankedTensor>:$finals, Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `sequences` `(` $sequences `:` type($sequences) `)` (`initial` `(` $initial^ `:` type($initial) `)`)? attr-dict
    `->` (`finals` `(` type($finals)^ `)`)? (`outputs` `(` type($outputs)^ `)`)? $body
  }];
}

#endif
