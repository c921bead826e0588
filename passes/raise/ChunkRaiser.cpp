//===- ChunkRaiser.cpp - chunks joined to a recurrence over time -----------===//
// Time t is chunk * length + position: with chunk = t floordiv length and position = t mod length in the operands, what
// was padded and cut into chunks is read as it was before. Where every reader drops the padding of the last chunk, and
// the final state is the same without it, the recurrence ends before the padding.
//===----------------------------------------------------------------------===//
#include "passes/raise/ChunkRaiser.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/Operands.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// Zero at every place.
static bool isZero(ExprRef e) {
  if (e->kind != Expr::Kind::Read || !e->source.getDefiningOp<onnx::ConstantOp>())
    return e->isConstant(0);
  auto numbers = numbersOf(onnx::constantValue(e->source));
  return numbers && llvm::all_of(*numbers, [](double v) { return v == 0; });
}

namespace {
class Joiner {
public:
  Joiner(const ChunkForm &form, const ChunkStep &step, const ChunkPlace &place, Exprs &x, AffineExpr tau)
      : form(form), step(step), place(place), x(x), tau(tau), b(place.before), w(x, b, place.before->getLoc()) {}
  bool run(SymbolMap &sizes, std::string &why);

private:
  /// A reader of the output that only moves elements, and the output's indices by its own.
  struct Trimmed {
    Value value;
    Indices dims, where;
  };
  void findTrimmed();
  ExprRef overTime(ExprRef e, AffineExpr chunk, AffineExpr position);
  bool padsNeutrally(AffineExpr length);
  AffineExpr full() const { return x.simplified(place.total ? place.total : x.sizeOf(place.chunk) * x.sizeOf(tau)); }
  /// The time of an element of the output.
  AffineExpr timeAt(ArrayRef<AffineExpr> indices) const {
    AffineExpr time = x.number(0);
    for (auto [d, i] : llvm::zip(place.outputDims, indices))
      time = time + (d == place.chunk ? i * x.sizeOf(tau) : d == form.position || d == place.time ? i : x.number(0));
    return x.simplified(time);
  }

  const ChunkForm &form;
  const ChunkStep &step;
  const ChunkPlace &place;
  Exprs &x;
  AffineExpr tau;
  OpBuilder b;
  ExprWriter w;
  SmallVector<Trimmed> trimmed;
  AffineExpr cut; // length without padding, where all readers drop it
};
} // namespace

/// An expression over the chunk and the position as one over time; movement is looked through again.
ExprRef Joiner::overTime(ExprRef e, AffineExpr chunk, AffineExpr position) {
  DenseMap<AffineExpr, AffineExpr> map{{tau, position}};
  if (place.chunk && !place.total)
    map[place.chunk] = chunk;
  return x.replace(x.replace(e, map), DenseMap<AffineExpr, AffineExpr>{},
                   [&](ExprRef r) { return x.at(r->source, r->indices); });
}

void Joiner::findTrimmed() {
  AffineExpr full = this->full();
  auto leaf = x.isLeaf;
  x.isLeaf = [&](Value v) { return v == place.output; };
  x.forget();
  llvm::SetVector<Value> work;
  work.insert(place.output);
  bool all = true;
  for (size_t n = 0; n < work.size() && all; ++n)
    for (Operation *user : work[n].getUsers()) {
      if (user->getName().getStringRef() == "ssm.bind_dim")
        continue;
      if (!isMovement(user) || user->getOperand(0) != work[n] || user->getNumResults() != 1 ||
          llvm::count(user->getOperands(), work[n]) != 1) {
        all = false;
        break;
      }
      Value v = user->getResult(0);
      Indices dims = x.iterators(onnx::getDimExprs(typeOf(v)));
      ExprRef e = x.at(v, dims);
      if (e->kind != Expr::Kind::Read || e->source != place.output) {
        all = false;
        break;
      }
      // Which time is read.
      AffineExpr time = timeAt(e->indices);
      AffineExpr length = isa<AffineDimExpr>(time) ? x.sizeOf(time) : AffineExpr();
      if (length && x.simplified(length) != full && (!cut || cut == x.simplified(length))) {
        cut = x.simplified(length);
        trimmed.push_back({v, dims, Indices(e->indices)});
        continue;
      }
      work.insert(v);
    }
  if (!all || (cut && !x.isNonNegative(x.simplified(full - cut)))) {
    cut = {};
    trimmed.clear();
  }
  x.isLeaf = leaf;
  x.forget();
}

/// Nothing enters the state in the padding, and it does not decay there.
bool Joiner::padsNeutrally(AffineExpr length) {
  AffineExpr by = x.sizeOf(tau), t = length + x.iterator(x.simplified(full() - length));
  auto expands = x.expands;
  x.expands = [](Operation *op) { return op->getName().stripDialect() == "Pad"; };
  x.forget();
  auto vanishes = [&](ExprRef e) {
    return (place.total ? overTime(e, {}, t) : overTime(e, x.floorDiv(t, by), x.modulo(t, by)))->isConstant(0);
  };
  bool neutral =
      llvm::all_of(form.logDecay, vanishes) && llvm::any_of(form.erased.empty() ? form.key : form.erased, vanishes);
  x.expands = expands;
  x.forget();
  return neutral;
}

bool Joiner::run(SymbolMap &sizes, std::string &why) {
  auto refuse = [&](const char *reason) {
    why = reason;
    return false;
  };
  AffineExpr length = x.sizeOf(tau), full = this->full();
  findTrimmed();
  bool finals = place.finalState || !place.finalReaders.empty();
  if (cut && finals && !padsNeutrally(cut)) {
    cut = {};
    trimmed.clear();
  }
  AffineExpr t = x.iterator(cut ? cut : full);
  AffineExpr chunk = place.total ? AffineExpr() : x.floorDiv(t, length),
             position = place.total ? t : x.modulo(t, length);
  Type type = step.output->type;

  // The state's dims get iterators of their own.
  LoopForm loop;
  LoopCarry carry;
  DenseMap<AffineExpr, AffineExpr> ofCarry, second;
  Indices bound;
  for (auto [d, i] : llvm::zip(step.stateDims, form.state)) {
    carry.dims.push_back(x.iterator(x.sizeOf(d)));
    ofCarry[i] = carry.dims.back();
    second[i] = carry.dims.back();
    if (llvm::is_contained(form.keys, i)) {
      bound.push_back(x.iterator(x.sizeOf(i)));
      second[i] = bound.back();
    }
  }
  auto product = [&](ArrayRef<ExprRef> factors, double scale) {
    ExprRef e = x.product(factors, type);
    if (scale != 1)
      e = x.mul(e, x.constant(scale, type));
    return overTime(e, chunk, position);
  };
  ExprRef key = product(form.key, form.keyScale), query = product(form.query, form.queryScale), decay = nullptr;
  for (ExprRef g : form.logDecay)
    decay = decay ? x.add(decay, overTime(g, chunk, position)) : overTime(g, chunk, position);
  if (decay)
    decay = x.op("Exp", {decay}, type);
  for (ExprRef e : {key, query, decay})
    if (e && x.reads(e, [&](Value v) { return v.getParentBlock() != place.before->getBlock(); }))
      return refuse("an operand of a chunked recurrence is computed where it cannot be read");

  w.b.setInsertionPoint(place.before);
  carry.state = w.placeholder(onnx::getDimExprs(onnx::withDims(type,
                                                               [&] {
                                                                 SmallVector<AffineExpr> dims;
                                                                 for (AffineExpr d : carry.dims)
                                                                   dims.push_back(x.sizeOf(d));
                                                                 return dims;
                                                               }())),
                              type);
  carry.updated = w.placeholder(onnx::getDimExprs(typeOf(carry.state)), type);
  Value final = finals ? w.placeholder(onnx::getDimExprs(typeOf(carry.state)), type) : Value();
  // After the step.
  auto decayed = [&](const DenseMap<AffineExpr, AffineExpr> &names) {
    Indices where;
    for (AffineExpr i : form.state)
      where.push_back(names.lookup(i));
    ExprRef s = x.read(carry.state, where);
    return decay ? x.mul(x.replace(decay, names), s) : s;
  };
  ExprRef input = x.replace(key, ofCarry);
  if (form.erased.empty()) {
    carry.next = x.add(decayed(ofCarry), input);
  } else {
    ExprRef erase = product(form.erase, form.eraseScale), erased = product(form.erased, form.erasedScale);
    for (ExprRef e : {erase, erased})
      if (x.reads(e, [&](Value v) { return v.getParentBlock() != place.before->getBlock(); }))
        return refuse("an operand of a chunked recurrence is computed where it cannot be read");
    ExprRef known = x.reduce("ReduceSum", bound, x.mul(x.replace(erase, second), decayed(second)));
    ExprRef k = x.replace(erased, ofCarry);
    carry.next = x.add(x.add(decayed(ofCarry), x.mul(x.neg(k), known)), x.mul(k, input));
  }
  if (place.start && !isZero(place.start)) {
    DenseMap<AffineExpr, AffineExpr> names;
    for (auto [d, own] : llvm::zip(step.stateDims, carry.dims))
      names[d] = own;
    carry.start = x.replace(place.start, names);
  } else {
    carry.start = x.constant(0, type);
  }
  // The read-out.
  Indices where(form.state), flat;
  DenseMap<AffineExpr, AffineExpr> summed;
  for (AffineExpr k : form.keys)
    summed[k] = x.iterator(x.sizeOf(k));
  for (AffineExpr &i : where)
    if (AffineExpr s = summed.lookup(i))
      i = s;
  for (auto [d, i] : llvm::zip(step.stateDims, where))
    if (x.sizeOf(d) == x.number(1))
      i = x.number(0);
  Indices over;
  for (AffineExpr k : form.keys)
    over.push_back(summed[k]);
  ExprRef read = x.read(form.before ? carry.state : carry.updated, where);
  ExprRef out = x.reduce("ReduceSum", over, x.mul(x.replace(query, summed), read));
  for (ExprRef r : form.rest)
    out = x.add(out, overTime(r, chunk, position));
  LoopOutput output;
  output.element = out;
  for (AffineExpr d : place.outputDims)
    if (d != place.chunk)
      output.dims.push_back(d == form.position || d == place.time ? t : d);
  SmallVector<AffineExpr> outSizes;
  for (AffineExpr d : output.dims)
    outSizes.push_back(x.sizeOf(d));
  output.result = w.placeholder(outSizes, type);
  loop.anchor = output.result.getDefiningOp();
  loop.step = t;
  loop.nodes = place.nodes;
  loop.outputs.push_back(output);
  carry.final = final;
  loop.carries.push_back(carry);

  // What reads the placeholders stands behind the anchor.
  SmallVector<std::pair<Value, Value>> replaced;
  auto byTime = [&](ArrayRef<AffineExpr> indices) {
    Indices at;
    AffineExpr time = timeAt(indices);
    for (auto [d, i] : llvm::zip(place.outputDims, indices))
      if (d != place.chunk)
        at.push_back(d == form.position || d == place.time ? time : i);
    return x.read(output.result, at);
  };
  auto write = [&](Value of, ExprRef e, ArrayRef<AffineExpr> dims) {
    Value v = w.write(e, dims);
    // Something must hold it, so that it is replaced where it is a placeholder itself.
    if (v)
      replaced.push_back({of, w.create("Identity", {v}, v.getType())});
    return v != nullptr;
  };
  Operation *previous = place.before->getPrevNode();
  bool written = true;
  if (cut)
    for (const Trimmed &reader : trimmed)
      written &= write(reader.value, byTime(reader.where), reader.dims);
  else
    written &= write(place.output, byTime(place.outputDims), place.outputDims);
  if (place.finalState)
    written &= write(place.finalState, x.read(final, carry.dims), carry.dims);
  for (const ChunkPlace::Reader &reader : place.finalReaders)
    written &= write(reader.value, x.read(final, reader.where), reader.dims);
  auto dropNew = [&] {
    while (place.before->getPrevNode() != previous)
      place.before->getPrevNode()->erase();
    for (Value v : {output.result, final, carry.updated, carry.state})
      if (v)
        v.getDefiningOp()->erase();
    return false;
  };
  if (!written) {
    refuse("the result of a chunked recurrence cannot be written by chunks");
    return dropNew();
  }
  if (!raiseLoop(loop, x, why))
    return dropNew();
  for (auto [of, by] : replaced) {
    Operation *holder = by.getDefiningOp();
    noteEqualSizes(of, holder->getOperand(0), sizes);
    of.replaceAllUsesWith(holder->getOperand(0));
    holder->erase();
  }
  sizes.insert(loop.sizes.begin(), loop.sizes.end());
  Block *block = place.before->getBlock();
  for (Value v : {output.result, final, carry.updated, carry.state})
    if (v && v.use_empty())
      v.getDefiningOp()->erase();
  sortTopologically(block);
  return true;
}

bool ssm::raiseChunk(const ChunkForm &form, const ChunkStep &step, const ChunkPlace &place, Exprs &x, AffineExpr tau,
                     SymbolMap &sizes, std::string &why) {
  return Joiner(form, step, place, x, tau).run(sizes, why);
}
