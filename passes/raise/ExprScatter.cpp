//===- ExprScatter.cpp - elements of tensors with some replaced ------------===//
// ScatterElements and ScatterND whose indices follow from their place write slices. An element whose place says whether
// it is in the slice is that of the update or of the data; others are read as they are.
//===----------------------------------------------------------------------===//
#include "passes/raise/Expr.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

ExprRef Exprs::expandScatter(Operation *op, ArrayRef<AffineExpr> indices) {
  Value data = op->getOperand(0), which = op->getOperand(1), updates = op->getOperand(2);
  if (onnx::stringAttr(op, "reduction", "none") != "none" || !typeOf(which).hasRank())
    return nullptr;
  bool elements = op->getName().stripDialect() == "ScatterElements";
  SmallVector<AffineExpr> whichDims = onnx::getDimExprs(typeOf(which)), dataDims = onnx::getDimExprs(typeOf(data));
  // For each axis that is indexed: its place as a function of iterators of the updates.
  SmallVector<std::pair<int64_t, AffineExpr>> places;
  Indices own; // iterators of the updates' leading axes, or of the one axis of ScatterElements
  Indices update(indices);
  auto valueAt = [&](ArrayRef<AffineExpr> at) -> AffineExpr {
    ExprRef e = this->at(which, at);
    return e->kind == Expr::Kind::Index      ? e->indices[0]
           : e->kind == Expr::Kind::Constant ? number((int64_t)e->number)
                                             : AffineExpr();
  };
  if (elements) {
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), indices.size());
    for (size_t i = 0; i < indices.size(); ++i)
      if ((int64_t)i != axis && whichDims[i] != dataDims[i])
        return nullptr;
    own.push_back(boundIterator(whichDims[axis], 1u << 20));
    Indices at(indices);
    at[axis] = own[0];
    places.push_back({axis, valueAt(at)});
  } else {
    auto count = dyn_cast<AffineConstantExpr>(whichDims.back());
    if (!count || count.getValue() > (int64_t)indices.size())
      return nullptr;
    for (size_t i = 0; i + 1 < whichDims.size(); ++i)
      own.push_back(boundIterator(whichDims[i], (1u << 20) + i));
    Indices at(own);
    at.push_back({});
    for (int64_t k = 0; k < count.getValue(); ++k) {
      at.back() = number(k);
      places.push_back({k, valueAt(at)});
    }
    update.assign(own.size(), AffineExpr());
    update.append(indices.begin() + count.getValue(), indices.end());
  }
  // Every iterator is solved for once.
  bool inside = true;
  llvm::SmallDenseSet<AffineExpr> solved;
  for (auto [axis, place] : places) {
    if (!place)
      return nullptr;
    AffineExpr iterator;
    unsigned count = 0;
    place.walk([&](AffineExpr part) {
      if (isa<AffineDimExpr>(part))
        iterator = part, ++count;
    });
    if (auto c = dyn_cast<AffineConstantExpr>(place); c && c.getValue() < 0)
      place = simplified(dataDims[axis] + place);
    bool single = !iterator && elements;
    if (single)
      iterator = own[0];
    if (count > 1 || (iterator && !llvm::is_contained(own, iterator)))
      return nullptr;
    AffineExpr start = single || !iterator ? place : simplified(place.replace(iterator, number(0)));
    AffineExpr at = simplified(indices[axis] - start), solution = at, extent = iterator ? sizeOf(iterator) : number(1);
    if (iterator && !single) {
      auto by = dyn_cast<AffineConstantExpr>(simplified(place.replace(iterator, number(1)) - start));
      if (!by || by.getValue() == 0 || simplified(start + iterator * by.getValue() - place) != number(0) ||
          !solved.insert(iterator).second)
        return nullptr;
      auto c = dyn_cast<AffineConstantExpr>(at);
      if (by.getValue() != 1 && !c)
        return nullptr;
      if (by.getValue() != 1 && c.getValue() % by.getValue() != 0) {
        inside = false;
        continue;
      }
      if (by.getValue() != 1)
        solution = number(c.getValue() / by.getValue());
    } else if (iterator && extent != number(1)) {
      return nullptr; // one place written several times
    }
    bool surely = isNonNegative(solution) && isNonNegative(extent - 1 - solution);
    if (!surely && !isNonNegative(-solution - 1) && !isNonNegative(solution - extent))
      return nullptr;
    inside &= surely;
    if (elements)
      update[axis] = solution;
    else if (iterator)
      update[llvm::find(own, iterator) - own.begin()] = solution;
  }
  if (!inside)
    return this->at(data, indices);
  for (auto [i, e] : llvm::enumerate(update)) {
    if (!e && whichDims[i] != number(1))
      return nullptr;
    if (!e)
      e = number(0);
  }
  return this->at(updates, update);
}
