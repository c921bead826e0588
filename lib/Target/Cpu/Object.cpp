//===- Object.cpp - objects and libraries for the CPU ----------------------===//
#include "lib/Target/Cpu/Cpu.h"
#include "lib/Target/Cpu/ShareCode.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ssm;

/// Networks have far fewer: equal operators share a function.
constexpr int64_t kManyFunctions = 500;

LogicalResult ssm::emitObject(llvm::Module &module, const CpuOptions &options, StringRef path, Location loc) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error, cpu = options.cpu, features;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return emitError(loc) << error;
  if (cpu == "native") {
    cpu = llvm::sys::getHostCPUName();
    for (const auto &f : llvm::sys::getHostCPUFeatures())
      features += (features.empty() ? "" : ",") + std::string(f.second ? "+" : "-") + f.first().str();
  }
  std::unique_ptr<llvm::MCSubtargetInfo> known(target->createMCSubtargetInfo(triple, "", ""));
  if (known && !known->isCPUStringValid(cpu)) {
    emitWarning(loc) << "unknown processor '" << cpu << "'; compiling for any " << triple.getArchName();
    cpu = "generic";
    features.clear();
  }
  auto level = options.optLevel == 0   ? llvm::CodeGenOptLevel::None
               : options.optLevel == 1 ? llvm::CodeGenOptLevel::Less
               : options.optLevel == 2 ? llvm::CodeGenOptLevel::Default
                                       : llvm::CodeGenOptLevel::Aggressive;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(triple, cpu, features, llvm::TargetOptions(),
                                                                           llvm::Reloc::PIC_, std::nullopt, level));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  for (llvm::Function &f : module) {
    if (f.isDeclaration())
      continue;
    f.addFnAttr("target-cpu", cpu);
    f.addFnAttr("target-features", features);
    f.addFnAttr("prefer-vector-width", "512");
    f.addFnAttr(llvm::Attribute::NoUnwind);
  }
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = options.optLevel > 1;
  tuning.LoopInterleaving = options.optLevel > 1;
  // Copies of loop bodies are most of what LLVM works on; a graph of very many different operators goes without them.
  auto hasManyFunctions = [&] {
    return llvm::count_if(module, [](const llvm::Function &f) { return !f.isDeclaration(); }) > kManyFunctions;
  };
  if (hasManyFunctions())
    shareCode(module);
  if (hasManyFunctions())
    tuning.LoopUnrolling = tuning.LoopInterleaving = tuning.SLPVectorization = false;
  llvm::PassBuilder builder(machine.get(), tuning);
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cam;
  llvm::ModuleAnalysisManager mam;
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cam, mam);
  auto passLevel = options.optLevel == 0   ? llvm::OptimizationLevel::O0
                   : options.optLevel == 1 ? llvm::OptimizationLevel::O1
                                           : llvm::OptimizationLevel::O2;
  auto pipeline = options.optLevel == 0 ? builder.buildO0DefaultPipeline(passLevel)
                                        : builder.buildPerModuleDefaultPipeline(passLevel);
  pipeline.run(module, mam);
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec)
    return emitError(loc) << "cannot write '" << path << "': " << ec.message();
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, os, nullptr, llvm::CodeGenFileType::ObjectFile))
    return emitError(loc) << "the target cannot write objects";
  codegen.run(module);
  return success();
}

LogicalResult ssm::linkLibrary(ArrayRef<std::string> objects, StringRef runtime, StringRef output, Location loc) {
  std::string linker = SSM_LLD;
  if (!llvm::sys::fs::exists(linker)) {
    auto found = llvm::sys::findProgramByName("ld.lld");
    if (!found)
      return emitError(loc) << "the linker ld.lld is not installed";
    linker = *found;
  }
  SmallString<128> script, log;
  if (llvm::sys::fs::createTemporaryFile("ssm-exports", "map", script) ||
      llvm::sys::fs::createTemporaryFile("ssm-link", "log", log))
    return emitError(loc) << "cannot make a temporary file";
  {
    std::error_code ec;
    llvm::raw_fd_ostream os(script, ec);
    os << "{ global: ssm_abi_version; ssm_last_error; ssm_open; ssm_close; ssm_num_*; ssm_input; ssm_output; "
          "ssm_metadata; ssm_run; ssm_value_free; ssm_set_*; ssm_profile*; ssm_peak_bytes; local: *; };\n";
  }
  std::string version = ("--version-script=" + script).str(), omp = "-L" SSM_OMP_DIR;
  std::string builtins = SSM_LLVM_DIR "/lib/clang/22/lib/linux/libclang_rt.builtins-x86_64.a";
  SmallVector<StringRef> args = {linker, "-shared", "-z", "defs", "--gc-sections", version, "-o", output};
  args.append(objects.begin(), objects.end());
  args.append({"--whole-archive", runtime, "--no-whole-archive"});
  if (llvm::sys::fs::exists(builtins))
    args.push_back(builtins);
  args.append({omp, "-lomp", "-L/usr/lib/x86_64-linux-gnu", "-L/lib/x86_64-linux-gnu", "-lm", "-lc"});
  std::string error;
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(log), StringRef(log)};
  int rc = llvm::sys::ExecuteAndWait(linker, args, std::nullopt, redirects, 0, 0, &error);
  std::string text;
  if (auto buffer = llvm::MemoryBuffer::getFile(log))
    text = (*buffer)->getBuffer().str();
  llvm::sys::fs::remove(script);
  llvm::sys::fs::remove(log);
  if (rc)
    return emitError(loc) << "linking failed: " << error << text;
  return success();
}
