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
  void learn(BindElementOp bind);
  /// Follows what is computed of sizes.
  void evaluate(Operation *op);
  /// A size that only data says is known where a Reshape keeps the number of elements; a check that it is so is added.
  void learnReshape(Operation *reshape);
  AffineExpr rewrite(AffineExpr e) {
    bool affected = false, rounds = false;
    unsigned parts = 0;
    e.walk([&](AffineExpr part) {
      // Products of sizes would be multiplied out.
      bool product =
          part.getKind() == AffineExprKind::Mul && !isa<AffineConstantExpr>(cast<AffineBinaryOpExpr>(part).getRHS());
      parts += product ? 100 : 1;
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        affected |= replacement.contains(s);
      rounds |= part.getKind() == AffineExprKind::FloorDiv || part.getKind() == AffineExprKind::CeilDiv ||
                part.getKind() == AffineExprKind::Mod;
    });
    if (affected)
      e = e.replace(replacement);
    // Sizes that are rounded are written in many ways.
    AffineExpr normal = rounds && parts <= 40 ? space.toAffine(space.from(e), e.getContext()) : AffineExpr();
    return normal ? normal : e;
  }
  Type rewrite(Type type) {
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
  using Elements = SmallVector<Subscript>;
  std::optional<Elements> elementsOf(Operation *op);
  std::optional<Elements> integersOf(Value v);
  void note(int64_t symbol, const Subscript &value, MLIRContext *context);
  std::optional<Subscript> solve(StringRef kind, ArrayRef<Subscript> args);
  /// Where a - b = c - d, min(a, b) + max(c, d) = a + d and min(a, b) - a = min(c, d) - c: a clamp from another one that
  /// this block binds before.
  std::optional<Subscript> fromOther(BindExprOp bind, ArrayRef<Subscript> args);
  /// A size broadcast against x has to equal it, unless it is 1 or x is.
  bool isOneWith(const Subscript &x, unsigned one);

  SizeSymbols sizes;
  IndexSpace space;
  std::map<unsigned, Subscript> known;                                     // by atom
  llvm::DenseMap<Value, Elements> integers;                                // of small integer tensors
  llvm::DenseSet<int64_t> fromData;                                        // symbols that are elements of tensors
  std::map<unsigned, std::pair<StringRef, SmallVector<Subscript>>> clamps; // min and max of what
  // What a clamp takes from its first size, by the difference of its two.
  std::map<std::tuple<Block *, StringRef, Subscript>, Subscript> byDifference;
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
    // Of n + min(1, n) and n + 1 the first: they differ at n = 0 only, and there a single element meets none.
    for (auto &[x, y] : {std::pair(a, b), std::pair(b, a)})
      for (auto &[atom, clamped] : clamps) {
        auto &[clamp, of] = clamped;
        if (clamp != "min" || of.size() != 2 || x != y - 1 + Subscript::atom(atom))
          continue;
        for (int k : {0, 1})
          if (of[k].is(1) && of[1 - k] == y - 1 && space.nonNegative(y - 1))
            return x;
      }
    // Whichever is a symbol s is the size: the other one is s, or 1, or s is 1 and then the other one is 1 too.
    for (auto &[x, s] : {std::pair(a, b), std::pair(b, a)})
      if (auto one = s.asAtom(); one && isOneWith(x, *one))
        return s;
    return std::nullopt;
  }
  if (kind == "eq") {
    if (a == b)
      return Subscript(1);
    return space.nonNegative(a - b - 1) || space.nonNegative(b - a - 1) ? std::optional<Subscript>(0) : std::nullopt;
  }
  if (space.nonNegative(a - b)) // lt
    return Subscript(0);
  return space.nonNegative(b - a - 1) ? std::optional<Subscript>(1) : std::nullopt;
}

std::optional<Subscript> Sizes::fromOther(BindExprOp bind, ArrayRef<Subscript> args) {
  StringRef kind = bind.getKind();
  if ((kind != "min" && kind != "max") || args.size() != 2)
    return std::nullopt;
  auto find = [&](StringRef kind) { return byDifference.find({bind->getBlock(), kind, args[0] - args[1]}); };
  if (auto same = find(kind); same != byDifference.end())
    return args[0] - same->second;
  if (auto other = find(kind == "min" ? "max" : "min"); other != byDifference.end())
    return args[1] + other->second;
  Subscript clamp = space.symbol(bind.getSymbol());
  for (int k : {0, 1})
    byDifference.try_emplace({bind->getBlock(), kind, args[k] - args[1 - k]}, args[k] - clamp);
  return std::nullopt;
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
  auto value = kind == "same" ? std::nullopt : solve(kind, args);
  if (!value)
    value = fromOther(bind, args);
  if (value)
    note(bind.getSymbol(), *value, bind.getContext());
}

void Sizes::learn(BindElementOp bind) {
  fromData.insert(bind.getSymbol());
  auto all = integersOf(bind.getValue());
  if (!all || bind.getIndex() >= all->size())
    return;
  const Subscript &value = (*all)[bind.getIndex()];
  // A quotient by a size says no more than its sign.
  bool quotient = llvm::any_of(value.terms, [&](auto &t) {
    return llvm::any_of(
        t.first, [&](unsigned a) { return space[a].kind == IndexSpace::Atom::FloorDiv && !space[a].n.constant(); });
  });
  if (!quotient)
    note(bind.getSymbol(), value, bind.getContext());
  else if (space.nonNegative(value))
    sizes.nonNegative.insert(bind.getSymbol());
}

void Sizes::learnReshape(Operation *reshape) {
  auto from = dyn_cast<RankedTensorType>(reshape->getOperand(0).getType()),
       to = dyn_cast<RankedTensorType>(reshape->getResult(0).getType());
  if (!from || !to)
    return;
  Subscript count = 1, others = 1;
  std::optional<unsigned> open;
  for (AffineExpr e : onnx::getDimExprs(from))
    count = count * space.substitute(space.from(e), known);
  for (AffineExpr e : onnx::getDimExprs(to)) {
    Subscript d = space.substitute(space.from(e), known);
    auto atom = d.asAtom();
    if (!open && atom && space[*atom].kind == IndexSpace::Atom::Symbol && fromData.contains(space[*atom].symbol))
      open = atom;
    else
      others = others * d;
  }
  auto value = open ? count.dividedBy(others) : std::nullopt;
  if (!value || value->contains(*open))
    return;
  MLIRContext *context = reshape->getContext();
  int64_t symbol = space[*open].symbol;
  auto module = reshape->getParentOfType<ModuleOp>();
  auto names = module->getAttrOfType<ArrayAttr>("onnx.symbols");
  if (!names)
    return;
  SmallVector<Attribute> all(names.begin(), names.end());
  OpBuilder b(reshape);
  int64_t checked = all.size();
  all.push_back(b.getStringAttr(""));
  module->setAttr("onnx.symbols", b.getArrayAttr(all));
  AffineExpr expected = space.toAffine(*value, context);
  BindExprOp::create(
      b, reshape->getLoc(), b.getStringAttr("same"),
      AffineMapAttr::get(AffineMap::get(0, checked, {getAffineSymbolExpr(symbol, context), expected}, context)),
      b.getI64IntegerAttr(checked));
  note(symbol, *value, context);
}

std::optional<Sizes::Elements> Sizes::integersOf(Value v) {
  if (auto it = integers.find(v); it != integers.end())
    return it->second;
  auto type = dyn_cast<RankedTensorType>(v.getType());
  if (!type || !isa<IntegerType>(type.getElementType()) || !type.hasStaticShape() || type.getNumElements() > 64)
    return std::nullopt;
  if (auto values = onnx::intValues(v))
    return Elements(values->begin(), values->end());
  return std::nullopt;
}

void Sizes::evaluate(Operation *op) {
  if (op->getNumResults() == 1)
    if (auto all = elementsOf(op))
      integers[op->getResult(0)] = *all;
}

std::optional<Sizes::Elements> Sizes::elementsOf(Operation *op) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || !isa<IntegerType>(type.getElementType()) || !type.hasStaticShape() || type.getRank() > 1 ||
      type.getNumElements() > 64)
    return std::nullopt;
  size_t count = type.getNumElements();
  StringRef name = op->getName().stripDialect();
  if (auto dims = dyn_cast<onnx::DimsOp>(op)) {
    Elements out;
    for (AffineExpr e : dims.getMap().getResults())
      out.push_back(space.substitute(space.from(e), known));
    return out;
  }
  SmallVector<Elements> in;
  for (Value v : op->getOperands()) {
    auto all = onnx::isNone(v) ? std::optional<Elements>(Elements()) : integersOf(v);
    if (!all)
      return std::nullopt;
    in.push_back(*all);
  }
  if (in.empty())
    return std::nullopt;
  if (name == "Identity" || name == "Reshape" || name == "Squeeze" || name == "Unsqueeze" ||
      (name == "Cast" && type.getElementType().isInteger(64)))
    return in[0].size() == count ? std::optional(in[0]) : std::nullopt;
  if (name == "Concat") {
    Elements out;
    for (Elements &part : in)
      out.append(part);
    return out;
  }
  if (name == "Gather" && in[1].size() == count) {
    Elements out;
    for (const Subscript &i : in[1]) {
      auto c = i.constant();
      int64_t at = c ? *c < 0 ? *c + (int64_t)in[0].size() : *c : -1;
      if (at < 0 || at >= (int64_t)in[0].size())
        return std::nullopt;
      out.push_back(in[0][at]);
    }
    return out;
  }
  bool binary = name == "Add" || name == "Sub" || name == "Mul" || name == "Div" || name == "Equal";
  if (!binary && name != "Where")
    return std::nullopt;
  Elements out;
  for (size_t n = 0; n < count; ++n) {
    SmallVector<Subscript, 3> x;
    for (Elements &part : in) {
      if (part.size() != count && part.size() != 1)
        return std::nullopt;
      x.push_back(part[part.size() == 1 ? 0 : n]);
    }
    std::optional<Subscript> r;
    if (name == "Add")
      r = x[0] + x[1];
    else if (name == "Sub")
      r = x[0] - x[1];
    else if (name == "Mul")
      r = x[0] * x[1];
    else if (name == "Div" && x[1].is(0))
      return std::nullopt;
    else if (name == "Div" && x[0].dividedBy(x[1]))
      r = x[0].dividedBy(x[1]);
    else if (name == "Div" && space.nonNegative(x[0]) && space.nonNegative(x[1]))
      r = space.floorDiv(x[0], x[1]);
    else if (name == "Div")
      return std::nullopt;
    else if (name == "Equal")
      r = solve("eq", x);
    else if (auto c = x[0].constant())
      r = *c ? x[1] : x[2];
    if (!r)
      return std::nullopt;
    out.push_back(*r);
  }
  return out;
}

struct SimplifySizesPass : ssm::impl::SimplifySizesBase<SimplifySizesPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    Sizes sizes(getOperation());
    sizes.learnChecks(main.front());
    main.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto bind = dyn_cast<BindExprOp>(op))
        sizes.learn(bind);
      else if (auto bind = dyn_cast<BindElementOp>(op))
        sizes.learn(bind);
      else if (op->getName().stripDialect() == "Reshape" && op->getBlock() == &main.front()) // every run comes here
        sizes.learnReshape(op), sizes.evaluate(op);
      else
        sizes.evaluate(op);
    });
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
