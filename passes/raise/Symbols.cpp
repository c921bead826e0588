//===- Symbols.cpp - sizes that turn out to be others ----------------------===//
#include "passes/raise/Symbols.h"
#include "dialects/Onnx/OnnxDialect.h"

using namespace mlir;
using namespace ssm;

void ssm::noteEqualSizes(Type from, Type to, SymbolMap &symbols) {
  auto f = dyn_cast<RankedTensorType>(from), t = dyn_cast<RankedTensorType>(to);
  if (!f || !t || f.getRank() != t.getRank())
    return;
  for (auto [x, y] : llvm::zip(onnx::getDimExprs(f), onnx::getDimExprs(t))) {
    bool contains = false;
    y.walk([&, x = x](AffineExpr part) { contains |= part == x; });
    if (isa<AffineSymbolExpr>(x) && !contains)
      symbols.try_emplace(x, y);
  }
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
  function.walk([&](Operation *op) {
    for (OpResult r : op->getResults())
      r.setType(rewriteType(r.getType()));
    if (auto dims = dyn_cast<onnx::DimsOp>(op)) {
      SmallVector<AffineExpr> exprs;
      unsigned count = 0;
      for (AffineExpr e : dims.getMap().getResults()) {
        exprs.push_back(rewrite(e));
        exprs.back().walk([&](AffineExpr part) {
          if (auto s = dyn_cast<AffineSymbolExpr>(part))
            count = std::max(count, s.getPosition() + 1);
        });
      }
      dims.setMapAttr(AffineMapAttr::get(AffineMap::get(0, count, exprs, op->getContext())));
    }
  });
  Block &entry = function.front();
  function.setType(FunctionType::get(function.getContext(), entry.getArgumentTypes(), entry.getTerminator()->getOperandTypes()));
}
