//===- Artefact.cpp - objects and libraries of a compiled module -----------===//
#include "lib/Driver/Artefact.h"
#include "lib/Driver/Model.h"
#include "lib/Driver/Phases.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/xxhash.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "passes/group/Passes.h"
#include <chrono>
#include <unistd.h>

using namespace mlir;
using namespace ssm;

void ScratchFiles::removeAll() {
  for (const std::string &path : paths) {
    llvm::sys::fs::remove(path);
    llvm::sys::DontRemoveFileOnSignal(path);
  }
  paths.clear();
}

std::string ScratchFiles::add(const Twine &path) {
  paths.push_back(path.str());
  llvm::sys::RemoveFileOnSignal(paths.back());
  return paths.back();
}

static LogicalResult cannotWrite(Location loc, StringRef path, std::error_code ec) {
  return emitError(loc) << "cannot write '" << path << "': " << ec.message();
}

static std::string scratchSuffix() { return "." + std::to_string(::getpid()) + ".tmp"; }

LogicalResult Artefact::pack(ModuleOp module) {
  auto constants = module->getAttrOfType<ArrayAttr>(kSideAttr);
  if (!constants || constants.empty())
    return success();
  for (Attribute a : constants)
    sideBytes += llvm::alignTo(StoredConstant(a).bytes(), 64);
  side = scratch.add(options.output + ".safetensors" + scratchSuffix());
  std::error_code ec;
  llvm::raw_fd_ostream os(side, ec);
  if (ec)
    return cannotWrite(module.getLoc(), side, ec);
  // The hash ties library and side file to one compilation; it covers sizes and the time, not every byte.
  SmallVector<uint64_t> facts = {(uint64_t)sideBytes, (uint64_t)constants.size(), (uint64_t)::getpid(),
                                 (uint64_t)std::chrono::system_clock::now().time_since_epoch().count()};
  uint64_t hash = llvm::xxh3_64bits(ArrayRef((const uint8_t *)facts.data(), facts.size() * 8));
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
  for (Attribute a : constants)
    StoredConstant(a).write(os);
  os.close();
  if (os.has_error()) {
    ec = os.error();
    os.clear_error();
    return cannotWrite(module.getLoc(), side, ec);
  }
  module->removeAttr(kSideAttr);
  return success();
}

LogicalResult Artefact::writeObject(ModuleOp module, StringRef path) {
  llvm::LLVMContext context;
  ModelDescription model = recordedModel(module);
  ModuleOp dispatches = dispatchesOf(module);
  auto machine = translateModuleToLLVMIR(dispatches, context);
  dispatches.erase();
  auto host = translateModuleToLLVMIR(module, context);
  if (!machine || !host || llvm::Linker::linkModules(*host, std::move(machine)))
    return failure();
  // Dispatches and pieces of the host code are called by the host code only.
  for (llvm::Function &f : *host)
    if (!f.isDeclaration() && (f.getName().starts_with("dispatch_") || f.getName().starts_with(kHostPiecePrefix))) {
      f.setLinkage(llvm::GlobalValue::InternalLinkage);
      f.addFnAttr(llvm::Attribute::NoInline);
      // Calls in a row leave nothing to optimise: 20,000 nodes take 5.1 s of processor time with it and run no faster.
      if (f.getName().starts_with(kHostPiecePrefix))
        f.addFnAttr(llvm::Attribute::OptimizeNone);
    }
  addModelDescription(*host, model, sideBytes, sideHash);
  return emitObject(*host, options.cpu, path, module.getLoc());
}

LogicalResult Artefact::link(ModuleOp module) {
  Location loc = module.getLoc();
  std::string made = scratch.add(options.output + scratchSuffix() + ".o");
  if (failed(writeObject(module, made)))
    return failure();
  if (options.emit != "obj") {
    std::string library = scratch.add(options.output + scratchSuffix());
    if (failed(linkLibrary({made}, options.runtime, library, loc)))
      return failure();
    made = library;
  }
  SmallString<256> sidePath(options.output);
  llvm::sys::path::replace_extension(sidePath, "safetensors");
  if (sideBytes)
    if (auto ec = llvm::sys::fs::rename(side, sidePath))
      return cannotWrite(loc, sidePath, ec);
  if (auto ec = llvm::sys::fs::rename(made, options.output)) {
    if (sideBytes)
      llvm::sys::fs::remove(sidePath);
    return cannotWrite(loc, options.output, ec);
  }
  return success();
}
