//===- InferShapes.cpp - symbolic shapes of all values ---------------------===//
// The walk, the expressions and control flow; the rules of operators are in the files *Shapes.cpp.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Iterators.h"
#include "passes/fold/Passes.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_INFERSHAPES
#include "passes/fold/Passes.h.inc"
} // namespace ssm

Shapes::Shapes(ModuleOp module) : b(module.getContext()), context(module.getContext()), module(module) {
  if (auto declared = module->getAttrOfType<ArrayAttr>("onnx.symbols"))
    names.append(declared.begin(), declared.end());
  module.walk([&](BindDimOp bind) { sizeSymbols.insert(bind.getSymbol()); });
}

void Shapes::finish() { module->setAttr("onnx.symbols", b.getArrayAttr(names)); }

std::optional<int64_t> Shapes::asConstant(AffineExpr e) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return c.getValue();
  return std::nullopt;
}

int64_t Shapes::newSymbol(Block *home) {
  names.push_back(b.getStringAttr(""));
  homes[names.size() - 1] = home;
  return names.size() - 1;
}

bool Shapes::visibleIn(AffineExpr e, Block *block) {
  bool visible = true;
  e.walk([&](AffineExpr part) {
    if (auto s = dyn_cast<AffineSymbolExpr>(part))
      if (Block *home = homes.lookup(s.getPosition()))
        if (home != block && !home->getParent()->isAncestor(block->getParent()))
          visible = false;
  });
  return visible;
}

AffineExpr Shapes::bound(StringRef kind, AffineExpr x, AffineExpr y) {
  auto a = asConstant(x), c = asConstant(y);
  if (a && c) {
    if (kind == "min")
      return constant(std::min(*a, *c));
    if (kind == "max")
      return constant(std::max(*a, *c));
    if (kind == "eq")
      return constant(*a == *c);
    return constant(*a < *c);
  }
  if (x == y)
    return kind == "eq" ? constant(1) : kind == "lt" ? constant(0) : x;
  if (AffineExpr e = trips.empty() ? AffineExpr() : solved(kind, x, y))
    return e;
  x = compact(x);
  y = compact(y);
  OpBuilder::InsertionGuard guard(b);
  leaveScans({x, y});
  // A size is never negative; symbols that stand for other values are not told apart, so only "max(size, 0)" of a
  // declared dimension could profit and is not worth the risk.
  int64_t numSymbols = names.size();
  auto map = AffineMap::get(0, numSymbols, {x, y}, context);
  Attribute key = b.getArrayAttr({b.getStringAttr(kind), AffineMapAttr::get(AffineMap::get(0, 1 << 20, {x, y}, context))});
  AffineExpr &made = boundExprs[{b.getInsertionBlock(), key}];
  if (!made) {
    int64_t symbol = newSymbol(b.getInsertionBlock());
    auto bind = BindExprOp::create(b, b.getUnknownLoc(), kind, map, symbol);
    made = getAffineSymbolExpr(symbol, context);
    definitions[symbol] = {bind.getKind(), x, y};
    bool first = isNonNegative(x), second = isNonNegative(y);
    if (kind == "max" ? first || second : first && second)
      sizeSymbols.insert(symbol);
    if (isIterated(x) || isIterated(y))
      iterated.insert(symbol);
  }
  return made;
}

/// Number of nodes, at most limit.
static int64_t lengthOf(AffineExpr e, int64_t limit) {
  auto bin = dyn_cast<AffineBinaryOpExpr>(e);
  if (!bin || limit <= 1)
    return 1;
  int64_t left = lengthOf(bin.getLHS(), limit - 1);
  return left >= limit - 1 ? limit : 1 + left + lengthOf(bin.getRHS(), limit - 1 - left);
}

/// Goes in front of the Scans around here whose bodies say nothing of the expressions: a size that every iteration shares
/// is then known after the Scan as well.
void Shapes::leaveScans(ArrayRef<AffineExpr> exprs) {
  while (auto scan = dyn_cast_or_null<onnx::ScanOp>(b.getInsertionBlock()->getParentOp())) {
    if (!llvm::all_of(exprs, [&](AffineExpr e) { return visibleIn(e, scan->getBlock()); }))
      return;
    b.setInsertionPoint(scan);
  }
}

AffineExpr Shapes::compact(AffineExpr e) {
  constexpr int64_t kLongest = 12;
  if (lengthOf(e, kLongest + 1) <= kLongest)
    return e;
  e = simplifyAffineExpr(e, 0, names.size());
  if (lengthOf(e, kLongest + 1) <= kLongest)
    return e;
  OpBuilder::InsertionGuard guard(b);
  leaveScans(e);
  AffineExpr &made = boundExprs[{b.getInsertionBlock(), AffineMapAttr::get(AffineMap::get(0, 1 << 20, {e}, context))}];
  if (!made) {
    int64_t symbol = newSymbol(b.getInsertionBlock());
    BindExprOp::create(b, b.getUnknownLoc(), "max", AffineMap::get(0, names.size(), {e}, context), symbol);
    made = getAffineSymbolExpr(symbol, context);
    if (isNonNegative(e))
      sizeSymbols.insert(symbol);
    if (isIterated(e))
      iterated.insert(symbol);
  }
  return made;
}

void Shapes::require(Operation *user, AffineExpr x, AffineExpr y) {
  if (x == y || (asConstant(x) && asConstant(y)))
    return;
  auto map = AffineMap::get(0, names.size(), {x, y}, context);
  Attribute key = b.getArrayAttr({b.getStringAttr("same"), AffineMapAttr::get(AffineMap::get(0, 1 << 20, {x, y}, context))});
  AffineExpr &made = boundExprs[{b.getInsertionBlock(), key}];
  if (made)
    return;
  int64_t symbol = newSymbol(b.getInsertionBlock());
  BindExprOp::create(b, user->getLoc(), "same", map, symbol);
  made = getAffineSymbolExpr(symbol, context);
}

AffineExpr Shapes::select(AffineExpr condition, AffineExpr x, AffineExpr y) {
  if (auto c = asConstant(condition))
    return *c ? x : y;
  return x == y ? x : y + condition * (x - y);
}

AffineExpr Shapes::broadcast(AffineExpr x, AffineExpr y) {
  auto a = asConstant(x), c = asConstant(y);
  if (x == y || (c && *c == 1))
    return x;
  if (a && c && *a != 1)
    conflict = {*a, *c};
  if ((a && *a == 1) || c)
    return y;
  if (a)
    return x;
  return bound("broadcast", x, y);
}

Dims Shapes::broadcast(ArrayRef<AffineExpr> x, ArrayRef<AffineExpr> y) {
  if (x.size() < y.size())
    std::swap(x, y);
  Dims out(x);
  for (size_t i = 0; i < y.size(); ++i) {
    AffineExpr &e = out[x.size() - 1 - i];
    e = broadcast(e, y[y.size() - 1 - i]);
  }
  return out;
}

AffineExpr Shapes::isAxis(ArrayRef<AffineExpr> axes, int64_t rank, int64_t i) {
  AffineExpr found = constant(0);
  for (AffineExpr a : axes)
    found = found + equal(a, constant(i)) + equal(a, constant(i - rank));
  return found;
}

AffineExpr Shapes::product(ArrayRef<AffineExpr> dims) {
  AffineExpr p = constant(1);
  for (AffineExpr e : dims)
    p = p * e;
  return p;
}

static void factors(AffineExpr e, SmallVectorImpl<AffineExpr> &out, int64_t &coefficient) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    coefficient *= c.getValue();
  } else if (e.getKind() == AffineExprKind::Mul) {
    factors(cast<AffineBinaryOpExpr>(e).getLHS(), out, coefficient);
    factors(cast<AffineBinaryOpExpr>(e).getRHS(), out, coefficient);
  } else {
    out.push_back(e);
  }
}

AffineExpr Shapes::quotient(ArrayRef<AffineExpr> x, ArrayRef<AffineExpr> y) {
  SmallVector<AffineExpr> up, down;
  int64_t a = 1, c = 1;
  for (AffineExpr e : x)
    factors(e, up, a);
  for (AffineExpr e : y)
    factors(e, down, c);
  for (auto it = down.begin(); it != down.end();) {
    auto match = llvm::find(up, *it);
    if (match == up.end()) {
      ++it;
      continue;
    }
    up.erase(match);
    it = down.erase(it);
  }
  if (c == 0)
    return constant(0);
  if (a % c == 0)
    a /= c, c = 1;
  AffineExpr top = product(up) * a;
  AffineExpr bottom = product(down) * c;
  if (asConstant(bottom) == 1)
    return top;
  return top.floorDiv(bottom);
}

void Shapes::insertAfter(Value v) {
  if (Operation *def = v.getDefiningOp()) {
    if (def->getBlock() == b.getInsertionBlock())
      b.setInsertionPointAfter(def);
  } else if (cast<BlockArgument>(v).getOwner() == b.getInsertionBlock()) {
    b.setInsertionPointToStart(b.getInsertionBlock());
  }
}

AffineExpr Shapes::boundDim(Value v, unsigned axis) {
  OpBuilder::InsertionGuard guard(b);
  if (Operation *def = v.getDefiningOp())
    b.setInsertionPointAfter(def);
  else
    b.setInsertionPointToStart(cast<BlockArgument>(v).getOwner());
  int64_t symbol = newSymbol(b.getInsertionBlock());
  BindDimOp::create(b, v.getLoc(), v, axis, symbol);
  sizeSymbols.insert(symbol);
  return getAffineSymbolExpr(symbol, context);
}

std::optional<Dims> Shapes::known(Value v) {
  if (auto it = knownElements.find(v); it != knownElements.end())
    return it->second;
  auto type = dyn_cast<RankedTensorType>(v.getType());
  if (!type || type.getRank() > 1 || !isa<IntegerType>(type.getElementType()))
    return std::nullopt;
  if (auto values = onnx::intValues(v); values && values->size() <= 64) {
    Dims out;
    for (int64_t i : *values)
      out.push_back(constant(i));
    return out;
  }
  if (auto d = v.getDefiningOp<onnx::DimsOp>())
    return Dims(d.getMap().getResults());
  return std::nullopt;
}

Value Shapes::make(Location loc, StringRef name, ValueRange operands, Type element, ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, ("onnx." + name).str(), operands, {UnrankedTensorType::get(element)}, attributes);
  if (const onnx::OpSchema *schema = onnx::schemaOf(name))
    while (state.operands.size() < schema->inputs.size() && !schema->inputs[state.operands.size()].variadic)
      state.operands.push_back(onnx::NoValueOp::create(b, loc, b.getNoneType()));
  Operation *op = b.create(state);
  OpBuilder::InsertionGuard guard(b);
  return succeeded(infer(op)) ? op->getResult(0) : Value();
}

Value Shapes::ints(Location loc, ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({(int64_t)values.size()}, b.getI64Type());
  return onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, values));
}

Value Shapes::scalar(Location loc, int64_t value) {
  auto type = RankedTensorType::get({}, b.getI64Type());
  return onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, ArrayRef<int64_t>{value}));
}

Value Shapes::iota(Location loc, Value list) {
  Type i64 = b.getI64Type();
  return make(loc, "Range", {scalar(loc, 0), make(loc, "Size", list, i64), scalar(loc, 1)}, i64);
}

Value Shapes::sizes(Location loc, ArrayRef<AffineExpr> dims) {
  auto type = RankedTensorType::get({(int64_t)dims.size()}, b.getI64Type());
  return onnx::DimsOp::create(b, loc, type, AffineMap::get(0, names.size(), dims, context));
}

NamedAttribute Shapes::integer(StringRef name, int64_t value) {
  return b.getNamedAttr(name, IntegerAttr::get(b.getIntegerType(64, true), value));
}

FailureOr<Dims> Shapes::elements(Operation *user, unsigned operand, std::optional<int64_t> count) {
  Value v = user->getOperand(operand);
  auto type = dyn_cast<RankedTensorType>(v.getType());
  if (count && *count >= 0 && type && type.getRank() == 1 && type.isDynamicDim(0)) {
    OperationState state(user->getLoc(), "onnx.Reshape", {v, onnx::NoValueOp::create(b, user->getLoc(), b.getNoneType())},
                         {RankedTensorType::get({*count}, type.getElementType())});
    v = b.create(state)->getResult(0);
    user->setOperand(operand, v);
  }
  return elements(user, v);
}

FailureOr<Dims> Shapes::elements(Operation *user, Value v) {
  if (auto e = known(v))
    return *e;
  auto type = dyn_cast<RankedTensorType>(v.getType());
  if (!type || !type.hasStaticShape() || type.getNumElements() > 64)
    return user->emitError("needs the elements of an input whose size is not known");
  Dims out;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    int64_t symbol = newSymbol(b.getInsertionBlock());
    BindElementOp::create(b, user->getLoc(), v, i, symbol);
    out.push_back(getAffineSymbolExpr(symbol, context));
  }
  knownElements[v] = out; // valid from here on; replaceKnown leaves values that a bind reads
  return out;
}

void Shapes::setKnown(Value v, Dims e) {
  if (e.size() > 64)
    return;
  for (AffineExpr &x : e)
    x = compact(x);
  knownElements[v] = std::move(e);
}

void Shapes::set(Value result, ArrayRef<AffineExpr> dims) {
  if (isa<NoneType>(result.getType()))
    return;
  Dims shortened;
  for (AffineExpr e : dims)
    shortened.push_back(compact(e));
  result.setType(onnx::withDims(element(result), shortened));
}

void Shapes::replaceKnown() {
  for (auto &[v, dims] : knownElements) {
    Operation *def = v.getDefiningOp();
    auto type = dyn_cast<RankedTensorType>(v.getType());
    if (!def || !type || isa<onnx::ConstantOp, onnx::DimsOp>(def) || v.use_empty() || def->getNumResults() != 1)
      continue;
    if (llvm::any_of(v.getUsers(), [](Operation *u) { return isa<BindElementOp>(u); }))
      continue;
    if (llvm::any_of(dims, [&](AffineExpr e) { return isIterated(e); }))
      continue; // it is read as what it is made of
    if (!type.getElementType().isInteger(64) || !type.hasStaticShape() || type.getNumElements() != (int64_t)dims.size())
      continue;
    b.setInsertionPointAfter(def);
    // Expressions may use symbols that are bound after the first computation of the value only when they were read from
    // the value itself, which the test above excludes.
    Value made;
    if (llvm::all_of(dims, [](AffineExpr e) { return isa<AffineConstantExpr>(e); })) {
      SmallVector<int64_t> values;
      for (AffineExpr e : dims)
        values.push_back(*asConstant(e));
      auto value = DenseElementsAttr::get(type, ArrayRef<int64_t>(values));
      made = onnx::ConstantOp::create(b, def->getLoc(), type, value);
    } else if (type.getRank() > 1) {
      continue; // onnx.Dims is a list
    } else {
      made = onnx::DimsOp::create(b, def->getLoc(), type, AffineMap::get(0, names.size(), dims, context));
    }
    v.replaceAllUsesWith(made);
  }
}

LogicalResult Shapes::infer(Operation *op) {
  b.setInsertionPoint(op);
  if (isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp, BindDimOp, BindElementOp, BindExprOp>(op))
    return success();
  if (auto x = dyn_cast<onnx::IfOp>(op))
    return inferIf(x);
  if (auto x = dyn_cast<onnx::LoopOp>(op))
    return inferLoop(x);
  if (auto x = dyn_cast<onnx::ScanOp>(op))
    return inferScan(x);
  StringRef name = op->getName().stripDialect();
  const ShapeRule *rule = shapeRule(name);
  if (!rule)
    return op->emitError("operator ") << name << " is not supported";
  if (failed(checkAttributes(op)))
    return failure();
  conflict.reset();
  // A rule that gives up without a word must not look like a mistake of the compiler.
  bool spoken = false;
  ScopedDiagnosticHandler listener(context, [&](Diagnostic &) { return spoken = true, failure(); });
  if (failed(fixLengths(op, name, *this)) || failed((*rule)(op, *this)))
    return spoken ? failure() : op->emitError("the shapes or attributes of ") << name << " do not fit together";
  if (conflict)
    return op->emitError("sizes ") << conflict->first << " and " << conflict->second << " cannot be broadcast";
  if (failed(checkSizes(op)))
    return failure();
  for (Value r : op->getResults())
    if (auto t = dyn_cast<TensorType>(r.getType()); t && !t.hasRank())
      return op->emitError("the rank of a result of ") << name << " is not known";
  return success();
}

LogicalResult Shapes::inferBlock(Block &block) {
  bool allKnown = true;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (op.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (op.use_empty() && op.getNumResults() && op.getNumRegions() == 0 && isPure(&op))
      continue; // it goes away
    // One run lists every node that cannot be compiled: what a refused node feeds is passed over.
    bool fed = op.walk([&](Operation *inner) {
                   bool refused = llvm::any_of(inner->getOperands(), [&](Value v) { return unknown.contains(v); });
                   return refused ? WalkResult::interrupt() : WalkResult::advance();
                 }).wasInterrupted();
    if (!fed && succeeded(infer(&op)))
      continue;
    if (fed && isa<onnx::OnnxDialect>(op.getDialect()) && op.getNumRegions() == 0 && !isa<onnx::DimsOp>(op) &&
        !shapeRule(op.getName().stripDialect()))
      op.emitError("operator ") << op.getName().stripDialect() << " is not supported";
    unknown.insert(op.result_begin(), op.result_end());
    allKnown = false;
  }
  return success(allKnown);
}

const ShapeRule *ssm::shapeRule(StringRef opType) {
  static const llvm::StringMap<ShapeRule> rules = [] {
    llvm::StringMap<ShapeRule> r;
    addElementwiseShapes(r);
    addMovementShapes(r);
    addNeuralShapes(r);
    addWindowShapes(r);
    addSelectionShapes(r);
    addSequenceShapes(r);
    addSignalShapes(r);
    return r;
  }();
  auto it = rules.find(opType);
  return it == rules.end() ? nullptr : &it->second;
}

namespace {
struct InferShapesPass : ssm::impl::InferShapesBase<InferShapesPass> {
  LogicalResult infer(func::FuncOp main, SmallVector<bool> &choices);
  void runOnOperation() override;
};

LogicalResult InferShapesPass::infer(func::FuncOp main, SmallVector<bool> &choices) {
  Shapes shapes(getOperation());
  shapes.choices = choices;
  LogicalResult result = shapes.inferBlock(main.getBody().front());
  choices = shapes.choices;
  if (failed(result))
    return failure();
  shapes.replaceKnown();
  shapes.inlineBranches(main);
  shapes.finish();
  return success();
}

void InferShapesPass::runOnOperation() {
  auto main = getOperation().lookupSymbol<func::FuncOp>("main");
  if (!main)
    return;
  // Where an If decides a rank, the branches are tried in turn until all of the rest has a rank and fits.
  constexpr int kMaxTrials = 16;
  bool hasIf = main.walk([](onnx::IfOp) { return WalkResult::interrupt(); }).wasInterrupted();
  OwningOpRef<func::FuncOp> original = hasIf ? main.clone() : func::FuncOp();
  SmallVector<bool> choices;
  SmallVector<Diagnostic> first;
  for (int trial = 0;; ++trial) {
    SmallVector<Diagnostic> problems;
    LogicalResult result = failure();
    {
      ScopedDiagnosticHandler collect(&getContext(), [&](Diagnostic &d) {
        problems.push_back(std::move(d));
        return success();
      });
      result = infer(main, choices);
    }
    if (succeeded(result))
      break;
    if (trial == 0)
      first = std::move(problems);
    while (!choices.empty() && !choices.back())
      choices.pop_back();
    if (choices.empty() || trial == kMaxTrials) {
      for (Diagnostic &d : first)
        getContext().getDiagEngine().emit(std::move(d));
      return signalPassFailure();
    }
    choices.back() = false;
    func::FuncOp fresh = original->clone();
    getOperation().insert(main, fresh);
    main.erase();
    main = fresh;
  }
  // Dead shape arithmetic, bottom up; binds count as uses of what they read.
  main.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
    op->removeDiscardableAttr(onnx::kRankHint);
    StringRef name = op->getName().stripDialect();
    if (isa<onnx::OnnxDialect>(op->getDialect()) && !op->hasTrait<OpTrait::IsTerminator>()) {
      // The result's type says what these operands said.
      if ((name == "Reshape" || name == "Expand" || name == "ConstantOfShape") && op->getNumOperands() > 0) {
        unsigned shape = name == "ConstantOfShape" ? 0 : 1;
        if (!onnx::isNone(op->getOperand(shape))) {
          OpBuilder b(op);
          op->setOperand(shape, onnx::NoValueOp::create(b, op->getLoc(), b.getNoneType()));
        }
      }
      if (op->use_empty())
        op->erase();
    }
  });
  auto type = main.getFunctionType();
  main.setType(FunctionType::get(&getContext(), type.getInputs(),
                                 main.getBody().front().getTerminator()->getOperandTypes()));
}
} // namespace
