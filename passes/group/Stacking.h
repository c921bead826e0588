//===- Stacking.h - buffers of one arena above each other -------*- C++ -*-===//
// Which buffer lies above which, so that no two that live at the same time share memory, whatever their sizes turn out
// to be. A size is needed only as a typical number, to choose a good order; offsets follow from the order.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_GROUP_STACKING_H
#define SSM_PASSES_GROUP_STACKING_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace ssm {

/// Both ends are steps in which the buffer is in use.
struct Lifetime {
  int64_t first, last;
  int64_t size; // a typical one
};

struct Stacking {
  /// Buffers from the lowest to the highest.
  llvm::SmallVector<unsigned> order;
  /// For each buffer those that must end before it starts; with what these imply, all that live with it and lie lower.
  llvm::SmallVector<llvm::SmallVector<unsigned, 2>> below;
  /// Whether nothing lies above a buffer.
  llvm::SmallVector<bool> top;
};

/// Places large buffers first, each in the smallest gap that has room while it lives. Where very many buffers live at the
/// same time, places them as they come to life instead. n log n in the number of pairs that live at the same time, which
/// is bounded by a multiple of the number of buffers.
Stacking stackBuffers(llvm::ArrayRef<Lifetime> buffers);

} // namespace ssm
#endif
