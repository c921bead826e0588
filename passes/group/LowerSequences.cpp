//===- LowerSequences.cpp - sequences and optionals into host code ------- ===//
// Both are values of the runtime, which keeps them until the call ends.
//===----------------------------------------------------------------------===//
#include "passes/group/GraphLowering.h"
#include "passes/lower/Scalar.h"

using namespace mlir;
using namespace ssm;

LogicalResult GraphLowering::emitSequence(Operation *op) {
  StringRef name = op->getName().stripDialect();
  Value r = op->getNumResults() ? op->getResult(0) : Value();
  auto insert = [&](Value sequence, Value position, Value v) {
    auto t = cast<RankedTensorType>(v.getType());
    h.call("ssmrt_sequence_insert", {}, {rt, sequence, position, h.constant32(onnxDtype(t.getElementType())),
                                         h.constant32(t.getRank()), dimsArray(t), pointer(v)});
  };
  auto position = [&](Value v) { // a scalar of int32 or int64
    Type t = cast<TensorType>(v.getType()).getElementType();
    Value p = h.load(storageType(t), pointer(v));
    return t.isInteger(64) ? p : arith::ExtSIOp::create(h.b, h.loc, h.i64(), p).getResult();
  };
  Value append = h.constant(INT64_MAX);
  if (name == "SequenceEmpty" || name == "SequenceConstruct") {
    pointers[r] = h.call("ssmrt_sequence_new", h.ptr(), {rt});
    for (Value v : op->getOperands())
      insert(pointers[r], append, v);
    return success();
  }
  if (name == "SequenceInsert" || name == "SequenceErase") {
    bool isInsert = name == "SequenceInsert";
    pointers[r] = h.call("ssmrt_sequence_copy", h.ptr(), {rt, pointer(op->getOperand(0))});
    Value at = op->getOperand(isInsert ? 2 : 1);
    Value where = onnx::isNone(at) ? (isInsert ? append : h.constant(-1)) : position(at);
    if (isInsert)
      insert(pointers[r], where, op->getOperand(1));
    else
      h.call("ssmrt_sequence_erase", {}, {rt, pointers[r], where});
    return success();
  }
  if (name == "SequenceAt") {
    adopt(r, h.call("ssmrt_sequence_at", h.ptr(), {rt, pointer(op->getOperand(0)), position(op->getOperand(1))}));
    return success();
  }
  if (name == "SequenceLength") {
    Value buffer = allocate(h.constant(8));
    h.store(h.load(h.i64(), h.offset(pointer(op->getOperand(0)), kShapeOffset)), buffer);
    setOwned(r, buffer);
    return success();
  }
  if (name == "ConcatFromSequence") {
    adopt(r, h.call("ssmrt_sequence_concat", h.ptr(), {rt, pointer(op->getOperand(0)), h.constant(onnx::intAttr(op, "axis")),
                                                     h.constant(onnx::intAttr(op, "new_axis"))}));
    return success();
  }
  if (name == "SplitToSequence") {
    Value x = op->getOperand(0), split = op->getOperand(1);
    auto t = cast<RankedTensorType>(x.getType());
    Value sizes = h.slot(8), n = h.constant(-1);
    if (!onnx::isNone(split)) {
      auto st = cast<RankedTensorType>(split.getType());
      n = st.getRank() ? count(st) : h.constant(0); // 0: one size for all parts
      sizes = pointer(split);
    }
    pointers[r] = h.call("ssmrt_sequence_split", h.ptr(),
                         {rt, h.constant32(onnxDtype(t.getElementType())), h.constant32(t.getRank()), dimsArray(t), pointer(x),
                          h.constant(onnx::intAttr(op, "axis")), n, sizes, h.constant(onnx::intAttr(op, "keepdims", 1))});
    return success();
  }
  if (name.starts_with("Optional"))
    return emitOptional(op);
  return op->emitError("operator ") << name << " is not supported";
}


void GraphLowering::adopt(Value v, Value element) {
  auto t = cast<RankedTensorType>(v.getType());
  int64_t rank = t.getRank();
  Value expected = h.slot(8 * std::max<int64_t>(1, rank));
  for (int64_t i = 0; i < rank; ++i)
    h.store(h.constant(t.isDynamicDim(i) ? -1 : t.getDimSize(i)), h.offset(expected, 8 * i));
  h.call("ssmrt_expect_tensor", {}, {rt, element, h.constant32(onnxDtype(t.getElementType())), h.constant32(rank), expected});
  SmallVector<Value> dims;
  for (int64_t i = 0; i < rank; ++i)
    dims.push_back(h.load(h.i64(), h.offset(element, kShapeOffset + 8 * i)));
  runtimeDims[v] = dims;
  pointers[v] = h.load(h.ptr(), h.offset(element, kDataOffset)); // the runtime's, until the call ends
}

Value GraphLowering::as(Type type, Value v) {
  auto t = dyn_cast<RankedTensorType>(v.getType());
  if (!t || !isa<onnx::OptionalType>(type))
    return pointer(v);
  Value box = h.call("ssmrt_sequence_new", h.ptr(), {rt});
  h.call("ssmrt_sequence_insert", {}, {rt, box, h.constant(0), h.constant32(onnxDtype(t.getElementType())), h.constant32(t.getRank()),
                                       dimsArray(t), pointer(v)});
  return h.call("ssmrt_sequence_at", h.ptr(), {rt, box, h.constant(0)});
}

LogicalResult GraphLowering::emitOptional(Operation *op) {
  StringRef name = op->getName().stripDialect();
  Value r = op->getResult(0), x = op->getNumOperands() ? op->getOperand(0) : Value();
  bool absent = !x || onnx::isNone(x);
  if (name == "Optional") {
    pointers[r] = absent ? h.bytes(std::string(kValueBytes, '\0'), "ssm_absent") : as(r.getType(), x);
    return success();
  }
  auto kind = [&] { return h.load(h.b.getI32Type(), pointer(x)); };
  if (name == "OptionalHasElement") {
    Value has = arith::ConstantOp::create(h.b, h.loc, h.b.getBoolAttr(!absent));
    if (!absent && isa<onnx::OptionalType>(x.getType()))
      has = h.compare(Pred::ne, kind(), h.constant32(0));
    Value buffer = allocate(h.constant(1));
    h.store(arith::ExtUIOp::create(h.b, h.loc, h.b.getI8Type(), has), buffer);
    setOwned(r, buffer);
    return success();
  }
  Value wide = arith::ExtSIOp::create(h.b, h.loc, h.i64(), kind());
  fail(h.compare(Pred::eq, wide, h.constant(0)), "node '" + nodeName(op->getLoc()) + "': the optional has no element", wide, wide);
  if (isa<RankedTensorType>(r.getType()))
    adopt(r, pointer(x));
  else
    pointers[r] = pointer(x);
  return success();
}
