//===- SemiseparableQuadratic.cpp - all pairs of steps ---------------------===//
// output_t is the sum over s <= t of <query_t A(t, s), key_s> value_s, A(t, s) the product of the decays over (s, t].
// Rows of the matrix are made one at a time from the diagonal backwards, the query decaying on the way: no state and no
// matrix is kept, and decays enter as products, so that nothing overflows.
//===----------------------------------------------------------------------===//
#include "passes/lower/SemiseparableQuadratic.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/MixerLoops.h"

using namespace mlir;
using namespace ssm;

namespace {
class Quadratic {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;
  using Region = MixerLoops::Region;
  Quadratic(SemiseparableOp op, Emitter &e) : op(op), l(op, e), b(l.b) {}
  void lower();

private:
  void head(Values at);
  void pack(const Buffer &from, unsigned dim, const Region &to, Value width, bool exponential = false);
  void packGates();
  void row(Value t);
  void lastState();

  Values atStep(Value step) {
    Values at = here;
    at[time] = op.getReverse() ? l.sub(l.sub(length, l.index(1)), step) : step;
    return at;
  }
  Value spreadState(Value x) { return isa<VectorType>(x.getType()) ? x : l.spread(x); }
  Value place(const Region &r, Value step, Value width, Value column) {
    return l.add(r.offset, l.add(l.mul(step, width), column));
  }
  Value stateBefore(Value i, Value j, Value mask) {
    Values at = here;
    at[k] = i, at[v] = j;
    return spreadState(l.toState(l.loadLanes(initial, at, v, mask)));
  }

  SemiseparableOp op;
  MixerLoops l;
  ImplicitLocOpBuilder &b;
  Buffer query, key, value, decay, bonus, gate, initial, output, final, logScale;
  unsigned time, k, v;
  bool perKey, decays;
  Value length, keys, values, keysPadded, valuesPadded;
  Values here;
  // Rows of all steps; the decaying query of one; the output of one.
  Region queries, keyRows, valueRows, factors, gates, running, sum;
};

void Quadratic::lower() {
  time = op.getTimeDim(), k = time + 1, v = time + 2;
  unsigned number = 0;
  auto next = [&](Value present) { return present ? l.operand(number++) : Buffer(); };
  query = next(op.getQuery()), key = next(op.getKey()), value = next(op.getValue()), decay = next(op.getLogDecay());
  bonus = next(op.getBonus()), gate = next(op.getLogGate()), initial = next(op.getInitial());
  output = l.result(0);
  if (op.getFinal())
    final = l.result(1);
  if (op.getLogScale())
    logScale = l.result(op.getFinal() ? 2 : 1);
  perKey = decay && MixerLoops::uses(decay, k);
  decays = decay || gate;
  length = l.size[time], keys = l.size[k], values = l.size[v];
  keysPadded = l.roundUp(keys, l.lanes), valuesPadded = l.roundUp(values, l.lanes);
  Value work = l.mul(l.mul(length, length), l.add(keys, values));
  l.parallel(dimRange(0, time), work, [&](Values at) { head(at); });
}

void Quadratic::pack(const Buffer &from, unsigned dim, const Region &to, Value width, bool exponential) {
  l.loop(l.index(0), length, 1, [&](Value t) {
    Values at = atStep(t);
    l.loop(l.index(0), width, l.lanes, [&](Value j) {
      at[dim] = j;
      Value mask = l.mask(l.sub(l.size[dim], j));
      Value x = spreadState(l.toState(l.loadLanes(from, at, dim, mask)));
      if (exponential)
        x = math::ExpOp::create(b, x);
      l.scratchLanes(arith::SelectOp::create(b, mask, x, l.splat(0)), place(to, t, width, j));
    });
  });
}

/// Scalar decays. With an input gate everything is kept below a running bound m: a = exp(g + m_before - m), and keys
/// have the factor exp(i - m).
void Quadratic::packGates() {
  if (!gate) {
    l.loop(l.index(0), length, 1, [&](Value t) {
      l.scratchStore(math::ExpOp::create(b, l.toState(l.load(decay, atStep(t)))), l.add(factors.offset, t));
    });
    return;
  }
  Value nothing = l.number(-INFINITY);
  l.loop(l.index(0), length, 1, {initial ? l.number(0) : nothing}, [&](Value t, ValueRange now) {
    Values at = atStep(t);
    Value input = l.toState(l.load(gate, at)), carried = now[0];
    if (decay)
      carried = arith::AddFOp::create(b, carried, l.toState(l.load(decay, at)));
    if (decay && !initial) // the first decay is of nothing
      carried = arith::SelectOp::create(b, l.isZero(t), now[0], carried);
    Value bound = arith::MaximumFOp::create(b, carried, input);
    Value empty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, bound, nothing);
    auto factor = [&](Value x) -> Value {
      return arith::SelectOp::create(b, empty, l.number(0),
                                     math::ExpOp::create(b, arith::SubFOp::create(b, x, bound)).getResult());
    };
    l.scratchStore(factor(carried), l.add(factors.offset, t));
    l.scratchStore(factor(input), l.add(gates.offset, t));
    if (logScale)
      l.store(logScale, at, bound);
    return Values{bound};
  });
}

void Quadratic::head(Values at) {
  here = at;
  queries = l.region(l.mul(length, keysPadded));
  keyRows = l.region(l.mul(length, keysPadded));
  valueRows = l.region(l.mul(length, valuesPadded));
  factors = l.region(perKey ? l.mul(length, keysPadded) : length);
  gates = l.region(length);
  running = l.region(keysPadded);
  sum = l.region(valuesPadded);
  l.allocate();
  pack(query, k, queries, keysPadded);
  pack(key, k, keyRows, keysPadded);
  pack(value, v, valueRows, valuesPadded);
  if (perKey)
    pack(decay, k, factors, keysPadded, true);
  else if (decays)
    packGates();
  l.loop(l.index(0), length, 1, [&](Value t) { row(t); });
  if (final)
    lastState();
}

void Quadratic::row(Value t) {
  l.loop(l.index(0), keysPadded, l.lanes,
         [&](Value i) { l.scratchLanes(l.scratchLanes(place(queries, t, keysPadded, i)), l.add(running.offset, i)); });
  l.clear(sum);
  auto addValue = [&](Value weight, Value s) {
    l.loop(l.index(0), valuesPadded, l.lanes, [&](Value j) {
      Value to = l.add(sum.offset, j);
      l.scratchLanes(l.fma(l.spread(weight), l.scratchLanes(place(valueRows, s, valuesPadded, j)), l.scratchLanes(to)),
                     to);
    });
  };
  // The first step that is read, and the number of them.
  Value count = op.getReadBefore() ? t : l.add(t, l.index(1));
  Value done = l.loop(l.index(0), count, 1, {l.number(1)}, [&](Value back, ValueRange now) {
    Value s = l.sub(l.sub(count, l.index(1)), back);
    Value dots = l.loop(l.index(0), keysPadded, l.lanes, {l.splat(0)}, [&](Value i, ValueRange part) {
      Value at = l.add(running.offset, i), q = l.scratchLanes(at);
      // Decayed for the next step, which lies before this one.
      if (perKey)
        l.scratchLanes(l.times(q, l.scratchLanes(place(factors, s, keysPadded, i))), at);
      return Values{l.fma(q, l.scratchLanes(place(keyRows, s, keysPadded, i)), part[0])};
    })[0];
    Value weight = vector::ReductionOp::create(b, vector::CombiningKind::ADD, dots, arith::FastMathFlags::reassoc);
    Value after = now[0];
    if (decays && !perKey) {
      weight = l.times(weight, now[0]);
      after = l.times(now[0], l.scratchLoad(l.add(factors.offset, s)));
    }
    if (gate)
      weight = l.times(weight, l.scratchLoad(l.add(gates.offset, s)));
    addValue(weight, s);
    return Values{after};
  })[0];
  if (initial)
    l.loop(l.index(0), keys, 1, [&](Value i) {
      Value q = l.spread(l.times(done, l.scratchLoad(l.add(running.offset, i))));
      l.loop(l.index(0), values, l.lanes, [&](Value j) {
        Value to = l.add(sum.offset, j);
        l.scratchLanes(l.fma(q, stateBefore(i, j, l.mask(l.sub(values, j))), l.scratchLanes(to)), to);
      });
    });
  Values at = atStep(t);
  if (bonus) {
    Value own = l.loop(l.index(0), keys, 1, {l.number(0)}, [&](Value i, ValueRange now) {
      at[k] = i;
      Value both =
          l.times(l.scratchLoad(place(queries, t, keysPadded, i)), l.scratchLoad(place(keyRows, t, keysPadded, i)));
      return Values{l.plus(now[0], l.times(both, l.toState(l.load(bonus, at))))};
    })[0];
    addValue(own, t);
  }
  l.loop(l.index(0), values, l.lanes, [&](Value j) {
    at[v] = j;
    l.storeLanes(output, at, v, l.mask(l.sub(values, j)), l.scratchLanes(l.add(sum.offset, j)));
  });
}

/// sum over s of A(last, s) key_s value_s^T, and A over all of what was there before.
void Quadratic::lastState() {
  l.loop(l.index(0), keys, 1, [&](Value i) {
    l.loop(l.index(0), values, l.lanes, [&](Value j) {
      Values end = l.loop(l.index(0), length, 1, {l.number(1), l.splat(0)}, [&](Value back, ValueRange now) {
        Value s = l.sub(l.sub(length, l.index(1)), back), after = now[0];
        Value weight = l.times(now[0], l.scratchLoad(place(keyRows, s, keysPadded, i)));
        if (gate)
          weight = l.times(weight, l.scratchLoad(l.add(gates.offset, s)));
        if (decays)
          after = l.times(now[0], l.scratchLoad(perKey ? place(factors, s, keysPadded, i) : l.add(factors.offset, s)));
        Value row = l.scratchLanes(place(valueRows, s, valuesPadded, j));
        return Values{after, l.fma(l.spread(weight), row, now[1])};
      });
      Value mask = l.mask(l.sub(values, j)), state = end[1];
      if (initial)
        state = l.fma(l.spread(end[0]), stateBefore(i, j, mask), state);
      Values at = here;
      at[k] = i, at[v] = j;
      l.storeLanes(final, at, v, mask, state);
    });
  });
}
} // namespace

void ssm::lowerQuadratic(SemiseparableOp op, Emitter &e) { Quadratic(op, e).lower(); }
