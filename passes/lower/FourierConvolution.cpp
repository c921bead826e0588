//===- FourierConvolution.cpp - long convolutions by transforms ------------===//
// The length n of the transforms is the power of two that holds the sequence and the kernel, so that nothing wraps
// around. Forward by decimation in frequency, backward by decimation in time: the order of reversed bits in between
// matters to nobody. Two stages are taken at once, so that memory is passed over half as often.
//===----------------------------------------------------------------------===//
#include "passes/lower/FourierConvolution.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ssm;

void FourierConvolution::chooseDims() {
  SmallVector<AffineExpr> sizes = iterationSizes(l.op);
  auto sizeOf = [&](unsigned d) {
    auto known = dyn_cast<AffineConstantExpr>(sizes[d]);
    return known ? known.getValue() : 8;
  };
  // Lanes over the largest dim, the kernel's own first; pairs over one that shares it.
  auto better = [&](std::optional<unsigned> &best, unsigned d) {
    if (!best || sizeOf(d) > sizeOf(*best))
      best = d;
  };
  for (unsigned d = 0; d < time; ++d)
    if (MixerLoops::uses(kernel, d))
      better(lane, d);
  for (unsigned d = 0; d < time; ++d)
    if (!MixerLoops::uses(kernel, d) && (!lane || sizeOf(d) >= 2 * sizeOf(*lane)))
      better(lane, d);
  for (unsigned d = 0; d < time; ++d)
    if (!MixerLoops::uses(kernel, d) && d != lane)
      better(pair, d);
  for (unsigned d = 0; d < time; ++d)
    if (!MixerLoops::uses(kernel, d) && d != lane && d != pair)
      shared.push_back(d);
}

void FourierConvolution::lower() {
  chooseDims();
  length = l.size[time];
  count = l.smaller(l.size[taps], length);
  // The smallest power of two that holds both, and at least 2.
  Value need = l.sub(l.add(length, count), l.index(1));
  Values found = l.loop(l.index(0), l.index(62), 1, {l.index(2), l.index(1)}, [&](Value, ValueRange now) {
    Value small = l.less(now[0], need);
    Value n = arith::SelectOp::create(b, small, l.mul(now[0], l.index(2)), now[0]);
    Value stages = arith::SelectOp::create(b, small, l.add(now[1], l.index(1)), now[1]);
    return Values{n, stages};
  });
  n = found[0], stages = found[1];
  half = arith::DivUIOp::create(b, n, l.index(2));

  Values counts;
  SmallVector<unsigned> dims;
  for (unsigned d = 0; d < time; ++d)
    if (d != lane && d != pair && !llvm::is_contained(shared, d)) {
      counts.push_back(l.size[d]);
      dims.push_back(d);
    }
  if (lane) {
    counts.push_back(arith::CeilDivSIOp::create(b, l.size[*lane], l.index(l.lanes)));
    dims.push_back(*lane);
  }
  Value work = l.mul(l.mul(n, stages), l.index(4 * l.lanes));
  l.parallelOver(counts, work, [&](ArrayRef<Value> part) {
    Values at(l.size.size());
    for (auto [d, i] : llvm::zip_equal(dims, part))
      at[d] = d == lane ? l.mul(i, l.index(l.lanes)) : i;
    mask = lane ? l.mask(l.sub(l.size[*lane], at[*lane])) : l.mask(l.index(1));
    Value complexes = l.mul(n, l.index(2 * l.lanes));
    data = l.region(complexes);
    spectrum = l.region(complexes);
    table = l.region(l.mul(n, l.index(2)));
    l.allocate();
    fillTable();
    loadKernel(at);
    std::function<void(size_t)> nest = [&](size_t depth) {
      if (depth == shared.size())
        return rows(at);
      l.loop(l.index(0), l.size[shared[depth]], 1, [&](Value i) {
        at[shared[depth]] = i;
        nest(depth + 1);
      });
    };
    nest(0);
  });
}

/// cos and sin of all k below n / 2 by doubling: those of k + s are those of k turned by s, where s is half of what is
/// known. Numbers of the table are pairs of a number and what it leaves of a float64, so that no error grows.
void FourierConvolution::fillTable() {
  Type f64 = b.getF64Type();
  auto wide = [&](double v) -> Value { return arith::ConstantOp::create(b, b.getF64FloatAttr(v)); };
  auto toWide = [&](Value v) -> Value { return l.state.isF64() ? v : (Value)arith::ExtFOp::create(b, f64, v); };
  auto narrow = [&](Value v) -> Value { return l.state.isF64() ? v : (Value)arith::TruncFOp::create(b, l.state, v); };
  auto place = [&](Value k, int64_t which) { return l.add(table.offset, l.add(l.mul(k, l.index(4)), l.index(which))); };
  auto store = [&](Value k, int64_t which, Value v) {
    Value high = narrow(v);
    l.scratchStore(high, place(k, which));
    l.scratchStore(narrow(arith::SubFOp::create(b, v, toWide(high))), place(k, which + 1));
  };
  auto load = [&](Value k, int64_t which) -> Value {
    return arith::AddFOp::create(b, toWide(l.scratchLoad(place(k, which))), toWide(l.scratchLoad(place(k, which + 1))));
  };
  store(l.index(0), 0, wide(1));
  store(l.index(0), 2, wide(0));
  // Known are the multiples of `stride`; the turn by half of it is (c, s).
  l.loop(l.index(1), stages, 1, {half, wide(0), wide(1)}, [&](Value, ValueRange now) {
    Value stride = now[0], c = now[1], s = now[2];
    Value step = arith::DivUIOp::create(b, stride, l.index(2));
    l.loop(l.index(0), arith::DivUIOp::create(b, half, stride), 1, [&](Value i) {
      Value from = l.mul(i, stride), to = l.add(from, step), x = load(from, 0), y = load(from, 2);
      auto product = [&](Value p, Value q) -> Value { return arith::MulFOp::create(b, p, q); };
      store(to, 0, arith::SubFOp::create(b, product(x, c), product(y, s)));
      store(to, 2, arith::AddFOp::create(b, product(x, s), product(y, c)));
    });
    Value half_ = math::SqrtOp::create(b, arith::MulFOp::create(b, arith::AddFOp::create(b, c, wide(1)), wide(0.5)));
    Value sine = arith::DivFOp::create(b, s, arith::MulFOp::create(b, half_, wide(2)));
    return Values{step, half_, sine};
  });
}

Value FourierConvolution::read(const Buffer &from, ArrayRef<Value> at) {
  Value x = lane ? l.toState(l.loadLanes(from, at, *lane, mask)) : l.toState(l.load(from, at));
  return isa<VectorType>(x.getType()) ? x : l.spread(x);
}

FourierConvolution::Complex FourierConvolution::get(Value data, Value k) {
  Value at = l.add(data, l.mul(k, l.index(2 * l.lanes)));
  return {l.scratchLanes(at), l.scratchLanes(l.add(at, l.index(l.lanes)))};
}
void FourierConvolution::put(Value data, Value k, Complex x) {
  Value at = l.add(data, l.mul(k, l.index(2 * l.lanes)));
  l.scratchLanes(x.re, at);
  l.scratchLanes(x.im, l.add(at, l.index(l.lanes)));
}
FourierConvolution::Complex FourierConvolution::plus(Complex x, Complex y) {
  return {arith::AddFOp::create(b, x.re, y.re), arith::AddFOp::create(b, x.im, y.im)};
}
FourierConvolution::Complex FourierConvolution::minus(Complex x, Complex y) {
  return {arith::SubFOp::create(b, x.re, y.re), arith::SubFOp::create(b, x.im, y.im)};
}
FourierConvolution::Complex FourierConvolution::times(Complex x, Complex y) {
  Value minusIm = arith::NegFOp::create(b, x.im);
  return {l.fma(x.re, y.re, arith::MulFOp::create(b, minusIm, y.im)),
          l.fma(x.re, y.im, arith::MulFOp::create(b, x.im, y.re))};
}
FourierConvolution::Complex FourierConvolution::turn(Value k, bool conjugate) {
  Value at = l.add(table.offset, l.mul(k, l.index(4)));
  Value c = l.scratchLoad(at), s = l.scratchLoad(l.add(at, l.index(2)));
  return {l.spread(c), l.spread(conjugate ? s : (Value)arith::NegFOp::create(b, s))};
}

/// x times i, or -i.
template <typename Complex> static Complex quarter(ImplicitLocOpBuilder &b, Complex x, bool conjugate) {
  return conjugate ? Complex{arith::NegFOp::create(b, x.im), x.re} : Complex{x.im, arith::NegFOp::create(b, x.re)};
}

// A stage of width h takes elements h apart: x, y -> x + y, (x - y) w^k, with w^k = exp(-pi i k / h). Its turns are
// every (n / 2h)-th of the table.
void FourierConvolution::forward(Value at) {
  Value pairs = arith::DivUIOp::create(b, stages, l.index(2));
  // Stages h and h / 2 together, on x_0 ... x_3 that are h / 2 apart.
  Value width = l.loop(l.index(0), pairs, 1, {half}, [&](Value, ValueRange now) {
    Value h = now[0], quarterWidth = arith::DivUIOp::create(b, h, l.index(2)),
          stride = arith::DivUIOp::create(b, half, h);
    l.loop(l.index(0), stride, 1, [&](Value block) {
      Value base = l.mul(block, l.mul(h, l.index(2)));
      l.loop(l.index(0), quarterWidth, 1, [&](Value k) {
        Complex x[4], w = turn(l.mul(k, stride), false), v = turn(l.mul(k, l.mul(stride, l.index(2))), false);
        Values place;
        for (int64_t i = 0; i < 4; ++i) {
          place.push_back(l.add(l.add(base, k), l.mul(quarterWidth, l.index(i))));
          x[i] = get(at, place[i]);
        }
        Complex a = plus(x[0], x[2]), c = plus(x[1], x[3]), d = times(minus(x[0], x[2]), w),
                e = quarter(b, times(minus(x[1], x[3]), w), false);
        put(at, place[0], plus(a, c));
        put(at, place[1], times(minus(a, c), v));
        put(at, place[2], plus(d, e));
        put(at, place[3], times(minus(d, e), v));
      });
    });
    return Values{Value(arith::DivUIOp::create(b, h, l.index(4)))};
  })[0];
  // One is left of an odd number, of width 1.
  l.when(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, width, l.index(1)), [&] {
    l.loop(l.index(0), half, 1, [&](Value i) {
      Value k = l.mul(i, l.index(2));
      Complex x = get(at, k), y = get(at, l.add(k, l.index(1)));
      put(at, k, plus(x, y));
      put(at, l.add(k, l.index(1)), minus(x, y));
    });
  });
}

// The same backwards: x, y -> x + y w^-k, x - y w^-k.
void FourierConvolution::backward(Value at) {
  Value pairs = arith::DivUIOp::create(b, stages, l.index(2));
  Value odd = arith::RemUIOp::create(b, stages, l.index(2));
  l.loop(l.index(0), l.mul(odd, half), 1, [&](Value i) {
    Value k = l.mul(i, l.index(2));
    Complex x = get(at, k), y = get(at, l.add(k, l.index(1)));
    put(at, k, plus(x, y));
    put(at, l.add(k, l.index(1)), minus(x, y));
  });
  l.loop(l.index(0), pairs, 1, {l.add(odd, l.index(1))}, [&](Value, ValueRange now) {
    Value h = now[0], stride = arith::DivUIOp::create(b, half, h),
          finer = arith::DivUIOp::create(b, stride, l.index(2));
    // Stages h and 2 h, on x_0 ... x_3 that are h apart.
    l.loop(l.index(0), finer, 1, [&](Value block) {
      Value base = l.mul(block, l.mul(h, l.index(4)));
      l.loop(l.index(0), h, 1, [&](Value k) {
        Complex x[4], v = turn(l.mul(k, stride), true), w = turn(l.mul(k, finer), true);
        Values place;
        for (int64_t i = 0; i < 4; ++i) {
          place.push_back(l.add(l.add(base, k), l.mul(h, l.index(i))));
          x[i] = get(at, place[i]);
        }
        Complex p = times(x[1], v), q = times(x[3], v), a = plus(x[0], p), c = minus(x[0], p),
                d = times(plus(x[2], q), w), e = quarter(b, times(minus(x[2], q), w), true);
        put(at, place[0], plus(a, d));
        put(at, place[1], plus(c, e));
        put(at, place[2], minus(a, d));
        put(at, place[3], minus(c, e));
      });
    });
    return Values{l.mul(h, l.index(4))};
  });
}

void FourierConvolution::loadKernel(Values at) {
  // The factor 1 / n of the way back is the kernel's.
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), n);
  Value scale = l.spread(arith::DivFOp::create(b, l.number(1), arith::SIToFPOp::create(b, l.state, integer)));
  l.loop(l.index(0), count, 1, [&](Value j) {
    at[taps] = j;
    put(spectrum.offset, j, {l.times(read(kernel, at), scale), l.splat(0)});
  });
  l.loop(count, n, 1, [&](Value j) { put(spectrum.offset, j, {l.splat(0), l.splat(0)}); });
  forward(spectrum.offset);
}

void FourierConvolution::rows(Values at) {
  if (!pair)
    return pairOfRows(at);
  l.loop(l.index(0), l.size[*pair], 2, [&](Value i) {
    at[*pair] = i;
    pairOfRows(at);
  });
}

void FourierConvolution::pairOfRows(Values at) {
  Values other = at;
  Value present;
  if (pair) {
    Value next = l.add(at[*pair], l.index(1)), last = l.sub(l.size[*pair], l.index(1));
    present = l.less(next, l.size[*pair]);
    other[*pair] = l.smaller(next, last);
  }
  auto index = [&](Value t) { return reverse ? l.sub(l.sub(length, l.index(1)), t) : t; };
  l.loop(l.index(0), length, 1, [&](Value t) {
    at[time] = other[time] = index(t);
    put(data.offset, t, {read(input, at), pair ? read(input, other) : l.splat(0)});
  });
  l.loop(length, n, 1, [&](Value t) { put(data.offset, t, {l.splat(0), l.splat(0)}); });
  forward(data.offset);
  l.loop(l.index(0), n, 1, [&](Value k) { put(data.offset, k, times(get(data.offset, k), get(spectrum.offset, k))); });
  backward(data.offset);
  auto write = [&](Values to, bool second) {
    l.loop(l.index(0), length, 1, [&](Value t) {
      to[time] = index(t);
      Complex y = get(data.offset, t);
      Value v = second ? y.im : y.re;
      if (lane)
        l.storeLanes(output, to, *lane, mask, v);
      else
        l.store(output, to, vector::ExtractOp::create(b, v, ArrayRef<int64_t>{0}));
    });
  };
  write(at, false);
  if (pair)
    l.when(present, [&] { write(other, true); });
}
