//===- LoopForms.cpp - onnx.Scan and onnx.Loop in one form -----------------===//
// Carried values that only grow (a buffer that a step appends to, writes one row of, or a sequence) become outputs, and
// counters become functions of the step.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "passes/lower/Registry.h"
#include "passes/raise/ExprWriter.h"
#include "passes/raise/LoopForm.h"
#include "passes/raise/Subscript.h"

using namespace mlir;
using namespace ssm;

namespace {
RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

class Former {
public:
  Former(Operation *loop, Exprs &x, std::string &reason) : loop(loop), x(x), body(loop->getRegion(0).front()), reason(reason) {}
  std::optional<LoopForm> run(ArrayRef<Value> values);

private:
  bool header();
  bool refuse(const Twine &why) {
    reason = why.str();
    return false;
  }
  bool isInside(Value v) const { return v && loop->isProperAncestor(v.getParentBlock()->getParentOp()) ? true : v.getParentBlock() == &body; }
  Value source(Value v);
  bool isMinimumOf(AffineExpr size, AffineExpr of);
  Value sized(Value v, RankedTensorType inside);
  bool accumulates(Value arg, Value next, Value initial, Value result);
  bool addStack(Value piece, int64_t pieceAxis, int64_t resultAxis, bool backward, Value result);
  void addCarry(Value arg, Value next, Value initial, Value result);
  bool onlyUser(Value v, Operation *user) { return v.hasOneUse() && *v.user_begin() == user; }

  Operation *loop;
  Exprs &x;
  Block &body;
  std::string &reason;
  LoopForm form;
  SmallVector<Value> args, nexts, initials, results; // carried values, in order
  SmallVector<Value> stacked, stackedResults;        // outputs per step
  SmallVector<int64_t> stackedAxes;
  SmallVector<bool> stackedBackward;
  DenseMap<Value, std::pair<Value, int64_t>> slices;  // block argument of a Scan: sequence and axis
  DenseMap<Value, bool> backward;
  DenseMap<Value, std::pair<Value, int64_t>> counters; // block argument: first value and step
  Value iteration;
};
} // namespace

/// What a value is a copy of.
Value Former::source(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    StringRef name = op->getName().stripDialect();
    bool copies = name == "Identity" || ((name == "Cast" || name == "Reshape" || name == "Squeeze" || name == "Unsqueeze") &&
                                         op->getOperand(0).getType() == v.getType());
    if (!copies)
      break;
    v = op->getOperand(0);
  }
  return v;
}

/// A size that is a minimum of this one and others.
bool Former::isMinimumOf(AffineExpr size, AffineExpr of) {
  auto s = dyn_cast<AffineSymbolExpr>(size);
  if (!s)
    return false;
  return loop->getParentOfType<ModuleOp>()
      .walk([&](BindExprOp bind) {
        bool found = bind.getSymbol() == s.getPosition() && bind.getKind() == "min" &&
                     llvm::is_contained(bind.getMap().getResults(), of);
        return found ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// A value in the size that it has in the body. Shape inference has proved that the sizes are equal where there is a
/// step; where there is none, the value may be shorter, and is padded.
Value Former::sized(Value v, RankedTensorType inside) {
  auto type = typeOf(v);
  if (!type || type.getRank() != inside.getRank())
    return {};
  if (onnx::getDimExprs(type) == onnx::getDimExprs(inside))
    return v;
  OpBuilder b(loop);
  ExprWriter w(x, b, loop->getLoc());
  SmallVector<AffineExpr> pads(type.getRank(), x.number(0));
  for (auto [from, to] : llvm::zip(onnx::getDimExprs(type), onnx::getDimExprs(inside))) {
    if (from != to && !isMinimumOf(from, to))
      return {};
    pads.push_back(x.simplified(to - from));
  }
  return w.create("Pad",
                  {v, w.sizeVector(pads), onnx::NoValueOp::create(b, w.loc, b.getNoneType()),
                   onnx::NoValueOp::create(b, w.loc, b.getNoneType())},
                  inside, b.getNamedAttr("mode", b.getStringAttr("constant")));
}

bool Former::header() {
  Operation *yield = body.getTerminator();
  if (auto scan = dyn_cast<onnx::ScanOp>(loop)) {
    unsigned inputs = onnx::intAttr(loop, "num_scan_inputs"), carried = loop->getNumOperands() - inputs;
    auto inAxes = onnx::intsAttr(loop, "scan_input_axes"), inDirections = onnx::intsAttr(loop, "scan_input_directions");
    auto outAxes = onnx::intsAttr(loop, "scan_output_axes"), outDirections = onnx::intsAttr(loop, "scan_output_directions");
    AffineExpr length;
    for (unsigned i = 0; i < inputs; ++i) {
      Value sequence = loop->getOperand(carried + i);
      if (!typeOf(sequence))
        return refuse("a scanned input has no known rank");
      int64_t axis = i < inAxes.size() ? normalAxis(inAxes[i], typeOf(sequence).getRank()) : 0;
      AffineExpr size = onnx::getDimExpr(typeOf(sequence), axis);
      if (!length || isa<AffineConstantExpr>(size))
        length = size;
      slices[body.getArgument(carried + i)] = {sequence, axis};
      backward[body.getArgument(carried + i)] = i < inDirections.size() && inDirections[i];
    }
    form.step = x.iterator(length);
    for (unsigned i = 0; i < carried; ++i) {
      args.push_back(body.getArgument(i));
      nexts.push_back(yield->getOperand(i));
      initials.push_back(loop->getOperand(i));
      results.push_back(loop->getResult(i));
    }
    for (unsigned i = carried; i < loop->getNumResults(); ++i) {
      stacked.push_back(yield->getOperand(i));
      stackedResults.push_back(loop->getResult(i));
      auto type = typeOf(loop->getResult(i));
      if (!type) {
        if (!loop->getResult(i).use_empty())
          return refuse("an output has no known rank");
        stackedAxes.push_back(0);
      } else {
        stackedAxes.push_back(i - carried < outAxes.size() ? normalAxis(outAxes[i - carried], type.getRank()) : 0);
      }
      stackedBackward.push_back(i - carried < outDirections.size() && outDirections[i - carried]);
    }
    return true;
  }
  // Loop: operands M, condition, carried; arguments iteration, condition, carried.
  Value trip = loop->getOperand(0), condition = loop->getOperand(1);
  if (onnx::isNone(trip))
    return refuse("the loop has no trip count");
  if (!onnx::isNone(condition)) {
    auto given = onnx::intValues(source(condition));
    if (!given || given->size() != 1 || !given->front())
      return refuse("the loop's condition at its start is not known to be true");
  }
  Value goesOn = source(yield->getOperand(0));
  auto constant = onnx::intValues(goesOn);
  if (goesOn != body.getArgument(1) && !(constant && constant->size() == 1 && constant->front()))
    return refuse("the loop ends when a condition computed in its body says so");
  AffineExpr length = x.indexValue(trip);
  if (!length && typeOf(trip) && typeOf(trip).hasStaticShape() && typeOf(trip).getNumElements() == 1) {
    OpBuilder b(loop);
    length = bindElement(b, loop->getLoc(), trip);
  }
  if (!length || !length.isSymbolicOrConstant())
    return refuse("the trip count is not known as a size");
  auto sizes = IndexSpace::sizeSymbols(loop->getParentOfType<ModuleOp>());
  auto c = dyn_cast<AffineConstantExpr>(length);
  auto s = dyn_cast<AffineSymbolExpr>(length);
  if (c && c.getValue() < 0)
    length = x.number(0);
  if (!c && !(s && sizes.nonNegative.contains(s.getPosition()))) {
    OpBuilder b(loop);
    length = bindExpr(b, loop->getLoc(), "max", length, x.number(0));
  }
  form.step = x.iterator(length);
  iteration = body.getArgument(0);
  unsigned carried = loop->getNumOperands() - 2;
  for (unsigned i = 0; i < carried; ++i) {
    args.push_back(body.getArgument(2 + i));
    nexts.push_back(yield->getOperand(1 + i));
    initials.push_back(loop->getOperand(2 + i));
    results.push_back(loop->getResult(i));
  }
  for (unsigned i = carried; i < loop->getNumResults(); ++i) {
    stacked.push_back(yield->getOperand(1 + i));
    stackedResults.push_back(loop->getResult(i));
    stackedAxes.push_back(0);
    stackedBackward.push_back(false);
  }
  return true;
}

/// result gets, at position `step` (from the end when backward) of resultAxis, the piece without pieceAxis (-1: as it is).
bool Former::addStack(Value piece, int64_t pieceAxis, int64_t resultAxis, bool fromEnd, Value result) {
  auto type = typeOf(piece);
  if (!type)
    return refuse("an output has no known rank");
  LoopOutput out;
  Indices where;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (i == pieceAxis) {
      where.push_back(x.number(0));
      continue;
    }
    where.push_back(x.iterator(onnx::getDimExpr(type, i)));
    out.dims.push_back(where.back());
  }
  out.dims.insert(out.dims.begin() + resultAxis, form.step);
  out.element = x.at(piece, where);
  out.flipped = fromEnd;
  out.result = result;
  form.outputs.push_back(std::move(out));
  return true;
}

/// A carried buffer that each step adds one piece to is an output.
bool Former::accumulates(Value arg, Value next, Value initial, Value result) {
  Operation *op = source(next).getDefiningOp();
  if (!op || op->getBlock() != &body)
    return false;
  StringRef name = op->getName().stripDialect();
  // The buffer may be copied, and nothing else may read it.
  auto isBuffer = [&](Value v) { return source(v) == arg; };
  std::function<bool(Value)> unread = [&](Value v) {
    return llvm::all_of(v.getUsers(), [&](Operation *user) {
      return user == op || user->getName().getStringRef() == "ssm.bind_dim" || (user->getNumResults() == 1 && source(user->getResult(0)) == arg && unread(user->getResult(0)));
    });
  };
  if (!unread(arg))
    return false;
  auto emptyAlong = [&](Value v, int64_t axis) { return onnx::getDimExpr(typeOf(v), axis) == x.number(0); };
  if (name == "Concat" && op->getNumOperands() == 2 && typeOf(initial) && typeOf(result)) {
    bool atEnd = isBuffer(op->getOperand(0)), atStart = isBuffer(op->getOperand(1));
    if (atEnd == atStart)
      return false;
    Value piece = op->getOperand(atEnd ? 1 : 0);
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), typeOf(initial).getRank());
    if (!emptyAlong(initial, axis) || !typeOf(piece) || typeOf(piece).getDimSize(axis) != 1)
      return false;
    return addStack(piece, axis, axis, atStart, result);
  }
  if (name == "ScatterND" && isBuffer(op->getOperand(0)) && onnx::stringAttr(op, "reduction", "none") == "none") {
    Value where = op->getOperand(1), piece = op->getOperand(2);
    auto type = typeOf(where);
    if (!type || type.getRank() < 1 || type.getNumElements() != 1 || !typeOf(initial))
      return false;
    if (onnx::getDimExpr(typeOf(initial), 0) != x.sizeOf(form.step))
      return false; // rows that no step writes
    ExprRef row = x.at(where, Indices(type.getRank(), x.number(0)));
    if (row->kind != Expr::Kind::Index)
      return false;
    bool forward = row->indices[0] == form.step;
    if (!forward && row->indices[0] != x.simplified(x.sizeOf(form.step) - 1 - form.step))
      return false;
    // The piece is [1 ..., row]: as many leading dims as the indices have before their last.
    if (typeOf(piece).getRank() != type.getRank() - 1 + typeOf(initial).getRank() - 1)
      return false;
    LoopOutput out;
    Indices at(type.getRank() - 1, x.number(0));
    out.dims.push_back(form.step);
    for (int64_t i = 1; i < typeOf(initial).getRank(); ++i) {
      out.dims.push_back(x.iterator(onnx::getDimExpr(typeOf(initial), i)));
      at.push_back(out.dims.back());
    }
    out.element = x.at(piece, at);
    out.flipped = !forward;
    out.result = result;
    form.outputs.push_back(std::move(out));
    return true;
  }
  if (name == "SequenceInsert" && isBuffer(op->getOperand(0)) && onnx::isNone(op->getOperand(2))) {
    Operation *start = source(initial).getDefiningOp();
    if (!start || start->getName().stripDialect() != "SequenceEmpty")
      return false;
    Value piece = op->getOperand(1);
    for (Operation *user : result.getUsers()) {
      if (user->getName().stripDialect() != "ConcatFromSequence" || user->getBlock() != loop->getBlock() || !typeOf(user->getResult(0)))
        return false;
      bool fresh = onnx::intAttr(user, "new_axis");
      int64_t axis = normalAxis(onnx::intAttr(user, "axis"), typeOf(user->getResult(0)).getRank());
      if (!typeOf(piece) || (!fresh && typeOf(piece).getDimSize(axis) != 1))
        return false;
      addStack(piece, fresh ? -1 : axis, axis, false, user->getResult(0));
      form.nodes.push_back(user);
    }
    return true;
  }
  return false;
}

std::optional<LoopForm> Former::run(ArrayRef<Value> values) {
  x.isLeaf = nullptr;
  x.forget();
  x.expands = [this](Operation *op) { return loop->isProperAncestor(op); };
  x.argument = [this](Value v, ArrayRef<AffineExpr> indices) -> ExprRef {
    if (v == iteration)
      return x.index(form.step, typeOf(v).getElementType());
    if (auto it = counters.find(v); it != counters.end())
      return x.index(x.indexValue(it->second.first) + form.step * it->second.second, typeOf(v).getElementType());
    auto it = slices.find(v);
    if (it == slices.end())
      return nullptr;
    auto [sequence, axis] = it->second;
    Indices where(indices);
    AffineExpr position = backward.lookup(v) ? x.sizeOf(form.step) - 1 - form.step : form.step;
    where.insert(where.begin() + axis, position);
    return x.at(sequence, where);
  };
  if (!header())
    return std::nullopt;
  form.anchor = loop;
  form.nodes.push_back(loop);
  auto arguments = x.argument;

  // Counters: integers that grow by a constant.
  for (auto [arg, next, initial] : llvm::zip(args, nexts, initials)) {
    auto type = typeOf(arg);
    if (!type || !isa<IntegerType>(type.getElementType()) || type.getElementType().isInteger(1) ||
        !llvm::all_of(type.getShape(), [](int64_t d) { return d == 1; }) || type.getRank() > 1)
      continue;
    if (!x.indexValue(initial))
      continue;
    ExprRef e = x.at(next, Indices(typeOf(next) ? typeOf(next).getRank() : 0, x.number(0)));
    for (unsigned i = 0; e->isOp("Add") && i < 2; ++i)
      if (e->operands[i]->kind == Expr::Kind::Read && e->operands[i]->source == arg && e->operands[1 - i]->kind == Expr::Kind::Constant)
        counters[arg] = {initial, (int64_t)e->operands[1 - i]->number};
    if (e->kind == Expr::Kind::Read && e->source == arg)
      counters[arg] = {initial, 0};
    x.forget();
  }

  // What is a state, and where its next value stands in the body.
  SmallVector<unsigned> states;
  SmallVector<Value> updates;
  for (unsigned i = 0; i < args.size(); ++i) {
    if (counters.count(args[i])) {
      if (!results[i].use_empty()) {
        refuse("the final value of a counter is read");
        return std::nullopt;
      }
      continue;
    }
    if (args[i].use_empty() && results[i].use_empty())
      continue;
    states.push_back(i);
  }
  llvm::erase_if(states, [&](unsigned i) { return accumulates(args[i], nexts[i], initials[i], results[i]); });
  // Outputs were expanded before the leaves were known: they are made again below.
  form.outputs.clear();
  form.nodes.resize(1);

  /// Where a value of the body stands in the next value of a carry.
  struct Updated {
    unsigned carry;
    SmallVector<int64_t> order; // the carry's dim of each axis, -1 for one of size 1
    int64_t piecesOver = -1, piece = 0; // it is this element of one dim
  };
  DenseMap<Value, Updated> updatedIn;
  // `moved` reads the value at dims of the carry.
  auto updatedBy = [&](ExprRef moved, const LoopCarry &carry, int64_t except) -> std::optional<Updated> {
    if (moved->kind != Expr::Kind::Read || Value(moved->source).getParentBlock() != &body || !moved->source.getDefiningOp())
      return std::nullopt;
    Updated known{(unsigned)form.carries.size(), {}};
    for (auto [axis, e] : llvm::enumerate(moved->indices)) {
      const auto *at = llvm::find(carry.dims, e);
      known.order.push_back(at == carry.dims.end() ? -1 : at - carry.dims.begin());
      if (known.order.back() < 0 && typeOf(moved->source).getDimSize(axis) != 1)
        return std::nullopt;
    }
    for (auto [d, e] : llvm::enumerate(carry.dims))
      if ((int64_t)d != except && typeOf(carry.state).getDimSize(d) != 1 && !llvm::is_contained(moved->indices, e))
        return std::nullopt;
    return known;
  };
  // A next value that joins single elements along a dim: each of them is known as well.
  auto notePieces = [&](ExprRef moved, const Updated &whole, const LoopCarry &carry) {
    Operation *join = moved->source.getDefiningOp();
    if (join->getName().getStringRef() != "onnx.Concat" || join->getNumOperands() > kMostParts)
      return;
    int64_t axis = normalAxis(onnx::intAttr(join, "axis"), moved->indices.size());
    int64_t over = whole.order[axis];
    SmallVector<std::pair<Value, Updated>> pieces;
    for (auto [i, piece] : llvm::enumerate(join->getOperands())) {
      Indices at(moved->indices);
      at[axis] = x.number(0);
      ExprRef element = x.at(piece, at);
      auto known = over >= 0 && typeOf(piece).getDimSize(axis) == 1 ? updatedBy(element, carry, over) : std::nullopt;
      if (!known)
        return;
      known->piecesOver = over, known->piece = i;
      pieces.emplace_back(element->source, *known);
    }
    updatedIn.insert(pieces.begin(), pieces.end());
  };
  for (unsigned i : states) {
    auto type = typeOf(args[i]), nextType = typeOf(nexts[i]);
    if (!type || !nextType || type.getRank() != nextType.getRank()) {
      refuse("a carried value is no tensor of one rank");
      return std::nullopt;
    }
    if (onnx::getDimExprs(type) != onnx::getDimExprs(nextType)) {
      refuse("the shape of a carried value changes from step to step");
      return std::nullopt;
    }
    LoopCarry carry;
    carry.state = args[i];
    carry.updated = nexts[i];
    carry.initial = sized(initials[i], type);
    if (!carry.initial) {
      refuse("a carried value is of another size before the first step");
      return std::nullopt;
    }
    carry.dims = x.iterators(onnx::getDimExprs(type));
    carry.final = results[i].use_empty() ? Value() : results[i];
    // Through operators that only move elements, to the value that makes them.
    auto inner = x.expands;
    x.expands = [](Operation *) { return false; };
    ExprRef moved = x.at(nexts[i], carry.dims);
    if (auto known = updatedBy(moved, carry, -1); known && updatedIn.try_emplace(moved->source, *known).second)
      notePieces(moved, *known, carry);
    x.expands = inner;
    x.forget();
    form.carries.push_back(std::move(carry));
  }

  // Reads of a next value, in the order of the carry's dims.
  auto canonical = [&](ExprRef e) {
    return x.replace(e, DenseMap<AffineExpr, AffineExpr>{}, [&](ExprRef r) -> ExprRef {
      auto it = updatedIn.find(r->source);
      if (it == updatedIn.end())
        return nullptr;
      const Updated &known = it->second;
      LoopCarry &carry = form.carries[known.carry];
      Indices where(carry.dims.size(), x.number(0));
      for (auto [axis, d] : llvm::enumerate(known.order))
        if (d >= 0)
          where[d] = r->indices[axis];
      if (known.piecesOver >= 0)
        where[known.piecesOver] = x.number(known.piece);
      return x.read(carry.updated, where);
    });
  };
  for (auto [n, carry] : llvm::enumerate(form.carries)) {
    x.isLeaf = [&, n = n](Value v) {
      auto it = updatedIn.find(v);
      return it != updatedIn.end() && it->second.carry != n;
    };
    x.forget();
    carry.next = canonical(x.at(carry.updated, carry.dims));
  }
  x.isLeaf = [&](Value v) { return updatedIn.count(v) != 0; };
  x.forget();
  for (unsigned i = 0; i < args.size(); ++i)
    if (!counters.count(args[i]) && llvm::none_of(form.carries, [&](LoopCarry &c) { return c.state == args[i]; }))
      if (!args[i].use_empty() || !results[i].use_empty())
        accumulates(args[i], nexts[i], initials[i], results[i]);
  for (unsigned i = 0; i < stacked.size(); ++i)
    if (!stackedResults[i].use_empty() && !addStack(stacked[i], -1, stackedAxes[i], stackedBackward[i], stackedResults[i]))
      return std::nullopt;
  for (LoopOutput &out : form.outputs)
    out.element = canonical(out.element);
  for (Value v : values) {
    Indices dims = x.iterators(onnx::getDimExprs(typeOf(v)));
    form.values.push_back({canonical(x.at(v, dims)), dims});
  }
  x.isLeaf = nullptr;
  x.forget();

  // Everything must be said in terms of carries, of values and of sizes from outside.
  DenseSet<int64_t> inner;
  loop->walk([&](Operation *op) {
    if (isa<BindDimOp, BindElementOp, BindExprOp>(op))
      inner.insert(op->getAttrOfType<IntegerAttr>("symbol").getInt());
  });
  auto isInner = [&](AffineExpr size) {
    bool found = false;
    size.walk([&](AffineExpr part) {
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        found |= inner.contains(s.getPosition());
      else if (isa<AffineDimExpr>(part))
        x.sizeOf(part).walk([&](AffineExpr s) {
          found |= isa<AffineSymbolExpr>(s) && inner.contains(cast<AffineSymbolExpr>(s).getPosition());
        });
    });
    return found;
  };
  DenseSet<ExprRef> seen;
  std::function<bool(ExprRef)> sized = [&](ExprRef e) {
    return !e || !seen.insert(e).second || (llvm::none_of(e->indices, isInner) && llvm::all_of(e->operands, sized));
  };
  auto closed = [&](ExprRef e, Value own) {
    if (!sized(e))
      return refuse("a size in the loop's body is known only there");
    for (ExprRef r : x.readsOf(e)) {
      bool carried = llvm::any_of(form.carries, [&](LoopCarry &c) { return r->source == c.state || (r->source == c.updated && c.updated != own); });
      Operation *owner = Value(r->source).getParentBlock()->getParentOp();
      if (carried || x.opaque.contains(r->source) || !(owner == loop || loop->isProperAncestor(owner)))
        continue;
      Operation *def = r->source.getDefiningOp();
      return refuse(def ? "operator " + def->getName().stripDialect() + " in the loop's body has no index expression"
                        : Twine("an argument of the loop's body is used as more than a carried value"));
    }
    return true;
  };
  for (LoopCarry &c : form.carries)
    if (!closed(c.next, c.updated))
      return std::nullopt;
  for (LoopOutput &o : form.outputs)
    if (!closed(o.element, {}))
      return std::nullopt;
  // The hook outlives this object.
  x.argument = nullptr;
  x.expands = nullptr;
  return std::move(form);
}

std::optional<LoopForm> ssm::loopForm(Operation *loop, Exprs &x, std::string &reason, ArrayRef<Value> values) {
  return Former(loop, x, reason).run(values);
}
