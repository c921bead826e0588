//===- Registry.cpp - how each operator is lowered -------------------------===//
#include "passes/lower/Registry.h"

using namespace ssm;

const Registry &Registry::get() {
  static const Registry registry = [] {
    Registry r;
    for (const char *name : {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
      r.view(name);
    populateElementwise(r);
    populateContractions(r);
    populateWindowConvolutions(r);
    populateTransposedConvolutions(r);
    populateQuantise(r);
    populatePools(r);
    populateResize(r);
    populateSampling(r);
    populateSelectBoxes(r);
    populateReductions(r);
    populateNormalisations(r);
    populateMovement(r);
    populateGather(r);
    populateRecurrent(r);
    populateRecurrence(r);
    populateAttention(r);
    populateConvolutions(r);
    populateScan(r);
    populateSelectiveScan(r);
    populateSemiseparable(r);
    populateSelection(r);
    populateSignal(r);
    populateRandom(r);
    return r;
  }();
  return registry;
}
