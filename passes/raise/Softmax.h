//===- Softmax.h - weights that are a softmax -------------------*- C++ -*-===//
// Softmax of scores over one iterator j, as an operator or in pieces: exponentials divided by their sum, before or
// after whatever multiplies them, with or without a maximum taken off, as a difference of logarithms, masked before or
// between, with one more score that takes part in the sum and whose weight is dropped.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_SOFTMAX_H
#define SSM_PASSES_RAISE_SOFTMAX_H

#include "passes/raise/Operands.h"

namespace ssm {

struct Softmax {
  Element enters;        // the score element
  Element probabilities; // the softmax's own element; no tensor when it is divided after the product
  bool zeroRows = false;
  /// The score without a weight: an element, or a number.
  std::optional<Element> sink;
  std::optional<double> sinkNumber;
  llvm::SmallVector<mlir::Operation *> nodes;
};

class SoftmaxMatcher {
public:
  explicit SoftmaxMatcher(ElementReader &reader) : reader(reader), space(reader.space) {}

  /// e is a softmax over j.
  bool match(const Element &e, unsigned j, Softmax &found);
  /// weight / sum is, or weight * factor.
  bool matchQuotient(const Element &weight, const Element &sum, unsigned j, Softmax &found);
  bool matchFactor(const Element &weight, const Element &factor, unsigned j, Softmax &found);

private:
  /// What is divided by its own sum: exp(score) times something that is the same for all j.
  struct Exponential {
    Element score;
    std::optional<Element> shift; // taken off the score
    bool scaled = false;          // by something else
  };
  bool matchOperator(const Element &softmax, unsigned j, Softmax &found);
  bool matchExponential(const Element &e, unsigned j, Exponential &out, Softmax &found, int depth = 6);
  bool matchLogarithm(const Element &e, unsigned j, Softmax &found);
  /// The operand of the sum over j that `total` is, at j.
  std::optional<Element> summand(const Element &total, unsigned j, llvm::StringRef kind, Softmax &found);
  void takeShift(Exponential &e, unsigned j, Softmax &found);
  bool isShift(const Element &e, unsigned j, int depth = 4);
  bool takeSink(const Element &extra, const Exponential &e, Softmax &found);
  bool takeMaskAgain(const Element &condition, bool inverted, Softmax &found);
  bool isEmptyRow(const Element &condition, const Element &softmax, Softmax &found, unsigned j);
  /// Scores that are minus infinity where the condition fails (or, `inverted`, holds).
  Element masked(const Element &condition, const Element &score, mlir::Operation *at, bool inverted);

  ElementReader &reader;
  IndexSpace &space;
};

} // namespace ssm
#endif
