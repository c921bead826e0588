//===- PromoteFloats.cpp - a side of a raise in float64 --------------------===//
// Every float of 16 or 32 bits becomes one of 64. A cast to half precision is dropped where it only names the type of a
// tensor, and stays as a rounding where it is one: in the body of a loop, and where the result is cast back. Exact
// quantities such as integers, indices and 8-bit floats stay.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Driver/RaiseSides.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/group/Passes.h"

using namespace mlir;
using namespace ssm;

static bool isNarrow(Type t) { return t.isF16() || t.isBF16() || t.isF32(); }

static ElementsAttr widened(ElementsAttr value) {
  auto type = cast<ShapedType>(value.getType());
  Type element = type.getElementType(), f64 = Float64Type::get(value.getContext());
  auto complex = dyn_cast<ComplexType>(element);
  Type part = complex ? complex.getElementType() : element;
  if (!isNarrow(part))
    return value;
  auto to = cast<ShapedType>(type.clone(complex ? (Type)ComplexType::get(f64) : f64));
  const llvm::fltSemantics &semantics = cast<FloatType>(part).getFloatSemantics();
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  StoredConstant(value).write(os);
  size_t width = part.getIntOrFloatBitWidth() / 8;
  std::vector<double> numbers;
  size_t count = to.getNumElements() * (complex ? 2 : 1); // padding follows
  for (size_t at = 0; at < count * width; at += width) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes.data() + at, width);
    APFloat f(semantics, APInt(width * 8, bits));
    bool lossy;
    f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
    numbers.push_back(f.convertToDouble());
  }
  ArrayRef<char> raw((const char *)numbers.data(), numbers.size() * sizeof(double));
  if (to.getNumElements() <= 16)
    return DenseElementsAttr::getFromRawBuffer(to, raw);
  return DenseResourceElementsAttr::get(to, "widened", HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, 64));
}

static IntegerAttr numberAttr(Operation *op, int64_t v) {
  return IntegerAttr::get(IntegerType::get(op->getContext(), 64, IntegerType::Signed), v);
}

/// TensorProto.DataType of a float that is widened.
static bool isNarrow(int64_t dtype) { return dtype == 1 || dtype == 10 || dtype == 16; }

static void widenAttributes(Operation *op) {
  if (auto c = dyn_cast<arith::ConstantOp>(op)) {
    if (auto f = dyn_cast<FloatAttr>(c.getValue()); f && isNarrow(f.getType()))
      c.setValueAttr(FloatAttr::get(Float64Type::get(op->getContext()), f.getValueAsDouble()));
    return;
  }
  if (!isa<onnx::OnnxDialect>(op->getDialect()))
    return;
  for (NamedAttribute a : llvm::to_vector(op->getAttrs())) {
    if (auto value = dyn_cast<ElementsAttr>(a.getValue()); value && !isa<DenseArrayAttr>(a.getValue()))
      op->setAttr(a.getName(), widened(value));
    auto number = dyn_cast<IntegerAttr>(a.getValue());
    static constexpr StringRef dtypes[] = {"to", "dtype", "output_datatype", "output_dtype"};
    if (number && llvm::is_contained(dtypes, a.getName().strref()) && isNarrow(number.getValue().getSExtValue()))
      op->setAttr(a.getName(), numberAttr(op, 11));
  }
}

namespace {
struct Rounding {
  Operation *cast;
  Type half;
};
} // namespace

/// Casts to half precision that change numbers.
static SmallVector<Rounding> roundingsOf(func::FuncOp main) {
  SmallVector<Rounding> found;
  main.walk([&](Operation *op) {
    if (op->getName().getStringRef() != "onnx.Cast")
      return;
    Type to = getElementTypeOrSelf(op->getResult(0)), from = getElementTypeOrSelf(op->getOperand(0));
    bool back = llvm::any_of(op->getResult(0).getUsers(), [&](Operation *u) {
      return u->getName().getStringRef() == "onnx.Cast" && isa<FloatType>(getElementTypeOrSelf(u->getResult(0)));
    });
    if ((to.isF16() || to.isBF16()) && (from.isF32() || from.isF64()) && (op->getParentOp() != main || back))
      found.push_back({op, to});
  });
  return found;
}

void ssm::promoteFloats(ModuleOp side, bool &rounds) {
  auto main = side.lookupSymbol<func::FuncOp>("main");
  SmallVector<Rounding> roundings = roundingsOf(main);
  rounds |= !roundings.empty();
  AttrTypeReplacer replacer;
  replacer.addReplacement(
      [](FloatType t) -> std::optional<Type> { return isNarrow(t) ? (Type)Float64Type::get(t.getContext()) : t; });
  main.walk([&](Operation *op) {
    if (op != main)
      widenAttributes(op);
    for (OpResult r : op->getResults())
      r.setType(replacer.replace(r.getType()));
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument a : block.getArguments())
          a.setType(replacer.replace(a.getType()));
  });
  main.walk([&](Operation *op) {
    if (isa<arith::ExtFOp, arith::TruncFOp>(op) && op->getOperand(0).getType() == op->getResult(0).getType()) {
      op->getResult(0).replaceAllUsesWith(op->getOperand(0));
      op->erase();
    }
  });
  for (Rounding r : roundings) {
    OpBuilder b(r.cast);
    auto type = cast<RankedTensorType>(r.cast->getResult(0).getType());
    Type half = RankedTensorType::get(type.getShape(), r.half, type.getEncoding());
    Operation *rounded = b.clone(*r.cast);
    rounded->getResult(0).setType(half);
    rounded->setAttr("to", numberAttr(r.cast, r.half.isF16() ? 10 : 16));
    r.cast->setOperand(0, rounded->getResult(0));
  }
  main.setType(FunctionType::get(side.getContext(), main.front().getArgumentTypes(),
                                 main.front().getTerminator()->getOperandTypes()));
}
