//===- Convolution.cpp - a value as a convolution over time ----------------===//
#include "passes/raise/Convolution.h"
#include "dialects/Ssm/SsmDialect.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

Element Convolution::start(Value v) {
  outer.clear();
  Element e = reader.everyElement(v, outer);
  source.place = time = outer[axis];
  return e;
}

std::optional<Subscript> Convolution::timeOf(const Subscript &index) const {
  Subscript rest = index - Subscript::atom(time);
  llvm::SmallDenseSet<unsigned, 8> iterators;
  reader.space.collectIterators(rest, iterators);
  return iterators.empty() ? std::optional(rest) : std::nullopt;
}

/// Begin and end of the padding of one axis with zeros, when no other axis is padded.
static std::optional<std::pair<Subscript, Subscript>> zeroPadding(ElementReader &reader, Operation *op, size_t axis) {
  if (onnx::stringAttr(op, "mode", "constant") != "constant" || op->getNumOperands() < 2)
    return std::nullopt;
  if (op->getNumOperands() > 2 && !onnx::isNone(op->getOperand(2)) &&
      reader.number(reader.root({op->getOperand(2), {}})) != 0.0)
    return std::nullopt;
  auto pads = reader.integers(op->getOperand(1));
  size_t rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
  std::vector<Subscript> axes;
  if (op->getNumOperands() > 3 && !onnx::isNone(op->getOperand(3))) {
    auto given = reader.integers(op->getOperand(3));
    if (!given)
      return std::nullopt;
    axes = *given;
  } else {
    for (size_t k = 0; k < rank; ++k)
      axes.push_back(k);
  }
  if (!pads || pads->size() != 2 * axes.size())
    return std::nullopt;
  std::pair<Subscript, Subscript> found = {0, 0};
  for (size_t k = 0; k < axes.size(); ++k) {
    auto a = axes[k].constant();
    if (!a)
      return std::nullopt;
    const Subscript &begin = (*pads)[k], &end = (*pads)[k + axes.size()];
    if ((size_t)(*a < 0 ? *a + rank : *a) == axis)
      found = {begin, end};
    else if (!begin.is(0) || !end.is(0))
      return std::nullopt;
  }
  if (!reader.space.nonNegative(found.first) || !reader.space.nonNegative(found.second))
    return std::nullopt;
  return found;
}

bool Convolution::follow(Element e, const Subscript &moving, bool padded, Source &found, Subscript &offset) {
  IndexSpace &space = reader.space;
  struct Stage {
    Subscript size, shift;
    bool filled;  // reads beyond its ends are zeros
    bool history; // stands in front of the history
  };
  SmallVector<Stage> stages;
  size_t at = 0, entryAxis = 0;
  Element entry = e; // behind the last padding or history: the operand is found from here
  bool entered = false, filled = padded;
  for (int depth = 0; depth < 32; ++depth) {
    // The one axis that moves, by one element per step.
    int moves = 0;
    for (auto [k, index] : llvm::enumerate(e.at))
      if (space.depends(index, time) || (tap && space.depends(index, tap)))
        at = k, ++moves;
    if (moves != 1)
      return false;
    Subscript shift = e.at[at] - moving;
    llvm::SmallDenseSet<unsigned, 8> iterators;
    space.collectIterators(shift, iterators);
    if (!iterators.empty())
      return false;
    stages.push_back({reader.dims(e.tensor)[at], shift, filled, !found.history});
    if (!entered)
      entry = e, entryAxis = at, entered = true;
    if (auto next = reader.throughView(e)) {
      e = *next;
      continue;
    }
    StringRef name = reader.operatorOf(e);
    Operation *op = e.tensor.getDefiningOp();
    if (name == "Pad") {
      auto padding = zeroPadding(reader, op, at);
      if (!padding)
        break;
      e.tensor = op->getOperand(0);
      e.at[at] = e.at[at] - padding->first;
      entered = false;
      filled = true;
      nodes.push_back(op);
      continue;
    }
    int64_t axis = name == "Concat" ? onnx::intAttr(op, "axis") : -1;
    if (name == "Concat" && normalAxis(axis, e.at.size()) == (int64_t)at) {
      auto isZero = [&](Value v) { return reader.number(reader.root({v, e.at})) == 0.0; };
      std::optional<unsigned> data;
      for (unsigned k = 0; k < op->getNumOperands(); ++k)
        if (!isZero(op->getOperand(k))) {
          if (data && (*data != k - 1 || found.history)) // one history, right in front
            return false;
          if (data) {
            Element h = e;
            h.tensor = op->getOperand(*data);
            found.historyLength = reader.dims(h.tensor)[at];
            Subscript it = space.iterator(found.historyLength);
            found.historyTap = *it.asAtom();
            h.at[at] = it;
            found.history = h;
          }
          data = k;
        }
      if (!data)
        return false;
      Subscript lead = 0;
      for (unsigned k = 0; k < *data; ++k)
        lead = lead + reader.dims(op->getOperand(k))[at];
      e.tensor = op->getOperand(*data);
      e.at[at] = e.at[at] - lead;
      entered = false;
      filled |= op->getNumOperands() > (found.history ? 2 : 1);
      nodes.push_back(op);
      continue;
    }
    break;
  }
  Stage source = stages.back();
  offset = source.shift;
  // What padding reads as zero must lie outside of the source, and of the history, at every stage; or is not read.
  Subscript last = space[time].n - 1 + (tap ? space[tap].n - 1 : Subscript(0));
  for (const Stage &s : stages) {
    if (!s.filled)
      continue;
    Subscript lead = s.shift - source.shift;
    Subscript before = s.history && found.history ? found.historyLength : Subscript(0);
    if (!space.nonNegative(lead - before) && !space.nonNegative(s.shift))
      return false;
    if (!space.nonNegative(s.size - source.size - lead) && !space.nonNegative(s.size - 1 - last - s.shift))
      return false;
  }
  auto [place, isNew] = places.try_emplace(e.tensor, 0);
  if (isNew)
    place->second = source.size == space[time].n ? time : *space.iterator(source.size).asAtom();
  found.place = place->second;
  entry.at[entryAxis] = entry.at[entryAxis] - moving - source.shift + Subscript::atom(found.place);
  found.element = entry;
  return true;
}

bool Convolution::trace(const Element &read, bool padded) {
  return follow(read, Subscript::atom(time) + Subscript::atom(tap), padded, source, offset);
}

std::optional<int64_t> Convolution::shiftOf(const Element &read, const Element &other, Source &found) {
  if (!reader.depends(read, time) || reader.depends(other, time))
    return std::nullopt;
  Subscript by;
  if (!follow(read, Subscript::atom(time), false, found, by))
    return std::nullopt;
  auto c = by.constant();
  return c && *c <= 0 ? std::optional(-*c) : std::nullopt;
}

static Value integerList(OpBuilder &b, Location loc, ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({(int64_t)values.size()}, b.getI64Type());
  return onnx::ConstantOp::create(b, loc, type, DenseIntElementsAttr::get(type, values));
}
static IntegerAttr signedAttr(OpBuilder &b, int64_t v) { return IntegerAttr::get(b.getIntegerType(64, true), v); }

/// An integer vector over sizes.
static Value sizeList(OpBuilder &b, Location loc, ArrayRef<AffineExpr> values) {
  SmallVector<int64_t> known;
  for (AffineExpr e : values)
    if (auto c = dyn_cast<AffineConstantExpr>(e))
      known.push_back(c.getValue());
  if (known.size() == values.size())
    return integerList(b, loc, known);
  return onnx::sizesOf(b, loc, values, RankedTensorType::get({(int64_t)values.size()}, b.getI64Type()));
}

bool Convolution::alignInput(OpBuilder &b, Location loc, const Subscript &delay, Operand &input) {
  IndexSpace &space = reader.space;
  Subscript length = space[time].n, size = space[source.place].n;
  if (source.place == time && delay.is(0))
    return true;
  std::optional<size_t> axis;
  for (auto [k, a] : llvm::enumerate(input.layout))
    if (a.parts.size() == 1 && a.parts[0].iterator == source.place && a.parts[0].divisor == 1)
      axis = k;
  if (!axis || source.history || !space.nonNegative(delay) || space.nonNegative(length - size - 1))
    return false;
  Subscript behind = length - delay - size; // zeros to be added, or less
  bool cut = false;
  if (!space.nonNegative(behind)) {
    cut = true;
    Subscript over = this->length - 1;
    behind = space.nonNegative(size + delay - length) ? Subscript(0) : over;
    if (!space.nonNegative(size + delay + behind - length))
      return false;
  }
  auto type = cast<RankedTensorType>(input.tensor.getType());
  SmallVector<AffineExpr> sizes = onnx::getDimExprs(type);
  Value none = onnx::NoValueOp::create(b, loc, b.getNoneType());
  if (!delay.is(0) || !behind.is(0)) {
    SmallVector<AffineExpr> pads(2 * sizes.size(), b.getAffineConstantExpr(0));
    pads[*axis] = space.toAffine(delay, b.getContext());
    pads[*axis + sizes.size()] = space.toAffine(behind, b.getContext());
    sizes[*axis] = space.toAffine(size + delay + behind, b.getContext());
    OperationState state(loc, "onnx.Pad", {input.tensor, sizeList(b, loc, pads), none, none},
                         {onnx::withDims(type.getElementType(), sizes)},
                         {b.getNamedAttr("mode", b.getStringAttr("constant"))});
    input.tensor = b.create(state)->getResult(0);
  }
  if (cut) {
    sizes[*axis] = space.toAffine(length, b.getContext());
    OperationState state(loc, "onnx.Slice",
                         {input.tensor, integerList(b, loc, {0}), sizeList(b, loc, {sizes[*axis]}),
                          integerList(b, loc, {(int64_t)*axis}), integerList(b, loc, {1})},
                         {onnx::withDims(type.getElementType(), sizes)});
    input.tensor = b.create(state)->getResult(0);
  }
  input.layout[*axis].parts[0].iterator = time;
  return true;
}

bool Convolution::endOfHistory(OpBuilder &b, Location loc, Operand &history) {
  IndexSpace &space = reader.space;
  Subscript kept = length - 1;
  if (source.historyLength == kept)
    return true;
  std::optional<size_t> axis;
  for (auto [k, a] : llvm::enumerate(history.layout))
    if (a.parts.size() == 1 && a.parts[0].iterator == source.historyTap)
      axis = k;
  if (!axis)
    return false;
  auto type = cast<RankedTensorType>(history.tensor.getType());
  SmallVector<AffineExpr> sizes = onnx::getDimExprs(type);
  AffineExpr end = sizes[*axis], start = space.toAffine(source.historyLength - kept, b.getContext());
  sizes[*axis] = space.toAffine(kept, b.getContext());
  OperationState state(loc, "onnx.Slice",
                       {history.tensor, sizeList(b, loc, {start}), sizeList(b, loc, {end}),
                        integerList(b, loc, {(int64_t)*axis}), integerList(b, loc, {1})},
                       {onnx::withDims(type.getElementType(), sizes)});
  history.tensor = b.create(state)->getResult(0);
  source.historyTap = *space.iterator(kept).asAtom();
  history.layout[*axis].parts[0].iterator = source.historyTap;
  return true;
}

std::optional<Element> Convolution::stackTaps(OpBuilder &b, Location loc) {
  IndexSpace &space = reader.space;
  // All taps of one tensor, in order: the tensor itself.
  Element first = reader.root(taps[0]);
  for (size_t a = 0; a < first.at.size(); ++a) {
    if (reader.dims(first.tensor)[a] != length || !first.at[a].is(0))
      continue;
    bool inOrder = true;
    for (auto [k, t] : llvm::enumerate(taps)) {
      Element want = first;
      want.at[a] = k;
      inOrder &= reader.root(t) == want;
    }
    if (!inOrder)
      continue;
    first.at[a] = Subscript::atom(tap);
    return first;
  }
  // Else side by side.
  SmallVector<Value> columns;
  SmallVector<unsigned> iterators;
  SmallVector<AffineExpr> sizes;
  for (auto [k, t] : llvm::enumerate(taps)) {
    auto operand = operandOf(reader, t);
    if (!operand)
      return std::nullopt;
    SmallVector<unsigned> own;
    for (const Axis &x : operand->layout)
      for (const Axis::Part &p : x.parts) {
        if (p.divisor != 1)
          return std::nullopt;
        own.push_back(p.iterator);
      }
    if (k && own != iterators)
      return std::nullopt;
    if (!k) {
      iterators = own;
      for (unsigned it : own)
        sizes.push_back(space.toAffine(space[it].n, b.getContext()));
      sizes.push_back(b.getAffineConstantExpr(1));
    }
    Type element = cast<RankedTensorType>(operand->tensor.getType()).getElementType();
    columns.push_back(reshapeTo(b, loc, operand->tensor, onnx::withDims(element, sizes)));
  }
  sizes.back() = space.toAffine(length, b.getContext());
  Type element = cast<RankedTensorType>(columns[0].getType()).getElementType();
  OperationState state(loc, "onnx.Concat", columns, {onnx::withDims(element, sizes)},
                       {b.getNamedAttr("axis", signedAttr(b, sizes.size() - 1))});
  Element e{b.create(state)->getResult(0), {}};
  for (unsigned it : iterators)
    e.at.push_back(Subscript::atom(it));
  e.at.push_back(Subscript::atom(tap));
  return e;
}

bool Convolution::replace(Operation *root) {
  IndexSpace &space = reader.space;
  OpBuilder b(root);
  Location loc = root->getLoc();
  auto type = cast<RankedTensorType>(root->getResult(0).getType());
  if (!isa<FloatType>(type.getElementType()) ||
      (source.history && !space.nonNegative(source.historyLength - length + 1)))
    return false;
  auto input = operandOf(reader, source.element);
  if (!input || input->reads(tap) || !input->reads(source.place) ||
      !alignInput(b, loc, Subscript(0) - offset - (length - 1), *input))
    return false;
  std::optional<Operand> history;
  if (source.history && (!(history = operandOf(reader, *source.history)) || !endOfHistory(b, loc, *history)))
    return false;
  std::optional<Operand> biasOperand;
  if (bias && !(biasOperand = operandOf(reader, *bias)))
    return false;
  auto count = length.constant();
  // More taps than fit a register, or as many as there are times: what sees all of the past.
  bool isLong = !source.history && (!count || *count > 32 || (*count > 1 && space[time].n == Subscript(*count)));
  if (isLong && biasOperand) // joins by an operator of its own, one number per channel
    for (const Axis &a : biasOperand->layout)
      if (a.parts.size() > 1 || (!a.parts.empty() && a.parts[0].divisor != 1))
        return false;
  if (!taps.empty()) {
    auto stacked = stackTaps(b, loc);
    if (!stacked)
      return false;
    weight = *stacked;
  }
  if (!positions.empty()) {
    SmallVector<AffineExpr> sizes;
    for (const Subscript &d : reader.dims(weight.tensor))
      sizes.push_back(space.toAffine(d, b.getContext()));
    sizes[positionAxis] = b.getAffineConstantExpr(positions.size());
    Type element = cast<RankedTensorType>(weight.tensor.getType()).getElementType();
    OperationState state(loc, "onnx.Gather", {weight.tensor, integerList(b, loc, positions)},
                         {onnx::withDims(element, sizes)}, {b.getNamedAttr("axis", signedAttr(b, positionAxis))});
    weight.tensor = b.create(state)->getResult(0);
  }
  std::optional<Operand> taps;
  if (isLong) // the kernel's first element belongs to the present
    taps = operandOf(reader, reader.substitute(weight, {{tap, length - 1 - Subscript::atom(tap)}}));
  if (!taps) {
    taps = operandOf(reader, weight);
    if (taps && isLong) {
      std::optional<size_t> axis;
      for (auto [k, a] : llvm::enumerate(taps->layout))
        for (const Axis::Part &p : a.parts)
          if (p.iterator == tap && a.parts.size() == 1)
            axis = k;
      if (!axis)
        return false;
      OperationState state(loc, "onnx.Slice",
                           {taps->tensor, integerList(b, loc, {-1}),
                            integerList(b, loc, {std::numeric_limits<int64_t>::min() + 1}),
                            integerList(b, loc, {(int64_t)*axis}), integerList(b, loc, {-1})},
                           {taps->tensor.getType()});
      taps->tensor = b.create(state)->getResult(0);
    }
  }
  if (!taps || taps->reads(time))
    return false;

  SmallVector<unsigned> shared;
  for (unsigned it : outer)
    if (it != time)
      shared.push_back(it);
  IteratorDims dims;
  for (auto [k, it] : llvm::enumerate(shared))
    dims[it] = k;
  dims[time] = shared.size();
  dims[tap] = shared.size() + 1;
  unsigned count_ = shared.size() + 2;
  if (history)
    dims[source.historyTap] = shared.size() + 1;
  for (const Operand *o : {&*input, &*taps, history ? &*history : &*input, biasOperand ? &*biasOperand : &*input})
    for (const Axis &a : o->layout)
      for (const Axis::Part &p : a.parts)
        if (!dims.contains(p.iterator))
          return false;
  nodes.push_back(root);
  loc = fusedLocation(nodes);
  SmallVector<Value> operands;
  SmallVector<Attribute> maps;
  auto addMap = [&](AffineMap m) {
    maps.push_back(AffineMapAttr::get(AffineMap::get(count_, 0, m.getResults(), b.getContext())));
  };
  auto add = [&](const Operand &o, ArrayRef<unsigned> required) {
    AffineMap map;
    operands.push_back(materialise(b, loc, space, o, required, dims, map));
    addMap(map);
  };
  add(*input, {time});
  add(*taps, {tap});
  if (biasOperand && !isLong)
    add(*biasOperand, {});
  if (history)
    add(*history, {source.historyTap});
  Layout layout;
  for (unsigned it : outer) {
    layout.emplace_back();
    layout.back().parts.push_back({it});
  }
  AffineMap resultMap;
  Type resultType = resultTypeOf(space, type.getElementType(), layout, {}, dims, resultMap, b.getContext());
  addMap(resultMap);
  OperationState state(loc, isLong ? LongConvOp::getOperationName() : CausalConvOp::getOperationName());
  state.addOperands(operands);
  state.addTypes({resultType});
  state.addAttribute("indexing_maps", b.getArrayAttr(maps));
  if (!isLong)
    state.addAttribute(CausalConvOp::getOperandSegmentSizeAttr(),
                       b.getDenseI32ArrayAttr({1, 1, biasOperand ? 1 : 0, history ? 1 : 0}));
  Value result = reshapeTo(b, loc, b.create(state)->getResult(0), type);
  if (isLong && biasOperand) {
    SmallVector<AffineExpr> sizes(outer.size(), b.getAffineConstantExpr(1));
    for (const Axis &a : biasOperand->layout)
      for (const Axis::Part &p : a.parts)
        sizes[llvm::find(outer, p.iterator) - outer.begin()] = space.toAffine(space[p.iterator].n, b.getContext());
    Value column = reshapeTo(b, loc, biasOperand->tensor, onnx::withDims(type.getElementType(), sizes));
    OperationState sum(loc, "onnx.Add", {result, column}, {type});
    result = b.create(sum)->getResult(0);
  }
  root->getResult(0).replaceAllUsesWith(result);
  return true;
}
