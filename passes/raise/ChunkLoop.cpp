//===- ChunkLoop.cpp - a loop over chunks of a recurrence ------------------===//
// What a chunk gives may be made of several recurrences, each with a state of its own or with the same: every part of
// an output that depends on one state is proved by itself, and the rest is done over all chunks at once.
//===----------------------------------------------------------------------===//
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "passes/raise/ChunkRaiser.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/Provenance.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }
static StringRef nameOf(Operation *op) { return op->getName().stripDialect(); }

namespace {
/// A part of an output that is a recurrence.
struct Part {
  ChunkForm form;
  ChunkStep step;
  AffineExpr tau;
  LoopCarry *carry;
  SmallVector<Operation *> opened;
  Value output;       // what it takes the place of: a result of the loop, or a placeholder
  Indices outputDims; // with the step
};

class ChunkLoop {
public:
  ChunkLoop(Operation *loop, Exprs &x, LoopForm &form) : loop(loop), x(x), form(form) {}
  bool run(SymbolMap &sizes);
  std::string why;
  SmallVector<ChunkStep::Inverse> inverses;

private:
  std::optional<Part> match(ExprRef e, LoopCarry &carry, ArrayRef<AffineExpr> dims);
  ExprRef apart(ExprRef e, int depth);
  llvm::SmallSetVector<LoopCarry *, 2> carriesOf(ExprRef e);

  Operation *loop;
  Exprs &x;
  LoopForm &form;
  std::vector<Part> parts;
  DenseMap<ExprRef, ExprRef> found; // parts that were taken out, and what reads them
};
} // namespace

llvm::SmallSetVector<LoopCarry *, 2> ChunkLoop::carriesOf(ExprRef e) {
  llvm::SmallSetVector<LoopCarry *, 2> out;
  for (ExprRef r : x.readsOf(e))
    for (LoopCarry &c : form.carries)
      if (r->source == c.state)
        out.insert(&c);
  return out;
}

/// The expression, over `dims` with the step, as a chunk of the recurrence of this state.
std::optional<Part> ChunkLoop::match(ExprRef e, LoopCarry &carry, ArrayRef<AffineExpr> dims) {
  ChunkStep step;
  step.next = carry.next;
  step.stateDims = carry.dims;
  step.state = carry.state;
  step.output = e;
  step.inverses = inverses;
  for (AffineExpr d : dims)
    if (d != form.step)
      step.outputDims.push_back(d);
  for (AffineExpr length : lengthsOf(x, step.outputDims)) {
    AffineExpr tau = x.iterator(length);
    Terms terms(x, tau);
    terms.start = x.simplified(form.step * length);
    terms.isState = [&](Value v) { return v == carry.state; };
    for (ChunkStep::Inverse &i : step.inverses)
      terms.inverses.insert(i.inverse);
    if (auto chunk = matchChunk(step, terms, x, tau, why)) {
      SmallVector<Operation *> opened(terms.opened.begin(), terms.opened.end());
      return Part{*chunk, step, tau, &carry, opened, {}, Indices(dims)};
    }
  }
  return std::nullopt;
}

/// The expression with every part that depends on a state read from a placeholder; null when that is not possible.
ExprRef ChunkLoop::apart(ExprRef e, int depth) {
  if (!e)
    return e;
  if (ExprRef known = found.lookup(e))
    return known;
  auto carries = carriesOf(e);
  if (carries.empty())
    return e;
  if (carries.size() == 1) {
    auto sizeOf = [&](AffineExpr d) { return x.sizeOf(d); };
    Indices dims = {form.step};
    for (AffineExpr i : x.freeIterators(e))
      if (i != form.step)
        dims.push_back(i);
    if (auto part = match(e, *carries[0], dims)) {
      OpBuilder b(loop);
      part->output = ExprWriter(x, b, loop->getLoc()).placeholder(llvm::map_to_vector(dims, sizeOf), e->type);
      parts.push_back(*part);
      return found[e] = x.read(part->output, dims);
    }
  }
  if (e->kind != Expr::Kind::Op || depth == 0)
    return nullptr;
  SmallVector<ExprRef> operands;
  for (ExprRef o : e->operands) {
    operands.push_back(apart(o, depth - 1));
    if (o && !operands.back())
      return nullptr;
  }
  return x.op(e->name, operands, e->type, e->prototype);
}

bool ChunkLoop::run(SymbolMap &sizes) {
  // Outputs, and what is done with their parts where they are not one.
  SmallVector<std::pair<LoopOutput *, ExprRef>> joined;
  bool failed = false;
  for (LoopOutput &output : form.outputs) {
    // The state after the step is not the state.
    ExprRef e = x.replace(output.element, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      auto carry = llvm::find_if(form.carries, [&](LoopCarry &c) { return c.updated == r->source; });
      if (carry == form.carries.end())
        return nullptr;
      DenseMap<AffineExpr, AffineExpr> at;
      for (auto [d, i] : llvm::zip(carry->dims, r->indices))
        at[d] = i;
      return x.replace(carry->next, at);
    });
    auto carries = carriesOf(e);
    if (carries.size() == 1)
      if (auto part = match(e, *carries[0], output.dims)) {
        part->output = output.result;
        parts.push_back(*part);
        continue;
      }
    ExprRef rest = apart(e, 6);
    failed |= !rest;
    if (failed)
      break;
    joined.push_back({&output, rest});
  }
  // Every state that something reads behind the loop is that of a part.
  llvm::SmallPtrSet<LoopCarry *, 4> proved;
  for (Part &part : parts)
    proved.insert(part.carry);
  for (LoopCarry &c : form.carries)
    failed |= c.final && !proved.contains(&c);
  auto drop = [&] { // what nothing reads
    for (Part &part : parts)
      if (Operation *op = part.output.getDefiningOp(); op && op != loop && op->use_empty())
        op->erase();
    return false;
  };
  if (failed || parts.empty())
    return drop();
  OpBuilder b(loop);
  ExprWriter w(x, b, loop->getLoc());
  SmallVector<std::pair<Value, Operation *>> replaced;
  for (auto [output, e] : joined) {
    Value v = w.write(e, output->dims);
    if (!v) {
      why = "what is made of several states cannot be written over all chunks";
      return drop();
    }
    replaced.push_back({output->result, w.create("Identity", {v}, v.getType()).getDefiningOp()});
  }
  proved.clear();
  for (Part &part : parts) {
    ChunkPlace place;
    place.output = part.output;
    place.outputDims = part.outputDims;
    place.chunk = form.step;
    if (proved.insert(part.carry).second)
      place.finalState = part.carry->final;
    place.start = part.carry->start ? part.carry->start : x.at(part.carry->initial, part.carry->dims);
    place.before = loop;
    place.nodes = part.opened;
    llvm::append_range(place.nodes, form.nodes);
    llvm::sort(place.nodes,
               [](Operation *p, Operation *q) { return p->getBlock() == q->getBlock() && p->isBeforeInBlock(q); });
    llvm::erase_if(place.nodes, [&](Operation *op) { return op->getBlock() != loop->getBlock(); });
    if (!raiseChunk(part.form, part.step, place, x, part.tau, sizes, why))
      return drop();
  }
  for (auto [result, holder] : replaced) {
    noteEqualSizes(result, holder->getOperand(0), sizes);
    result.replaceAllUsesWith(holder->getOperand(0));
    holder->erase();
  }
  sortTopologically(loop->getBlock());
  for (Operation *op : llvm::reverse(form.nodes))
    if (op->use_empty())
      op->erase();
  return true;
}

bool ssm::raiseLoopOfChunks(Operation *loop, SymbolMap &sizes) {
  // Masks are constants; outside they can be read by what the loop becomes.
  for (Operation &op : llvm::make_early_inc_range(loop->getRegion(0).front()))
    if (isa<onnx::ConstantOp>(op))
      op.moveBefore(loop);
  // A step over a chunk sums over its positions.
  bool sums = false;
  loop->walk(
      [&](Operation *op) { sums |= llvm::is_contained({"MatMul", "Einsum", "ReduceSum", "CumSum"}, nameOf(op)); });
  if (!sums)
    return false;
  Exprs x(loop->getContext());
  x.cumulative = true;
  std::string why;
  SmallVector<TriangularInverse> inside = inversesOf(loop->getRegion(0).front()),
                                 outside = inversesOf(*loop->getBlock());
  SmallVector<Value> matrices;
  for (TriangularInverse &i : inside) {
    matrices.push_back(i.matrix);
    x.opaque.insert(i.inverse);
  }
  std::optional<LoopForm> form = loopForm(loop, x, why, matrices);
  if (!form || form->carries.empty() || form->outputs.empty() ||
      llvm::any_of(form->outputs, [](LoopOutput &o) { return o.flipped; }))
    return false;
  expandNothing(x);
  // The sizes of what a loop accumulates follow from its steps; what drops the padding is seen only with them.
  SymbolMap known;
  for (LoopOutput &output : form->outputs)
    for (auto [d, size] : llvm::zip(output.dims, onnx::getDimExprs(typeOf(output.result))))
      if (auto symbol = dyn_cast<AffineSymbolExpr>(size);
          symbol && !x.sizeOf(d).isFunctionOfSymbol(symbol.getPosition()))
        known[size] = x.sizeOf(d);
  if (!known.empty()) {
    replaceSymbols(loop->getParentOfType<func::FuncOp>(), known);
    return raiseLoopOfChunks(loop, sizes);
  }
  ChunkLoop chunks(loop, x, *form);
  for (auto [i, value] : llvm::zip(inside, form->values))
    chunks.inverses.push_back({i.inverse, value.element, value.dims, i.sign});
  for (TriangularInverse &i : outside) {
    Indices dims = x.iterators(onnx::getDimExprs(typeOf(i.matrix)));
    chunks.inverses.push_back({i.inverse, x.at(i.matrix, dims), dims, i.sign});
  }
  if (chunks.run(sizes))
    return true;
  if (!chunks.why.empty())
    noteMissed(loop, "chunks: " + chunks.why);
  return false;
}
