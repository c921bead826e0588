//===- ClosedFormWriter.cpp - the mixer of a closed form -------------------===//
// ssm.semiseparable when keys and values are apart and the decay does not know the value's features, else
// ssm.selective_scan, whose producer computes what spans both time and state.
//===----------------------------------------------------------------------===//
#include "passes/raise/ClosedFormWriter.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Registry.h"
#include "passes/raise/ClosedFormPasses.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

Operation *ClosedFormWriter::create(StringRef name, ArrayRef<Type> types, ArrayRef<NamedAttribute> attributes,
                                    Block *region) {
  OperationState state(loc, name);
  state.addOperands(operands);
  state.addTypes(types);
  state.addAttributes(attributes);
  state.addAttribute("indexing_maps", b.getArrayAttr(maps));
  if (region)
    state.addRegion()->push_back(region);
  return b.create(state);
}

void ClosedFormWriter::finish(Operation *mixer, Value result) {
  root->getResult(0).replaceAllUsesWith(
      reshapeTo(b, loc, result, cast<RankedTensorType>(root->getResult(0).getType())));
}

bool ClosedFormWriter::semiseparable() {
  if (form.states.size() != 1)
    return false;
  unsigned k = form.states[0];
  std::optional<unsigned> v;
  for (unsigned it : form.outer)
    if (it != form.time && depends(form.right, it) && !depends(form.left, it) && !decayDepends(it))
      v = it;
  if (!v)
    return false;
  SmallVector<Factor> keys, values, queries, gates, after, quotients, either;
  for (const Factor &f : form.right) {
    bool onKey = depends(f, k), onValue = depends(f, *v);
    if (onKey && onValue)
      return false;
    if (f.kind == Factor::Exponential && !onKey && !onValue && !form.initial && !decayDepends(k))
      gates.push_back(f);
    else
      (onValue ? values : onKey ? keys : either).push_back(f);
  }
  // A step per head goes to the values, which know the head; keys may be shared by several.
  SmallVector<Factor> column; // of the values, what a normaliser has too
  for (const Factor &f : either) {
    bool onValues = llvm::all_of(form.outer, [&](unsigned it) { return !depends(f, it) || depends(values, it); });
    (onValues ? column : keys).push_back(f);
  }
  values.append(column.begin(), column.end());
  for (const Factor &f : form.left) {
    bool behind = !gates.empty() && !depends(f, k);
    (behind && f.kind == Factor::Exponential  ? after
     : behind && f.kind == Factor::Reciprocal ? quotients
                                              : queries)
        .push_back(f);
  }
  if (!depends(keys, k) || !depends(keys, form.time) || !depends(values, form.time) || !depends(queries, k) ||
      !depends(queries, form.time))
    return false;
  for (unsigned it : form.outer)
    if (it != form.time && it != *v)
      order.push_back(it);
  SmallVector<unsigned> shared = order, rows = order, outer = form.outer;
  rows.push_back(form.time);
  auto width = space[*v].n.constant();
  if (!gates.empty()) {
    findStabiliser(gates, after, rows);
    SmallVector<Factor> right(keys);
    right.append(gates.begin(), gates.end());
    right.append(column.begin(), column.end());
    if (width)
      findNormaliser(right, queries, after, quotients, rows);
    SmallVector<Factor> given(right);
    given.append(values.begin(), values.end());
    given.append(queries.begin(), queries.end());
    for (auto &d : form.logDecay)
      given.push_back({d.second});
    for (const Element &d : form.decay)
      given.push_back({d});
    forgetUsedBy(given);
  }
  unsigned v1 = *v; // with the normaliser's column
  if (normaliser) {
    v1 = *space.iterator(space[*v].n + 1).asAtom();
    llvm::replace(outer, *v, v1);
  }
  order.append({form.time, k, v1});
  for (auto [d, it] : llvm::enumerate(order))
    dims[it] = d;
  dims[*v] = dims[v1];
  auto with = [&](std::initializer_list<unsigned> more) {
    SmallVector<unsigned> all = shared;
    all.append(more.begin(), more.end());
    return all;
  };
  SmallVector<int32_t> segments(9, 0);
  auto add = [&](unsigned which, Value x, AffineMap map) {
    operands.push_back(x);
    maps.push_back(AffineMapAttr::get(map));
    segments[which] = 1;
  };
  AffineMap qMap, kMap, vMap, dMap;
  Value q = product(queries, with({form.time, k}), form.scale, qMap),
        key = product(keys, with({form.time, k}), 1, kMap), value;
  if (normaliser) {
    SmallVector<Factor> apart(ArrayRef(values).drop_back(column.size()));
    value = product(apart, with({form.time, *v}), 1, vMap);
    SmallVector<unsigned> axes;
    for (AffineExpr e : value ? vMap.getResults() : ArrayRef<AffineExpr>()) {
      auto d = dyn_cast<AffineDimExpr>(e);
      if (!d)
        return false;
      axes.push_back(order[d.getPosition()] == v1 ? *v : order[d.getPosition()]);
    }
    value = value ? withColumn(value, axes, *v, column) : Value();
  } else {
    value = product(values, with({form.time, *v}), 1, vMap);
  }
  bool decays = !form.logDecay.empty() || !form.decay.empty() || !form.constantDecay.empty();
  Value decay = decays ? logDecay(with({form.time, k}), dMap) : Value(), gate;
  if (!q || !key || !value || (decays && !decay))
    return false;
  for (Factor f : gates) {
    double c = f.coefficient;
    f.kind = Factor::Plain;
    Value x = aligned(f, rows);
    if (!x)
      return false;
    x = c == 1 ? x : make("Mul", {x, number(c)}, x.getType());
    gate = gate ? combine("Add", gate, x) : x;
  }
  add(0, q, qMap);
  add(1, key, kMap);
  add(2, value, vMap);
  if (decay)
    add(3, decay, dMap);
  if (gate)
    add(7, gate, mapFor(gate, rows));
  if (form.initial) {
    AffineMap map;
    Value x = product({Factor{*form.initial}}, with({k, *v}), form.initialScale, map);
    if (!x)
      return false;
    add(8, x, map);
  }
  SmallVector<Type> types = {resultType(outer, element)};
  bool final =
      form.state && !gate && hasOtherReaders(form.state->tensor, root) && form.scale == 1 && form.stateScale == 1;
  Layout finalLayout;
  if (final)
    types.push_back(resultType(with({k, *v}), element));
  if (gate)
    types.push_back(resultType(rows, element.isF64() ? b.getF64Type() : b.getF32Type()));
  Operation *mixer = create(
      SemiseparableOp::getOperationName(), types,
      {b.getNamedAttr(SemiseparableOp::getOperandSegmentSizeAttr(), b.getDenseI32ArrayAttr(segments)),
       b.getNamedAttr(SemiseparableOp::getResultSegmentSizeAttr(), b.getDenseI32ArrayAttr({1, final, gate ? 1 : 0}))},
      nullptr);
  Value out = mixer->getResult(0);
  if (gate)
    out = unscaled(mixer, outer, rows, v1, width.value_or(0), after, quotients);
  if (!out)
    return false;
  if (final) {
    Layout layout;
    for (unsigned it : with({k, *v})) {
      layout.emplace_back();
      layout.back().parts.push_back({it});
    }
    replaceLastStates(mixer->getResult(1), layout);
  }
  finish(mixer, out);
  return true;
}

/// Scalar of an element in the producer; what spans time and states is computed there from its operands.
Value ClosedFormWriter::producerScalar(OpBuilder &region, Block *block, const Element &e, int depth) {
  Element at = reader.root(e);
  Type type = cast<RankedTensorType>(at.tensor.getType()).getElementType();
  Scalar s(region, loc);
  if (auto n = reader.number(at); n && type.isIntOrFloat())
    return s.constant(type, *n);
  bool wide =
      llvm::any_of(form.states, [&](unsigned it) { return reader.depends(at, it); }) && reader.depends(at, form.time);
  StringRef name = reader.operatorOf(at);
  static constexpr StringLiteral cheap[] = {"Mul", "Add", "Sub", "Div", "Neg", "Exp", "Cast"};
  auto inner = wide && depth && llvm::is_contained(cheap, name) ? reader.operandsOf(at) : std::nullopt;
  if (inner) {
    SmallVector<Value> values;
    for (const Element &o : *inner)
      if (Value v = producerScalar(region, block, o, depth - 1))
        values.push_back(v);
    if (values.size() == inner->size())
      return Registry::get().lookup(at.tensor.getDefiningOp())->element(at.tensor.getDefiningOp(), s, values);
  }
  auto operand = operandOf(reader, e);
  if (!operand || !isa<FloatType>(type))
    return {};
  for (const Axis &a : operand->layout)
    for (const Axis::Part &p : a.parts)
      if (!dims.contains(p.iterator))
        return {};
  AffineMap map;
  Value v = materialise(b, loc, space, *operand, {}, dims, map);
  map = AffineMap::get(order.size(), 0, map.getResults(), b.getContext());
  for (auto [k, x] : llvm::enumerate(operands))
    if (x == v && cast<AffineMapAttr>(maps[k]).getValue() == map)
      return block->getArgument(k);
  operands.push_back(v);
  maps.push_back(AffineMapAttr::get(map));
  return block->addArgument(computeType(cast<RankedTensorType>(v.getType()).getElementType()), loc);
}

bool ClosedFormWriter::selectiveScan() {
  // Exponentials of both sides keep each other finite in one exponent; apart, nothing would.
  auto hasExponential = [](ArrayRef<Factor> factors) {
    return llvm::any_of(factors, [](const Factor &f) { return f.kind == Factor::Exponential; });
  };
  if (hasExponential(form.left) && hasExponential(form.right))
    return false;
  for (unsigned it : form.outer)
    if (it != form.time)
      order.push_back(it);
  SmallVector<unsigned> shared = order;
  order.push_back(form.time);
  order.append(form.states);
  for (auto [d, it] : llvm::enumerate(order))
    dims[it] = d;
  auto block = std::make_unique<Block>();
  OpBuilder region(b.getContext());
  region.setInsertionPointToStart(block.get());
  Scalar s(region, loc);
  Type scalar = element.isF64() ? b.getF64Type() : b.getF32Type();
  auto typed = [&](Value v) -> Value {
    if (v && v.getType() != scalar)
      return scalar.isF64() ? arith::ExtFOp::create(region, loc, scalar, v).getResult()
                            : arith::TruncFOp::create(region, loc, scalar, v).getResult();
    return v;
  };
  auto mul = [&](Value x, Value y) { return x ? arith::MulFOp::create(region, loc, x, y).getResult() : y; };
  auto all = [&](ArrayRef<Factor> factors, double scale) -> Value {
    Value r = scale != 1 || factors.empty() ? s.constant(scalar, scale) : Value();
    for (const Factor &f : factors) {
      Value v = typed(producerScalar(region, block.get(), f.e, 6));
      if (!v)
        return {};
      if (f.kind == Factor::Exponential)
        v = math::ExpOp::create(region, loc, f.coefficient == 1 ? v : mul(s.constant(scalar, f.coefficient), v));
      else if (f.kind == Factor::Reciprocal)
        v = arith::DivFOp::create(region, loc, s.constant(scalar, 1.0), v);
      r = mul(r, v);
    }
    return r;
  };
  Value log, a;
  for (auto &[c, e] : form.logDecay) {
    Value v = typed(producerScalar(region, block.get(), e, 6));
    if (!v)
      return false;
    if (c != 1)
      v = mul(s.constant(scalar, c), v);
    log = log ? arith::AddFOp::create(region, loc, log, v).getResult() : v;
  }
  if (log)
    a = math::ExpOp::create(region, loc, log);
  for (const Element &e : form.decay) {
    Value v = typed(producerScalar(region, block.get(), e, 6));
    if (!v)
      return false;
    a = mul(a, v);
  }
  for (auto &c : form.constantDecay) {
    Value v;
    if (!c.head) {
      v = s.constant(scalar, std::exp(c.log[0]));
    } else {
      auto type = RankedTensorType::get({(int64_t)c.log.size()}, element);
      SmallVector<Attribute> values;
      for (double x : c.log)
        values.push_back(b.getFloatAttr(element, std::exp(x)));
      operands.push_back(onnx::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, values)));
      maps.push_back(AffineMapAttr::get(
          AffineMap::get(order.size(), 0, {b.getAffineDimExpr(dims.lookup(*c.head))}, b.getContext())));
      v = typed(block->addArgument(computeType(element), loc));
    }
    a = mul(a, v);
  }
  if (!a)
    a = s.constant(scalar, 1.0);
  bool reads = !form.states.empty();
  double stateScale = form.state ? form.stateScale : form.scale;
  Value u = all(form.right, stateScale), c = reads ? all(form.left, form.scale / stateScale) : Value();
  if (!u || (reads && !c))
    return false;
  SmallVector<Value> yields = {a, u};
  if (reads)
    yields.push_back(c);
  YieldOp::create(region, loc, yields);
  int32_t inputs = operands.size();
  if (inputs == 0)
    return false;
  bool final = reads && form.state && hasOtherReaders(form.state->tensor, root);
  SmallVector<unsigned> stateDims = shared;
  stateDims.append(form.states);
  if (form.initial) {
    AffineMap map;
    Value x = product({Factor{*form.initial}}, stateDims, stateScale * form.initialScale, map);
    if (!x)
      return false;
    operands.push_back(x);
    maps.push_back(AffineMapAttr::get(map));
  }
  SmallVector<Type> types = {resultType(form.outer, element)};
  if (final)
    types.push_back(resultType(stateDims, element));
  Operation *mixer = create(SelectiveScanOp::getOperationName(), types,
                            {b.getNamedAttr("state_rank", b.getI64IntegerAttr(form.states.size())),
                             b.getNamedAttr(SelectiveScanOp::getOperandSegmentSizeAttr(),
                                            b.getDenseI32ArrayAttr({inputs, form.initial ? 1 : 0}))},
                            block.release());
  Value out = mixer->getResult(0);
  if (!reads && !form.left.empty()) {
    Value factor;
    for (const Factor &f : form.left) {
      Value v = aligned(f, form.outer);
      if (!v)
        return false;
      factor = factor ? combine("Mul", factor, v) : v;
    }
    out = make("Mul", {out, factor}, out.getType());
  }
  if (final) {
    Layout layout;
    for (unsigned it : stateDims) {
      layout.emplace_back();
      layout.back().parts.push_back({it});
    }
    replaceLastStates(mixer->getResult(1), layout);
  }
  finish(mixer, out);
  return true;
}

bool ClosedFormWriter::run() {
  form.nodes.push_back(root);
  loc = fusedLocation(form.nodes);
  bool done = semiseparable();
  if (!done) {
    operands.clear();
    maps.clear();
    order.clear();
    dims.clear();
    done = selectiveScan();
  }
  if (done && moved)
    sortTopologically(root->getBlock());
  return done;
}

bool ssm::writeMixer(ClosedForm &form, Operation *root) { return ClosedFormWriter(form, root).run(); }
