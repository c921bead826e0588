//===- Registry.h - how each operator is lowered ----------------*- C++ -*-===//
// One table from operator name to its lowering, filled by one populate function per family. `group` reads from it what
// may share a dispatch; `lower` calls it. A new operator is one entry.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_REGISTRY_H
#define SSM_PASSES_LOWER_REGISTRY_H

#include "passes/lower/Emitter.h"
#include "llvm/ADT/StringMap.h"

namespace ssm {

struct Lowering {
  /// Elementwise operators: the value of result 0's element (compute type) from the operands' elements (compute types,
  /// null for absent operands). Set for them only.
  std::function<mlir::Value(mlir::Operation *, Scalar &, mlir::ValueRange)> element;
  /// Where an elementwise operand is not broadcast from the right: its index expressions over the result's dims d0, d1,
  /// ...; an empty answer means the usual broadcast. A size of 1 is broadcast along such a dim too.
  std::function<llvm::SmallVector<mlir::AffineExpr>(mlir::Operation *, unsigned operand)> align;
  /// All other operators: sets every present result.
  std::function<mlir::LogicalResult(mlir::Operation *, Emitter &)> lower;
  /// Its result is its first operand's buffer under another type.
  bool isView = false;
};

class Registry {
public:
  static const Registry &get();
  const Lowering *lookup(mlir::Operation *op) const { return lookup(op->getName().getStringRef()); }
  const Lowering *lookup(llvm::StringRef name) const {
    auto it = table.find(name);
    return it == table.end() ? nullptr : &it->second;
  }
  void element(llvm::StringRef name, decltype(Lowering::element) fn, decltype(Lowering::align) align = {}) {
    table[("onnx." + name).str()] = {std::move(fn), std::move(align), {}, false};
  }
  void lower(llvm::StringRef name, decltype(Lowering::lower) fn) {
    table[("onnx." + name).str()] = {{}, {}, std::move(fn), false};
  }
  /// A sequence mixer, by its name in the ssm dialect.
  void mixer(llvm::StringRef name, decltype(Lowering::lower) fn) {
    table[("ssm." + name).str()] = {{}, {}, std::move(fn), false};
  }
  void view(llvm::StringRef name) { table[("onnx." + name).str()].isView = true; }

private:
  llvm::StringMap<Lowering> table;
};

/// Lowers the operators of a block in order, all but its terminator.
mlir::LogicalResult lowerOperators(mlir::Block &block, Emitter &e);

// One per family, each in the file of its name.
void populateElementwise(Registry &);
void populateContractions(Registry &);
void populateWindowConvolutions(Registry &);
void populateTransposedConvolutions(Registry &);
void populateQuantise(Registry &);
void populatePools(Registry &);
void populateResize(Registry &);
void populateSampling(Registry &);
void populateSelectBoxes(Registry &);
void populateReductions(Registry &);
void populateNormalisations(Registry &);
void populateMovement(Registry &);
void populateGather(Registry &);
void populateRecurrent(Registry &);
void populateRecurrence(Registry &);
void populateAttention(Registry &);
void populateConvolutions(Registry &);
void populateScan(Registry &);
void populateSelectiveScan(Registry &);
void populateSemiseparable(Registry &);
void populateSelection(Registry &);
void populateSignal(Registry &);
void populateRandom(Registry &);

} // namespace ssm
#endif
