//===- Provenance.h - which nodes became what -------------------*- C++ -*-===//
// Operators that raising makes carry the locations of the ONNX nodes they replace; what is refused is noted in the
// module attribute `ssm.missed`, an array of {nodes = [names], reason = "..."}. The report is made from both.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_PROVENANCE_H
#define SSM_PASSES_RAISE_PROVENANCE_H

#include "mlir/IR/Operation.h"

namespace ssm {

inline constexpr llvm::StringLiteral kMissedAttr = "ssm.missed";

/// One location for all nodes of these operators, nested ones included.
mlir::Location fusedLocation(llvm::ArrayRef<mlir::Operation *> ops);
/// Names of the nodes of a location, in order, each once.
llvm::SmallVector<mlir::StringAttr> nodeNames(mlir::Location loc);
/// Notes that the nodes of `op` were not raised, with the reason in words; the same reason at the same nodes only once.
void noteMissed(mlir::Operation *op, const llvm::Twine &reason);
/// Takes operators away whose results nothing reads, in a region and the regions in it.
void eraseDeadOps(mlir::Region &region);

} // namespace ssm
#endif
