//===- Passes.td - passes of the raise phase -----------------------------===//
#ifndef SSM_PASSES_RAISE
#define SSM_PASSES_RAISE
include "mlir/Pass/PassBase.td"

def SimplifySizes : Pass<"ssm-simplify-sizes", "::mlir::ModuleOp"> {
  let summary = "replaces symbols that provably equal an expression of other sizes";
  let description = [{
    With `ssm.bind_expr min affine_map<()[s0] -> (s0, s0 + 3)> -> 1`, s1 becomes s0 in every type: sizes are not negative.
    Symbols that stay open (a broadcast of two unrelated inputs) are left alone.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def StackWrites : Pass<"ssm-stack-writes", "::mlir::ModuleOp"> {
  let summary = "turns writes of the slices of a buffer into a Concat";
  let description = [{
    What steps or chunks give is often written into a buffer of zeros, slice by slice:

        %1 = onnx.ScatterElements(%zeros, 0, %y0) {axis = 2}
        %2 = onnx.ScatterElements(%1, 1, %y1) {axis = 2}       ->      %y = onnx.Concat(%y0, %y1, %y2) {axis = 2}
        %y = onnx.ScatterElements(%2, 2, %y2) {axis = 2}

    Along one axis, in any order, without overlap, nothing read in between. What is not written stays what it was; a buffer
    that may be too short at run time gets a check. Linear in the writes.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
  let statistics = [Statistic<"writes", "writes", "writes that became operands of a Concat">];
}

def Reroll : Pass<"ssm-reroll", "::mlir::ModuleOp"> {
  let summary = "turns unrolled recurrences into sequence mixers";
  let description = [{
    A chain of values in which each is the same expression of the one before, of slices at places that move evenly and of
    values that stay, is a loop:

        %h1 = onnx.Add(onnx.Mul(%a[1], %h0), %u[1])
        %h2 = onnx.Add(onnx.Mul(%a[2], %h1), %u[2])   ->   %h = ssm.selective_scan ins(%a, %u)
        ...
        %h = onnx.Concat(%h0, %h1, %h2, ...)

    Names and the order of operators do not matter. Linear in operators.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def RaiseLoops : Pass<"ssm-raise-loops", "::mlir::ModuleOp"> {
  let summary = "turns onnx.Scan and onnx.Loop into sequence mixers";
  let description = [{
    Brings every loop of @main into one form with explicit carries, slices per step and outputs, and analyses how the
    next carries depend on the present ones. A loop that is not raised stays as it was, and the module attribute
    `ssm.missed` says why.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def RaiseDoubling : Pass<"ssm-raise-doubling", "::mlir::ModuleOp"> {
  let summary = "turns parallel scans written as trees of operators into sequence mixers";
  let description = [{
    Stages that combine each element with one further back, by doubling, up-sweep and down-sweep, or odd and even halves:

        %s  = onnx.Pad(onnx.Slice(%h, 0, -1), 0)     // h of the step before
        %h1 = onnx.Add(onnx.Mul(%a, %s), %h)
        %a1 = onnx.Mul(%a, onnx.Pad(onnx.Slice(%a, 0, -1), 1))  ->  %h = ssm.selective_scan ins(%a, %u)
        ... two steps back, four ...

    Every element of the result is proved to be the recurrence over all elements up to its own, whatever the tree. Pairs
    that multiply as complex numbers are one complex scan. Sums over dims of the states become its read-out. Over a length
    that only the run knows, k stages are the recurrence up to 2^k steps; an onnx.If keeps them for longer ones.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def RaiseAttention : Pass<"ssm-raise-attention", "::mlir::ModuleOp"> {
  let summary = "turns softmax between two contractions into ssm.attention";
  let description = [{
    A contraction of values with a softmax over a function of one query-key product becomes one ssm.attention:

        %s = onnx.MatMul(%q, %kT)                      %o = ssm.attention query(%q) key(%k) value(%v) modifiers(%mask)
        %m = onnx.Add(%s, %mask)                            {scale = 1.0, masked_rows = "nan", indexing_maps = [...]} {
        %p = onnx.Softmax(%m)              ->          ^bb0(%s: f32, %i: index, %j: index, %m: f32):
        %o = onnx.MatMul(%p, %v)                         %r = arith.addf %s, %m ; ssm.yield %r }

    Softmax may be in pieces and in any axis order, operands in any layout, batch and heads folded or not; repeated heads
    become index maps. Masks that depend on positions become index arithmetic of the score region.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def RaiseOperators : Pass<"ssm-raise-operators", "::mlir::ModuleOp"> {
  let summary = "turns operators that are sequence mixers into those of ssm";
  let description = [{
    onnx.LinearAttention, with each of its update rules, becomes one ssm.semiseparable: scale goes to the query, the rate of
    the delta rules to the key and to the erased direction, query heads that share a state become a dim of their own.
    onnx.CausalConvWithState becomes ssm.causal_conv, its activation stays outside. onnx.LSTM, GRU and RNN become one
    ssm.recurrence for each direction, with every attribute:

        %y, %h = onnx.RNN(%x, %w, %r, %b)
     -> %in = onnx.Gemm(%x, %w, %bias) {transB = 1}                    all steps at once
        %h, %y = ssm.recurrence sequences(%in) initial(%zero) {
          ^bb0(%xt, %ht): onnx.Tanh(onnx.Add(%xt, onnx.Gemm(%ht, %r) {transB = 1}))
        }

    With sequence_lens a step keeps the states of the sequences that have ended.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def RaiseConvolutions : Pass<"ssm-raise-convolutions", "::mlir::ModuleOp"> {
  let summary = "turns causal depthwise convolutions into ssm.causal_conv and ssm.long_conv";
  let description = [{
    A value whose element at time t is a sum of w[j] x[t - K + 1 + j], zeros or a history before the first x:

        %p = onnx.Concat(%history, %x)
        %y = onnx.Conv(%p, %w, %b) {group = channels}    ->    %y = ssm.causal_conv input(%x) weight(%w) bias(%b) history(%history)

    Found in Conv with padding on either side and a Slice behind, in sums of shifted products, and in products with a
    Toeplitz matrix that is gathered from taps or a constant. More than 32 taps without a history, or as many as there are
    times, are an ssm.long_conv, and so is the
    inverse transform of a product of spectra that are long enough. Where the kernel is made in the graph as a sum of
    exponentials, it is the ssm.selective_scan with that impulse response.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect"];
}

def RaiseChunks : Pass<"ssm-raise-chunks", "::mlir::ModuleOp"> {
  let summary = "turns recurrences computed in chunks into sequence mixers";
  let description = [{
    Masked products inside of chunks and a state that goes from one chunk to the next are one recurrence over time:

        %intra = onnx.MatMul(mask * exp(cs(t) - cs(s)) * %q %kT, %v)
        %inter = exp(cs) * onnx.MatMul(%q, %state)                    ->   %o = ssm.semiseparable query(%q) key(%k) value(%v)
        %state' = exp(cs(last)) * %state + onnx.MatMul(exp(cs(last) - cs) * %kT, %v)

    The state may be carried by Scan, Loop, a matrix of decays between chunks, or from chunk to chunk one by one. With the inverse of a unit triangular
    matrix in between, spelled in any way, it is a delta rule.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def RaiseClosedForms : Pass<"ssm-raise-closed-forms", "::mlir::ModuleOp"> {
  let summary = "turns materialised masks, decay matrices and ratios of cumulative sums into recurrences";
  let description = [{
    A value whose element at time t is a sum over s <= t of left(t) right(s) exp(cs(t) - cs(s)), cs a cumulative sum:

        %p = onnx.MatMul(%q, %kT)
        %m = onnx.Trilu(%p) {upper = 0}        ->    %o = ssm.semiseparable query(%q) key(%k) value(%v)
        %o = onnx.MatMul(%m, %v)

    becomes ssm.semiseparable, or ssm.selective_scan where the decay knows every feature. Masks are proved to be s <= t on
    the whole domain. What divides by exp(cs) underflows as written; it does not afterwards. Any other value at t less the
    same at s is a cumulative sum of its steps. A sum of |left right| over the past is the log_sum_exp of an ssm.attention.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect"];
}

def JoinMixers : Pass<"ssm-join-mixers", "::mlir::ModuleOp"> {
  let summary = "joins mixers that go on where another one ended";
  let description = [{
    Chunks of a sequence that are each a recurrence of their own, started with the state behind the chunk before, are one:

        %y0, %h = ssm.selective_scan ins(%a0, %u0)
        %y1 = ssm.selective_scan ins(%a1, %u1) initial(%h)    ->    %y = ssm.selective_scan ins(%a, %u)
        %y = onnx.Concat(%y0, %y1)

    with the operands behind each other in time, which is what they were cut from where they were. Nothing else may read a
    state in between, and no operand may depend on an earlier output.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def CheckSlices : Pass<"ssm-check-slices", "::mlir::ModuleOp"> {
  let summary = "checks at run time that raised slices lie inside of their tensors";
  let description = [{
    A loop of seven steps over a sequence reads seven of its elements, however long it is at run time. The slice that
    raising makes of these reads carries `ssm.unchecked` where its end is not proved to be inside; here it gets a check:

        %y = "onnx.Slice"(%x, %0, %7, ...) {ssm.unchecked}    ->    ssm.bind_expr "max" affine_map<()[s0] -> (7, s0)> -> 1
                                                                    ssm.bind_expr "same" affine_map<()[s0, s1] -> (s0, s1)> -> 2
                                                                    %y = "onnx.Slice"(%x, %0, %7, ...)

    One check for each length and end in a block. Linear.
  }];
  let dependentDialects = ["::ssm::SsmDialect"];
  let statistics = [Statistic<"checks", "checks", "lengths that are checked">];
}

#endif
