//===- RaiseUnrolledChunks.cpp - chunks that are written one by one --------===//
// A chain of states, each the decayed one before and an input, whose chunks give the pieces of one Concat. Every chunk
// is proved by itself; as expressions over time, the queries, keys, values and decays of all of them are the same.
//===----------------------------------------------------------------------===//
#include "passes/raise/ChunkRaiser.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/UnrolledChunks.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }
static StringRef nameOf(Operation *op) { return op->getName().stripDialect(); }

/// What a value is, through movement that gives every element its own place again.
static Value originOf(Value v, Exprs &x) {
  if (!typeOf(v) || !v.getDefiningOp() || !isMovement(v.getDefiningOp()))
    return v;
  Indices dims = x.iterators(onnx::getDimExprs(typeOf(v)));
  ExprRef e = x.at(v, dims);
  bool same = e->kind == Expr::Kind::Read && e->source.getType() == v.getType();
  for (unsigned i = 0; same && i < dims.size(); ++i)
    same = e->indices[i] == dims[i] || x.sizeOf(dims[i]) == x.number(1);
  return same ? e->source : v;
}

/// The state that an Add adds to, behind a factor and movement.
static Value stateBefore(Operation *add, Exprs &x) {
  for (Value operand : add->getOperands()) {
    Value v = operand;
    for (unsigned depth = 0; depth < 4; ++depth) {
      v = originOf(v, x);
      Operation *op = v.getDefiningOp();
      if (v.getType() == add->getResult(0).getType() &&
          (!op || nameOf(op) == "Add" || isa<onnx::ConstantOp>(op) || depth > 0))
        if (!op ||
            (nameOf(op) != "Mul" && nameOf(op) != "MatMul" && nameOf(op) != "Einsum" && nameOf(op) != "ReduceSum"))
          return v;
      if (!op || nameOf(op) != "Mul")
        break;
      v = op->getOperand(0).getType() == v.getType() ? op->getOperand(0) : op->getOperand(1);
    }
  }
  return {};
}

namespace {
/// What one chunk was proved to be, over absolute time.
struct Proved {
  ChunkForm form;
  ChunkStep step;
};
} // namespace

bool ssm::raiseUnrolledChunks(Operation *concat, ArrayRef<Value> chain, ArrayRef<TriangularInverse> inverses,
                              SymbolMap &sizes, std::string &why) {
  auto type = typeOf(concat->getResult(0));
  size_t count = concat->getNumOperands();
  int64_t axis = onnx::intAttr(concat, "axis");
  axis = axis < 0 ? axis + type.getRank() : axis;
  Exprs x(concat->getContext());
  x.cumulative = true;
  x.expands = [](Operation *) { return false; };
  for (Value s : chain)
    x.opaque.insert(s);
  // The last chunk may reach into padding: all of them read the padded tensor.
  for (Operation &op : *concat->getBlock())
    if (nameOf(&op) == "Pad")
      x.opaque.insert(op.getResult(0));
  Indices dims = x.iterators(onnx::getDimExprs(type));
  bool stacked = typeOf(concat->getOperand(0)).getDimSize(axis) == 1;
  llvm::DenseSet<Value> states(chain.begin(), chain.end());

  std::optional<Proved> first;
  SmallVector<ExprRef> decay;                             // of the first chunk, as it stands there
  AffineExpr t = x.iterator(x.number(1 << 30)), firstTau; // any time
  AffineExpr start = x.number(0);
  llvm::SmallPtrSet<Operation *, 32> opened;
  // The position is an axis of the pieces: the one of the Concat, or, where that counts chunks, one that fits.
  for (size_t k = 0; k < count; ++k) {
    Value piece = concat->getOperand(k);
    if (typeOf(piece).getRank() != type.getRank() || k >= chain.size())
      return false;
    bool last = k + 1 == count;
    if (!last && k + 1 >= chain.size())
      return false;
    Indices own(dims);
    AffineExpr size = onnx::getDimExpr(typeOf(piece), axis);
    own[axis] = stacked ? x.number(0) : x.iterator(size);
    Value state = chain[k];
    llvm::SetVector<Operation *> reached;
    llvm::DenseSet<Value> dependent = {state};
    for (Operation *user : state.getUsers())
      reached.insert(user);
    for (size_t n = 0; n < reached.size() && n < 80; ++n)
      for (Value r : reached[n]->getResults()) {
        dependent.insert(r);
        if (!states.contains(r))
          for (Operation *user : r.getUsers())
            reached.insert(user);
      }
    if (reached.size() < 80 && !dependent.contains(piece))
      return false; // nothing of the state
    ChunkStep step;
    step.output = x.at(piece, own);
    for (auto [n, d] : llvm::enumerate(own))
      if (isa<AffineDimExpr>(d))
        step.outputDims.push_back(d);
    step.state = state;
    step.stateDims = x.iterators(onnx::getDimExprs(typeOf(state)));
    if (k + 1 < chain.size())
      step.next = x.definition(chain[k + 1], step.stateDims);
    else
      step.next = nullptr;
    SmallVector<AffineExpr> lengths;
    if (stacked) {
      llvm::SetVector<AffineExpr> all;
      for (AffineExpr d : step.outputDims)
        if (auto c = dyn_cast<AffineConstantExpr>(x.sizeOf(d)); c && c.getValue() > 1)
          all.insert(x.sizeOf(d));
      lengths.assign(all.begin(), all.end());
    } else {
      lengths = {size};
    }
    bool proved = false;
    for (AffineExpr length : lengths) {
      if (!isa<AffineConstantExpr>(length) || (stacked && first && length != x.sizeOf(firstTau)))
        continue;
      AffineExpr tau = x.iterator(length);
      Terms terms(x, tau);
      terms.start = start;
      terms.isState = [&](Value v) { return v == state; };
      terms.reachesState = [&](Value v) { return dependent.contains(v); };
      for (const TriangularInverse &i : inverses) {
        terms.inverses.insert(i.inverse);
        Indices places = x.iterators(onnx::getDimExprs(typeOf(i.matrix)));
        step.inverses.push_back({i.inverse, x.at(i.matrix, places), places, i.sign});
      }
      // What was proved for the first chunk, at the places of this one.
      auto here = [&](ExprRef e, const DenseMap<AffineExpr, AffineExpr> &map) {
        return x.replace(x.replace(e, map), DenseMap<AffineExpr, AffineExpr>{},
                         [&](ExprRef r) { return x.at(r->source, r->indices); });
      };
      if (!step.next) {
        if (!first)
          return false;
        for (ExprRef g : decay)
          step.decay.push_back(here(g, {{firstTau, start + tau}}));
        step.decayKeys = first->form.keys;
      }
      auto form = matchChunk(step, terms, x, tau, why);
      if (!form)
        continue;
      if (!stacked && form->position != own[axis])
        continue;
      opened.insert(terms.opened.begin(), terms.opened.end());
      proved = true;
      if (!first) {
        // Products inside of a chunk have no elements at other times: factor by factor.
        decay = form->logDecay;
        bool flat = true;
        auto flatten = [&](SmallVector<ExprRef> &list, double &scale) {
          SmallVector<ExprRef> out;
          for (ExprRef e : list)
            flat &= terms.flatten(e, scale, out);
          list = out;
        };
        flatten(form->query, form->queryScale);
        flatten(form->key, form->keyScale);
        flatten(form->erase, form->eraseScale);
        flatten(form->erased, form->erasedScale);
        for (ExprRef &g : form->logDecay) {
          SmallVector<ExprRef> factors = {g};
          double scale = 1;
          flatten(factors, scale);
          g = x.product(factors, g->type);
          if (scale != 1)
            g = x.mul(g, x.constant(scale, g->type));
        }
        if (!flat)
          return false;
        first = Proved{*form, step};
        firstTau = tau;
        break;
      }
      // The same over time, with the same names of keys.
      DenseMap<AffineExpr, AffineExpr> later{{tau, t - start}}, earlier{{firstTau, t}};
      if (form->keys.size() != first->form.keys.size() || form->before != first->form.before)
        return false;
      for (auto [from, to] : llvm::zip(form->keys, first->form.keys))
        later[from] = to;
      if (form->position != first->form.position)
        later[form->position] = first->form.position;
      auto same = [&](ArrayRef<ExprRef> a, ArrayRef<ExprRef> b, double ratio) {
        SmallVector<ExprRef> p, q;
        for (ExprRef e : a)
          p.push_back(here(e, later));
        for (ExprRef e : b)
          q.push_back(here(e, earlier));
        return terms.sameProduct(p, q, ratio);
      };
      const ChunkForm &f = first->form;
      bool alike = same(form->query, f.query, form->queryScale / f.queryScale) &&
                   same(form->key, f.key, form->keyScale / f.keyScale) &&
                   same(form->erased, f.erased, form->erasedScale / f.erasedScale) &&
                   same(form->erase, f.erase, form->eraseScale / f.eraseScale) &&
                   form->logDecay.size() == f.logDecay.size() && form->rest.empty() && f.rest.empty();
      for (auto [g, h] : llvm::zip(form->logDecay, f.logDecay))
        alike &= same({g}, {h}, 1);
      // States at the same places of the output.
      for (auto [mine, theirs, d] : llvm::zip(form->state, f.state, first->step.stateDims))
        alike &= x.sizeOf(d) == x.number(1) || mine == theirs || later.lookup(mine) == theirs;
      if (!alike) {
        why = "chunks are not alike";
        return false;
      }
      break;
    }
    if (!proved)
      return false;
    start = x.simplified(start + (stacked ? x.sizeOf(firstTau) : size));
  }
  ChunkPlace place;
  place.output = concat->getResult(0);
  place.outputDims = dims;
  place.total = start;
  if (stacked)
    place.chunk = dims[axis];
  else
    place.time = dims[axis];
  place.before = concat;
  place.start = nullptr;
  x.opaque.clear();
  x.forget();
  // Every read has an element at every time; of what is as long as run time says, the writer of slices has that
  // checked.
  AffineExpr any = x.iterator(start);
  SmallVector<ExprRef> all(first->form.query);
  for (auto *list : {&first->form.key, &first->form.erase, &first->form.erased, &first->form.logDecay})
    all.append(*list);
  for (ExprRef e : all) {
    ExprRef there =
        x.replace(x.replace(e, DenseMap<AffineExpr, AffineExpr>{{firstTau, any}}), DenseMap<AffineExpr, AffineExpr>{},
                  [&](ExprRef r) { return x.at(r->source, r->indices); });
    for (ExprRef r : x.readsOf(there))
      for (auto [d, i] : llvm::zip(onnx::getDimExprs(typeOf(r->source)), r->indices))
        if ((isa<AffineConstantExpr>(d) || !x.highest(i)) && !x.isNonNegative(x.simplified(d - 1 - i))) {
          why = "an operand of a chunk is not a part of what all chunks read";
          return false;
        }
  }
  place.start = x.at(chain[0], first->step.stateDims);
  if (chain.size() > count && !chain[count].use_empty())
    place.finalReaders.push_back({chain[count], first->step.stateDims, first->step.stateDims});
  place.nodes.assign(opened.begin(), opened.end());
  place.nodes.push_back(concat);
  llvm::sort(place.nodes, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return raiseChunk(first->form, first->step, place, x, firstTau, sizes, why);
}

SmallVector<SmallVector<Value>> ssm::chainsOfStates(Block &block) {
  DenseMap<Value, Value> before;
  llvm::DenseSet<Value> continued;
  SmallVector<Value> order;
  Exprs x(block.getParentOp()->getContext());
  x.expands = [](Operation *) { return false; };
  for (Operation &op : block)
    if (nameOf(&op) == "Add")
      if (auto type = typeOf(op.getResult(0)); type && type.getRank() >= 2 && isa<FloatType>(type.getElementType()))
        if (Value s = stateBefore(&op, x)) {
          before[op.getResult(0)] = s;
          continued.insert(s);
          order.push_back(op.getResult(0));
        }
  SmallVector<SmallVector<Value>> chains;
  for (Value end : order) {
    if (continued.contains(end))
      continue;
    SmallVector<Value> chain = {end};
    while (Value s = before.lookup(chain.back()))
      chain.push_back(s);
    std::reverse(chain.begin(), chain.end());
    chains.push_back(chain);
  }
  return chains;
}
