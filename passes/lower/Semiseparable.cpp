//===- Semiseparable.cpp - recurrences of a matrix-valued state -------------===//
// With S_t = (diag(a_t) + p_t r_t^T) S_{t-1} + k_t v_t^T and u_t = r_t^T S_{t-1}, both forms keep S (k x v) in scratch.
//
// recurrent: one step after the other; each reads the state once for u_t and a read-out before the update, and once
// more to update it.
//
// chunked: c steps at a time. Within a chunk, with A(t, s) the product of a over (s, t], everything is products of
// matrices over scratch:
//   scores of queries and of r against keys and p that are decayed from s to t  (c x c),
//   [u; o] = [r; q] decayed to the chunk's start times S                          (k x v per step),
//   u by forward substitution through the scores of r with p                      (the WY representation's triangle),
//   o += scores times [v; u],  S = A S + decayed [k; p]^T [v; u].
// Decays enter as products of a, not as differences of sums of logarithms: nothing overflows, and a decay of zero is a
// reset. Steps beyond the end of the sequence have k = v = p = r = 0 and a = 1 and leave the state alone. Without an
// initial state the first decay counts for nothing and is taken as 1.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "passes/lower/MixerLoops.h"
#include "passes/lower/Registry.h"
#include "passes/lower/SemiseparableQuadratic.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kShort = 6; // steps from which on a chunk costs less

class Semiseparable {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;
  using Region = MixerLoops::Region;

  Semiseparable(SemiseparableOp op, Emitter &e) : op(op), l(op, e), b(l.b) {}
  void lower();

private:
  void setUp();
  void head(Values at);
  void chunk(Value first);
  void step(Value first);

  // Scratch rows and columns of a chunk from operands.
  void packRows(const Buffer &from, unsigned dim, Value to, Value stride, Value padded, Value first,
                llvm::function_ref<Value(Value row, Value column, Value v)> change = {});
  void packColumns(const Buffer &from, Value to, Value first);
  void packDecays(Value first);
  void scalarGates(Value first);
  void scoresByProduct();
  void scoresByStep();
  void substitute();
  void writeOutput(Value first);

  Value timeIndex(Value step) { return reverse ? l.sub(l.sub(length, l.index(1)), step) : step; }
  Values atTime(Value step) {
    Values at = here;
    at[time] = timeIndex(step);
    return at;
  }
  Value lanesBelow(Value row) { return l.mask(row); }
  Value scores(Value row, Value column) {
    return l.add(scoreAt.offset, l.add(l.mul(row, l.index(numKeys * c)), column));
  }

  SemiseparableOp op;
  MixerLoops l;
  ImplicitLocOpBuilder &b;
  Buffer query, key, value, decay, left, right, bonus, gate, initial, output, final, logScale;
  unsigned time, k, v;
  bool reverse, readBefore, erase, perKey, chunked;
  int64_t c, numRows, numKeys;
  Value length, keys, values, keysPadded, valuesPadded, valueStride;
  Values here;
  // rows: queries, then r, then bonus times query, each c x keysPadded. columns: keys beside p, keysPadded x (numKeys
  // c). inner: v above u. out: o above what r reads. factors: of the rows of out. decays: a of the chunk. total:
  // product of all a so far in it, per key. scale: the bound of log_gate.
  Region stateAt, rows, columns, inner, out, scoreAt, decays, total, scale, gates;
};

void Semiseparable::setUp() {
  time = op.getTimeDim(), k = time + 1, v = time + 2;
  reverse = op.getReverse(), readBefore = op.getReadBefore();
  unsigned number = 0;
  auto next = [&](Value present) { return present ? l.operand(number++) : Buffer(); };
  query = next(op.getQuery()), key = next(op.getKey()), value = next(op.getValue()), decay = next(op.getLogDecay());
  left = next(op.getEraseLeft()), right = next(op.getEraseRight()), bonus = next(op.getBonus());
  gate = next(op.getLogGate()), initial = next(op.getInitial());
  output = l.result(0);
  if (op.getFinal())
    final = l.result(1);
  if (op.getLogScale())
    logScale = l.result(op.getFinal() ? 2 : 1);
  erase = (bool)left;
  perKey = (decay && MixerLoops::uses(decay, k)) || bonus;
  chunked = op.getPreferredForm() == "chunked";
  c = op.getChunkSize(op.getPreferredForm());
  numKeys = erase ? 2 : 1;
  numRows = 1 + erase + (bonus ? 1 : 0);
  length = l.size[time], keys = l.size[k], values = l.size[v];
  keysPadded = l.roundUp(keys, l.lanes), valuesPadded = l.roundUp(values, l.lanes);
  valueStride = l.add(valuesPadded, l.index(l.lanes)); // rows of a power of two would share few sets of the cache
}

void Semiseparable::lower() {
  setUp();
  SmallVector<int64_t> heads = dimRange(0, time);
  Value work = l.mul(l.mul(length, keys), l.mul(values, l.index(4)));
  l.parallel(heads, work, [&](Values at) { head(at); });
}

void Semiseparable::head(Values at) {
  here = at;
  Value keyColumns = l.index(numKeys * c);
  stateAt = l.region(l.mul(keysPadded, valueStride));
  rows = l.region(l.mul(l.index(numRows * c), keysPadded));
  columns = l.region(l.mul(keysPadded, keyColumns));
  inner = l.region(l.mul(keyColumns, valueStride));
  out = l.region(l.mul(l.index((1 + erase) * c), valueStride));
  scoreAt = l.region(l.index(numRows * c * numKeys * c));
  decays = l.region(perKey ? l.mul(l.index(c), keysPadded) : l.index(c));
  total = l.region(perKey ? keysPadded : l.index(2 * l.lanes + (1 + erase) * c));
  scale = l.region(l.index(1));
  gates = l.region(l.index(c));
  l.allocate();
  l.clear(stateAt);
  l.clear(rows);
  l.clear(columns);
  l.clear(inner);
  if (initial)
    l.loop(l.index(0), keys, 1, [&](Value i) {
      l.loop(l.index(0), values, l.lanes, [&](Value j) {
        Values from = here;
        from[k] = i, from[v] = j;
        Value mask = l.mask(l.sub(values, j));
        Value x = l.toState(l.loadLanes(initial, from, v, mask));
        if (!isa<VectorType>(x.getType()))
          x = l.spread(x);
        l.scratchLanes(x, l.add(stateAt.offset, l.add(l.mul(i, valueStride), j)));
      });
    });
  if (gate)
    l.scratchStore(l.number(initial ? 0.0 : -INFINITY), scale.offset);
  auto run = [&](bool inChunks) {
    c = op.getChunkSize(inChunks ? "chunked" : "recurrent");
    l.loop(l.index(0), length, c, [&](Value first) { inChunks ? chunk(first) : step(first); });
  };
  if (op->hasAttr(kShortFormAttr) && chunked && !getConstantIntValue(length)) {
    auto choice = scf::IfOp::create(b, l.less(length, l.index(kShort)), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    run(false);
    b.setInsertionPointToStart(choice.elseBlock());
    run(true);
  } else {
    run(chunked);
  }
  if (final)
    l.loop(l.index(0), keys, 1, [&](Value i) {
      l.loop(l.index(0), values, l.lanes, [&](Value j) {
        Values to = here;
        to[k] = i, to[v] = j;
        Value x = l.scratchLanes(l.add(stateAt.offset, l.add(l.mul(i, valueStride), j)));
        l.storeLanes(final, to, v, l.mask(l.sub(values, j)), x);
      });
    });
}

/// to[t - first][...] = operand over dim, zero from the end of the sequence on.
void Semiseparable::packRows(const Buffer &from, unsigned dim, Value to, Value stride, Value padded, Value first,
                             llvm::function_ref<Value(Value, Value, Value)> change) {
  Value count = l.smaller(l.sub(length, first), l.index(c));
  auto row = [&](Value t, bool present) {
    l.loop(l.index(0), padded, l.lanes, [&](Value j) {
      Value x = l.splat(0);
      if (present) {
        Values at = atTime(l.add(first, t));
        at[dim] = j;
        Value mask = l.mask(l.sub(l.size[dim], j));
        x = l.toState(l.loadLanes(from, at, dim, mask));
        if (!isa<VectorType>(x.getType()))
          x = arith::SelectOp::create(b, mask, l.spread(x), l.splat(0));
      }
      if (change)
        x = change(t, j, x);
      l.scratchLanes(x, l.add(to, l.add(l.mul(t, stride), j)));
    });
  };
  l.loop(l.index(0), count, 1, [&](Value t) { row(t, true); });
  if (c > 1)
    l.loop(count, l.index(c), 1, [&](Value t) { row(t, false); });
}

/// to[key][t - first] = operand, zero from the end of the sequence on.
void Semiseparable::packColumns(const Buffer &from, Value to, Value first) {
  Value stride = l.index(numKeys * c), count = l.sub(length, first);
  l.loop(l.index(0), keys, 1, [&](Value i) {
    for (int64_t t = 0; t < c; t += l.lanes) {
      Values at = atTime(l.add(first, l.index(t)));
      at[k] = i;
      Value mask = l.mask(l.sub(count, l.index(t)));
      Value x = l.toState(l.loadLanes(from, at, time, mask, reverse ? -1 : 1));
      if (!isa<VectorType>(x.getType()))
        x = arith::SelectOp::create(b, mask, l.spread(x), l.splat(0));
      l.scratchLanes(x, l.add(to, l.add(l.mul(i, stride), l.index(t))));
    }
  });
}

/// a of each step, 1 beyond the end.
void Semiseparable::packDecays(Value first) {
  auto exponential = [&](Value t, Value, Value x) -> Value {
    if (!initial)
      x = arith::SelectOp::create(b, l.isZero(l.add(first, t)), l.splat(0), x);
    return math::ExpOp::create(b, x);
  };
  if (perKey) {
    if (decay)
      return packRows(decay, k, decays.offset, keysPadded, keysPadded, first, exponential);
    l.loop(l.index(0), decays.size, l.lanes, [&](Value i) { l.scratchLanes(l.splat(1), l.add(decays.offset, i)); });
    return;
  }
  if (gate)
    return scalarGates(first);
  if (!decay)
    return;
  if (c == 1) {
    Value x = l.toState(l.load(decay, atTime(first)));
    if (!initial)
      x = arith::SelectOp::create(b, l.isZero(first), l.number(0), x);
    return l.scratchStore(math::ExpOp::create(b, x), decays.offset);
  }
  for (int64_t t = 0; t < c; t += l.lanes) {
    Value mask = l.mask(l.sub(l.sub(length, first), l.index(t)));
    Value x = l.toState(l.loadLanes(decay, atTime(l.add(first, l.index(t))), time, mask, reverse ? -1 : 1));
    if (!isa<VectorType>(x.getType()))
      x = arith::SelectOp::create(b, mask, l.spread(x), l.splat(0));
    if (!initial && t == 0) {
      Value inFirst = arith::SelectOp::create(b, l.isZero(first), l.index(1), l.index(0));
      x = arith::SelectOp::create(b, l.mask(inFirst), l.splat(0), x);
    }
    l.scratchLanes(math::ExpOp::create(b, x), l.add(decays.offset, l.index(t)));
  }
}

/// With an input gate the state is kept below its bound: a = exp(g + m_before - m), key factor exp(i - m).
void Semiseparable::scalarGates(Value first) {
  l.loop(l.index(0), l.index(c), 1, [&](Value t) {
    l.scratchStore(l.number(1), l.add(decays.offset, t));
    l.scratchStore(l.number(0), l.add(gates.offset, t));
  });
  Value count = l.smaller(l.sub(length, first), l.index(c));
  Value nothing = l.number(-INFINITY);
  l.loop(l.index(0), count, 1, [&](Value t) {
    Values at = atTime(l.add(first, t));
    Value before = l.scratchLoad(scale.offset), input = l.toState(l.load(gate, at));
    Value carried = decay ? arith::AddFOp::create(b, before, l.toState(l.load(decay, at))).getResult() : before;
    if (decay && !initial)
      carried = arith::SelectOp::create(b, l.isZero(l.add(first, t)), before, carried);
    Value bound = arith::MaximumFOp::create(b, carried, input);
    // Nothing has come in yet: the state is zero and stays so.
    Value empty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, bound, nothing);
    auto factor = [&](Value x) -> Value {
      Value f = math::ExpOp::create(b, arith::SubFOp::create(b, x, bound));
      return arith::SelectOp::create(b, empty, l.number(0), f);
    };
    l.scratchStore(factor(carried), l.add(decays.offset, t));
    l.scratchStore(factor(input), l.add(gates.offset, t));
    l.scratchStore(bound, scale.offset);
    if (logScale)
      l.store(logScale, at, bound);
  });
}

void Semiseparable::chunk(Value first) {
  Value rowBytes = l.mul(l.index(c), keysPadded), innerHalf = l.mul(l.index(c), valueStride);
  packRows(query, k, rows.offset, keysPadded, keysPadded, first);
  packColumns(key, columns.offset, first);
  packRows(value, v, inner.offset, valueStride, valuesPadded, first);
  if (erase) {
    packRows(right, k, l.add(rows.offset, rowBytes), keysPadded, keysPadded, first);
    packColumns(left, l.add(columns.offset, l.index(c)), first);
  }
  if (bonus) {
    Value to = l.add(rows.offset, l.mul(l.index(1 + erase), rowBytes));
    packRows(bonus, k, to, keysPadded, keysPadded, first, [&](Value t, Value j, Value x) {
      return l.times(x, l.scratchLanes(l.add(rows.offset, l.add(l.mul(t, keysPadded), j))));
    });
  }
  packDecays(first);
  perKey ? scoresByStep() : scoresByProduct();

  MixerLoops::Product p;
  Value scoreStride = l.index(numKeys * c);
  // What the state before the chunk gives to queries and to r.
  p.dst = out.offset, p.dstStride = p.bStride = valueStride, p.a = rows.offset, p.aRow = keysPadded,
  p.aInner = l.index(1);
  p.b = stateAt.offset, p.rows = l.index((1 + erase) * c), p.inner = keys, p.cols = valuesPadded;
  l.product(p);
  if (!perKey && (decay || gate)) {
    // Rows decay as a whole.
    l.loop(l.index(0), p.rows, 1, [&](Value t) {
      Value f = l.spread(l.scratchLoad(l.add(l.add(total.offset, l.index(2 * l.lanes)), t)));
      l.loop(l.index(0), valuesPadded, l.lanes, [&](Value j) {
        Value at = l.add(out.offset, l.add(l.mul(t, valueStride), j));
        l.scratchLanes(l.times(l.scratchLanes(at), f), at);
      });
    });
  }
  if (erase) {
    p.dst = l.add(out.offset, innerHalf), p.a = scores(l.index(c), l.index(0)), p.aRow = scoreStride,
    p.b = inner.offset;
    p.rows = p.inner = l.index(c), p.start = MixerLoops::Product::Add;
    l.product(p);
    substitute();
  }
  p.dst = out.offset, p.a = scoreAt.offset, p.aRow = scoreStride, p.b = inner.offset;
  p.rows = l.index(c), p.inner = l.index(numKeys * c), p.start = MixerLoops::Product::Add;
  l.product(p);
  writeOutput(first);

  // The state after the chunk.
  p.dst = stateAt.offset, p.a = columns.offset, p.aRow = scoreStride, p.rows = l.roundUp(keys, 8);
  if (perKey) {
    p.start = MixerLoops::Product::Scaled, p.factors = total.offset;
  } else if (decay || gate) {
    p.start = MixerLoops::Product::Scaled, p.factors = l.add(total.offset, l.index(l.lanes)), p.commonFactor = true;
  }
  l.product(p);
}

/// Scores and decayed columns where all keys decay alike: products of what is not decayed, then a factor for each.
void Semiseparable::scoresByProduct() {
  Value stride = l.index(numKeys * c);
  MixerLoops::Product p;
  p.dst = scoreAt.offset, p.dstStride = p.bStride = stride, p.a = rows.offset, p.aRow = keysPadded,
  p.aInner = l.index(1);
  p.b = columns.offset, p.rows = l.index(numRows * c), p.inner = keys, p.cols = stride;
  l.product(p);
  bool decays_ = decay || gate;
  int64_t parts = c / l.lanes;
  // Lane s of `factor` is A(t, s), and in the end A(c, s).
  Values factor(parts, l.splat(1));
  Value done = l.number(1);
  Value rowFactors = l.add(total.offset, l.index(2 * l.lanes));
  Value step = l.laneNumbers();
  for (int64_t t = 0; t < c; ++t) {
    auto below = [&](int64_t part, int64_t limit) -> Value { // lanes s < limit
      Value bound = vector::BroadcastOp::create(b, step.getType(), l.index(limit - part * l.lanes));
      return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, step, bound);
    };
    auto mask = [&](int64_t row, bool own) {
      for (int64_t n = 0; n < numKeys; ++n)
        for (int64_t part = 0; part < parts; ++part) {
          Value at = scores(l.index(row), l.index(n * c + part * l.lanes));
          Value x = l.scratchLanes(at);
          if (decays_)
            x = l.times(x, factor[part]);
          if (gate)
            x = l.times(x, l.scratchLanes(l.add(gates.offset, l.index(part * l.lanes))));
          l.scratchLanes(arith::SelectOp::create(b, below(part, t + own), x, l.splat(0)), at);
        }
    };
    auto rowFactor = [&](int64_t row) {
      if (decays_)
        l.scratchStore(done, l.add(rowFactors, l.index(row)));
    };
    if (erase)
      mask(c + t, false), rowFactor(c + t);
    if (readBefore)
      mask(t, false), rowFactor(t);
    if (decays_) {
      Value a = l.scratchLoad(l.add(decays.offset, l.index(t)));
      done = l.times(done, a);
      for (int64_t part = 0; part < parts; ++part)
        factor[part] = arith::SelectOp::create(b, below(part, t), l.times(factor[part], l.spread(a)), factor[part]);
    }
    if (!readBefore)
      mask(t, true), rowFactor(t);
  }
  if (!decays_)
    return;
  l.scratchLanes(l.spread(done), l.add(total.offset, l.index(l.lanes)));
  for (int64_t part = 0; part < parts && gate; ++part)
    factor[part] = l.times(factor[part], l.scratchLanes(l.add(gates.offset, l.index(part * l.lanes))));
  l.loop(l.index(0), keys, 1, [&](Value i) {
    for (int64_t n = 0; n < numKeys; ++n)
      for (int64_t part = 0; part < parts; ++part) {
        Value at = l.add(columns.offset, l.add(l.mul(i, stride), l.index(n * c + part * l.lanes)));
        l.scratchLanes(l.times(l.scratchLanes(at), factor[part]), at);
      }
  });
}

/// The same where every key has a decay of its own: columns decay step by step, and so do the rows' factors.
void Semiseparable::scoresByStep() {
  Value stride = l.index(numKeys * c);
  l.loop(l.index(0), keysPadded, l.lanes, [&](Value j) { l.scratchLanes(l.splat(1), l.add(total.offset, j)); });
  int64_t parts = c / l.lanes;
  Value step = l.laneNumbers();
  l.loop(l.index(0), l.index(c), 1, [&](Value t) {
    auto compared = [&](arith::CmpIPredicate how, int64_t part) -> Value { // lanes s against t
      Value here = l.sub(t, l.index(part * l.lanes));
      return arith::CmpIOp::create(b, how, step, vector::BroadcastOp::create(b, step.getType(), here));
    };
    Value a = l.add(decays.offset, l.mul(t, keysPadded));
    auto row = [&](int64_t block) { return l.add(rows.offset, l.mul(l.add(l.index(block * c), t), keysPadded)); };
    Value queries = row(0), reads = erase ? row(1) : Value(), extra = bonus ? row(1 + erase) : Value();
    for (int64_t n = 0; n < numKeys; ++n)
      for (int64_t part = 0; part < parts; ++part) {
        Value earlier = compared(arith::CmpIPredicate::slt, part);
        Values sums = l.loop(l.index(0), keys, 1, Values(numRows, l.splat(0)), [&](Value i, ValueRange now) {
          Value at = l.add(columns.offset, l.add(l.mul(i, stride), l.index(n * c + part * l.lanes)));
          Value old = l.scratchLanes(at);
          Value fresh = arith::SelectOp::create(b, earlier, l.times(old, l.spread(l.scratchLoad(l.add(a, i)))), old);
          l.scratchLanes(fresh, at);
          auto dot = [&](Value line, Value x, Value sum) {
            return l.fma(l.spread(l.scratchLoad(l.add(line, i))), x, sum);
          };
          Values next{dot(queries, readBefore ? old : fresh, now[0])};
          if (erase)
            next.push_back(dot(reads, old, now[next.size()]));
          if (bonus)
            next.push_back(dot(extra, old, now[next.size()]));
          return next;
        });
        Value zero = l.splat(0), self = compared(arith::CmpIPredicate::eq, part);
        Value ofQuery =
            arith::SelectOp::create(b, readBefore ? earlier : compared(arith::CmpIPredicate::sle, part), sums[0], zero);
        if (bonus && n == 0)
          ofQuery = arith::SelectOp::create(b, self, sums.back(), ofQuery);
        l.scratchLanes(ofQuery, scores(t, l.index(n * c + part * l.lanes)));
        if (erase)
          l.scratchLanes(arith::SelectOp::create(b, earlier, sums[1], zero),
                         scores(l.add(l.index(c), t), l.index(n * c + part * l.lanes)));
      }
    // Rows as they see the state before the chunk.
    l.loop(l.index(0), keysPadded, l.lanes, [&](Value j) {
      auto scaleRow = [&](Value line, Value f) {
        Value at = l.add(line, j);
        l.scratchLanes(l.times(l.scratchLanes(at), f), at);
      };
      Value before = l.scratchLanes(l.add(total.offset, j));
      Value after = l.times(before, l.scratchLanes(l.add(a, j)));
      l.scratchLanes(after, l.add(total.offset, j));
      scaleRow(queries, readBefore ? before : after);
      if (erase)
        scaleRow(reads, before);
    });
  });
}

/// u_t = (what r_t reads of the state and of v) + sum_{s < t} score[r_t, p_s] u_s.
void Semiseparable::substitute() {
  l.loop(l.index(0), valuesPadded, l.lanes, [&](Value j) {
    Values u;
    for (int64_t t = 0; t < c; ++t) {
      Value x = l.scratchLanes(l.add(out.offset, l.add(l.mul(l.index(c + t), valueStride), j)));
      for (int64_t s = 0; s < t; ++s)
        x = l.fma(l.spread(l.scratchLoad(scores(l.index(c + t), l.index(c + s)))), u[s], x);
      l.scratchLanes(x, l.add(inner.offset, l.add(l.mul(l.index(c + t), valueStride), j)));
      u.push_back(x);
    }
  });
}

void Semiseparable::writeOutput(Value first) {
  l.loop(l.index(0), l.smaller(l.sub(length, first), l.index(c)), 1, [&](Value t) {
    l.loop(l.index(0), values, l.lanes, [&](Value j) {
      Values at = atTime(l.add(first, t));
      at[v] = j;
      l.storeLanes(output, at, v, l.mask(l.sub(values, j)),
                   l.scratchLanes(l.add(out.offset, l.add(l.mul(t, valueStride), j))));
    });
  });
}

/// One step of the recurrent form. Scratch holds the rows of this step: query, r, bonus; keys and p; v.
void Semiseparable::step(Value first) {
  Value ps = l.add(columns.offset, keysPadded), reads = l.add(rows.offset, keysPadded);
  packRows(query, k, rows.offset, keysPadded, keysPadded, first);
  packDecays(first);
  packRows(key, k, columns.offset, keysPadded, keysPadded, first,
           [&](Value, Value, Value x) { return gate ? l.times(x, l.spread(l.scratchLoad(gates.offset))) : x; });
  packRows(value, v, inner.offset, valueStride, valuesPadded, first);
  if (erase) {
    packRows(right, k, reads, keysPadded, keysPadded, first);
    packRows(left, k, ps, keysPadded, keysPadded, first);
  }
  Value own = l.number(0);
  if (bonus) {
    Value extra = l.add(rows.offset, l.mul(l.index(1 + erase), keysPadded));
    packRows(bonus, k, extra, keysPadded, keysPadded, first);
    own = l.loop(l.index(0), keys, 1, {own}, [&](Value i, ValueRange now) {
      auto at = [&](Value line) { return l.scratchLoad(l.add(line, i)); };
      return Values{l.plus(now[0], l.times(at(extra), l.times(at(rows.offset), at(columns.offset))))};
    })[0];
  }
  l.loop(l.index(0), valuesPadded, l.lanes, [&](Value j) {
    auto stateOf = [&](Value i) { return l.add(stateAt.offset, l.add(l.mul(i, valueStride), j)); };
    auto scalar = [&](Value line, Value i) { return l.spread(l.scratchLoad(l.add(line, i))); };
    Value zero = l.splat(0), in = l.scratchLanes(l.add(inner.offset, j)), u = zero, o = zero;
    if (erase)
      u = l.loop(l.index(0), keys, 1, {zero}, [&](Value i, ValueRange now) {
        return Values{l.fma(scalar(reads, i), l.scratchLanes(stateOf(i)), now[0])};
      })[0];
    o = l.loop(l.index(0), keys, 1, {zero}, [&](Value i, ValueRange now) {
      Value old = l.scratchLanes(stateOf(i)), fresh = old;
      if (perKey)
        fresh = l.times(old, scalar(decays.offset, i));
      else if (decay || gate)
        fresh = l.times(old, l.spread(l.scratchLoad(decays.offset)));
      if (erase)
        fresh = l.fma(scalar(ps, i), u, fresh);
      fresh = l.fma(scalar(columns.offset, i), in, fresh);
      l.scratchLanes(fresh, stateOf(i));
      return Values{l.fma(scalar(rows.offset, i), readBefore ? old : fresh, now[0])};
    })[0];
    if (bonus)
      o = l.fma(l.spread(own), in, o);
    Values at = atTime(first);
    at[v] = j;
    l.storeLanes(output, at, v, l.mask(l.sub(values, j)), o);
  });
}
} // namespace

void ssm::populateSemiseparable(Registry &r) {
  r.mixer("semiseparable", [](Operation *op, Emitter &e) {
    auto mixer = cast<SemiseparableOp>(op);
    if (mixer.getPreferredForm() == "quadratic")
      lowerQuadratic(mixer, e);
    else
      Semiseparable(mixer, e).lower();
    return success();
  });
}
