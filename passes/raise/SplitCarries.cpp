//===- SplitCarries.cpp - a state of a few parts as that many carries -------===//
// A complex state is often one tensor with an axis of two, whose step picks the parts and joins them again. Each part is
// a carry of its own then; what reads the whole reads the part of its place.
//===----------------------------------------------------------------------===//
#include "passes/raise/Raiser.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {
/// One carry and the axis it is split along.
class Parts {
public:
  Parts(Exprs &x, const LoopCarry &c) : x(x), c(c) {}
  /// The axis of few elements that the step reads at constant places only.
  bool findAxis();
  int64_t count() const { return cast<AffineConstantExpr>(x.sizeOf(c.dims[axis])).getValue(); }
  Indices without(ArrayRef<AffineExpr> indices) const {
    Indices out(indices);
    out.erase(out.begin() + axis);
    return out;
  }
  /// Sums over the parts, written out.
  ExprRef expandSums(ExprRef e);
  /// Reads of the whole as reads of these carries.
  ExprRef rewrite(ExprRef e, ArrayRef<LoopCarry> parts);

  size_t axis = 0;

private:
  bool isWhole(Value v) const { return v == c.state || v == c.updated; }
  Exprs &x;
  const LoopCarry &c;
};
} // namespace

bool Parts::findAxis() {
  for (axis = 0; axis < c.dims.size(); ++axis) {
    auto size = dyn_cast<AffineConstantExpr>(x.sizeOf(c.dims[axis]));
    if (!size || size.getValue() < 2 || size.getValue() > kMostParts)
      continue;
    auto placed = [&](ExprRef e) {
      return llvm::all_of(x.readsOf(e), [&](ExprRef r) { return !isWhole(r->source) || isa<AffineConstantExpr>(r->indices[axis]); });
    };
    // A step in which each part reads its own place only has nothing to split.
    bool mixes = llvm::any_of(x.readsOf(c.next), [&](ExprRef r) { return r->source == c.state && isa<AffineConstantExpr>(r->indices[axis]); });
    if (mixes && llvm::all_of(llvm::seq(size.getValue()), [&](int64_t i) {
          return placed(expandSums(x.replace(c.next, DenseMap<AffineExpr, AffineExpr>{{c.dims[axis], x.number(i)}})));
        }))
      return true;
  }
  return false;
}

ExprRef Parts::expandSums(ExprRef e) {
  DenseMap<ExprRef, ExprRef> sums;
  llvm::SmallPtrSet<ExprRef, 16> seen;
  std::function<void(ExprRef)> visit = [&](ExprRef part) {
    if (!part || !seen.insert(part).second || !x.reads(part, [&](Value v) { return isWhole(v); }))
      return;
    if (part->kind == Expr::Kind::Reduce && part->name == "ReduceSum") {
      Indices others(part->indices);
      AffineExpr over;
      for (ExprRef r : x.readsOf(part->operands[0]))
        if (isWhole(r->source) && llvm::is_contained(part->indices, r->indices[axis]))
          over = r->indices[axis];
      if (over) {
        llvm::erase(others, over);
        ExprRef sum = nullptr;
        for (int64_t i = 0; i < count(); ++i) {
          ExprRef body = x.replace(part->operands[0], DenseMap<AffineExpr, AffineExpr>{{over, x.number(i)}});
          ExprRef term = expandSums(x.reduce("ReduceSum", others, body));
          sum = sum ? x.add(sum, term) : term;
        }
        sums[part] = sum;
        return;
      }
    }
    for (ExprRef o : part->operands)
      visit(o);
  };
  visit(e);
  return sums.empty() ? e : x.replace(e, sums);
}

ExprRef Parts::rewrite(ExprRef e, ArrayRef<LoopCarry> parts) {
  return x.replace(expandSums(e), DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
    if (!isWhole(r->source))
      return nullptr;
    AffineExpr at = r->indices[axis];
    ExprRef chosen = nullptr;
    for (int64_t i = parts.size() - 1; i >= 0; --i) {
      ExprRef own = x.read(r->source == c.state ? parts[i].state : parts[i].updated, without(r->indices));
      chosen = chosen ? x.select({x.number(i) - at}, own, chosen) : own;
    }
    return chosen;
  });
}

void Raiser::splitCarries() {
  for (size_t number = 0; number < loop.carries.size(); ++number) {
    LoopCarry whole = loop.carries[number];
    Parts split(x, whole);
    if ((whole.final && whole.final.getType() != whole.state.getType()) || !split.findAxis())
      continue;
    SmallVector<LoopCarry> parts(split.count());
    Type type = onnx::withDims(typeOf(whole.state).getElementType(), split.without(onnx::getDimExprs(typeOf(whole.state))));
    auto placeholder = [&] {
      placeholders.push_back(UnrealizedConversionCastOp::create(b, w.loc, type, ValueRange{}));
      return placeholders.back()->getResult(0);
    };
    for (LoopCarry &part : parts) {
      part.state = placeholder();
      part.updated = placeholder();
      if (whole.final)
        part.final = placeholder();
      for (AffineExpr d : split.without(whole.dims))
        part.dims.push_back(x.iterator(x.sizeOf(d)));
    }
    for (auto [i, part] : llvm::enumerate(parts)) {
      DenseMap<AffineExpr, AffineExpr> at{{whole.dims[split.axis], x.number(i)}};
      for (auto [from, to] : llvm::zip_equal(split.without(whole.dims), part.dims))
        at[from] = to;
      part.start = x.replace(initialOf(whole), at);
      part.next = x.replace(whole.next, at);
    }
    // The joined final state stands where it can read what takes the parts' places.
    if (whole.final) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointAfter(loop.anchor);
      SmallVector<AffineExpr> dims = onnx::getDimExprs(typeOf(whole.state));
      SmallVector<AffineExpr> single(dims);
      single[split.axis] = x.number(1);
      SmallVector<Value> rows;
      for (LoopCarry &part : parts)
        rows.push_back(w.reshape(part.final, single));
      Value joined = w.concat(rows, split.axis);
      for (Operation *op = loop.anchor->getNextNode();; op = op->getNextNode()) {
        joins.push_back(op);
        if (op == joined.getDefiningOp())
          break;
      }
      replaceResult(whole.final, joined);
    }
    loop.carries.erase(loop.carries.begin() + number);
    loop.carries.insert(loop.carries.begin() + number, parts.begin(), parts.end());
    for (LoopCarry &c : loop.carries)
      c.next = split.rewrite(c.next, parts);
    for (LoopOutput &o : loop.outputs)
      o.element = split.rewrite(o.element, parts);
    number += parts.size() - 1;
  }
}
