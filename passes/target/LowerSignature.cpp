//===- LowerSignature.cpp - memref arguments to pointers ---------------------===//
// Expects: a bufferised dispatch in the form of docs/internals.md, section 4. Leaves: section 5, with descriptors built
// at the entry from pointers and symbols, so that LLVM sees sizes and strides and no descriptor crosses a call. Linear.
//===----------------------------------------------------------------------===//
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_LOWERSIGNATURE
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
Value toI64(OpBuilder &b, Location loc, Value v) { return arith::IndexCastOp::create(b, loc, b.getI64Type(), v); }

int64_t bytesOf(Type element) {
  if (auto c = dyn_cast<ComplexType>(element))
    return 2 * bytesOf(c.getElementType());
  return element.isIndex() ? 8 : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
}

/// A contiguous row-major memref of the given sizes over `pointer`.
Value describe(OpBuilder &b, Location loc, MemRefType type, Value pointer, ArrayRef<OpFoldResult> sizes) {
  MLIRContext *ctx = b.getContext();
  Type i64 = b.getI64Type();
  int64_t rank = type.getRank();
  SmallVector<Type> fields{pointer.getType(), pointer.getType(), i64};
  if (rank)
    fields.append(2, LLVM::LLVMArrayType::get(i64, rank));
  auto structType = LLVM::LLVMStructType::getLiteral(ctx, fields);
  auto constant = [&](int64_t v) -> Value { return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(v)); };
  Value d = LLVM::PoisonOp::create(b, loc, structType);
  auto insert = [&](Value v, ArrayRef<int64_t> at) { d = LLVM::InsertValueOp::create(b, loc, d, v, at); };
  insert(pointer, 0);
  insert(pointer, 1);
  insert(constant(0), 2);
  Value stride = constant(1);
  int64_t staticStride = 1;
  for (int64_t i = rank - 1; i >= 0; --i) {
    std::optional<int64_t> fixed = getConstantIntValue(sizes[i]);
    Value size = fixed ? constant(*fixed) : toI64(b, loc, cast<Value>(sizes[i]));
    insert(size, {3, i});
    insert(stride, {4, i});
    if (fixed && staticStride >= 0) {
      staticStride *= *fixed;
      stride = constant(staticStride);
    } else {
      staticStride = -1;
      stride = LLVM::MulOp::create(b, loc, stride, size);
    }
  }
  return UnrealizedConversionCastOp::create(b, loc, type, d).getResult(0);
}

struct LowerSignature : ssm::impl::LowerSignatureBase<LowerSignature> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (!func->hasAttr("ssm.dispatch"))
      return;
    if (failed(lowerArguments(func)))
      return signalPassFailure();
    lowerAllocations(func);
    func.setPublic();
  }

  LogicalResult lowerArguments(func::FuncOp func) {
    MLIRContext *ctx = &getContext();
    Location loc = func.getLoc();
    Block &entry = func.front();
    auto ptr = LLVM::LLVMPointerType::get(ctx);
    auto inputs = func->getAttrOfType<IntegerAttr>("ssm.inputs");
    if (!inputs || func.getNumResults())
      return func.emitOpError("is not a dispatch on destinations");
    unsigned count = entry.getNumArguments();
    OpBuilder b = OpBuilder::atBlockBegin(&entry);
    SmallVector<Type> types{ptr};
    SmallVector<DictionaryAttr> attrs{DictionaryAttr::get(ctx)};
    SmallVector<Value> symbols;
    SmallVector<Attribute> dims;
    for (unsigned i = 0; i < count; ++i) {
      dims.push_back(func.getArgAttr(i, "ssm.dims"));
      if (!isa<MemRefType>(entry.getArgument(i).getType())) {
        if (!entry.getArgument(i).getType().isIndex())
          return func.emitOpError("argument ") << i << " is neither a buffer nor a symbol";
        types.push_back(b.getI64Type());
        attrs.push_back(DictionaryAttr::get(ctx));
        continue;
      }
      types.push_back(ptr);
      NamedAttrList list;
      list.set("llvm.noalias", b.getUnitAttr());
      if (i < inputs.getInt())
        list.set("llvm.readonly", b.getUnitAttr());
      attrs.push_back(list.getDictionary(ctx));
    }
    for (Type type : types)
      entry.addArgument(type, loc);
    auto fresh = [&](unsigned i) { return entry.getArgument(count + 1 + i); };
    for (unsigned i = 0; i < count; ++i)
      if (!isa<MemRefType>(entry.getArgument(i).getType()))
        symbols.push_back(arith::IndexCastOp::create(b, loc, b.getIndexType(), fresh(i)));
    unsigned nextSymbol = 0;
    for (unsigned i = 0; i < count; ++i) {
      BlockArgument old = entry.getArgument(i);
      auto type = dyn_cast<MemRefType>(old.getType());
      if (!type) {
        old.replaceAllUsesWith(symbols[nextSymbol++]);
        continue;
      }
      SmallVector<OpFoldResult> sizes;
      auto map = dyn_cast_or_null<AffineMapAttr>(dims[i]);
      if (!type.hasStaticShape() && !map)
        return func.emitOpError("argument ") << i << " has dynamic sizes but no ssm.dims";
      if (map && map.getValue().getNumSymbols() > symbols.size())
        return func.emitOpError("argument ") << i << " names a symbol that is not an argument";
      for (int64_t d = 0; d < type.getRank(); ++d) {
        if (!type.isDynamicDim(d)) {
          sizes.push_back(b.getIndexAttr(type.getDimSize(d)));
          continue;
        }
        AffineMap m = map.getValue();
        SmallVector<OpFoldResult> operands;
        for (unsigned s = 0; s < m.getNumSymbols(); ++s)
          operands.push_back(symbols[s]);
        sizes.push_back(affine::makeComposedFoldedAffineApply(
            b, loc, AffineMap::get(0, m.getNumSymbols(), m.getResult(d)), operands));
      }
      Value buffer = describe(b, loc, type, fresh(i), sizes);
      // Inputs may be the same buffer; outputs and temporaries are never another one.
      if (i < inputs.getInt())
        buffer.getDefiningOp()->setAttr("ssm.input", b.getUnitAttr());
      old.replaceAllUsesWith(buffer);
    }
    entry.eraseArguments(0, count);
    func.setFunctionType(FunctionType::get(ctx, types, {}));
    func.setAllArgAttrs(attrs);
    return success();
  }

  void lowerAllocations(func::FuncOp func) {
    Value rt = func.getArgument(0);
    auto ptr = rt.getType();
    SmallVector<Operation *> ops;
    func.walk([&](Operation *op) {
      if (isa<memref::AllocOp, memref::DeallocOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      OpBuilder b(op);
      Location loc = op->getLoc();
      if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
        MemRefType type = alloc.getType();
        SmallVector<OpFoldResult> sizes = alloc.getMixedSizes();
        int64_t fixed = bytesOf(type.getElementType());
        for (int64_t d : type.getShape())
          fixed *= ShapedType::isDynamic(d) ? 1 : d;
        Value bytes = LLVM::ConstantOp::create(b, loc, b.getI64Type(), b.getI64IntegerAttr(fixed));
        for (Value size : alloc.getDynamicSizes())
          bytes = LLVM::MulOp::create(b, loc, bytes, toI64(b, loc, size));
        auto call = LLVM::CallOp::create(b, loc, TypeRange{ptr}, SymbolRefAttr::get(op->getContext(), "ssmrt_alloc"),
                                         ValueRange{rt, bytes});
        call.setResAttrsAttr(b.getArrayAttr(b.getDictionaryAttr(b.getNamedAttr("llvm.noalias", b.getUnitAttr()))));
        alloc.replaceAllUsesWith(describe(b, loc, type, call.getResult(), sizes));
      } else {
        Value buffer = cast<memref::DeallocOp>(op).getMemref();
        Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, buffer);
        Value pointer = LLVM::IntToPtrOp::create(b, loc, ptr, toI64(b, loc, address));
        LLVM::CallOp::create(b, loc, TypeRange{}, SymbolRefAttr::get(op->getContext(), "ssmrt_free"),
                             ValueRange{rt, pointer});
      }
      op->erase();
    }
  }
};
} // namespace
