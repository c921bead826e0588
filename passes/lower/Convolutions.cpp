//===- Convolutions.cpp - causal convolutions over time ---------------------===//
// Sums over taps for a vector of outputs, with lanes over whatever dim the output is contiguous in: time itself, or a
// dim of p. Steps that reach before the first element take them one by one; all others read whole vectors. A long
// kernel is summed for several vectors of time at once, so that a tap is read once for all of them.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/lower/FourierConvolution.h"
#include "passes/lower/MixerLoops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kTimeBlock = 16; // steps summed at once
constexpr int64_t kTimePart = 64;  // steps of a short convolution that one thread takes at a time
constexpr int64_t kTapsInHand = 8; // weights that stay in registers
constexpr int64_t kShortKernel = 192; // taps from which on transforms are surely faster

class Convolution {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;
  Convolution(Operation *op, Emitter &e) : op(op), l(op, e), b(l.b) {}
  void lower();

private:
  void sum();
  void chooseLanes();
  void line(Values at, Value from, Value to);
  void overTime(Values at);
  void overPositions(Values at, Value from, Value to);
  void finalHistory(Values at);
  Value tap(Values at, Value t, Value j, Value mask);
  Value start(ArrayRef<Value> at, Value mask);

  Value index(Value run) { return reverse ? l.sub(l.sub(length, l.index(1)), run) : run; }
  Value spread(Value v) {
    v = l.toState(v);
    return isa<VectorType>(v.getType()) ? v : l.spread(v);
  }

  Operation *op;
  MixerLoops l;
  ImplicitLocOpBuilder &b;
  Buffer input, weight, bias, history, output, final;
  unsigned time, taps, lane;
  bool reverse, isLong;
  Value length, count;
};

/// The dim of (p, t) over which input and output lie best.
void Convolution::chooseLanes() {
  double best = 0;
  SmallVector<AffineExpr> sizes = iterationSizes(op);
  for (unsigned d = 0; d <= time; ++d) {
    auto known = dyn_cast<AffineConstantExpr>(sizes[d]);
    double size = known ? std::max<double>(known.getValue(), 1) : 512;
    double cost = 0;
    for (const Buffer *buffer : {&input, &output})
      cost += !MixerLoops::uses(*buffer, d) || (MixerLoops::isContiguous(*buffer, d) && !(d == time && reverse))
                  ? 1
                  : l.lanes;
    if (MixerLoops::uses(weight, d))
      cost += MixerLoops::isContiguous(weight, d) ? 1 : l.lanes / 2;
    cost *= llvm::divideCeil((int64_t)size, l.lanes) * l.lanes / size;
    if (d == 0 || cost < best)
      lane = d, best = cost;
  }
}

void Convolution::lower() {
  auto mixer = cast<SequenceMixerOpInterface>(op);
  time = mixer.getTimeDim(), taps = time + 1, reverse = mixer.isReversed();
  isLong = isa<LongConvOp>(op);
  length = l.size[time], count = l.size[taps];
  input = l.operand(0), weight = l.operand(1);
  if (auto conv = dyn_cast<CausalConvOp>(op)) {
    unsigned number = 2;
    if (conv.getBias())
      bias = l.operand(number++);
    if (conv.getHistory())
      history = l.operand(number++);
    if (conv.getFinalHistory())
      final = l.result(1);
  }
  output = l.result(0);
  chooseLanes();
  auto form = op->getAttrOfType<StringAttr>("form");
  if (!isLong || !form || form.getValue() != "chunked")
    return sum();
  auto transform = [&] { FourierConvolution(l, input, weight, output, time, reverse).lower(); };
  if (!op->hasAttr(kShortFormAttr))
    return transform();
  // Whichever is faster for a length that is only known now.
  Value small = l.less(l.smaller(length, count), l.index(kShortKernel));
  auto choice = scf::IfOp::create(b, small, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  sum();
  b.setInsertionPointToStart(choice.elseBlock());
  transform();
}

/// Every product, summed.
void Convolution::sum() {
  // Positions lie side by side: all of them for a part of time, then the next part, so that memory is read in order.
  bool parted = lane != time && !isLong;
  Values counts;
  Value work = l.mul(parted ? l.index(kTimePart) : length, count);
  SmallVector<unsigned> dims;
  for (unsigned d = 0; d < time; ++d)
    if (d != lane) {
      counts.push_back(l.size[d]);
      dims.push_back(d);
    }
  if (parted) {
    Value parts = arith::CeilDivSIOp::create(b, length, l.index(kTimePart));
    counts.push_back(arith::MaxSIOp::create(b, parts, l.index(1)));
    dims.push_back(time);
  }
  if (lane != time) {
    counts.push_back(arith::CeilDivSIOp::create(b, l.size[lane], l.index(l.lanes)));
    dims.push_back(lane);
    work = l.mul(work, l.index(l.lanes));
  }
  l.parallelOver(counts, work, [&](ArrayRef<Value> part) {
    Values at(l.size.size());
    Value from = l.index(0), to = length;
    for (auto [d, i] : llvm::zip_equal(dims, part)) {
      at[d] = d == lane ? l.mul(i, l.index(l.lanes)) : i;
      if (d == time) {
        from = l.mul(i, l.index(kTimePart));
        to = l.smaller(l.add(from, l.index(kTimePart)), length);
      }
    }
    line(at, from, to);
  });
}

Value Convolution::start(ArrayRef<Value> at, Value mask) {
  if (!bias)
    return l.splat(0);
  return spread(l.loadLanes(bias, at, lane, mask));
}

void Convolution::line(Values at, Value from, Value to) {
  lane == time ? overTime(at) : overPositions(at, from, to);
  if (final)
    l.when(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, to, length), [&] { finalHistory(at); });
}

/// x' at step t - (distance of tap j), from the history or zero before the first step. t and the result are one step.
Value Convolution::tap(Values at, Value t, Value j, Value mask) {
  Value back = isLong ? j : l.sub(l.sub(count, l.index(1)), j), from = l.sub(t, back);
  auto before = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, from, l.index(0));
  bool vectors = lane != time;
  auto branch = scf::IfOp::create(b, TypeRange{vectors ? Type(l.vector) : l.state}, before, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  auto read = [&](const Buffer &buffer) {
    return vectors ? spread(l.loadLanes(buffer, at, lane, mask)) : l.toState(l.load(buffer, at));
  };
  b.setInsertionPointToStart(branch.thenBlock());
  Value past = vectors ? l.splat(0) : l.number(0);
  if (history) {
    at[taps] = l.add(from, l.sub(count, l.index(1)));
    past = read(history);
  }
  scf::YieldOp::create(b, past);
  b.setInsertionPointToStart(branch.elseBlock());
  at[time] = index(from);
  scf::YieldOp::create(b, read(input));
  return branch.getResult(0);
}

/// Lanes over time: outputs that reach before the first step one by one, the others in vectors.
void Convolution::overTime(Values at) {
  // Masks leave out the steps before the first one of a long kernel, below.
  Value edge = isLong ? l.index(0) : l.smaller(l.sub(count, l.index(1)), length);
  Value first = bias ? l.toState(l.load(bias, at)) : l.number(0);
  l.loop(l.index(0), edge, 1, [&](Value t) {
    Value sum = l.loop(l.index(0), count, 1, {first}, [&](Value j, ValueRange now) {
      Values here = at;
      here[taps] = j;
      return Values{l.plus(now[0], l.times(l.toState(l.load(weight, here)), tap(here, t, j, Value())))};
    })[0];
    Values to = at;
    to[time] = index(t);
    l.store(output, to, sum);
  });
  int64_t vectors = isLong ? 4 : 1, stride = reverse ? -1 : 1;
  l.loop(edge, length, vectors * l.lanes, [&](Value t) {
    Values sums(vectors, l.spread(first)), masks, starts;
    for (int64_t v = 0; v < vectors; ++v) {
      starts.push_back(l.add(t, l.index(v * l.lanes)));
      masks.push_back(l.mask(l.sub(length, starts[v])));
    }
    Value step = l.laneNumbers();
    // `masked`: some lanes reach before the first step.
    auto sumOf = [&](Value from, Value to, bool masked) {
      sums = l.loop(from, to, 1, sums, [&](Value j, ValueRange now) {
        Values here = at, next;
        here[taps] = j;
        Value w = l.spread(l.toState(l.load(weight, here)));
        Value back = isLong ? j : l.sub(l.sub(count, l.index(1)), j);
        for (int64_t v = 0; v < vectors; ++v) {
          Value first_ = l.sub(starts[v], back), mask = masks[v];
          here[time] = index(first_);
          if (masked) {
            Value lane_ = arith::AddIOp::create(b, step, vector::BroadcastOp::create(b, step.getType(), first_));
            Value zero = vector::BroadcastOp::create(b, step.getType(), l.index(0));
            mask = arith::AndIOp::create(b, mask, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, lane_, zero));
          }
          next.push_back(l.fma(w, spread(l.loadLanes(input, here, time, mask, stride)), now[v]));
        }
        return next;
      });
    };
    if (isLong) {
      Value inside = l.smaller(count, l.add(t, l.index(1)));
      sumOf(l.index(0), inside, false);
      sumOf(inside, l.smaller(count, l.add(t, l.index(vectors * l.lanes))), true);
    } else {
      sumOf(l.index(0), count, false);
    }
    for (int64_t v = 0; v < vectors; ++v) {
      Values to = at;
      to[time] = index(starts[v]);
      l.storeLanes(output, to, time, masks[v], sums[v], stride);
    }
  });
}

/// Lanes over a dim of p: blocks of steps, a tap's weight is read once for a block.
void Convolution::overPositions(Values at, Value from, Value to) {
  Value mask = l.mask(l.sub(l.size[lane], at[lane]));
  Value first = start(at, mask);
  auto write = [&](Value t, Value sum) {
    Values to = at;
    to[time] = index(t);
    l.storeLanes(output, to, lane, mask, sum);
  };
  auto weightOf = [&](Value j) {
    Values here = at;
    here[taps] = j;
    return spread(l.loadLanes(weight, here, lane, mask));
  };
  auto single = [&](Value t) {
    Value last = isLong ? l.smaller(count, l.add(t, l.index(1))) : count;
    write(t, l.loop(l.index(0), last, 1, {first}, [&](Value j, ValueRange now) {
      Values here = at;
      here[taps] = j;
      return Values{l.fma(weightOf(j), tap(here, t, j, mask), now[0])};
    })[0]);
  };
  if (isLong) {
    // A block reads taps up to that of its first step whole, and the few that its later steps add one by one.
    Value whole = l.sub(length, arith::RemUIOp::create(b, length, l.index(kTimeBlock)));
    l.loop(l.index(0), whole, kTimeBlock, [&](Value t) {
      auto sumOf = [&](Value from, Value to, ValueRange carried, bool inside) {
        return l.loop(from, to, 1, carried, [&](Value j, ValueRange now) {
          Values next;
          Value w = weightOf(j);
          for (int64_t i = 0; i < kTimeBlock; ++i) {
            Values here = at;
            here[taps] = j;
            Value step = l.add(t, l.index(i)), x;
            if (inside) {
              here[time] = index(l.sub(step, j));
              x = spread(l.loadLanes(input, here, lane, mask));
            } else {
              x = tap(here, step, j, mask);
            }
            next.push_back(l.fma(w, x, now[i]));
          }
          return next;
        });
      };
      Value inside = l.smaller(count, l.add(t, l.index(1))), all = l.smaller(count, l.add(t, l.index(kTimeBlock)));
      Values sums = sumOf(l.index(0), inside, Values(kTimeBlock, first), true);
      sums = sumOf(inside, all, sums, false);
      for (int64_t i = 0; i < kTimeBlock; ++i)
        write(l.add(t, l.index(i)), sums[i]);
    });
    return l.loop(whole, length, 1, single);
  }
  Value edge = l.smaller(arith::MaxSIOp::create(b, l.sub(count, l.index(1)), from), to);
  auto fixed = getConstantIntValue(count);
  Values weights;
  for (int64_t j = 0; fixed && *fixed <= kTapsInHand && j < *fixed; ++j)
    weights.push_back(weightOf(l.index(j)));
  l.loop(from, edge, 1, single);
  l.loop(edge, to, 1, [&](Value t) {
    auto term = [&](Value j, Value w, Value sum) {
      Values here = at;
      here[time] = index(l.add(l.sub(t, l.sub(count, l.index(1))), j));
      return l.fma(w, spread(l.loadLanes(input, here, lane, mask)), sum);
    };
    Value sum = first;
    for (auto [j, w] : llvm::enumerate(weights))
      sum = term(l.index(j), w, sum);
    if (weights.empty())
      sum = l.loop(l.index(0), count, 1, {first},
                   [&](Value j, ValueRange now) { return Values{term(j, weightOf(j), now[0])}; })[0];
    write(t, sum);
  });
}

/// The last K - 1 of history and input.
void Convolution::finalHistory(Values at) {
  l.loop(l.index(0), l.sub(count, l.index(1)), 1, [&](Value j) {
    // Read as a tap of a kernel that ends at the last step.
    Values to = at;
    to[taps] = j;
    Value mask = lane == time ? Value() : l.mask(l.sub(l.size[lane], at[lane]));
    Value x = tap(at, l.sub(length, l.index(1)), l.add(j, l.index(1)), mask);
    lane == time ? l.store(final, to, x) : l.storeLanes(final, to, lane, mask, x);
  });
}
} // namespace

void ssm::populateConvolutions(Registry &r) {
  for (const char *name : {"causal_conv", "long_conv"})
    r.mixer(name, [](Operation *op, Emitter &e) {
      Convolution(op, e).lower();
      return success();
    });
}
