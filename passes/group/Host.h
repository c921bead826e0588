//===- Host.h - emitting host code ------------------------------*- C++ -*-===//
// Small vocabulary for ssm_generated_main: i64 arithmetic, pointers, calls of the runtime.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_GROUP_HOST_H
#define SSM_PASSES_GROUP_HOST_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace ssm {

class Host {
public:
  Host(mlir::ModuleOp module) : module(module), b(module.getContext()), loc(b.getUnknownLoc()) {}
  mlir::ModuleOp module;
  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::Block *entry = nullptr;

  mlir::Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::Type i64() { return b.getI64Type(); }
  mlir::Value constant(int64_t v) { return mlir::arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(v)); }
  mlir::Value constant32(int64_t v) { return mlir::arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(v)); }
  template <typename Op> mlir::Value binary(mlir::Value x, mlir::Value y) { return Op::create(b, loc, x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return binary<mlir::arith::MulIOp>(x, y); }
  mlir::Value add(mlir::Value x, mlir::Value y) { return binary<mlir::arith::AddIOp>(x, y); }
  mlir::Value compare(mlir::arith::CmpIPredicate p, mlir::Value x, mlir::Value y) {
    return mlir::arith::CmpIOp::create(b, loc, p, x, y);
  }
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y) { return mlir::arith::SelectOp::create(b, loc, c, x, y); }
  /// base + bytes.
  mlir::Value offset(mlir::Value base, mlir::Value bytes);
  mlir::Value offset(mlir::Value base, int64_t bytes) { return bytes ? offset(base, constant(bytes)) : base; }
  mlir::Value load(mlir::Type t, mlir::Value address) { return mlir::LLVM::LoadOp::create(b, loc, t, address); }
  void store(mlir::Value v, mlir::Value address) { mlir::LLVM::StoreOp::create(b, loc, v, address); }
  void copy(mlir::Value to, mlir::Value from, mlir::Value bytes) {
    mlir::LLVM::MemcpyOp::create(b, loc, to, from, bytes, false);
  }
  /// Stack space of the whole call, made once in the entry block.
  mlir::Value slot(int64_t bytes);
  /// Calls a C function, declared where it is first used; result may be null for void.
  mlir::Value call(llvm::StringRef name, mlir::Type result, mlir::ValueRange arguments);
  /// Address of a global with these bytes, 64-byte aligned.
  mlir::Value bytes(llvm::StringRef content, llvm::StringRef prefix);

private:
  llvm::StringMap<std::string> globals;
  llvm::StringMap<mlir::LLVM::LLVMFuncOp> functions; // a module's own lookup is linear in its functions
};

} // namespace ssm
#endif
