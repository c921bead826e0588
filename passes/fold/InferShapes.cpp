//===- InferShapes.cpp - symbolic shapes of all values ---------------------===//
// The walk, the expressions and control flow; the rules of operators are in the files *Shapes.cpp.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
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
  x = compact(x);
  y = compact(y);
  // A size is never negative; symbols that stand for other values are not told apart, so only "max(size, 0)" of a
  // declared dimension could profit and is not worth the risk.
  int64_t numSymbols = names.size();
  auto map = AffineMap::get(0, numSymbols, {x, y}, context);
  Attribute key = b.getArrayAttr({b.getStringAttr(kind), AffineMapAttr::get(AffineMap::get(0, 1 << 20, {x, y}, context))});
  AffineExpr &made = boundExprs[{b.getInsertionBlock(), key}];
  if (!made) {
    int64_t symbol = newSymbol(b.getInsertionBlock());
    BindExprOp::create(b, b.getUnknownLoc(), kind, map, symbol);
    made = getAffineSymbolExpr(symbol, context);
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

AffineExpr Shapes::compact(AffineExpr e) {
  constexpr int64_t kLongest = 12;
  if (lengthOf(e, kLongest + 1) <= kLongest)
    return e;
  e = simplifyAffineExpr(e, 0, names.size());
  if (lengthOf(e, kLongest + 1) <= kLongest)
    return e;
  AffineExpr &made = boundExprs[{b.getInsertionBlock(), AffineMapAttr::get(AffineMap::get(0, 1 << 20, {e}, context))}];
  if (!made) {
    int64_t symbol = newSymbol(b.getInsertionBlock());
    BindExprOp::create(b, b.getUnknownLoc(), "max", AffineMap::get(0, names.size(), {e}, context), symbol);
    made = getAffineSymbolExpr(symbol, context);
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
  if (failed(fixLengths(op, name, *this)) || failed((*rule)(op, *this)))
    return failure();
  for (Value r : op->getResults())
    if (auto t = dyn_cast<TensorType>(r.getType()); t && !t.hasRank())
      return op->emitError("the rank of a result of ") << name << " is not known";
  return success();
}

LogicalResult Shapes::inferBlock(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (op.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (failed(infer(&op)))
      return failure();
  }
  return success();
}

void Shapes::forgetBlock(Block &block) {
  block.walk([&](Operation *op) {
    for (Value r : op->getResults())
      knownElements.erase(r);
    if (isa<BindDimOp, BindElementOp, BindExprOp>(op))
      op->erase();
  });
  for (auto it = boundExprs.begin(); it != boundExprs.end(); ++it)
    if (it->first.first == &block || block.getParent()->isAncestor(it->first.first->getParent()))
      it->second = {};
}

Type ssm::joinElements(Type x, Type y) {
  auto a = dyn_cast<RankedTensorType>(x), c = dyn_cast<RankedTensorType>(y);
  if (!a)
    return y;
  if (!c)
    return x;
  if (a.getRank() != c.getRank())
    return UnrankedTensorType::get(a.getElementType());
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < a.getRank(); ++i)
    shape.push_back(a.getDimSize(i) == c.getDimSize(i) ? a.getDimSize(i) : ShapedType::kDynamic);
  return RankedTensorType::get(shape, a.getElementType());
}

LogicalResult Shapes::inferTaken(onnx::IfOp op, bool condition) {
  Block &branch = condition ? op.getThenBranch().front() : op.getElseBranch().front();
  size_t before = names.size();
  if (failed(inferBlock(branch)))
    return failure();
  // The branch becomes part of this block, and so do its symbols.
  for (size_t i = before; i < names.size(); ++i)
    if (homes.lookup(i) == &branch)
      homes[i] = op->getBlock();
  for (auto [r, v] : llvm::zip(op.getResults(), branch.getTerminator()->getOperands())) {
    r.setType(v.getType());
    if (auto k = known(v))
      knownElements[r] = *k;
  }
  taken[op] = condition;
  return success();
}

LogicalResult Shapes::inferIf(onnx::IfOp op) {
  taken.erase(op);
  if (auto k = known(op.getCond()); k && k->size() == 1)
    if (auto c = asConstant((*k)[0]))
      return inferTaken(op, *c != 0);
  auto settle = [&](size_t number) -> LogicalResult {
    bool choice = choices[number];
    b.setInsertionPoint(op);
    int64_t condition = newSymbol(op->getBlock()), checked = newSymbol(op->getBlock());
    BindElementOp::create(b, op.getLoc(), op.getCond(), 0, condition);
    auto map = AffineMap::get(0, names.size(), {getAffineSymbolExpr(condition, context), constant(choice)}, context);
    auto check = BindExprOp::create(b, op.getLoc(), "same", map, checked);
    check->setAttr("message", b.getStringAttr("the condition decides a rank, and the model is compiled for its other value"));
    return inferTaken(op, choice);
  };
  if (auto it = choiceOf.find(op); it != choiceOf.end())
    return settle(it->second);
  if (failed(inferBlock(op.getThenBranch().front())) || failed(inferBlock(op.getElseBranch().front())))
    return failure();
  Operation *then = op.getThenBranch().front().getTerminator(), *otherwise = op.getElseBranch().front().getTerminator();
  for (auto [x, y] : llvm::zip(then->getOperandTypes(), otherwise->getOperandTypes())) {
    auto a = dyn_cast<RankedTensorType>(x), c = dyn_cast<RankedTensorType>(y);
    if (!a || !c || a.getRank() == c.getRank())
      continue;
    // A value has one rank: the model is compiled for one of the branches, and a run that wants the other fails.
    size_t number = choiceOf.size();
    choiceOf[op] = number;
    if (number == choices.size())
      choices.push_back(true);
    forgetBlock(op.getThenBranch().front());
    forgetBlock(op.getElseBranch().front());
    return settle(number);
  }
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    Type x = then->getOperand(i).getType(), y = otherwise->getOperand(i).getType();
    if (auto s = dyn_cast<onnx::SequenceType>(x)) {
      r.setType(onnx::SequenceType::get(context, joinElements(s.getElement(), cast<onnx::SequenceType>(y).getElement())));
      continue;
    }
    auto a = dyn_cast<RankedTensorType>(x), c = dyn_cast<RankedTensorType>(y);
    if (!a || !c || a.getElementType() != c.getElementType())
      return op.emitError("the branches of If give result ") << i << " different types: " << x << " and " << y;
    Dims dims;
    for (int64_t k = 0; k < a.getRank(); ++k) {
      AffineExpr e = onnx::getDimExpr(a, k);
      dims.push_back(e == onnx::getDimExpr(c, k) && visibleIn(e, op->getBlock()) ? e : AffineExpr());
    }
    Dims full;
    r.setType(RankedTensorType::get(SmallVector<int64_t>(dims.size(), ShapedType::kDynamic), a.getElementType()));
    for (auto [k, e] : llvm::enumerate(dims))
      full.push_back(e ? e : boundDim(r, k));
    set(r, full);
  }
  return success();
}

void Shapes::inlineBranches(Operation *root) {
  root->walk([&](onnx::IfOp op) { // inner ones first
    auto it = taken.find(op);
    if (it == taken.end())
      return;
    Block &branch = it->second ? op.getThenBranch().front() : op.getElseBranch().front();
    Operation *yield = branch.getTerminator();
    op->replaceAllUsesWith(yield->getOperands());
    yield->erase();
    op->getBlock()->getOperations().splice(op->getIterator(), branch.getOperations());
    op->erase();
  });
}

LogicalResult Shapes::inferLoop(onnx::LoopOp op) {
  Block &body = op.getBody().front();
  size_t carried = op.getVInitial().size();
  SmallVector<Type> types;
  for (Value v : op.getVInitial())
    types.push_back(v.getType());
  Operation *yield = body.getTerminator();
  for (int round = 0;; ++round) {
    for (size_t i = 0; i < carried; ++i)
      body.getArgument(i + 2).setType(types[i]);
    if (failed(inferBlock(body)))
      return failure();
    bool stable = true;
    for (size_t i = 0; i < carried; ++i) {
      Type have = types[i], next = yield->getOperand(i + 1).getType();
      if (have == next)
        continue;
      if (auto s = dyn_cast<onnx::SequenceType>(have)) {
        Type joined = onnx::SequenceType::get(
            context, joinElements(s.getElement(), cast<onnx::SequenceType>(next).getElement()));
        if (joined != have)
          types[i] = joined, stable = false;
        continue;
      }
      auto a = dyn_cast<RankedTensorType>(have), c = dyn_cast<RankedTensorType>(next);
      if (!a || !c || a.getRank() != c.getRank() || a.getElementType() != c.getElementType())
        return op.emitError("carried value ") << i << " changes its type from " << have << " to " << next;
    }
    // Dimensions that change between iterations are symbols of their own.
    SmallVector<std::pair<size_t, int64_t>> varying;
    for (size_t i = 0; i < carried; ++i) {
      auto a = dyn_cast<RankedTensorType>(types[i]);
      if (!a)
        continue;
      auto c = cast<RankedTensorType>(yield->getOperand(i + 1).getType());
      for (int64_t k = 0; k < a.getRank(); ++k) {
        AffineExpr e = onnx::getDimExpr(a, k);
        if (e == onnx::getDimExpr(c, k))
          continue;
        auto s = dyn_cast<AffineSymbolExpr>(e);
        if (s && homes.lookup(s.getPosition()) == &body)
          continue; // varies already
        varying.push_back({i, k});
      }
    }
    if (varying.empty() && stable)
      break;
    if (round > 16)
      return op.emitError("sizes of carried values do not settle");
    // Bindings of symbols that vary already are made anew as well.
    SmallVector<std::pair<size_t, int64_t>> all = varying;
    for (size_t i = 0; i < carried; ++i)
      if (auto a = dyn_cast<RankedTensorType>(types[i]))
        for (int64_t k = 0; k < a.getRank(); ++k) {
          auto s = dyn_cast<AffineSymbolExpr>(onnx::getDimExpr(a, k));
          if (s && homes.lookup(s.getPosition()) == &body)
            all.push_back({i, k});
        }
    forgetBlock(body);
    for (auto [i, k] : all) {
      Dims dims = onnx::getDimExprs(cast<RankedTensorType>(types[i]));
      Value arg = body.getArgument(i + 2);
      arg.setType(types[i]);
      dims[k] = boundDim(arg, k);
      types[i] = onnx::withDims(cast<RankedTensorType>(types[i]).getElementType(), dims);
      arg.setType(types[i]);
    }
  }
  b.setInsertionPoint(op);
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    bool isCarried = i < carried;
    Type type = isCarried ? types[i] : yield->getOperand(i + 1).getType();
    auto ranked = dyn_cast<RankedTensorType>(type);
    if (!ranked) {
      r.setType(type);
      continue;
    }
    Dims dims = onnx::getDimExprs(ranked), full;
    if (!isCarried)
      dims.insert(dims.begin(), AffineExpr());
    r.setType(RankedTensorType::get(SmallVector<int64_t>(dims.size(), ShapedType::kDynamic), ranked.getElementType()));
    for (auto [k, e] : llvm::enumerate(dims))
      full.push_back(e && visibleIn(e, op->getBlock()) ? e : boundDim(r, k));
    set(r, full);
  }
  return success();
}

LogicalResult Shapes::inferScan(onnx::ScanOp op) {
  Block &body = op.getBody().front();
  size_t scanned = op.getNumScanInputs(), carried = op.getInputs().size() - scanned;
  auto axisOf = [&](std::optional<ArrayRef<int64_t>> axes, size_t i, int64_t rank) {
    return axes && i < axes->size() ? wrapAxis((*axes)[i], rank) : 0;
  };
  AffineExpr length;
  for (auto [i, v] : llvm::enumerate(op.getInputs())) {
    Dims d = dims(v);
    if (i >= carried) {
      int64_t axis = axisOf(op.getScanInputAxes(), i - carried, d.size());
      if (axis < 0 || axis >= (int64_t)d.size())
        return op.emitError("scan input ") << i - carried << " has no axis " << axis;
      length = length ? broadcast(length, d[axis]) : d[axis];
      d.erase(d.begin() + axis);
    }
    body.getArgument(i).setType(onnx::withDims(element(v), d));
  }
  if (failed(inferBlock(body)))
    return failure();
  // Sizes do not change between iterations: what follows from outer ones is an outer size.
  for (BindExprOp bind : llvm::make_early_inc_range(body.getOps<BindExprOp>()))
    if (llvm::all_of(bind.getMap().getResults(), [&](AffineExpr e) { return visibleIn(e, op->getBlock()); })) {
      bind->moveBefore(op);
      homes[bind.getSymbol()] = op->getBlock();
    }
  Operation *yield = body.getTerminator();
  b.setInsertionPoint(op);
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    auto type = cast<RankedTensorType>(yield->getOperand(i).getType());
    if (i < carried) {
      if (type.getRank() != rank(op.getInputs()[i]))
        return op.emitError("carried value ") << i << " changes its rank";
      Dims from = dims(op.getInputs()[i]);
      for (auto [x, y] : llvm::zip(from, onnx::getDimExprs(type))) {
        if (!visibleIn(y, op->getBlock()) || (asConstant(x) && asConstant(y) && x != y))
          return op.emitError("carried value ") << i << " changes its size";
        require(op, x, y);
      }
      set(r, from);
      continue;
    }
    Dims d = onnx::getDimExprs(type);
    int64_t axis = axisOf(op.getScanOutputAxes(), i - carried, d.size() + 1);
    d.insert(d.begin() + axis, length);
    if (!llvm::all_of(d, [&](AffineExpr e) { return visibleIn(e, op->getBlock()); }))
      return op.emitError("the size of scan output ") << i - carried << " depends on what an iteration computes";
    set(r, d);
  }
  return success();
}

const ShapeRule *ssm::shapeRule(StringRef opType) {
  static const llvm::StringMap<ShapeRule> rules = [] {
    llvm::StringMap<ShapeRule> r;
    addElementwiseShapes(r);
    addMovementShapes(r);
    addNeuralShapes(r);
    addWindowShapes(r);
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
