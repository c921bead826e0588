//===- Scan.cpp - associative scans ------------------------------------------===//
// sequential: one step after the other along the scanned axis, lanes over another axis.
// blocked: lanes along the scanned axis. A vector is scanned within itself by combining it with copies shifted by 1, 2,
// 4 ... lanes, then combined with what came before it. What nothing comes before stays as it is: combining it with the
// identity could turn an infinity into no number.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/lower/MixerLoops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
class Scan {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;
  Scan(ScanOp op, Emitter &e) : op(op), l(op, e), b(l.b) {}
  void lower();

private:
  void line(Values at);
  void lineOfVectors(Values at);
  void sequential(Values at);
  Values combine(ValueRange earlier, ValueRange later) {
    Values arguments(earlier);
    llvm::append_range(arguments, later);
    return l.inlined(op.getCombiner().front(), arguments);
  }
  Value index(Value run) { return op.getReverse() ? l.sub(l.sub(length, l.index(1)), run) : run; }
  Value identity(size_t i) {
    Type t = scalarType(inputs[i].element);
    Attribute number = op.getIdentity()[i];
    if (auto f = dyn_cast<FloatAttr>(number))
      return arith::ConstantOp::create(b, b.getFloatAttr(t, f.getValueAsDouble()));
    return arith::ConstantOp::create(b, b.getIntegerAttr(t, cast<IntegerAttr>(number).getValue().getSExtValue()));
  }
  Values start(ArrayRef<Value> at, Value mask);

  ScanOp op;
  MixerLoops l;
  ImplicitLocOpBuilder &b;
  SmallVector<Buffer> inputs, initial, outputs, final;
  unsigned axis;
  int lane = -1;
  Value length;
};

void Scan::lower() {
  axis = op.getDim();
  auto type = cast<RankedTensorType>(op.getInputs()[0].getType());
  int64_t rank = type.getRank();
  l.setSpace(type);
  length = l.size[axis];
  MLIRContext *context = b.getContext();
  AffineMap all = AffineMap::getMultiDimIdentityMap(rank, context), carried = all.dropResult(axis);
  for (auto [i, v] : llvm::enumerate(op->getOperands()))
    (i < op.getInputs().size() ? inputs : initial).push_back(l.operand(i, i < op.getInputs().size() ? all : carried));
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    (i < op.getOutputs().size() ? outputs : final).push_back(l.result(i, i < op.getOutputs().size() ? all : carried));

  bool blocked = op.getPreferredForm() == "blocked";
  if (blocked)
    lane = axis;
  else if (rank > 1)
    lane = (int64_t)axis + 1 == rank ? rank - 2 : rank - 1;
  Values counts;
  SmallVector<unsigned> dims;
  Value work = l.mul(length, l.index(4));
  for (int64_t d = 0; d < rank; ++d) {
    if (d == axis)
      continue;
    dims.push_back(d);
    bool isLane = d == lane;
    counts.push_back(isLane ? arith::CeilDivSIOp::create(b, l.size[d], l.index(l.lanes)).getResult() : l.size[d]);
    if (isLane)
      work = l.mul(work, l.index(l.lanes));
  }
  l.parallelOver(counts, work, [&](ArrayRef<Value> part) {
    Values at(rank);
    for (auto [d, i] : llvm::zip_equal(dims, part))
      at[d] = (int)d == lane ? l.mul(i, l.index(l.lanes)) : i;
    blocked ? lineOfVectors(at) : sequential(at);
  });
}

Scan::Values Scan::start(ArrayRef<Value> at, Value mask) {
  Values now;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value v = initial.empty() ? identity(i) : mask ? l.loadLanes(initial[i], at, lane, mask) : l.load(initial[i], at);
    now.push_back(mask && !isa<VectorType>(v.getType()) ? l.spread(v) : v);
  }
  return now;
}

void Scan::sequential(Values at) {
  Value mask = lane >= 0 ? l.mask(l.sub(l.size[lane], at[lane])) : Value();
  auto read = [&](const Buffer &from, ArrayRef<Value> here) {
    return mask ? l.loadLanes(from, here, lane, mask) : l.load(from, here);
  };
  auto write = [&](const Buffer &to, ArrayRef<Value> here, Value v) {
    if (mask && !isa<VectorType>(v.getType()))
      v = l.spread(v);
    mask ? l.storeLanes(to, here, lane, mask, v) : l.store(to, here, v);
  };
  Values last = l.loop(l.index(0), length, 1, start(at, mask), [&](Value t, ValueRange now) {
    Values here = at, xs;
    here[axis] = index(t);
    for (const Buffer &input : inputs)
      xs.push_back(read(input, here));
    Values next = combine(now, xs);
    Value isFirst = initial.empty() ? l.isZero(t) : Value();
    for (auto [i, to] : llvm::enumerate(outputs)) {
      if (mask && !isa<VectorType>(next[i].getType()))
        next[i] = l.spread(next[i]);
      if (isFirst) {
        Value x = mask && !isa<VectorType>(xs[i].getType()) ? l.spread(xs[i]) : xs[i];
        next[i] = arith::SelectOp::create(b, isFirst, x, next[i]);
      }
      write(to, here, op.getExclusive() ? now[i] : next[i]);
    }
    return next;
  });
  for (auto [i, to] : llvm::enumerate(final))
    write(to, at, last[i]);
}

void Scan::lineOfVectors(Values at) {
  size_t m = inputs.size();
  int64_t n = l.lanes, stride = op.getReverse() ? -1 : 1;
  Values last = l.loop(l.index(0), length, n, start(at, Value()), [&](Value t, ValueRange now) {
    Values here = at, xs, ids;
    here[axis] = index(t);
    Value mask = l.mask(l.sub(length, t));
    for (size_t i = 0; i < m; ++i) {
      ids.push_back(l.spread(identity(i)));
      Value x = l.loadLanes(inputs[i], here, axis, mask, stride);
      xs.push_back(arith::SelectOp::create(b, mask, x, ids[i]));
    }
    auto shifted = [&](Value v, Value enters, int64_t by) -> Value {
      SmallVector<int64_t> lanesFrom;
      for (int64_t lane_ = 0; lane_ < n; ++lane_)
        lanesFrom.push_back(lane_ < by ? n + lane_ : lane_ - by);
      return vector::ShuffleOp::create(b, v, enters, lanesFrom);
    };
    auto whole = [&](Values values) {
      for (Value &v : values)
        if (!isa<VectorType>(v.getType()))
          v = l.spread(v);
      return values;
    };
    for (int64_t by = 1; by < n; by *= 2) {
      Values earlier;
      for (size_t i = 0; i < m; ++i)
        earlier.push_back(shifted(xs[i], ids[i], by));
      Values both = whole(combine(earlier, xs));
      Value alone = l.mask(l.index(by));
      for (size_t i = 0; i < m; ++i)
        xs[i] = arith::SelectOp::create(b, alone, xs[i], both[i]);
    }
    Values before;
    for (Value v : now)
      before.push_back(l.spread(v));
    Values all = whole(combine(before, xs));
    if (initial.empty()) {
      Value isFirst = l.isZero(t);
      for (size_t i = 0; i < m; ++i)
        all[i] = arith::SelectOp::create(b, isFirst, xs[i], all[i]);
    }
    xs = all;
    Values next;
    for (size_t i = 0; i < m; ++i) {
      // Lanes beyond the end held the identity: the last lane is what goes on.
      next.push_back(vector::ExtractOp::create(b, xs[i], n - 1));
      Value out = op.getExclusive() ? shifted(xs[i], before[i], 1) : xs[i];
      l.storeLanes(outputs[i], here, axis, mask, out, stride);
    }
    return next;
  });
  for (auto [i, to] : llvm::enumerate(final))
    l.store(to, at, last[i]);
}
} // namespace

void ssm::populateScan(Registry &r) {
  r.mixer("scan", [](Operation *op, Emitter &e) {
    Scan(cast<ScanOp>(op), e).lower();
    return success();
  });
}
