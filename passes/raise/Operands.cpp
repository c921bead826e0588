//===- Operands.cpp - elements as operands with index maps -----------------===//
#include "passes/raise/Operands.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace ssm;

std::optional<Layout> ssm::layoutOf(ElementReader &reader, const Element &e) {
  IndexSpace &space = reader.space;
  auto dims = reader.dims(e.tensor);
  llvm::SmallDenseSet<unsigned> used;
  Layout layout;
  for (auto [index, size] : llvm::zip(e.at, dims)) {
    Axis axis;
    Subscript left = index, inner = 1; // inner: product of the parts found so far
    if (index.is(0)) {
      if (!size.is(1))
        return std::nullopt;
      layout.push_back(axis);
      continue;
    }
    while (!left.is(0)) {
      // The part whose stride is `inner`.
      bool found = false;
      for (auto &[m, c] : left.terms) {
        Subscript term;
        term.terms[m] = c;
        auto factor = term.dividedBy(inner);
        auto atom = factor ? factor->asAtom() : std::nullopt;
        if (!atom)
          continue;
        Axis::Part part{*atom};
        Subscript extent = space[*atom].n;
        if (space[*atom].kind == IndexSpace::Atom::FloorDiv) {
          auto of = space[*atom].x.asAtom();
          auto by = space[*atom].n.constant();
          if (!of || !by || !space.isIterator(*of))
            continue;
          auto quotient = space[*of].n.dividedBy(Subscript(*by));
          if (!quotient)
            continue;
          part = {*of, *by};
          extent = *quotient;
        } else if (!space.isIterator(*atom)) {
          continue;
        }
        if (!used.insert(part.iterator).second)
          return std::nullopt;
        axis.parts.insert(axis.parts.begin(), part);
        left = left - term;
        inner = inner * extent;
        found = true;
        break;
      }
      if (!found)
        return std::nullopt;
    }
    if (inner != size)
      return std::nullopt;
    layout.push_back(axis);
  }
  return layout;
}

bool Operand::reads(unsigned iterator) const {
  return llvm::any_of(layout, [&](const Axis &a) {
    return llvm::any_of(a.parts, [&](const Axis::Part &p) { return p.iterator == iterator; });
  });
}

std::optional<Operand> ssm::operandOf(ElementReader &reader, Element e) {
  std::optional<Operand> best;
  for (;;) {
    if (auto layout = layoutOf(reader, e))
      best = Operand{e.tensor, *layout};
    auto next = reader.throughView(e);
    if (!next)
      return best;
    e = *next;
  }
}

/// Sizes and map of a layout with one axis per part.
static void expand(IndexSpace &space, const Layout &layout, ArrayRef<unsigned> required, const IteratorDims &dims,
                   MLIRContext *context, SmallVector<AffineExpr> &sizes, SmallVector<AffineExpr> &exprs) {
  llvm::SmallDenseSet<unsigned> seen;
  for (const Axis &axis : layout) {
    if (axis.parts.empty()) {
      sizes.push_back(getAffineConstantExpr(1, context));
      exprs.push_back(getAffineConstantExpr(0, context));
    }
    for (const Axis::Part &p : axis.parts) {
      seen.insert(p.iterator);
      AffineExpr d = getAffineDimExpr(dims.lookup(p.iterator), context);
      exprs.push_back(p.divisor == 1 ? d : d.floorDiv(p.divisor));
      sizes.push_back(space.toAffine(*space[p.iterator].n.dividedBy(Subscript(p.divisor)), context));
    }
  }
  for (unsigned it : required)
    if (!seen.contains(it)) {
      exprs.push_back(getAffineDimExpr(dims.lookup(it), context));
      sizes.push_back(space.toAffine(space[it].n, context));
    }
}

Value ssm::reshapeTo(OpBuilder &b, Location loc, Value v, RankedTensorType type) {
  if (v.getType() == type)
    return v;
  Value none = onnx::NoValueOp::create(b, loc, b.getNoneType());
  OperationState state(loc, "onnx.Reshape", {v, none}, {type});
  return b.create(state)->getResult(0);
}

Value ssm::castTo(OpBuilder &b, Location loc, Value v, Type element) {
  auto type = cast<RankedTensorType>(v.getType());
  if (type.getElementType() == element)
    return v;
  int64_t to = element.isF32() ? 1 : element.isF16() ? 10 : element.isF64() ? 11 : 16; // TensorProto.DataType
  OperationState state(loc, "onnx.Cast", v, {onnx::withDims(element, onnx::getDimExprs(type))},
                       b.getNamedAttr("to", IntegerAttr::get(b.getIntegerType(64, true), to)));
  return b.create(state)->getResult(0);
}

Value ssm::materialise(OpBuilder &b, Location loc, IndexSpace &space, const Operand &operand,
                       ArrayRef<unsigned> required, const IteratorDims &dims, AffineMap &map) {
  SmallVector<AffineExpr> sizes, exprs;
  expand(space, operand.layout, required, dims, b.getContext(), sizes, exprs);
  map = AffineMap::get(dims.size(), 0, exprs, b.getContext());
  auto type = cast<RankedTensorType>(operand.tensor.getType());
  if ((int64_t)sizes.size() == type.getRank())
    return operand.tensor;
  return reshapeTo(b, loc, operand.tensor, onnx::withDims(type.getElementType(), sizes));
}

RankedTensorType ssm::resultTypeOf(IndexSpace &space, Type element, const Layout &layout, ArrayRef<unsigned> required,
                                   const IteratorDims &dims, AffineMap &map, MLIRContext *context) {
  SmallVector<AffineExpr> sizes, exprs;
  expand(space, layout, required, dims, context, sizes, exprs);
  map = AffineMap::get(dims.size(), 0, exprs, context);
  return onnx::withDims(element, sizes);
}

std::optional<std::vector<double>> ssm::numbersOf(ElementsAttr value) {
  Type type = value.getElementType();
  std::vector<double> r;
  if (isa<IntegerType>(type)) {
    for (int64_t v : onnx::intValues(value))
      r.push_back(v);
    return r;
  }
  auto floats = dyn_cast<FloatType>(type);
  if (!floats)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    auto *blob = resource.getRawHandle().getBlob();
    unsigned bits = floats.getWidth();
    if (!blob || bits % 8)
      return std::nullopt;
    const char *data = blob->getData().data();
    for (int64_t i = 0, n = value.getNumElements(); i < n; ++i) {
      uint64_t pattern = 0;
      memcpy(&pattern, data + i * (bits / 8), bits / 8);
      APFloat f(floats.getFloatSemantics(), APInt(bits, pattern));
      bool lost;
      f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      r.push_back(f.convertToDouble());
    }
    return r;
  }
  for (APFloat f : value.getValues<APFloat>()) {
    bool lost;
    f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    r.push_back(f.convertToDouble());
  }
  return r;
}

bool ssm::hasOtherReaders(Value value, Operation *sink) {
  SmallVector<Operation *> work(value.getUsers().begin(), value.getUsers().end());
  llvm::SmallDenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *user = work.pop_back_val();
    if (user == sink || !seen.insert(user).second)
      continue;
    if (!isMemoryEffectFree(user) || user->hasTrait<OpTrait::IsTerminator>() || seen.size() > 256)
      return true;
    work.append(user->getUsers().begin(), user->getUsers().end());
  }
  return false;
}

void ssm::eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}
