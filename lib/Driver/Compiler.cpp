//===- Compiler.cpp - from a model file to a library -----------------------===//
#include "lib/Driver/Compiler.h"
#include "lib/Driver/Model.h"
#include "lib/Driver/RaiseReport.h"
#include "lib/Driver/Registration.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "passes/fold/Passes.h"
#include "passes/group/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <chrono>
#include <unistd.h>

using namespace mlir;
using namespace ssm;

ArrayRef<Phase> ssm::phases() {
  static const Phase table[] = {{"import", "ONNX file into the onnx dialect"},
                                {"fold", "symbolic shapes, constants"},
                                {"raise", "sequence mixers in place of their spellings"},
                                {"group", "dispatches and the host function"},
                                {"lower", "dispatches on linalg, tensor, scf"},
                                {"target", "LLVM dialect"},
                                {"pack", "constants in the side file"},
                                {"link", "object and library"}};
  return table;
}

namespace {
/// One run of the compiler; every phase is timed and can be dumped.
class Compilation {
public:
  explicit Compilation(const CompilerOptions &options) : options(options) {}
  int run();

private:
  int phasesOf();
  template <typename Fn> bool phase(StringRef name, Fn body) {
    auto start = std::chrono::steady_clock::now();
    bool ok = body();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    times.push_back({name.str(), took.count()});
    if (ok && module && !options.dumpPhasesTo.empty())
      dump(options.dumpPhasesTo + "/" + std::to_string(times.size()) + "-" + name.str() + ".mlir");
    return ok;
  }
  bool passes(ModuleOp on, llvm::function_ref<void(OpPassManager &)> build) {
    PassManager pm(&context);
    pm.enableVerifier(false);
    build(pm);
    return succeeded(pm.run(on));
  }
  void dump(const std::string &path) {
    std::error_code ec;
    llvm::raw_fd_ostream os(path, ec);
    OpPrintingFlags flags;
    flags.elideLargeElementsAttrs(64);
    flags.elideLargeResourceString(64);
    flags.enableDebugInfo(false);
    if (!ec)
      module->print(os, flags);
  }
  bool emit(const std::string &library, const std::string &object);
  bool writeLibrary();
  bool writeSide(const std::string &path);
  void writeReport();

  const CompilerOptions &options;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  ImportReport report;
  ModelDescription model;
  std::vector<std::pair<std::string, double>> times;
  llvm::json::Array raisedOps, missedOps;
  int64_t sideBytes = 0;
  std::string sideHash;
};

bool Compilation::writeSide(const std::string &path) {
  auto side = (*module)->getAttrOfType<ArrayAttr>(kSideAttr);
  if (!side || side.empty())
    return true;
  uint64_t hash = 0;
  for (Attribute a : side)
    sideBytes += llvm::alignTo(StoredConstant(a).bytes(), 64);
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec)
    return emitError(module->getLoc()) << "cannot write '" << path << "': " << ec.message(), false;
  // The hash ties library and side file to one compilation; it covers sizes and the time, not every byte.
  SmallVector<uint64_t> facts = {(uint64_t)sideBytes, (uint64_t)side.size(), (uint64_t)::getpid(),
                                 (uint64_t)std::chrono::system_clock::now().time_since_epoch().count()};
  hash = llvm::xxh3_64bits(ArrayRef((const uint8_t *)facts.data(), facts.size() * 8));
  sideHash = llvm::utohexstr(hash, true, 16);
  std::string header;
  llvm::raw_string_ostream json(header);
  json << "{\"__metadata__\":{\"hash\":\"" << sideHash << "\"},\"constants\":{\"dtype\":\"U8\",\"shape\":[" << sideBytes
       << "],\"data_offsets\":[0," << sideBytes << "]}}";
  while ((header.size() + 8) % 64)
    header.push_back(' ');
  uint64_t length = header.size();
  os.write((const char *)&length, 8);
  os << header;
  for (Attribute a : side)
    StoredConstant(a).write(os);
  os.close();
  if (os.has_error())
    return emitError(module->getLoc()) << "cannot write '" << path << "': " << os.error().message(), false;
  (*module)->removeAttr(kSideAttr);
  return true;
}

bool Compilation::emit(const std::string &library, const std::string &object) {
  llvm::LLVMContext llvmContext;
  ModuleOp dispatches = module->lookupSymbol<ModuleOp>("dispatches");
  auto machine = translateModuleToLLVMIR(dispatches, llvmContext);
  dispatches.erase();
  auto host = translateModuleToLLVMIR(*module, llvmContext);
  if (!machine || !host)
    return false;
  // Dispatches are called by the host code only.
  if (llvm::Linker::linkModules(*host, std::move(machine)))
    return false;
  for (llvm::Function &f : *host)
    if (!f.isDeclaration() && f.getName().starts_with("dispatch_")) {
      f.setLinkage(llvm::GlobalValue::InternalLinkage);
      f.addFnAttr(llvm::Attribute::NoInline);
    }
  addModelDescription(*host, model, sideBytes, sideHash);
  if (failed(emitObject(*host, options.cpu, object, module->getLoc())))
    return false;
  return succeeded(linkLibrary({object}, options.runtime, library, module->getLoc()));
}

/// Both files are written under temporary names and appear together.
bool Compilation::writeLibrary() {
  std::string suffix = "." + std::to_string(::getpid()) + ".tmp";
  SmallString<256> sidePath(options.output);
  llvm::sys::path::replace_extension(sidePath, "safetensors");
  std::string library = options.output + suffix, side = (sidePath + suffix).str(),
              object = options.output + suffix + ".o";
  auto rename = [&](StringRef from, StringRef to) {
    auto ec = llvm::sys::fs::rename(from, to);
    if (ec)
      emitError(module->getLoc()) << "cannot write '" << to << "': " << ec.message();
    return !ec;
  };
  bool ok = phase("pack", [&] { return writeSide(side); }) && phase("link", [&] { return emit(library, object); }) &&
            (!sideBytes || rename(side, sidePath)) && rename(library, options.output);
  for (const std::string &f : {library, side, object})
    llvm::sys::fs::remove(f);
  return ok;
}

int Compilation::phasesOf() {
  if (!phase("import", [&] { return (bool)(module = importModel(context, options.input, report)); }))
    return 1;
  if (!phase("fold", [&] {
        return passes(*module, [](OpPassManager &pm) {
          pm.addPass(createInlineControlFlow());
          pm.addPass(createInferShapes());
          pm.addPass(createSimplifyGraph());
          pm.addNestedPass<func::FuncOp>(createCSEPass());
          pm.addPass(createFoldConstants());
          pm.addPass(createSimplifyGraph());
        });
      }))
    return 1;
  model = describeModel(*module);
  if (options.emit == "onnx")
    return dump(options.output), 0;
  bool raised = phase("raise", [&] { return passes(*module, buildRaisePipeline); });
  raisedOps = raisedEntries(*module);
  missedOps = missedEntries(*module);
  if (!raised)
    return 2;
  if (options.emit == "ssm")
    return dump(options.output), 0;
  (*module)->removeAttr(kMissedAttr);
  if (!phase("group", [&] {
        ChooseFormsOptions choice;
        choice.forms.assign(options.forms.begin(), options.forms.end());
        if (!passes(*module, [&](OpPassManager &pm) { pm.addPass(createChooseForms(choice)); }))
          return false;
        raisedOps = raisedEntries(*module); // with their forms
        return passes(*module, [](OpPassManager &pm) {
          pm.addPass(createNormaliseScans());
          pm.addPass(createPackWeights());
          pm.addPass(createFormDispatches());
          pm.addPass(createLowerGraph());
        });
      }))
    return 1;
  if (auto names = (*module)->removeAttr(kProfileAttr))
    for (Attribute name : cast<ArrayAttr>(names))
      model.profile.push_back(cast<StringAttr>(name).str());
  ModuleOp dispatches = module->lookupSymbol<ModuleOp>("dispatches");
  if (!phase("lower", [&] {
        return passes(dispatches, [](OpPassManager &pm) { pm.addNestedPass<func::FuncOp>(createLowerDispatch()); });
      }))
    return 1;
  if (options.emit == "linalg")
    return dump(options.output), 0;
  if (!phase("target", [&] {
        return passes(dispatches, buildDispatchPipeline) && [&] {
          // The host pipeline must not see the dispatches.
          dispatches->remove();
          bool ok = passes(*module, buildHostPipeline);
          module->push_back(dispatches);
          return ok;
        }();
      }))
    return 2;
  if (options.emit == "llvm")
    return dump(options.output), 0;
  return writeLibrary() ? 0 : 2;
}

void Compilation::writeReport() {
  if (options.report.empty())
    return;
  llvm::json::Array unsupported, timed;
  for (const UnsupportedNode &n : report.unsupported)
    unsupported.push_back(llvm::json::Object{{"node", llvm::json::fixUTF8(n.node)},
                                             {"domain", llvm::json::fixUTF8(n.domain)},
                                             {"operator", llvm::json::fixUTF8(n.op)},
                                             {"opset", n.opset},
                                             {"reason", llvm::json::fixUTF8(n.reason)}});
  for (auto &[name, seconds] : times)
    timed.push_back(llvm::json::Object{{"name", name}, {"seconds", seconds}});
  std::string temporary = options.report + ".tmp";
  std::error_code ec;
  {
    llvm::raw_fd_ostream os(temporary, ec);
    if (ec)
      return;
    os << llvm::formatv("{0:2}", llvm::json::Value(llvm::json::Object{
                                     {"raised", std::move(raisedOps)},
                                     {"missed", std::move(missedOps)},
                                     {"unsupported", std::move(unsupported)},
                                     {"phases", std::move(timed)},
                                     {"memory", llvm::json::Object{{"constants", sideBytes}, {"arena", 0}}}}))
       << "\n";
  }
  llvm::sys::fs::rename(temporary, options.report);
}

int Compilation::run() {
  DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  // One line per problem, with the node's name.
  ScopedDiagnosticHandler handler(&context, [](Diagnostic &d) {
    std::string where;
    d.getLocation()->walk([&](Location l) {
      if (auto name = dyn_cast<NameLoc>(l); name && where.empty())
        where = "node '" + name.getName().str() + "': ";
      if (auto file = dyn_cast<FileLineColLoc>(l); file && where.empty())
        where = file.getFilename().str() + ": ";
      return WalkResult::advance();
    });
    llvm::errs() << (d.getSeverity() == DiagnosticSeverity::Error ? "error: " : "") << where << d.str() << "\n";
    return success();
  });
  int status = phasesOf();
  writeReport();
  return status;
}
} // namespace

int ssm::compile(const CompilerOptions &options) { return Compilation(options).run(); }
