//===- Symbols.cpp - sizes that turn out to be others ----------------------===//
#include "passes/raise/Symbols.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"

using namespace mlir;
using namespace ssm;

static int64_t newSymbol(OpBuilder &b) {
  auto module = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  SmallVector<Attribute> names;
  if (auto known = module->getAttrOfType<ArrayAttr>("onnx.symbols"))
    names.assign(known.begin(), known.end());
  names.push_back(b.getStringAttr(""));
  module->setAttr("onnx.symbols", b.getArrayAttr(names));
  return names.size() - 1;
}

/// Among the bindings that stand directly before the place of insertion.
template <typename Bind> static Bind boundBefore(OpBuilder &b, llvm::function_ref<bool(Bind)> isIt) {
  Block *block = b.getInsertionBlock();
  for (auto at = b.getInsertionPoint(); at != block->begin();) {
    Operation *op = &*--at;
    if (!isa<BindElementOp, BindExprOp>(op))
      break;
    if (auto bind = dyn_cast<Bind>(op); bind && isIt(bind))
      return bind;
  }
  return {};
}

AffineExpr ssm::bindExpr(OpBuilder &b, Location loc, StringRef kind, AffineExpr p, AffineExpr q, StringRef message) {
  if (auto bind = boundBefore<BindExprOp>(b, [&](BindExprOp bind) {
        return bind.getKind() == kind && bind.getMap().getResults() == ArrayRef<AffineExpr>{p, q} &&
               (bind->hasAttr("message") ? bind->getAttrOfType<StringAttr>("message") == message : message.empty());
      }))
    return getAffineSymbolExpr(bind.getSymbol(), b.getContext());
  int64_t symbol = newSymbol(b);
  auto bind = BindExprOp::create(b, loc, kind, AffineMap::get(0, symbol, {p, q}, b.getContext()), symbol);
  if (!message.empty())
    bind->setAttr("message", b.getStringAttr(message));
  return getAffineSymbolExpr(symbol, b.getContext());
}

AffineExpr ssm::bindElement(OpBuilder &b, Location loc, Value v) {
  if (auto bind = boundBefore<BindElementOp>(
          b, [&](BindElementOp bind) { return bind.getValue() == v && bind.getIndex() == 0; }))
    return getAffineSymbolExpr(bind.getSymbol(), b.getContext());
  int64_t symbol = newSymbol(b);
  BindElementOp::create(b, loc, v, 0, symbol);
  return getAffineSymbolExpr(symbol, b.getContext());
}

bool ssm::isOwnSize(Value v, AffineExpr size) {
  return llvm::any_of(v.getUsers(), [&](Operation *user) {
    auto bind = dyn_cast<BindDimOp>(user);
    return bind && getAffineSymbolExpr(bind.getSymbol(), size.getContext()) == size;
  });
}

void ssm::noteEqualSizes(Value from, Value to, SymbolMap &symbols) {
  auto f = dyn_cast<RankedTensorType>(from.getType()), t = dyn_cast<RankedTensorType>(to.getType());
  if (!f || !t || f.getRank() != t.getRank())
    return;
  for (auto [x, y] : llvm::zip(onnx::getDimExprs(f), onnx::getDimExprs(t))) {
    bool contains = false;
    y.walk([&, x = x](AffineExpr part) { contains |= part == x; });
    if (isOwnSize(from, x) && !contains)
      symbols.try_emplace(x, y);
  }
}

UnreadSizes ssm::dropUnreadSizes(func::FuncOp function) {
  llvm::DenseMap<int64_t, Value> reader; // the only value whose type has the symbol; null for more than that
  auto read = [&](AffineExpr e, Value by) {
    e.walk([&](AffineExpr part) {
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        if (auto [it, fresh] = reader.try_emplace(s.getPosition(), by); !fresh && it->second != by)
          it->second = {};
    });
  };
  auto readType = [&](Value v) {
    if (auto type = dyn_cast<RankedTensorType>(v.getType()))
      for (AffineExpr e : onnx::getDimExprs(type))
        read(e, v);
  };
  SmallVector<OpResult> results;
  function.walk([&](Operation *op) {
    for (Region &r : op->getRegions())
      for (BlockArgument a : r.getArguments())
        readType(a);
    for (OpResult r : op->getResults()) {
      readType(r);
      if (isa<onnx::LoopOp, onnx::ScanOp>(op))
        results.push_back(r);
    }
    auto readMap = [&](AffineMap map) {
      for (AffineExpr e : map.getResults())
        read(e, {});
    };
    if (auto dims = dyn_cast<onnx::DimsOp>(op))
      readMap(dims.getMap());
    else if (auto bind = dyn_cast<BindExprOp>(op))
      readMap(bind.getMap());
  });
  UnreadSizes dropped;
  for (OpResult r : results) {
    bool unread = llvm::all_of(r.getUsers(), [&](Operation *user) {
      auto bind = dyn_cast<BindDimOp>(user);
      return bind && reader.lookup(bind.getSymbol()) == r;
    });
    if (!unread)
      continue;
    for (Operation *user : llvm::make_early_inc_range(r.getUsers())) {
      auto bind = cast<BindDimOp>(user);
      dropped[r.getOwner()].push_back({r.getResultNumber(), bind.getAxis(), bind.getSymbol()});
      bind.erase();
    }
  }
  return dropped;
}

void ssm::bindUnreadSizes(Operation *loop, const UnreadSizes &dropped) {
  OpBuilder b(loop->getContext());
  b.setInsertionPointAfter(loop);
  for (const UnreadSize &size : dropped.lookup(loop))
    BindDimOp::create(b, loop->getLoc(), loop->getResult(size.result), size.axis, size.symbol);
}

void ssm::replaceSymbols(func::FuncOp function, const SymbolMap &symbols) {
  if (symbols.empty())
    return;
  auto rewrite = [&](AffineExpr e) {
    for (unsigned round = 0; round < 4; ++round) { // one may equal another that was replaced too
      bool affected = false;
      e.walk([&](AffineExpr part) { affected |= symbols.contains(part); });
      if (!affected)
        break;
      e = e.replace(symbols);
    }
    return e;
  };
  auto rewriteType = [&](Type type) -> Type {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.getEncoding())
      return type;
    SmallVector<AffineExpr> dims = onnx::getDimExprs(tensor), rewritten;
    for (AffineExpr e : dims)
      rewritten.push_back(rewrite(e));
    return rewritten == dims ? type : (Type)onnx::withDims(tensor.getElementType(), rewritten);
  };
  function.walk([&](Block *block) {
    for (BlockArgument a : block->getArguments())
      a.setType(rewriteType(a.getType()));
  });
  auto rewriteMap = [&](AffineMap map) {
    SmallVector<AffineExpr> exprs;
    unsigned count = 0;
    for (AffineExpr e : map.getResults()) {
      exprs.push_back(rewrite(e));
      exprs.back().walk([&](AffineExpr part) {
        if (auto s = dyn_cast<AffineSymbolExpr>(part))
          count = std::max(count, s.getPosition() + 1);
      });
    }
    return AffineMapAttr::get(AffineMap::get(0, count, exprs, map.getContext()));
  };
  function.walk([&](Operation *op) {
    for (OpResult r : op->getResults())
      r.setType(rewriteType(r.getType()));
    if (auto dims = dyn_cast<onnx::DimsOp>(op))
      dims.setMapAttr(rewriteMap(dims.getMap()));
    else if (auto bind = dyn_cast<BindExprOp>(op); bind && bind.getKind() != "same")
      bind.setMapAttr(rewriteMap(bind.getMap()));
  });
  Block &entry = function.front();
  function.setType(
      FunctionType::get(function.getContext(), entry.getArgumentTypes(), entry.getTerminator()->getOperandTypes()));
}
