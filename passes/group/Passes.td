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
  let summary = "makes every sequential loop an onnx.Scan along axis 0";
  let description = [{
    An ssm.recurrence becomes an onnx.Scan; sequences and outputs along another axis are transposed around the loop:

        %f, %y = ssm.recurrence sequences(%x) initial(%h) {axes = [1], ...}
     -> %t = onnx.Transpose(%x) {perm = [1, 0, 2]} ; %f, %y = onnx.Scan(%h, %t) {num_scan_inputs = 1}
  }];
  let dependentDialects = ["::ssm::SsmDialect", "::ssm::onnx::OnnxDialect"];
}

def LowerGraph : Pass<"ssm-lower-graph", "::mlir::ModuleOp"> {
  let summary = "turns @main into host code: allocation, shape arithmetic, control flow and calls of dispatches";
  let description = [{
    Replaces @main by `ssm_generated_main` (docs/internals.md, section 5) in func, scf, arith and llvm. Buffers of the top
    level whose sizes are known at entry lie in one arena, planned by liveness; others are allocated. Constants are
    offsets into one of two regions, the embedded and the side one, listed in the module attributes ssm.embedded and
    ssm.side.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::func::FuncDialect"];
}
#endif
