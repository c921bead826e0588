//===- LowerDispatch.cpp - operators of a dispatch to upstream dialects ----===//
// Expects: a function with ssm.dispatch whose body is onnx and ssm operators on ranked tensors with symbolic sizes.
// Leaves: the form of docs/internals.md, section 4. Linear in the number of operators.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/lower/Passes.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_LOWERDISPATCH
#include "passes/lower/Passes.h.inc"
} // namespace ssm

namespace {

/// Neighbouring elementwise operators over one index space, made into one linalg.generic when the run ends.
class ElementwiseRun {
public:
  explicit ElementwiseRun(Emitter &e) : e(e) {}
  bool accepts(Operation *op) const {
    return ops.empty() || onnx::getDimExprs(Emitter::resultType(op)) == onnx::getDimExprs(Emitter::resultType(ops[0]));
  }
  void add(Operation *op) { ops.push_back(op), members.insert(op); }
  bool empty() const { return ops.empty(); }
  void emit();

private:
  Value elementOf(Value operand, Operation *user, unsigned number, Scalar &s);
  Emitter &e;
  SmallVector<Operation *> ops;
  llvm::SmallPtrSet<Operation *, 8> members;
  // While emitting: reads of each (tensor, map), index values, and what each operator gave.
  DenseMap<Value, Value> computed;
  SmallVector<Emitter::Access> accesses;
  DenseMap<std::pair<Operation *, unsigned>, int> accessOf;
  ValueRange arguments;
};

/// Where an operand is read, over the dims of the result; null for a dimension of which only run time knows whether it
/// has one element or as many as the result.
SmallVector<AffineExpr> indexExprs(Operation *op, unsigned operand, Tensor t, RankedTensorType space) {
  SmallVector<AffineExpr> exprs;
  if (const Lowering *lowering = Registry::get().lookup(op); lowering->align)
    exprs = lowering->align(op, operand);
  if (exprs.empty())
    for (int64_t i = 0; i < t.rank(); ++i)
      exprs.push_back(getAffineDimExpr(space.getRank() - t.rank() + i, op->getContext()));
  for (auto [i, e] : llvm::enumerate(exprs)) {
    auto d = dyn_cast<AffineDimExpr>(e);
    AffineExpr have = onnx::getDimExpr(t.type, i);
    if (!d || have == onnx::getDimExpr(space, d.getPosition()))
      continue;
    auto size = dyn_cast<AffineConstantExpr>(have);
    if (!size)
      e = {};
    else if (size.getValue() == 1)
      e = getAffineConstantExpr(0, op->getContext());
  }
  return exprs;
}

void ElementwiseRun::emit() {
  if (ops.empty())
    return;
  RankedTensorType space = Emitter::resultType(ops[0]);
  OpBuilder &b = e.b;
  e.loc = ops.back()->getLoc();
  MLIRContext *context = b.getContext();
  const Registry &registry = Registry::get();

  // Operands from outside become inputs where the way they are indexed is known now.
  for (Operation *op : ops) {
    for (OpOperand &use : op->getOpOperands()) {
      Value v = use.get();
      if (onnx::isNone(v) || members.contains(v.getDefiningOp()))
        continue;
      if (auto constant = onnx::constantValue(v); constant && constant.getNumElements() == 1)
        continue;
      Tensor t = e.tensorOf(v);
      if (t.rank() > space.getRank())
        continue; // an operand that only gives its type (CastLike)
      auto exprs = indexExprs(op, use.getOperandNumber(), t, space);
      if (llvm::is_contained(exprs, AffineExpr()))
        continue;
      AffineMap map = AffineMap::get(space.getRank(), 0, exprs, context);
      int found = -1;
      for (auto [i, a] : llvm::enumerate(accesses))
        if (a.tensor.value == t.value && a.map == map)
          found = i;
      if (found < 0) {
        found = accesses.size();
        accesses.push_back({t, map});
      }
      accessOf[{op, use.getOperandNumber()}] = found;
    }
  }

  SmallVector<Value> outputs, inits, ins;
  for (Operation *op : ops)
    if (llvm::any_of(op->getUsers(), [&](Operation *user) { return !members.contains(user); })) {
      outputs.push_back(op->getResult(0));
      inits.push_back(e.empty(Emitter::resultType(op)));
    }
  SmallVector<AffineMap> maps;
  for (auto &a : accesses) {
    ins.push_back(a.tensor.value);
    maps.push_back(a.map);
  }
  maps.append(outputs.size(), b.getMultiDimIdentityMap(space.getRank()));
  SmallVector<utils::IteratorType> iterators(space.getRank(), utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, e.loc, TypeRange(ValueRange(inits)), ins, inits, maps, iterators,
      [&](OpBuilder &nested, Location l, ValueRange args) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(nested.getInsertionBlock());
        arguments = args;
        for (Operation *op : ops) {
          Scalar s(b, op->getLoc());
          SmallVector<Value> operands;
          for (OpOperand &use : op->getOpOperands())
            operands.push_back(elementOf(use.get(), op, use.getOperandNumber(), s));
          Value v = registry.lookup(op)->element(op, s, operands);
          // What a consumer in the run reads has been rounded to the result's type, as a buffer would have it.
          Type t = Emitter::resultType(op).getElementType();
          if (computeType(t) != storageType(t) && isa<FloatType>(t) && !isSmallFloat(t))
            v = s.load(s.store(v, t), t);
          computed[op->getResult(0)] = v;
        }
        SmallVector<Value> yields;
        for (Value v : outputs)
          yields.push_back(Scalar(b, l).store(computed[v], cast<RankedTensorType>(v.getType()).getElementType()));
        linalg::YieldOp::create(b, l, yields);
      });
  for (auto [v, r] : llvm::zip(outputs, generic.getResults()))
    e.setTensor(v, r);
  ops.clear();
  members.clear();
  computed.clear();
  accesses.clear();
  accessOf.clear();
}

Value ElementwiseRun::elementOf(Value v, Operation *user, unsigned number, Scalar &s) {
  if (onnx::isNone(v))
    return {};
  if (Value c = computed.lookup(v))
    return c;
  auto type = cast<RankedTensorType>(v.getType());
  if (auto constant = onnx::constantValue(v); constant && constant.getNumElements() == 1)
    return s.attribute(type.getElementType(), *constant.getValues<Attribute>().begin());
  if (auto it = accessOf.find({user, number}); it != accessOf.end())
    return s.load(arguments[it->second], type.getElementType());
  SmallVector<Value> indices;
  auto space = Emitter::resultType(user);
  if (type.getRank() > space.getRank())
    return {};
  for (int64_t i = 0; i < space.getRank(); ++i)
    indices.push_back(linalg::IndexOp::create(s.b, s.loc, i));
  const Lowering *lowering = Registry::get().lookup(user);
  SmallVector<AffineExpr> aligned;
  if (lowering->align)
    aligned = lowering->align(user, number);
  if (aligned.empty())
    return e.atBroadcast(e.tensorOf(v), space, indices);
  SmallVector<Value> own;
  for (auto [i, expr] : llvm::enumerate(aligned)) {
    Value at = affine::expandAffineExpr(s.b, s.loc, expr, indices, {});
    Value one = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::eq, e.dim(e.tensorOf(v), i), s.index(1));
    own.push_back(s.select(one, s.index(0), at));
  }
  return e.at(e.tensorOf(v), own);
}

/// A lowering that gives up without a word must not look like a mistake of the compiler.
LogicalResult lowerOne(const Lowering &lowering, Operation *op, Emitter &e) {
  bool spoken = false;
  ScopedDiagnosticHandler listener(op->getContext(), [&](Diagnostic &) { return spoken = true, failure(); });
  if (succeeded(lowering.lower(op, e)))
    return success();
  return spoken ? failure() : op->emitError("this case of ") << op->getName().stripDialect() << " is not supported";
}

} // namespace

LogicalResult ssm::lowerOperators(Block &block, Emitter &e) {
  ElementwiseRun run(e);
  for (Operation &op : block.without_terminator()) {
    if (isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(op))
      continue;
    const Lowering *lowering = Registry::get().lookup(&op);
    if (!lowering)
      return op.emitError("operator ") << op.getName().stripDialect() << " has no lowering";
    if (lowering->element) {
      if (!run.accepts(&op))
        run.emit();
      run.add(&op);
      continue;
    }
    run.emit();
    e.loc = op.getLoc();
    if (lowering->isView)
      e.setResult(&op, 0, e.reshape(e.operand(&op, 0), Emitter::resultType(&op)));
    else if (failed(lowerOne(*lowering, &op, e)))
      return failure();
  }
  run.emit();
  return success();
}

namespace {
struct LowerDispatchPass : ssm::impl::LowerDispatchBase<LowerDispatchPass> {
  void runOnOperation() override;
  LogicalResult lowerBody(func::FuncOp source, func::FuncOp target);
};

MemRefType bufferType(RankedTensorType t) { return MemRefType::get(t.getShape(), storageType(t.getElementType())); }

LogicalResult LowerDispatchPass::lowerBody(func::FuncOp source, func::FuncOp target) {
  OpBuilder b(target.getBody());
  Block &entry = target.getBody().front();
  unsigned numInputs = source.getNumArguments(), numOutputs = source.getNumResults();
  SmallVector<Value> symbols(entry.getArguments().drop_front(numInputs + numOutputs));
  Emitter e(b, symbols);
  e.loc = source.getLoc();
  for (unsigned i = 0; i < numInputs; ++i) {
    Value buffer = entry.getArgument(i);
    auto type = cast<RankedTensorType>(source.getArgument(i).getType());
    e.setTensor(source.getArgument(i),
                bufferization::ToTensorOp::create(b, e.loc, storageTensor(type), buffer, /*restrict=*/true));
  }
  auto end = cast<func::ReturnOp>(source.getBody().front().getTerminator());
  for (auto [i, v] : llvm::enumerate(end.getOperands()))
    e.setDestination(v, entry.getArgument(numInputs + i));
  if (failed(lowerOperators(source.getBody().front(), e)))
    return failure();
  e.loc = end.getLoc();
  for (auto [i, v] : llvm::enumerate(end.getOperands())) {
    Tensor t = e.tensorOf(v);
    if (!t)
      return end.emitError("result ") << i << " of the dispatch has no value";
    auto written = t.value.getDefiningOp<bufferization::ToTensorOp>();
    if (written && written.getBuffer() == entry.getArgument(numInputs + i))
      continue; // a lowering took the destination
    auto m =
        bufferization::MaterializeInDestinationOp::create(b, e.loc, Type{}, t.value, entry.getArgument(numInputs + i));
    m.setRestrict(true);
    m.setWritable(true);
  }
  func::ReturnOp::create(b, e.loc);
  return success();
}

void LowerDispatchPass::runOnOperation() {
  func::FuncOp source = getOperation();
  if (!source->hasAttr(kDispatchAttr) || source->hasAttr(kInputsAttr))
    return;
  MLIRContext *context = &getContext();
  OpBuilder b(context);
  int64_t numSymbols = source->getAttrOfType<IntegerAttr>(kSymbolsAttr).getInt();
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  auto add = [&](Type type) {
    auto t = cast<RankedTensorType>(type);
    types.push_back(bufferType(t));
    auto dims = AffineMap::get(0, numSymbols, onnx::getDimExprs(t), context);
    attributes.push_back(b.getDictionaryAttr(b.getNamedAttr(kDimsAttr, AffineMapAttr::get(dims))));
  };
  for (Type t : source.getArgumentTypes())
    add(t);
  for (Type t : source.getResultTypes())
    add(t);
  types.append(numSymbols, b.getIndexType());
  attributes.append(numSymbols, DictionaryAttr::get(context));

  auto target = func::FuncOp::create(source.getLoc(), source.getName(), b.getFunctionType(types, {}));
  target.addEntryBlock();
  target.setVisibility(source.getVisibility());
  target.setAllArgAttrs(attributes);
  if (failed(lowerBody(source, target))) {
    target.erase();
    return signalPassFailure();
  }
  // The pass may only change its own function: take over the new body and signature.
  unsigned inputs = source.getNumArguments(), outputs = source.getNumResults();
  source.getBody().getBlocks().clear();
  source.removeResAttrsAttr();
  source.removeArgAttrsAttr();
  source.setFunctionType(target.getFunctionType());
  source.getBody().takeBody(target.getBody());
  source.setAllArgAttrs(attributes);
  source->removeAttr(kSymbolsAttr);
  source->setAttr(kInputsAttr, b.getI64IntegerAttr(inputs));
  source->setAttr(kOutputsAttr, b.getI64IntegerAttr(outputs));
  target.erase();
}

} // namespace
