//===- Passes.td - passes of the group phase -----------------------------===//
#ifndef SSM_PASSES_GROUP
#define SSM_PASSES_GROUP
include "mlir/Pass/PassBase.td"

def ChooseForms : Pass<"ssm-choose-forms", "::mlir::ModuleOp"> {
  let summary = "chooses the form in which each sequence mixer is computed";
  let description = [{
    A mixer has equivalent forms (recurrent, chunked, online ...), each with a cost that its interface tells. The cheapest
    one, or the one asked for by `forms`, becomes the attribute `form`. A form that an operation does not have is an error
    at its node.
  }];
  let options = [ListOption<"forms", "forms", "std::string", "choices KIND:FORM for all mixers of a kind">];
  let dependentDialects = ["::ssm::SsmDialect"];
}

def ConvolveScans : Pass<"ssm-convolve-scans", "::mlir::ModuleOp"> {
  let summary = "turns time-invariant scans whose form is a convolution into ssm.long_conv";
  let description = [{
    A scan whose decay and read-out do not change over time and whose input enters linearly is a convolution of the input
    with the scan's own response to an impulse. Where the form chosen is `convolution`, that response is computed by the
    recurrence, once for all sequences it is the same for:

        %y = ssm.selective_scan ins(%A, %B, %x) {form = "convolution"}
     -> %k = ssm.selective_scan ins(%A, %B, %impulse) {form = "recurrent"} ; %y = ssm.long_conv input(%x) kernel(%k)

    Source: S4 (arXiv 2111.00396), section 2.3.
  }];
  let statistics = [Statistic<"numConvolved", "convolved scans", "scans that became convolutions">];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def SeedRandom : Pass<"ssm-seed-random", "::mlir::ModuleOp"> {
  let summary = "gives random operators without a seed another one in each execution";
  let description = [{
        %r = onnx.RandomNormal {shape = [2]}  ->  ssm.bind_seed -> 5
                                                  %r = onnx.RandomNormal {shape = [2], ssm.seed = affine_map<()[..., s5] -> (s5)>}

    An operator with an attribute `seed` stays as it is: its numbers are the same in each call.
  }];
  let statistics = [Statistic<"numSeeded", "seeded operators", "random operators that draw their seed at run time">];
  let dependentDialects = ["::ssm::SsmDialect"];
}

def FormDispatches : Pass<"ssm-form-dispatches", "::mlir::ModuleOp"> {
  let summary = "outlines groups of operators of @main into dispatch functions";
  let description = [{
    Elementwise operators over one index space join the group that makes their operands; every other operator is a group
    of its own. A group stands where its last member stood and is closed when an operator outside reads from it. Equal
    groups become one function. Views, constants, control flow and sequences stay in @main. Linear in operators.
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect", "::mlir::func::FuncDialect"];
}

def PackWeights : Pass<"ssm-pack-weights", "::mlir::ModuleOp"> {
  let summary = "gives matrix products their constant right operands in column panels";
  let description = [{
    A constant matrix that MatMul or Gemm multiplies with from the right, directly or through a Transpose, is replaced by
    `ssm.pack` of it, and the operator gets `ssm.columns`, the number of columns. So are both matrices of LSTM, GRU and
    RNN. One constant read by several operators is packed once.

        %r = onnx.MatMul(%x, %w)    ->    %p = ssm.pack %w, %r = onnx.MatMul(%x, %p) {ssm.columns = 768}
  }];
  let statistics = [Statistic<"numPacked", "packed operands", "operands that became panels">];
  let dependentDialects = ["::ssm::SsmDialect"];
}

def NormaliseScans : Pass<"ssm-normalise-scans", "::mlir::ModuleOp"> {
  let summary = "makes sequential loops one dispatch or an onnx.Scan along axis 0";
  let description = [{
    An ssm.recurrence whose step is a few operators with kernels stays, to be one dispatch; its constants move in front of it.
    Every other one becomes an onnx.Scan; sequences and outputs along another axis are transposed around the loop:

        %f, %y = ssm.recurrence sequences(%x) initial(%h) {axes = [1], ...}
     -> %t = onnx.Transpose(%x) {perm = [1, 0, 2]} ; %f, %y = onnx.Scan(%h, %t) {num_scan_inputs = 1}
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def PlanMemory : Pass<"ssm-plan-memory", "::mlir::ModuleOp"> {
  let summary = "places the buffers of a call in one arena";
  let description = [{
    Gives every buffer whose sizes are known when the call starts an offset in the arena of @main, so that buffers which
    do not live at the same time share memory. Offsets are multiples of 64 and expressions of symbols, computed once.
    Buffers inside of loops and branches whose sizes only the arguments of a body tell are in an arena of that body.
    Which buffer lies above which is decided at compile time, at typical sizes, and holds at all sizes.

        %a = ssm.dispatch @f(%x) ...          ssm.arena 0 of affine_map<()[s0] -> (s0 * 256)>
        %b = ssm.dispatch @g(%a) ...    ->    %a = ssm.dispatch @f(%x) ... {ssm.arenas = array<i64: 0>,
                                                                         ssm.offsets = affine_map<() -> (0)>}
                                              %b = ssm.dispatch @g(%a) ... {ssm.arenas = array<i64: 0>,
                                                                         ssm.offsets = affine_map<()[s0] -> (s0 * 128)>}
  }];
  let statistics = [Statistic<"numPlaced", "placed buffers", "buffers that lie in an arena">];
  let dependentDialects = ["::ssm::SsmDialect"];
}

def LowerGraph : Pass<"ssm-lower-graph", "::mlir::ModuleOp"> {
  let summary = "turns @main into host code: allocation, shape arithmetic, control flow and calls of dispatches";
  let description = [{
    Replaces @main by `ssm_generated_main` (docs/internals.md, section 5) in func, scf, arith and llvm. Buffers lie where
    ssm-plan-memory has placed them; others are allocated when they are made and freed after their last use. Large
    constants are offsets into the region of the side file, listed in the module attribute ssm.side.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::func::FuncDialect"];
}

def SplitHost : Pass<"ssm-split-host", "::mlir::ModuleOp"> {
  let summary = "splits a long host function into pieces that are called one after the other";
  let description = [{
    LLVM takes time quadratic in the calls of one function, so a block of `ssm_generated_main` with more than
    `max-operations` becomes calls of pieces, which share a frame on its stack. Linear in operations.

        func.func @ssm_generated_main(...) {         func.func private @host_piece_0(%frame: !llvm.ptr) { ... }
          ...                                        func.func @ssm_generated_main(...) {
        }                                     ->       %frame = llvm.alloca ...
                                                       call @host_piece_0(%frame)
                                                       ...
                                                     }
  }];
  let options = [Option<"maxOperations", "max-operations", "int64_t", "4000", "operations of one function">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect"];
}
#endif
