//===- PrefixLoop.cpp - a running combination as a loop --------------------===//
// The loop has one carry, or two that are one complex number. What the graph does with the states is looked at forward,
// through movement and products, up to contractions: a sum over dims of the state becomes an output of the loop, so
// that the states are never made.
//===----------------------------------------------------------------------===//
#include "passes/raise/PrefixLoop.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/LengthChoice.h"
#include "passes/raise/Linear.h"
#include "passes/raise/LoopForm.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

namespace {
class PrefixReaders {
public:
  PrefixReaders(PrefixProof &proof, Exprs &x) : proof(proof), x(x) {}
  void find();

  struct Output {
    Value result;
    ExprRef element; // reads the roots
    Indices dims;
    size_t time;  // of dims
    bool fromEnd; // that axis counts the steps from the end
  };
  SmallVector<Output> outputs;
  SmallVector<std::pair<Value, ExprRef>> finals; // the state after the last step, over dims of the value's axes
  SmallVector<Indices> finalDims;
  bool plain = false; // something else reads the states

private:
  void visit(Value v, int depth);
  void visitUser(Operation *op, Value v, int depth);
  bool isRoot(Value v) const { return llvm::is_contained(proof.roots, v); }
  ExprRef expression(Value v, Indices &dims);
  bool readOut(Value v);
  bool final(Value v);
  std::optional<bool> fromEnd(AffineExpr time, AffineExpr iterator);

  PrefixProof &proof;
  Exprs &x;
  static bool isProduct(Operation *op) {
    StringRef name = op->getName().stripDialect();
    return name == "Mul" || name == "Neg";
  }
  static bool isContraction(Operation *op) {
    StringRef name = op->getName().stripDialect();
    return name == "ReduceSum" || name == "Einsum" || name == "MatMul" || name == "Gemm";
  }
  bool isSum(Operation *op) const { // of what is read of the two parts
    StringRef name = op->getName().stripDialect();
    return proof.roots.size() == 2 && (name == "Add" || name == "Sub");
  }
  void derive(Value v, int depth);

  llvm::DenseSet<Value> derived; // from the roots, by operators that a read-out may have
  llvm::DenseSet<Operation *> seen;
};
} // namespace

ExprRef PrefixReaders::expression(Value v, Indices &dims) {
  dims = x.iterators(onnx::getDimExprs(typeOf(v)));
  x.isLeaf = [this](Value u) {
    return isRoot(u) || (!derived.contains(u) && u.getDefiningOp() && !isMovement(u.getDefiningOp()) &&
                         !isa<onnx::ConstantOp>(u.getDefiningOp()));
  };
  x.expands = [this](Operation *op) {
    return derived.contains(op->getResult(0)) && op->getName().stripDialect() != "Concat" &&
           op->getName().stripDialect() != "Pad";
  };
  x.forget();
  return x.at(v, dims);
}

/// The index of time in a root as a function of one iterator: the same place, or counted from the other end.
std::optional<bool> PrefixReaders::fromEnd(AffineExpr time, AffineExpr iterator) {
  if (x.sizeOf(iterator) != x.sizeOf(proof.step))
    return std::nullopt;
  if (time == iterator)
    return proof.reversed;
  if (x.simplified(time + iterator - x.sizeOf(iterator) + 1) == x.number(0))
    return !proof.reversed;
  return std::nullopt;
}

/// A sum over dims of the states of one step, other dims staying.
bool PrefixReaders::readOut(Value v) {
  Output out;
  out.result = v;
  out.element = expression(v, out.dims);
  Linear linear(x, [this](Value u) { return isRoot(u); });
  auto terms = linear.of(out.element);
  if (!terms || terms->size() != proof.roots.size())
    return false;
  std::optional<size_t> time;
  llvm::SmallDenseSet<Value> sources;
  for (const LinearTerm &t : *terms) {
    if (!t.state || t.bound.empty() || !sources.insert(t.state->source).second)
      return false;
    llvm::SmallDenseSet<AffineExpr> used;
    for (auto [n, i] : llvm::enumerate(t.state->indices)) {
      if ((int64_t)n == proof.axis) {
        for (auto [k, d] : llvm::enumerate(out.dims)) {
          bool occurs = false;
          i.walk([&, d = d](AffineExpr part) { occurs |= part == d; });
          if (!occurs)
            continue;
          auto end = fromEnd(i, d);
          if (!end || (time && (*time != k || out.fromEnd != *end)))
            return false;
          time = k;
          out.fromEnd = *end;
          used.insert(d);
        }
      } else if (isa<AffineDimExpr>(i)) {
        if (!used.insert(i).second)
          return false;
      } else if (i != x.number(0) || onnx::getDimExpr(typeOf(t.state->source), n) != x.number(1)) {
        return false;
      }
    }
    // No dim of the output is new: a product with a matrix stays one.
    for (AffineExpr d : out.dims)
      if (!used.contains(d) && x.sizeOf(d) != x.number(1))
        return false;
    for (AffineExpr i : t.bound)
      if (!used.contains(i))
        return false;
  }
  if (!time)
    return false;
  out.time = *time;
  outputs.push_back(out);
  return true;
}

bool PrefixReaders::final(Value v) {
  Indices dims;
  ExprRef e = expression(v, dims);
  if (e->kind != Expr::Kind::Read || !isRoot(e->source) || proof.roots.size() != 1)
    return false;
  llvm::SmallDenseSet<AffineExpr> used;
  for (auto [n, i] : llvm::enumerate(e->indices)) {
    AffineExpr size = onnx::getDimExpr(typeOf(e->source), n);
    if ((int64_t)n == proof.axis ? i != (proof.reversed ? x.number(0) : x.simplified(x.sizeOf(proof.step) - 1))
                                 : !(isa<AffineDimExpr>(i) && x.sizeOf(i) == size && used.insert(i).second) &&
                                       !(i == x.number(0) && size == x.number(1)))
      return false;
  }
  finals.push_back({v, e});
  finalDims.push_back(dims);
  return true;
}

void PrefixReaders::visitUser(Operation *op, Value v, int depth) {
  if (plain || depth > 12 || !isa<onnx::OnnxDialect>(op->getDialect()) || op->getNumRegions() ||
      llvm::any_of(op->getResults(), [](Value r) { return !typeOf(r); })) {
    plain = true;
    return;
  }
  seen.insert(op);
  bool contraction = isContraction(op), sum = isSum(op);
  if ((contraction || sum || isProduct(op)) && readOut(op->getResult(0)))
    return;
  if (contraction && proof.roots.size() == 1) {
    plain = true;
    return;
  }
  if (isMovement(op) && llvm::all_of(op->getResults(), [&](Value r) { return r.use_empty() || final(r); }))
    return;
  if (isMovement(op) || contraction || sum || isProduct(op)) {
    for (Value r : op->getResults())
      visit(r, depth + 1);
    return;
  }
  plain = true;
}

void PrefixReaders::visit(Value v, int depth) {
  for (Operation *user : llvm::to_vector(llvm::SetVector<Operation *>(v.user_begin(), v.user_end()))) {
    if (!seen.contains(user)) // from another operand
      visitUser(user, v, depth);
  }
}

void PrefixReaders::derive(Value v, int depth) {
  for (Operation *user : v.getUsers())
    if (depth < 12 && (isMovement(user) || isContraction(user) || isSum(user) || isProduct(user)))
      for (Value r : user->getResults())
        if (derived.insert(r).second)
          derive(r, depth + 1);
}

void PrefixReaders::find() {
  for (Value r : proof.roots)
    derive(r, 0);
  for (Value r : proof.roots)
    visit(r, 0);
  // Without a read-out the last state is the last of the states.
  plain |= outputs.empty() && finals.empty();
  if (plain || outputs.empty()) {
    plain = true;
    outputs.clear();
    finals.clear();
    finalDims.clear();
  }
}

/// Everything that the expressions read is computed before `place`, which none of it needs. Sizes of what moves must be
/// known there.
static bool moveSourcesBefore(Operation *place, ArrayRef<ExprRef> expressions, Exprs &x) {
  Block *block = place->getBlock();
  llvm::SetVector<Operation *> slice;
  auto add = [&](Value v) {
    Operation *def = v.getDefiningOp();
    if (def && def->getBlock() == block && !def->isBeforeInBlock(place))
      slice.insert(def);
  };
  for (ExprRef e : expressions)
    if (e)
      for (ExprRef r : x.readsOf(e))
        add(r->source);
  auto isStatic = [](Type t) {
    auto type = dyn_cast<RankedTensorType>(t);
    return !type || type.hasStaticShape();
  };
  llvm::DenseSet<int64_t> bound; // symbols that get their value later
  for (Operation *op = place; op; op = op->getNextNode())
    if (auto symbol = op->getAttrOfType<IntegerAttr>("symbol"))
      bound.insert(symbol.getInt());
  for (size_t i = 0; i < slice.size(); ++i) {
    if (slice[i] == place || slice[i]->getNumRegions())
      return false;
    for (Type t : slice[i]->getResultTypes())
      if (!isStatic(t))
        for (AffineExpr d : onnx::getDimExprs(cast<RankedTensorType>(t))) {
          bool late = false;
          d.walk([&](AffineExpr part) {
            if (auto s = dyn_cast<AffineSymbolExpr>(part))
              late |= bound.contains(s.getPosition());
          });
          if (late)
            return false;
        }
    for (Value v : slice[i]->getOperands())
      add(v);
  }
  SmallVector<Operation *> ordered = llvm::to_vector(slice);
  llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : ordered)
    op->moveBefore(place);
  return true;
}

/// Looks through operators as large as all states: they become part of the recurrence.
static ExprRef lookedThrough(Exprs &x, ExprRef e, size_t full) {
  auto extent = [](Value v) { return (size_t)llvm::count_if(typeOf(v).getShape(), [](int64_t d) { return d != 1; }); };
  auto isCheap = [](Operation *op) { return isMovement(op) || isa<onnx::ConstantOp>(op); };
  x.isLeaf = [&](Value v) { return v.getDefiningOp() && !isCheap(v.getDefiningOp()) && extent(v) < full; };
  x.expands = [&](Operation *op) { return extent(op->getResult(0)) >= full; };
  x.forget();
  ExprRef r = x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef read) -> ExprRef {
    ExprRef inner = x.at(read->source, read->indices);
    return isScalar(inner) ? inner : nullptr;
  });
  x.isLeaf = nullptr;
  x.expands = nullptr;
  x.forget();
  return r;
}

/// Operators between what the expressions read and the results.
static llvm::SetVector<Operation *> treeOf(ArrayRef<Value> results, ArrayRef<ExprRef> expressions, Exprs &x) {
  llvm::SetVector<Operation *> nodes;
  for (Value v : results)
    nodes.insert(v.getDefiningOp());
  llvm::SmallDenseSet<Value> sources;
  for (ExprRef e : expressions)
    if (e)
      for (ExprRef r : x.readsOf(e))
        sources.insert(r->source);
  for (size_t i = 0; i < nodes.size(); ++i)
    for (Value v : nodes[i]->getOperands())
      if (Operation *def = v.getDefiningOp();
          def && def->getBlock() == nodes[0]->getBlock() && !sources.contains(v) &&
          !isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp, UnrealizedConversionCastOp>(def))
        nodes.insert(def);
  return nodes;
}

/// A part of something larger that is no recurrence, like the first elements of sums over a window: the rest stays and
/// computes it again.
static bool isPart(ArrayRef<Value> roots, const llvm::SetVector<Operation *> &tree) {
  return llvm::any_of(roots, [](Value r) { return isMovement(r.getDefiningOp()); }) &&
         llvm::any_of(tree, [&](Operation *op) {
           StringRef name = op->getName().stripDialect();
           bool inner = (name == "Add" || name == "Sub") && !llvm::is_contained(roots, op->getResult(0));
           return inner && llvm::any_of(op->getUsers(), [&](Operation *user) { return !tree.contains(user); });
         });
}

/// Index of an element of the state, without time.
static Indices withoutTime(const PrefixProof &proof, ArrayRef<AffineExpr> indices) {
  Indices where(indices);
  where.erase(where.begin() + proof.axis);
  return where;
}

/// The state after a step from that before it: a h + b, the parts of complex numbers apart.
static ExprRef nextOf(const PrefixProof &proof, Exprs &x, unsigned part, ArrayRef<Value> states,
                      ArrayRef<AffineExpr> dims) {
  auto times = [&](unsigned coefficient, unsigned state) {
    return x.mul(proof.parts[coefficient].decay, x.read(states[state], dims));
  };
  ExprRef input = proof.parts[part].input;
  if (proof.roots.size() == 1)
    return x.add(times(0, 0), input);
  if (part == 0)
    return x.add(x.op("Sub", {times(0, 0), times(1, 1)}, input->type), input);
  return x.add(x.add(times(0, 1), times(1, 0)), input);
}

static LoopOutput outputOf(const PrefixProof &proof, Exprs &x, const PrefixReaders::Output &o,
                           ArrayRef<Value> updated) {
  LoopOutput out;
  AffineExpr axis = o.dims[o.time], length = x.sizeOf(proof.step);
  DenseMap<AffineExpr, AffineExpr> names;
  if (axis != proof.step || o.fromEnd)
    names[axis] = o.fromEnd ? length - 1 - proof.step : proof.step;
  auto ofState = [&](ExprRef r) -> ExprRef {
    const auto *root = llvm::find(proof.roots, r->source);
    return root == proof.roots.end() ? nullptr
                                     : x.read(updated[root - proof.roots.begin()], withoutTime(proof, r->indices));
  };
  out.element = x.replace(x.replace(o.element, names), DenseMap<AffineExpr, AffineExpr>{}, ofState);
  out.dims = o.dims;
  out.dims[o.time] = proof.step;
  out.flipped = o.fromEnd;
  out.result = o.result;
  return out;
}

/// Coefficients in terms of what is small, and everything that is to be computed before `place`; none, with the reason,
/// where something of it comes later.
static std::optional<SmallVector<ExprRef>>
coefficientsBefore(Operation *place, PrefixProof &proof, const PrefixReaders &readers, Exprs &x, std::string &reason) {
  size_t full = llvm::count_if(proof.dims, [&](AffineExpr d) { return x.sizeOf(d) != x.number(1); });
  ExprRef zero = x.constant(0, typeOf(proof.roots[0]).getElementType());
  SmallVector<ExprRef> needed;
  for (unsigned p = 0; p < proof.roots.size(); ++p) {
    auto &part = proof.parts[p];
    part.decay = lookedThrough(x, part.decay, full);
    part.input = part.input ? lookedThrough(x, part.input, full) : zero;
    needed.append({part.decay, part.input, part.initial});
  }
  if (isPart(proof.roots, treeOf(proof.roots, needed, x))) {
    reason = "it is part of what is no recurrence";
    return std::nullopt;
  }
  for (auto &o : readers.outputs)
    needed.push_back(x.replace(o.element, DenseMap<AffineExpr, AffineExpr>{},
                               [&](ExprRef r) { return llvm::is_contained(proof.roots, r->source) ? zero : nullptr; }));
  if (moveSourcesBefore(place, needed, x))
    return needed;
  reason = "its coefficients or read-out are computed after it";
  return std::nullopt;
}

bool ssm::raisePrefix(PrefixProof &proof, Exprs &x, SymbolMap &sizes, std::string &reason) {
  PrefixReaders readers(proof, x);
  readers.find();
  Operation *place = proof.roots[0].getDefiningOp();
  for (Value r : proof.roots)
    if (r.getDefiningOp()->isBeforeInBlock(place))
      place = r.getDefiningOp();
  auto needed = coefficientsBefore(place, proof, readers, x, reason);
  if (!needed)
    return false;

  LoopForm loop;
  loop.step = proof.step;
  loop.anchor = place;
  Indices dims = withoutTime(proof, proof.dims);
  Type element = typeOf(proof.roots[0]).getElementType();
  SmallVector<AffineExpr> extents;
  for (AffineExpr d : dims)
    extents.push_back(x.sizeOf(d));
  OpBuilder b(place);
  SmallVector<Value> placeholders, states, updated;
  auto placeholder = [&] {
    Type type = onnx::withDims(element, extents);
    placeholders.push_back(UnrealizedConversionCastOp::create(b, place->getLoc(), type, ValueRange{}).getResult(0));
    return placeholders.back();
  };
  for (size_t p = 0; p < proof.roots.size(); ++p) {
    states.push_back(placeholder());
    updated.push_back(placeholder());
  }
  for (size_t p = 0; p < proof.roots.size(); ++p) {
    LoopCarry c;
    c.state = states[p];
    c.updated = updated[p];
    c.dims = dims;
    c.start = proof.parts[p].initial ? proof.parts[p].initial : x.constant(0, element);
    c.next = nextOf(proof, x, p, states, dims);
    loop.carries.push_back(c);
  }
  if (readers.plain)
    for (Value r : proof.roots)
      readers.outputs.push_back({r, x.read(r, proof.dims), proof.dims, (size_t)proof.axis, proof.reversed});
  SmallVector<Value> results;
  for (auto &o : readers.outputs) {
    loop.outputs.push_back(outputOf(proof, x, o, updated));
    results.push_back(o.result);
  }
  // Stands for the last state behind the loop.
  Operation *last = nullptr;
  if (!readers.finals.empty()) {
    Value final = loop.carries[0].final = placeholder();
    b.setInsertionPointAfter(place);
    last = UnrealizedConversionCastOp::create(b, place->getLoc(), final.getType(), final);
  }
  llvm::SetVector<Operation *> nodes = treeOf(results, *needed, x);
  loop.nodes.assign(nodes.begin(), nodes.end());
  llvm::sort(loop.nodes, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  x.isLeaf = nullptr;
  x.expands = nullptr;
  x.budget = 1 << 20;
  x.forget();
  for (auto &[v, element] : readers.finals)
    results.push_back(v);
  LengthChoice choice(results, loop.nodes);
  bool done = raiseLoop(loop, x, reason);
  sizes.insert(loop.sizes.begin(), loop.sizes.end());
  if (last) {
    b.setInsertionPoint(last);
    ExprWriter w(x, b, place->getLoc());
    // The axes of the state in another order, some of size 1 added: always written.
    if (done)
      for (auto [f, over] : llvm::zip(readers.finals, readers.finalDims))
        f.first.replaceAllUsesWith(w.write(x.read(last->getOperand(0), withoutTime(proof, f.second->indices)), over));
    last->erase();
  }
  if (done && proof.open)
    choice.make(proof.open->symbol, proof.length);
  for (Value v : llvm::reverse(placeholders))
    if (v.use_empty())
      v.getDefiningOp()->erase();
  return done;
}
