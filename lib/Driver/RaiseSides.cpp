//===- RaiseSides.cpp - modules of the two sides of a raise ----------------===//
// The operators of a cut become @main. Sizes that its types speak of are bound as in the model where the cut computes
// them or where they are expressions of others; all others are free and come as the length of a list that nothing
// reads.
//===----------------------------------------------------------------------===//
#include "lib/Driver/RaiseSides.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "lib/Driver/Model.h"
#include <set>

using namespace mlir;
using namespace ssm;

namespace {
/// What a side of a cut needs to know of sizes.
struct Sizes {
  std::set<int64_t> free;                // symbols that inputs give
  llvm::SetVector<Operation *> exprs;    // binds of expressions
  llvm::SetVector<Operation *> computed; // binds of what the cut computes
};

int64_t symbolOf(Operation *bind) { return bind->getAttrOfType<IntegerAttr>("symbol").getInt(); }

void symbolsOf(AffineExpr e, llvm::function_ref<void(int64_t)> fn) {
  e.walk([&](AffineExpr part) {
    if (auto s = dyn_cast<AffineSymbolExpr>(part))
      fn(s.getPosition());
  });
}

void symbolsOf(Type type, llvm::function_ref<void(int64_t)> fn) {
  if (auto t = dyn_cast<RankedTensorType>(type); t && t.getEncoding())
    for (AffineExpr e : onnx::getDimExprs(t))
      symbolsOf(e, fn);
  else if (auto s = dyn_cast<onnx::SequenceType>(type))
    symbolsOf(s.getElement(), fn);
  else if (auto o = dyn_cast<onnx::OptionalType>(type))
    symbolsOf(o.getElement(), fn);
}

/// Symbols that an operator, what is in it, and its results speak of.
void symbolsOf(Operation *op, llvm::function_ref<void(int64_t)> fn) {
  op->walk([&](Operation *inner) {
    for (Type t : inner->getResultTypes())
      symbolsOf(t, fn);
    for (Type t : inner->getOperandTypes())
      symbolsOf(t, fn);
    for (Region &r : inner->getRegions())
      for (Type t : r.getArgumentTypes())
        symbolsOf(t, fn);
    if (isa<onnx::DimsOp, BindExprOp>(inner))
      for (AffineExpr e : inner->getAttrOfType<AffineMapAttr>("map").getValue().getResults())
        symbolsOf(e, fn);
  });
}

/// Whether all that an expression speaks of, directly or not, is in `free`.
bool isOver(BindExprOp bind, const llvm::DenseMap<int64_t, Operation *> &binds, const std::set<int64_t> &free) {
  bool all = true;
  symbolsOf(bind.getOperation(), [&](int64_t s) {
    auto inner = dyn_cast_or_null<BindExprOp>(binds.lookup(s));
    all &= inner ? isOver(inner, binds, free) : free.contains(s);
  });
  return all;
}

Sizes sizesOf(ArrayRef<Operation *> ops, ArrayRef<Value> inputs, ModuleOp module) {
  Block &main = module.lookupSymbol<func::FuncOp>("main").front();
  llvm::DenseMap<int64_t, Operation *> binds;
  for (Operation &op : main)
    if (isa<BindDimOp, BindElementOp, BindExprOp>(op))
      binds.try_emplace(symbolOf(&op), &op);
  llvm::SmallPtrSet<Operation *, 32> members(ops.begin(), ops.end());
  Sizes sizes;
  std::set<int64_t> seen;
  std::function<void(int64_t)> need = [&](int64_t symbol) {
    if (!seen.insert(symbol).second)
      return;
    Operation *bind = binds.lookup(symbol);
    if (!bind)
      return; // bound inside of a region
    if (isa<BindExprOp>(bind)) {
      symbolsOf(bind, need);
      sizes.exprs.insert(bind);
      return;
    }
    Operation *def = bind->getOperand(0).getDefiningOp();
    if (def && members.contains(def) && !llvm::is_contained(inputs, bind->getOperand(0)))
      sizes.computed.insert(bind);
    else
      sizes.free.insert(symbol);
  };
  for (Value v : inputs)
    symbolsOf(v.getType(), need);
  for (Operation *op : ops)
    symbolsOf(op, need);
  // What checks sizes of the cut goes with it.
  for (Operation &op : main)
    if (auto check = dyn_cast<BindExprOp>(op); check && check.getKind() == "same" && isOver(check, binds, sizes.free))
      need(check.getSymbol());
  return sizes;
}

SmallVector<Value> valuesOf(ArrayRef<ValuePair> pairs, bool after) {
  SmallVector<Value> values;
  for (ValuePair p : pairs)
    values.push_back(after ? p.after : p.before);
  return values;
}

Sizes sizesOf(const RaiseCut &cut, ModuleOp module, bool after) {
  return sizesOf(after ? cut.after : cut.before, valuesOf(cut.inputs, after), module);
}

class SideBuilder {
public:
  SideBuilder(ModuleOp from, const std::set<int64_t> &free, bool after) : from(from), free(free), after(after) {}
  OwningOpRef<ModuleOp> run(ArrayRef<const RaiseCut *> cuts);

private:
  void copy(const RaiseCut &cut, Block &body, OpBuilder &b);
  ModuleOp from;
  const std::set<int64_t> &free;
  bool after;
  std::set<int64_t> bound;
  SmallVector<Value> results;
};

OwningOpRef<ModuleOp> SideBuilder::run(ArrayRef<const RaiseCut *> cuts) {
  MLIRContext *context = from.getContext();
  Location loc = UnknownLoc::get(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  for (StringRef name : {"onnx.symbols", "onnx.model"})
    if (Attribute a = from->getAttr(name))
      (*module)->setAttr(name, a);
  OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
  auto main = func::FuncOp::create(b, loc, "main", b.getFunctionType({}, {}));
  Block &body = *main.addEntryBlock();
  b.setInsertionPointToStart(&body);
  for (int64_t symbol : free) {
    Type list = onnx::withDims(b.getIntegerType(8, false), {b.getAffineSymbolExpr(symbol)});
    BindDimOp::create(b, loc, body.addArgument(list, loc), 0, symbol);
  }
  for (const RaiseCut *cut : cuts)
    copy(*cut, body, b);
  func::ReturnOp::create(b, loc, results);
  main.setType(b.getFunctionType(body.getArgumentTypes(), ValueRange(results).getTypes()));
  for (unsigned i = 0; i < body.getNumArguments(); ++i)
    main.setArgAttr(i, "onnx.name", b.getStringAttr("i" + Twine(i)));
  for (unsigned i = 0; i < results.size(); ++i)
    main.setResultAttr(i, "onnx.name", b.getStringAttr("o" + Twine(i)));
  return module;
}

void SideBuilder::copy(const RaiseCut &cut, Block &body, OpBuilder &b) {
  Sizes sizes = sizesOf(cut, from, after);
  IRMapping mapping;
  for (Value v : valuesOf(cut.inputs, after))
    mapping.map(v, body.addArgument(v.getType(), b.getUnknownLoc()));
  SmallVector<Operation *> ops(after ? cut.after : cut.before);
  for (auto &binds : {sizes.exprs, sizes.computed})
    for (Operation *op : binds)
      if (bound.insert(symbolOf(op)).second)
        ops.push_back(op);
  llvm::DenseMap<Operation *, unsigned> order;
  for (auto [i, op] : llvm::enumerate(*from.lookupSymbol<func::FuncOp>("main").begin()))
    order[&op] = i;
  llvm::sort(ops, [&](Operation *x, Operation *y) { return order.lookup(x) < order.lookup(y); });
  for (Operation *op : ops)
    b.clone(*op, mapping);
  for (Value v : valuesOf(cut.outputs, after))
    results.push_back(mapping.lookup(v));
}

/// Values of symbols, and of expressions where all that they speak of is known.
class Assignment {
public:
  explicit Assignment(MLIRContext *context) : context(context) {}
  void set(int64_t symbol, int64_t value) { known[symbol] = value; }
  std::optional<int64_t> value(AffineExpr e) const {
    unsigned count = 0;
    bool all = true;
    symbolsOf(e, [&](int64_t s) {
      count = std::max<unsigned>(count, s + 1);
      all &= known.contains(s);
    });
    if (!all)
      return std::nullopt;
    SmallVector<AffineExpr> values(count, getAffineConstantExpr(0, context));
    for (auto [symbol, v] : known)
      if (symbol < count)
        values[symbol] = getAffineConstantExpr(v, context);
    auto folded = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(e.replaceSymbols(values), 0, 0));
    return folded ? std::optional(folded.getValue()) : std::nullopt;
  }
  void learn(BindExprOp bind) {
    SmallVector<int64_t> v;
    for (AffineExpr e : bind.getMap().getResults()) {
      auto known = value(e);
      if (!known)
        return;
      v.push_back(*known);
    }
    StringRef kind = bind.getKind();
    int64_t result = kind == "min"         ? *llvm::min_element(v)
                     : kind == "max"       ? *llvm::max_element(v)
                     : kind == "broadcast" ? (v[0] == 1 ? v[1] : v[0])
                     : kind == "eq"        ? v[0] == v[1]
                     : kind == "lt"        ? v[0] < v[1]
                                           : v[0];
    set(bind.getSymbol(), result);
  }

private:
  MLIRContext *context;
  std::map<int64_t, int64_t> known;
};

/// Choices of the free sizes: small ones, different ones, and around one and three blocks of 16 for one size at a time.
std::vector<std::vector<int64_t>> choicesOf(size_t count) {
  if (count == 0)
    return {{}};
  std::vector<std::vector<int64_t>> choices;
  std::vector<int64_t> different;
  for (size_t i = 0; i < count; ++i)
    different.push_back(i % 2 ? 7 - (int64_t)(i / 2) % 4 : 3 + (int64_t)(i / 2) % 3);
  choices.push_back(different);
  choices.push_back(std::vector<int64_t>(count, 1));
  choices.push_back(std::vector<int64_t>(count, 2));
  for (size_t i = 0; i < std::min<size_t>(count, 4); ++i)
    for (int64_t size : {15, 16, 17, 53, 64}) {
      choices.push_back(std::vector<int64_t>(count, size == 64 ? 1 : 2));
      choices.back()[i] = size;
    }
  return choices;
}
} // namespace

bool ssm::computesSizes(const RaiseCut &cut, ModuleOp before, ModuleOp after) {
  return !sizesOf(cut, before, false).computed.empty() || !sizesOf(cut, after, true).computed.empty();
}

RaiseSides ssm::makeSides(ArrayRef<const RaiseCut *> cuts, ModuleOp before, ModuleOp after) {
  RaiseSides sides;
  std::set<int64_t> free, computed;
  llvm::SetVector<Operation *> exprs;
  for (const RaiseCut *cut : cuts)
    for (bool isAfter : {false, true}) {
      Sizes sizes = sizesOf(*cut, isAfter ? after : before, isAfter);
      free.insert(sizes.free.begin(), sizes.free.end());
      exprs.insert(sizes.exprs.begin(), sizes.exprs.end());
      for (Operation *bind : sizes.computed)
        computed.insert(symbolOf(bind));
    }
  for (int64_t s : computed)
    if (free.contains(s)) {
      sides.obstacle = "one side computes a size that the other is given";
      return sides;
    }
  SmallVector<RankedTensorType> types;
  int64_t numInputs = free.size(), numOutputs = 0;
  for (const RaiseCut *cut : cuts) {
    auto &[inputs, outputs] = sides.groups.emplace_back();
    for (ValuePair p : cut->inputs) {
      inputs.push_back(numInputs++);
      types.push_back(cast<RankedTensorType>(p.before.getType()));
    }
    for (size_t i = 0; i < cut->outputs.size(); ++i)
      outputs.push_back(numOutputs++);
  }
  SmallVector<BindExprOp> binds;
  for (Operation *op : exprs)
    binds.push_back(cast<BindExprOp>(op));
  for (const std::vector<int64_t> &choice : choicesOf(free.size())) {
    Assignment assignment(before.getContext());
    std::vector<std::vector<int64_t>> rows;
    for (auto [symbol, value] : llvm::zip(free, choice)) {
      assignment.set(symbol, value);
      rows.push_back({value});
    }
    for (BindExprOp bind : binds)
      assignment.learn(bind);
    bool valid = true;
    for (RankedTensorType t : types) {
      rows.emplace_back();
      for (AffineExpr e : onnx::getDimExprs(t)) {
        rows.back().push_back(assignment.value(e).value_or(-1));
        valid &= rows.back().back() >= 0;
      }
    }
    if (valid)
      sides.sizes.push_back(std::move(rows));
  }
  if (sides.sizes.empty()) {
    sides.obstacle = "the sizes of its inputs cannot be chosen";
    return sides;
  }
  sides.before = SideBuilder(before, free, false).run(cuts);
  sides.after = SideBuilder(after, free, true).run(cuts);
  return sides;
}
