//===- Tiling.cpp - mixers tile by tile ------------------------------------===//
// See Tiling.h.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/Tiling.h"
#include "dialects/Ssm/Mixers.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace ssm;

using utils::IteratorType;

namespace {

SequenceMixerOpInterface mixer(Operation *op) { return cast<SequenceMixerOpInterface>(op); }

/// Where the size of a loop is read: an axis of an operand, or of a result of static size there.
std::optional<std::pair<Value, int64_t>> sourceOf(Operation *op, const LoopAccesses &accesses, int64_t loop) {
  AffineExpr dim = getAffineDimExpr(loop, op->getContext());
  for (auto [v, access] : llvm::zip_equal(op->getOperands().take_front(accesses.operands.size()), accesses.operands))
    for (auto [axis, e] : llvm::enumerate(access))
      if (e == dim)
        return std::pair<Value, int64_t>{v, axis};
  for (auto [v, access] : llvm::zip_equal(op->getResults(), accesses.results))
    for (auto [axis, e] : llvm::enumerate(access))
      if (e == dim && !cast<RankedTensorType>(v.getType()).isDynamicDim(axis))
        return std::pair<Value, int64_t>{v, axis};
  return std::nullopt;
}

bool knowsSizes(Operation *op) {
  LoopAccesses accesses = mixer(op).getLoopAccesses();
  return llvm::all_of(llvm::seq(mixer(op).getNumLoops()),
                      [&](int64_t d) { return sourceOf(op, accesses, d).has_value(); });
}

/// Every tile starts at a multiple of this.
bool isMultiple(OpFoldResult offset, int64_t of) {
  if (std::optional<int64_t> constant = getConstantIntValue(offset))
    return *constant % of == 0;
  auto value = cast<Value>(offset);
  if (auto apply = value.getDefiningOp<affine::AffineApplyOp>())
    return apply.getAffineMap().getResult(0).isMultipleOf(of);
  auto argument = dyn_cast<BlockArgument>(value);
  auto loop = argument ? dyn_cast<LoopLikeOpInterface>(argument.getOwner()->getParentOp()) : LoopLikeOpInterface();
  if (!loop)
    return false;
  std::optional<SmallVector<Value>> variables = loop.getLoopInductionVars();
  std::optional<SmallVector<OpFoldResult>> from = loop.getLoopLowerBounds(), step = loop.getLoopSteps();
  if (!variables || !from || !step)
    return false;
  for (auto [v, f, s] : llvm::zip_equal(*variables, *from, *step))
    if (v == value)
      return getConstantIntValue(f).value_or(1) % of == 0 && getConstantIntValue(s).value_or(1) % of == 0;
  return false;
}

/// Elements of a dim that share one element of an axis must lie in one tile, or tiles hold whole groups of them.
bool keepsGroups(OpFoldResult offset, OpFoldResult size, int64_t group) {
  if (isMultiple(offset, group))
    return true;
  FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, size, /*stopCondition=*/nullptr, /*closedUB=*/true);
  return succeeded(bound) && *bound > 0 && group % *bound == 0 && isMultiple(offset, *bound);
}

LogicalResult placeTile(OpBuilder &b, Location loc, const LoopAccess &access, ArrayRef<OpFoldResult> offsets,
                        ArrayRef<OpFoldResult> sizes, function_ref<FailureOr<OpFoldResult>(int64_t)> wholeSize,
                        SmallVector<OpFoldResult> &tileOffsets, SmallVector<OpFoldResult> &tileSizes) {
  for (auto [axis, e] : llvm::enumerate(access)) {
    if (!e) {
      FailureOr<OpFoldResult> size = wholeSize(axis);
      if (failed(size))
        return failure();
      tileOffsets.push_back(b.getIndexAttr(0));
      tileSizes.push_back(*size);
    } else if (auto dim = dyn_cast<AffineDimExpr>(e)) {
      tileOffsets.push_back(offsets[dim.getPosition()]);
      tileSizes.push_back(sizes[dim.getPosition()]);
    } else {
      auto shared = cast<AffineBinaryOpExpr>(e);
      int64_t d = cast<AffineDimExpr>(shared.getLHS()).getPosition();
      int64_t group = cast<AffineConstantExpr>(shared.getRHS()).getValue();
      if (!keepsGroups(offsets[d], sizes[d], group))
        return failure();
      AffineExpr x = b.getAffineDimExpr(0);
      tileOffsets.push_back(affine::makeComposedFoldedAffineApply(b, loc, x.floorDiv(group), {offsets[d]}));
      tileSizes.push_back(affine::makeComposedFoldedAffineApply(b, loc, x.ceilDiv(group), {sizes[d]}));
    }
  }
  return success();
}

/// An axis of a result that no loop cuts.
FailureOr<OpFoldResult> wholeResult(Operation *op, OpBuilder &b, unsigned number, int64_t axis) {
  auto type = cast<RankedTensorType>(op->getResult(number).getType());
  if (!type.isDynamicDim(axis))
    return OpFoldResult(b.getIndexAttr(type.getDimSize(axis)));
  std::optional<StateGroups> groups = mixer(op).getStateGroups();
  if (!groups || number - groups->firstResult >= groups->numResults)
    return failure();
  if (!op->hasAttr("indexing_maps")) {
    Value initial = op->getOperand(groups->firstOperand + number - groups->firstResult);
    return tensor::getMixedSize(b, op->getLoc(), initial, axis);
  }
  auto dim = dyn_cast<AffineDimExpr>(indexingMaps(op)[op->getNumOperands() + number].getResult(axis));
  if (!dim)
    return failure();
  auto [value, at] = *sourceOf(op, mixer(op).getLoopAccesses(), dim.getPosition());
  return affine::makeComposedFoldedAffineApply(b, op->getLoc(), mixer(op).getStateSize(dim.getPosition()),
                                               {tensor::getMixedSize(b, op->getLoc(), value, at)});
}

/// The loop's whole range, which tiling leaves as getIterationDomain gave it.
bool isWhole(Operation *op, const LoopAccesses &accesses, int64_t loop, OpFoldResult offset, OpFoldResult size) {
  if (!isConstantIntValue(offset, 0))
    return false;
  auto [source, axis] = *sourceOf(op, accesses, loop);
  int64_t known = cast<RankedTensorType>(source.getType()).getDimSize(axis);
  if (!ShapedType::isDynamic(known))
    return isConstantIntValue(size, known);
  auto value = dyn_cast<Value>(size);
  auto dim = value ? value.getDefiningOp<tensor::DimOp>() : tensor::DimOp();
  return dim && dim.getSource() == source && dim.getConstantIndex() == axis;
}

RankedTensorType tileType(Value whole, ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(sizes, dynamic, shape);
  return RankedTensorType::get(shape, getElementTypeOrSelf(whole.getType()));
}

/// The score region sees indices from 0 in its tile. Where it uses one, the tile's offset comes in as one more
/// modifier.
void offsetIndices(AttentionOp op, OpBuilder &b, ArrayRef<OpFoldResult> offsets) {
  if (op.getScore().empty())
    return;
  Block &block = op.getScore().front();
  SmallVector<AffineMap> maps = indexingMaps(op);
  for (int64_t d = 0, e = op.getTimeDim() + 2; d < e; ++d) {
    BlockArgument index = block.getArgument(1 + d);
    if (isConstantIntValue(offsets[d], 0) || index.use_empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op);
    Value offset = getValueOrCreateConstantIndexOp(b, op.getLoc(), offsets[d]);
    offset = arith::IndexCastOp::create(b, op.getLoc(), b.getI64Type(), offset);
    offset = tensor::FromElementsOp::create(b, op.getLoc(), RankedTensorType::get({}, b.getI64Type()), offset);
    maps.insert(maps.begin() + op->getNumOperands(), AffineMap::get(maps[0].getNumDims(), 0, b.getContext()));
    op.getModifiersMutable().append(offset);
    BlockArgument scalar = block.addArgument(b.getI64Type(), op.getLoc());
    b.setInsertionPointToStart(&block);
    Value asIndex = arith::IndexCastOp::create(b, op.getLoc(), b.getIndexType(), scalar);
    Value moved = arith::AddIOp::create(b, op.getLoc(), index, asIndex);
    index.replaceAllUsesExcept(moved, moved.getDefiningOp());
  }
  op.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
}

} // namespace

SmallVector<IteratorType> ssm::tilingIterators(Operation *op) {
  if (!knowsSizes(op))
    return {};
  return llvm::map_to_vector(llvm::seq(mixer(op).getNumLoops()), [&](int64_t d) {
    return mixer(op).isParallelLoop(d) ? IteratorType::parallel : IteratorType::reduction;
  });
}

SmallVector<Range> ssm::tilingDomain(Operation *op, OpBuilder &b) {
  if (!knowsSizes(op))
    return {};
  LoopAccesses accesses = mixer(op).getLoopAccesses();
  return llvm::map_to_vector(llvm::seq(mixer(op).getNumLoops()), [&](int64_t d) {
    auto [value, axis] = *sourceOf(op, accesses, d);
    int64_t known = cast<RankedTensorType>(value.getType()).getDimSize(axis);
    OpFoldResult size = ShapedType::isDynamic(known) ? tensor::getMixedSize(b, op->getLoc(), value, axis)
                                                     : OpFoldResult(b.getIndexAttr(known));
    return Range{b.getIndexAttr(0), size, b.getIndexAttr(1)};
  });
}

LogicalResult ssm::tilePosition(Operation *op, OpBuilder &b, unsigned result, ArrayRef<OpFoldResult> offsets,
                                ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,
                                SmallVector<OpFoldResult> &resultSizes) {
  return placeTile(
      b, op->getLoc(), mixer(op).getLoopAccesses().results[result], offsets, sizes,
      [&](int64_t axis) { return wholeResult(op, b, result, axis); }, resultOffsets, resultSizes);
}

LogicalResult ssm::reifyShapes(Operation *op, OpBuilder &b, ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<Range> domain = tilingDomain(op, b);
  if (domain.empty())
    return failure();
  SmallVector<OpFoldResult> offsets, sizes, strides;
  std::tie(offsets, sizes, strides) = getOffsetsSizesAndStrides(domain);
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    SmallVector<OpFoldResult> at, size;
    if (failed(tilePosition(op, b, i, offsets, sizes, at, size)))
      return failure();
    // Where the type says a size, it is that of the type.
    auto type = cast<RankedTensorType>(op->getResult(i).getType());
    for (auto [axis, s] : llvm::enumerate(size))
      if (!type.isDynamicDim(axis))
        s = b.getIndexAttr(type.getDimSize(axis));
      else
        s = getValueOrCreateConstantIndexOp(b, op->getLoc(), s);
    shapes.push_back(size);
  }
  return success();
}

FailureOr<TilingResult> ssm::tileMixer(Operation *op, OpBuilder &b, ArrayRef<OpFoldResult> offsets,
                                       ArrayRef<OpFoldResult> sizes, bool cutsTime) {
  SmallVector<IteratorType> kinds = tilingIterators(op);
  if (kinds.empty())
    return op->emitOpError("has a size that no operand gives, so it cannot be tiled");
  LoopAccesses accesses = mixer(op).getLoopAccesses();
  for (auto [d, kind] : llvm::enumerate(kinds))
    if (kind != IteratorType::parallel && !(cutsTime && (int64_t)d == mixer(op).getTimeLoop()) &&
        !isWhole(op, accesses, d, offsets[d], sizes[d]))
      return op->emitOpError("loop ") << d << " is sequential and cannot be cut"
                                      << ((int64_t)d == mixer(op).getTimeLoop() ? " without handing on the state" : "");
  Location loc = op->getLoc();
  OperationState state(loc, op->getName(), {}, {}, op->getAttrs());
  TilingResult out;
  for (auto [number, access] : llvm::enumerate(accesses.operands)) {
    Value whole = op->getOperand(number);
    SmallVector<OpFoldResult> at, size;
    auto wholeSize = [&](int64_t axis) -> FailureOr<OpFoldResult> { return tensor::getMixedSize(b, loc, whole, axis); };
    if (failed(placeTile(b, loc, access, offsets, sizes, wholeSize, at, size)))
      return op->emitOpError("a tile cuts through elements that share one of operand ") << number;
    SmallVector<OpFoldResult> strides(at.size(), b.getIndexAttr(1));
    auto slice = tensor::ExtractSliceOp::create(b, loc, tileType(whole, size), whole, at, size, strides);
    state.addOperands(slice.getResult());
    out.generatedSlices.push_back(slice);
  }
  for (OpResult r : op->getResults()) {
    SmallVector<OpFoldResult> at, size;
    if (failed(tilePosition(op, b, r.getResultNumber(), offsets, sizes, at, size)))
      return op->emitOpError("no operand gives the shape of result ") << r.getResultNumber();
    state.addTypes(tileType(r, size));
  }
  IRMapping mapping;
  for (Region &region : op->getRegions())
    region.cloneInto(state.addRegion(), mapping);
  Operation *tiled = b.create(state);
  if (auto attention = dyn_cast<AttentionOp>(tiled))
    offsetIndices(attention, b, offsets);
  out.tiledOps.push_back(tiled);
  llvm::append_range(out.tiledValues, tiled->getResults());
  return out;
}
