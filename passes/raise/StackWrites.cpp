//===- StackWrites.cpp - a buffer that is written piece by piece -----------===//
// Expects: @main after fold. Leaves: where slices of a buffer are written one after the other, along one axis, without
// overlap and without a reader in between, a Concat of them, with what the buffer held between and behind them. Where
// the buffer's length is known at run time only, a check that all of it was there to be written. Everything that looks
// for stacked results looks for a Concat. Linear in the writes.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/Symbols.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_STACKWRITES
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

bool isWrite(Operation *op) {
  return op && (op->getName().stripDialect() == "ScatterElements" || op->getName().stripDialect() == "ScatterND");
}

/// Where a write goes along the one axis that it does not cover.
struct Slot {
  int64_t axis, start, length;
};

/// What one write put there: an expression over the buffer's dims, `position` in place of the axis.
struct Piece {
  int64_t start, length;
  ExprRef element;
  AffineExpr position;
};

class Stack {
public:
  Stack(Operation *last, Exprs &x)
      : last(last), x(x), dims(x.iterators(onnx::getDimExprs(typeOf(last->getResult(0))))) {}
  bool collect();
  Value write(OpBuilder &b);
  SmallVector<Operation *> writes;

private:
  std::optional<Slot> slotOf(Operation *write);
  AffineExpr length() const { return x.sizeOf(dims[axis]); }
  Indices at(AffineExpr position) const {
    Indices out(dims);
    out[axis] = position;
    return out;
  }

  Operation *last;
  Exprs &x;
  Indices dims;
  int64_t axis = -1;
  SmallVector<Piece> pieces;
  ExprRef base = nullptr;
};
} // namespace

/// A whole number that is the same at all places, or runs along one of them by ones.
static std::optional<std::pair<int64_t, AffineExpr>> placeOf(Exprs &x, Value which, ArrayRef<AffineExpr> indices) {
  ExprRef e = x.at(which, indices);
  if (e->kind == Expr::Kind::Constant)
    return std::pair((int64_t)e->number, AffineExpr());
  if (e->kind != Expr::Kind::Index)
    return std::nullopt;
  for (AffineExpr i : x.freeIterators(e))
    if (auto start = dyn_cast<AffineConstantExpr>(x.simplified(e->indices[0] - i)))
      return std::pair(start.getValue(), i);
  return std::nullopt;
}

std::optional<Slot> Stack::slotOf(Operation *write) {
  if (onnx::stringAttr(write, "reduction", "none") != "none")
    return std::nullopt;
  auto data = typeOf(write->getOperand(0)), which = typeOf(write->getOperand(1));
  if (!data || !which)
    return std::nullopt;
  SmallVector<AffineExpr> dataDims = onnx::getDimExprs(data), whichDims = onnx::getDimExprs(which);
  std::optional<Slot> slot;
  auto add = [&](int64_t axis, std::pair<int64_t, AffineExpr> place) {
    auto extent = place.second ? dyn_cast<AffineConstantExpr>(x.sizeOf(place.second)) : AffineConstantExpr();
    auto size = dyn_cast<AffineConstantExpr>(dataDims[axis]);
    if (place.second && place.first == 0 && x.sizeOf(place.second) == dataDims[axis] && (!extent || slot))
      return true; // all of the axis
    if ((place.second && !extent) || slot)
      return false;
    slot = Slot{axis, place.first, extent ? extent.getValue() : 1};
    if (slot->start < 0 && size)
      slot->start += size.getValue();
    return slot->start >= 0 && (!size || slot->start + slot->length <= size.getValue());
  };
  Indices own = x.iterators(whichDims);
  if (write->getName().stripDialect() == "ScatterElements") {
    int64_t axis = normalAxis(onnx::intAttr(write, "axis"), data.getRank());
    for (auto [i, d] : llvm::enumerate(whichDims))
      if ((int64_t)i != axis && d != dataDims[i])
        return std::nullopt;
    auto place = placeOf(x, write->getOperand(1), own);
    // One place for several elements would be written several times.
    if (!place || (place->second ? place->second != own[axis] : whichDims[axis] != x.number(1)) || !add(axis, *place))
      return std::nullopt;
    return slot;
  }
  auto count = dyn_cast<AffineConstantExpr>(whichDims.back());
  if (!count)
    return std::nullopt;
  SmallVector<std::pair<int64_t, AffineExpr>> places;
  for (int64_t k = 0; k < count.getValue(); ++k) {
    Indices indices(own);
    indices.back() = x.number(k);
    auto place = placeOf(x, write->getOperand(1), indices);
    if (!place)
      return std::nullopt;
    places.push_back(*place);
  }
  // What is covered comes after the axis that is not.
  for (bool whole : {false, true})
    for (auto [k, place] : llvm::enumerate(places))
      if ((place.first == 0 && place.second && x.sizeOf(place.second) == dataDims[k]) == whole && !add(k, place))
        return std::nullopt;
  return slot;
}

/// The writes up to a buffer that is none, the last one first.
bool Stack::collect() {
  Indices view(dims); // elements of the present buffer, by the last one's
  for (Operation *write = last;;) {
    auto slot = slotOf(write);
    if (!slot)
      return false;
    const auto *d = llvm::find(dims, view[slot->axis]);
    if (d == dims.end() || (axis >= 0 && axis != d - dims.begin()))
      return false;
    axis = d - dims.begin();
    Piece piece{slot->start, slot->length, nullptr, x.iterator(x.number(slot->length))};
    Indices where(view);
    where[slot->axis] = slot->start + piece.position;
    piece.element = x.definition(write->getResult(0), where);
    if (piece.element->kind == Expr::Kind::Read && piece.element->source == write->getResult(0))
      return false;
    pieces.push_back(piece);
    writes.push_back(write);
    ExprRef before = x.at(write->getOperand(0), view);
    Value v = write->getOperand(0);
    bool unread = before->kind == Expr::Kind::Read && isWrite(before->source.getDefiningOp());
    while (unread && v != before->source) {
      unread = v.hasOneUse();
      v = v.getDefiningOp()->getOperand(0);
    }
    if (!unread || !v.hasOneUse()) {
      base = before;
      break;
    }
    view.assign(before->indices.begin(), before->indices.end());
    write = v.getDefiningOp();
  }
  llvm::sort(pieces, [](const Piece &p, const Piece &q) { return p.start < q.start; });
  int64_t covered = 0;
  bool gaps = false;
  for (const Piece &p : pieces) {
    if (p.start < covered)
      return false;
    gaps |= p.start > covered;
    covered = p.start + p.length;
  }
  gaps |= length() != x.number(covered);
  // One slice of a buffer of known length is no stack.
  bool stack = pieces.size() > 1 || !isa<AffineConstantExpr>(length());
  return !gaps || (stack && base->kind == Expr::Kind::Constant);
}

/// The Concat, before the last write; null when a piece cannot be written.
Value Stack::write(OpBuilder &b) {
  ExprWriter w(x, b, fusedLocation(writes));
  int64_t end = pieces.back().start + pieces.back().length;
  AffineExpr rest = x.simplified(length() - end);
  if (!x.isNonNegative(rest)) {
    AffineExpr larger = bindExpr(b, w.loc, "max", x.number(end), length());
    bindExpr(b, w.loc, "same", length(), larger, "an index is outside of the tensor, which has to be longer");
  }
  SmallVector<Value> outer, run;
  auto close = [&] {
    if (!run.empty())
      outer.push_back(run.size() == 1 ? run[0] : w.concat(run, axis));
    run.clear();
  };
  auto fill = [&](AffineExpr start, AffineExpr size) {
    close();
    AffineExpr i = x.iterator(size);
    outer.push_back(w.write(x.replace(base, DenseMap<AffineExpr, AffineExpr>{{dims[axis], start + i}}), at(i)));
  };
  int64_t covered = 0;
  for (const Piece &p : pieces) {
    if (p.start > covered)
      fill(x.number(covered), x.number(p.start - covered));
    run.push_back(w.write(p.element, at(p.position)));
    covered = p.start + p.length;
  }
  if (rest != x.number(0))
    fill(x.number(covered), rest);
  close();
  if (llvm::is_contained(outer, Value()))
    return {};
  return outer.size() == 1 ? outer[0] : w.concat(outer, axis);
}

namespace {
struct StackWritesPass : ssm::impl::StackWritesBase<StackWritesPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SmallVector<Operation *> all;
    main.walk([&](Operation *op) {
      if (isWrite(op) && typeOf(op->getResult(0)))
        all.push_back(op);
    });
    llvm::DenseSet<Operation *> seen; // by a later one
    for (Operation *op : llvm::reverse(all)) {
      if (seen.contains(op) || op->use_empty())
        continue;
      Exprs x(&getContext());
      x.isLeaf = [](Value v) { return isWrite(v.getDefiningOp()); };
      x.expands = [](Operation *other) {
        auto type = other->getNumResults() == 1 ? typeOf(other->getResult(0)) : RankedTensorType();
        return isWrite(other) || (type && isa<IntegerType>(type.getElementType()));
      };
      Stack stack(op, x);
      bool found = stack.collect();
      seen.insert(stack.writes.begin(), stack.writes.end());
      if (!found)
        continue;
      OpBuilder b(op);
      if (Value v = stack.write(b); v && v.getType() == op->getResult(0).getType()) {
        op->getResult(0).replaceAllUsesWith(v);
        writes += stack.writes.size();
      }
    }
    eraseDeadOps(main.getBody());
  }
};
} // namespace
