//===- GraphLowering.h - @main on its way into host code --------*- C++ -*-===//
// State of one ssm-lower-graph. LowerGraph.cpp has values, views and dispatches, LowerControlFlow.cpp If, Loop and Scan,
// LowerSequences.cpp sequences and optionals.
// A value is a pointer and the sizes its type names. A tensor's pointer is to its elements; a sequence's or an optional's
// is to an ssm_value, which for an absent optional has the kind SSM_ABSENT.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_GROUP_GRAPHLOWERING_H
#define SSM_PASSES_GROUP_GRAPHLOWERING_H

#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/group/Host.h"

namespace ssm {
int32_t onnxDtype(mlir::Type t);
/// Bytes of one element in a buffer.
int64_t elementBytes(mlir::Type t);

/// The value whose buffer a value is: views share that of their operand.
mlir::Value bufferOf(mlir::Value v);
/// Results of @main that are written where the caller wants them, with the first output that each is.
llvm::SmallVector<std::pair<mlir::Value, int64_t>> directOutputs(mlir::func::FuncOp main);

// Layout of ssm_value (include/ssm-mlir-c/model.h).
constexpr int64_t kValueBytes = 152, kShapeOffset = 16, kDataOffset = 144;
using Pred = mlir::arith::CmpIPredicate;

class GraphLowering {
public:
  explicit GraphLowering(mlir::ModuleOp module) : h(module), module(module) {}
  llvm::LogicalResult run(mlir::func::FuncOp main);

private:
  /// What a block owns while it is emitted.
  struct Scope {
    llvm::DenseMap<mlir::Value, mlir::Value> owned;                   // root value -> buffer
    llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value>> dies; // roots whose last use an operation is
    llvm::SmallVector<mlir::Value> arenas;                            // made in this block, freed at its end
  };
  llvm::LogicalResult emitBlock(mlir::Block &block);
  llvm::LogicalResult emit(mlir::Operation *op);
  llvm::LogicalResult emitDispatch(DispatchOp op);
  llvm::LogicalResult emitIf(onnx::IfOp op);
  llvm::LogicalResult emitLoop(onnx::LoopOp op);
  llvm::LogicalResult emitScan(onnx::ScanOp op);
  void appendLeaving(mlir::Type type, mlir::Value v, llvm::SmallVectorImpl<mlir::Value> &values);
  mlir::Value copyOf(mlir::Value v);
  bool isBound(llvm::ArrayRef<mlir::AffineExpr> exprs);
  llvm::LogicalResult emitSequence(mlir::Operation *op);
  llvm::LogicalResult emitOptional(mlir::Operation *op);
  /// The tensor in an ssm_value becomes a buffer of this block; it must have v's element type, rank and static sizes.
  void adopt(mlir::Value v, mlir::Value element);
  /// v as a value of another type: a tensor or a sequence where an optional is expected.
  mlir::Value as(mlir::Type type, mlir::Value v);
  llvm::LogicalResult emitReturn(mlir::func::ReturnOp op);
  void emitView(mlir::Operation *op);
  void emitParts(mlir::Operation *op);
  mlir::Value makePlace(mlir::Value v);
  mlir::Value size(mlir::AffineExpr e);
  mlir::Value count(mlir::RankedTensorType t);
  mlir::Value bytes(mlir::RankedTensorType t);
  mlir::Value pointer(mlir::Value v);
  mlir::Value checkedBytes(mlir::RankedTensorType t);
  void emitArena(ArenaOp op);
  mlir::Value allocate(mlir::Value bytes) { return h.call("ssmrt_alloc", h.ptr(), {rt, bytes}); }
  /// A buffer with v's elements that the caller owns.
  mlir::Value own(mlir::Value v);
  mlir::Value dimsArray(mlir::RankedTensorType t);
  llvm::SmallVector<mlir::Value> sizesOf(mlir::Value v);
  void bind(int64_t symbol, mlir::Value size) { symbols[symbol] = size; }
  void setOwned(mlir::Value v, mlir::Value buffer);
  void freeScope();
  void planLifetimes(mlir::Block &block, Scope &scope);
  void fail(mlir::Value condition, const llvm::Twine &message, mlir::Value x, mlir::Value y);
  static std::string nodeName(mlir::Location loc);
  static std::string profileName(mlir::Location loc);

  Host h;
  mlir::ModuleOp module;
  mlir::Value rt, in, out;
  llvm::DenseMap<mlir::Value, mlir::Value> pointers;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> runtimeDims; // of results of control flow, block arguments, sequence elements
  llvm::DenseMap<int64_t, mlir::Value> symbols;
  llvm::DenseMap<int64_t, mlir::Value> arenas;
  llvm::DenseMap<mlir::Value, int64_t> outputs; // values written directly into an output
  llvm::SmallVector<Scope *> scopes;
  llvm::SmallVector<mlir::Attribute> side, profile;
  llvm::DenseMap<mlir::Attribute, int64_t> sideOffsets;
  int64_t sideBytes = 0;
};

} // namespace ssm
#endif
