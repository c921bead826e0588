//===- ChunkRaiser.h - chunks joined to a recurrence over time --*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_CHUNKRAISER_H
#define SSM_PASSES_RAISE_CHUNKRAISER_H

#include "passes/raise/ChunkForm.h"
#include "passes/raise/LoopForm.h"
#include "passes/raise/UnitTriangular.h"

namespace ssm {

/// What the recurrence takes the place of.
struct ChunkPlace {
  mlir::Value output;     // by chunk
  Indices outputDims;     // of all its axes
  mlir::AffineExpr chunk; // the iterator among them
  /// Of an unrolled graph: the number of times; the form is that of the first chunk. Where chunks follow each other on
  /// one axis, `time` is its iterator and there is no `chunk`.
  mlir::AffineExpr total, time;
  mlir::Value finalState; // of the state's dims; null when nothing reads it
  struct Reader {
    mlir::Value value;
    Indices dims;  // iterators of its axes
    Indices where; // the state's element that it is
  };
  llvm::SmallVector<Reader> finalReaders; // the same, elsewhere
  mlir::Value state;                      // of the state's type, up to the chunks' axis
  ExprRef start;                          // over the state's dims of `step`
  mlir::Operation *before;                // new operators stand before it
  llvm::SmallVector<mlir::Operation *> nodes;
};

/// Writes the recurrence for a proved chunk. Changes nothing and gives false, with the reason, where it cannot be
/// written.
bool raiseChunk(const ChunkForm &form, const ChunkStep &step, const ChunkPlace &place, Exprs &x, mlir::AffineExpr tau,
                SymbolMap &sizes, std::string &why);

/// Only movement is looked through unasked.
void expandNothing(Exprs &x);
/// Inverses of what is strictly lower triangular.
llvm::SmallVector<TriangularInverse> inversesOf(mlir::Block &block);
/// Sizes that a chunk may have.
llvm::SmallVector<mlir::AffineExpr> lengthsOf(Exprs &x, llvm::ArrayRef<mlir::AffineExpr> dims);

/// Raises an onnx.Scan or onnx.Loop over chunks (ChunkLoop.cpp).
bool raiseLoopOfChunks(mlir::Operation *loop, SymbolMap &sizes);

} // namespace ssm
#endif
