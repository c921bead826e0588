//===- Mixers.h - what all sequence mixers share ----------------*- C++ -*-===//
// Iteration dims and index maps of the named mixers, the types of their regions' scalars, and the checks that hold for
// each of them (constraints M1 to M8 of MixerOps.td).
//===----------------------------------------------------------------------===//
#ifndef SSM_DIALECTS_SSM_MIXERS_H
#define SSM_DIALECTS_SSM_MIXERS_H

#include "dialects/Ssm/SsmDialect.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/PatternMatch.h"

namespace ssm {

/// Type in which a region sees an element: f32 for narrower floats, signless integers.
mlir::Type scalarType(mlir::Type element);
/// Type of states and sums: f64 when an operand has f64 elements, else f32.
mlir::Type stateType(mlir::Operation *op);

/// The maps of a named mixer, one per present operand and then one per present result.
llvm::SmallVector<mlir::AffineMap> indexingMaps(mlir::Operation *op);
/// Symbolic size of each iteration dim; null where nothing gives it.
llvm::SmallVector<mlir::AffineExpr> iterationSizes(mlir::Operation *op);

/// States that are zero before the first step.
llvm::SmallVector<mlir::TypedAttr> zeroStates(mlir::Operation *op, unsigned count);

/// Map of the only operand (result) of an ODS group; null when it is absent.
template <typename Op> mlir::AffineMap operandMap(Op op, unsigned group) {
  auto [first, count] = op.getODSOperandIndexAndLength(group);
  return count ? indexingMaps(op)[first] : mlir::AffineMap();
}
template <typename Op> mlir::AffineMap resultMap(Op op, unsigned group) {
  auto [first, count] = op.getODSResultIndexAndLength(group);
  return count ? indexingMaps(op)[op->getNumOperands() + first] : mlir::AffineMap();
}

/// The states of an op that are one ODS group of operands and one of results.
template <typename Op> StateGroups stateGroups(Op op, unsigned operands, unsigned results) {
  auto [firstOperand, numOperands] = op.getODSOperandIndexAndLength(operands);
  auto [firstResult, numResults] = op.getODSResultIndexAndLength(results);
  return {operands, firstOperand, numOperands, results, firstResult, numResults};
}

inline llvm::SmallVector<int64_t> dimRange(int64_t from, int64_t to) { return llvm::to_vector(llvm::seq(from, to)); }

// Checks, each with one error message at the op.

/// M1 to M4.
llvm::LogicalResult verifyMaps(mlir::Operation *op);
/// A map over these dims only. Those in `required` must occur as they are; the others may be shared or broadcast.
llvm::LogicalResult verifyOver(mlir::Operation *op, llvm::StringRef name, mlir::AffineMap map,
                               llvm::ArrayRef<int64_t> allowed, llvm::ArrayRef<int64_t> required, llvm::StringRef text);
/// M5 for states and results, and for what a region reads.
llvm::LogicalResult verifyScalars(mlir::Operation *op, mlir::ValueRange values);
llvm::LogicalResult verifyFloats(mlir::Operation *op, mlir::ValueRange values);
/// M6 and M7. `yields` has the types of what ssm.yield gives.
llvm::LogicalResult verifyScalarRegion(mlir::Operation *op, mlir::Region &region, llvm::ArrayRef<mlir::Type> arguments,
                                       llvm::ArrayRef<mlir::Type> yields);

/// The input of a time-invariant scan that is convolved: the only one that changes over time, in which u is linear while
/// the decay and the read-out do not depend on it. None with an initial or a final state.
std::optional<unsigned> convolvedInput(SelectiveScanOp op);
/// Whether the kernel that this input is convolved with differs along a dim of p.
bool isOfKernel(SelectiveScanOp op, unsigned input, int64_t dim);
/// Cost of ssm.long_conv through transforms.
double transformCost(double rows, double length, double taps);

/// A constant all of whose elements are this number.
bool isConstantOf(mlir::Value value, double number);
/// Takes the operands of one group away, with their maps.
template <typename Op> void dropOperandGroup(Op op, unsigned group, mlir::PatternRewriter &rewriter) {
  auto [first, count] = op.getODSOperandIndexAndLength(group);
  llvm::SmallVector<mlir::AffineMap> maps = indexingMaps(op);
  maps.erase(maps.begin() + first, maps.begin() + first + count);
  rewriter.modifyOpInPlace(op, [&, first = first, count = count] {
    op->eraseOperands(first, count);
    if constexpr (Op::template hasTrait<mlir::OpTrait::AttrSizedOperandSegments>())
      op.getProperties().operandSegmentSizes[group] = 0;
    op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
  });
}

/// Takes groups of results that nothing reads away, except for group 0.
template <typename Op, unsigned numGroups> struct DropUnusedResults : mlir::OpRewritePattern<Op> {
  using mlir::OpRewritePattern<Op>::OpRewritePattern;
  llvm::LogicalResult matchAndRewrite(Op op, mlir::PatternRewriter &rewriter) const override {
    for (unsigned group = 1; group < numGroups; ++group) {
      auto [first, count] = op.getODSResultIndexAndLength(group);
      mlir::ResultRange results = op->getResults().slice(first, count);
      if (!count || llvm::any_of(results, [](mlir::Value v) { return !v.use_empty(); }))
        continue;
      mlir::OperationState state(op.getLoc(), op->getName(), op->getOperands(), {}, op->getAttrs());
      llvm::SmallVector<mlir::Value> kept;
      for (mlir::OpResult r : op->getResults())
        if (r.getResultNumber() < first || r.getResultNumber() >= first + count) {
          kept.push_back(r);
          state.addTypes(r.getType());
        }
      if (op->hasAttr("indexing_maps")) {
        llvm::SmallVector<mlir::AffineMap> maps = indexingMaps(op);
        auto begin = maps.begin() + op->getNumOperands() + first;
        maps.erase(begin, begin + count);
        state.attributes.set("indexing_maps", rewriter.getAffineMapArrayAttr(maps));
      }
      if constexpr (Op::template hasTrait<mlir::OpTrait::AttrSizedResultSegments>()) {
        llvm::SmallVector<int32_t> sizes(llvm::ArrayRef<int32_t>(op.getProperties().resultSegmentSizes));
        sizes[group] = 0;
        state.attributes.set("resultSegmentSizes", rewriter.getDenseI32ArrayAttr(sizes));
      }
      for (mlir::Region &region : op->getRegions())
        state.addRegion()->takeBody(region);
      mlir::Operation *made = rewriter.create(state);
      for (auto [old, now] : llvm::zip_equal(kept, made->getResults()))
        rewriter.replaceAllUsesWith(old, now);
      rewriter.eraseOp(op);
      return mlir::success();
    }
    return rewriter.notifyMatchFailure(op, "every result is read");
  }
};

} // namespace ssm
#endif
