//===- JoinMixers.cpp - mixers that go on where another one ended ----------===//
// Expects: @main after everything that raises. Leaves: a chain of mixers of one computation, each of which starts with
// the state behind the one before, as one mixer over all of their times; others as they were. It is the same
// recurrence: the state after the steps of the first is what the steps of the second start with. Nothing that the
// mixers read may depend on what an earlier one gives but that state. Each mixer is looked at once, at the cost of what
// follows it.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/Mixers.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OperationSupport.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/Operands.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_JOINMIXERS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

namespace {
using Chain = SmallVector<Operation *>;

class Joiner {
public:
  explicit Joiner(Block &block) : block(block), x(block.getParentOp()->getContext()) {
    x.expands = [](Operation *) { return false; };
  }
  bool run();

private:
  Operation *before(Operation *op);
  bool alike(Operation *a, Operation *c);
  bool isFree(ArrayRef<Operation *> chain);
  bool sameValue(Value v, Value w);
  ExprRef together(ArrayRef<Value> parts, int64_t axis, Indices &dims);
  bool join(ArrayRef<Operation *> chain);
  void joinReaders(Value output, size_t count);

  Block &block;
  Exprs x;
};
} // namespace

static SequenceMixerOpInterface mixer(Operation *op) { return cast<SequenceMixerOpInterface>(op); }
static bool isJoinable(Operation *op) { return isa<SelectiveScanOp, SemiseparableOp>(op); }

static AffineMap mapOf(Operation *op, unsigned place) { return indexingMaps(op)[place]; }

/// The states that an op starts with are its last operands.
static unsigned numInputs(Operation *op) { return op->getNumOperands() - mixer(op).getInitialStates().size(); }
static AffineMap resultMap(Operation *op, unsigned result) { return mapOf(op, op->getNumOperands() + result); }

static std::optional<int64_t> timeAxis(Operation *op, AffineMap map) {
  for (auto [axis, e] : llvm::enumerate(map.getResults()))
    if (e == getAffineDimExpr(mixer(op).getTimeDim(), op->getContext()))
      return axis;
  return std::nullopt;
}

/// The mixer whose last state this one starts with, element by element.
Operation *Joiner::before(Operation *op) {
  ValueRange initial = mixer(op).getInitialStates();
  Operation *found = nullptr;
  for (auto [k, v] : llvm::enumerate(initial)) {
    AffineMap map = mapOf(op, numInputs(op) + k);
    Indices dims = x.iterators(onnx::getDimExprs(typeOf(v)));
    ExprRef e = x.at(v, dims);
    Operation *from = e->kind == Expr::Kind::Read ? e->source.getDefiningOp() : nullptr;
    if (!from || from->getBlock() != &block || from->getName() != op->getName() || (found && found != from))
      return nullptr;
    found = from;
    unsigned result = cast<OpResult>(e->source).getResultNumber();
    ValueRange final = mixer(from).getFinalStates();
    if (result == 0) {
      // Without a read-out the output is the state.
      auto scan = dyn_cast<SelectiveScanOp>(from);
      if (!scan || scan.getStateRank() || scan.getComplex() || scan.getReadBefore())
        return nullptr;
    } else if (k >= final.size() || final[k] != e->source) {
      return nullptr;
    }
    AffineMap given = resultMap(from, result);
    unsigned placed = 0;
    for (auto [axis, d] : llvm::enumerate(given.getResults())) {
      AffineExpr place = e->indices[axis];
      if (result == 0 && timeAxis(from, given) == (int64_t)axis) {
        AffineExpr last = mixer(from).isReversed() ? x.number(0) : onnx::getDimExpr(typeOf(e->source), axis) - 1;
        if (x.simplified(place - last) != x.number(0))
          return nullptr;
        continue;
      }
      if (typeOf(e->source).getDimSize(axis) == 1)
        continue;
      auto at = llvm::find(map.getResults(), d);
      if (at == map.getResults().end() || place != dims[at - map.getResults().begin()])
        return nullptr;
      ++placed;
    }
    if (placed != llvm::count_if(dims, [&](AffineExpr i) { return x.sizeOf(i) != x.number(1); }))
      return nullptr;
  }
  return found;
}

/// Both maps read the same elements; where an axis has one, it may be said to be broadcast or not.
static bool sameMap(AffineMap p, Value v, AffineMap q, Value w) {
  auto one = [](AffineExpr e, Value v, size_t axis) {
    return typeOf(v).getDimSize(axis) == 1 && (isa<AffineDimExpr>(e) || e == getAffineConstantExpr(0, e.getContext()));
  };
  if (p.getNumDims() != q.getNumDims() || p.getNumResults() != q.getNumResults())
    return false;
  for (auto [axis, e, f] : llvm::enumerate(p.getResults(), q.getResults()))
    if (e != f && !(one(e, v, axis) && one(f, w, axis)))
      return false;
  return true;
}

/// Both compute the same of their operands, whose sizes differ in time only.
bool Joiner::alike(Operation *a, Operation *c) {
  static constexpr StringLiteral apart[] = {"indexing_maps", "operandSegmentSizes", "resultSegmentSizes"};
  auto rest = [&](Operation *op) {
    SmallVector<NamedAttribute> out;
    for (NamedAttribute n : op->getAttrDictionary())
      if (!llvm::is_contained(apart, n.getName().strref()))
        out.push_back(n);
    return DictionaryAttr::get(op->getContext(), out);
  };
  unsigned inputs = numInputs(a);
  if (rest(a) != rest(c) || inputs != numInputs(c) || resultMap(a, 0) != resultMap(c, 0))
    return false;
  if (auto s = dyn_cast<SemiseparableOp>(a)) {
    auto present = [](SemiseparableOp op) { return op.getProperties().operandSegmentSizes; };
    auto p = present(s), q = present(cast<SemiseparableOp>(c));
    if (s.getLogGate() || ArrayRef(p).drop_back() != ArrayRef(q).drop_back())
      return false;
  }
  auto sizes = [&](Value v, Value w, AffineMap map) {
    auto p = onnx::getDimExprs(typeOf(v)), q = onnx::getDimExprs(typeOf(w));
    if (auto axis = timeAxis(a, map))
      p[*axis] = q[*axis];
    return p == q && typeOf(v).getElementType() == typeOf(w).getElementType();
  };
  for (unsigned k = 0; k < inputs; ++k)
    if (!sameMap(mapOf(a, k), a->getOperand(k), mapOf(c, k), c->getOperand(k)) ||
        timeAxis(a, mapOf(a, k)) != timeAxis(c, mapOf(c, k)) || !sizes(a->getOperand(k), c->getOperand(k), mapOf(a, k)))
      return false;
  if (!sizes(a->getResult(0), c->getResult(0), resultMap(a, 0)))
    return false;
  for (auto [p, q] : llvm::zip(a->getRegions(), c->getRegions()))
    if (!OperationEquivalence::isRegionEquivalentTo(&p, &q, OperationEquivalence::IgnoreLocations))
      return false;
  return true;
}

/// The mixers know each other by their states only, and nothing else reads a state between two of them.
bool Joiner::isFree(ArrayRef<Operation *> chain) {
  for (auto [n, op] : llvm::enumerate(chain.drop_back())) {
    SmallVector<Value> moved(mixer(op).getFinalStates());
    for (size_t i = 0; i < moved.size(); ++i)
      for (OpOperand &use : moved[i].getUses()) {
        if (use.getOwner() == chain[n + 1] && use.getOperandNumber() >= numInputs(chain[n + 1]))
          continue;
        if (!isMovement(use.getOwner()) || use.getOwner()->getBlock() != &block)
          return false;
        llvm::append_range(moved, use.getOwner()->getResults());
      }
  }
  llvm::DenseSet<Operation *> seen;
  SmallVector<Value> reached;
  for (Operation *op : chain)
    llvm::append_range(reached, op->getResults());
  while (!reached.empty())
    for (OpOperand &use : reached.pop_back_val().getUses()) {
      Operation *user = block.findAncestorOpInBlock(*use.getOwner());
      if (llvm::is_contained(chain, user)) {
        if (user == chain[0] || use.getOperandNumber() < numInputs(user))
          return false;
      } else if (user && seen.insert(user).second) {
        llvm::append_range(reached, user->getResults());
      }
    }
  return true;
}

bool Joiner::sameValue(Value v, Value w) {
  if (v == w)
    return true;
  auto a = v.getDefiningOp<onnx::ConstantOp>(), c = w.getDefiningOp<onnx::ConstantOp>();
  if (a && c)
    return a.getValue() == c.getValue();
  Indices dims = x.iterators(onnx::getDimExprs(typeOf(v)));
  return v.getType() == w.getType() && x.at(v, dims) == x.at(w, dims);
}

/// The parts behind each other along an axis as one read over `dims`; null when they are none.
ExprRef Joiner::together(ArrayRef<Value> parts, int64_t axis, Indices &dims) {
  dims = x.iterators(onnx::getDimExprs(typeOf(parts[0])));
  SmallVector<ExprRef> elements;
  SmallVector<AffineExpr> own, starts;
  AffineExpr total = x.number(0);
  for (Value v : parts) {
    AffineExpr size = onnx::getDimExpr(typeOf(v), axis);
    own.push_back(size == x.number(1) ? x.number(0) : x.iterator(size));
    Indices at(dims);
    at[axis] = own.back();
    elements.push_back(x.at(v, at));
    starts.push_back(total);
    total = x.simplified(total + size);
  }
  AffineExpr t = dims[axis] = x.iterator(total);
  ExprRef whole;
  if (llvm::all_of(own, [&](AffineExpr i) { return i == x.number(0); }))
    whole = x.antiUnify(elements[0], elements[1], t, 0, /*positions=*/false);
  else if (isa<AffineDimExpr>(own[0]))
    whole = x.replace(elements[0], DenseMap<AffineExpr, AffineExpr>{{own[0], t}});
  else
    return nullptr;
  if (!whole || whole->kind != Expr::Kind::Read)
    return nullptr;
  for (auto [e, i, start] : llvm::zip(elements, own, starts))
    if (x.replace(whole, DenseMap<AffineExpr, AffineExpr>{{t, x.simplified(i + start)}}) != e)
      return nullptr;
  for (auto [i, size] : llvm::zip(whole->indices, onnx::getDimExprs(typeOf(whole->source))))
    if (!x.isNonNegative(i) || !x.isNonNegative(x.simplified(size - 1 - i)))
      return nullptr;
  return whole;
}

/// What stacks or concatenates parts of the joined output is one view of it.
void Joiner::joinReaders(Value output, size_t count) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (op.getName().stripDialect() != "Concat" || op.getNumOperands() != count ||
        !isa<RankedTensorType>(op.getResult(0).getType()))
      continue;
    int64_t axis = normalAxis(onnx::intAttr(&op, "axis"), typeOf(op.getResult(0)).getRank());
    Indices dims = x.iterators(onnx::getDimExprs(typeOf(op.getOperand(0))));
    ExprRef first = x.at(op.getOperand(0), dims);
    if (first->kind != Expr::Kind::Read || first->source != output)
      continue;
    ExprRef whole = together(SmallVector<Value>(op.getOperands()), axis, dims);
    if (!whole)
      continue;
    OpBuilder b(&op);
    ExprWriter w(x, b, op.getLoc());
    if (Value v = w.write(whole, dims); v && v.getType() == op.getResult(0).getType()) {
      op.getResult(0).replaceAllUsesWith(v);
      op.erase();
      x.forget();
    }
  }
}

bool Joiner::join(ArrayRef<Operation *> chain) {
  Operation *first = chain[0], *last = chain.back();
  SmallVector<Operation *> byTime(chain);
  if (mixer(first).isReversed())
    std::reverse(byTime.begin(), byTime.end());
  OpBuilder b(last);
  ExprWriter w(x, b, fusedLocation(chain));
  SmallVector<Value> operands;
  SmallVector<Attribute> maps;
  auto addMap = [&](AffineMap m) { maps.push_back(AffineMapAttr::get(m)); };
  for (unsigned k = 0, n = numInputs(first); k < n; ++k) {
    SmallVector<Value> parts;
    for (Operation *op : byTime)
      parts.push_back(op->getOperand(k));
    AffineMap map = mapOf(first, k);
    Value v = parts[0];
    if (auto axis = timeAxis(first, map)) {
      Indices dims;
      ExprRef whole = together(parts, *axis, dims);
      v = whole ? w.write(whole, dims) : Value();
      v = v ? v : w.concat(parts, *axis);
    } else if (!llvm::all_of(parts, [&](Value p) { return sameValue(p, v); })) {
      return false;
    }
    operands.push_back(v);
    addMap(map);
  }
  for (auto [k, v] : llvm::enumerate(mixer(first).getInitialStates())) {
    operands.push_back(v);
    addMap(mapOf(first, numInputs(first) + k));
  }
  AffineMap map = resultMap(first, 0);
  int64_t axis = *timeAxis(first, map);
  SmallVector<AffineExpr> dims = onnx::getDimExprs(typeOf(first->getResult(0))), starts;
  dims[axis] = x.number(0);
  for (Operation *op : byTime) {
    starts.push_back(dims[axis]);
    dims[axis] = x.simplified(dims[axis] + onnx::getDimExpr(typeOf(op->getResult(0)), axis));
  }
  OperationState state(w.loc, first->getName());
  state.addOperands(operands);
  state.addAttributes(SmallVector<NamedAttribute>(first->getAttrs()));
  state.addTypes(onnx::withDims(typeOf(first->getResult(0)).getElementType(), dims));
  addMap(map);
  for (auto [k, v] : llvm::enumerate(mixer(last).getFinalStates())) {
    state.addTypes(v.getType());
    addMap(resultMap(last, 1 + k));
  }
  state.attributes.set("indexing_maps", b.getArrayAttr(maps));
  if (auto results = last->getAttr(SemiseparableOp::getResultSegmentSizeAttr()))
    state.attributes.set(SemiseparableOp::getResultSegmentSizeAttr(), results);
  for (Region &r : first->getRegions())
    state.addRegion()->takeBody(r);
  Operation *joined = b.create(state);
  for (auto [op, start] : llvm::zip(byTime, starts))
    op->getResult(0).replaceAllUsesWith(
        w.slice(joined->getResult(0), axis, start, onnx::getDimExpr(typeOf(op->getResult(0)), axis)));
  for (auto [from, to] : llvm::zip(mixer(last).getFinalStates(), mixer(joined).getFinalStates()))
    from.replaceAllUsesWith(to);
  // States in between are read by the chain only.
  SmallVector<Operation *> dead(llvm::reverse(chain));
  for (Operation *op : dead)
    op->dropAllReferences();
  for (Operation *op : dead) {
    op->dropAllUses();
    op->erase();
  }
  x.forget();
  sortTopologically(&block);
  joinReaders(joined->getResult(0), chain.size());
  return true;
}

bool Joiner::run() {
  llvm::MapVector<Operation *, Operation *> previous;
  DenseMap<Operation *, unsigned> followers;
  DenseMap<Operation *, Operation *> next;
  for (Operation &op : block)
    if (isJoinable(&op))
      if (Operation *from = before(&op)) {
        previous[&op] = from;
        ++followers[from];
        next[from] = &op;
      }
  for (Operation &op : block) {
    Operation *from = previous.lookup(&op);
    if (!isJoinable(&op) || !next.lookup(&op) || (from && followers[from] == 1 && alike(from, &op)))
      continue;
    Chain chain = {&op};
    while (Operation *further = next.lookup(chain.back())) {
      if (followers[chain.back()] != 1 || !alike(&op, further))
        break;
      chain.push_back(further);
    }
    if (chain.size() > 1 && isFree(chain) && join(chain))
      return true;
  }
  return false;
}

namespace {
struct JoinMixersPass : ssm::impl::JoinMixersBase<JoinMixersPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SmallVector<Block *> blocks;
    main.walk([&](Operation *op) {
      if (isJoinable(op) && !llvm::is_contained(blocks, op->getBlock()))
        blocks.push_back(op->getBlock());
    });
    for (Block *block : blocks) {
      bool changed = false;
      while (Joiner(*block).run())
        changed = true;
      if (changed)
        eraseDead(*block);
    }
  }
};
} // namespace
