//===- Recurrent.cpp - LSTM, GRU, RNN --------------------------------------===//
// A loop over steps carries the states; a step is a matrix of gates and then the states from them. All attributes of
// ONNX LSTM-22, GRU-22 and RNN-22 hold: directions, activations with alpha and beta, clip, peepholes, coupled input and
// forget gates, linear_before_reset, layout, sequence lengths (a finished sequence keeps its state and gives zeros).
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Activations.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace {
using Cmp = Scalar::Compare;
using Pred = arith::CmpIPredicate;
using It = utils::IteratorType;

Value activate(Scalar &s, const onnx::Activation &a, Value x, Type k) {
  auto c = [&](double v) { return s.constant(k, v); };
  auto sigmoid = [&](Value v) { return s.div(c(1), s.add(c(1), s.apply<math::ExpOp>(s.neg(v, k)), k), k); };
  StringRef n = a.name;
  if (n == "sigmoid")
    return sigmoid(x);
  if (n == "tanh")
    return s.apply<math::TanhOp>(x);
  if (n == "relu")
    return s.max(x, c(0), k);
  if (n == "affine")
    return s.add(s.mul(c(a.alpha), x, k), c(a.beta), k);
  if (n == "leakyrelu")
    return s.select(s.compare(Cmp::Less, x, c(0), k), s.mul(c(a.alpha), x, k), x);
  if (n == "thresholdedrelu")
    return s.select(s.compare(Cmp::Greater, x, c(a.alpha), k), x, c(0));
  if (n == "scaledtanh")
    return s.mul(c(a.alpha), s.apply<math::TanhOp>(s.mul(c(a.beta), x, k)), k);
  if (n == "hardsigmoid")
    return s.max(s.min(s.add(s.mul(c(a.alpha), x, k), c(a.beta), k), c(1), k), c(0), k);
  if (n == "elu")
    return s.select(s.compare(Cmp::Less, x, c(0), k), s.mul(c(a.alpha), s.sub(s.apply<math::ExpOp>(x), c(1), k), k), x);
  if (n == "softsign")
    return s.div(x, s.add(c(1), s.abs(x, k), k), k);
  return s.add(s.max(x, c(0), k), s.apply<math::Log1pOp>(s.apply<math::ExpOp>(s.neg(s.abs(x, k), k))), k); // softplus
}

enum class Cell { Rnn, Gru, Lstm };

class Recurrent {
public:
  Recurrent(Operation *op, Emitter &e) : op(op), e(e) {}
  LogicalResult lower();

private:
  Value emitDirection(int64_t d, bool reverse, Value y);
  Tensor project(Tensor left, Tensor matrix, int64_t d);
  Value bias(Scalar &s, int64_t d, Value row);
  Value clipped(Scalar &s, Value v) {
    return clip > 0 ? s.max(s.min(v, s.constant(k, clip), k), s.constant(k, -clip), k) : v;
  }
  Value index(Value base, int64_t block) {
    return arith::AddIOp::create(e.b, e.loc, base, arith::MulIOp::create(e.b, e.loc, hidden, e.index(block)));
  }
  Operation *op;
  Emitter &e;
  Cell cell;
  Tensor x, w, r, b, lens, h0, c0, p;
  Type t, k;
  bool batchFirst, linearBeforeReset, coupled;
  bool panels;        // w and r are in panels (ssm.pack)
  AffineExpr columns; // gates * hidden
  double clip;
  Value length, batch, hidden;
  SmallVector<onnx::Activation> activations;
  RankedTensorType state;
  SmallVector<Value> lastH, lastC;
};

/// left W^T for all rows of `left`, (outer..., inner): a tensor (outer..., gates * hidden) of the compute type.
Tensor Recurrent::project(Tensor left, Tensor matrix, int64_t d) {
  MLIRContext *context = e.b.getContext();
  unsigned outer = left.rank() - 1;
  SmallVector<AffineExpr> loops, dims = onnx::getDimExprs(left.type), from, matrixAt = {getAffineConstantExpr(d, context)};
  for (unsigned i = 0; i < outer + 2; ++i)
    loops.push_back(getAffineDimExpr(i, context));
  AffineExpr inner = loops[outer], column = loops[outer + 1];
  SmallVector<It> iterators(outer + 2, It::parallel);
  iterators[outer] = It::reduction;
  SmallVector<AffineExpr> to(loops.begin(), loops.begin() + outer);
  from = to;
  from.push_back(inner);
  to.push_back(column);
  if (panels)
    matrixAt.append({column.floorDiv(kPanelColumns), inner, column % kPanelColumns});
  else
    matrixAt.append({column, inner});
  dims.back() = columns;
  auto type = onnx::withDims(k, dims);
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(outer + 2, 0, exprs, context); };
  Value r = e.reduce(type, map(to), {{left, map(from)}, {matrix, map(matrixAt)}}, iterators, e.scalar().constant(k, 0.0),
                     [&](Scalar &s, Value acc, ValueRange v) { return s.add(acc, s.mul(v[0], v[1], k), k); });
  return {r, type};
}

/// Element of the bias (D, 2 * gates * hidden) at a row; 0 without a bias.
Value Recurrent::bias(Scalar &s, int64_t d, Value row) {
  return b ? e.at(b, {e.index(d), row}) : s.constant(k, 0.0);
}

Value Recurrent::emitDirection(int64_t d, bool reverse, Value y) {
  int64_t gates = onnx::gatesOf(op);
  const onnx::Activation *act = &activations[d * activations.size() / onnx::directionsOf(op)];
  auto initial = [&](Tensor from) {
    return e.generate(state, [&](Scalar &s, ValueRange i) -> Value {
      if (!from)
        return s.constant(k, 0.0);
      return batchFirst ? e.at(from, {i[0], e.index(d), i[1]}) : e.at(from, {e.index(d), i[0], i[1]});
    });
  };
  // The inputs of all steps meet their matrix at once; only the states' products wait for the step before.
  Tensor fromInput = project(x, w, d);
  SmallVector<Value> init = {initial(h0)};
  if (cell == Cell::Lstm)
    init.push_back(initial(c0));
  if (y)
    init.push_back(y);
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), length, e.index(1), init);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    Value step = loop.getInductionVar();
    Tensor h{loop.getRegionIterArgs()[0], state}, c;
    if (cell == Cell::Lstm)
      c = {loop.getRegionIterArgs()[1], state};
    auto sub = [&](Value a, Value v) -> Value { return arith::SubIOp::create(e.b, e.loc, a, v); };
    // Time of this step for one sequence, and whether the sequence still runs.
    auto timeOf = [&](Scalar &s, Value row) -> std::pair<Value, Value> {
      Value end = length, running = s.constant(e.b.getI1Type(), 1.0);
      if (lens) {
        end = s.toIndex(e.at(lens, {row}), lens.element());
        running = arith::CmpIOp::create(e.b, s.loc, Pred::slt, step, end);
      }
      Value time = reverse ? sub(sub(end, e.index(1)), step) : step;
      return {s.select(running, time, e.index(0)), running};
    };
    // Sums of a gate: x W^T + Wb, and h R^T + Rb.
    auto inputSum = [&](Scalar &s, ValueRange i, int64_t gate) {
      Value row = index(i[1], gate), time = timeOf(s, i[0]).first;
      SmallVector<Value> at = batchFirst ? SmallVector<Value>{i[0], time, row} : SmallVector<Value>{time, i[0], row};
      return s.add(e.at(fromInput, at), bias(s, d, row), k);
    };
    Tensor fromState = project(h, r, d);
    auto stateSum = [&](Scalar &s, ValueRange i, int64_t gate, Tensor products) {
      Value row = index(i[1], gate);
      return s.add(e.at(products, {i[0], row}), bias(s, d, index(row, gates)), k);
    };
    auto sum = [&](Scalar &s, ValueRange i, int64_t gate) { return s.add(inputSum(s, i, gate), stateSum(s, i, gate, fromState), k); };
    auto keepFinished = [&](Scalar &s, ValueRange i, Value next, Tensor old) {
      return lens ? s.select(timeOf(s, i[0]).second, next, e.at(old, i)) : next;
    };
    SmallVector<Value> next;
    if (cell == Cell::Rnn) {
      next.push_back(e.generate(state, [&](Scalar &s, ValueRange i) {
        return keepFinished(s, i, activate(s, act[0], clipped(s, sum(s, i, 0)), k), h);
      }));
    } else if (cell == Cell::Gru) {
      Tensor z{e.generate(state, [&](Scalar &s, ValueRange i) { return activate(s, act[0], clipped(s, sum(s, i, 0)), k); }), state};
      Tensor gate{e.generate(state, [&](Scalar &s, ValueRange i) { return activate(s, act[0], clipped(s, sum(s, i, 1)), k); }), state};
      Tensor candidateState = fromState;
      if (!linearBeforeReset) {
        Tensor gated{e.generate(state, [&](Scalar &s, ValueRange i) { return s.mul(e.at(gate, i), e.at(h, i), k); }), state};
        candidateState = project(gated, r, d);
      }
      next.push_back(e.generate(state, [&](Scalar &s, ValueRange i) {
        Value sum = stateSum(s, i, 2, candidateState);
        if (linearBeforeReset)
          sum = s.mul(e.at(gate, i), sum, k);
        Value candidate = activate(s, act[1], clipped(s, s.add(inputSum(s, i, 2), sum, k)), k);
        Value zt = e.at(z, i);
        Value mixed = s.add(s.mul(s.sub(s.constant(k, 1.0), zt, k), candidate, k), s.mul(zt, e.at(h, i), k), k);
        return keepFinished(s, i, mixed, h);
      }));
    } else {
      // Gates in ONNX's order i, o, f, c; peepholes in the order i, o, f.
      auto peep = [&](Scalar &s, ValueRange i, int64_t gate, Value pre, Tensor from) {
        return p ? s.add(pre, s.mul(e.at(p, {e.index(d), index(i[1], gate)}), e.at(from, i), k), k) : pre;
      };
      Tensor cellNext{e.generate(state, [&](Scalar &s, ValueRange i) {
        Value input = activate(s, act[0], clipped(s, peep(s, i, 0, sum(s, i, 0), c)), k);
        Value forget = coupled ? s.sub(s.constant(k, 1.0), input, k)
                               : activate(s, act[0], clipped(s, peep(s, i, 2, sum(s, i, 2), c)), k);
        Value candidate = activate(s, act[1], clipped(s, sum(s, i, 3)), k);
        return keepFinished(s, i, s.add(s.mul(forget, e.at(c, i), k), s.mul(input, candidate, k), k), c);
      }), state};
      next.push_back(e.generate(state, [&](Scalar &s, ValueRange i) {
        Value output = activate(s, act[0], clipped(s, peep(s, i, 1, sum(s, i, 1), cellNext)), k);
        return keepFinished(s, i, s.mul(output, activate(s, act[2], e.at(cellNext, i), k), k), h);
      }));
      next.push_back(cellNext.value);
    }
    if (y) {
      Tensor hNext{next[0], state};
      Value all = loop.getRegionIterArgs().back();
      auto rows = scf::ForOp::create(e.b, e.loc, e.index(0), batch, e.index(1), ValueRange{all});
      {
        OpBuilder::InsertionGuard inner(e.b);
        e.b.setInsertionPointToStart(rows.getBody());
        Value row = rows.getInductionVar();
        Scalar s = e.scalar();
        auto [time, running] = timeOf(s, row);
        auto columns = scf::ForOp::create(e.b, e.loc, e.index(0), hidden, e.index(1), ValueRange{rows.getRegionIterArgs()[0]});
        {
          OpBuilder::InsertionGuard innermost(e.b);
          e.b.setInsertionPointToStart(columns.getBody());
          Value column = columns.getInductionVar(), current = columns.getRegionIterArgs()[0];
          SmallVector<Value> at = batchFirst ? SmallVector<Value>{row, time, e.index(d), column}
                                             : SmallVector<Value>{time, e.index(d), row, column};
          Value v = s.store(e.at(hNext, {row, column}), t);
          if (lens)
            v = s.select(running, v, tensor::ExtractOp::create(e.b, e.loc, current, at));
          scf::YieldOp::create(e.b, e.loc, tensor::InsertOp::create(e.b, e.loc, v, current, at).getResult());
        }
        scf::YieldOp::create(e.b, e.loc, columns.getResult(0));
      }
      next.push_back(rows.getResult(0));
    }
    scf::YieldOp::create(e.b, e.loc, next);
  }
  lastH.push_back(loop.getResult(0));
  if (cell == Cell::Lstm)
    lastC.push_back(loop.getResult(1));
  return y ? loop.getResults().back() : Value();
}

LogicalResult Recurrent::lower() {
  StringRef name = op->getName().stripDialect();
  cell = name == "LSTM" ? Cell::Lstm : name == "GRU" ? Cell::Gru : Cell::Rnn;
  x = e.operand(op, 0), w = e.operand(op, 1), r = e.operand(op, 2), b = e.operand(op, 3);
  lens = e.operand(op, 4), h0 = e.operand(op, 5);
  if (cell == Cell::Lstm)
    c0 = e.operand(op, 6), p = e.operand(op, 7);
  t = x.element(), k = computeType(t);
  batchFirst = onnx::intAttr(op, "layout");
  linearBeforeReset = onnx::intAttr(op, "linear_before_reset");
  coupled = onnx::intAttr(op, "input_forget");
  clip = onnx::floatAttr(op, "clip", 0);
  length = e.dim(x, batchFirst ? 1 : 0), batch = e.dim(x, batchFirst ? 0 : 1);
  hidden = e.dim(r, 2);
  auto packed = op->getAttrOfType<IntegerAttr>(kColumnsAttr);
  panels = (bool)packed;
  columns = packed ? getAffineConstantExpr(packed.getInt(), op->getContext()) : onnx::getDimExpr(r.type, 1);
  StringRef direction = onnx::stringAttr(op, "direction", "forward");
  int64_t directions = onnx::directionsOf(op);
  auto found = onnx::activationsOf(op);
  if (failed(found))
    return failure();
  activations = *found;
  state = onnx::withDims(k, {onnx::getDimExpr(x.type, batchFirst ? 0 : 1), onnx::getDimExpr(r.type, 2)});
  Value y;
  if (auto type = Emitter::resultType(op, 0)) {
    Scalar s = e.scalar();
    y = e.fill(type, s.store(s.constant(t, 0.0), t));
  }
  for (int64_t d = 0; d < directions; ++d)
    y = emitDirection(d, direction == "reverse" || d == 1, y);
  if (y)
    e.setResult(op, 0, y);
  for (unsigned i = 1; i < op->getNumResults(); ++i)
    if (auto type = Emitter::resultType(op, i))
      e.setResult(op, i, e.generate(type, [&](Scalar &s, ValueRange at) -> Value {
        Value row = at[batchFirst ? 0 : 1], d = at[batchFirst ? 1 : 0];
        auto &last = i == 1 ? lastH : lastC;
        Value v = e.at({last[0], state}, {row, at[2]});
        if (directions == 2)
          v = s.select(arith::CmpIOp::create(e.b, s.loc, Pred::eq, d, e.index(0)), v, e.at({last[1], state}, {row, at[2]}));
        return v;
      }));
  return success();
}
} // namespace

void ssm::populateRecurrent(Registry &r) {
  for (const char *name : {"LSTM", "GRU", "RNN"})
    r.lower(name, [](Operation *op, Emitter &e) { return Recurrent(op, e).lower(); });
}
