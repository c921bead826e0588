//===- ControlFlowShapes.cpp - shapes around If, Loop and Scan -------------===//
// What leaves a region has the sizes that both sides know, or symbols that are bound where it arrives.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

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

Type ssm::joinValues(Type x, Type y) {
  if (x == y)
    return x;
  auto a = dyn_cast<onnx::OptionalType>(x), c = dyn_cast<onnx::OptionalType>(y);
  if (a || c) {
    Type joined = joinValues(a ? a.getElement() : x, c ? c.getElement() : y);
    return joined ? onnx::OptionalType::get(x.getContext(), joined) : Type();
  }
  auto s = dyn_cast<onnx::SequenceType>(x), r = dyn_cast<onnx::SequenceType>(y);
  if (s && r)
    return onnx::SequenceType::get(x.getContext(), joinElements(s.getElement(), r.getElement()));
  if (isa<TensorType>(x) && isa<TensorType>(y))
    return joinElements(x, y);
  return {};
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

/// Whether a branch does more than to give what was there before.
static bool computes(Block &branch) {
  return llvm::any_of(branch.without_terminator(), [](Operation &op) {
    return isa<onnx::OnnxDialect>(op.getDialect()) && !isa<onnx::ConstantOp, onnx::NoValueOp>(op) &&
           op.getName().getStringRef() != "onnx.Identity";
  });
}

LogicalResult Shapes::inferIf(onnx::IfOp op) {
  taken.erase(op);
  if (auto k = known(op.getCond()); k && k->size() == 1)
    if (auto c = asConstant((*k)[0]))
      return inferTaken(op, *c != 0);
  auto settle = [&](size_t number) -> LogicalResult {
    // A branch that only names a constant is the exception: a size of 1 where the other one divides by it.
    bool likely = computes(op.getThenBranch().front()) || !computes(op.getElseBranch().front());
    bool choice = choices[number] ? likely : !likely;
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
    if (Type joined = joinValues(x, y); joined && !isa<TensorType>(joined)) {
      r.setType(joined);
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

Type Shapes::inLoop(Type type) {
  auto ranked = dyn_cast<RankedTensorType>(type);
  if (!ranked || trips.empty())
    return type;
  Dims dims;
  for (AffineExpr e : onnx::getDimExprs(ranked))
    dims.push_back(inLoop(e));
  return onnx::withDims(ranked.getElementType(), dims);
}

LogicalResult Shapes::inferLoop(onnx::LoopOp op) {
  size_t outer = trips.size();
  LogicalResult result = inferIterations(op);
  trips.truncate(outer);
  return result;
}

LogicalResult Shapes::inferIterations(onnx::LoopOp op) {
  Block &body = op.getBody().front();
  size_t carried = op.getVInitial().size(), outer = trips.size();
  AffineExpr trip;
  if (auto type = dyn_cast<RankedTensorType>(op.getM().getType());
      type && type.hasStaticShape() && type.getNumElements() == 1)
    if (auto known = elements(op, op.getM()); succeeded(known))
      trip = (*known)[0];
  // Carried integers that grow by a constant count iterations: what they start with, and by how much they grow.
  SmallVector<std::pair<AffineExpr, AffineExpr>> counters(carried);
  for (auto [c, v] : llvm::zip(counters, op.getVInitial()))
    if (auto k = this->known(v); k && k->size() == 1 && rank(v) <= 1)
      c.first = (*k)[0];
  bool counted = false; // counters are known as such
  /// Numbers of the iteration, for the body as it is about to be looked at.
  auto number = [&] {
    trips.truncate(outer);
    b.setInsertionPointToStart(&body);
    AffineExpr i = getAffineSymbolExpr(newIteration(body.getArgument(0), trip), context);
    knownElements[body.getArgument(0)] = {i};
    for (auto [k, c] : llvm::enumerate(counters)) {
      Value arg = body.getArgument(k + 2);
      knownElements.erase(arg);
      if (!c.first)
        continue;
      AffineExpr now = counted ? c.first + i * c.second : getAffineSymbolExpr(newIteration(arg, {}), context);
      knownElements[arg] = {now};
    }
  };
  SmallVector<Type> types;
  number();
  for (Value v : op.getVInitial())
    types.push_back(inLoop(v.getType()));
  Operation *yield = body.getTerminator();
  for (int round = 0;; ++round) {
    for (size_t i = 0; i < carried; ++i)
      body.getArgument(i + 2).setType(types[i]);
    if (failed(inferBlock(body)))
      return failure();
    bool stable = true;
    if (!counted) {
      for (auto [k, c] : llvm::enumerate(counters)) {
        if (!c.first)
          continue;
        auto next = this->known(yield->getOperand(k + 1));
        AffineExpr by =
            next && next->size() == 1
                ? simplifyAffineExpr((*next)[0] - knownElements[body.getArgument(k + 2)][0], 0, names.size())
                : AffineExpr();
        if (by && asConstant(by))
          c.second = by, stable = false;
        else
          c.first = {};
      }
      counted = true;
    }
    for (size_t i = 0; i < carried; ++i) {
      Type have = types[i], next = yield->getOperand(i + 1).getType();
      if (have == next)
        continue;
      if (Type joined = joinValues(have, next); joined && !isa<TensorType>(joined)) {
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
        if (e == onnx::getDimExpr(c, k) || e == inLoop(onnx::getDimExpr(c, k)))
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
    number();
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
    if (isCarried && type == inLoop(op.getVInitial()[i].getType()))
      type = op.getVInitial()[i].getType(); // also where the loop does not run
    auto ranked = dyn_cast<RankedTensorType>(type);
    if (!ranked) {
      bool unwrap = isa<onnx::OptionalType>(type) && !isa<onnx::OptionalType>(r.getType());
      Type outside = r.getType();
      r.setType(type);
      if (unwrap) { // the model calls it by what the last iteration gives
        b.setInsertionPointAfter(op);
        OperationState state(op.getLoc(), "onnx.OptionalGetElement", {}, {outside});
        Operation *get = b.create(state);
        r.replaceAllUsesWith(get->getResult(0));
        get->insertOperands(0, r);
        if (failed(infer(get)))
          return failure();
        b.setInsertionPoint(op);
      }
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

/// A Transpose that takes dimension `from` of v to `to`, made at the insertion point.
static Operation *moveDimension(OpBuilder &b, Location loc, Value v, int64_t rank, int64_t from, int64_t to) {
  SmallVector<int64_t> perm;
  for (int64_t i = 0; i < rank; ++i)
    if (i != from)
      perm.push_back(i);
  perm.insert(perm.begin() + to, from);
  OperationState state(loc, "onnx.Transpose", v, {v.getType()}, b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
  return b.create(state);
}

/// Makes dimension 0 the one that every input is scanned along.
LogicalResult Shapes::scanFirstDimension(onnx::ScanOp op) {
  size_t carried = op.getInputs().size() - op.getNumScanInputs();
  for (auto [i, given] : llvm::enumerate(op.getScanInputAxes().value_or(ArrayRef<int64_t>()))) {
    if (carried + i >= op.getInputs().size())
      return op.emitError("scan_input_axes has too many entries");
    Value v = op.getInputs()[carried + i];
    int64_t axis = normalAxis(given, rank(v));
    if (axis < 0 || axis >= rank(v))
      return op.emitError("scan input ") << i << " has no axis " << given;
    if (axis == 0)
      continue;
    b.setInsertionPoint(op);
    Operation *moved = moveDimension(b, op.getLoc(), v, rank(v), axis, 0);
    if (failed(infer(moved)))
      return failure();
    op->setOperand(carried + i, moved->getResult(0));
  }
  op.removeScanInputAxesAttr();
  return success();
}

LogicalResult Shapes::inferScan(onnx::ScanOp op) {
  size_t outer = trips.size();
  LogicalResult result = inferSteps(op);
  trips.truncate(outer);
  return result;
}

LogicalResult Shapes::inferSteps(onnx::ScanOp op) {
  Block &body = op.getBody().front();
  size_t scanned = op.getNumScanInputs(), carried = op.getInputs().size() - scanned;
  if (scanned == 0 || scanned > op.getInputs().size())
    return op.emitError("num_scan_inputs is ") << scanned << ", the number of inputs is " << op.getInputs().size();
  if (failed(scanFirstDimension(op)))
    return failure();
  AffineExpr length;
  for (auto [i, v] : llvm::enumerate(op.getInputs())) {
    Dims d = dims(v);
    if (i >= carried) {
      if (d.empty())
        return op.emitError("scan input ") << i - carried << " is a scalar";
      length = length && asConstant(length) ? length : d[0];
      d.erase(d.begin());
    }
    body.getArgument(i).setType(onnx::withDims(element(v), d));
  }
  trips.push_back({AffineExpr(), length});
  for (BlockArgument arg : body.getArguments().take_front(carried))
    arg.setType(inLoop(arg.getType()));
  if (failed(inferBlock(body)))
    return failure();
  Operation *yield = body.getTerminator();
  b.setInsertionPoint(op);
  SmallVector<std::pair<Value, int64_t>> moved;
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    auto type = dyn_cast<RankedTensorType>(yield->getOperand(i).getType());
    if (!type)
      return op.emitError("the rank of result ") << i << " of the body is not known";
    if (i < carried) {
      if (type.getRank() != rank(op.getInputs()[i]))
        return op.emitError("carried value ") << i << " changes its rank";
      Dims from = dims(op.getInputs()[i]);
      for (auto [x, y] : llvm::zip(onnx::getDimExprs(cast<RankedTensorType>(body.getArgument(i).getType())),
                                   onnx::getDimExprs(type))) {
        if (asConstant(x) && asConstant(y) && x != y)
          return op.emitError("carried value ") << i << " changes its size";
        if (visibleIn(y, op->getBlock()) && x != inLoop(y)) // others are checked in each iteration
          require(op, x, y);
      }
      set(r, from);
      continue;
    }
    Dims d = onnx::getDimExprs(type), full;
    d.insert(d.begin(), length);
    auto axes = op.getScanOutputAxes().value_or(ArrayRef<int64_t>());
    int64_t axis = i - carried < axes.size() ? normalAxis(axes[i - carried], d.size()) : 0;
    if (axis < 0 || axis >= (int64_t)d.size())
      return op.emitError("scan output ") << i - carried << " has no axis " << axes[i - carried];
    if (axis)
      moved.push_back({r, axis});
    r.setType(RankedTensorType::get(SmallVector<int64_t>(d.size(), ShapedType::kDynamic), type.getElementType()));
    for (auto [k, e] : llvm::enumerate(d))
      full.push_back(visibleIn(e, op->getBlock()) ? e : boundDim(r, k));
    set(r, full);
  }
  op.removeScanOutputAxesAttr();
  for (auto [r, axis] : moved) {
    b.setInsertionPointAfter(op);
    while (isa<BindDimOp>(*b.getInsertionPoint())) // the sizes come first
      b.setInsertionPointAfter(&*b.getInsertionPoint());
    Operation *back = moveDimension(b, op.getLoc(), r, rank(r), 0, axis);
    r.replaceUsesWithIf(back->getResult(0), [&](OpOperand &use) { return use.getOwner() != back && !isa<BindDimOp>(use.getOwner()); });
    if (failed(infer(back)))
      return failure();
  }
  return success();
}
