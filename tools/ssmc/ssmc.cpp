//===- ssmc.cpp - compile an ONNX model ------------------------------------===//
// Reads the flags. Everything else is lib/Driver.
//===----------------------------------------------------------------------===//
#include "lib/Driver/CompareSides.h"
#include "lib/Driver/Phases.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"

namespace cl = llvm::cl;
using llvm::StringRef;

namespace {
struct Flags {
  cl::OptionCategory output{"Output"}, phases{"Phases"}, code{"Code"}, reports{"Reports"};
  cl::opt<std::string> input{cl::Positional, cl::desc("MODEL.onnx"), cl::Required};
  cl::opt<std::string> out{"o", cl::desc("file to write"), cl::value_desc("OUT"), cl::Required, cl::cat(output)};
  cl::opt<std::string> emit{"emit", cl::value_desc("KIND"), cl::init("lib"), cl::cat(output),
                            cl::desc("what to write: onnx, ssm, linalg, llvm (IR), obj or lib (default)")};
  cl::opt<bool> noWeights{"no-weights", cl::cat(output),
                          cl::desc("leave weights out of written IR; they read as zeros")};
  cl::opt<std::string> to{"compile-to", cl::value_desc("PHASE"), cl::cat(phases),
                          cl::desc("write the IR that PHASE leaves, with its weights beside it "
                                   "(bytecode when OUT ends in .mlirbc)")};
  cl::opt<std::string> from{"compile-from", cl::value_desc("PHASE"), cl::cat(phases),
                            cl::desc("the input is what --compile-to=PHASE wrote")};
  cl::opt<std::string> dump{"dump-phases-to", cl::value_desc("DIR"), cl::cat(phases),
                            cl::desc("write the IR after each phase, to look at")};
  cl::opt<std::string> target{"target", cl::value_desc("NAME"), cl::init("cpu"), cl::cat(code),
                              cl::desc("what to compile for: cpu")};
  cl::opt<std::string> cpu{"mcpu", cl::value_desc("NAME"), cl::init("native"), cl::cat(code),
                           cl::desc("native (default) or LLVM's name of a processor")};
  cl::opt<char> level{"O", cl::desc("optimisation level, 0 to 3 (default)"), cl::Prefix, cl::init('3'), cl::cat(code)};
  cl::opt<int> threads{"threads", cl::value_desc("N"), cl::init(0), cl::cat(code),
                       cl::desc("threads of the compiler; 0 (default): one for each core")};
  cl::list<std::string> forms{"form", cl::value_desc("KIND:FORM"), cl::cat(code),
                              cl::desc("compute all mixers of a kind in one form, for example attention:online")};
  cl::opt<bool> noRaise{"no-raise", cl::cat(code),
                        cl::desc("compile the operators as they are, without looking for sequence mixers in them")};
  cl::opt<bool> verifyRaise{"verify-raise", cl::cat(reports),
                            cl::desc("run what was raised against the operators it replaces, in float64; "
                                     "a disagreement is an error")};
  cl::opt<bool> compareSides{"compare-sides", cl::ReallyHidden, cl::cat(reports),
                             cl::desc("the child process of --verify-raise: the input is its plan")};
  cl::opt<std::string> report{"report", cl::value_desc("FILE"), cl::cat(reports), cl::desc("write a JSON report")};
  cl::opt<std::string> remarks{"remarks", cl::value_desc("REGEX"), cl::ValueOptional, cl::cat(reports),
                               cl::desc("say what was fused and what was missed, for categories that match")};
};

int fail(const llvm::Twine &message) {
  llvm::errs() << "ssmc: " << message << "\n";
  return 1;
}

/// Names that --emit takes: what the phases call their IR, obj and lib.
std::string emitNames() {
  std::string text = "obj";
  for (const ssm::Phase &phase : ssm::phases())
    if (!phase.emit.empty())
      text += ", " + phase.emit.str();
  return text;
}
} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::setBugReportMsg("");
  // LLVM's library brings options of its own tools along; one of them has a name of ours.
  if (cl::Option *foreign = cl::getRegisteredOptions().lookup("threads"))
    foreign->removeArgument();
  Flags flags;
  cl::HideUnrelatedOptions({&flags.output, &flags.phases, &flags.code, &flags.reports});
  std::string overview = "compile an ONNX model to a native library\n\nPhases:\n";
  for (const ssm::Phase &phase : ssm::phases())
    overview += llvm::formatv("  {0,-10} {1}\n", phase.name, phase.description).str();
  if (!cl::ParseCommandLineOptions(argc, argv, overview, &llvm::errs()))
    return 1;
  if (flags.compareSides)
    return ssm::compareSides(flags.input, flags.out);
  if (flags.emit != "obj" && llvm::none_of(ssm::phases(), [&](const ssm::Phase &p) { return p.emit == flags.emit; }))
    return fail("unknown --emit=" + flags.emit + "; known: " + emitNames());
  if (flags.level < '0' || flags.level > '3')
    return fail("unknown optimisation level -O" + llvm::Twine(flags.level.getValue()) + "; 0 to 3 are known");
  if (flags.target != "cpu")
    return fail("unknown --target=" + flags.target + "; known: cpu");
  if (flags.threads < 0 || flags.threads > 1024)
    return fail("--threads=" + llvm::Twine(flags.threads) + " is not between 0 and 1024");
  for (const std::string &name : {flags.to.getValue(), flags.from.getValue()})
    if (!name.empty() && ssm::phaseNamed(name) < 0)
      return fail("unknown phase '" + name + "'; phases: " + ssm::phaseNames());
  for (const std::string &name : {flags.to.getValue(), flags.from.getValue()})
    if (ssm::phaseNamed(name) >= (int)ssm::numIrPhases())
      return fail("phase '" + name + "' leaves no IR");
  if (flags.noRaise && flags.verifyRaise)
    return fail("--no-raise and --verify-raise exclude each other");
  if (!flags.to.empty() && flags.emit.getNumOccurrences())
    return fail("--emit and --compile-to exclude each other");
  for (const std::string &form : flags.forms)
    if (form.find(':') == std::string::npos)
      return fail("--form=" + form + " is not KIND:FORM");
  std::string error;
  if (!flags.remarks.empty() && !llvm::Regex(flags.remarks).isValid(error))
    return fail("--remarks=" + flags.remarks + ": " + error);

  ssm::CompilerOptions options;
  options.program = llvm::sys::fs::getMainExecutable(argv[0], (void *)main);
  options.input = flags.input;
  options.output = flags.out;
  options.emit = flags.emit;
  options.compileTo = flags.to;
  options.compileFrom = flags.from;
  options.dumpPhasesTo = flags.dump;
  options.report = flags.report;
  options.raise = !flags.noRaise;
  options.verifyRaise = flags.verifyRaise;
  options.forms.assign(flags.forms.begin(), flags.forms.end());
  if (flags.remarks.getNumOccurrences())
    options.remarks = flags.remarks.empty() ? ".*" : flags.remarks.getValue();
  options.threads = flags.threads;
  options.writeWeights = !flags.noWeights;
  options.cpu.cpu = flags.cpu;
  options.cpu.optLevel = flags.level - '0';
  llvm::SmallString<256> runtime(llvm::sys::path::parent_path(llvm::sys::path::parent_path(options.program)));
  llvm::sys::path::append(runtime, "lib", "libssm_runtime.a");
  options.runtime = runtime.str().str();
  return ssm::compile(options);
}
