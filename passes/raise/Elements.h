//===- Elements.h - which element of which tensor is read -------*- C++ -*-===//
// An Element is one element of a tensor at symbolic indices. ElementReader follows it back through everything that only
// moves elements (reshapes, transposes, slices, broadcasts, gathers at fixed positions), and says what an element of a
// contraction or of a reduction is made of. Nothing here knows names, layouts or the order of nodes.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_ELEMENTS_H
#define SSM_PASSES_RAISE_ELEMENTS_H

#include "dialects/Onnx/OnnxDialect.h"
#include "mlir/IR/Builders.h"
#include "passes/raise/Subscript.h"

namespace ssm {

struct Element {
  mlir::Value tensor;
  std::vector<Subscript> at;
  bool operator==(const Element &o) const { return tensor == o.tensor && at == o.at; }
};

/// Product of elements, summed over iterators.
struct Contraction {
  llvm::SmallVector<unsigned> summed;
  llvm::SmallVector<Element> factors;
  double scale = 1;
};
/// A reduction of one element over iterators; kind is the operator's name without "Reduce".
struct Reduction {
  llvm::StringRef kind;
  llvm::SmallVector<unsigned> over;
  Element operand;
};

class ElementReader {
public:
  explicit ElementReader(IndexSpace &space) : space(space) {}
  IndexSpace &space;

  std::vector<Subscript> dims(mlir::Value v);
  /// The element at fresh iterators, one per axis.
  Element everyElement(mlir::Value v, llvm::SmallVectorImpl<unsigned> &iterators);

  /// The operand's element that this element is, one operator up.
  std::optional<Element> throughView(const Element &e);
  /// The element this one is, up through all views.
  Element root(Element e);
  /// The same, and through casts between float types.
  Element rootOfFloat(Element e);

  /// Operator that computes e's tensor, without the dialect; empty for arguments.
  llvm::StringRef operatorOf(const Element &e);
  /// Elements that an elementwise operator's element is computed from; fails where broadcasting is not decided.
  std::optional<llvm::SmallVector<Element>> operandsOf(const Element &e);
  /// The same where broadcasting of some operands is only decided at run time: these are expanded by an operator of
  /// their own. Fails when all of them are.
  std::optional<llvm::SmallVector<Element>> expandedOperandsOf(const Element &e);
  /// e as a sum of products, one operator deep.
  std::optional<Contraction> contraction(const Element &e);
  std::optional<Reduction> reduction(const Element &e);
  /// Number that every element of the tensor is.
  std::optional<double> number(const Element &e);
  /// Elements of a constant or of shape arithmetic.
  std::optional<std::vector<Subscript>> integers(mlir::Value v);

  /// e at this iterator less e one step before, by operators of their own; 0 at the first step. e reads the iterator as
  /// the whole index of one axis.
  std::optional<Element> stepOf(mlir::OpBuilder &b, const Element &e, unsigned iterator);

  Element substitute(const Element &e, const std::map<unsigned, Subscript> &by);
  bool depends(const Element &e, unsigned iterator);
  /// Both are computed alike from the same elements.
  bool equal(const Element &a, const Element &b, int depth = 8);

private:
  bool equalConstants(const Element &a, const Element &b);
  std::optional<std::vector<Subscript>> reshaped(const std::vector<Subscript> &from, const std::vector<Subscript> &to,
                                                 const std::vector<Subscript> &at);
  /// Indices of an operand that broadcasts to the result's dims.
  std::optional<std::vector<Subscript>> broadcast(mlir::Value operand, const std::vector<Subscript> &resultDims,
                                                  const std::vector<Subscript> &at);
  std::optional<Element> slice(mlir::Operation *op, const Element &e);
  std::optional<Contraction> matmul(mlir::Operation *op, const Element &e);
  std::optional<Contraction> einsum(mlir::Operation *op, const Element &e);
  std::map<std::pair<void *, size_t>, mlir::Value> steps; // by tensor and axis
};

/// True for operators whose result element depends on one element of each operand.
bool isElementwise(mlir::Operation *op);

} // namespace ssm
#endif
