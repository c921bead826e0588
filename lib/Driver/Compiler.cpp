//===- Compiler.cpp - from a model file to a library -----------------------===//
// Runs the table of phases. The work is done in a thread with a large stack, because models nest deeply, and inside a
// crash recovery context, so that a crash still removes scratch files, writes the report and leaves a reproducer. A crash
// in another thread of the pool ends in a signal handler that does the same.
//===----------------------------------------------------------------------===//
#include "lib/Driver/Compiler.h"
#include "lib/Driver/Artefact.h"
#include "lib/Driver/IrFile.h"
#include "lib/Driver/Phases.h"
#include "lib/Driver/Registration.h"
#include "lib/Driver/Report.h"
#include "lib/Driver/VerifyRaise.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/ThreadPool.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include <chrono>
#include <unistd.h>

using namespace mlir;
using namespace ssm;

namespace {
constexpr unsigned kStackBytes = 256 << 20;
enum Status { kFine = 0, kUserError = 1, kInternalError = 2 };

/// What is left of a compilation that crashed.
struct Outcome {
  Report report;
  ScratchFiles scratch;
  int phase = 0; // the one that runs
};

class Compilation {
public:
  Compilation(const CompilerOptions &options, Outcome &outcome);
  Status run();

private:
  bool runPhase(const Phase &phase);
  bool passes(Operation *on, void (*build)(OpPassManager &, const CompilerOptions &));
  bool runPasses(const Phase &phase);
  Status finish(Status status, bool internal);

  const CompilerOptions &options;
  Outcome &outcome;
  std::unique_ptr<llvm::DefaultThreadPool> pool;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  bool agrees = true; // what was raised, with its source
  Artefact artefact;
  Diagnostics diagnostics;
};

Compilation::Compilation(const CompilerOptions &options, Outcome &outcome)
    : options(options), outcome(outcome), artefact(options, outcome.scratch),
      diagnostics(context, outcome.report, llvm::sys::path::filename(options.input)) {
  DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  if (options.threads != 1) {
    pool = std::make_unique<llvm::DefaultThreadPool>(llvm::hardware_concurrency(options.threads));
    context.setThreadPool(*pool);
  }
}

bool Compilation::passes(Operation *on, void (*build)(OpPassManager &, const CompilerOptions &)) {
  PassManager pm(&context, on->getName().getStringRef());
  pm.enableVerifier(false); // the phase verifies what it leaves
  build(pm, options);
  return succeeded(pm.run(on));
}

bool Compilation::runPasses(const Phase &phase) {
  ModuleOp dispatches = dispatchesOf(*module);
  if (phase.onModule) {
    // Passes on host code must not see the dispatches.
    if (dispatches)
      dispatches->remove();
    bool ok = passes(*module, phase.onModule);
    if (dispatches)
      module->push_back(dispatches);
    if (!ok)
      return false;
  }
  bool ok = !dispatches || !phase.onDispatches || passes(dispatches, phase.onDispatches);
  if (dispatches && phase.onEachDispatch) {
    PassManager pm(&context, func::FuncOp::getOperationName());
    pm.enableVerifier(false);
    phase.onEachDispatch(pm, options);
    for (func::FuncOp dispatch : llvm::make_early_inc_range(dispatches.getOps<func::FuncOp>()))
      ok &= succeeded(pm.run(dispatch));
  }
  return ok;
}

bool Compilation::runPhase(const Phase &phase) {
  if (llvm::sys::Process::StandardErrIsDisplayed())
    llvm::errs() << "\r\x1b[K" << phase.name << ": " << phase.description << "\r";
  auto start = std::chrono::steady_clock::now();
  bool ok;
  size_t number = &phase - phases().begin();
  std::optional<RaiseOrigin> origin;
  if (options.verifyRaise && phase.name == "raise")
    origin.emplace(*module);
  if (number == 0)
    ok = (bool)(module = importModel(context, options.input, outcome.report.nodes));
  else if (number < numIrPhases())
    ok = runPasses(phase);
  else if (number == numIrPhases())
    ok = succeeded(artefact.pack(*module));
  else
    ok = succeeded(artefact.link(*module));
  outcome.report.constants = artefact.constantBytes();
  if (ok && phase.verify)
    ok = succeeded(mlir::verify(*module)) && succeeded(phase.verify(*module));
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  outcome.report.phases.push_back({phase.name.str(), took.count()});
  if (llvm::sys::Process::StandardErrIsDisplayed())
    llvm::errs() << "\r\x1b[K";
  if (ok && phase.note)
    phase.note(*module, outcome.report);
  if (ok && origin)
    ok = agrees = verifyRaise(*origin, *module, options, outcome.scratch, outcome.report.verified.emplace());
  if (ok && number < numIrPhases() && !options.dumpPhasesTo.empty())
    ok = succeeded(dumpIr(*module, options.dumpPhasesTo + "/" + std::to_string(number) + "-" + phase.name.str() + ".mlir"));
  return ok;
}

Status Compilation::finish(Status status, bool internal) {
  diagnostics.flush(internal);
  return status;
}

Status Compilation::run() {
  if (options.remarks && failed(enableRemarks(context, *options.remarks)))
    return kUserError;
  if (!options.dumpPhasesTo.empty())
    if (auto ec = llvm::sys::fs::create_directories(options.dumpPhasesTo)) {
      llvm::errs() << "error: cannot make the folder '" << options.dumpPhasesTo << "': " << ec.message() << "\n";
      return kUserError;
    }
  int first = 0, last = phases().size() - 1;
  if (!options.compileFrom.empty()) {
    first = phaseNamed(options.compileFrom) + 1;
    outcome.phase = first;
    if (!(module = readIr(context, options.input)))
      return finish(kUserError, false);
  }
  bool writes = true; // the last phase leaves IR
  if (!options.compileTo.empty()) {
    last = phaseNamed(options.compileTo);
  } else if (options.emit != "obj" && options.emit != "lib") {
    last = llvm::find_if(phases(), [&](const Phase &p) { return p.emit == options.emit; }) - phases().begin();
  } else {
    writes = false;
  }
  for (outcome.phase = first; outcome.phase <= last; ++outcome.phase) {
    const Phase &phase = phases()[outcome.phase];
    if (runPhase(phase))
      continue;
    if (!agrees)
      return finish(kUserError, false);
    // Files that cannot be written are the user's to change; so are nodes that a phase refuses.
    bool refused = diagnostics.errors() && (phase.refusesNodes || outcome.phase >= (int)numIrPhases());
    return finish(refused ? kUserError : kInternalError, !refused);
  }
  if (writes && failed(writeIr(*module, options.output, options.writeWeights)))
    return finish(kUserError, false);
  return finish(kFine, false);
}

/// Says how to repeat a failure. The IR that the failing phase met is made anew by a second run, which stops before it.
void leaveReproducer(const CompilerOptions &options, int failing) {
  const Phase &phase = phases()[std::min<size_t>(failing, phases().size() - 1)];
  llvm::errs() << "error: internal error in phase '" << phase.name << "'; this is a mistake of the compiler\n";
  int first = options.compileFrom.empty() ? 0 : phaseNamed(options.compileFrom) + 1;
  std::string input = options.input, from = options.compileFrom;
  if (failing > first && !options.program.empty()) {
    std::string path = options.output + ".reproducer.mlir";
    std::string to = phases()[failing - 1].name.str();
    std::string flagTo = "--compile-to=" + to, flagFrom = "--compile-from=" + from;
    SmallVector<StringRef> arguments = {options.program, input, "-o", path, flagTo, "--no-weights", "--threads=1"};
    if (!from.empty())
      arguments.push_back(flagFrom);
    if (llvm::sys::ExecuteAndWait(options.program, arguments) == 0) {
      input = path;
      from = to;
    }
  }
  llvm::errs() << "to reproduce: ssmc " << input << (from.empty() ? "" : " --compile-from=" + from) << " -o " << options.output
               << (options.cpu.optLevel == 3 ? "" : " -O" + std::to_string(options.cpu.optLevel))
               << (options.cpu.cpu == "native" ? "" : " --mcpu=" + options.cpu.cpu) << "\n";
}

int conclude(const CompilerOptions &options, const Outcome &outcome, Status status) {
  if (status == kInternalError)
    leaveReproducer(options, outcome.phase);
  if (!options.report.empty())
    if (std::string reason = outcome.report.write(options.report); !reason.empty()) {
      llvm::errs() << "error: cannot write '" << options.report << "': " << reason << "\n";
      return std::max<int>(status, kUserError);
    }
  return status;
}

/// What the signal handler of a crash outside the recovery context needs.
struct Running {
  const CompilerOptions &options;
  const Outcome &outcome;
};
} // namespace

int ssm::compile(const CompilerOptions &options) {
  Outcome outcome;
  Status status = kInternalError;
  Running running{options, outcome};
  llvm::sys::AddSignalHandler(
      [](void *cookie) {
        auto *r = static_cast<Running *>(cookie);
        ::_exit(conclude(r->options, r->outcome, kInternalError));
      },
      &running);
  llvm::CrashRecoveryContext::Enable();
  llvm::CrashRecoveryContext recovery;
  bool ended = recovery.RunSafelyOnThread([&] { status = Compilation(options, outcome).run(); }, kStackBytes);
  llvm::CrashRecoveryContext::Disable();
  int code = conclude(options, outcome, status);
  if (!ended) {
    // Threads of the pool may still run, and what they use is in an unknown state: no destructors.
    outcome.scratch.removeAll();
    ::_exit(code);
  }
  return code;
}
