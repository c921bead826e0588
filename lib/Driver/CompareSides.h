//===- CompareSides.h - runs two libraries on the same inputs ---*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_COMPARESIDES_H
#define SSM_LIB_DRIVER_COMPARESIDES_H

#include "llvm/ADT/StringRef.h"

namespace ssm {

/// Reads a plan, runs what it names, and writes what was found to `output`; both are JSON. The exit status of ssmc.
///
///   plan:   {"before", "after", "single": libraries (single may be empty), "tolerance", "seconds",
///            "sizes": [[[size, ...] of each input] of each choice], "groups": [{"inputs": [...], "outputs": [...],
///            "tests_nan": whether the side before asks for NaN}]}
///   found:  {"refused": "what the library before says, when it never ran",
///            "guarded": "what the library after says, where it refuses inputs that the one before takes",
///            "groups": [{"runs", "compared", "extreme", "worst", "kind", "sizes", "output", "error"}]}
///
/// `worst` is the largest error relative to the largest element of its output, over `compared` runs in which an element
/// was finite before; a group that disagrees has `error` above the tolerance, with the kind of input, the choice of
/// sizes and the output. `single` is the library before in float32: an error that float32 shows in proportion is one of
/// rounding, and the run counts as not compared. So do the `extreme` runs: the sides differ by finite numbers on
/// extreme inputs and agree on milder ones of the same kind.
int compareSides(llvm::StringRef plan, llvm::StringRef output);

} // namespace ssm
#endif
