//===- SsmDialect.cpp - the ssm dialect ------------------------------------===//
// Registration of the dialect and the verifiers of its structure ops.

#include "dialects/Ssm/SsmDialect.h"
#include "dialects/Ssm/Tiling.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ssm;

#include "dialects/Ssm/SsmDialect.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Ssm/SsmOps.cpp.inc"

void SsmDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Ssm/SsmOps.cpp.inc"
      >();
}

LogicalResult BindDimOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getType());
  if (!type) // C1
    return emitOpError("value must have a known rank");
  if (getAxis() >= (uint64_t)type.getRank()) // C1
    return emitOpError("axis ") << getAxis() << " is out of range for a value of rank " << type.getRank();
  if ((int64_t)getSymbol() < 0) // C2
    return emitOpError("symbol must not be negative");
  return success();
}

LogicalResult BindElementOp::verify() {
  if (!getElementTypeOrSelf(getValue().getType()).isIntOrIndex()) // C1
    return emitOpError("value must be a tensor of integers");
  if ((int64_t)getIndex() < 0 || (int64_t)getSymbol() < 0) // C2
    return emitOpError("index and symbol must not be negative");
  return success();
}

LogicalResult BindExprOp::verify() {
  static constexpr StringRef kinds[] = {"min", "max", "broadcast", "eq", "lt", "same"};
  if (!llvm::is_contained(kinds, getKind())) // C1
    return emitOpError("kind must be min, max, broadcast, eq, lt or same, not '") << getKind() << "'";
  AffineMap map = getMap();
  if (map.getNumDims() != 0 || map.getNumResults() == 0 ||
      (getKind() != "min" && getKind() != "max" && map.getNumResults() != 2)) // C2
    return emitOpError("map must have no dims and at least one result, two for broadcast, eq, lt and same");
  return success();
}

LogicalResult BindSeedOp::verify() {
  if ((int64_t)getSymbol() < 0) // C1
    return emitOpError("symbol must not be negative");
  return success();
}

LogicalResult ArenaOp::verify() {
  if ((int64_t)getArena() < 0) // C1
    return emitOpError("arena must not be negative");
  if (getBytes().getNumDims() != 0 || getBytes().getNumResults() != 1) // C2
    return emitOpError("bytes must have no dims and one result");
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &table) {
  auto callee = table.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee || !callee->hasAttr(kDispatchAttr)) // C1
    return emitOpError("'") << getCallee() << "' is not a dispatch function";
  if (auto count = callee->getAttrOfType<IntegerAttr>(kSymbolsAttr))
    if (count.getInt() != getSymbols().getNumResults()) // C2
      return emitOpError("gives ") << getSymbols().getNumResults() << " symbols, '" << getCallee() << "' takes "
                                   << count.getInt();
  return success();
}

LogicalResult PackOp::verify() {
  auto value = dyn_cast<RankedTensorType>(getValue().getType());
  auto panels = dyn_cast<RankedTensorType>(getPanels().getType());
  if (!value || (value.getRank() != 2 && value.getRank() != 3) || !value.hasStaticShape() ||
      !isa<FloatType>(value.getElementType())) // C1
    return emitOpError("value must be one matrix, or a stack of them, of floats of static size");
  SmallVector<int64_t> sizes(value.getShape().drop_back(2));
  ArrayRef<int64_t> matrix = value.getShape().take_back(2);
  int64_t width = panels && panels.getRank() ? panels.getShape().back() : 0;
  if (width > 0)
    sizes.append({(int64_t)llvm::divideCeil(matrix[!getTransposed()], width), matrix[getTransposed()], width});
  if (width <= 0 || panels.getShape() != ArrayRef(sizes) || panels.getElementType() != value.getElementType()) // C2
    return emitOpError("panels of ") << value << " cannot be " << getPanels().getType();
  return success();
}
