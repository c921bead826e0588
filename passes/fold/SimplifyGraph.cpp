//===- SimplifyGraph.cpp - operators that change nothing, sizes that are known -===//
// Expects: @main with symbolic shapes. Operators that give their operand go, whatever nobody reads goes, and symbols
// whose value is a constant leave types and maps. Exact: x * 1 is x, x + 0 is not (-0 + 0 is 0). Three walks, linear.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Iterators.h"
#include "passes/fold/Passes.h"
#include "passes/fold/Shapes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_SIMPLIFYGRAPH
#include "passes/fold/Passes.h.inc"
} // namespace ssm

/// All elements of a constant are this number.
static bool isSplat(Value v, double number) {
  ElementsAttr value = onnx::constantValue(v);
  auto dense = dyn_cast_or_null<DenseElementsAttr>(value);
  if (!dense || dense.empty() || !(dense.isSplat() || dense.getNumElements() == 1))
    return false;
  Type t = dense.getElementType();
  if (isa<FloatType>(t))
    return (*dense.getValues<APFloat>().begin()).convertToDouble() == number;
  return isa<IntegerType>(t) && !t.isInteger(1) &&
         (*dense.getValues<APInt>().begin()).getSExtValue() == (int64_t)number;
}

/// The value that the result of an operator always is; null when there is none.
static Value sameAs(Operation *op) {
  if (op->getNumOperands() == 0 || op->getNumResults() == 0)
    return {};
  StringRef name = op->getName().stripDialect();
  Value x = op->getOperand(0);
  Type type = op->getResult(0).getType();
  bool same = x.getType() == type;
  if (name == "Identity")
    return x;
  if (!same)
    return {};
  // With equal types these have nothing to do.
  if (name == "Cast" || name == "CastLike" || name == "Reshape" || name == "Expand" || name == "Flatten" ||
      name == "Squeeze")
    return x;
  if (name == "Concat" && op->getNumOperands() == 1)
    return x;
  if (name == "Transpose") {
    SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
    bool identity = op->hasAttr("perm") || cast<RankedTensorType>(type).getRank() < 2;
    for (auto [i, p] : llvm::enumerate(perm))
      identity &= (int64_t)i == p;
    return identity ? x : Value();
  }
  if ((name == "Mul" || name == "Div") && isSplat(op->getOperand(1), 1))
    return x;
  if (name == "Mul" && isSplat(x, 1) && op->getOperand(1).getType() == type)
    return op->getOperand(1);
  return {};
}

namespace {
struct SimplifyGraphPass : ssm::impl::SimplifyGraphBase<SimplifyGraphPass> {
  void runOnOperation() override;
  void removeIdentities(func::FuncOp main);
  bool propagateSymbols(func::FuncOp main);
  void removeDead(func::FuncOp main);
};
} // namespace

void SimplifyGraphPass::removeIdentities(func::FuncOp main) {
  main.walk([&](Operation *op) {
    if (!isa<onnx::OnnxDialect>(op->getDialect()) || op->getNumRegions())
      return;
    Value v = sameAs(op);
    if (!v && op->getName().stripDialect() == "Mul" && op->getNumOperands() == 2 && isSplat(op->getOperand(0), 1) &&
        op->getOperand(1).getType() == op->getResult(0).getType())
      v = op->getOperand(1);
    if (!v)
      return;
    op->getResult(0).replaceAllUsesWith(v);
    op->erase();
    ++removed;
  });
}

/// Replaces symbols that are bound to constants; true when there were any.
bool SimplifyGraphPass::propagateSymbols(func::FuncOp main) {
  MLIRContext *context = &getContext();
  DenseMap<int64_t, int64_t> values;
  SmallVector<Operation *> settled;
  auto names = getOperation()->getAttrOfType<ArrayAttr>("onnx.symbols");
  int64_t numSymbols = names ? names.size() : 0;
  auto replaced = [&](AffineExpr e) {
    return e.replace([&] {
      DenseMap<AffineExpr, AffineExpr> map;
      e.walk([&](AffineExpr part) {
        if (auto s = dyn_cast<AffineSymbolExpr>(part))
          if (auto it = values.find(s.getPosition()); it != values.end())
            map[part] = getAffineConstantExpr(it->second, context);
      });
      return map;
    }());
  };
  auto replacedMap = [&](AffineMap m) {
    SmallVector<AffineExpr> out;
    for (AffineExpr e : m.getResults())
      out.push_back(simplifyAffineExpr(replaced(e), 0, m.getNumSymbols()));
    return AffineMap::get(0, m.getNumSymbols(), out, context);
  };
  main.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto settle = [&](int64_t symbol, int64_t value) {
      values[symbol] = value;
      settled.push_back(op);
    };
    if (auto x = dyn_cast<BindElementOp>(op)) {
      if (auto v = onnx::intValues(x.getValue()); v && x.getIndex() < v->size())
        settle(x.getSymbol(), (*v)[x.getIndex()]);
    } else if (auto x = dyn_cast<BindExprOp>(op)) {
      SmallVector<int64_t> v;
      for (AffineExpr e : replacedMap(x.getMap()).getResults())
        if (auto c = dyn_cast<AffineConstantExpr>(e))
          v.push_back(c.getValue());
      StringRef kind = x.getKind();
      if (v.size() != x.getMap().getNumResults())
        return;
      if (kind == "min" || kind == "max")
        settle(x.getSymbol(), kind == "min" ? *llvm::min_element(v) : *llvm::max_element(v));
      else if (kind == "eq" || kind == "lt")
        settle(x.getSymbol(), kind == "eq" ? v[0] == v[1] : v[0] < v[1]);
      else if (v[0] == v[1] || (kind == "broadcast" && (v[0] == 1 || v[1] == 1)))
        settle(x.getSymbol(), v[0] == 1 ? v[1] : v[0]);
    }
  });
  if (values.empty())
    return false;
  auto retype = [&](Value v) {
    auto t = dyn_cast<RankedTensorType>(v.getType());
    if (!t || !t.getEncoding())
      return;
    SmallVector<AffineExpr> dims;
    for (AffineExpr e : onnx::getDimExprs(t))
      dims.push_back(simplifyAffineExpr(replaced(e), 0, numSymbols));
    v.setType(onnx::withDims(t.getElementType(), dims));
  };
  main.walk([&](Operation *op) {
    llvm::for_each(op->getResults(), retype);
    for (Region &r : op->getRegions())
      for (Block &block : r)
        if (op != main)
          llvm::for_each(block.getArguments(), retype);
    if (auto x = dyn_cast<BindExprOp>(op))
      x.setMap(replacedMap(x.getMap()));
    auto x = dyn_cast<onnx::DimsOp>(op);
    if (!x)
      return;
    AffineMap map = replacedMap(x.getMap());
    x.setMap(map);
    auto type = cast<RankedTensorType>(x.getType());
    if (!llvm::all_of(map.getResults(), llvm::IsaPred<AffineConstantExpr>) || !type.getElementType().isInteger(64))
      return;
    SmallVector<int64_t> elements;
    for (AffineExpr e : map.getResults())
      elements.push_back(cast<AffineConstantExpr>(e).getValue());
    OpBuilder b(op);
    x.replaceAllUsesWith(
        onnx::ConstantOp::create(b, x.getLoc(), type, DenseElementsAttr::get(type, ArrayRef(elements))).getResult());
    x.erase();
  });
  for (Operation *op : settled)
    op->erase();
  return true;
}

/// Operators and bindings that nobody reads, from the end.
void SimplifyGraphPass::removeDead(func::FuncOp main) {
  llvm::DenseSet<int64_t> read;
  auto note = [&](AffineExpr e) {
    e.walk([&](AffineExpr part) {
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        read.insert(s.getPosition());
    });
  };
  auto noteType = [&](Type type) {
    if (auto t = dyn_cast<RankedTensorType>(type); t && t.getEncoding())
      for (AffineExpr e : onnx::getDimExprs(t))
        note(e);
  };
  // Symbols of values that stay are read, wherever they are bound: a first walk over all types, then the bindings.
  main.walk([&](Operation *op) {
    for (Type t : op->getResultTypes())
      noteType(t);
    for (Region &r : op->getRegions())
      for (Block &block : r)
        for (Type t : block.getArgumentTypes())
          noteType(t);
    if (auto x = dyn_cast<onnx::DimsOp>(op))
      llvm::for_each(x.getMap().getResults(), note);
  });
  main.walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
    bool dead = false;
    if (auto x = dyn_cast<BindDimOp>(op)) {
      dead = !read.contains(x.getSymbol());
    } else if (auto x = dyn_cast<BindElementOp>(op)) {
      dead = !read.contains(x.getSymbol());
    } else if (auto x = dyn_cast<BindExprOp>(op)) {
      // The checks of broadcast and same are for the run, not for their symbol.
      dead = !read.contains(x.getSymbol()) && x.getKind() != "broadcast" && x.getKind() != "same";
      if (!dead)
        llvm::for_each(x.getMap().getResults(), note);
    } else if (isa<onnx::OnnxDialect>(op->getDialect()) && !op->hasTrait<OpTrait::IsTerminator>()) {
      dead = op->use_empty();
    }
    if (dead)
      op->erase();
  });
}

void SimplifyGraphPass::runOnOperation() {
  auto main = getOperation().lookupSymbol<func::FuncOp>("main");
  if (!main)
    return;
  propagateSymbols(main);
  removeIdentities(main);
  removeDead(main);
  auto type = main.getFunctionType();
  main.setType(
      FunctionType::get(&getContext(), type.getInputs(), main.getBody().front().getTerminator()->getOperandTypes()));
}
