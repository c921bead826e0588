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
      StringRef form = asked.contains(mixer.getKind()) ? StringRef(asked[mixer.getKind()]) : StringRef();
      SmallVector<StringRef> known = mixer.getForms();
      if (!form.empty() && !llvm::is_contained(known, form)) {
        mixer.emitError("form '") << form << "' was asked for, but " << mixer.getKind() << " has only "
                                  << llvm::join(known, ", ");
        return WalkResult::interrupt();
      }
      setForm(mixer, form);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
