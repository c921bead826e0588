//===- ssmc.cpp - compile an ONNX model ------------------------------------===//
#include "lib/Driver/Compiler.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

namespace cl = llvm::cl;

int main(int argc, char **argv) {
  cl::OptionCategory output("Output"), target("Target");
  cl::opt<std::string> input(cl::Positional, cl::desc("MODEL.onnx"), cl::Required);
  cl::opt<std::string> out("o", cl::desc("library to write"), cl::value_desc("OUT"), cl::Required, cl::cat(output));
  cl::opt<std::string> emit("emit", cl::desc("what to write: onnx, ssm, linalg, llvm or lib"), cl::init("lib"),
                            cl::cat(output));
  cl::opt<std::string> report("report", cl::desc("write a JSON report"), cl::value_desc("FILE"), cl::cat(output));
  cl::opt<std::string> dump("dump-phases-to", cl::desc("write the IR after each phase"), cl::value_desc("DIR"),
                            cl::cat(output));
  cl::list<std::string> forms("form",
                              cl::desc("compute all mixers of a kind in one form, for example attention:online"),
                              cl::value_desc("KIND:FORM"), cl::cat(target));
  cl::opt<std::string> cpu("mcpu", cl::desc("native or an LLVM CPU name"), cl::init("native"), cl::cat(target));
  cl::opt<char> level("O", cl::desc("optimisation level, 0 to 3"), cl::Prefix, cl::init('3'), cl::cat(target));
  cl::HideUnrelatedOptions({&output, &target});
  cl::ParseCommandLineOptions(argc, argv, "ssmc: compile an ONNX model to a native library\n");
  if (emit != "onnx" && emit != "ssm" && emit != "linalg" && emit != "llvm" && emit != "lib") {
    llvm::errs() << "ssmc: unknown --emit=" << emit << "; onnx, ssm, linalg, llvm and lib are known\n";
    return 1;
  }
  if (level < '0' || level > '3') {
    llvm::errs() << "ssmc: unknown optimisation level -O" << level << "\n";
    return 1;
  }
  for (const std::string &form : forms)
    if (form.find(':') == std::string::npos) {
      llvm::errs() << "ssmc: --form=" << form << " is not KIND:FORM\n";
      return 1;
    }
  ssm::CompilerOptions options;
  options.forms.assign(forms.begin(), forms.end());
  options.input = input;
  options.output = out;
  options.emit = emit;
  options.report = report;
  options.dumpPhasesTo = dump;
  options.cpu.cpu = cpu;
  options.cpu.optLevel = level - '0';
  std::string self = llvm::sys::fs::getMainExecutable(argv[0], (void *)main);
  llvm::SmallString<256> runtime(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(runtime, "lib", "libssm_runtime.a");
  options.runtime = runtime.str().str();
  return ssm::compile(options);
}
