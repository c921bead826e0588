//===- ChooseForms.cpp - the form in which each mixer is computed -----------===//
// Expects: sequence mixers anywhere in the module. Leaves: each with the attribute `form`: the one asked for, or the
// cheapest by the cost model of its interface. Linear.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/SsmDialect.h"
#include "passes/group/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_CHOOSEFORMS
#include "passes/group/Passes.h.inc"
} // namespace ssm

namespace {
struct ChooseFormsPass : ssm::impl::ChooseFormsBase<ChooseFormsPass> {
  using Base::Base;
  void runOnOperation() override {
    llvm::StringMap<std::string> asked;
    for (const std::string &choice : forms) {
      auto [kind, form] = StringRef(choice).split(':');
      asked[kind] = form.str();
    }
    WalkResult result = getOperation().walk([&](SequenceMixerOpInterface mixer) {
      auto choice = asked.find(mixer.getKind());
      if (choice == asked.end()) {
        setForm(mixer);
        return WalkResult::advance();
      }
      SmallVector<StringRef> known = mixer.getForms();
      if (!llvm::is_contained(known, choice->second)) {
        mixer.emitError("form '") << choice->second << "' was asked for, but " << mixer.getKind() << " has only "
                                  << llvm::join(known, ", ");
        return WalkResult::interrupt();
      }
      setForm(mixer, choice->second);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
