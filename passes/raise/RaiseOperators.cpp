//===- RaiseOperators.cpp - operators that are sequence mixers -------------===//
// Expects: @main after fold. Leaves: no onnx.CausalConvWithState, each is one ssm.causal_conv; no onnx.LSTM, GRU and
// RNN with states, each is an ssm.recurrence for each direction (RecurrentOperators.cpp); and no onnx.LinearAttention,
// each is one ssm.semiseparable, for every update rule:
//
//   linear        S = S + k v^T                         gated        S = e^g S + k v^T
//   delta         S = S + b k (v - S^T k)^T             gated_delta  S = e^g S + b k (v - e^g S^T k)^T
//
// The delta rules are a rank-one erasure: S - b k (S^T k)^T = S + (-b k) k^T S, with k e^g where the state has decayed.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/RecurrentOperators.h"
#include "passes/raise/Tensors.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISEOPERATORS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
LogicalResult raiseLinearAttention(Operation *op) {
  OpBuilder b(op);
  MLIRContext *context = op->getContext();
  Location loc = fusedLocation({op});
  Tensors t{b, loc};
  int64_t heads = onnx::intAttr(op, "q_num_heads"), shared = onnx::intAttr(op, "kv_num_heads"), group = heads / shared;
  StringRef rule = onnx::stringAttr(op, "update_rule", "gated_delta");
  Value q = op->getOperand(0), k = op->getOperand(1), v = op->getOperand(2), initial = op->getOperand(3),
        decay = op->getOperand(4), beta = op->getOperand(5);
  auto qDims = onnx::getDimExprs(t.typeOf(q)), kDims = onnx::getDimExprs(t.typeOf(k)),
       vDims = onnx::getDimExprs(t.typeOf(v));
  auto num = [&](int64_t n) { return getAffineConstantExpr(n, context); };
  AffineExpr batch = qDims[0], length = qDims[1], keys = kDims[2].floorDiv(shared), values = vDims[2].floorDiv(shared);
  bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return op->emitError("unknown update_rule '") << rule << "'";
  if ((gated && onnx::isNone(decay)) || (delta && onnx::isNone(beta)))
    return op->emitError("update_rule '") << rule << "' needs " << (gated && onnx::isNone(decay) ? "decay" : "beta");
  Type element = t.typeOf(q).getElementType();

  // Dims b, h, g, t, k, v: g query heads share one state.
  auto d = [&](unsigned i) { return getAffineDimExpr(i, context); };
  auto map = [&](ArrayRef<unsigned> dims) {
    SmallVector<AffineExpr> exprs;
    for (unsigned i : dims)
      exprs.push_back(d(i));
    return AffineMap::get(6, 0, exprs, context);
  };
  double scale = onnx::floatAttr(op, "scale", 0);
  if (auto width = dyn_cast<AffineConstantExpr>(keys); width && scale == 0)
    scale = 1 / std::sqrt((double)width.getValue());
  Value query = t.reshape(q, {batch, length, num(shared), num(group), keys});
  if (scale != 1) {
    query = t.wide(query);
    Type wide = t.typeOf(query).getElementType();
    if (scale != 0) {
      query = t.mul(query, t.number(scale, wide));
    } else {
      Value root = t.make("Sqrt", {t.sizeOf(keys, wide)}, RankedTensorType::get({1}, wide));
      query = t.make("Div", {query, root}, t.typeOf(query));
    }
  }
  Value key = t.reshape(k, {batch, length, num(shared), keys});
  Value value = t.reshape(v, {batch, length, num(shared), values});

  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  SmallVector<int32_t> segments(9, 0);
  auto add = [&](unsigned which, Value x, ArrayRef<unsigned> dims) {
    operands.push_back(x);
    maps.push_back(map(dims));
    segments[which] = 1;
  };
  Value logDecay, erase, update = key;
  bool perKey = false;
  if (gated) {
    auto dims = onnx::getDimExprs(t.typeOf(decay));
    // One per head, or one per key of a head.
    perKey = !(isa<AffineConstantExpr>(dims[2]) && cast<AffineConstantExpr>(dims[2]).getValue() == shared &&
               !(isa<AffineConstantExpr>(keys) && cast<AffineConstantExpr>(keys).getValue() == 1));
    logDecay = perKey ? t.reshape(decay, {batch, length, num(shared), keys}) : decay;
  }
  if (delta) {
    auto dims = onnx::getDimExprs(t.typeOf(beta));
    Value rate = t.wide(t.reshape(beta, {batch, length, dims[2], num(1)}));
    key = t.wide(key);
    update = t.mul(key, rate);
    erase = t.make("Neg", {update}, t.typeOf(update));
  }
  add(0, query, {0, 3, 1, 2, 4});
  add(1, update, {0, 3, 1, 4});
  add(2, value, {0, 3, 1, 5});
  if (gated)
    add(3, logDecay, perKey ? ArrayRef<unsigned>{0, 3, 1, 4} : ArrayRef<unsigned>{0, 3, 1});
  if (delta) {
    Value right = key;
    if (gated) {
      Value log = t.wide(logDecay), factor = t.make("Exp", {log}, t.typeOf(log));
      if (!perKey)
        factor = t.reshape(factor, {batch, length, num(shared), num(1)});
      right = t.mul(key, factor);
    }
    add(4, erase, {0, 3, 1, 4});
    add(5, right, {0, 3, 1, 4});
  }
  if (!onnx::isNone(initial))
    add(8, initial, {0, 1, 4, 5});

  bool final = !isa<NoneType>(op->getResult(1).getType()) && !op->getResult(1).use_empty();
  SmallVector<Type> types = {onnx::withDims(element, {batch, length, num(shared), num(group), values})};
  maps.push_back(map({0, 3, 1, 2, 5}));
  if (final) {
    types.push_back(
        onnx::withDims(t.typeOf(op->getResult(1)).getElementType(), {batch, num(shared), num(group), keys, values}));
    maps.push_back(map({0, 1, 2, 4, 5}));
  }
  OperationState state(loc, SemiseparableOp::getOperationName());
  state.addOperands(operands);
  state.addTypes(types);
  SmallVector<Attribute> mapAttrs;
  for (AffineMap m : maps)
    mapAttrs.push_back(AffineMapAttr::get(m));
  state.addAttribute("indexing_maps", b.getArrayAttr(mapAttrs));
  state.addAttribute(SemiseparableOp::getOperandSegmentSizeAttr(), b.getDenseI32ArrayAttr(segments));
  state.addAttribute(SemiseparableOp::getResultSegmentSizeAttr(), b.getDenseI32ArrayAttr({1, final, 0}));
  Operation *mixer = b.create(state);
  op->getResult(0).replaceAllUsesWith(reshapeTo(b, loc, mixer->getResult(0), t.typeOf(op->getResult(0))));
  if (final) {
    Value states = mixer->getResult(1);
    if (group > 1) { // all query heads of a group hold the same state
      auto ints = [&](int64_t n) {
        auto type = RankedTensorType::get({1}, b.getI64Type());
        return (Value)onnx::ConstantOp::create(b, loc, type, DenseIntElementsAttr::get(type, ArrayRef<int64_t>{n}));
      };
      auto type = onnx::withDims(t.typeOf(states).getElementType(), {batch, num(shared), num(1), keys, values});
      states = t.make("Slice", {states, ints(0), ints(1), ints(2), ints(1)}, type);
    }
    op->getResult(1).replaceAllUsesWith(reshapeTo(b, loc, states, t.typeOf(op->getResult(1))));
  }
  op->erase();
  return success();
}

/// CausalConvWithState: input (B, C, L), weight (C, 1, K), optional bias (C) and past (B, C, K-1).
LogicalResult raiseCausalConv(Operation *op) {
  OpBuilder b(op);
  Location loc = fusedLocation({op});
  Tensors t{b, loc};
  StringRef activation = onnx::stringAttr(op, "activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    return op->emitError("unknown activation '") << activation << "'";
  auto d = [&](unsigned i) { return b.getAffineDimExpr(i); };
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMapAttr::get(AffineMap::get(4, 0, exprs, b.getContext()));
  };
  SmallVector<Value> operands = {op->getOperand(0), op->getOperand(1)}; // dims b, c, t, j
  SmallVector<Attribute> maps = {map({d(0), d(1), d(2)}), map({d(1), b.getAffineConstantExpr(0), d(3)})};
  bool bias = !onnx::isNone(op->getOperand(2)), past = !onnx::isNone(op->getOperand(3));
  if (bias) {
    operands.push_back(op->getOperand(2));
    maps.push_back(map({d(1)}));
  }
  if (past) {
    operands.push_back(op->getOperand(3));
    maps.push_back(map({d(0), d(1), d(3)}));
  }
  auto type = t.typeOf(op->getResult(0));
  SmallVector<Type> types = {type};
  maps.push_back(map({d(0), d(1), d(2)}));
  bool final = !isa<NoneType>(op->getResult(1).getType()) && !op->getResult(1).use_empty();
  if (final) {
    types.push_back(op->getResult(1).getType());
    maps.push_back(map({d(0), d(1), d(3)}));
  }
  OperationState state(loc, CausalConvOp::getOperationName());
  state.addOperands(operands);
  state.addTypes(types);
  state.addAttribute("indexing_maps", b.getArrayAttr(maps));
  state.addAttribute(CausalConvOp::getOperandSegmentSizeAttr(), b.getDenseI32ArrayAttr({1, 1, bias, past}));
  Operation *mixer = b.create(state);
  Value y = mixer->getResult(0);
  if (activation != "none")
    y = t.mul(y, t.make("Sigmoid", {y}, type));
  op->getResult(0).replaceAllUsesWith(y);
  if (final)
    op->getResult(1).replaceAllUsesWith(mixer->getResult(1));
  op->erase();
  return success();
}

struct RaiseOperatorsPass : ssm::impl::RaiseOperatorsBase<RaiseOperatorsPass> {
  void runOnOperation() override {
    SmallVector<Operation *> found;
    getOperation().walk([&](Operation *op) {
      StringRef name = op->getName().getStringRef();
      if (name == "onnx.LinearAttention" || name == "onnx.CausalConvWithState" || isRecurrentOperator(op))
        found.push_back(op);
    });
    for (Operation *op : found)
      if (failed(isRecurrentOperator(op)                             ? raiseRecurrent(op)
                 : op->getName().stripDialect() == "LinearAttention" ? raiseLinearAttention(op)
                                                                     : raiseCausalConv(op)))
        signalPassFailure();
  }
};
} // namespace
