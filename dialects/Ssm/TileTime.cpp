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
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ssm;

namespace {

/// Where an op's states stand among its operands and results.
struct StateGroups {
  unsigned operandGroup, firstOperand, numOperands, resultGroup, firstResult, numResults;
};

StateGroups groupsOf(Operation *op) {
  auto of = [](auto mixer, unsigned operands, unsigned results) {
    auto [firstOperand, numOperands] = mixer.getODSOperandIndexAndLength(operands);
    auto [firstResult, numResults] = mixer.getODSResultIndexAndLength(results);
    return StateGroups{operands, firstOperand, numOperands, results, firstResult, numResults};
  };
  return TypeSwitch<Operation *, StateGroups>(op)
      .Case<SelectiveScanOp, ScanOp>([&](auto mixer) { return of(mixer, 1, 1); })
      .Case<SemiseparableOp>([&](auto mixer) { return of(mixer, 8, 1); })
      .Case<CausalConvOp>([&](auto mixer) { return of(mixer, 3, 1); })
      .Case<RecurrenceOp>([&](auto mixer) { return of(mixer, 1, 0); });
}

/// What each state is before the first step when the op does not say it.
SmallVector<Attribute> neutralStates(Operation *op, Builder &b) {
  if (auto scan = dyn_cast<ScanOp>(op)) {
    SmallVector<Attribute> out;
    for (auto [number, in] : llvm::zip_equal(scan.getIdentity(), scan.getInputs())) {
      Type element = getElementTypeOrSelf(in.getType());
      if (auto real = dyn_cast<FloatAttr>(number))
        out.push_back(FloatAttr::get(element, real.getValueAsDouble()));
      else
        out.push_back(IntegerAttr::get(element, cast<IntegerAttr>(number).getValue()));
    }
    return out;
  }
  if (auto conv = dyn_cast<CausalConvOp>(op))
    return {b.getZeroAttr(getElementTypeOrSelf(conv.getInput().getType()))};
  auto selective = dyn_cast<SelectiveScanOp>(op);
  return SmallVector<Attribute>(selective && selective.getComplex() ? 2 : 1, b.getZeroAttr(stateType(op)));
}

/// Loops that a state has an axis for, in their order.
SmallVector<int64_t> stateLoops(Operation *op, int64_t loops) {
  int64_t time = cast<SequenceMixerOpInterface>(op).getTimeDim();
  SmallVector<int64_t> out = dimRange(0, time);
  llvm::append_range(out, dimRange(time + 1, loops));
  return out;
}

/// The op with operands for all initial states and results for all final ones, which it may leave out.
FailureOr<Operation *> withStates(RewriterBase &rewriter, Operation *op) {
  StateGroups groups = groupsOf(op);
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
  if (isa<RecurrenceOp>(op)) // has no state at all
    return rewriter.clone(*op);
  Location loc = op->getLoc();
  SmallVector<Range> domain = tilingDomain(op, rewriter);
  SmallVector<Attribute> neutral = neutralStates(op, rewriter);
  SmallVector<int64_t> loops = stateLoops(op, domain.size());
  bool isConv = isa<CausalConvOp>(op), mapped = op->hasAttr("indexing_maps");
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
      OpFoldResult size = domain[dim.getPosition()].size;
      if (isConv && dim.getPosition() + 1 == domain.size())
        size = affine::makeComposedFoldedAffineApply(rewriter, loc, rewriter.getAffineDimExpr(0) - 1, {size});
      sizes.push_back(size);
    }
    stateMaps.push_back(AffineMap::get(domain.size(), 0, axes, rewriter.getContext()));
    SmallVector<int64_t> shape;
    SmallVector<Value> dynamic;
    dispatchIndexOpFoldResults(sizes, dynamic, shape);
    Type element = groups.numOperands  ? getElementTypeOrSelf(initial[i].getType())
                   : groups.numResults ? getElementTypeOrSelf(op->getResult(groups.firstResult + i).getType())
                                       : cast<TypedAttr>(value).getType();
    auto type = RankedTensorType::get(shape, element);
    if (!groups.numOperands) {
      if (!element.isSignlessIntOrFloat())
        return op->emitOpError("has states of unsigned integers, so time cannot be tiled");
      if (element != cast<TypedAttr>(value).getType())
        value = rewriter.getZeroAttr(element);
      Value scalar = arith::ConstantOp::create(rewriter, loc, cast<TypedAttr>(value));
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
  if (isa<AttentionOp, LongConvOp>(op))
    return op->emitOpError("carries no state, so time cannot be tiled");
  if (auto matrix = dyn_cast<SemiseparableOp>(op); matrix && matrix.getLogGate())
    return op->emitOpError("with log_gate does not carry its scale, so time cannot be tiled");
  if (tilingIterators(op).empty())
    return op->emitOpError("has a size that no operand gives, so it cannot be tiled");
  Location loc = op->getLoc();
  rewriter.setInsertionPoint(op);
  FailureOr<Operation *> made = withStates(rewriter, op);
  if (failed(made))
    return failure();
  Operation *full = *made;
  StateGroups groups = groupsOf(full);
  SmallVector<Range> domain = tilingDomain(full, rewriter);
  int64_t time = timeLoop(op);
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
  bool added = groups.numResults != groupsOf(op).numResults;
  SmallVector<Value> replacements;
  for (auto [number, value] : llvm::enumerate(loop.getResults()))
    if (!added || !isState(number))
      replacements.push_back(castTo(rewriter, loc, op->getResult(replacements.size()).getType(), value));
  rewriter.eraseOp(full);
  rewriter.replaceOp(op, replacements);
  return success();
}
