//===- OnnxDialect.td - the onnx dialect ---------------------------------===//
#ifndef ONNX_DIALECT_TD
#define ONNX_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Onnx_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::ssm::onnx";
  let summary = "the operators of ONNX, each in its latest form";
  let description = [{
    One operation per ONNX operator, with one operand per formal input and one result per formal output
    (docs/internals.md, section 1). All but a few are generated from libonnx's schemas by tools/onnx-dialect-gen.
  }];
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasOperationAttrVerify = 0;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

/// Every operation is checked against its schema: operand and result counts, element types, required attributes.
class Onnx_Op<string mnemonic, list<Trait> traits = []> : Op<Onnx_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return ::ssm::onnx::verifyAgainstSchema(*this); }
  }];
}

class Onnx_Type<string name, string typeMnemonic> : TypeDef<Onnx_Dialect, name> { let mnemonic = typeMnemonic; }

def Onnx_StringType : Onnx_Type<"String", "string"> { let summary = "element type of ONNX string tensors"; }
def Onnx_SequenceType : Onnx_Type<"Sequence", "seq"> {
  let summary = "sequence of values of one type";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}
def Onnx_OptionalType : Onnx_Type<"Optional", "opt"> {
  let summary = "a value or nothing";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

#endif
