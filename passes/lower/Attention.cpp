//===- Attention.cpp - softmax attention -------------------------------------===//
// Per position of p, keys are packed transposed and values as rows into scratch; then a few queries at a time pass over
// blocks of keys: scores of a block (lanes over keys), the score region, and
//   m' = max(m, scores),  l' = l exp(m - m') + sum exp(scores - m'),  o' = o exp(m - m') + exp(scores - m') v.
//
// online: blocks of 64 keys; nothing of the size (i, j) is stored unless probabilities are a result, which a second
// pass over the keys computes. materialised: one block holds all keys, its weights are the probabilities. Blocks that a
// causal mask leaves out are not computed.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "passes/lower/MixerLoops.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kKeyBlock = 64, kRows = 8;

/// What a causal score region keeps: scores of keys j <= i + offset.
std::optional<int64_t> causalOffset(AttentionOp op) {
  if (op.getScore().empty())
    return std::nullopt;
  Block &block = op.getScore().front();
  int64_t numDims = op.getTimeDim() + 2;
  Value i = block.getArgument(numDims - 1), j = block.getArgument(numDims);
  auto select = block.getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpIOp>() : arith::CmpIOp();
  if (!compare)
    return std::nullopt;
  auto masked = [](Value v) {
    FloatAttr c;
    return matchPattern(v, m_Constant(&c)) && c.getValue().isInfinity() && c.getValue().isNegative();
  };
  bool masksWhenTrue = masked(select.getTrueValue());
  if (!masksWhenTrue && !masked(select.getFalseValue()))
    return std::nullopt;
  // As j - i (compared with) a constant.
  auto shift = [&](Value v, Value base) -> std::optional<int64_t> {
    if (v == base)
      return 0;
    for (bool minus : {false, true}) {
      Operation *def = v.getDefiningOp();
      if (!def || (minus ? !isa<arith::SubIOp>(def) : !isa<arith::AddIOp>(def)) || def->getOperand(0) != base)
        continue;
      if (auto c = getConstantIntValue(def->getOperand(1)))
        return minus ? -*c : *c;
    }
    return std::nullopt;
  };
  auto predicate = compare.getPredicate();
  auto left = shift(compare.getLhs(), j), right = shift(compare.getRhs(), i);
  if (!left || !right) {
    left = shift(compare.getRhs(), j), right = shift(compare.getLhs(), i);
    if (!left || !right)
      return std::nullopt;
    using P = arith::CmpIPredicate;
    predicate = predicate == P::sgt   ? P::slt
                : predicate == P::slt ? P::sgt
                : predicate == P::sge ? P::sle
                : predicate == P::sle ? P::sge
                                      : P::eq;
  }
  if (!masksWhenTrue)
    predicate = arith::invertPredicate(predicate);
  // Masked where j + left > i + right, or >=.
  if (predicate == arith::CmpIPredicate::sgt)
    return *right - *left;
  if (predicate == arith::CmpIPredicate::sge)
    return *right - *left - 1;
  return std::nullopt;
}

class Attention {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;
  using Region = MixerLoops::Region;
  Attention(AttentionOp op, Emitter &e) : op(op), l(op, e), b(l.b) {}
  void lower();

private:
  void head(Values at);
  void pack();
  void rowsFrom(Value first);
  void scoreBlock(Value first, Value from, Value width,
                  llvm::function_ref<void(Value row, ArrayRef<Value> at, Value place, Value j, Value score)> use);
  void passBlock(Value first, Value from, Value width);
  void finish(Value first);
  void writeProbabilities(Value first, Value from, Value width);
  Value wide(Value v) { return isa<VectorType>(v.getType()) ? v : l.spread(v); }
  Value weight(Value score, Value bound) { // exp(score - bound), 0 where everything so far is masked
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, bound, l.splat(-INFINITY));
    Value safe = arith::SelectOp::create(b, none, l.splat(0), bound);
    return math::ExpOp::create(b, arith::SubFOp::create(b, score, safe));
  }
  Value normalised(Value v, Value sum) {
    Value q = arith::DivFOp::create(b, v, sum);
    if (op.getMaskedRows() == "nan")
      return q;
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, l.splat(0)), l.splat(0),
                                   q);
  }

  AttentionOp op;
  MixerLoops l;
  ImplicitLocOpBuilder &b;
  Buffer query, key, value, output, logSumExp, probabilities;
  SmallVector<Buffer> modifiers;
  unsigned i, j, e, f;
  int64_t rows;
  bool online;
  std::optional<int64_t> causal;
  Value numKeys, keysPadded, valuesPadded, keyStride, valueStride, blockWidth;
  Values here;
  Region queryRows, keyColumns, valueRows, scoreRows, outRows, bounds, sums, rescale;
};

void Attention::lower() {
  i = op.getTimeDim(), j = i + 1, e = i + 2, f = i + 3;
  query = l.operand(0), key = l.operand(1), value = l.operand(2);
  for (size_t n = 0; n < op.getModifiers().size(); ++n)
    modifiers.push_back(l.operand(3 + n));
  output = l.result(0);
  unsigned number = 1;
  if (op.getLogSumExp())
    logSumExp = l.result(number++);
  if (op.getProbabilities())
    probabilities = l.result(number);
  online = op.getPreferredForm() == "online";
  causal = causalOffset(op);
  auto few = getConstantIntValue(l.size[i]);
  rows = few && *few <= 2 ? 1 : kRows;
  numKeys = l.size[j];
  keysPadded = l.roundUp(numKeys, kKeyBlock), valuesPadded = l.roundUp(l.size[f], l.lanes);
  // Rows of a power of two would share few sets of the cache.
  keyStride = l.add(keysPadded, l.index(l.lanes)), valueStride = l.add(valuesPadded, l.index(l.lanes));
  blockWidth = online ? l.index(kKeyBlock) : keysPadded;
  Value work = l.mul(l.mul(l.size[i], numKeys), l.add(l.size[e], l.size[f]));
  l.parallel(dimRange(0, i), work, [&](Values at) { head(at); });
}

void Attention::head(Values at) {
  here = at;
  queryRows = l.region(l.mul(l.index(rows), l.size[e]));
  keyColumns = l.region(l.mul(l.size[e], keyStride));
  valueRows = l.region(l.mul(keysPadded, valueStride));
  scoreRows = l.region(l.mul(l.index(rows), blockWidth));
  outRows = l.region(l.mul(l.index(rows), valueStride));
  bounds = l.region(l.index(rows)), sums = l.region(l.index(rows)), rescale = l.region(l.index(rows));
  l.allocate();
  pack();
  l.loop(l.index(0), l.size[i], rows, [&](Value first) { rowsFrom(first); });
}

void Attention::pack() {
  auto read = [&](const Buffer &from, Values at, unsigned lane, Value mask) {
    Value x = l.toState(l.loadLanes(from, at, lane, mask));
    return isa<VectorType>(x.getType()) ? x : arith::SelectOp::create(b, mask, l.spread(x), l.splat(0)).getResult();
  };
  l.loop(l.index(0), keysPadded, l.lanes, [&](Value jj) {
    Value mask = l.mask(l.sub(numKeys, jj));
    l.loop(l.index(0), l.size[e], 1, [&](Value ee) {
      Values at = here;
      at[j] = jj, at[e] = ee;
      l.scratchLanes(read(key, at, j, mask), l.add(keyColumns.offset, l.add(l.mul(ee, keyStride), jj)));
    });
  });
  auto rowOf = [&](Value jj, bool present) {
    l.loop(l.index(0), valuesPadded, l.lanes, [&](Value ff) {
      Values at = here;
      at[j] = jj, at[f] = ff;
      Value x = present ? read(value, at, f, l.mask(l.sub(l.size[f], ff))) : l.splat(0);
      l.scratchLanes(x, l.add(valueRows.offset, l.add(l.mul(jj, valueStride), ff)));
    });
  };
  l.loop(l.index(0), numKeys, 1, [&](Value jj) { rowOf(jj, true); });
  l.loop(numKeys, keysPadded, 1, [&](Value jj) { rowOf(jj, false); });
}

void Attention::rowsFrom(Value first) {
  Value count = l.smaller(l.sub(l.size[i], first), l.index(rows));
  l.loop(l.index(0), l.index(rows), 1, [&](Value row) {
    l.scratchStore(l.number(-INFINITY), l.add(bounds.offset, row));
    l.scratchStore(l.number(0), l.add(sums.offset, row));
    Value present = l.less(row, count);
    l.loop(l.index(0), l.size[e], 1, [&](Value ee) {
      auto branch = scf::IfOp::create(b, TypeRange{l.state}, present, /*withElseRegion=*/true);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock());
        Values at = here;
        at[i] = l.add(first, row), at[e] = ee;
        Value x = l.toState(l.load(query, at));
        scf::YieldOp::create(b, l.times(x, l.number(op.getScale().convertToDouble())));
        b.setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(b, l.number(0));
      }
      l.scratchStore(branch.getResult(0), l.add(queryRows.offset, l.add(l.mul(row, l.size[e]), ee)));
    });
  });
  l.clear(outRows);
  Value end = numKeys;
  if (causal) {
    end = l.add(l.add(first, l.index(rows)), l.index(*causal));
    end = arith::MaxSIOp::create(b, l.smaller(end, numKeys), l.index(0));
  }
  if (online) {
    l.loop(l.index(0), end, kKeyBlock, [&](Value from) { passBlock(first, from, blockWidth); });
  } else {
    passBlock(first, l.index(0), blockWidth);
  }
  finish(first);
  if (!probabilities)
    return;
  if (!online)
    return writeProbabilities(first, l.index(0), blockWidth);
  l.loop(l.index(0), numKeys, kKeyBlock, [&](Value from) {
    scoreBlock(first, from, blockWidth, [&](Value row, ArrayRef<Value>, Value place, Value, Value score) {
      l.scratchLanes(weight(score, l.spread(l.scratchLoad(l.add(bounds.offset, row)))), place);
    });
    writeProbabilities(first, from, blockWidth);
  });
}

/// Scores of a block of keys for the rows: a product, then the region for each vector. `use` gets the final score.
void Attention::scoreBlock(Value first, Value from, Value width,
                           llvm::function_ref<void(Value, ArrayRef<Value>, Value, Value, Value)> use) {
  MixerLoops::Product p;
  p.dst = scoreRows.offset, p.dstStride = width, p.a = queryRows.offset, p.aRow = l.size[e], p.aInner = l.index(1);
  p.b = l.add(keyColumns.offset, from), p.bStride = keyStride, p.rows = l.index(rows), p.inner = l.size[e],
  p.cols = width;
  p.rowTile = rows;
  l.product(p);
  Value step = l.laneNumbers();
  Value count = l.smaller(l.sub(l.size[i], first), l.index(rows));
  l.loop(l.index(0), count, 1, [&](Value row) {
    l.loop(l.index(0), width, l.lanes, [&](Value column) {
      Values at = here;
      at[i] = l.add(first, row), at[j] = l.add(from, column);
      Value place = l.add(scoreRows.offset, l.add(l.mul(row, width), column));
      Value score = l.scratchLanes(place), mask = l.mask(l.sub(numKeys, at[j]));
      if (!op.getScore().empty()) {
        Values arguments{score};
        for (unsigned d = 0; d < i; ++d)
          arguments.push_back(at[d]);
        arguments.push_back(at[i]);
        arguments.push_back(arith::AddIOp::create(b, step, vector::BroadcastOp::create(b, step.getType(), at[j])));
        for (const Buffer &m : modifiers)
          arguments.push_back(l.loadLanes(m, at, j, mask));
        score = wide(l.inlined(op.getScore().front(), arguments)[0]);
      }
      score = arith::SelectOp::create(b, mask, score, l.splat(-INFINITY));
      use(row, at, place, at[j], score);
    });
  });
}

void Attention::passBlock(Value first, Value from, Value width) {
  scoreBlock(first, from, width,
             [&](Value, ArrayRef<Value>, Value place, Value, Value score) { l.scratchLanes(score, place); });
  Value count = l.smaller(l.sub(l.size[i], first), l.index(rows));
  l.loop(l.index(0), count, 1, [&](Value row) {
    Value line = l.add(scoreRows.offset, l.mul(row, width));
    Value top = l.loop(l.index(0), width, l.lanes, {l.splat(-INFINITY)}, [&](Value c, ValueRange now) {
      return Values{arith::MaximumFOp::create(b, now[0], l.scratchLanes(l.add(line, c)))};
    })[0];
    Value old = l.scratchLoad(l.add(bounds.offset, row));
    Value bound =
        arith::MaximumFOp::create(b, old, vector::ReductionOp::create(b, vector::CombiningKind::MAXIMUMF, top));
    Value wideBound = l.spread(bound);
    Value sum = l.loop(l.index(0), width, l.lanes, {l.splat(0)}, [&](Value c, ValueRange now) {
      Value w = weight(l.scratchLanes(l.add(line, c)), wideBound);
      l.scratchLanes(w, l.add(line, c));
      return Values{l.plus(now[0], w)};
    })[0];
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, old, l.number(-INFINITY));
    Value kept = math::ExpOp::create(b, arith::SubFOp::create(b, old, bound));
    kept = arith::SelectOp::create(b, none, l.number(0), kept);
    Value added = vector::ReductionOp::create(b, vector::CombiningKind::ADD, sum, arith::FastMathFlags::reassoc);
    Value before = l.scratchLoad(l.add(sums.offset, row));
    l.scratchStore(l.plus(l.times(before, kept), added), l.add(sums.offset, row));
    l.scratchStore(bound, l.add(bounds.offset, row));
    l.scratchStore(kept, l.add(rescale.offset, row));
  });
  MixerLoops::Product p;
  p.dst = outRows.offset, p.dstStride = p.bStride = valueStride, p.a = scoreRows.offset, p.aRow = width,
  p.aInner = l.index(1);
  p.b = l.add(valueRows.offset, l.mul(from, valueStride)), p.rows = l.index(rows), p.inner = width,
  p.cols = valuesPadded;
  p.rowTile = rows, p.start = MixerLoops::Product::Scaled, p.factors = rescale.offset;
  l.product(p);
}

void Attention::finish(Value first) {
  l.loop(l.index(0), l.smaller(l.sub(l.size[i], first), l.index(rows)), 1, [&](Value row) {
    Values at = here;
    at[i] = l.add(first, row);
    Value sum = l.scratchLoad(l.add(sums.offset, row));
    l.loop(l.index(0), l.size[f], l.lanes, [&](Value ff) {
      at[f] = ff;
      Value x = l.scratchLanes(l.add(outRows.offset, l.add(l.mul(row, valueStride), ff)));
      l.storeLanes(output, at, f, l.mask(l.sub(l.size[f], ff)), normalised(x, l.spread(sum)));
    });
    if (logSumExp)
      l.store(logSumExp, at,
              arith::AddFOp::create(b, l.scratchLoad(l.add(bounds.offset, row)), math::LogOp::create(b, sum)));
  });
}

void Attention::writeProbabilities(Value first, Value from, Value width) {
  l.loop(l.index(0), l.smaller(l.sub(l.size[i], first), l.index(rows)), 1, [&](Value row) {
    Value sum = l.spread(l.scratchLoad(l.add(sums.offset, row)));
    l.loop(l.index(0), width, l.lanes, [&](Value column) {
      Values at = here;
      at[i] = l.add(first, row), at[j] = l.add(from, column);
      Value x = l.scratchLanes(l.add(scoreRows.offset, l.add(l.mul(row, width), column)));
      l.storeLanes(probabilities, at, j, l.mask(l.sub(numKeys, at[j])), normalised(x, sum));
    });
  });
}
} // namespace

void ssm::populateAttention(Registry &r) {
  r.mixer("attention", [](Operation *op, Emitter &e) {
    Attention(cast<AttentionOp>(op), e).lower();
    return success();
  });
}
