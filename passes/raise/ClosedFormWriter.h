//===- ClosedFormWriter.h - the mixer of a closed form ----------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_CLOSEDFORMWRITER_H
#define SSM_PASSES_RAISE_CLOSEDFORMWRITER_H

#include "passes/raise/ClosedForm.h"

namespace ssm {

/// Writes the mixer for a matched form.
class ClosedFormWriter {
public:
  ClosedFormWriter(ClosedForm &form, mlir::Operation *root)
      : form(form), reader(form.reader), space(form.space), b(root), root(root), loc(root->getLoc()),
        element(llvm::cast<mlir::RankedTensorType>(root->getResult(0).getType()).getElementType()) {}
  bool run();
  bool absoluteSum();

private:
  bool semiseparable();
  bool selectiveScan();
  /// Product over these iterators, one axis each, of size 1 where nothing depends on it.
  mlir::Value product(llvm::ArrayRef<Factor> factors, llvm::ArrayRef<unsigned> over, double scale,
                      mlir::AffineMap &map);
  mlir::Value aligned(const Factor &f, llvm::ArrayRef<unsigned> over);
  /// The log-decay as one tensor.
  mlir::Value logDecay(llvm::ArrayRef<unsigned> over, mlir::AffineMap &map);
  mlir::Value combine(llvm::StringRef name, mlir::Value x, mlir::Value y);
  mlir::Value unary(llvm::StringRef name, mlir::Value x) { return make(name, x, x.getType()); }
  mlir::Value make(llvm::StringRef name, mlir::ValueRange operands, mlir::Type type,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    mlir::OperationState state(loc, ("onnx." + name).str(), operands, {type}, attributes);
    return b.create(state)->getResult(0);
  }
  mlir::Value number(double v);
  mlir::AffineMap mapFor(mlir::Value v, llvm::ArrayRef<unsigned> over);
  mlir::AffineExpr size(unsigned it) { return space.toAffine(space[it].n, b.getContext()); }
  bool depends(llvm::ArrayRef<Factor> list, unsigned it) {
    return llvm::any_of(list, [&](const Factor &f) { return reader.depends(reader.root(f.e), it); });
  }
  bool decayDepends(unsigned it);
  mlir::Value producerScalar(mlir::OpBuilder &region, mlir::Block *block, const Element &e, int depth);
  mlir::Operation *create(llvm::StringRef name, llvm::ArrayRef<mlir::Type> types,
                          llvm::ArrayRef<mlir::NamedAttribute> attributes, mlir::Block *region);
  void finish(mlir::Operation *mixer, mlir::Value result);
  /// Type of a result over these iterators, whose map it adds.
  mlir::Type resultType(llvm::ArrayRef<unsigned> over, mlir::Type scalar);
  /// What a mixer with a log_gate gives, without the scale exp(-log_scale) and the normaliser's column; readers of the
  /// stabiliser and the normaliser are given its results.
  mlir::Value unscaled(mlir::Operation *mixer, llvm::ArrayRef<unsigned> outer, llvm::ArrayRef<unsigned> rows,
                       unsigned v, int64_t width, llvm::ArrayRef<Factor> after, llvm::ArrayRef<Factor> quotients);
  /// The running maximum among the factors behind the sum, which log_scale is.
  void findStabiliser(llvm::ArrayRef<Factor> gates, llvm::ArrayRef<Factor> after, llvm::ArrayRef<unsigned> rows);
  /// The same sum without values, among what a quotient is computed from and the other readers of the sum's parts.
  void findNormaliser(llvm::ArrayRef<Factor> right, llvm::ArrayRef<Factor> left, llvm::ArrayRef<Factor> after,
                      llvm::ArrayRef<Factor> quotients, llvm::ArrayRef<unsigned> rows);
  bool coversRows(const Element &e, llvm::ArrayRef<unsigned> rows);
  /// Neither may be among what the mixer's operands are computed from.
  void forgetUsedBy(llvm::ArrayRef<Factor> factors);
  /// The values with a column of ones behind, all times the factors.
  mlir::Value withColumn(mlir::Value values, llvm::ArrayRef<unsigned> axes, unsigned v,
                         llvm::ArrayRef<Factor> column);
  mlir::Value columns(mlir::Value v, int64_t axis, int64_t first, int64_t last);
  /// A tensor over iterators with those of `to` first, in their order; what is left over has size 1.
  mlir::Value transposed(mlir::Value v, llvm::ArrayRef<unsigned> over, llvm::ArrayRef<unsigned> to);
  /// A tensor over these iterators as the tensor of e.
  mlir::Value inOrderOf(const Element &e, mlir::Value v, llvm::ArrayRef<unsigned> over);
  void replaceLastStates(mlir::Value final, const Layout &layout);

  ClosedForm &form;
  ElementReader &reader;
  IndexSpace &space;
  mlir::OpBuilder b;
  mlir::Operation *root;
  mlir::Location loc;
  mlir::Type element;
  IteratorDims dims;
  llvm::SmallVector<mlir::Value> operands;
  llvm::SmallVector<mlir::Attribute> maps;
  llvm::SmallVector<unsigned> order; // iterators by dim
  std::optional<Element> stabiliser, normaliser;
  double normaliserScale = 1;
  bool moved = false;                // a reader before root was given one of its results
};

} // namespace ssm

#endif
