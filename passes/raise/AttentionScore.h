//===- AttentionScore.h - what happens to a score before softmax -*- C++ -*-===//
// Writes the score region of ssm.attention: from the element that enters softmax down to the one contraction of a
// query with a key. What depends on positions only becomes index arithmetic; what is read besides becomes a modifier.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_ATTENTIONSCORE_H
#define SSM_PASSES_RAISE_ATTENTIONSCORE_H

#include "passes/lower/Scalar.h"
#include "passes/raise/Operands.h"

namespace ssm {

/// Asks for an iterator to be split into two, the inner one with this extent.
struct SplitRequest {
  unsigned iterator;
  Subscript inner;
};

class ScoreRegion {
public:
  /// Iterators are those the region has positions of: p..., i, j.
  ScoreRegion(mlir::OpBuilder &b, ElementReader &reader, llvm::ArrayRef<unsigned> iterators, mlir::Type scoreType);
  ~ScoreRegion();

  /// False when the score is no function of one query-key product; `why` says so.
  bool build(const Element &entersSoftmax);

  // What was found.
  Element query, key;
  unsigned embedding = 0; // the iterator that is summed
  double scale = 1;
  llvm::SmallVector<Operand> modifiers;
  std::optional<SplitRequest> split;
  std::string why;
  llvm::SmallVector<mlir::Operation *> nodes; // what the region stands for
  bool isIdentity() const { return result == block->getArgument(0); }
  /// Gives the block away.
  mlir::Block *take() {
    mlir::Block *r = block;
    block = nullptr;
    return r;
  }

private:
  mlir::Value scalar(const Element &e, int depth);
  mlir::Value computed(const Element &root, const Element &e, int depth);
  mlir::Value modifier(const Element &e);
  mlir::Value position(const Subscript &index);
  mlir::Value band(const Element &constant);
  mlir::Value asType(mlir::Value positionValue, mlir::Type element);
  /// The product of query and key behind multiplications by numbers.
  bool product(const Element &e, double &factor, Contraction &found);
  bool leadsToScore(const Element &e, int depth);
  bool isPosition(const Element &e, int depth);

  mlir::OpBuilder &b;
  ElementReader &reader;
  IndexSpace &space;
  llvm::SmallVector<unsigned> iterators;
  unsigned i, j;
  mlir::Block *block;
  mlir::Value result;
  bool haveScore = false;
  mlir::Value scoreTensor;
  std::vector<Subscript> scoreAt;
  double scoreFactor = 1;
  int budget = 96;
  std::map<std::pair<void *, std::vector<Subscript>>, mlir::Value> memo;
  llvm::DenseMap<mlir::Value, bool> leads;
};

} // namespace ssm
#endif
