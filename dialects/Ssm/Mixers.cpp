//===- Mixers.cpp - what all sequence mixers share -------------------------===//
// See Mixers.h.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/Mixers.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace ssm;

#include "dialects/Ssm/SsmInterfaces.cpp.inc"

namespace {
/// Taken for a size that is not known when forms are compared.
constexpr int64_t kNominalSize = 512;
} // namespace

Type ssm::scalarType(Type element) {
  if (isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(element.getContext());
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), integer.getWidth());
  return element;
}

Type ssm::stateType(Operation *op) {
  for (Value v : op->getOperands())
    if (getElementTypeOrSelf(v.getType()).isF64())
      return Float64Type::get(op->getContext());
  return Float32Type::get(op->getContext());
}

SmallVector<AffineMap> ssm::indexingMaps(Operation *op) {
  auto maps = op->getAttrOfType<ArrayAttr>("indexing_maps");
  return llvm::map_to_vector(maps, [](Attribute a) { return cast<AffineMapAttr>(a).getValue(); });
}

int64_t ssm::numIterationDims(Operation *op) {
  auto maps = op->getAttrOfType<ArrayAttr>("indexing_maps");
  return maps.empty() ? 0 : cast<AffineMapAttr>(maps[0]).getValue().getNumDims();
}

static SmallVector<RankedTensorType> mappedTypes(Operation *op) {
  SmallVector<RankedTensorType> types;
  for (Type t : op->getOperandTypes())
    types.push_back(cast<RankedTensorType>(t));
  for (Type t : op->getResultTypes())
    types.push_back(cast<RankedTensorType>(t));
  return types;
}

/// A type written by hand may have sizes without a name; any symbol stands for them.
static AffineExpr sizeOf(RankedTensorType type, unsigned axis) {
  if (type.isDynamicDim(axis) && !type.getEncoding())
    return getAffineSymbolExpr(0, type.getContext());
  return onnx::getDimExpr(type, axis);
}

/// The value's axis over the last dim is one shorter than the dim.
static bool isHistory(Operation *op, size_t number) {
  auto conv = dyn_cast<CausalConvOp>(op);
  if (!conv)
    return false;
  size_t operands = op->getNumOperands();
  return number < operands ? op->getOperand(number) == conv.getHistory() && number + 1 == operands : number > operands;
}

SmallVector<AffineExpr> ssm::iterationSizes(Operation *op) {
  SmallVector<AffineExpr> sizes(numIterationDims(op));
  SmallVector<RankedTensorType> types = mappedTypes(op);
  for (auto [number, map] : llvm::enumerate(indexingMaps(op)))
    for (auto [axis, e] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(e);
      if (!dim || (isHistory(op, number) && dim.getPosition() + 1 == sizes.size()))
        continue;
      AffineExpr &size = sizes[dim.getPosition()];
      AffineExpr here = sizeOf(types[number], axis);
      if (!size || (isa<AffineConstantExpr>(here) && !isa<AffineConstantExpr>(size)))
        size = here;
    }
  return sizes;
}

static std::string nameOf(Operation *op, size_t number) {
  size_t operands = op->getNumOperands();
  return number < operands ? "operand " + std::to_string(number) : "result " + std::to_string(number - operands);
}

LogicalResult ssm::verifyMaps(Operation *op) {
  SmallVector<AffineMap> maps = indexingMaps(op);
  SmallVector<RankedTensorType> types = mappedTypes(op);
  if (maps.size() != types.size()) // M1
    return op->emitOpError("has ") << maps.size() << " index maps for " << types.size() << " operands and results";
  int64_t numDims = maps[0].getNumDims();
  for (auto [number, map] : llvm::enumerate(maps)) {
    std::string name = nameOf(op, number);
    if (map.getNumDims() != numDims || map.getNumSymbols() != 0) // M2
      return op->emitOpError("map of ") << name << " is not over " << numDims << " dims and no symbols";
    if (map.getNumResults() != types[number].getRank()) // M2
      return op->emitOpError("map of ") << name << " has " << map.getNumResults() << " results for a tensor of rank "
                                        << types[number].getRank();
    llvm::SmallDenseSet<int64_t> seen;
    for (auto [axis, e] : llvm::enumerate(map.getResults())) {
      if (auto c = dyn_cast<AffineConstantExpr>(e); c && c.getValue() == 0) {
        if (!types[number].isDynamicDim(axis) && types[number].getDimSize(axis) != 1) // M3
          return op->emitOpError("axis ")
                 << axis << " of " << name << " is broadcast and has size " << types[number].getDimSize(axis);
        continue;
      }
      AffineExpr base = e;
      if (auto bin = dyn_cast<AffineBinaryOpExpr>(e); bin && bin.getKind() == AffineExprKind::FloorDiv)
        if (auto c = dyn_cast<AffineConstantExpr>(bin.getRHS()); c && c.getValue() > 0)
          base = bin.getLHS();
      auto dim = dyn_cast<AffineDimExpr>(base);
      if (!dim || !seen.insert(dim.getPosition()).second) // M3
        return op->emitOpError("map of ")
               << name << " has a result that is not a dim of its own, a dim floordiv a constant, or 0";
    }
  }
  SmallVector<AffineExpr> sizes = iterationSizes(op);
  for (auto [d, size] : llvm::enumerate(sizes))
    if (!size) // M4
      return op->emitOpError("no operand or result gives the size of dim d") << d;
  for (auto [number, map] : llvm::enumerate(maps))
    for (auto [axis, e] : llvm::enumerate(map.getResults())) {
      int64_t divisor = 1;
      auto dim = dyn_cast<AffineDimExpr>(e);
      if (auto bin = dyn_cast<AffineBinaryOpExpr>(e)) {
        dim = cast<AffineDimExpr>(bin.getLHS());
        divisor = cast<AffineConstantExpr>(bin.getRHS()).getValue();
      }
      auto size = dim ? dyn_cast<AffineConstantExpr>(sizes[dim.getPosition()]) : AffineConstantExpr();
      if (!size || types[number].isDynamicDim(axis))
        continue;
      bool shorter = isHistory(op, number) && dim.getPosition() + 1 == sizes.size();
      int64_t expected = llvm::divideCeil(size.getValue(), divisor) - shorter;
      if (types[number].getDimSize(axis) != expected) // M4
        return op->emitOpError("axis ") << axis << " of " << nameOf(op, number) << " has size "
                                        << types[number].getDimSize(axis) << ", its map needs " << expected;
    }
  return success();
}

LogicalResult ssm::verifyOver(Operation *op, StringRef name, AffineMap map, ArrayRef<int64_t> allowed,
                              ArrayRef<int64_t> required, StringRef text) {
  if (!map)
    return success();
  llvm::SmallDenseSet<int64_t> plain;
  bool good = true;
  for (AffineExpr e : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(e))
      plain.insert(dim.getPosition());
    e.walk([&](AffineExpr part) {
      if (auto dim = dyn_cast<AffineDimExpr>(part))
        good &= llvm::is_contained(allowed, (int64_t)dim.getPosition());
    });
  }
  for (int64_t d : required)
    good &= plain.contains(d);
  if (!good)
    return op->emitOpError(name) << " must be over " << text;
  return success();
}

LogicalResult ssm::verifyFloats(Operation *op, ValueRange values) {
  for (Value v : values) {
    Type t = getElementTypeOrSelf(v.getType());
    if (!t.isF16() && !t.isBF16() && !t.isF32() && !t.isF64()) // M5
      return op->emitOpError("elements must be f16, bf16, f32 or f64, not ") << t;
  }
  return success();
}

LogicalResult ssm::verifyScalars(Operation *op, ValueRange values) {
  for (Value v : values) {
    Type t = getElementTypeOrSelf(v.getType());
    unsigned width = t.isIntOrFloat() ? t.getIntOrFloatBitWidth() : 0;
    if (isa<FloatType>(t) ? width < 16 : width != 1 && width < 8) // M5
      return op->emitOpError("elements must be floats of at least 16 bits, integers of at least 8 bits or i1, not ")
             << t;
  }
  return success();
}

LogicalResult ssm::verifyScalarRegion(Operation *op, Region &region, ArrayRef<Type> arguments, ArrayRef<Type> yields) {
  Block &block = region.front();
  if (block.getNumArguments() != arguments.size()) // M6
    return op->emitOpError("region has ") << block.getNumArguments() << " arguments, needs " << arguments.size();
  for (auto [i, type] : llvm::enumerate(arguments))
    if (block.getArgument(i).getType() != type) // M6
      return op->emitOpError("argument ")
             << i << " of the region must be " << type << ", not " << block.getArgument(i).getType();
  auto yield = dyn_cast_if_present<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield) // M6
    return op->emitOpError("region must end with ssm.yield");
  if (yield.getNumOperands() != yields.size()) // M6
    return op->emitOpError("region yields ") << yield.getNumOperands() << " values, needs " << yields.size();
  for (auto [i, type] : llvm::enumerate(yields))
    if (yield.getOperand(i).getType() != type) // M6
      return op->emitOpError("value ") << i << " that the region yields must be " << type << ", not "
                                       << yield.getOperand(i).getType();
  for (Operation &inner : block.without_terminator())
    if (!isa_and_present<arith::ArithDialect, math::MathDialect>(inner.getDialect()) ||
        llvm::any_of(inner.getResultTypes(), [](Type t) { return !t.isIntOrIndexOrFloat(); })) // M7
      return op->emitOpError("region holds ")
             << inner.getName() << ", only scalar arith and math operations are allowed";
  return success();
}

LogicalResult ssm::verifyForm(Operation *op) {
  auto form = op->getAttrOfType<StringAttr>("form");
  SmallVector<StringRef> forms = cast<SequenceMixerOpInterface>(op).getForms();
  if (!form || llvm::is_contained(forms, form.getValue()))
    return success();
  return op->emitOpError("form '") << form.getValue() << "' is none of " << llvm::join(forms, ", "); // M8
}

/// Sizes of the iteration dims, kDynamic where they are not known.
static SmallVector<int64_t> knownSizes(Operation *op) {
  SmallVector<int64_t> sizes;
  auto add = [&](AffineExpr e) {
    auto c = dyn_cast_if_present<AffineConstantExpr>(e);
    sizes.push_back(c ? c.getValue() : ShapedType::kDynamic);
  };
  if (op->hasAttr("indexing_maps")) {
    llvm::for_each(iterationSizes(op), add);
  } else {
    auto type = cast<RankedTensorType>(op->getOperand(0).getType());
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      add(sizeOf(type, axis));
  }
  return sizes;
}

static SmallVector<std::pair<StringRef, double>> costs(Operation *op, SmallVector<int64_t> sizes) {
  llvm::replace(sizes, ShapedType::kDynamic, kNominalSize);
  auto mixer = cast<SequenceMixerOpInterface>(op);
  return llvm::map_to_vector(mixer.getForms(),
                             [&](StringRef form) { return std::pair(form, mixer.getCost(form, sizes)); });
}

static StringRef cheapest(Operation *op, SmallVector<int64_t> sizes) {
  return llvm::min_element(costs(op, std::move(sizes)), llvm::less_second())->first;
}

SmallVector<std::pair<StringRef, double>> ssm::formCosts(Operation *op) { return costs(op, knownSizes(op)); }

StringRef ssm::preferredForm(Operation *op) {
  if (auto form = op->getAttrOfType<StringAttr>("form"))
    return form.getValue();
  return cheapest(op, knownSizes(op));
}

void ssm::setForm(Operation *op, StringRef asked) {
  bool given = !asked.empty() || op->hasAttr("form");
  StringRef form = asked.empty() ? preferredForm(op) : asked;
  op->setAttr("form", StringAttr::get(op->getContext(), form));
  if (given || !ShapedType::isDynamic(knownSizes(op)[cast<SequenceMixerOpInterface>(op).getTimeDim()]))
    return;
  if (StringRef brief = formFor(op, 1); brief != form)
    op->setAttr(kShortFormAttr, StringAttr::get(op->getContext(), brief));
}

StringRef ssm::formFor(Operation *op, int64_t steps) {
  SmallVector<int64_t> sizes = knownSizes(op);
  sizes[cast<SequenceMixerOpInterface>(op).getTimeDim()] = steps;
  return cheapest(op, sizes);
}

LoopAccesses ssm::mappedAccesses(Operation *op) {
  LoopAccesses accesses;
  for (auto [i, map] : llvm::enumerate(indexingMaps(op))) {
    LoopAccess access(map.getResults());
    for (AffineExpr &e : access)
      if (isa<AffineConstantExpr>(e))
        e = {};
    (i < op->getNumOperands() ? accesses.operands : accesses.results).push_back(access);
  }
  return accesses;
}

SmallVector<TypedAttr> ssm::zeroStates(Operation *op, unsigned count) {
  return SmallVector<TypedAttr>(count, Builder(op->getContext()).getZeroAttr(stateType(op)));
}

bool ssm::isConstantOf(Value value, double number) {
  ElementsAttr elements = onnx::constantValue(value);
  DenseElementsAttr dense;
  if (!elements && matchPattern(value, m_Constant(&dense)))
    elements = dense;
  if (!elements || !elements.isSplat() || !isa<FloatType>(elements.getElementType()))
    return false;
  return elements.getSplatValue<APFloat>().convertToDouble() == number;
}
