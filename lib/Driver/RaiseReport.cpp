//===- RaiseReport.cpp - what raising found, for the report ----------------===//
#include "lib/Driver/RaiseReport.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

/// Why a mixer has its form.
static StringRef reasonOf(StringRef form, ArrayRef<std::pair<StringRef, double>> costs) {
  if (costs.size() == 1)
    return "the only one";
  double least = llvm::min_element(costs, llvm::less_second())->second;
  return llvm::is_contained(costs, std::pair(form, least)) ? "the cheapest" : "asked for";
}

static llvm::json::Value attributeValue(Attribute a) {
  if (isa<UnitAttr>(a))
    return true;
  if (auto b = dyn_cast<BoolAttr>(a))
    return b.getValue();
  if (auto i = dyn_cast<IntegerAttr>(a))
    return i.getValue().getSExtValue();
  if (auto f = dyn_cast<FloatAttr>(a))
    return f.getValueAsDouble();
  if (auto s = dyn_cast<StringAttr>(a))
    return llvm::json::fixUTF8(s.getValue());
  std::string text;
  llvm::raw_string_ostream(text) << a;
  return llvm::json::fixUTF8(text);
}

llvm::json::Array ssm::raisedEntries(ModuleOp module) {
  llvm::json::Array entries;
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main)
    return entries;
  main.walk<WalkOrder::PreOrder>([&](SequenceMixerOpInterface op) {
    llvm::json::Object attributes;
    llvm::json::Array nodes;
    for (NamedAttribute a : op->getAttrs())
      attributes[a.getName().str()] = attributeValue(a.getValue());
    for (StringAttr name : nodeNames(op->getLoc()))
      nodes.push_back(llvm::json::fixUTF8(name.getValue()));
    StringRef form = op.getPreferredForm();
    SmallVector<std::pair<StringRef, double>> costs = formCosts(op);
    llvm::json::Object costOf;
    for (auto [of, cost] : costs)
      costOf[of.str()] = cost;
    // A json::Value of a StringRef does not own it, and the report outlives the context.
    entries.push_back(llvm::json::Object{{"kind", op.getKind().str()},
                                         {"op", op->getName().getStringRef().str()},
                                         {"form", form.str()},
                                         {"why", reasonOf(form, costs).str()},
                                         {"costs", std::move(costOf)},
                                         {"chunk", op.getChunkSize(form)},
                                         {"nodes", std::move(nodes)},
                                         {"attributes", std::move(attributes)}});
  });
  return entries;
}

llvm::json::Array ssm::missedEntries(ModuleOp module) {
  llvm::json::Array entries;
  if (auto missed = module->getAttrOfType<ArrayAttr>(kMissedAttr))
    for (auto entry : missed.getAsRange<DictionaryAttr>()) {
      llvm::json::Array nodes;
      for (auto name : entry.getAs<ArrayAttr>("nodes").getAsRange<StringAttr>())
        nodes.push_back(llvm::json::fixUTF8(name.getValue()));
      entries.push_back(llvm::json::Object{{"nodes", std::move(nodes)},
                                           {"reason", llvm::json::fixUTF8(entry.getAs<StringAttr>("reason").getValue())}});
    }
  return entries;
}
