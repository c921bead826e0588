//===- Jit.cpp - dispatches as code of this process ------------------------===//
// Every dispatch gets an entry point that takes its arguments from an array, since their number is known at run time
// only. What dispatches ask of the runtime is given here: memory, and parallel loops, which run on the calling thread.
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/Jit.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;
using namespace ssm;

static void *allocate(void *, int64_t bytes) {
  return std::aligned_alloc(64, (std::max<int64_t>(bytes, 1) + 63) / 64 * 64);
}
static void release(void *, void *buffer) { std::free(buffer); }
static void sequentialFor(void *, int64_t count, void (*body)(void *, int64_t, int64_t), void *args) {
  if (count > 0)
    body(args, 0, count);
}

struct DispatchJit::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

DispatchJit::DispatchJit() : state(std::make_unique<State>()) {}
DispatchJit::~DispatchJit() = default;

static std::string entryName(StringRef dispatch) { return ("run." + dispatch).str(); }

/// void run.NAME(void **buffers): the call state is null, sizes are static.
static void addEntry(llvm::Function &f) {
  llvm::LLVMContext &c = f.getContext();
  auto *ptr = llvm::PointerType::get(c, 0);
  auto *entry = llvm::Function::Create(llvm::FunctionType::get(llvm::Type::getVoidTy(c), {ptr}, false),
                                       llvm::Function::ExternalLinkage, entryName(f.getName()), f.getParent());
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(c, "", entry));
  llvm::SmallVector<llvm::Value *> arguments = {llvm::ConstantPointerNull::get(ptr)};
  for (unsigned i = 1; i < f.arg_size(); ++i)
    arguments.push_back(b.CreateLoad(ptr, b.CreateConstGEP1_32(ptr, entry->getArg(0), i - 1)));
  b.CreateCall(&f, arguments);
  b.CreateRetVoid();
}

std::unique_ptr<DispatchJit> DispatchJit::create(ModuleOp dispatches, std::string &reason) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = translateModuleToLLVMIR(dispatches, *context);
  if (!module) {
    reason = "no LLVM IR";
    return nullptr;
  }
  auto failed = [&](llvm::Error e) {
    bool bad = (bool)e;
    llvm::handleAllErrors(std::move(e), [&](const llvm::ErrorInfoBase &info) { reason = info.message(); });
    return bad;
  };
  auto target = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!target)
    return failed(target.takeError()), nullptr;
  target->setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
  auto jit = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(*target).create();
  if (!jit)
    return failed(jit.takeError()), nullptr;
  (*jit)->getExecutionSession().setErrorReporter([](llvm::Error e) { llvm::consumeError(std::move(e)); });
  module->setDataLayout((*jit)->getDataLayout());
  module->setTargetTriple((*jit)->getTargetTriple());
  SmallVector<llvm::Function *> functions;
  for (llvm::Function &f : *module)
    if (!f.isDeclaration() && f.getName().starts_with("dispatch_") && !f.getName().contains('.') && !f.arg_empty() &&
        llvm::all_of(f.args(), [](llvm::Argument &a) { return a.getType()->isPointerTy(); }))
      functions.push_back(&f);
  for (llvm::Function *f : functions)
    addEntry(*f);
  llvm::orc::JITDylib &library = (*jit)->getMainJITDylib();
  auto process =
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess((*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return failed(process.takeError()), nullptr;
  library.addGenerator(std::move(*process));
  llvm::orc::SymbolMap runtime;
  auto add = [&](StringRef name, auto *function) {
    runtime[(*jit)->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                              llvm::JITSymbolFlags::Exported};
  };
  add("ssmrt_alloc", allocate);
  add("ssmrt_free", release);
  add("ssmrt_parallel_for", sequentialFor);
  if (failed(library.define(llvm::orc::absoluteSymbols(std::move(runtime)))))
    return nullptr;
  if (failed((*jit)->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context)))))
    return nullptr;
  std::unique_ptr<DispatchJit> made(new DispatchJit());
  made->state->jit = std::move(*jit);
  return made;
}

bool DispatchJit::run(StringRef name, ArrayRef<void *> buffers) {
  auto address = state->jit->lookup(entryName(name));
  if (!address) {
    llvm::consumeError(address.takeError());
    return false;
  }
  address->toPtr<void (*)(void *const *)>()(buffers.data());
  return true;
}
