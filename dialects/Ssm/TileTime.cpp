//===- TileTime.cpp - the time of a mixer cut into tiles --------------------===//
// tileOverTime of Tiling.h: a loop over tiles of steps, whose carried values are the outputs so far and the state.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/Mixers.h"
#include "dialects/Ssm/Tiling.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace ssm;

namespace {

/// Loops that a state has an axis for, in their order.
SmallVector<int64_t> stateLoops(SequenceMixerOpInterface op) {
  SmallVector<int64_t> out = dimRange(0, op.getTimeLoop());
  llvm::append_range(out, dimRange(op.getTimeLoop() + 1, op.getNumLoops()));
  return out;
}

/// The op with operands for all initial states and results for all final ones, which it may leave out.
FailureOr<Operation *> withStates(RewriterBase &rewriter, SequenceMixerOpInterface op, StateGroups groups) {
  if (groups.numOperands && groups.numOperands == groups.numResults) {
    for (unsigned i = 0; i < groups.numOperands; ++i) {
      Type from = op->getOperand(groups.firstOperand + i).getType(),
           to = op->getResult(groups.firstResult + i).getType();
      bool sameMap =
          !op->hasAttr("indexing_maps") ||
          indexingMaps(op)[groups.firstOperand + i] == indexingMaps(op)[op->getNumOperands() + groups.firstResult + i];
      if (!sameMap || getElementTypeOrSelf(from) != getElementTypeOrSelf(to))
        return op->emitOpError("initial and final states differ in layout or type, so time cannot be tiled");
    }
    return rewriter.clone(*op);
  }
  SmallVector<TypedAttr> neutral = op.getNeutralStates();
  if (neutral.empty()) // has no state at all
    return rewriter.clone(*op);
  Location loc = op->getLoc();
  SmallVector<Range> domain = tilingDomain(op, rewriter);
  SmallVector<int64_t> loops = stateLoops(op);
  bool mapped = op->hasAttr("indexing_maps");
  SmallVector<AffineMap> maps = mapped ? indexingMaps(op) : SmallVector<AffineMap>();
  SmallVector<AffineMap> stateMaps;
  SmallVector<Value> initial = op->getOperands().slice(groups.firstOperand, groups.numOperands);
  SmallVector<Type> finalTypes;
  for (auto [i, value] : llvm::enumerate(neutral)) {
    SmallVector<AffineExpr> axes = llvm::map_to_vector(loops, [&](int64_t d) { return rewriter.getAffineDimExpr(d); });
    if (mapped && groups.numOperands)
      axes.assign(maps[groups.firstOperand + i].getResults().begin(), maps[groups.firstOperand + i].getResults().end());
    else if (mapped && groups.numResults) {
      AffineMap given = maps[op->getNumOperands() + groups.firstResult + i];
      axes.assign(given.getResults().begin(), given.getResults().end());
    }
    SmallVector<OpFoldResult> sizes;
    for (AffineExpr e : axes) {
      auto dim = dyn_cast<AffineDimExpr>(e);
      if (!dim || axes.size() != loops.size())
        return op->emitOpError("the initial state is shared, so time cannot be tiled");
      sizes.push_back(affine::makeComposedFoldedAffineApply(rewriter, loc, op.getStateSize(dim.getPosition()),
                                                            {domain[dim.getPosition()].size}));
    }
    stateMaps.push_back(AffineMap::get(domain.size(), 0, axes, rewriter.getContext()));
    SmallVector<int64_t> shape;
    SmallVector<Value> dynamic;
    dispatchIndexOpFoldResults(sizes, dynamic, shape);
    Type element = groups.numOperands  ? getElementTypeOrSelf(initial[i].getType())
                   : groups.numResults ? getElementTypeOrSelf(op->getResult(groups.firstResult + i).getType())
                                       : value.getType();
    auto type = RankedTensorType::get(shape, element);
    if (!groups.numOperands) {
      if (!element.isSignlessIntOrFloat())
        return op->emitOpError("has states of unsigned integers, so time cannot be tiled");
      if (element != value.getType())
        value = rewriter.getZeroAttr(element);
      Value scalar = arith::ConstantOp::create(rewriter, loc, value);
      initial.push_back(tensor::SplatOp::create(rewriter, loc, scalar, type, dynamic));
    }
    finalTypes.push_back(groups.numResults ? op->getResult(groups.firstResult + i).getType() : type);
  }
  SmallVector<Value> operands(op->getOperands());
  SmallVector<Type> results(op->getResultTypes());
  if (!groups.numOperands)
    operands.insert(operands.begin() + groups.firstOperand, initial.begin(), initial.end());
  if (!groups.numResults)
    results.insert(results.begin() + groups.firstResult, finalTypes.begin(), finalTypes.end());
  OperationState state(loc, op->getName(), operands, results, op->getAttrs());
  if (mapped) {
    if (!groups.numOperands)
      maps.insert(maps.begin() + groups.firstOperand, stateMaps.begin(), stateMaps.end());
    if (!groups.numResults)
      maps.insert(maps.begin() + operands.size() + groups.firstResult, stateMaps.begin(), stateMaps.end());
    state.attributes.set("indexing_maps", rewriter.getAffineMapArrayAttr(maps));
  }
  for (auto [name, group] : {std::pair<StringRef, unsigned>{"operandSegmentSizes", groups.operandGroup},
                             {"resultSegmentSizes", groups.resultGroup}})
    if (auto segments = dyn_cast_if_present<DenseI32ArrayAttr>(state.attributes.get(name))) {
      SmallVector<int32_t> counts(segments.asArrayRef());
      counts[group] = neutral.size();
      state.attributes.set(name, rewriter.getDenseI32ArrayAttr(counts));
    }
  IRMapping mapping;
  for (Region &region : op->getRegions())
    region.cloneInto(state.addRegion(), mapping);
  return rewriter.create(state);
}

Value castTo(OpBuilder &b, Location loc, Type type, Value value) {
  return value.getType() == type ? value : tensor::CastOp::create(b, loc, type, value).getResult();
}

} // namespace

LogicalResult ssm::tileOverTime(RewriterBase &rewriter, SequenceMixerOpInterface mixer, int64_t steps) {
  Operation *op = mixer;
  std::optional<StateGroups> given = mixer.getStateGroups();
  if (!given)
    return op->emitOpError("does not hand all of its state on, so time cannot be tiled");
  if (tilingIterators(op).empty())
    return op->emitOpError("has a size that no operand gives, so it cannot be tiled");
  Location loc = op->getLoc();
  rewriter.setInsertionPoint(op);
  FailureOr<Operation *> made = withStates(rewriter, mixer, *given);
  if (failed(made))
    return failure();
  Operation *full = *made;
  StateGroups groups = *cast<SequenceMixerOpInterface>(full).getStateGroups();
  SmallVector<Range> domain = tilingDomain(full, rewriter);
  int64_t time = mixer.getTimeLoop();
  OpFoldResult length = domain[time].size;
  ReifiedRankedShapedTypeDims shapes;
  if (failed(reifyShapes(full, rewriter, shapes)))
    return full->emitOpError("no operand gives the shapes of the results, so time cannot be tiled");
  auto isState = [&](unsigned result) {
    return result >= groups.firstResult && result < groups.firstResult + groups.numResults;
  };
  SmallVector<Value> carried;
  for (OpResult r : full->getResults())
    carried.push_back(
        isState(r.getResultNumber())
            ? full->getOperand(groups.firstOperand + r.getResultNumber() - groups.firstResult)
            : tensor::EmptyOp::create(rewriter, loc, shapes[r.getResultNumber()], getElementTypeOrSelf(r.getType()))
                  .getResult());
  Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
  Value step = arith::ConstantIndexOp::create(rewriter, loc, steps);
  Value end = getValueOrCreateConstantIndexOp(rewriter, loc, length);
  auto loop = scf::ForOp::create(rewriter, loc, zero, end, step, carried);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(loop.getBody());
    AffineExpr at = rewriter.getAffineDimExpr(0), all = rewriter.getAffineDimExpr(1);
    OpFoldResult now = loop.getInductionVar();
    OpFoldResult size = affine::makeComposedFoldedAffineMin(
        rewriter, loc, AffineMap::get(2, 0, {rewriter.getAffineConstantExpr(steps), all - at}, rewriter.getContext()),
        {now, length});
    if (std::optional<int64_t> known = getConstantIntValue(length); known && *known % steps == 0)
      size = rewriter.getIndexAttr(steps); // no tile is shorter
    OpFoldResult offset = now;
    if (mixer.isReversed())
      offset = affine::makeComposedFoldedAffineApply(rewriter, loc, all - at - rewriter.getAffineDimExpr(2),
                                                     {now, length, size});
    SmallVector<OpFoldResult> offsets, sizes, strides;
    std::tie(offsets, sizes, strides) = getOffsetsSizesAndStrides(domain);
    offsets[time] = offset;
    sizes[time] = size;
    FailureOr<TilingResult> tile = tileMixer(full, rewriter, offsets, sizes, /*cutsTime=*/true);
    if (failed(tile))
      return failure();
    Operation *tiled = tile->tiledOps.front();
    SmallVector<Value> next;
    for (OpResult r : tiled->getResults()) {
      unsigned number = r.getResultNumber();
      Value before = loop.getRegionIterArg(number);
      if (isState(number)) {
        unsigned operand = groups.firstOperand + number - groups.firstResult;
        Operation *slice = tiled->getOperand(operand).getDefiningOp();
        rewriter.setInsertionPoint(tiled);
        Value state = castTo(rewriter, loc, tiled->getOperand(operand).getType(), before);
        rewriter.modifyOpInPlace(tiled, [&] { tiled->setOperand(operand, state); });
        rewriter.eraseOp(slice);
        rewriter.setInsertionPointToEnd(loop.getBody());
        next.push_back(castTo(rewriter, loc, before.getType(), r));
        continue;
      }
      SmallVector<OpFoldResult> to, extent;
      if (failed(tilePosition(full, rewriter, number, offsets, sizes, to, extent)))
        return failure();
      SmallVector<OpFoldResult> ones(to.size(), rewriter.getIndexAttr(1));
      next.push_back(tensor::InsertSliceOp::create(rewriter, loc, r, before, to, extent, ones));
    }
    scf::YieldOp::create(rewriter, loc, next);
  }
  rewriter.setInsertionPointAfter(loop);
  // The op's own results are the loop's without the states that were added.
  bool added = groups.numResults != given->numResults;
  SmallVector<Value> replacements;
  for (auto [number, value] : llvm::enumerate(loop.getResults()))
    if (!added || !isState(number))
      replacements.push_back(castTo(rewriter, loc, op->getResult(replacements.size()).getType(), value));
  rewriter.eraseOp(full);
  rewriter.replaceOp(op, replacements);
  return success();
}
