//===- VectoriseContractions.cpp - sums of products in register tiles --------===//
// Expects: a bufferised dispatch. Leaves: floating-point contractions as vector loops, everything else as it was. The code
// made for one contraction has a fixed size, the cost is linear in their number.
//===----------------------------------------------------------------------===//
#include "passes/vectorise/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_VECTORISECONTRACTIONS
#include "passes/vectorise/Passes.h.inc"
} // namespace ssm

namespace {
/// With fewer rows than this a packed panel is not read often enough.
constexpr int64_t kFewRows = 4;
/// Multiplications that are worth waking a thread for.
constexpr int64_t kGrain = 1 << 19;

/// The value before a widening cast, which a sum of products of narrower elements has.
Value unwiden(Value v) {
  auto cast = v.getDefiningOp<arith::ExtFOp>();
  return cast ? cast.getIn() : v;
}

/// Sums in float32 or float64 of products of elements that have that type or a narrower one.
bool isSumOfProducts(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 || !op.hasPureBufferSemantics())
    return false;
  for (Value v : op->getOperands())
    if (!isa<FloatType>(getElementTypeOrSelf(v.getType())) || !isa<MemRefType>(v.getType()))
      return false;
  Type wide = getElementTypeOrSelf(op.getDpsInits()[0].getType());
  if (!wide.isF32() && !wide.isF64())
    return false;
  Block &body = *op.getBody();
  auto add = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add || add->getBlock() != &body)
    return false;
  Value out = body.getArgument(2), a = body.getArgument(0), b = body.getArgument(1);
  auto mul = (add.getLhs() == out ? add.getRhs() : add.getLhs()).getDefiningOp<arith::MulFOp>();
  if (!mul || (add.getLhs() != out && add.getRhs() != out))
    return false;
  Value x = unwiden(mul.getLhs()), y = unwiden(mul.getRhs());
  return (x == a && y == b) || (x == b && y == a);
}

bool lastStrideIsOne(Value v) {
  SmallVector<int64_t> strides;
  int64_t offset;
  auto type = cast<MemRefType>(v.getType());
  return succeeded(type.getStridesAndOffset(strides, offset)) && !strides.empty() && strides.back() == 1;
}

/// P when the map ends in (n floordiv P, k, n mod P), behind constants.
std::optional<int64_t> panelWidth(AffineMap map, unsigned n) {
  if (map.getNumResults() < 3)
    return std::nullopt;
  ArrayRef<AffineExpr> last = map.getResults().take_back(3);
  auto divided = dyn_cast<AffineBinaryOpExpr>(last[0]);
  if (!divided || divided.getKind() != AffineExprKind::FloorDiv ||
      !llvm::all_of(map.getResults().drop_back(3), llvm::IsaPred<AffineConstantExpr>))
    return std::nullopt;
  AffineExpr dim = getAffineDimExpr(n, map.getContext());
  auto width = dyn_cast<AffineConstantExpr>(divided.getRHS());
  if (!width || divided.getLHS() != dim || last[2] != dim % width.getValue())
    return std::nullopt;
  return width.getValue();
}

/// One contraction with the roles of its loops.
class Contraction {
public:
  Contraction(linalg::GenericOp op, int64_t rows, int64_t lanes)
      : op(op), b(op.getLoc(), op), rows(rows), wide(getElementTypeOrSelf(op.getDpsInits()[0].getType())) {
    // A row of the tile has as many bytes for every type.
    setLanes(wide.isF64() ? lanes / 2 : lanes);
  }

  bool classify();
  void emit();

private:
  using Rows = SmallVector<Value>;
  void setLanes(int64_t n) {
    lanes = n;
    vector = VectorType::get(lanes, wide);
  }
  Value widen(Value v) {
    Type to = isa<VectorType>(v.getType()) ? Type(vector) : wide;
    return v.getType() == to ? v : arith::ExtFOp::create(b, to, v).getResult();
  }
  /// b's elements from `indices` on, widened.
  Value loadB(ValueRange indices, Value mask) {
    auto type = VectorType::get(lanes, getElementTypeOrSelf(B.getType()));
    if (!mask)
      return widen(vector::LoadOp::create(b, type, B, indices));
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
    return widen(vector::MaskedLoadOp::create(b, type, B, indices, mask, zero));
  }
  /// A row of the panel that column iv[n] is in.
  Value loadPanel(ArrayRef<Value> iv) {
    Value width = index(cast<MemRefType>(B.getType()).getShape().back()), column = iv[n];
    SmallVector<Value> place;
    for (AffineExpr e : mapB.getResults().drop_back(3))
      place.push_back(index(cast<AffineConstantExpr>(e).getValue()));
    place.append({arith::DivUIOp::create(b, column, width), iv[reductions[0]], arith::RemUIOp::create(b, column, width)});
    return loadB(place, nullptr);
  }
  Value broadcastA(ArrayRef<Value> iv) {
    return vector::BroadcastOp::create(b, vector, widen(memref::LoadOp::create(b, A, at(mapA, iv))));
  }
  Value index(int64_t v) { return arith::ConstantIndexOp::create(b, v); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value smaller(Value x, Value y) { return arith::MinSIOp::create(b, x, y); }
  Value product(ArrayRef<unsigned> dims) {
    Value v = index(1);
    for (unsigned d : dims)
      v = arith::MulIOp::create(b, v, size[d]);
    return v;
  }
  SmallVector<Value> at(AffineMap map, ArrayRef<Value> iv) {
    SmallVector<Value> indices;
    for (AffineExpr e : map.getResults())
      indices.push_back(affine::makeComposedAffineApply(b, b.getLoc(), AffineMap::get(map.getNumDims(), 0, e),
                                                        SmallVector<OpFoldResult>(iv.begin(), iv.end())));
    return indices;
  }
  void loops(ArrayRef<unsigned> dims, SmallVector<Value> &iv, llvm::function_ref<void()> body);
  void parallel(Value count, Value workEach, llvm::function_ref<void(Value)> body);
  SmallVector<Value> sum(ArrayRef<unsigned> dims, SmallVector<Value> &iv, ValueRange acc,
                         llvm::function_ref<SmallVector<Value>(ValueRange)> body);
  void tile(SmallVector<Value> iv, int64_t count, bool clamp, Value mask, Value panel);
  void emitPacked();
  void emitOneRow();
  void emitDirect();
  void pack(Value panel, SmallVector<Value> iv);

  linalg::GenericOp op;
  ImplicitLocOpBuilder b;
  int64_t rows, lanes = 0;
  Type wide; // of the sums
  VectorType vector;
  Value A, B, C;
  AffineMap mapA, mapB, mapC;
  unsigned m = 0, n = 0;
  bool contiguous = false; // b is read as vectors where it is
  bool panels = false;     // b lies in panels of `lanes` columns already
  SmallVector<unsigned> reductions, outerB, outerA;
  SmallVector<Value> size;
};

bool Contraction::classify() {
  mapC = op.getIndexingMapsArray()[2];
  C = op.getDpsInits()[0];
  if (!mapC.isProjectedPermutation() || mapC.getNumResults() < 1 || !lastStrideIsOne(C))
    return false;
  n = mapC.getDimPosition(mapC.getNumResults() - 1);
  int b = -1;
  for (int i : {0, 1})
    if (op.getIndexingMapsArray()[i].isFunctionOfDim(n) && !op.getIndexingMapsArray()[1 - i].isFunctionOfDim(n))
      b = i;
  if (b < 0)
    return false;
  B = op.getDpsInputs()[b], A = op.getDpsInputs()[1 - b];
  mapB = op.getIndexingMapsArray()[b], mapA = op.getIndexingMapsArray()[1 - b];
  int found = -1;
  for (auto [i, type] : llvm::enumerate(op.getIteratorTypesArray())) {
    if (type == utils::IteratorType::reduction) {
      reductions.push_back(i);
      continue;
    }
    if (!mapC.isFunctionOfDim(i))
      return false;
    if (i == n)
      continue;
    if (mapB.isFunctionOfDim(i)) {
      outerB.push_back(i);
    } else {
      if (found >= 0)
        outerA.push_back(found);
      found = i;
    }
  }
  if (found < 0 || reductions.empty())
    return false;
  m = found;
  if (auto width = panelWidth(mapB, n)) {
    auto type = cast<MemRefType>(B.getType());
    panels = type.getLayout().isIdentity() && type.getShape().back() == *width && reductions.size() == 1 && outerB.empty() &&
             mapB.getResult(mapB.getNumResults() - 2) == getAffineDimExpr(reductions[0], op.getContext()) &&
             *width % lanes == 0;
    return panels;
  }
  // b is read as vectors when n is the last index with coefficient one and nowhere else.
  AffineExpr last = mapB.getResults().back();
  AffineExpr rest = last - getAffineDimExpr(n, op.getContext());
  contiguous = lastStrideIsOne(B) && !simplifyAffineExpr(rest, mapB.getNumDims(), 0).isFunctionOfDim(n) &&
               llvm::none_of(mapB.getResults().drop_back(), [&](AffineExpr e) { return e.isFunctionOfDim(n); });
  return true;
}

void Contraction::loops(ArrayRef<unsigned> dims, SmallVector<Value> &iv, llvm::function_ref<void()> body) {
  if (dims.empty())
    return body();
  auto loop = scf::ForOp::create(b, index(0), size[dims[0]], index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  iv[dims[0]] = loop.getInductionVar();
  loops(dims.drop_front(), iv, body);
}

/// Runs body(i) for i < count in chunks that are worth a thread each.
void Contraction::parallel(Value count, Value workEach, llvm::function_ref<void(Value)> body) {
  Value one = index(1);
  Value chunk = arith::CeilDivSIOp::create(b, index(kGrain), arith::MaxSIOp::create(b, workEach, one));
  auto outer = scf::ParallelOp::create(b, ValueRange{index(0)}, ValueRange{count}, ValueRange{chunk});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(outer.getBody());
  Value begin = outer.getInductionVars()[0];
  auto inner = scf::ForOp::create(b, begin, smaller(add(begin, chunk), count), one);
  b.setInsertionPointToStart(inner.getBody());
  body(inner.getInductionVar());
}

SmallVector<Value> Contraction::sum(ArrayRef<unsigned> dims, SmallVector<Value> &iv, ValueRange acc,
                                    llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  if (dims.empty())
    return body(acc);
  auto loop = scf::ForOp::create(b, index(0), size[dims[0]], index(1), acc);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    iv[dims[0]] = loop.getInductionVar();
    scf::YieldOp::create(b, sum(dims.drop_front(), iv, loop.getRegionIterArgs(), body));
  }
  return loop.getResults();
}

/// c[m .. m + count, n .. n + lanes] += sums. `panel` is b packed for these columns, or null. With `clamp`, rows beyond the last repeat it and are not stored.
void Contraction::tile(SmallVector<Value> iv, int64_t count, bool clamp, Value mask, Value panel) {
  Value lastRow = add(size[m], index(-1));
  Rows row, acc;
  SmallVector<SmallVector<Value>> place;
  for (int64_t r = 0; r < count; ++r) {
    row.push_back(r ? add(iv[m], index(r)) : iv[m]);
    if (clamp && r)
      row.back() = smaller(row.back(), lastRow);
    SmallVector<Value> here = iv;
    here[m] = row.back();
    place.push_back(at(mapC, here));
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
    acc.push_back(vector::MaskedLoadOp::create(b, vector, C, place[r], mask, zero));
  }
  SmallVector<Value> total = sum(reductions, iv, acc, [&](ValueRange now) {
    Value column;
    if (panels) {
      column = loadPanel(iv);
    } else if (panel) {
      SmallVector<Value> k;
      for (unsigned d : reductions)
        k.push_back(iv[d]);
      k.push_back(index(0));
      column = vector::LoadOp::create(b, vector, panel, k);
    } else {
      column = loadB(at(mapB, iv), mask);
    }
    SmallVector<Value> next;
    for (int64_t r = 0; r < count; ++r) {
      SmallVector<Value> here = iv;
      here[m] = row[r];
      next.push_back(vector::FMAOp::create(b, broadcastA(here), column, now[r]));
    }
    return next;
  });
  // From the last row to the first: where rows repeat, what counts is written last, and repeats hold the same sums.
  for (int64_t r = count - 1; r >= 0; --r)
    vector::MaskedStoreOp::create(b, C, place[r], mask, total[r]);
}

/// panel[k..][j] = b at column n + j, zero beyond the last column.
void Contraction::pack(Value panel, SmallVector<Value> iv) {
  Value n0 = iv[n], left = smaller(arith::SubIOp::create(b, size[n], n0), index(lanes));
  auto slot = [&](Value j) {
    SmallVector<Value> k;
    for (unsigned d : reductions)
      k.push_back(iv[d]);
    k.push_back(j);
    return k;
  };
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
  if (contiguous) {
    Value mask = vector::CreateMaskOp::create(b, VectorType::get(lanes, b.getI1Type()), left);
    loops(reductions, iv, [&] {
      vector::StoreOp::create(b, loadB(at(mapB, iv), mask), panel, slot(index(0)));
    });
    return;
  }
  auto tail = scf::IfOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::slt, left, index(lanes)));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(tail.thenBlock());
    loops(reductions, iv, [&] { vector::StoreOp::create(b, zero, panel, slot(index(0))); });
  }
  auto columns = scf::ForOp::create(b, index(0), left, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(columns.getBody());
  Value j = columns.getInductionVar();
  iv[n] = add(n0, j);
  loops(reductions, iv,
        [&] { memref::StoreOp::create(b, widen(memref::LoadOp::create(b, B, at(mapB, iv))), panel, slot(j)); });
}

void Contraction::emitPacked() {
  Value tiles = arith::CeilDivSIOp::create(b, size[n], index(lanes));
  Value count = arith::MulIOp::create(b, product(outerB), tiles);
  Value work = arith::MulIOp::create(b, arith::MulIOp::create(b, product(reductions), product(outerA)),
                                     arith::MulIOp::create(b, size[m], index(lanes)));
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  for (unsigned d : reductions) {
    std::optional<int64_t> fixed = getConstantIntValue(size[d]);
    shape.push_back(fixed.value_or(ShapedType::kDynamic));
    if (!fixed)
      dynamic.push_back(size[d]);
  }
  shape.push_back(lanes);
  parallel(count, work, [&](Value i) {
    SmallVector<Value> iv(size.size(), i);
    iv[n] = arith::MulIOp::create(b, arith::RemUIOp::create(b, i, tiles), index(lanes));
    Value left = arith::DivUIOp::create(b, i, tiles);
    for (unsigned d : llvm::reverse(outerB)) {
      iv[d] = arith::RemUIOp::create(b, left, size[d]);
      left = arith::DivUIOp::create(b, left, size[d]);
    }
    auto type = MemRefType::get(shape, wide);
    Value panel;
    if (!panels) {
      panel = memref::AllocOp::create(b, type, dynamic, b.getI64IntegerAttr(64));
      pack(panel, iv);
    }
    Value mask = vector::CreateMaskOp::create(b, VectorType::get(lanes, b.getI1Type()),
                                              ValueRange{arith::SubIOp::create(b, size[n], iv[n])});
    loops(outerA, iv, [&] {
      Value whole = arith::SubIOp::create(b, size[m], arith::RemUIOp::create(b, size[m], index(rows)));
      auto rowsOf = [&](Value from, Value to, int64_t step, bool clamp) {
        auto loop = scf::ForOp::create(b, from, to, index(step));
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        iv[m] = loop.getInductionVar();
        tile(iv, step, clamp, mask, panel);
      };
      rowsOf(index(0), whole, rows, false);
      rowsOf(whole, size[m], kFewRows, true);
    });
    if (!panels)
      memref::DeallocOp::create(b, panel);
  });
}

/// Rows of a times panels, one by one: four panels at a time, so that enough sums are under way and b streams.
void Contraction::emitOneRow() {
  constexpr int64_t together = 4;
  Value tiles = arith::CeilDivSIOp::create(b, size[n], index(lanes)), last = add(tiles, index(-1));
  Value count = arith::CeilDivSIOp::create(b, tiles, index(together));
  parallel(count, arith::MulIOp::create(b, product(reductions), index(together * lanes)), [&](Value i) {
    SmallVector<Value> iv(size.size(), index(0));
    SmallVector<unsigned> outer(outerA);
    outer.push_back(m);
    loops(outer, iv, [&] {
      SmallVector<Value> columns, masks, acc;
      SmallVector<SmallVector<Value>> place;
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
      for (int64_t t = 0; t < together; ++t) {
        // Beyond the last panel it is computed again.
        Value tile = smaller(add(arith::MulIOp::create(b, i, index(together)), index(t)), last);
        columns.push_back(iv[n] = arith::MulIOp::create(b, tile, index(lanes)));
        masks.push_back(vector::CreateMaskOp::create(b, VectorType::get(lanes, b.getI1Type()),
                                                     ValueRange{arith::SubIOp::create(b, size[n], iv[n])}));
        place.push_back(at(mapC, iv));
        acc.push_back(vector::MaskedLoadOp::create(b, vector, C, place[t], masks[t], zero));
      }
      SmallVector<Value> total = sum(reductions, iv, acc, [&](ValueRange now) {
        Value a = broadcastA(iv);
        SmallVector<Value> next;
        for (int64_t t = 0; t < together; ++t) {
          iv[n] = columns[t];
          next.push_back(vector::FMAOp::create(b, a, loadPanel(iv), now[t]));
        }
        return next;
      });
      for (int64_t t = 0; t < together; ++t)
        vector::MaskedStoreOp::create(b, C, place[t], masks[t], total[t]);
    });
  });
}

void Contraction::emitDirect() {
  // One row has few sums: wider tiles keep the multipliers busy and read b in longer pieces.
  setLanes(4 * lanes);
  Value tiles = arith::CeilDivSIOp::create(b, size[n], index(lanes));
  SmallVector<unsigned> outer(outerB);
  llvm::append_range(outer, outerA);
  outer.push_back(m);
  Value count = arith::MulIOp::create(b, product(outer), tiles);
  parallel(count, arith::MulIOp::create(b, product(reductions), index(lanes)), [&](Value i) {
    SmallVector<Value> iv(size.size(), i);
    iv[n] = arith::MulIOp::create(b, arith::RemUIOp::create(b, i, tiles), index(lanes));
    Value left = arith::DivUIOp::create(b, i, tiles);
    for (unsigned d : llvm::reverse(outer)) {
      iv[d] = arith::RemUIOp::create(b, left, size[d]);
      left = arith::DivUIOp::create(b, left, size[d]);
    }
    Value mask = vector::CreateMaskOp::create(b, VectorType::get(lanes, b.getI1Type()),
                                              ValueRange{arith::SubIOp::create(b, size[n], iv[n])});
    tile(iv, 1, false, mask, nullptr);
  });
}

void Contraction::emit() {
  for (Range range : cast<linalg::LinalgOp>(op.getOperation()).createLoopRanges(b, b.getLoc()))
    size.push_back(getValueOrCreateConstantIndexOp(b, b.getLoc(), range.size));
  Value many = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, size[m], index(panels ? 2 : kFewRows));
  auto choice = scf::IfOp::create(b, many, /*withElseRegion=*/true);
  b.setInsertionPointToStart(choice.thenBlock());
  emitPacked();
  b.setInsertionPointToStart(choice.elseBlock());
  if (panels) {
    emitOneRow();
  } else if (contiguous) {
    emitDirect();
  } else {
    // Sums innermost: b runs along them, and a sum of products is what LLVM vectorises there.
    IRRewriter rewriter(b);
    auto copy = cast<linalg::GenericOp>(rewriter.clone(*op));
    SmallVector<unsigned> order;
    for (auto [i, type] : llvm::enumerate(op.getIteratorTypesArray()))
      if (type != utils::IteratorType::reduction)
        order.push_back(i);
    llvm::append_range(order, reductions);
    (void)linalg::interchangeGenericOp(rewriter, copy, order);
  }
  op.erase();
}

struct VectoriseContractions : ssm::impl::VectoriseContractionsBase<VectoriseContractions> {
  using Base::Base;
  void runOnOperation() override {
    if (!getOperation()->hasAttr("ssm.dispatch"))
      return;
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) {
      if (isSumOfProducts(op))
        ops.push_back(op);
    });
    for (linalg::GenericOp op : ops) {
      Contraction contraction(op, rows, lanes);
      if (contraction.classify())
        contraction.emit();
    }
  }
};
} // namespace
