//===- Interfaces.td - what every sequence mixer answers -----------------===//
#ifndef SSM_INTERFACES_TD
#define SSM_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Ssm_SequenceMixerOpInterface : OpInterface<"SequenceMixerOpInterface"> {
  let cppNamespace = "::ssm";
  let description = [{
    A sequence mixer combines positions of a sequence. It has a time dimension, possibly a carried state, and one or more
    equivalent forms in which it can be computed. Passes ask these methods and never for a particular operation.
  }];
  let methods = [
    InterfaceMethod<"Kind as reports name it: the op's name without its dialect.", "::llvm::StringRef", "getKind", (ins), [{}],
      [{ return $_op->getName().stripDialect(); }]>,
    InterfaceMethod<[{Time: an iteration dim of the op's maps, or the axis of the operands of an op without maps.}], "int64_t",
      "getTimeDim", (ins)>,
    InterfaceMethod<"Whether time runs from the last index to the first.", "bool", "isReversed", (ins), [{}],
      [{ return $_op->hasAttr("reverse"); }]>,
    InterfaceMethod<"State before the first step; empty when it is zero or there is none.", "::mlir::ValueRange",
      "getInitialStates", (ins)>,
    InterfaceMethod<"State after the last step; empty when it is not asked for.", "::mlir::ValueRange", "getFinalStates", (ins)>,
    InterfaceMethod<[{Where the states stand among operands and results; none for an op that carries no state, or a part of
      one only, from one step to the next.}], "::std::optional<::ssm::StateGroups>", "getStateGroups", (ins), [{}],
      [{ return ::std::nullopt; }]>,
    InterfaceMethod<[{The value of each state before the first step where the op does not say it, of the state's type. Their
      number is that of the states.}], "::llvm::SmallVector<::mlir::TypedAttr>", "getNeutralStates", (ins), [{}],
      [{ return {}; }]>,
    InterfaceMethod<"Size of a state's axis over a loop, of the loop's size d0.", "::mlir::AffineExpr", "getStateSize",
      (ins "int64_t":$loop), [{}], [{ return ::mlir::getAffineDimExpr(0, $_op->getContext()); }]>,
    InterfaceMethod<"Loops that tiling may cut: the iteration dims of the op's maps.", "int64_t", "getNumLoops", (ins), [{}],
      [{ return ::ssm::numIterationDims($_op); }]>,
    InterfaceMethod<"The loop over time.", "int64_t", "getTimeLoop", (ins), [{}], [{ return $_op.getTimeDim(); }]>,
    InterfaceMethod<"Whether tiles of a loop do not need each other.", "bool", "isParallelLoop", (ins "int64_t":$loop), [{}],
      [{ return loop < $_op.getTimeDim(); }]>,
    InterfaceMethod<"How each operand and result follows the loops.", "::ssm::LoopAccesses", "getLoopAccesses", (ins), [{}],
      [{ return ::ssm::mappedAccesses($_op); }]>,
    InterfaceMethod<"Equivalent forms this operation can be computed in, the first one is always right.",
      "::llvm::SmallVector<::llvm::StringRef>", "getForms", (ins)>,
    InterfaceMethod<[{Work of one form in float operations, with what it spends on memory and on steps that wait for each
      other counted as operations. The sizes are those of the iteration dims (of the first operand for an op without maps).}],
      "double", "getCost", (ins "::llvm::StringRef":$form, "::llvm::ArrayRef<int64_t>":$sizes)>,
    InterfaceMethod<"Steps that a form computes together: 1 for one that goes step by step, 0 for one that has no such bound.",
      "int64_t", "getChunkSize", (ins "::llvm::StringRef":$form), [{}], [{ return 0; }]>,
    InterfaceMethod<"The form asked for by the attribute `form`, else the cheapest one; sizes not known are taken as 512.",
      "::llvm::StringRef", "getPreferredForm", (ins), [{}], [{ return ::ssm::preferredForm($_op); }]>,
  ];
  let verify = [{ return ::ssm::verifyForm($_op); }];
}

#endif
