//===- MixerLoops.cpp - loops over the iteration space of a mixer ----------===//
// See MixerLoops.h.
//===----------------------------------------------------------------------===//
#include "passes/lower/MixerLoops.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kVectorBytes = 64;
/// Multiplications that are worth waking a thread for.
constexpr int64_t kGrain = 1 << 17;
} // namespace

MixerLoops::MixerLoops(Operation *op, Emitter &e)
    : op(op), e(e), b(e.loc, e.b), state(stateType(op)), lanes(kVectorBytes * 8 / state.getIntOrFloatBitWidth()),
      vector(VectorType::get(lanes, state)) {
  if (!op->hasAttr("indexing_maps"))
    return;
  maps = indexingMaps(op);
  for (AffineExpr size_ : iterationSizes(op))
    size.push_back(e.size(size_));
  b.restoreInsertionPoint(e.b.saveInsertionPoint());
}

// A flat view, so that one index reaches every element and lanes may have any stride.
static Value flatten(ImplicitLocOpBuilder &b, Value memref, Value count) {
  auto type = cast<MemRefType>(memref.getType());
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1), size = getAsOpFoldResult(count);
  SmallVector<int64_t> shape{getConstantIntValue(size).value_or(ShapedType::kDynamic)};
  auto flat = MemRefType::get(shape, type.getElementType(), StridedLayoutAttr::get(b.getContext(), 0, {1}));
  return memref::ReinterpretCastOp::create(b, flat, memref, zero, ArrayRef{size}, ArrayRef{one});
}

MixerLoops::Buffer MixerLoops::buffer(Tensor t, AffineMap map) {
  Buffer out;
  out.map = map;
  out.element = t.element();
  Value memref;
  if (auto from = t.value.getDefiningOp<bufferization::ToTensorOp>())
    memref = from.getBuffer();
  else
    memref = bufferization::ToBufferOp::create(b, MemRefType::get(t.type.getShape(), storageType(out.element)), t.value,
                                               /*read_only=*/true);
  Value count = index(1);
  out.strides.resize(t.rank());
  for (int64_t axis = t.rank(); axis-- > 0;) {
    out.strides[axis] = count;
    count = mul(count, e.dim(t, axis));
  }
  out.flat = flatten(b, memref, count);
  return out;
}

void MixerLoops::setSpace(RankedTensorType type) {
  for (AffineExpr size_ : onnx::getDimExprs(type))
    size.push_back(e.size(size_));
}

MixerLoops::Buffer MixerLoops::result(unsigned number, AffineMap map) {
  Value v = op->getResult(number);
  auto type = cast<RankedTensorType>(v.getType());
  Value memref = e.takeDestination(v);
  bool own = !memref;
  if (own) {
    SmallVector<Value> dynamic;
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      if (type.isDynamicDim(axis))
        dynamic.push_back(e.size(onnx::getDimExpr(type, axis)));
    memref = memref::AllocOp::create(b, MemRefType::get(type.getShape(), storageType(type.getElementType())), dynamic);
  }
  Value tensor = bufferization::ToTensorOp::create(b, storageTensor(type), memref, /*restrict=*/true, /*writable=*/own);
  e.setTensor(v, tensor);
  return buffer({tensor, type}, map);
}

// Index arithmetic.

static std::optional<int64_t> constantOf(Value v) { return getConstantIntValue(v); }

Value MixerLoops::add(Value x, Value y) {
  auto a = constantOf(x), c = constantOf(y);
  if (a && c)
    return index(*a + *c);
  if (a && *a == 0)
    return y;
  if (c && *c == 0)
    return x;
  return arith::AddIOp::create(b, x, y);
}
Value MixerLoops::sub(Value x, Value y) {
  auto a = constantOf(x), c = constantOf(y);
  if (a && c)
    return index(*a - *c);
  if (c && *c == 0)
    return x;
  return arith::SubIOp::create(b, x, y);
}
Value MixerLoops::mul(Value x, Value y) {
  auto a = constantOf(x), c = constantOf(y);
  if (a && c)
    return index(*a * *c);
  if (a && *a == 1)
    return y;
  if (c && *c == 1)
    return x;
  return arith::MulIOp::create(b, x, y);
}
Value MixerLoops::smaller(Value x, Value y) {
  auto a = constantOf(x), c = constantOf(y);
  if (a && c)
    return index(std::min(*a, *c));
  return arith::MinSIOp::create(b, x, y);
}
Value MixerLoops::roundUp(Value x, int64_t multiple) {
  if (auto c = constantOf(x))
    return index(llvm::divideCeil(*c, multiple) * multiple);
  Value up = arith::AddIOp::create(b, x, index(multiple - 1));
  return arith::MulIOp::create(b, arith::DivUIOp::create(b, up, index(multiple)), index(multiple));
}

Value MixerLoops::laneNumbers() {
  return arith::ConstantOp::create(b, b.getIndexVectorAttr(llvm::to_vector(llvm::seq<int64_t>(0, lanes))));
}

// Floats.

Value MixerLoops::splat(double v) {
  return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, b.getFloatAttr(state, v)));
}
static arith::FastMathFlagsAttr contract(OpBuilder &b) {
  return arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::contract);
}
Value MixerLoops::plus(Value x, Value y) { return arith::AddFOp::create(b, x, y, contract(b)); }
Value MixerLoops::times(Value x, Value y) { return arith::MulFOp::create(b, x, y, contract(b)); }

Value MixerLoops::toState(Value v) {
  auto like = [&](Type element) -> Type {
    auto type = dyn_cast<VectorType>(v.getType());
    return type ? Type(VectorType::get(type.getShape(), element)) : element;
  };
  Type t = getElementTypeOrSelf(v.getType());
  if (t == state)
    return v;
  if (isa<FloatType>(t))
    return t.getIntOrFloatBitWidth() < state.getIntOrFloatBitWidth()
               ? arith::ExtFOp::create(b, like(state), v).getResult()
               : arith::TruncFOp::create(b, like(state), v).getResult();
  return arith::SIToFPOp::create(b, like(state), v);
}

// Elements.

Value MixerLoops::fromStored(Value v, Type element) {
  auto type = dyn_cast<VectorType>(v.getType());
  auto like = [&](Type t) -> Type { return type ? Type(VectorType::get(type.getShape(), t)) : t; };
  if (element.isInteger(1)) {
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(v.getType()));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, v, zero);
  }
  if (scalarType(element) == getElementTypeOrSelf(v.getType()))
    return v;
  return arith::ExtFOp::create(b, like(scalarType(element)), v);
}

Value MixerLoops::toStored(Value v, Type element) {
  auto type = dyn_cast<VectorType>(v.getType());
  auto like = [&](Type t) -> Type { return type ? Type(VectorType::get(type.getShape(), t)) : t; };
  Type have = getElementTypeOrSelf(v.getType()), want = storageType(element);
  if (have == want)
    return v;
  if (element.isInteger(1))
    return arith::ExtUIOp::create(b, like(want), v);
  return want.getIntOrFloatBitWidth() < have.getIntOrFloatBitWidth()
             ? arith::TruncFOp::create(b, like(want), v).getResult()
             : arith::ExtFOp::create(b, like(want), v).getResult();
}

/// Position of an element, without what one axis adds.
Value MixerLoops::linear(const Buffer &buffer, ArrayRef<Value> at, int skipAxis) {
  Value sum = index(0);
  for (auto [axis, e] : llvm::enumerate(buffer.map.getResults())) {
    if ((int)axis == skipAxis || isa<AffineConstantExpr>(e))
      continue;
    Value i;
    if (auto dim = dyn_cast<AffineDimExpr>(e)) {
      i = at[dim.getPosition()];
    } else {
      auto bin = cast<AffineBinaryOpExpr>(e);
      i = arith::DivUIOp::create(b, at[cast<AffineDimExpr>(bin.getLHS()).getPosition()],
                                 index(cast<AffineConstantExpr>(bin.getRHS()).getValue()));
    }
    sum = add(sum, mul(i, buffer.strides[axis]));
  }
  return sum;
}

bool MixerLoops::isContiguous(const Buffer &buffer, unsigned dim) {
  return buffer.map.getNumResults() && buffer.map.getResults().back() == getAffineDimExpr(dim, buffer.map.getContext());
}

static int axisOf(AffineMap map, unsigned dim) {
  for (auto [axis, e] : llvm::enumerate(map.getResults()))
    if (e.isFunctionOfDim(dim))
      return axis;
  return -1;
}

/// Offsets of the lanes from `base` where they are not side by side.
Value MixerLoops::laneOffsets(const Buffer &buffer, ArrayRef<Value> at, unsigned lane, int64_t step, Value &base) {
  int axis = axisOf(buffer.map, lane);
  auto type = vectorOf(b.getIndexType());
  auto spreadIndex = [&](Value v) -> Value { return vector::BroadcastOp::create(b, type, v); };
  Value lanesOf = laneNumbers();
  if (step < 0)
    lanesOf = arith::SubIOp::create(b, spreadIndex(index(0)), lanesOf);
  if (isa<AffineDimExpr>(buffer.map.getResult(axis))) {
    base = linear(buffer, at);
    return arith::MulIOp::create(b, lanesOf, spreadIndex(buffer.strides[axis]));
  }
  base = linear(buffer, at, axis);
  int64_t divisor = cast<AffineConstantExpr>(cast<AffineBinaryOpExpr>(buffer.map.getResult(axis)).getRHS()).getValue();
  Value here = arith::AddIOp::create(b, lanesOf, spreadIndex(at[lane]));
  Value shared = arith::DivUIOp::create(b, here, spreadIndex(index(divisor)));
  return arith::MulIOp::create(b, shared, spreadIndex(buffer.strides[axis]));
}

Value MixerLoops::load(const Buffer &from, ArrayRef<Value> at) {
  return fromStored(memref::LoadOp::create(b, from.flat, linear(from, at)), from.element);
}

Value MixerLoops::loadLanes(const Buffer &from, ArrayRef<Value> at, unsigned lane, Value mask, int64_t step) {
  if (!uses(from, lane))
    return load(from, at);
  auto type = vectorOf(storageType(from.element));
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  Value v;
  if (isContiguous(from, lane) && step == 1) {
    v = vector::MaskedLoadOp::create(b, type, from.flat, ValueRange{linear(from, at)}, mask, zero);
  } else {
    Value base;
    Value offsets = laneOffsets(from, at, lane, step, base);
    v = vector::GatherOp::create(b, type, from.flat, ValueRange{base}, offsets, mask, zero);
  }
  return fromStored(v, from.element);
}

void MixerLoops::storeLanes(const Buffer &to, ArrayRef<Value> at, unsigned lane, Value mask, Value v, int64_t step) {
  Value stored = toStored(v, to.element);
  if (isContiguous(to, lane) && step == 1) {
    vector::MaskedStoreOp::create(b, to.flat, ValueRange{linear(to, at)}, mask, stored);
    return;
  }
  Value base;
  Value offsets = laneOffsets(to, at, lane, step, base);
  vector::ScatterOp::create(b, Type{}, to.flat, ValueRange{base}, offsets, mask, stored);
}

void MixerLoops::store(const Buffer &to, ArrayRef<Value> at, Value v) {
  memref::StoreOp::create(b, toStored(v, to.element), to.flat, ValueRange{linear(to, at)});
}

// Control.

void MixerLoops::loop(Value from, Value to, int64_t step, Body body) {
  auto loop = scf::ForOp::create(b, from, to, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

MixerLoops::Values MixerLoops::loop(Value from, Value to, int64_t step, ValueRange carried, CarryBody body) {
  auto loop = scf::ForOp::create(b, from, to, index(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b, body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return Values(loop.getResults());
}

void MixerLoops::when(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, condition);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

void MixerLoops::parallelOver(ArrayRef<Value> counts, Value workEach, llvm::function_ref<void(ArrayRef<Value>)> body) {
  Value count = index(1), one = index(1);
  for (Value c : counts)
    count = mul(count, c);
  OpBuilder::InsertionGuard guard(b);
  Value begin = index(0), end = count;
  Operation *parent = b.getInsertionBlock()->getParentOp();
  while (isa<scf::IfOp>(parent))
    parent = parent->getParentOp();
  bool inner = !isa<func::FuncOp>(parent); // in a loop: this is a part of one step
  if (!inner) {
    Value chunk = arith::CeilDivSIOp::create(b, index(kGrain), arith::MaxSIOp::create(b, workEach, one));
    auto outer = scf::ParallelOp::create(b, ValueRange{begin}, ValueRange{count}, ValueRange{chunk});
    b.setInsertionPointToStart(outer.getBody());
    begin = outer.getInductionVars()[0];
    end = smaller(add(begin, chunk), count);
  }
  scratchTotal = {};
  loop(begin, end, 1, [&](Value i) {
    Values at(counts.size());
    Value left = i;
    for (size_t d = counts.size(); d-- > 0;) {
      if (d == 0) {
        at[d] = left;
        break;
      }
      at[d] = arith::RemUIOp::create(b, left, counts[d]);
      left = arith::DivUIOp::create(b, left, counts[d]);
    }
    body(at);
  });
}

void MixerLoops::parallel(ArrayRef<int64_t> dims, Value workEach, llvm::function_ref<void(Values)> body) {
  Values counts;
  for (int64_t d : dims)
    counts.push_back(size[d]);
  parallelOver(counts, workEach, [&](ArrayRef<Value> part) {
    Values at(size.size());
    for (auto [d, i] : llvm::zip_equal(dims, part))
      at[d] = i;
    body(at);
  });
}

MixerLoops::Values MixerLoops::inlined(Block &block, ArrayRef<Value> arguments) {
  IRMapping map;
  map.map(block.getArguments(), arguments);
  for (Operation &inner : block.without_terminator()) {
    auto isVector = [&](Value v) { return isa<VectorType>(map.lookup(v).getType()); };
    if (llvm::none_of(inner.getOperands(), isVector)) {
      b.clone(inner, map);
      continue;
    }
    Values operands;
    for (Value v : inner.getOperands()) {
      Value now = map.lookup(v);
      operands.push_back(isa<VectorType>(now.getType()) ? now : spread(now));
    }
    OperationState made(inner.getLoc(), inner.getName(), operands, {}, inner.getAttrs());
    for (Type t : inner.getResultTypes())
      made.addTypes(vectorOf(t));
    Operation *lifted = b.create(made);
    map.map(inner.getResults(), lifted->getResults());
  }
  Values yields;
  for (Value v : block.getTerminator()->getOperands())
    yields.push_back(map.lookup(v));
  return yields;
}

// Scratch.

MixerLoops::Region MixerLoops::region(Value elements) {
  Value padded = roundUp(elements, lanes);
  Region r{scratchTotal ? scratchTotal : index(0), padded};
  scratchTotal = add(r.offset, padded);
  return r;
}

void MixerLoops::allocate() {
  auto total = constantOf(scratchTotal);
  auto type = MemRefType::get({total.value_or(ShapedType::kDynamic)}, state);
  scratch = memref::AllocOp::create(b, type, total ? ValueRange() : ValueRange{scratchTotal},
                                    b.getI64IntegerAttr(kVectorBytes));
}

void MixerLoops::clear(const Region &region) {
  Value zero = splat(0);
  loop(index(0), region.size, lanes, [&](Value i) { scratchLanes(zero, add(region.offset, i)); });
}

void MixerLoops::product(const Product &p) {
  auto columns = [&](Value from, Value to, int64_t vectors) {
    loop(from, to, vectors * lanes, [&](Value n) {
      loop(index(0), p.rows, p.rowTile, [&](Value m) {
        Values acc, place;
        for (int64_t r = 0; r < p.rowTile; ++r) {
          Value row = add(m, index(r)), start = add(p.dst, add(mul(row, p.dstStride), n)), factor;
          if (p.start == Product::Scaled)
            factor = spread(scratchLoad(p.commonFactor ? p.factors : add(p.factors, row)));
          for (int64_t v = 0; v < vectors; ++v) {
            place.push_back(add(start, index(v * lanes)));
            if (p.start == Product::Zero)
              acc.push_back(splat(0));
            else if (p.start == Product::Add)
              acc.push_back(scratchLanes(place.back()));
            else
              acc.push_back(times(scratchLanes(place.back()), factor));
          }
        }
        Values sums = loop(index(0), p.inner, 1, acc, [&](Value k, ValueRange now) {
          Values right, next;
          Value line = add(p.b, add(mul(k, p.bStride), n));
          for (int64_t v = 0; v < vectors; ++v)
            right.push_back(scratchLanes(add(line, index(v * lanes))));
          for (int64_t r = 0; r < p.rowTile; ++r) {
            Value left = spread(scratchLoad(add(p.a, add(mul(add(m, index(r)), p.aRow), mul(k, p.aInner)))));
            for (int64_t v = 0; v < vectors; ++v)
              next.push_back(fma(left, right[v], now[r * vectors + v]));
          }
          return next;
        });
        for (auto [v, at] : llvm::zip_equal(sums, place))
          scratchLanes(v, at);
      });
    });
  };
  int64_t wideLanes = p.vectors * lanes;
  Value wide;
  if (auto all = constantOf(p.cols))
    wide = index(*all / wideLanes * wideLanes);
  else
    wide = arith::MulIOp::create(b, arith::DivUIOp::create(b, p.cols, index(wideLanes)), index(wideLanes));
  if (constantOf(wide) != 0)
    columns(index(0), wide, p.vectors);
  if (p.vectors > 1 && (!constantOf(wide) || constantOf(wide) != constantOf(p.cols)))
    columns(wide, p.cols, 1);
}
