//===- OnnxDialect.h - the onnx dialect -------------------------*- C++ -*-===//
// The dialect, its structure ops (constants, absent values, control flow), and what all passes ask of an operator or a
// symbolic type. Classes of the ~200 generated operators are in OnnxOps.h.
//===----------------------------------------------------------------------===//
#ifndef SSM_DIALECTS_ONNX_ONNXDIALECT_H
#define SSM_DIALECTS_ONNX_ONNXDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Onnx/OnnxDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Onnx/OnnxTypes.h.inc"

namespace ssm::onnx {

/// A formal input or output of a schema.
struct Formal {
  llvm::StringRef name, type; // type: a constraint letter or "tensor(int64)"
  bool optional = false, variadic = false;
};
struct AttributeDesc {
  llvm::StringRef name, kind; // kind: Int, Float, String, Ints, Floats, Strings, Tensor, Type, Graph
  bool required = false, hasDefault = false;
  llvm::StringRef defaultText;
};
struct OpSchema {
  llvm::StringRef name;
  int since = 0;
  llvm::SmallVector<Formal, 4> inputs, outputs;
  llvm::SmallVector<AttributeDesc, 4> attributes;
  llvm::StringMap<llvm::StringSet<>> constraints; // letter -> "tensor(float)", ...
};
/// Schema of the latest form; null for operators written by hand and for com.microsoft.
const OpSchema *schemaOf(llvm::StringRef opType);
const OpSchema *schemaOf(mlir::Operation *op);
/// ONNX's name of a type: tensor(float), seq(tensor(int64)), optional(tensor(bool)); empty for others.
std::string typeName(mlir::Type type);
llvm::LogicalResult verifyAgainstSchema(mlir::Operation *op);

// Attributes by ONNX name; a missing one has the schema's default, or the given one where the schema has none.
int64_t intAttr(mlir::Operation *op, llvm::StringRef name, int64_t otherwise = 0);
double floatAttr(mlir::Operation *op, llvm::StringRef name, double otherwise = 0);
llvm::StringRef stringAttr(mlir::Operation *op, llvm::StringRef name, llvm::StringRef otherwise = "");
llvm::SmallVector<int64_t> intsAttr(mlir::Operation *op, llvm::StringRef name);

/// Rank that the model declares of an operator's only result. Shape inference reads it where it cannot tell, and drops it.
constexpr llvm::StringLiteral kRankHint = "onnx.rank";
std::optional<int64_t> rankHint(mlir::Operation *op);

/// The operand is absent.
bool isNone(mlir::Value v);
/// Value of an onnx.Constant, or null.
mlir::ElementsAttr constantValue(mlir::Value v);
/// Elements of a constant tensor of at most 4096 integers or bools.
std::optional<llvm::SmallVector<int64_t>> intValues(mlir::Value v);
/// The same without a limit; empty for other element types.
llvm::SmallVector<int64_t> intValues(mlir::ElementsAttr value);

// Symbolic sizes (docs/internals.md, section 2).
mlir::AffineExpr getDimExpr(mlir::RankedTensorType type, unsigned axis);
llvm::SmallVector<mlir::AffineExpr> getDimExprs(mlir::RankedTensorType type);
/// Type of these sizes: constants become static, an encoding is made when one is not constant.
mlir::RankedTensorType withDims(mlir::Type elementType, llvm::ArrayRef<mlir::AffineExpr> dims);
/// onnx.Dims of sizes, as an i64 tensor of this type.
mlir::Value sizesOf(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<mlir::AffineExpr> sizes,
                    mlir::RankedTensorType type);

} // namespace ssm::onnx

namespace ssm {
/// Normal form of an axis attribute.
inline int64_t normalAxis(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }
} // namespace ssm

#define GET_OP_CLASSES
#include "dialects/Onnx/StructureOps.h.inc"

#endif
