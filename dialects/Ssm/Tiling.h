//===- Tiling.h - mixers tile by tile ---------------------------*- C++ -*-===//
// Upstream's TilingInterface for all sequence mixers, from their index maps. Dims in which tiles do not need each other
// are parallel; the others are sequential and stay whole, except for time, which tileOverTime cuts: the state goes from
// one tile to the next through the operands for the initial state and the results for the final one.
//===----------------------------------------------------------------------===//
#ifndef SSM_DIALECTS_SSM_TILING_H
#define SSM_DIALECTS_SSM_TILING_H

#include "dialects/Ssm/SsmDialect.h"
#include "mlir/IR/PatternMatch.h"

namespace ssm {

llvm::SmallVector<mlir::utils::IteratorType> tilingIterators(mlir::Operation *op);
/// Empty, as the iterators are, where no operand and no static type gives a size.
llvm::SmallVector<mlir::Range> tilingDomain(mlir::Operation *op, mlir::OpBuilder &builder);
mlir::FailureOr<mlir::TilingResult> tileMixer(mlir::Operation *op, mlir::OpBuilder &builder,
                                              llvm::ArrayRef<mlir::OpFoldResult> offsets,
                                              llvm::ArrayRef<mlir::OpFoldResult> sizes, bool cutsTime);
llvm::LogicalResult tilePosition(mlir::Operation *op, mlir::OpBuilder &builder, unsigned result,
                                 llvm::ArrayRef<mlir::OpFoldResult> offsets, llvm::ArrayRef<mlir::OpFoldResult> sizes,
                                 llvm::SmallVector<mlir::OpFoldResult> &resultOffsets,
                                 llvm::SmallVector<mlir::OpFoldResult> &resultSizes);

llvm::LogicalResult reifyShapes(mlir::Operation *op, mlir::OpBuilder &builder,
                                mlir::ReifiedRankedShapedTypeDims &shapes);

/// Replaces a mixer that carries a state by a loop over tiles of `steps` steps. An error at the op says why it cannot.
llvm::LogicalResult tileOverTime(mlir::RewriterBase &rewriter, SequenceMixerOpInterface mixer, int64_t steps);

} // namespace ssm
#endif
