//===- DispatchAbi.cpp - machine signature of a dispatch -------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/target/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_DISPATCHABI
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {

Value sizeOf(AffineExpr e, ArrayRef<Value> symbols, OpBuilder &b, Location loc) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return LLVM::ConstantOp::create(b, loc, b.getI64Type(), b.getI64IntegerAttr(c.getValue()));
  if (auto s = dyn_cast<AffineSymbolExpr>(e))
    return symbols[s.getPosition()];
  auto bin = cast<AffineBinaryOpExpr>(e);
  Value x = sizeOf(bin.getLHS(), symbols, b, loc), y = sizeOf(bin.getRHS(), symbols, b, loc);
  switch (e.getKind()) {
  case AffineExprKind::Add: return arith::AddIOp::create(b, loc, x, y);
  case AffineExprKind::Mul: return arith::MulIOp::create(b, loc, x, y);
  case AffineExprKind::FloorDiv: return arith::FloorDivSIOp::create(b, loc, x, y);
  case AffineExprKind::CeilDiv: return arith::CeilDivSIOp::create(b, loc, x, y);
  default: return arith::SubIOp::create(b, loc, x, arith::MulIOp::create(b, loc, arith::FloorDivSIOp::create(b, loc, x, y), y));
  }
}

struct DispatchAbiPass : ssm::impl::DispatchAbiBase<DispatchAbiPass> {
  void runOnOperation() override {
    func::FuncOp f = getOperation();
    auto inputs = f->getAttrOfType<IntegerAttr>(kInputsAttr), outputs = f->getAttrOfType<IntegerAttr>(kOutputsAttr);
    if (!inputs || !outputs || !f->hasAttr(kDispatchAttr))
      return;
    MLIRContext *context = &getContext();
    LLVMTypeConverter converter(context);
    unsigned numIn = inputs.getInt(), numBuffers = numIn + outputs.getInt(), numArgs = f.getNumArguments();
    auto pointer = LLVM::LLVMPointerType::get(context);
    OpBuilder b(context);
    Location loc = f.getLoc();
    Block &entry = f.getBody().front();
    b.setInsertionPointToStart(&entry);
    SmallVector<Type> types(1 + numBuffers, pointer);
    types.append(numArgs - numBuffers, b.getI64Type());
    SmallVector<Value> fresh;
    for (Type t : types)
      fresh.push_back(entry.addArgument(t, loc));
    SmallVector<Value> symbols(fresh.begin() + 1 + numBuffers, fresh.end());
    for (unsigned i = 0; i < numBuffers; ++i) {
      auto type = cast<MemRefType>(f.getArgument(i).getType());
      AffineMap dims = f.getArgAttrOfType<AffineMapAttr>(i, kDimsAttr).getValue();
      SmallVector<Value> sizes;
      for (AffineExpr e : dims.getResults())
        sizes.push_back(sizeOf(e, symbols, b, loc));
      auto descriptor = MemRefDescriptor::poison(b, loc, converter.convertType(type));
      descriptor.setAllocatedPtr(b, loc, fresh[1 + i]);
      descriptor.setAlignedPtr(b, loc, fresh[1 + i]);
      descriptor.setConstantOffset(b, loc, 0);
      Value stride = LLVM::ConstantOp::create(b, loc, b.getI64Type(), b.getI64IntegerAttr(1));
      for (int64_t k = type.getRank() - 1; k >= 0; --k) {
        descriptor.setSize(b, loc, k, sizes[k]);
        descriptor.setStride(b, loc, k, stride);
        if (k)
          stride = arith::MulIOp::create(b, loc, stride, sizes[k]);
      }
      Value memref = UnrealizedConversionCastOp::create(b, loc, type, Value(descriptor)).getResult(0);
      f.getArgument(i).replaceAllUsesWith(memref);
    }
    for (unsigned i = numBuffers; i < numArgs; ++i)
      f.getArgument(i).replaceAllUsesWith(
          arith::IndexCastOp::create(b, loc, b.getIndexType(), symbols[i - numBuffers]));
    entry.eraseArguments(0, numArgs);
    f.removeArgAttrsAttr();
    f.setFunctionType(b.getFunctionType(types, {}));
    for (unsigned i = 1; i <= numBuffers; ++i) {
      f.setArgAttr(i, "llvm.noalias", b.getUnitAttr());
      if (i <= numIn)
        f.setArgAttr(i, "llvm.readonly", b.getUnitAttr());
    }
    f.setPublic();
    for (StringRef name : {StringRef(kDispatchAttr), StringRef(kInputsAttr), StringRef(kOutputsAttr)})
      f->removeAttr(name);
  }
};
} // namespace
