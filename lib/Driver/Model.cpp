//===- Model.cpp - what a library says of its model ------------------------===//
#include "lib/Driver/Model.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "passes/group/Passes.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
int32_t onnxDtype(Type t);
}

/// The ONNX file's metadata.
static llvm::json::Object factsOf(ModuleOp module) {
  llvm::json::Object facts;
  if (auto model = module->getAttrOfType<DictionaryAttr>("onnx.model"))
    for (NamedAttribute a : model) {
      if (auto s = dyn_cast<StringAttr>(a.getValue()))
        facts[a.getName().str()] = llvm::json::fixUTF8(s.getValue());
      else if (auto i = dyn_cast<IntegerAttr>(a.getValue()))
        facts[a.getName().str()] = i.getInt();
    }
  return facts;
}

ModelDescription ssm::describeModel(ModuleOp module) {
  ModelDescription d;
  auto main = module.lookupSymbol<func::FuncOp>("main");
  auto names = module->getAttrOfType<ArrayAttr>("onnx.symbols");
  auto describe = [&](Type type, StringAttr name) {
    IoDescription io;
    io.name = name ? name.str() : "";
    if (auto o = dyn_cast<onnx::OptionalType>(type)) {
      io.optional = 1;
      type = o.getElement();
    }
    if (auto s = dyn_cast<onnx::SequenceType>(type)) {
      io.kind = 2;
      type = s.getElement();
    }
    if (auto t = dyn_cast<TensorType>(type))
      io.dtype = onnxDtype(t.getElementType());
    io.anyRank = io.kind == 1 && isa<UnrankedTensorType>(type);
    if (auto t = dyn_cast<RankedTensorType>(type); t && io.kind == 1)
      for (int64_t i = 0; i < t.getRank(); ++i) {
        io.dims.push_back(t.isDynamicDim(i) ? -1 : t.getDimSize(i));
        auto s = dyn_cast_or_null<AffineSymbolExpr>(t.getEncoding() ? onnx::getDimExpr(t, i) : AffineExpr());
        bool named = s && names && s.getPosition() < names.size();
        io.symbols.push_back(named ? cast<StringAttr>(names[s.getPosition()]).str() : "");
      }
    return io;
  };
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    d.inputs.push_back(describe(main.getArgument(i).getType(), main.getArgAttrOfType<StringAttr>(i, "onnx.name")));
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    d.outputs.push_back(describe(main.getResultTypes()[i], main.getResultAttrOfType<StringAttr>(i, "onnx.name")));
  d.facts = factsOf(module);
  return d;
}

static std::string metadata(const ModelDescription &model) {
  llvm::json::Array profile;
  for (const std::string &name : model.profile)
    profile.push_back(llvm::json::fixUTF8(name));
  std::string text;
  llvm::raw_string_ostream os(text);
  os << llvm::json::Value(llvm::json::Object{{"compiler", "ssm-mlir"},
                                             {"model", llvm::json::Object(model.facts)},
                                             {"profile", std::move(profile)},
                                             {"state", llvm::json::Array{}}});
  return text;
}

void ssm::addModelDescription(llvm::Module &module, const ModelDescription &model, int64_t sideBytes, StringRef sideHash) {
  llvm::LLVMContext &c = module.getContext();
  auto *i32 = llvm::Type::getInt32Ty(c);
  auto *i64 = llvm::Type::getInt64Ty(c);
  auto *ptr = llvm::PointerType::get(c, 0);
  auto constant = [&](llvm::Constant *value) -> llvm::Constant * {
    return new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value);
  };
  auto text = [&](StringRef s) { return constant(llvm::ConstantDataArray::getString(c, s)); };
  auto number = [&](int64_t v) -> llvm::Constant * { return llvm::ConstantInt::getSigned(i32, v); };
  auto *ioType = llvm::StructType::get(c, {ptr, i32, i32, i32, i32, ptr, ptr});
  auto array = [&](llvm::Type *t, ArrayRef<llvm::Constant *> v) -> llvm::Constant * {
    if (v.empty())
      return llvm::ConstantPointerNull::get(ptr);
    return constant(llvm::ConstantArray::get(llvm::ArrayType::get(t, v.size()), v));
  };
  auto ios = [&](const std::vector<IoDescription> &list) {
    SmallVector<llvm::Constant *> rows;
    for (const IoDescription &io : list) {
      SmallVector<llvm::Constant *> dims, symbols;
      for (int64_t d : io.dims)
        dims.push_back(llvm::ConstantInt::getSigned(i64, d));
      for (const std::string &s : io.symbols)
        symbols.push_back(text(s));
      rows.push_back(llvm::ConstantStruct::get(ioType, {text(io.name), number(io.kind), number(io.optional), number(io.dtype),
                                                        number(io.anyRank ? -1 : (int64_t)io.dims.size()), array(i64, dims), array(ptr, symbols)}));
    }
    return array(ioType, rows);
  };
  auto *type = llvm::StructType::get(c, {i32, i32, i32, i32, ptr, ptr, ptr, i64, ptr});
  auto *value = llvm::ConstantStruct::get(
      type, {number(1), number(model.inputs.size()), number(model.outputs.size()), number(model.profile.size()), ios(model.inputs),
             ios(model.outputs), text(metadata(model)), llvm::ConstantInt::get(i64, sideBytes), text(sideHash)});
  new llvm::GlobalVariable(module, type, true, llvm::GlobalValue::ExternalLinkage, value, "ssm_generated_model");
}

static constexpr llvm::StringLiteral kInterfaceAttr = "ssm.interface";

void ssm::recordModel(ModuleOp module) {
  ModelDescription model = describeModel(module);
  Builder b(module.getContext());
  auto list = [&](const std::vector<IoDescription> &ios) {
    SmallVector<Attribute> rows;
    for (const IoDescription &io : ios) {
      SmallVector<Attribute> symbols;
      for (const std::string &s : io.symbols)
        symbols.push_back(b.getStringAttr(s));
      rows.push_back(b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(io.name)),
                                          b.getNamedAttr("kind", b.getI32IntegerAttr(io.kind)),
                                          b.getNamedAttr("optional", b.getI32IntegerAttr(io.optional)),
                                          b.getNamedAttr("dtype", b.getI32IntegerAttr(io.dtype)),
                                          b.getNamedAttr("dims", b.getDenseI64ArrayAttr(io.dims)),
                                          b.getNamedAttr("symbols", b.getArrayAttr(symbols))}));
    }
    return b.getArrayAttr(rows);
  };
  module->setAttr(kInterfaceAttr, b.getDictionaryAttr({b.getNamedAttr("inputs", list(model.inputs)),
                                                       b.getNamedAttr("outputs", list(model.outputs))}));
}

ModelDescription ssm::recordedModel(ModuleOp module) {
  ModelDescription model;
  auto interface = module->getAttrOfType<DictionaryAttr>(kInterfaceAttr);
  if (!interface)
    return model;
  auto list = [&](StringRef name) {
    std::vector<IoDescription> ios;
    for (Attribute a : interface.getAs<ArrayAttr>(name)) {
      auto row = cast<DictionaryAttr>(a);
      auto number = [&](StringRef key) { return (int32_t)row.getAs<IntegerAttr>(key).getInt(); };
      IoDescription io{row.getAs<StringAttr>("name").str(), number("kind"), number("optional"), number("dtype"), {}, {}};
      io.dims = row.getAs<DenseI64ArrayAttr>("dims").asArrayRef().vec();
      for (Attribute s : row.getAs<ArrayAttr>("symbols"))
        io.symbols.push_back(cast<StringAttr>(s).str());
      ios.push_back(io);
    }
    return ios;
  };
  model.inputs = list("inputs");
  model.outputs = list("outputs");
  model.facts = factsOf(module);
  if (auto names = module->getAttrOfType<ArrayAttr>(kProfileAttr))
    for (Attribute name : names)
      model.profile.push_back(cast<StringAttr>(name).str());
  return model;
}
