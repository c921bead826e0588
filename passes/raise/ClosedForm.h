//===- ClosedForm.h - a sum over the past as a recurrence -------*- C++ -*-===//
// The element at time t of many spellings is one normal form,
//
//   scale * sum over s <= t, k of  left(t, k) right(s, k) exp(sum of cs(t) - cs(s)),   cs a cumulative sum of g,
//
// that is the linear recurrence with log-decay g. ClosedForm finds it: masks, cumulative sums, decay matrices,
// exponents with logarithms, products and quotients are taken apart factor by factor, and each mask is proved to be s
// <= t on the whole domain. Cumulative sums that would overflow are gone afterwards.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_CLOSEDFORM_H
#define SSM_PASSES_RAISE_CLOSEDFORM_H

#include "passes/raise/Operands.h"

namespace ssm {

/// A factor: an element, its reciprocal, or the exponential of a multiple of it.
struct Factor {
  Element e;
  enum Kind { Plain, Reciprocal, Exponential } kind = Plain;
  double coefficient = 1; // of an exponent
};

/// Through views and casts that lose nothing.
Element plain(ElementReader &reader, Element e);

class ClosedForm {
public:
  ClosedForm(ElementReader &reader, int64_t axis) : reader(reader), space(reader.space), axis(axis) {}
  ElementReader &reader;
  IndexSpace &space;

  /// False when the value is none; `why` says what came close.
  bool match(mlir::Value v);
  /// Of an element at the iterators of another form: the largest exponent over the past.
  bool matchMaximum(const Element &e, const ClosedForm &of);
  /// Of an element at the iterators of another form: a sum over the same state, whose iterator it takes.
  bool matchSum(const Element &e, const ClosedForm &beside);
  /// A sum of absolute values over the past.
  bool matchAbsolute(mlir::Value v);
  bool sameDecay(const ClosedForm &other);
  std::string why;

  llvm::SmallVector<unsigned> outer;  // iterators of the value's axes
  unsigned time = 0, source = 0;      // t and s
  llvm::SmallVector<unsigned> states; // summed besides s
  double scale = 1;
  llvm::SmallVector<Factor> left, right;                  // at t; at s (as functions of s)
  llvm::SmallVector<std::pair<double, Element>> logDecay; // at t, with coefficients, to be added up
  llvm::SmallVector<Element> decay;                       // at t, to be multiplied
  /// A decay that is the same at all times, in logarithms, for each element of `head` or for all.
  struct Constant {
    std::optional<unsigned> head;
    std::vector<double> log;
  };
  llvm::SmallVector<Constant> constantDecay;
  std::optional<Element> initial;
  double initialScale = 1; // of what the scale is taken out of
  /// The state itself, when the value reads it out: its element at t, and what of the scale belongs to it.
  std::optional<Element> state;
  double stateScale = 1;
  llvm::SmallVector<mlir::Operation *> nodes;

private:
  bool temporal(const Element &e, int depth);
  bool hasMask(const Element &e, unsigned s, int depth);
  bool top(const Element &e, int depth);
  bool sum(const Element &e, int depth);
  bool mixed(const Element &e, bool inverse, int depth);
  bool exponent(const Element &e, double coefficient, int depth);
  bool mask(const Element &condition, bool holds);
  bool matrix(const Element &constant);
  bool finish();
  bool takeInitial(const Element &e, const Element &sum);
  std::optional<Subscript> position(const Element &e, int depth);
  bool takeCumulative();
  bool isDistance(const Element &e, int depth);
  bool powerOfDistance(const Element &product, double coefficient, bool noNumberIsZero);
  bool decayMatrix(const Element &e);
  /// The condition (or its opposite) as "index >= 0".
  std::optional<Subscript> condition(const Element &c, bool holds, unsigned row, unsigned column);
  std::optional<Subscript> triangle(const Element &constant, bool holds, unsigned row, unsigned column);
  bool on(const Element &e, unsigned it) { return reader.depends(reader.root(e), it); }

  struct Term {
    double coefficient;
    Element e;     // behind all views
    Element whole; // as it was met, where index maps can give it
  };
  llvm::SmallVector<Term> terms;
  llvm::SmallVector<Factor> factors;
  llvm::SmallVector<Term> products; // CumProd read at t or s, in log
  std::optional<Element> initialDecay;
  bool causal = false, haveSource = false;
  int budget = 200;
  int64_t axis;
};

} // namespace ssm
#endif
