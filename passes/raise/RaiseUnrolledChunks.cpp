//===- RaiseUnrolledChunks.cpp - chunks that are written one by one --------===//
// A chain of states, each the decayed one before and an input, whose chunks give the pieces of one Concat. Every chunk
// is proved by itself; as expressions over time, the queries, keys, values and decays of all of them are the same.
//===----------------------------------------------------------------------===//
#include "passes/lower/Registry.h"
#include "passes/raise/ChunkRaiser.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/UnrolledChunks.h"
#include "llvm/ADT/ScopeExit.h"
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
  // The state behind a first chunk that starts from none is an input like others, but something else reads it.
  for (Value operand : add->getOperands()) {
    Value v = originOf(operand, x);
    for (Operation *op = v.getDefiningOp(); op && nameOf(op) == "Mul"; op = v.getDefiningOp())
      v = originOf(op->getOperand(0).getType() == v.getType() ? op->getOperand(0) : op->getOperand(1), x);
    if (v.getType() == add->getResult(0).getType() && v.getDefiningOp() && !v.hasOneUse() &&
        llvm::is_contained({"MatMul", "Einsum", "ReduceSum"}, nameOf(v.getDefiningOp())))
      return v;
  }
  return {};
}

namespace {
using Renaming = DenseMap<AffineExpr, AffineExpr>;

class Unrolled {
public:
  Unrolled(Operation *concat, ArrayRef<Value> states, ArrayRef<TriangularInverse> inverses, std::string &why)
      : concat(concat), states(states), inverses(inverses), why(why), x(concat->getContext()),
        type(typeOf(concat->getResult(0))), count(concat->getNumOperands()) {}
  bool run(SymbolMap &sizes);

private:
  bool refuse(const char *reason) {
    why = reason;
    return false;
  }
  bool prove(size_t k);
  bool isLike(const ChunkForm &form, const Renaming &later, Terms &terms);
  bool takeAsModel(const ChunkForm &form, const ChunkStep &step, AffineExpr tau, AffineExpr start, Terms &terms);
  void addState(ChunkStep &step, AffineExpr start, AffineExpr tau, ArrayRef<AffineExpr> own);
  bool hasAllElements();
  AffineExpr startOf(size_t k, AffineExpr length);
  llvm::DenseSet<Value> dependentOn(Value state, bool &all);
  ExprRef renamed(ExprRef e, const Renaming &map) {
    return x.replace(x.replace(e, map), Renaming(), [&](ExprRef r) { return x.at(r->source, r->indices); });
  }

  Operation *concat;
  ArrayRef<Value> states; // before each chunk, the last one behind the last; the first one is null where there is none
  ArrayRef<TriangularInverse> inverses;
  std::string &why;
  Exprs x;
  RankedTensorType type;
  size_t count;
  int64_t axis = 0;
  bool stacked = false; // the Concat counts chunks: the position is another axis of the pieces
  Indices dims;
  // What the first chunk that was looked at was proved to be, over absolute time.
  std::optional<ChunkForm> model;
  ChunkStep modelStep;
  SmallVector<ExprRef> modelDecay; // the logarithms as they stand there
  AffineExpr modelTau, t;
  Value zero; // stands for the state before the first chunk
  llvm::SmallPtrSet<Operation *, 32> opened;
};
} // namespace

AffineExpr Unrolled::startOf(size_t k, AffineExpr length) {
  if (stacked)
    return x.simplified(length * (int64_t)k);
  AffineExpr start = x.number(0);
  for (size_t j = 0; j < k; ++j)
    start = start + onnx::getDimExpr(typeOf(concat->getOperand(j)), axis);
  return x.simplified(start);
}

/// What is computed from a state, near it; `all`: nothing was left out.
llvm::DenseSet<Value> Unrolled::dependentOn(Value state, bool &all) {
  llvm::DenseSet<Value> others(states.begin(), states.end()), dependent = {state};
  llvm::SetVector<Operation *> reached;
  for (Operation *user : state.getUsers())
    reached.insert(user);
  for (size_t n = 0; n < reached.size() && n < 80; ++n)
    for (Value r : reached[n]->getResults()) {
      dependent.insert(r);
      if (!others.contains(r))
        for (Operation *user : r.getUsers())
          reached.insert(user);
    }
  all = reached.size() < 80;
  return dependent;
}

/// The first chunk without a state, as one with a state of zeros: what the others do with theirs is added.
void Unrolled::addState(ChunkStep &step, AffineExpr start, AffineExpr tau, ArrayRef<AffineExpr> own) {
  AffineExpr position = stacked ? model->position : own[axis], r = x.iterator(x.sizeOf(tau));
  Renaming keys, ofState;
  Indices bound, where;
  for (AffineExpr k : model->keys)
    bound.push_back(keys[k] = x.iterator(x.sizeOf(k)));
  for (auto [mine, d] : llvm::zip(model->state, step.stateDims)) {
    AffineExpr key = keys.lookup(mine);
    where.push_back(x.sizeOf(d) == x.number(1) ? x.number(0) : key ? key : mine);
    ofState[mine] = d;
  }
  Type element = step.output->type;
  // The decay over the positions of the chunk before `end`.
  auto decay = [&](AffineExpr end, Renaming names) {
    names[modelTau] = start + r;
    ExprRef sum = nullptr;
    for (ExprRef g : modelDecay) {
      ExprRef part = x.select({end - 1 - r}, renamed(g, names), x.constant(0, g->type));
      part = x.reduce("ReduceSum", {r}, part);
      sum = sum ? x.add(sum, part) : part;
    }
    return sum ? x.op("Exp", {sum}, element) : x.constant(1, element);
  };
  Renaming here = keys;
  here[modelTau] = start + position;
  SmallVector<ExprRef> factors;
  for (ExprRef f : model->query)
    factors.push_back(renamed(f, here));
  factors.push_back(x.constant(model->queryScale, element));
  factors.push_back(decay(model->before ? position : position + 1, keys));
  factors.push_back(x.read(zero, where));
  step.output = x.add(step.output, x.reduce("ReduceSum", bound, x.product(factors, element)));
  if (step.next)
    step.next = x.add(step.next, x.mul(decay(x.sizeOf(tau), ofState), x.read(zero, step.stateDims)));
}

/// The same over time, with the same names of keys.
bool Unrolled::isLike(const ChunkForm &form, const Renaming &later, Terms &terms) {
  const ChunkForm &f = *model;
  Renaming earlier{{modelTau, t}};
  auto same = [&](ArrayRef<ExprRef> a, ArrayRef<ExprRef> b, double ratio) {
    SmallVector<ExprRef> p, q;
    for (ExprRef e : a)
      p.push_back(renamed(e, later));
    for (ExprRef e : b)
      q.push_back(renamed(e, earlier));
    return terms.sameProduct(p, q, ratio);
  };
  bool alike = same(form.query, f.query, form.queryScale / f.queryScale) &&
               same(form.key, f.key, form.keyScale / f.keyScale) &&
               same(form.erased, f.erased, form.erasedScale / f.erasedScale) &&
               same(form.erase, f.erase, form.eraseScale / f.eraseScale) && form.logDecay.size() == f.logDecay.size() &&
               form.rest.empty() && f.rest.empty();
  for (auto [g, h] : llvm::zip(form.logDecay, f.logDecay))
    alike &= same({g}, {h}, 1);
  // States at the same places of the output.
  for (auto [mine, theirs, d] : llvm::zip(form.state, f.state, modelStep.stateDims))
    alike &= x.sizeOf(d) == x.number(1) || mine == theirs || later.lookup(mine) == theirs;
  return alike;
}

/// Products inside of a chunk have no elements at other times: factor by factor.
bool Unrolled::takeAsModel(const ChunkForm &form, const ChunkStep &step, AffineExpr tau, AffineExpr start,
                           Terms &terms) {
  model = form;
  modelStep = step;
  modelTau = tau;
  for (ExprRef g : form.logDecay)
    modelDecay.push_back(renamed(g, {{tau, tau - start}}));
  bool flat = true;
  auto flatten = [&](SmallVector<ExprRef> &list, double &scale) {
    SmallVector<ExprRef> out;
    for (ExprRef e : list)
      flat &= terms.flatten(e, scale, out);
    list.clear();
    for (ExprRef e : out)
      list.push_back(renamed(e, {{tau, tau - start}}));
  };
  flatten(model->query, model->queryScale);
  flatten(model->key, model->keyScale);
  flatten(model->erase, model->eraseScale);
  flatten(model->erased, model->erasedScale);
  for (ExprRef &g : model->logDecay) {
    SmallVector<ExprRef> factors = {g};
    double scale = 1;
    flatten(factors, scale);
    g = x.product(factors, g->type);
    if (scale != 1)
      g = x.mul(g, x.constant(scale, g->type));
  }
  return flat;
}

bool Unrolled::prove(size_t k) {
  Value piece = concat->getOperand(k), state = states[k];
  if (typeOf(piece).getRank() != type.getRank())
    return false;
  Indices own(dims);
  AffineExpr size = onnx::getDimExpr(typeOf(piece), axis);
  own[axis] = stacked ? x.number(0) : x.iterator(size);
  llvm::DenseSet<Value> dependent;
  if (state) {
    bool all = false;
    dependent = dependentOn(state, all);
    if (all && !dependent.contains(piece))
      return false; // nothing of the state
  } else {
    state = zero;
    dependent.insert(zero);
  }
  ChunkStep step;
  step.output = x.at(piece, own);
  for (AffineExpr d : own)
    if (isa<AffineDimExpr>(d))
      step.outputDims.push_back(d);
  step.state = state;
  step.stateDims = x.iterators(onnx::getDimExprs(typeOf(state)));
  step.next = k + 1 < states.size() ? x.definition(states[k + 1], step.stateDims) : nullptr;
  if (!step.next && !model)
    return false;
  llvm::SetVector<AffineExpr> lengths;
  for (AffineExpr d : stacked ? step.outputDims : Indices{own[axis]})
    if (auto c = dyn_cast<AffineConstantExpr>(x.sizeOf(d)); c && (c.getValue() > 1 || !stacked))
      lengths.insert(x.sizeOf(d));
  ChunkStep given = step;
  for (AffineExpr length : lengths) {
    if (stacked && model && length != x.sizeOf(modelTau))
      continue;
    AffineExpr tau = x.iterator(length), start = startOf(k, length);
    Terms terms(x, tau);
    terms.start = start;
    terms.isState = [&](Value v) { return v == state; };
    terms.reachesState = [&](Value v) { return dependent.contains(v); };
    step = given;
    for (const TriangularInverse &i : inverses) {
      terms.inverses.insert(i.inverse);
      Indices places = x.iterators(onnx::getDimExprs(typeOf(i.matrix)));
      step.inverses.push_back({i.inverse, x.at(i.matrix, places), places, i.sign});
    }
    if (!step.next) {
      // What was proved for the model, at the places of this one.
      for (ExprRef g : modelDecay)
        step.decay.push_back(renamed(g, {{modelTau, start + tau}}));
      step.decayKeys = model->keys;
    }
    if (state == zero)
      addState(step, start, tau, own);
    auto form = matchChunk(step, terms, x, tau, why);
    if (!form || (!stacked && form->position != own[axis]))
      continue;
    opened.insert(terms.opened.begin(), terms.opened.end());
    if (!model)
      return takeAsModel(*form, step, tau, start, terms);
    if (form->keys.size() != model->keys.size() || form->before != model->before)
      return false;
    Renaming later{{tau, t - start}};
    for (auto [from, to] : llvm::zip(form->keys, model->keys))
      later[from] = to;
    if (form->position != model->position)
      later[form->position] = model->position;
    return isLike(*form, later, terms) || refuse("chunks are not alike");
  }
  return false;
}

/// Every read has an element at every time; of what is as long as run time says, the writer of slices has that checked.
bool Unrolled::hasAllElements() {
  AffineExpr any = x.iterator(startOf(count, x.sizeOf(modelTau)));
  SmallVector<ExprRef> all(model->query);
  for (auto *list : {&model->key, &model->erase, &model->erased, &model->logDecay})
    all.append(*list);
  for (ExprRef e : all)
    for (ExprRef r : x.readsOf(renamed(e, {{modelTau, any}})))
      for (auto [d, i] : llvm::zip(onnx::getDimExprs(typeOf(r->source)), r->indices)) {
        bool fits = (!isa<AffineConstantExpr>(d) && x.highest(i)) || x.isNonNegative(x.simplified(d - 1 - i));
        if (!fits || !x.isNonNegative(i))
          return refuse("an operand of a chunk is not a part of what all chunks read");
      }
  return true;
}

bool Unrolled::run(SymbolMap &sizes) {
  axis = normalAxis(onnx::intAttr(concat, "axis"), type.getRank());
  x.cumulative = true;
  x.expands = [](Operation *) { return false; };
  for (Value s : states)
    if (s)
      x.opaque.insert(s);
  // The last chunk may reach into padding: all of them read the padded tensor.
  for (Operation &op : *concat->getBlock())
    if (nameOf(&op) == "Pad")
      x.opaque.insert(op.getResult(0));
  dims = x.iterators(onnx::getDimExprs(type));
  stacked = typeOf(concat->getOperand(0)).getDimSize(axis) == 1;
  t = x.iterator(x.number(1 << 30)); // any time
  bool bare = !states[0];
  if (bare) {
    OpBuilder b(concat);
    zero = UnrealizedConversionCastOp::create(b, concat->getLoc(), states[1].getType(), ValueRange()).getResult(0);
  }
  auto clean = llvm::scope_exit([&] {
    if (zero)
      zero.getDefiningOp()->erase();
  });
  for (size_t k = bare ? 1 : 0; k < count; ++k)
    if (!prove(k))
      return false;
  if (bare && (!model->erased.empty() || !prove(0)))
    return false;
  ChunkPlace place;
  place.output = concat->getResult(0);
  place.outputDims = dims;
  place.total = startOf(count, x.sizeOf(modelTau));
  if (stacked)
    place.chunk = dims[axis];
  else
    place.time = dims[axis];
  place.before = concat;
  x.opaque.clear();
  x.forget();
  if (!hasAllElements())
    return false;
  place.start = bare ? x.constant(0, modelStep.output->type) : x.at(states[0], modelStep.stateDims);
  if (states.size() > count && !states[count].use_empty())
    place.finalReaders.push_back({states[count], modelStep.stateDims, modelStep.stateDims});
  place.nodes.assign(opened.begin(), opened.end());
  place.nodes.push_back(concat);
  llvm::sort(place.nodes, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return raiseChunk(*model, modelStep, place, x, modelTau, sizes, why);
}

bool ssm::raiseUnrolledChunks(Operation *concat, ArrayRef<Value> chain, ArrayRef<TriangularInverse> inverses,
                              SymbolMap &sizes, std::string &why) {
  // One state before each chunk, and one behind the last where something reads it; the first chunk may have none.
  size_t count = concat->getNumOperands();
  if (chain.size() == count || chain.size() == count + 1)
    if (Unrolled(concat, chain, inverses, why).run(sizes))
      return true;
  if (count < 2 || (chain.size() != count && chain.size() + 1 != count))
    return false;
  SmallVector<Value> behind = {Value()};
  llvm::append_range(behind, chain);
  std::string other;
  return Unrolled(concat, behind, inverses, why.empty() ? why : other).run(sizes);
}

/// A chunk may compute the states at all of its positions: the last one is the next chunk's.
static void linkLastElements(Block &block, Exprs &x, DenseMap<Value, Value> &before, llvm::DenseSet<Value> &continued,
                             SmallVector<Value> &order) {
  llvm::DenseSet<Value> known;
  auto isStart = [&](Value v) {
    Operation *op = v.getDefiningOp();
    return !op || known.contains(v) || llvm::is_contained({"Constant", "Expand", "ConstantOfShape"}, nameOf(op));
  };
  for (Operation &op : block) {
    if (nameOf(&op) != "Slice" && nameOf(&op) != "Gather")
      continue;
    Value last = op.getResult(0);
    while (last.hasOneUse() && isMovement(*last.user_begin()) && (*last.user_begin())->getOperand(0) == last &&
           (*last.user_begin())->getNumResults() == 1 && nameOf(*last.user_begin()) != "Concat" &&
           typeOf(last).getRank() >= typeOf((*last.user_begin())->getResult(0)).getRank())
      last = (*last.user_begin())->getResult(0);
    auto type = typeOf(last), whole = typeOf(op.getOperand(0));
    if (!type || !whole || type.getRank() < 1 || !isa<FloatType>(type.getElementType()) || last.use_empty())
      continue;
    // The last place of one axis of a sum.
    Operation *sum = op.getOperand(0).getDefiningOp();
    ExprRef e = x.at(last, x.iterators(onnx::getDimExprs(type)));
    bool isLast = sum && e->kind == Expr::Kind::Read &&
                  llvm::any_of(llvm::zip(e->indices, onnx::getDimExprs(whole)), [&](auto p) {
                    auto [i, d] = p;
                    return d != x.number(1) && i == x.simplified(d - 1);
                  });
    if (!isLast || e->source != op.getOperand(0) || before.contains(last))
      continue;
    // The state of this type that it was made from, a few operators back.
    llvm::SetVector<Value> reached;
    reached.insert(op.getOperand(0));
    Value found;
    for (size_t n = 0; n < reached.size() && n < 24 && !found; ++n) {
      Value v = reached[n];
      if (v.getType() == type && n > 0 && isStart(v))
        found = v;
      else if (Operation *def = v.getDefiningOp();
               def && llvm::is_contained({"Add", "Mul", "Unsqueeze", "Reshape", "Expand"}, nameOf(def)))
        for (Value o : def->getOperands())
          if (auto own = typeOf(o); own && own.getElementType() == type.getElementType())
            reached.insert(o);
    }
    known.insert(last);
    order.push_back(last);
    if (found) {
      before[last] = found;
      continued.insert(found);
    }
  }
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
  linkLastElements(block, x, before, continued, order);
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

std::optional<SplitStack> ssm::splitStack(Operation *concat) {
  auto type = typeOf(concat->getResult(0));
  int64_t axis = normalAxis(onnx::intAttr(concat, "axis"), type.getRank());
  Operation *model = concat->getOperand(0).getDefiningOp();
  if (!model)
    return std::nullopt;
  const Lowering *lowering = Registry::get().lookup(model);
  bool turns = nameOf(model) == "Transpose" && model->hasAttr("perm");
  if (!turns && (!lowering || !lowering->element || lowering->align || model->getNumResults() != 1))
    return std::nullopt;
  for (Value piece : concat->getOperands()) {
    Operation *op = piece.getDefiningOp();
    if (!op || op->getName() != model->getName() || op->getAttrDictionary() != model->getAttrDictionary() ||
        op->getNumOperands() != model->getNumOperands() || !typeOf(piece) || typeOf(piece).getRank() != type.getRank())
      return std::nullopt;
  }
  // What each operand becomes: itself, where all pieces have the same, or a Concat along this axis.
  SmallVector<int64_t> along;
  for (unsigned i = 0; i < model->getNumOperands(); ++i) {
    bool same = true, runs = true;
    int64_t at = turns ? onnx::intsAttr(model, "perm")[axis] : -1;
    for (Value piece : concat->getOperands()) {
      Operation *op = piece.getDefiningOp();
      Value v = op->getOperand(i);
      auto own = typeOf(v);
      same &= v == model->getOperand(i);
      if (!own) {
        runs = false;
        continue;
      }
      int64_t mine = turns ? at : axis - (type.getRank() - own.getRank());
      runs &= mine >= 0 && onnx::getDimExpr(own, mine) == onnx::getDimExpr(typeOf(piece), axis) &&
              own.getRank() == typeOf(model->getOperand(i)).getRank();
      at = mine;
      same &= mine < 0 || own.getDimSize(mine) == 1;
    }
    if (!same && !runs)
      return std::nullopt;
    along.push_back(same ? -1 : at);
  }
  OpBuilder b(concat);
  Exprs x(concat->getContext());
  ExprWriter w(x, b, concat->getLoc());
  SplitStack split;
  SmallVector<Value> operands;
  for (auto [i, at] : llvm::enumerate(along)) {
    if (at < 0) {
      operands.push_back(model->getOperand(i));
      continue;
    }
    SmallVector<Value> pieces;
    for (Value piece : concat->getOperands())
      pieces.push_back(piece.getDefiningOp()->getOperand(i));
    operands.push_back(w.concat(pieces, at));
    split.stacks.push_back(operands.back().getDefiningOp());
  }
  split.whole = w.create(nameOf(model), operands, type, llvm::to_vector(model->getAttrs())).getDefiningOp();
  return split;
}
