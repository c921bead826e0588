//===- SsmDialect.td - the ssm dialect -----------------------------------===//
#ifndef SSM_DIALECT_TD
#define SSM_DIALECT_TD

include "mlir/IR/OpBase.td"

def Ssm_Dialect : Dialect {
  let name = "ssm";
  let cppNamespace = "::ssm";
  let summary = "sequence mixers, and the structure of a compiled model around them";
  let description = [{
    Operations of two kinds. Sequence mixers (scans, recurrences, attention) are what raising finds. Structure ops tie
    a model together: symbols of dynamic sizes (`ssm.bind_*`) and calls of units of compilation (`ssm.dispatch`).
  }];
}

class Ssm_Op<string mnemonic, list<Trait> traits = []> : Op<Ssm_Dialect, mnemonic, traits>;

#endif
