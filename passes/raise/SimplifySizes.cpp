//===- SimplifySizes.cpp - sizes in terms of the sizes of inputs -----------===//
// Expects: @main after fold, in which clamped and broadcast sizes are symbols of their own. Leaves: the same with
// symbols that provably equal an expression of others replaced in all types, so that `min(L, L + 3)` and L are one
// size. Raising compares sizes by their expressions and would miss every layer behind such a symbol. Sizes that every
// run checks to be the same are one size as well, and the check comes as soon as both are known. The bind ops stay:
// they check at run time what a broadcast demands. One walk over @main.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Subscript.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_SIMPLIFYSIZES
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {
class Sizes {
public:
  explicit Sizes(ModuleOp module) : sizes(IndexSpace::sizeSymbols(module)), space(sizes) {}

  void learnChecks(Block &entry);
  void learn(BindExprOp bind);
  bool empty() const { return known.empty(); }
  AffineExpr rewrite(AffineExpr e) const {
    bool affected = false;
    e.walk([&](AffineExpr part) {
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        affected |= replacement.contains(s);
    });
    return affected ? e.replace(replacement) : e;
  }
  Type rewrite(Type type) const {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.getEncoding())
      return type;
    SmallVector<AffineExpr> dims;
    bool changed = false;
    for (AffineExpr e : onnx::getDimExprs(tensor)) {
      dims.push_back(rewrite(e));
      changed |= dims.back() != e;
    }
    return changed ? (Type)onnx::withDims(tensor.getElementType(), dims) : type;
  }

private:
  void note(int64_t symbol, const Subscript &value, MLIRContext *context);
  std::optional<Subscript> solve(StringRef kind, ArrayRef<Subscript> args);
  /// A size broadcast against x has to equal it, unless it is 1 or x is.
  bool isOneWith(const Subscript &x, unsigned one);

  SizeSymbols sizes;
  IndexSpace space;
  std::map<unsigned, Subscript> known; // by atom
  std::map<unsigned, std::pair<StringRef, SmallVector<Subscript>>> clamps; // min and max of what
  llvm::DenseMap<AffineExpr, AffineExpr> replacement;
};

bool Sizes::isOneWith(const Subscript &x, unsigned one) {
  Subscript at = space.substitute(x, {{one, Subscript(1)}});
  for (int depth = 0; depth < 4 && !at.constant(); ++depth) {
    std::map<unsigned, Subscript> values;
    for (auto &[m, c] : at.terms)
      for (unsigned a : m) {
        auto clamped = clamps.find(a);
        if (clamped == clamps.end())
          continue;
        SmallVector<Subscript> args;
        for (const Subscript &arg : clamped->second.second)
          args.push_back(space.substitute(arg, {{one, Subscript(1)}}));
        if (auto value = solve(clamped->second.first, args))
          values[a] = *value;
      }
    if (values.empty())
      break;
    at = space.substitute(at, values);
  }
  return at.is(1);
}

std::optional<Subscript> Sizes::solve(StringRef kind, ArrayRef<Subscript> args) {
  if (kind == "min" || kind == "max") {
    for (const Subscript &a : args)
      if (llvm::all_of(args, [&](const Subscript &o) { return space.nonNegative(kind == "min" ? o - a : a - o); }))
        return a;
    return std::nullopt;
  }
  const Subscript &a = args[0], &b = args[1];
  if (kind == "broadcast") {
    if (a == b || b.is(1))
      return a;
    if (a.is(1))
      return b;
    // Whichever is a symbol s is the size: the other one is s, or 1, or s is 1 and then the other one is 1 too.
    for (auto &[x, s] : {std::pair(a, b), std::pair(b, a)})
      if (auto one = s.asAtom(); one && isOneWith(x, *one))
        return s;
    return std::nullopt;
  }
  if (kind == "eq")
    return a == b ? std::optional<Subscript>(1) : std::nullopt;
  if (space.nonNegative(a - b)) // lt
    return Subscript(0);
  return space.nonNegative(b - a - 1) ? std::optional<Subscript>(1) : std::nullopt;
}

void Sizes::note(int64_t symbol, const Subscript &value, MLIRContext *context) {
  unsigned atom = *space.symbol(symbol).asAtom();
  for (auto &[other, old] : known)
    if (old.contains(atom)) {
      old = space.substitute(old, {{atom, value}});
      replacement[getAffineSymbolExpr(space[other].symbol, context)] = space.toAffine(old, context);
    }
  known[atom] = value;
  replacement[getAffineSymbolExpr(symbol, context)] = space.toAffine(value, context);
}

/// Checks that every run of the model makes: of two sizes that must be the same, the one that is known later goes.
void Sizes::learnChecks(Block &entry) {
  llvm::DenseMap<int64_t, Operation *> home;
  SmallVector<BindExprOp> checks;
  for (Operation &op : entry) {
    if (auto bind = dyn_cast<BindDimOp>(op))
      home.try_emplace(bind.getSymbol(), bind);
    else if (auto bind = dyn_cast<BindElementOp>(op))
      home.try_emplace(bind.getSymbol(), bind);
    else if (auto bind = dyn_cast<BindExprOp>(op)) {
      home.try_emplace(bind.getSymbol(), bind);
      if (bind.getKind() == "same")
        checks.push_back(bind);
    }
  }
  for (BindExprOp check : checks) {
    // Where the last of the symbols is bound; null for none.
    bool bound = true;
    auto lastOf = [&](AffineExpr e) {
      Operation *last = nullptr;
      e.walk([&](AffineExpr part) {
        if (auto s = dyn_cast<AffineSymbolExpr>(part)) {
          Operation *at = home.lookup(s.getPosition());
          bound &= at != nullptr;
          if (at && (!last || last->isBeforeInBlock(at)))
            last = at;
        }
      });
      return last;
    };
    AffineExpr sides[] = {check.getMap().getResult(0), check.getMap().getResult(1)};
    Operation *last[] = {lastOf(sides[0]), lastOf(sides[1])};
    for (unsigned i = 0; bound && i < 2; ++i) {
      auto s = dyn_cast<AffineSymbolExpr>(sides[i]);
      if (!s || (last[1 - i] && !last[1 - i]->isBeforeInBlock(last[i])))
        continue;
      auto value = space.substitute(space.from(sides[1 - i]), known), own = space.substitute(space.from(s), known);
      auto atom = own.asAtom();
      if (!atom || space[*atom].kind != IndexSpace::Atom::Symbol || value.contains(*atom))
        continue;
      note(space[*atom].symbol, value, check.getContext());
      if (last[i] != check->getPrevNode())
        check->moveAfter(last[i]);
      break;
    }
  }
}

void Sizes::learn(BindExprOp bind) {
  SmallVector<Subscript> args;
  for (AffineExpr e : bind.getMap().getResults())
    args.push_back(space.substitute(space.from(e), known));
  StringRef kind = bind.getKind();
  auto positive = [&](const Subscript &x) { return space.nonNegative(x); };
  if (kind == "eq" || kind == "lt" || (kind == "max" ? llvm::any_of(args, positive) : llvm::all_of(args, positive)))
    sizes.nonNegative.insert(bind.getSymbol());
  if (kind == "min" || kind == "max")
    clamps[*space.symbol(bind.getSymbol()).asAtom()] = {kind, args};
  if (auto value = kind == "same" ? std::nullopt : solve(kind, args))
    note(bind.getSymbol(), *value, bind.getContext());
}

struct SimplifySizesPass : ssm::impl::SimplifySizesBase<SimplifySizesPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    Sizes sizes(getOperation());
    sizes.learnChecks(main.front());
    main.walk<WalkOrder::PreOrder>([&](BindExprOp bind) { sizes.learn(bind); });
    if (sizes.empty())
      return;
    main.walk([&](Block *block) {
      for (BlockArgument arg : block->getArguments())
        arg.setType(sizes.rewrite(arg.getType()));
    });
    main.walk([&](Operation *op) {
      for (OpResult r : op->getResults())
        r.setType(sizes.rewrite(r.getType()));
      auto rewritten = [&](AffineMap map) {
        SmallVector<AffineExpr> exprs;
        for (AffineExpr e : map.getResults())
          exprs.push_back(sizes.rewrite(e));
        return AffineMapAttr::get(AffineMap::get(0, map.getNumSymbols(), exprs, op->getContext()));
      };
      if (auto dims = dyn_cast<onnx::DimsOp>(op))
        dims.setMapAttr(rewritten(dims.getMap()));
      if (auto bind = dyn_cast<BindExprOp>(op); bind && bind.getKind() != "same") // what is known by a check needs it
        bind.setMapAttr(rewritten(bind.getMap()));
    });
    Block &entry = main.front();
    main.setType(FunctionType::get(&getContext(), entry.getArgumentTypes(), entry.getTerminator()->getOperandTypes()));
  }
};
} // namespace
