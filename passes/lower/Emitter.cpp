//===- Emitter.cpp - what a lowering works with ----------------------------===//
// See Emitter.h.
//===----------------------------------------------------------------------===//
#include "passes/lower/Emitter.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ssm;

RankedTensorType Emitter::resultType(Operation *op, unsigned i) {
  return dyn_cast<RankedTensorType>(op->getResult(i).getType());
}

Tensor Emitter::operand(Operation *op, unsigned i) {
  if (i >= op->getNumOperands() || onnx::isNone(op->getOperand(i)))
    return {};
  return tensorOf(op->getOperand(i));
}

/// Elements of a constant as they lie in a buffer; null for kinds that no dispatch holds.
static ElementsAttr storedConstant(ElementsAttr value, RankedTensorType type) {
  Type storage = storageType(type.getElementType());
  if (storage == type.getElementType())
    return value;
  SmallVector<APInt> elements;
  unsigned width = storage.getIntOrFloatBitWidth();
  bool isSigned = !type.getElementType().isUnsignedInteger() && !type.getElementType().isInteger(1);
  if (isa<FloatType>(type.getElementType())) {
    for (APFloat v : value.getValues<APFloat>())
      elements.push_back(v.bitcastToAPInt().zext(width));
  } else {
    for (APInt v : value.getValues<APInt>())
      elements.push_back(isSigned ? v.sextOrTrunc(width) : v.zextOrTrunc(width));
  }
  return DenseElementsAttr::get(RankedTensorType::get(type.getShape(), storage), elements);
}

Tensor Emitter::tensorOf(Value v) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  if (!type)
    return {};
  Value &known = lowered_[v];
  if (!known) {
    // Constants and shape values are the only ones made where they are used.
    if (ElementsAttr value = onnx::constantValue(v)) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(home); // a use in a loop may not be the last
      known = arith::ConstantOp::create(b, loc, storedConstant(value, type));
    } else if (auto dims = v.getDefiningOp<onnx::DimsOp>()) {
      SmallVector<Value> elements;
      for (AffineExpr e : dims.getMap().getResults())
        elements.push_back(arith::IndexCastOp::create(b, loc, b.getI64Type(), size(e)));
      Value made = tensor::FromElementsOp::create(b, loc, storageTensor(type), elements);
      return {lowered_[v] = made, type};
    }
  }
  return {known, type};
}

Value Emitter::size(AffineExpr e) {
  if (auto it = sizes_.find(e); it != sizes_.end())
    return it->second;
  Value v;
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    v = arith::ConstantIndexOp::create(b, loc, c.getValue());
  else if (auto s = dyn_cast<AffineSymbolExpr>(e))
    return symbols[s.getPosition()];
  else {
    auto bin = cast<AffineBinaryOpExpr>(e);
    Value x = size(bin.getLHS()), y = size(bin.getRHS());
    switch (e.getKind()) {
    case AffineExprKind::Add:
      v = arith::AddIOp::create(b, loc, x, y);
      break;
    case AffineExprKind::Mul:
      v = arith::MulIOp::create(b, loc, x, y);
      break;
    case AffineExprKind::FloorDiv:
      v = arith::FloorDivSIOp::create(b, loc, x, y);
      break;
    case AffineExprKind::CeilDiv:
      v = arith::CeilDivSIOp::create(b, loc, x, y);
      break;
    default: {
      Value q = arith::FloorDivSIOp::create(b, loc, x, y);
      v = arith::SubIOp::create(b, loc, x, arith::MulIOp::create(b, loc, q, y));
    }
    }
  }
  if (b.getInsertionBlock() == home)
    sizes_[e] = v;
  return v;
}

Value Emitter::dim(Tensor t, unsigned axis) { return size(onnx::getDimExpr(t.type, axis)); }

SmallVector<OpFoldResult> Emitter::sizes(RankedTensorType type) {
  SmallVector<OpFoldResult> out;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (type.isDynamicDim(i))
      out.push_back(size(onnx::getDimExpr(type, i)));
    else
      out.push_back(b.getIndexAttr(type.getDimSize(i)));
  }
  return out;
}

Value Emitter::count(RankedTensorType type) {
  Value n = index(1);
  for (AffineExpr e : onnx::getDimExprs(type))
    n = arith::MulIOp::create(b, loc, n, size(e));
  return n;
}

Value Emitter::empty(RankedTensorType type) {
  return tensor::EmptyOp::create(b, loc, sizes(type), storageType(type.getElementType()));
}
Value Emitter::fill(RankedTensorType type, Value stored) {
  return linalg::FillOp::create(b, loc, stored, empty(type)).getResult(0);
}

Value Emitter::reshape(Tensor t, RankedTensorType to) {
  if (storageTensor(t.type) == storageTensor(to) && t.type.getNumDynamicDims() == 0)
    return t.value;
  SmallVector<Value> shape;
  for (AffineExpr e : onnx::getDimExprs(to))
    shape.push_back(size(e));
  auto shapeType = RankedTensorType::get({to.getRank()}, b.getIndexType());
  Value shapeTensor = to.getRank()
                          ? tensor::FromElementsOp::create(b, loc, shapeType, shape).getResult()
                          : tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{0}, b.getIndexType()).getResult();
  return tensor::ReshapeOp::create(b, loc, storageTensor(to), t.value, shapeTensor);
}

Value Emitter::at(Tensor t, ValueRange indices) {
  Scalar s(b, loc);
  return s.load(tensor::ExtractOp::create(b, loc, t.value, indices), t.element());
}

Value Emitter::atFlat(Tensor t, Value position) {
  SmallVector<Value> indices(t.rank());
  for (int64_t axis = t.rank() - 1; axis > 0; --axis) {
    Value n = dim(t, axis);
    indices[axis] = arith::RemUIOp::create(b, loc, position, n);
    position = arith::DivUIOp::create(b, loc, position, n);
  }
  if (t.rank())
    indices[0] = position;
  return at(t, indices);
}

Value Emitter::atBroadcast(Tensor t, RankedTensorType result, ValueRange indices) {
  SmallVector<Value> own;
  int64_t shift = result.getRank() - t.rank();
  for (int64_t i = 0; i < t.rank(); ++i) {
    AffineExpr have = onnx::getDimExpr(t.type, i);
    if (have == onnx::getDimExpr(result, i + shift)) {
      own.push_back(indices[i + shift]);
    } else if (isa<AffineConstantExpr>(have)) {
      own.push_back(index(0)); // a constant that is not the result's size is 1
    } else {
      Value one = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, size(have), index(1));
      own.push_back(arith::SelectOp::create(b, loc, one, index(0), indices[i + shift]));
    }
  }
  return at(t, own);
}

Value Emitter::generate(RankedTensorType result, IndexBody body) {
  Value init = empty(result);
  auto map = b.getMultiDimIdentityMap(result.getRank());
  SmallVector<utils::IteratorType> iterators(result.getRank(), utils::IteratorType::parallel);
  return linalg::GenericOp::create(b, loc, init.getType(), ValueRange{}, init, ArrayRef<AffineMap>{map}, iterators,
                                   [&](OpBuilder &nested, Location l, ValueRange) {
                                     OpBuilder::InsertionGuard guard(b);
                                     b.setInsertionPointToEnd(nested.getInsertionBlock());
                                     SmallVector<Value> indices;
                                     for (int64_t i = 0; i < result.getRank(); ++i)
                                       indices.push_back(linalg::IndexOp::create(b, l, i));
                                     Scalar s(b, l);
                                     Value v = body(s, indices);
                                     linalg::YieldOp::create(b, l, s.store(v, result.getElementType()));
                                   })
      .getResult(0);
}

Value Emitter::map(RankedTensorType result, ArrayRef<Access> inputs, Body body) {
  return elementwise(result, empty(result), inputs, false, body);
}

Value Emitter::update(Tensor t, ArrayRef<Access> inputs, Body body) {
  return elementwise(t.type, t.value, inputs, true, body);
}

Value Emitter::elementwise(RankedTensorType result, Value init, ArrayRef<Access> inputs, bool readsInit, Body body) {
  SmallVector<Value> ins;
  SmallVector<AffineMap> maps;
  for (const Access &a : inputs) {
    ins.push_back(a.tensor.value);
    maps.push_back(a.map);
  }
  maps.push_back(b.getMultiDimIdentityMap(result.getRank()));
  SmallVector<utils::IteratorType> iterators(result.getRank(), utils::IteratorType::parallel);
  return linalg::GenericOp::create(b, loc, init.getType(), ins, init, maps, iterators,
                                   [&](OpBuilder &nested, Location l, ValueRange args) {
                                     OpBuilder::InsertionGuard guard(b);
                                     b.setInsertionPointToEnd(nested.getInsertionBlock());
                                     Scalar s(b, l);
                                     SmallVector<Value> values;
                                     if (readsInit)
                                       values.push_back(s.load(args.back(), result.getElementType()));
                                     for (auto [arg, access] : llvm::zip(args.drop_back(), inputs))
                                       values.push_back(s.load(arg, access.tensor.element()));
                                     linalg::YieldOp::create(b, l, s.store(body(s, values), result.getElementType()));
                                   })
      .getResult(0);
}

Value Emitter::reduce(RankedTensorType result, AffineMap resultMap, ArrayRef<Access> inputs,
                      ArrayRef<utils::IteratorType> iterators, Value init, ReduceBody body) {
  Value start = tensor::EmptyOp::create(b, loc, sizes(result), init.getType());
  start = linalg::FillOp::create(b, loc, init, start).getResult(0);
  SmallVector<Value> ins;
  SmallVector<AffineMap> maps;
  for (const Access &a : inputs) {
    ins.push_back(a.tensor.value);
    maps.push_back(a.map);
  }
  maps.push_back(resultMap);
  return linalg::GenericOp::create(b, loc, start.getType(), ins, start, maps, iterators,
                                   [&](OpBuilder &nested, Location l, ValueRange args) {
                                     OpBuilder::InsertionGuard guard(b);
                                     b.setInsertionPointToEnd(nested.getInsertionBlock());
                                     Scalar s(b, l);
                                     SmallVector<Value> values;
                                     for (auto [arg, access] : llvm::zip(args.drop_back(), inputs))
                                       values.push_back(s.load(arg, access.tensor.element()));
                                     linalg::YieldOp::create(b, l, body(s, args.back(), values));
                                   })
      .getResult(0);
}

Value Emitter::toStorage(Value computed, RankedTensorType result) {
  Type element = result.getElementType();
  if (getElementTypeOrSelf(computed.getType()) == storageType(element))
    return computed;
  Value init = empty(result);
  SmallVector<AffineMap> maps(2, b.getMultiDimIdentityMap(result.getRank()));
  SmallVector<utils::IteratorType> iterators(result.getRank(), utils::IteratorType::parallel);
  return linalg::GenericOp::create(b, loc, init.getType(), computed, init, maps, iterators,
                                   [&](OpBuilder &nested, Location l, ValueRange args) {
                                     Scalar s(nested, l);
                                     linalg::YieldOp::create(nested, l, s.store(args[0], element));
                                   })
      .getResult(0);
}
