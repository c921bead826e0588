//===- Host.cpp - emitting host code ---------------------------------------===//
#include "passes/group/Host.h"

using namespace mlir;
using namespace ssm;

Value Host::offset(Value base, Value bytes) {
  return LLVM::GEPOp::create(b, loc, ptr(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{bytes});
}

Value Host::slot(int64_t bytes) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(entry);
  Value n = constant(bytes);
  return LLVM::AllocaOp::create(b, loc, ptr(), b.getI8Type(), n, 64);
}

Value Host::call(StringRef name, Type result, ValueRange arguments) {
  LLVM::LLVMFuncOp &function = functions[name];
  if (!function) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    Type r = result ? result : LLVM::LLVMVoidType::get(b.getContext());
    function = LLVM::LLVMFuncOp::create(b, loc, name,
                                        LLVM::LLVMFunctionType::get(r, SmallVector<Type>(arguments.getTypes())));
  }
  auto op = LLVM::CallOp::create(b, loc, function, arguments);
  return result ? op.getResult() : Value();
}

Value Host::bytes(StringRef content, StringRef prefix) {
  std::string &name = globals[content];
  if (name.empty()) {
    name = (prefix + "_" + Twine(globals.size())).str();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), content.size());
    LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name, b.getStringAttr(content), 64);
  }
  return LLVM::AddressOfOp::create(b, loc, ptr(), name);
}
