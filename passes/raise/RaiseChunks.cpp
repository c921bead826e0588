//===- RaiseChunks.cpp - recurrences computed chunk by chunk ---------------===//
// Expects: @main after fold. Leaves: what is computed in chunks, with masked products inside of each and a state
// carried from one to the next by a loop, by a matrix of decays between chunks or one by one, as one recurrence over
// time (ChunkForm.h); other graphs as they were.
//===----------------------------------------------------------------------===//
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/ChunkRaiser.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/UnrolledChunks.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISECHUNKS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }
static StringRef nameOf(Operation *op) { return op->getName().stripDialect(); }

void ssm::expandNothing(Exprs &x) {
  x.isLeaf = nullptr;
  x.argument = nullptr;
  x.expands = [](Operation *) { return false; };
  x.forget();
}

SmallVector<TriangularInverse> ssm::inversesOf(Block &block) {
  Exprs x(block.getParentOp()->getContext());
  x.cumulative = true;
  expandNothing(x);
  return triangularInverses(block, [&](Value v) {
    Indices dims = x.iterators(onnx::getDimExprs(typeOf(v)));
    Terms terms(x, dims.back());
    auto list = terms.of(x.read(v, dims), true);
    AffineExpr below = x.simplified(dims[dims.size() - 2] - dims.back() - 1);
    // Trilu is a movement: it is looked through by at().
    if (!list || (list->size() == 1 && list->front().conditions.empty()))
      list = Terms(x, dims.back()).of(x.at(v, dims), true);
    return list && llvm::all_of(*list, [&](Term &t) { return terms.follows(below, t.conditions); });
  });
}

SmallVector<AffineExpr> ssm::lengthsOf(Exprs &x, ArrayRef<AffineExpr> dims) {
  llvm::SetVector<AffineExpr> out;
  for (AffineExpr d : dims)
    if (auto c = dyn_cast<AffineConstantExpr>(x.sizeOf(d)); c && c.getValue() > 1)
      out.insert(x.sizeOf(d));
  return SmallVector<AffineExpr>(out.begin(), out.end());
}

namespace {
struct RaiseChunksPass : ssm::impl::RaiseChunksBase<RaiseChunksPass> {
  using RaiseChunksBase::RaiseChunksBase;
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SmallVector<Operation *> loops;
    main.walk([&](Operation *op) {
      if (isa<onnx::ScanOp, onnx::LoopOp>(op))
        loops.push_back(op);
    });
    for (Operation *loop : loops)
      raiseLoopOfChunks(loop, sizes);
    eraseDeadOps(main.getBody());
    SmallVector<Block *> blocks;
    main.walk([&](Block *block) { blocks.push_back(block); });
    for (Block *block : blocks) {
      raiseMatricesOfChunks(*block);
      raiseUnrolled(*block);
    }
    eraseDeadOps(main.getBody());
    // What was raised another way is not missed.
    llvm::DenseSet<Operation *> left;
    main.walk([&](Operation *op) { left.insert(op); });
    for (auto &[op, why] : notes)
      if (left.contains(op))
        noteMissed(op, "chunks: " + why);
    replaceSymbols(main, sizes);
  }

private:
  void raiseMatricesOfChunks(Block &block);
  void raiseUnrolled(Block &block);
  bool raiseStates(Operation *states, Block &block, ArrayRef<TriangularInverse> inverses);
  SymbolMap sizes;
  SmallVector<std::pair<Operation *, std::string>> notes; // why what may be a chunk is none
};
} // namespace

//===- states of all chunks from a matrix of decays ------------------------===//

void RaiseChunksPass::raiseMatricesOfChunks(Block &block) {
  SmallVector<Operation *> candidates;
  for (Operation &op : block)
    if (nameOf(&op) == "ReduceSum" || nameOf(&op) == "MatMul" || nameOf(&op) == "Einsum" || nameOf(&op) == "CumSum")
      if (auto type = typeOf(op.getResult(0)); type && type.getRank() >= 3 && isa<FloatType>(type.getElementType()))
        candidates.push_back(&op);
  if (candidates.empty())
    return;
  SmallVector<TriangularInverse> inverses = inversesOf(block);
  for (Operation *op : candidates) // none of them is erased on the way
    if (!op->use_empty())
      raiseStates(op, block, inverses);
}

//===- chunks one by one -----------------------------------------------------===//

void RaiseChunksPass::raiseUnrolled(Block &block) {
  SmallVector<Operation *> concats;
  for (Operation &op : block)
    if (nameOf(&op) == "Concat" && op.getNumOperands() >= 2 && op.getNumOperands() <= 4096)
      if (auto type = typeOf(op.getResult(0)); type && type.getRank() >= 2 && isa<FloatType>(type.getElementType()))
        concats.push_back(&op);
  if (concats.empty())
    return;
  SmallVector<SmallVector<Value>> chains = chainsOfStates(block);
  if (chains.empty())
    return;
  std::optional<SmallVector<TriangularInverse>> inverses;
  // What chunks give may be made of several states: each part that is an operand in all chunks is looked at by itself.
  auto forget = [&](Operation *concat) { llvm::erase_if(notes, [&](auto &note) { return note.first == concat; }); };
  std::function<bool(Operation *, int)> raise = [&](Operation *concat, int depth) {
    size_t count = concat->getNumOperands();
    bool any = false;
    for (ArrayRef<Value> chain : chains) {
      if (chain.size() + 1 < count || chain.size() > count + 1)
        continue;
      any = true;
      if (!inverses)
        inverses = inversesOf(block);
      std::string why;
      if (raiseUnrolledChunks(concat, chain, *inverses, sizes, why)) {
        forget(concat);
        return true;
      }
      if (!why.empty())
        notes.push_back({concat, why});
    }
    auto split = any && depth ? splitStack(concat) : std::nullopt;
    if (!split)
      return false;
    bool raised = false;
    for (Operation *stack : split->stacks)
      raised |= raise(stack, depth - 1);
    if (raised) {
      forget(concat);
      concat->getResult(0).replaceAllUsesWith(split->whole->getResult(0));
      sortTopologically(&block);
      return true;
    }
    split->whole->erase();
    for (Operation *stack : split->stacks) {
      forget(stack);
      stack->erase();
    }
    return false;
  };
  for (Operation *concat : concats)
    raise(concat, 5);
}

/// Where there are elements to speak of, there is a chunk: the smaller one of 1 and the number of chunks is 1.
static void assumeChunks(Operation *op, AffineExpr count, Exprs &x) {
  auto main = op->getParentOfType<func::FuncOp>();
  main.walk([&](BindExprOp bind) {
    auto args = bind.getMap().getResults();
    if (bind.getKind() != "min" || args.size() != 2)
      return;
    for (int k : {0, 1})
      if (args[k] == x.number(1) && (x.simplified(args[1 - k] + 1) == x.simplified(count) || args[1 - k] == count))
        x.assumed[getAffineSymbolExpr(bind.getSymbol(), op->getContext())] = x.number(1);
  });
}

bool RaiseChunksPass::raiseStates(Operation *states, Block &block, ArrayRef<TriangularInverse> inverses) {
  Value v = states->getResult(0);
  auto type = typeOf(v);
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    if (type.getDimSize(axis) == 1)
      continue;
    Exprs x(&getContext());
    x.cumulative = true;
    expandNothing(x);
    assumeChunks(states, onnx::getDimExpr(type, axis), x);
    Indices dims = x.iterators(x.dimsOf(v));
    AffineExpr count = x.sizeOf(dims[axis]), tau = x.iterator(count), c = dims[axis];
    Terms own(x, tau);
    auto list = own.of(x.read(v, dims), true);
    if (!list || list->size() != 1)
      continue;
    const Term &t = list->front();
    if (t.sums.size() != 1 || t.conditions.size() != 1 || x.sizeOf(t.sums[0]) != count)
      continue;
    AffineExpr z = t.sums[0];
    int64_t strict = t.conditions[0] == x.simplified(c - z) ? 0 : t.conditions[0] == x.simplified(c - z - 1) ? 1 : -1;
    if (strict < 0 || llvm::any_of(t.factors, [&](ExprRef f) { return x.dependsOn(f, c); }))
      continue;
    // exp(G(c + 1) - G(z + 1)), or exp(G(c) - G(z + 1)) when strict
    Exponent expected;
    SmallVector<ExprRef> logDecay;
    for (auto &[g, at, n] : t.exponent.sums)
      if (at == x.simplified(c + 1 - strict) && n == 1) {
        logDecay.push_back(g);
        expected.add(x, g, c + 1 - strict, 1);
        expected.add(x, g, z + 1, -1);
      }
    for (auto &[g, n] : t.exponent.uniform) {
      logDecay.push_back(g);
      expected.addUniform(x, g, c - strict - z);
    }
    if (!(expected == t.exponent))
      continue;
    // The state before chunk c, where there are as many as inputs, or one more with the first one.
    AffineExpr chunks = x.simplified(strict ? count : count - 1);
    auto again = [&](ExprRef e, AffineExpr from, AffineExpr to) {
      return x.replace(x.replace(e, DenseMap<AffineExpr, AffineExpr>{{from, to}}), DenseMap<AffineExpr, AffineExpr>{},
                       [&](ExprRef r) { return x.at(r->source, r->indices); });
    };
    ExprRef input = x.product(t.factors, type.getElementType());
    if (t.coefficient != 1)
      input = x.mul(input, x.constant(t.coefficient, input->type));

    // What reads them.
    llvm::SetVector<Operation *> reached;
    reached.insert(states);
    llvm::DenseSet<Value> dependent = {v};
    for (size_t n = 0; n < reached.size() && n < 60; ++n)
      for (Value r : reached[n]->getResults())
        for (Operation *user : r.getUsers())
          if (user->getBlock() == &block) {
            reached.insert(user);
            dependent.insert(user->result_begin(), user->result_end());
          }
    SmallVector<Operation *> sums;
    for (Operation *op : reached)
      if (nameOf(op) == "Add" || nameOf(op) == "Sum" || nameOf(op) == "Sub")
        sums.push_back(op);
    llvm::sort(sums, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    std::string why;
    for (Operation *sum : ArrayRef(sums).take_front(4)) {
      Value o = sum->getResult(0);
      if (!typeOf(o))
        continue;
      Indices outDims = x.iterators(x.dimsOf(o));
      for (AffineExpr chunk : outDims) {
        if (x.simplified(x.sizeOf(chunk)) != chunks)
          continue;
        ChunkStep step;
        step.state = v;
        step.chunkAxis = axis;
        AffineExpr index = x.sizeOf(chunk) == x.number(1) ? x.number(0) : chunk; // as movement leaves it
        step.chunk = index;
        step.output = x.read(o, outDims);
        for (AffineExpr d : outDims)
          if (d != chunk)
            step.outputDims.push_back(d);
        Indices at;
        for (AffineExpr d : dims)
          if (d != c)
            step.stateDims.push_back(d);
        at = dims;
        at[axis] = index;
        ExprRef decay = nullptr;
        for (ExprRef g : logDecay) {
          ExprRef e = again(g, tau, index + (1 - strict));
          decay = decay ? x.add(decay, e) : e;
        }
        ExprRef before = x.read(v, at);
        step.next = x.add(decay ? x.mul(x.op("Exp", {decay}, before->type), before) : before,
                          again(input, z, index + (1 - strict)));
        for (const TriangularInverse &i : inverses) {
          Indices own = x.iterators(onnx::getDimExprs(typeOf(i.matrix)));
          step.inverses.push_back({i.inverse, x.at(i.matrix, own), own, i.sign});
        }
        for (AffineExpr length : lengthsOf(x, step.outputDims)) {
          AffineExpr position = x.iterator(length);
          Terms terms(x, position);
          terms.start = x.simplified(index * length);
          terms.isState = [&](Value w) { return w == v; };
          terms.reachesState = [&](Value w) { return dependent.contains(w); };
          for (const TriangularInverse &i : inverses)
            terms.inverses.insert(i.inverse);
          auto form = matchChunk(step, terms, x, position, why);
          if (!form)
            continue;
          ChunkPlace place;
          place.output = o;
          place.outputDims = outDims;
          place.chunk = chunk;
          place.before = sum;
          if (!strict)
            place.start = again(input, z, x.number(0));
          // Readers of the state behind the last chunk.
          llvm::SetVector<Value> moved;
          moved.insert(v);
          for (size_t n = 0; n < moved.size() && !strict; ++n)
            for (Operation *user : moved[n].getUsers()) {
              if (!isMovement(user) || user->getOperand(0) != moved[n] || user->getBlock() != &block ||
                  nameOf(user) == "Concat")
                continue;
              for (Value r : user->getResults()) {
                Indices own = x.iterators(x.dimsOf(r));
                ExprRef e = x.at(r, own);
                if (e->kind != Expr::Kind::Read || e->source != v)
                  continue;
                if (x.simplified(e->indices[axis]) != chunks) {
                  moved.insert(r);
                  continue;
                }
                Indices where(e->indices);
                where.erase(where.begin() + axis);
                place.finalReaders.push_back({r, own, where});
              }
            }
          place.nodes.assign(own.opened.begin(), own.opened.end());
          place.nodes.append(terms.opened.begin(), terms.opened.end());
          llvm::sort(place.nodes, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
          place.nodes.erase(llvm::unique(place.nodes), place.nodes.end());
          if (raiseChunk(*form, step, place, x, position, sizes, why))
            return true;
        }
      }
    }
    if (!why.empty())
      notes.push_back({states, why});
  }
  return false;
}
