//===- SelectiveScan.cpp - recurrences of a diagonal state ------------------===//
// One loop over time with the states in registers. Lanes lie over one dim of p, or over one of n (then a read-out is a
// sum over lanes); which of them is chosen by how the operands lie in memory. The producer is evaluated inside, so that
// nothing of the size (p, t, n) is ever stored. More states than registers are taken in blocks: for a block of time,
// one block of states after the other, with the read-out summed in scratch and the states kept there in between. So are
// neighbouring vectors of positions, whose elements lie side by side in each step's row. Without an initial state the
// first state is u: the first decay counts for nothing, whatever it is.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "passes/lower/MixerLoops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kStates = 8;     // vectors of state in registers
constexpr int64_t kTimeBlock = 64; // steps between two blocks of states
constexpr int64_t kGroup = 8;      // vectors of positions that a block of time is done for before the next one

class SelectiveScan {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;

  SelectiveScan(SelectiveScanOp op, Emitter &e) : op(op), l(op, e), b(l.b) {}
  void lower();

private:
  /// A block of states: positions along the innermost n, others are in the indices.
  struct Block {
    Values at;
    SmallVector<Value> slots;
  };
  void chooseLanes();
  void line(Values at);
  Values steps(const Block &block, Value from, Value to, Values states, bool accumulate);
  void blocks(Values at, llvm::function_ref<void(const Block &)> body);
  Values step(const Block &block, Value t, ValueRange states, const SmallVector<Values> &fixed, bool accumulate);

  bool overStates() const { return lane > (int)time; } // lanes over n
  bool hasLanes() const { return lane >= 0; }
  Value laneMask(ArrayRef<Value> at) { return l.mask(l.sub(l.size[lane], at[lane])); }
  Value read(const Buffer &from, ArrayRef<Value> at) {
    return hasLanes() ? l.loadLanes(from, at, lane, laneMask(at)) : l.load(from, at);
  }
  Value wide(Value v) {
    v = l.toState(v);
    return hasLanes() && !isa<VectorType>(v.getType()) ? l.spread(v) : v;
  }
  Value zero() { return hasLanes() ? l.splat(0) : l.number(0); }
  Value mulAdd(Value x, Value y, Value z) { return hasLanes() ? l.fma(x, y, z) : l.plus(l.times(x, y), z); }
  Value timeIndex(Value t) { return reverse ? l.sub(l.sub(length, l.index(1)), t) : t; }
  bool usesStates(const Buffer &buffer) {
    return llvm::any_of(llvm::seq<unsigned>(time + 1, l.size.size()),
                        [&](unsigned d) { return MixerLoops::uses(buffer, d); });
  }
  Value statePlace(ArrayRef<Value> at, int64_t part);
  void storeStates(const Block &block, ValueRange states);
  Values loadStates(const Block &block);

  SelectiveScanOp op;
  MixerLoops l;
  ImplicitLocOpBuilder &b;
  SmallVector<Buffer> inputs, initial, final;
  Buffer output;
  unsigned time, parts;
  int lane = -1;
  bool reverse, readsOut;
  Value length, vectorStates;
  MixerLoops::Region stateAt, sums;
};

/// The dim whose lanes cost least: vectors that a step takes, times their arithmetic and their loads.
void SelectiveScan::chooseLanes() {
  SmallVector<AffineExpr> sizes = iterationSizes(op);
  double best = 0;
  for (unsigned d = 0; d < sizes.size(); ++d) {
    if (d == time || (d > time && d + 1 != sizes.size()))
      continue;
    auto known = dyn_cast<AffineConstantExpr>(sizes[d]);
    double size = known ? std::max<double>(known.getValue(), 1) : 512;
    double cost = 20 + (d > time ? 8 : 0);
    auto access = [&](const Buffer &buffer) {
      if (MixerLoops::uses(buffer, time) && MixerLoops::uses(buffer, d))
        cost += MixerLoops::isContiguous(buffer, d) ? 1 : l.lanes;
    };
    llvm::for_each(inputs, access);
    access(output);
    cost *= llvm::divideCeil((int64_t)size, l.lanes) * l.lanes / size;
    if (lane < 0 || cost < best)
      lane = d, best = cost;
  }
}

void SelectiveScan::lower() {
  time = op.getTimeDim(), parts = op.getComplex() ? 2 : 1, reverse = op.getReverse();
  readsOut = op.getProducer().front().getTerminator()->getNumOperands() > 2;
  length = l.size[time];
  unsigned number = 0;
  for (size_t i = 0; i < op.getInputs().size(); ++i)
    inputs.push_back(l.operand(number++));
  for (size_t i = 0; i < op.getInitial().size(); ++i)
    initial.push_back(l.operand(number++));
  output = l.result(0);
  for (size_t i = 0; i < op.getFinal().size(); ++i)
    final.push_back(l.result(1 + i));
  chooseLanes();

  Values counts;
  Value work = l.mul(length, l.index(16));
  for (unsigned d = 0; d < time; ++d) {
    bool isLane = (int)d == lane;
    counts.push_back(isLane ? arith::CeilDivSIOp::create(b, l.size[d], l.index(kGroup * l.lanes)).getResult()
                            : l.size[d]);
    if (isLane)
      work = l.mul(work, l.index(kGroup * l.lanes));
  }
  for (unsigned d = time + 1; d < l.size.size(); ++d)
    work = l.mul(work, l.size[d]);
  l.parallelOver(counts, work, [&](ArrayRef<Value> part) {
    Values at(l.size.size());
    for (unsigned d = 0; d < time; ++d)
      at[d] = (int)d == lane ? l.mul(part[d], l.index(kGroup * l.lanes)) : part[d];
    line(at);
  });
}

/// Runs body for every block of states.
void SelectiveScan::blocks(Values at, llvm::function_ref<void(const Block &)> body) {
  unsigned last = l.size.size() - 1;
  std::function<void(unsigned)> outer = [&](unsigned d) {
    if (d < last) {
      l.loop(l.index(0), l.size[d], 1, [&](Value i) {
        at[d] = i;
        outer(d + 1);
      });
      return;
    }
    if (last == time)
      return body({at, {Value()}});
    int64_t step = overStates() ? l.lanes : 1, most = std::max<int64_t>(kStates / parts / (overStates() ? 2 : 1), 1);
    auto slots = [&](Value from, int64_t count) {
      Block block{at, {}};
      for (int64_t i = 0; i < count; ++i)
        block.slots.push_back(l.add(from, l.index(i * step)));
      body(block);
    };
    auto known = getConstantIntValue(l.size[last]);
    if (!known)
      return l.loop(l.index(0), l.size[last], step, [&](Value i) { slots(i, 1); });
    int64_t count = llvm::divideCeil(*known, step), whole = count / most * most;
    if (count == whole && count == most)
      return slots(l.index(0), most);
    if (whole)
      l.loop(l.index(0), l.index(whole * step), most * step, [&](Value i) { slots(i, most); });
    if (count > whole)
      slots(l.index(whole * step), count - whole);
  };
  outer(time + 1);
}

/// Scratch place of one vector (or number) of state.
Value SelectiveScan::statePlace(ArrayRef<Value> at, int64_t part) {
  Value place = l.index(0);
  for (unsigned d = time + 1; d < l.size.size(); ++d) {
    Value i = at[d], size = l.size[d];
    if ((int)d == lane) {
      i = arith::DivUIOp::create(b, i, l.index(l.lanes));
      size = arith::CeilDivSIOp::create(b, size, l.index(l.lanes));
    }
    place = l.add(l.mul(place, size), i);
  }
  place = l.add(l.mul(place, l.index(parts)), l.index(part));
  place = l.mul(place, l.index(l.lanes));
  if (hasLanes() && !overStates()) {
    Value vector = arith::DivUIOp::create(b, at[lane], l.index(l.lanes));
    place = l.add(place, l.mul(arith::RemUIOp::create(b, vector, l.index(kGroup)), vectorStates));
  }
  return l.add(stateAt.offset, place);
}

void SelectiveScan::storeStates(const Block &block, ValueRange states) {
  Values at = block.at;
  for (auto [i, slot] : llvm::enumerate(block.slots)) {
    if (slot)
      at.back() = slot;
    for (unsigned part = 0; part < parts; ++part) {
      Value place = statePlace(at, part), v = states[i * parts + part];
      hasLanes() ? l.scratchLanes(v, place) : l.scratchStore(v, place);
    }
  }
}

SelectiveScan::Values SelectiveScan::loadStates(const Block &block) {
  Values states, at = block.at;
  for (Value slot : block.slots) {
    if (slot)
      at.back() = slot;
    for (unsigned part = 0; part < parts; ++part) {
      Value place = statePlace(at, part);
      states.push_back(hasLanes() ? l.scratchLanes(place) : l.scratchLoad(place));
    }
  }
  return states;
}

/// One step for a block of states; gives the next ones.
SelectiveScan::Values SelectiveScan::step(const Block &block, Value t, ValueRange states,
                                          const SmallVector<Values> &fixed, bool accumulate) {
  Values at = block.at, next, moving(inputs.size());
  at[time] = timeIndex(t);
  if (overStates())
    at[lane] = l.index(0);
  for (auto [i, input] : llvm::enumerate(inputs))
    if (MixerLoops::uses(input, time) && !usesStates(input))
      moving[i] = read(input, at);
  Value sum, isFirst;
  if (initial.empty())
    isFirst = l.isZero(t);
  for (auto [i, slot] : llvm::enumerate(block.slots)) {
    if (slot)
      at.back() = slot;
    Values arguments;
    for (auto [n, input] : llvm::enumerate(inputs)) {
      if (fixed[i][n])
        arguments.push_back(fixed[i][n]);
      else
        arguments.push_back(moving[n] ? moving[n] : read(input, at));
    }
    Values given =
        llvm::map_to_vector(l.inlined(op.getProducer().front(), arguments), [&](Value v) { return wide(v); });
    for (unsigned part = 0; part < parts && isFirst; ++part) // zero times infinity would be no number
      given[part] = arith::SelectOp::create(b, isFirst, zero(), given[part]);
    Value term;
    if (parts == 1) {
      Value old = states[i], fresh = mulAdd(given[0], old, given[1]);
      next.push_back(fresh);
      Value seen = op.getReadBefore() ? old : fresh;
      term = readsOut ? l.times(given[2], seen) : seen;
    } else {
      Value re = states[2 * i], im = states[2 * i + 1];
      auto minus = [&](Value x) -> Value { return arith::NegFOp::create(b, x); };
      Value freshRe = mulAdd(given[0], re, mulAdd(minus(given[1]), im, given[2]));
      Value freshIm = mulAdd(given[0], im, mulAdd(given[1], re, given[3]));
      next.push_back(freshRe), next.push_back(freshIm);
      if (!op.getReadBefore())
        re = freshRe, im = freshIm;
      term = mulAdd(minus(given[5]), im, l.times(given[4], re));
    }
    if (overStates()) // what lies beyond the last state is anything
      term = arith::SelectOp::create(b, laneMask(at), term, zero());
    sum = sum ? l.plus(sum, term) : term;
  }
  if (accumulate) {
    Value place = l.add(sums.offset, l.mul(arith::RemUIOp::create(b, t, l.index(kTimeBlock)), l.index(l.lanes)));
    if (hasLanes())
      l.scratchLanes(l.plus(l.scratchLanes(place), sum), place);
    else
      l.scratchStore(l.plus(l.scratchLoad(place), sum), place);
    return next;
  }
  if (overStates())
    l.store(output, at, vector::ReductionOp::create(b, vector::CombiningKind::ADD, sum, arith::FastMathFlags::reassoc));
  else if (hasLanes())
    l.storeLanes(output, at, lane, laneMask(at), sum);
  else
    l.store(output, at, sum);
  return next;
}

SelectiveScan::Values SelectiveScan::steps(const Block &block, Value from, Value to, Values states, bool accumulate) {
  // What does not change with time is read once.
  SmallVector<Values> fixed;
  Values at = block.at;
  for (Value slot : block.slots) {
    if (slot)
      at.back() = slot;
    Values values(inputs.size());
    for (auto [n, input] : llvm::enumerate(inputs))
      if (!MixerLoops::uses(input, time))
        values[n] = read(input, at);
    fixed.push_back(values);
  }
  return l.loop(from, to, 1, states, [&](Value t, ValueRange now) { return step(block, t, now, fixed, accumulate); });
}

/// All states of one position of p (one vector of positions).
void SelectiveScan::line(Values at) {
  Value states = l.index(parts * l.lanes);
  bool simple = true; // one block holds all states
  for (unsigned d = time + 1; d < l.size.size(); ++d) {
    bool isLane = (int)d == lane;
    states = l.mul(states, isLane ? arith::CeilDivSIOp::create(b, l.size[d], l.index(l.lanes)).getResult() : l.size[d]);
    auto known = getConstantIntValue(l.size[d]);
    int64_t most = std::max<int64_t>(kStates / parts / (isLane ? 2 : 1), 1) * (isLane ? l.lanes : 1);
    simple &= d + 1 == l.size.size() && known && *known > 0 && *known <= most;
  }
  auto start = [&](const Block &block) {
    Values first, here = block.at;
    for (Value slot : block.slots) {
      if (slot)
        here.back() = slot;
      for (unsigned part = 0; part < parts; ++part)
        first.push_back(initial.empty() ? zero() : wide(read(initial[part], here)));
    }
    return first;
  };
  auto finish = [&](const Block &block, ValueRange states) {
    Values here = block.at;
    for (auto [i, slot] : llvm::enumerate(block.slots)) {
      if (slot)
        here.back() = slot;
      for (auto [part, to] : llvm::enumerate(final)) {
        Value v = states[i * parts + part];
        hasLanes() ? l.storeLanes(to, here, lane, laneMask(here), v) : l.store(to, here, v);
      }
    }
  };
  bool grouped = hasLanes() && !overStates();
  if (simple && !grouped) {
    blocks(at, [&](const Block &block) { finish(block, steps(block, l.index(0), length, start(block), false)); });
    return;
  }
  vectorStates = states;
  stateAt = l.region(grouped ? l.mul(states, l.index(kGroup)) : states);
  sums = l.region(l.index(kTimeBlock * l.lanes));
  l.allocate();
  auto eachVector = [&](llvm::function_ref<void(Values)> body) {
    if (!grouped)
      return body(at);
    Value end = l.smaller(l.add(at[lane], l.index(kGroup * l.lanes)), l.size[lane]);
    l.loop(at[lane], end, l.lanes, [&](Value first) {
      Values here = at;
      here[lane] = first;
      body(here);
    });
  };
  auto write = [&](Values here, Value t, Value place) {
    here[time] = timeIndex(t);
    if (overStates())
      l.store(output, here,
              vector::ReductionOp::create(b, vector::CombiningKind::ADD, l.scratchLanes(place),
                                          arith::FastMathFlags::reassoc));
    else if (hasLanes())
      l.storeLanes(output, here, lane, laneMask(here), l.scratchLanes(place));
    else
      l.store(output, here, l.scratchLoad(place));
  };
  eachVector([&](Values here) { blocks(here, [&](const Block &block) { storeStates(block, start(block)); }); });
  l.loop(l.index(0), length, kTimeBlock, [&](Value t0) {
    Value t1 = l.smaller(l.add(t0, l.index(kTimeBlock)), length);
    eachVector([&](Values here) {
      if (!simple)
        l.clear(sums);
      blocks(here, [&](const Block &block) { storeStates(block, steps(block, t0, t1, loadStates(block), !simple)); });
      if (!simple)
        l.loop(t0, t1, 1, [&](Value t) { write(here, t, l.add(sums.offset, l.mul(l.sub(t, t0), l.index(l.lanes)))); });
    });
  });
  if (!final.empty())
    eachVector([&](Values here) { blocks(here, [&](const Block &block) { finish(block, loadStates(block)); }); });
}
} // namespace

void ssm::populateSelectiveScan(Registry &r) {
  r.mixer("selective_scan", [](Operation *op, Emitter &e) {
    SelectiveScan(cast<SelectiveScanOp>(op), e).lower();
    return success();
  });
}
