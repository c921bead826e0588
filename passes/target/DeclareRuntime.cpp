//===- DeclareRuntime.cpp - declarations of runtime and libm ----------------===//
// Passes on functions run in parallel and may not add symbols to the module; so all that they could call is declared
// first. ssm-lower-functions drops what stayed unused.
//===----------------------------------------------------------------------===//
#include "passes/target/Libm.h"
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_DECLARERUNTIME
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
struct DeclareRuntime : ssm::impl::DeclareRuntimeBase<DeclareRuntime> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *ctx = &getContext();
    SymbolTable symbols(module);
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    auto ptr = LLVM::LLVMPointerType::get(ctx);
    Type i64 = b.getI64Type(), none = LLVM::LLVMVoidType::get(ctx);
    auto declare = [&](StringRef name, Type result, ArrayRef<Type> args) {
      if (!symbols.lookup(name))
        LLVM::LLVMFuncOp::create(b, module.getLoc(), name, LLVM::LLVMFunctionType::get(result, args));
    };
    declare("ssmrt_alloc", ptr, {ptr, i64});
    declare("ssmrt_free", none, {ptr, ptr});
    declare("ssmrt_parallel_for", none, {ptr, i64, ptr, ptr});
    for (const ssm::LibmFunction &f : ssm::libmFunctions())
      for (Type type : {Type(b.getF32Type()), Type(b.getF64Type())})
        declare(ssm::libmName(f, type), type, SmallVector<Type>(f.operands, type));
  }
};
} // namespace
