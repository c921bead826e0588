//===- IrFile.cpp - IR of a phase in a file --------------------------------===//
#include "lib/Driver/IrFile.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace ssm;

static constexpr StringLiteral kWeightsAttr = "ssm.weights";
static constexpr StringLiteral kZeros = "zeros";

/// Every resource of the module by its key, in order of appearance.
static llvm::MapVector<StringRef, DenseResourceElementsAttr> resourcesOf(ModuleOp module) {
  llvm::MapVector<StringRef, DenseResourceElementsAttr> found;
  module->walk([&](Operation *op) {
    op->getAttrDictionary().walk([&](DenseResourceElementsAttr a) { found.insert({a.getRawHandle().getKey(), a}); });
  });
  return found;
}

/// Opens, writes and closes; a failure is an error at the module.
static LogicalResult write(ModuleOp module, StringRef path, llvm::function_ref<LogicalResult(llvm::raw_ostream &)> body) {
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (!ec) {
    if (failed(body(os)))
      return failure();
    os.close();
    ec = os.error();
    os.clear_error();
  }
  if (ec)
    return emitError(UnknownLoc::get(module.getContext())) << "cannot write '" << path << "': " << ec.message();
  return success();
}

static LogicalResult writeWeights(ModuleOp module, StringRef path,
                                  const llvm::MapVector<StringRef, DenseResourceElementsAttr> &resources) {
  llvm::json::Object header;
  int64_t end = 0;
  for (auto &[key, value] : resources) {
    int64_t size = value.getRawHandle().getBlob() ? value.getRawHandle().getBlob()->getData().size() : 0;
    header[llvm::json::fixUTF8(key)] = llvm::json::Object{
        {"dtype", "U8"}, {"shape", llvm::json::Array{size}}, {"data_offsets", llvm::json::Array{end, end + size}}};
    end += size;
  }
  std::string text = llvm::formatv("{0}", llvm::json::Value(std::move(header)));
  while ((text.size() + 8) % 64)
    text.push_back(' ');
  return write(module, path, [&](llvm::raw_ostream &os) {
    char length[8];
    llvm::support::endian::write64le(length, text.size());
    os.write(length, 8);
    os << text;
    for (auto &[key, value] : resources)
      if (auto *blob = value.getRawHandle().getBlob())
        os.write(blob->getData().data(), blob->getData().size());
    return success();
  });
}

/// Text without the section of resources, which the printer puts last.
static std::string textOf(ModuleOp module, bool locations) {
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  flags.elideLargeResourceString(16);
  if (!locations)
    flags.elideLargeElementsAttrs(64);
  flags.enableDebugInfo(locations);
  module->print(os, flags);
  if (size_t at = text.rfind("\n{-#"); at != std::string::npos)
    text.resize(at + 1);
  return text;
}

LogicalResult ssm::writeIr(ModuleOp module, StringRef path, bool weights) {
  auto resources = resourcesOf(module);
  module->removeAttr(kWeightsAttr);
  if (!resources.empty()) {
    SmallString<256> file(path);
    llvm::sys::path::replace_extension(file, "safetensors");
    if (weights && failed(writeWeights(module, file, resources)))
      return failure();
    StringRef name = weights ? llvm::sys::path::filename(file) : StringRef(kZeros);
    module->setAttr(kWeightsAttr, StringAttr::get(module.getContext(), name));
  }
  return write(module, path, [&](llvm::raw_ostream &os) {
    if (path.ends_with(".mlirbc")) {
      BytecodeWriterConfig config;
      config.setElideResourceDataFlag();
      return writeBytecodeToFile(module, os, config);
    }
    os << textOf(module, true);
    return success();
  });
}

LogicalResult ssm::dumpIr(ModuleOp module, StringRef path) {
  return write(module, path, [&](llvm::raw_ostream &os) {
    os << textOf(module, false);
    return success();
  });
}

static LogicalResult readWeights(ModuleOp module, StringRef path,
                                 const llvm::MapVector<StringRef, DenseResourceElementsAttr> &resources) {
  auto fail = [&](const Twine &reason) {
    return emitError(FileLineColLoc::get(module.getContext(), path, 0, 0)) << reason;
  };
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return fail("cannot be read: " + file.getError().message());
  std::shared_ptr<llvm::MemoryBuffer> buffer = std::move(*file);
  StringRef bytes = buffer->getBuffer();
  uint64_t length = bytes.size() < 8 ? UINT64_MAX : llvm::support::endian::read64le(bytes.data());
  if (length > bytes.size() - 8)
    return fail("is not a safetensors file");
  auto header = llvm::json::parse(bytes.substr(8, length).rtrim());
  if (!header) {
    llvm::consumeError(header.takeError());
    return fail("is not a safetensors file");
  }
  StringRef data = bytes.substr(8 + length);
  for (auto &[key, value] : resources) {
    auto *entry = header->getAsObject() ? header->getAsObject()->getObject(llvm::json::fixUTF8(key)) : nullptr;
    auto *offsets = entry ? entry->getArray("data_offsets") : nullptr;
    auto begin = offsets && offsets->size() == 2 ? (*offsets)[0].getAsInteger() : std::nullopt;
    auto end = offsets && offsets->size() == 2 ? (*offsets)[1].getAsInteger() : std::nullopt;
    if (!begin || !end || *begin < 0 || *end < *begin || (uint64_t)*end > data.size())
      return fail("has no data for '" + key + "'");
    ArrayRef<char> part(data.data() + *begin, *end - *begin);
    value.getRawHandle().getResource()->setBlob(
        AsmResourceBlob(part, 1, [buffer](void *, size_t, size_t) {}, /*dataIsMutable=*/false));
  }
  return success();
}

/// Bytes that a resource has in memory: one an element for bool and for types narrower than a byte.
static int64_t bytesOf(ShapedType type) {
  Type element = type.getElementType();
  unsigned bits = isa<ComplexType>(element) ? 2 * cast<ComplexType>(element).getElementType().getIntOrFloatBitWidth()
                                            : element.getIntOrFloatBitWidth();
  return type.getNumElements() * std::max(1u, bits / 8);
}

OwningOpRef<ModuleOp> ssm::readIr(MLIRContext &context, StringRef path) {
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, ParserConfig(&context));
  if (!module)
    return module;
  auto resources = resourcesOf(*module);
  auto weights = (*module)->getAttrOfType<StringAttr>(kWeightsAttr);
  if (resources.empty() || !weights)
    return module;
  if (weights.getValue() == kZeros) {
    for (auto &[key, value] : resources)
      value.getRawHandle().getResource()->setBlob(HeapAsmResourceBlob::allocateAndCopyWithAlign(
          std::vector<char>(bytesOf(value.getType())), 64, /*dataIsMutable=*/false));
    return module;
  }
  SmallString<256> file(llvm::sys::path::parent_path(path));
  llvm::sys::path::append(file, weights.getValue());
  if (failed(readWeights(*module, file, resources)))
    return {};
  return module;
}
