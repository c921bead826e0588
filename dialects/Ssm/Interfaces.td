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
    InterfaceMethod<"Equivalent forms this operation can be computed in, the first one is always right.",
      "::llvm::SmallVector<::llvm::StringRef>", "getForms", (ins)>,
    InterfaceMethod<[{Work of one form in float operations, with what it spends on memory and on steps that wait for each
      other counted as operations. The sizes are those of the iteration dims (of the first operand for an op without maps).}],
      "double", "getCost", (ins "::llvm::StringRef":$form, "::llvm::ArrayRef<int64_t>":$sizes)>,
    InterfaceMethod<"The form asked for by the attribute `form`, else the cheapest one; sizes not known are taken as 512.",
      "::llvm::StringRef", "getPreferredForm", (ins), [{}], [{ return ::ssm::preferredForm($_op); }]>,
  ];
  let verify = [{ return ::ssm::verifyForm($_op); }];
}

#endif
