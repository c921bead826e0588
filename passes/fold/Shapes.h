//===- Shapes.h - what shape rules work with --------------------*- C++ -*-===//
#ifndef SSM_PASSES_FOLD_SHAPES_H
#define SSM_PASSES_FOLD_SHAPES_H

#include "dialects/Onnx/OnnxDialect.h"
#include "llvm/ADT/StringMap.h"
#include "mlir/IR/Builders.h"

namespace ssm {

using Dims = llvm::SmallVector<mlir::AffineExpr>;

/// State of shape inference. Expressions are over the module's symbols.
class Shapes {
public:
  Shapes(mlir::ModuleOp module);
  mlir::OpBuilder b;
  mlir::MLIRContext *context;

  // Expressions.
  mlir::AffineExpr constant(int64_t v) { return mlir::getAffineConstantExpr(v, context); }
  static std::optional<int64_t> asConstant(mlir::AffineExpr e);
  mlir::AffineExpr bound(llvm::StringRef kind, mlir::AffineExpr x, mlir::AffineExpr y);
  mlir::AffineExpr min(mlir::AffineExpr x, mlir::AffineExpr y) { return bound("min", x, y); }
  mlir::AffineExpr max(mlir::AffineExpr x, mlir::AffineExpr y) { return bound("max", x, y); }
  mlir::AffineExpr equal(mlir::AffineExpr x, mlir::AffineExpr y) { return bound("eq", x, y); }
  mlir::AffineExpr less(mlir::AffineExpr x, mlir::AffineExpr y) { return bound("lt", x, y); }
  /// A run in which two sizes differ that are not proved equal fails at the node. Constants are left to the caller.
  void require(mlir::Operation *user, mlir::AffineExpr x, mlir::AffineExpr y);
  /// A long expression gets a symbol of its own, so that the expressions of a deep network stay short.
  mlir::AffineExpr compact(mlir::AffineExpr e);
  mlir::AffineExpr select(mlir::AffineExpr condition, mlir::AffineExpr x, mlir::AffineExpr y);
  mlir::AffineExpr broadcast(mlir::AffineExpr x, mlir::AffineExpr y);
  Dims broadcast(llvm::ArrayRef<mlir::AffineExpr> x, llvm::ArrayRef<mlir::AffineExpr> y);
  /// 1 where one of the axes (wrapped by rank) is i, else 0; axes must be distinct.
  mlir::AffineExpr isAxis(llvm::ArrayRef<mlir::AffineExpr> axes, int64_t rank, int64_t i);
  mlir::AffineExpr product(llvm::ArrayRef<mlir::AffineExpr> dims);
  /// product(x) / product(y), with equal factors cancelled.
  mlir::AffineExpr quotient(llvm::ArrayRef<mlir::AffineExpr> x, llvm::ArrayRef<mlir::AffineExpr> y);

  // Values.
  bool ranked(mlir::Value v) { return mlir::isa<mlir::RankedTensorType>(v.getType()); }
  int64_t rank(mlir::Value v) { return mlir::cast<mlir::RankedTensorType>(v.getType()).getRank(); }
  Dims dims(mlir::Value v) { return onnx::getDimExprs(mlir::cast<mlir::RankedTensorType>(v.getType())); }
  mlir::Type element(mlir::Value v) { return mlir::cast<mlir::TensorType>(v.getType()).getElementType(); }
  /// Elements of a small integer tensor where they are known expressions.
  std::optional<Dims> known(mlir::Value v);
  /// The same, reading them at run time where they are not; fails for an unknown number of elements.
  mlir::FailureOr<Dims> elements(mlir::Operation *user, mlir::Value v);
  /// The same of a list whose length only run time knows but which must have `count` entries; checked there.
  mlir::FailureOr<Dims> elements(mlir::Operation *user, unsigned operand, std::optional<int64_t> count);
  /// A new operator in front of the one that is looked at, with its shape; null where that failed.
  mlir::Value make(mlir::Location loc, llvm::StringRef name, mlir::ValueRange operands, mlir::Type element,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {});
  mlir::Value ints(mlir::Location loc, llvm::ArrayRef<int64_t> values);
  mlir::Value scalar(mlir::Location loc, int64_t value);
  /// 0, 1, 2 ... as long as a list.
  mlir::Value iota(mlir::Location loc, mlir::Value list);
  /// A list of sizes.
  mlir::Value sizes(mlir::Location loc, llvm::ArrayRef<mlir::AffineExpr> dims);
  mlir::NamedAttribute integer(llvm::StringRef name, int64_t value);
  void setKnown(mlir::Value v, Dims elements);
  void set(mlir::Value result, llvm::ArrayRef<mlir::AffineExpr> dims);
  /// New symbols for all dims of a value of which the rank is known, bound after its definition.
  mlir::AffineExpr boundDim(mlir::Value v, unsigned axis);
  bool visibleIn(mlir::AffineExpr e, mlir::Block *block);

  mlir::LogicalResult inferBlock(mlir::Block &block);
  mlir::LogicalResult infer(mlir::Operation *op);
  mlir::LogicalResult inferIf(onnx::IfOp op);
  /// The branch of an If that is taken in every run.
  mlir::LogicalResult inferTaken(onnx::IfOp op, bool condition);
  mlir::LogicalResult inferLoop(onnx::LoopOp op);
  mlir::LogicalResult inferScan(onnx::ScanOp op);
  /// Replaces values whose elements are all known by onnx.Dims or onnx.Constant.
  void replaceKnown();
  /// Puts the only branch that is left of an If in its place.
  void inlineBranches(mlir::Operation *root);
  void finish();
  /// Which branch of an If is compiled whose branches give results of different ranks, by the order in which inference
  /// meets them; false for the less likely one; those that are not given are true, and are appended.
  llvm::SmallVector<bool> choices;
  int64_t newSymbol(mlir::Block *home);

  // What is known of sizes in the loops around here (SizeRanges.cpp).
  /// A symbol for a number that changes from iteration to iteration; with a trip count it counts from 0 up to it.
  int64_t newIteration(mlir::Value number, mlir::AffineExpr trip);
  bool isIterated(mlir::AffineExpr e);
  /// Proved to be at least 0.
  bool isNonNegative(mlir::AffineExpr e);
  /// What a bound of the two is where that is known; null where it is not.
  mlir::AffineExpr solved(llvm::StringRef kind, mlir::AffineExpr x, mlir::AffineExpr y);
  /// The same size, with bounds that are known because the loops around here are running.
  mlir::AffineExpr inLoop(mlir::AffineExpr e);
  mlir::Type inLoop(mlir::Type type);

private:
  struct Trip {
    mlir::AffineExpr number, count;
  };
  struct Definition {
    llvm::StringRef kind;
    mlir::AffineExpr x, y;
  };
  llvm::SmallVector<Trip> trips;                   // of the loops around here
  llvm::DenseSet<int64_t> iterated;                // symbols that change from iteration to iteration
  llvm::DenseSet<int64_t> sizeSymbols;             // symbols that are sizes of values, and bounds of sizes
  llvm::DenseMap<int64_t, Definition> definitions; // of symbols that are bounds
  std::optional<int64_t> lowestOf(mlir::AffineExpr atom);
  mlir::ModuleOp module;
  llvm::SmallVector<mlir::Attribute> names;
  llvm::DenseMap<int64_t, mlir::Block *> homes;
  llvm::DenseMap<mlir::Value, Dims> knownElements;
  std::optional<std::pair<int64_t, int64_t>> conflict; // sizes that the operator at hand cannot broadcast
  llvm::DenseSet<mlir::Value> unknown; // results of refused nodes and of what they feed
  llvm::DenseMap<std::pair<mlir::Block *, mlir::Attribute>, mlir::AffineExpr> boundExprs;
  llvm::DenseMap<mlir::Operation *, bool> taken; // Ifs of which one branch stays
  llvm::DenseMap<mlir::Operation *, size_t> choiceOf;
  void forgetBlock(mlir::Block &block);
  void leaveScans(llvm::ArrayRef<mlir::AffineExpr> exprs);
  mlir::LogicalResult inferIterations(onnx::LoopOp op);
  mlir::LogicalResult inferSteps(onnx::ScanOp op);
  mlir::LogicalResult scanFirstDimension(onnx::ScanOp op);
  void insertAfter(mlir::Value v);
};

using ShapeRule = std::function<mlir::LogicalResult(mlir::Operation *, Shapes &)>;
/// The rule of an operator by its name without dialect; null when it has none.
const ShapeRule *shapeRule(llvm::StringRef opType);
/// Attributes that make no sense for operands of this rank, whatever the operator's rule does with them.
mlir::LogicalResult checkAttributes(mlir::Operation *op);
/// Results of a rank or with sizes that no tensor has.
mlir::LogicalResult checkSizes(mlir::Operation *op);
// Families.
void addElementwiseShapes(llvm::StringMap<ShapeRule> &rules);
void addMovementShapes(llvm::StringMap<ShapeRule> &rules);
void addNeuralShapes(llvm::StringMap<ShapeRule> &rules);
void addWindowShapes(llvm::StringMap<ShapeRule> &rules);
void addSelectionShapes(llvm::StringMap<ShapeRule> &rules);
void addSequenceShapes(llvm::StringMap<ShapeRule> &rules);
void addSignalShapes(llvm::StringMap<ShapeRule> &rules);

/// Gives small integer operands of unknown length a static one where ranks fix or bound it (RuntimeLengths.cpp).
mlir::LogicalResult fixLengths(mlir::Operation *op, llvm::StringRef name, Shapes &s);
/// The rank that the model declares for an output which the value becomes through operators that keep its shape.
std::optional<int64_t> declaredRank(mlir::Value v);
/// Result 0 always has the shape of operand 0.
bool keepsShape(llvm::StringRef opType);
/// Sizes that stay when the dimensions of these run-time axes are dropped.
Dims keptDims(Shapes &s, llvm::ArrayRef<mlir::AffineExpr> d, llvm::ArrayRef<mlir::AffineExpr> axes);
/// Type of a sequence that holds elements of both types.
mlir::Type joinElements(mlir::Type x, mlir::Type y);
/// Type that values of both types have, an optional where one of them is; null when there is none.
mlir::Type joinValues(mlir::Type x, mlir::Type y);

} // namespace ssm
#endif
