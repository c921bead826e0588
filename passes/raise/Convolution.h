//===- Convolution.h - a value as a convolution over time -------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_CONVOLUTION_H
#define SSM_PASSES_RAISE_CONVOLUTION_H

#include "passes/raise/Operands.h"

namespace ssm {

/// What is known of a value whose elements are a convolution of one sequence with taps, and the mixer made of it.
class Convolution {
public:
  Convolution(ElementReader &reader, int64_t axis) : reader(reader), axis(axis) {}
  ElementReader &reader;

  /// A sequence read at place u, as zero outside of its ends or, before u = 0, from `history`, whose last element
  /// stands at u = -1.
  struct Source {
    Element element; // at u = place
    unsigned place = 0;
    std::optional<Element> history; // at iterator historyTap
    unsigned historyTap = 0;
    Subscript historyLength;
  };

  /// Every element of the value; the iterators of its axes are `outer`, that of time is `time`.
  Element start(mlir::Value v);
  /// Time, when the index is time plus a constant.
  std::optional<Subscript> timeOf(const Subscript &index) const;
  /// Follows a read of the input at time + constant + tap to a source; sets `source` and `offset`, so that the source
  /// is read at time + offset + tap. With `padded`, elements beyond the ends of the given tensor are zeros.
  bool trace(const Element &read, bool padded);
  /// For a read at one time: how far it is in the past. `other` must not depend on time.
  std::optional<int64_t> shiftOf(const Element &read, const Element &other, Source &found);
  /// Replaces root's result; false when operands cannot be given by index maps.
  bool replace(mlir::Operation *root);

  llvm::SmallVector<unsigned> outer;
  unsigned time = 0, tap = 0;
  llvm::SmallDenseMap<mlir::Value, unsigned> places; // iterators over sources, so that equal sources are equal
  Source source;
  Subscript offset, length;        // length: number of taps
  Element weight;                  // over tap, or
  llvm::SmallVector<Element> taps; // one element per tap
  /// When not empty, the weight is read at these positions of its axis `positionAxis`, in order of taps.
  llvm::SmallVector<int64_t> positions;
  size_t positionAxis = 0;
  std::optional<Element> bias;
  llvm::SmallVector<mlir::Operation *> nodes;

private:
  bool follow(Element e, const Subscript &moving, bool padded, Source &found, Subscript &offset);
  /// The source as long as the result: zeros in front for a delay, zeros behind or an end cut off for another length.
  bool alignInput(mlir::OpBuilder &b, mlir::Location loc, const Subscript &delay, Operand &input);
  /// As much of the history as the taps reach.
  bool endOfHistory(mlir::OpBuilder &b, mlir::Location loc, Operand &history);
  std::optional<Element> stackTaps(mlir::OpBuilder &b, mlir::Location loc);

  int64_t axis;
};

/// A product with a matrix whose element (t, s) depends on t - s only and is zero for s > t.
bool matchToeplitz(Convolution &c, mlir::Operation *root);

} // namespace ssm
#endif
