//===- Operands.h - elements as operands with index maps --------*- C++ -*-===//
// Mixers read operands through index maps: dims, dims divided by a constant, or 0. A Layout says how a tensor's axes
// are made of iterators; from it come the map and, where an axis holds several iterators, a reshape that splits it.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_OPERANDS_H
#define SSM_PASSES_RAISE_OPERANDS_H

#include "mlir/IR/Builders.h"
#include "passes/raise/Elements.h"

namespace ssm {

/// What one axis runs over, outermost first; empty for an axis of size 1 read at 0.
struct Axis {
  struct Part {
    unsigned iterator;
    int64_t divisor = 1;
  };
  llvm::SmallVector<Part> parts;
};
using Layout = llvm::SmallVector<Axis>;

/// Layout of an element's indices, when they cover every axis from end to end.
std::optional<Layout> layoutOf(ElementReader &reader, const Element &e);

/// An operand of a mixer, furthest back through views.
struct Operand {
  mlir::Value tensor;
  Layout layout;
  bool reads(unsigned iterator) const;
};
std::optional<Operand> operandOf(ElementReader &reader, Element e);

using IteratorDims = llvm::DenseMap<unsigned, unsigned>;

/// The operand as one tensor with one iterator per axis; iterators of `required` that it lacks (all of size 1) become
/// axes at the end. `map` is over the dims.
mlir::Value materialise(mlir::OpBuilder &b, mlir::Location loc, IndexSpace &space, const Operand &operand,
                        llvm::ArrayRef<unsigned> required, const IteratorDims &dims, mlir::AffineMap &map);
/// Type and map of a result in this layout.
mlir::RankedTensorType resultTypeOf(IndexSpace &space, mlir::Type element, const Layout &layout,
                                    llvm::ArrayRef<unsigned> required, const IteratorDims &dims, mlir::AffineMap &map,
                                    mlir::MLIRContext *context);
/// The same elements under another type.
mlir::Value reshapeTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v, mlir::RankedTensorType type);
/// The same numbers in a float type.
mlir::Value castTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v, mlir::Type element);

/// Elements of a constant of numbers.
std::optional<std::vector<double>> numbersOf(mlir::ElementsAttr value);

/// True when something else than computing `sink` needs `value`.
bool hasOtherReaders(mlir::Value value, mlir::Operation *sink);
/// Erases what nobody reads.
void eraseDead(mlir::Block &block);

} // namespace ssm
#endif
