//===- Pools.cpp - MaxPool and its kin, MaxRoiPool, MaxUnpool --------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Index.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;
using Pred = arith::CmpIPredicate;

/// MaxPool, AveragePool, LpPool and their global forms: a loop over the window for each element.
LogicalResult pool(Operation *op, Emitter &e) {
  StringRef name = op->getName().stripDialect();
  bool global = name.consume_front("Global");
  Tensor x = e.operand(op, 0);
  int64_t n = x.rank() - 2;
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element(), k = computeType(t);
  auto ones = [&](StringRef attr) {
    auto v = onnx::intsAttr(op, attr);
    v.resize(n, 1);
    return v;
  };
  SmallVector<int64_t> strides = ones("strides"), dilations = ones("dilations"),
                       kernel = onnx::intsAttr(op, "kernel_shape"), pads = onnx::intsAttr(op, "pads");
  pads.resize(2 * n, 0);
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  bool isMax = name == "MaxPool", average = name == "AveragePool";
  bool includePad = onnx::intAttr(op, "count_include_pad");
  double p = onnx::intAttr(op, "p", 2);
  Index q{e};
  auto sub = [&](Value a, Value b) { return q.sub(a, b); };
  auto add = [&](Value a, Value b) { return q.add(a, b); };
  auto mul = [&](Value a, Value b) { return q.mul(a, b); };
  SmallVector<Value> starts, taps, padded; // padded: end of the padded extent, for count_include_pad
  for (int64_t i = 0; i < n; ++i) {
    Value size = e.dim(x, i + 2);
    taps.push_back(global ? size : e.index(kernel[i]));
    if (automatic.starts_with("SAME")) {
      Value reach = add(mul(sub(e.size(onnx::getDimExpr(result, i + 2)), e.index(1)), e.index(strides[i])),
                        e.index((kernel[i] - 1) * dilations[i] + 1));
      Value total = arith::MaxSIOp::create(e.b, e.loc, sub(reach, size), e.index(0));
      Value low = automatic == "SAME_LOWER" ? add(total, e.index(1)) : total;
      starts.push_back(arith::ShRUIOp::create(e.b, e.loc, low, e.index(1)));
      padded.push_back(add(size, sub(total, starts.back())));
    } else {
      bool valid = automatic == "VALID";
      starts.push_back(e.index(global || valid ? 0 : pads[i]));
      padded.push_back(add(size, e.index(global || valid ? 0 : pads[i + n])));
    }
  }
  // Gives (value, position of the maximum or number of elements).
  auto window = [&](Scalar &s, ValueRange i) -> std::pair<Value, Value> {
    Value init = isMax ? s.lowest(t) : s.constant(t, 0.0);
    SmallVector<Value> at(i.begin(), i.end());
    std::function<std::pair<Value, Value>(int64_t, Value, Value, Value)> nest =
        [&](int64_t d, Value acc, Value second, Value inside) -> std::pair<Value, Value> {
      if (d == n) {
        // Reads are clamped; what lies in the padding does not count.
        SmallVector<Value> safe(at.begin(), at.end());
        for (int64_t q = 0; q < n; ++q)
          safe[q + 2] = arith::MaxSIOp::create(
              e.b, s.loc, e.index(0), arith::MinSIOp::create(e.b, s.loc, at[q + 2], sub(e.dim(x, q + 2), e.index(1))));
        Value v = e.at(x, safe);
        if (isMax) {
          Value better = arith::AndIOp::create(e.b, s.loc, inside, s.compare(Cmp::Greater, v, acc, t));
          // The first element of a window counts even when it is the lowest value.
          Value none = arith::CmpIOp::create(e.b, s.loc, arith::CmpIPredicate::slt, second, e.index(0));
          better = arith::OrIOp::create(e.b, s.loc, better, arith::AndIOp::create(e.b, s.loc, inside, none));
          Value flat = at[0];
          bool columns = onnx::intAttr(op, "storage_order");
          flat = add(mul(at[0], e.dim(x, 1)), at[1]);
          for (int64_t q = 0; q < n; ++q)
            flat = mul(flat, e.dim(x, q + 2));
          Value inner = e.index(0);
          if (!columns)
            for (int64_t q = 0; q < n; ++q)
              inner = add(mul(inner, e.dim(x, q + 2)), safe[q + 2]);
          else
            for (int64_t q = n - 1; q >= 0; --q)
              inner = add(mul(inner, e.dim(x, q + 2)), safe[q + 2]);
          return {s.select(better, v, acc), s.select(better, add(flat, inner), second)};
        }
        if (name == "LpPool")
          v = s.pow(s.abs(v, k), s.constant(k, p), k);
        Value next = s.add(acc, v, k);
        return {s.select(inside, next, acc), s.select(inside, add(second, e.index(1)), second)};
      }
      auto loop = scf::ForOp::create(e.b, s.loc, e.index(0), taps[d], e.index(1), ValueRange{acc, second});
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      Value position =
          sub(add(mul(i[d + 2], e.index(strides[d])), mul(loop.getInductionVar(), e.index(dilations[d]))), starts[d]);
      at[d + 2] = position;
      Value ok = arith::CmpIOp::create(e.b, s.loc, arith::CmpIPredicate::ult, position, e.dim(x, d + 2));
      if (inside)
        ok = arith::AndIOp::create(e.b, s.loc, inside, ok);
      auto [a, c] = nest(d + 1, loop.getRegionIterArgs()[0], loop.getRegionIterArgs()[1], ok);
      scf::YieldOp::create(e.b, s.loc, ValueRange{a, c});
      return {loop.getResult(0), loop.getResult(1)};
    };
    return nest(0, init, isMax ? e.index(-1) : e.index(0), Value());
  };
  e.setResult(op, 0, e.generate(result, [&](Scalar &s, ValueRange i) -> Value {
    auto [acc, count] = window(s, i);
    if (average) {
      if (includePad) {
        // Elements of the window within the padded input.
        count = e.index(1);
        for (int64_t d = 0; d < n; ++d) {
          Value from = sub(mul(i[d + 2], e.index(strides[d])), starts[d]);
          Value room = sub(padded[d], from);
          Value fit = arith::CeilDivSIOp::create(e.b, s.loc, room, e.index(dilations[d]));
          count = mul(count, arith::MinSIOp::create(e.b, s.loc, fit, taps[d]));
        }
      }
      return s.div(acc, s.fromIndex(count, k), k);
    }
    if (name == "LpPool")
      return s.apply<math::PowFOp>(ValueRange{acc, s.constant(k, 1.0 / p)});
    return acc;
  }));
  if (isMax && op->getNumResults() > 1)
    if (auto second = Emitter::resultType(op, 1))
      e.setResult(op, 1, e.generate(second, [&](Scalar &s, ValueRange i) {
        return s.fromIndex(window(s, i).second, e.b.getI64Type());
      }));
  return success();
}

/// Every element goes to the place that its index names in the shape the pool had by its attributes; output_shape may
/// be larger than that.
LogicalResult maxUnpool(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), indices = e.operand(op, 1);
  RankedTensorType result = Emitter::resultType(op);
  Type t = x.element();
  int64_t n = x.rank() - 2;
  auto kernel = onnx::intsAttr(op, "kernel_shape"), strides = onnx::intsAttr(op, "strides"),
       pads = onnx::intsAttr(op, "pads");
  strides.resize(n, 1);
  pads.resize(2 * n, 0);
  Index q{e};
  SmallVector<Value> pooled = {e.dim(x, 0), e.dim(x, 1)}, counts, limits;
  for (int64_t i = 0; i < n; ++i)
    pooled.push_back(
        q.add(q.mul(q.sub(e.dim(x, i + 2), q.c(1)), q.c(strides[i])), q.c(kernel[i] - pads[i] - pads[i + n])));
  for (int64_t i = 0; i < x.rank(); ++i) {
    counts.push_back(e.dim(x, i));
    limits.push_back(e.size(onnx::getDimExpr(result, i)));
  }
  Value zero = e.fill(result, e.scalar().store(e.scalar().constant(t, 0.0), t));
  auto written = loopNest(e, counts, zero, [&](ValueRange i, ValueRange current) -> SmallVector<Value> {
    Scalar s = e.scalar();
    Value flat = s.toIndex(e.at(indices, i), indices.element()), inside = s.constant(e.b.getI1Type(), 1.0);
    SmallVector<Value> at(x.rank());
    for (int64_t d = x.rank() - 1; d >= 0; --d) {
      at[d] = d ? q.rem(flat, pooled[d]) : flat;
      flat = d ? q.div(flat, pooled[d]) : flat;
      inside = q.both(inside, q.inside(at[d], limits[d]));
    }
    // An index without a place changes nothing: it writes back what is there, at the start.
    for (Value &a : at)
      a = s.select(inside, a, q.c(0));
    Value old = tensor::ExtractOp::create(e.b, e.loc, current[0], at);
    Value v = s.select(inside, s.store(e.at(x, i), t), old);
    return {tensor::InsertOp::create(e.b, e.loc, v, current[0], at)};
  });
  e.setResult(op, 0, written[0]);
  return success();
}

/// Maximum over each cell of a grid on each region; cells may overlap by a pixel, and an empty one gives 0.
LogicalResult maxRoiPool(Operation *op, Emitter &e) {
  Tensor x = e.operand(op, 0), rois = e.operand(op, 1);
  Type t = x.element(), k = computeType(t);
  auto cells = onnx::intsAttr(op, "pooled_shape");
  double scale = onnx::floatAttr(op, "spatial_scale", 1);
  e.setResult(op, 0, e.generate(Emitter::resultType(op), [&](Scalar &s, ValueRange i) -> Value {
    Index q{e};
    auto corner = [&](int64_t column) { return e.at(rois, {i[0], q.c(column)}); };
    auto toIndex = [&](Value v) { return s.toIndex(v, k); };
    Value batch = q.clamp(toIndex(corner(0)), e.dim(x, 0));
    SmallVector<Value> from, to;
    for (int64_t d = 0; d < 2; ++d) { // rows, columns
      auto pixel = [&](int64_t column) {
        return toIndex(s.apply<math::RoundOp>(s.mul(corner(column), s.constant(k, scale), k)));
      };
      Value first = pixel(2 - d), last = pixel(4 - d), n = e.dim(x, d + 2);
      Value extent = q.max(q.add(q.sub(last, first), q.c(1)), q.c(1));
      Value cell = s.div(s.fromIndex(extent, k), s.constant(k, cells[d]), k);
      auto edge = [&](Value position, bool up) {
        Value v = s.mul(s.fromIndex(position, k), cell, k);
        v = q.add(toIndex(up ? s.apply<math::CeilOp>(v) : s.apply<math::FloorOp>(v)), first);
        return q.max(q.min(v, n), q.c(0));
      };
      from.push_back(edge(i[d + 2], false));
      to.push_back(edge(q.add(i[d + 2], q.c(1)), true));
    }
    auto best = countedLoop(e, from[0], to[0], q.c(1), s.lowest(t), [&](Value y, ValueRange outer) {
      return countedLoop(e, from[1], to[1], q.c(1), outer, [&](Value column, ValueRange inner) -> SmallVector<Value> {
        return {s.max(inner[0], e.at(x, {batch, i[1], y, column}), t)};
      });
    });
    Value empty = q.either(q.cmp(Pred::sge, from[0], to[0]), q.cmp(Pred::sge, from[1], to[1]));
    return s.select(empty, s.constant(t, 0.0), best[0]);
  }));
  return success();
}
} // namespace

void ssm::populatePools(Registry &r) {
  for (const char *name : {"MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"})
    r.lower(name, pool);
  r.lower("MaxUnpool", maxUnpool);
  r.lower("MaxRoiPool", maxRoiPool);
}
