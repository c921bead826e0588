//===- PackWeights.cpp - constant matrices in the order contractions read -----===//
// Expects: @main of onnx operators with known shapes, before dispatches are formed. Leaves: MatMul, Gemm and the recurrent
// operators read constant matrices in panels (ssm.pack), which the compiler writes once; no dispatch packs them again at run time. The matrix
// itself stays in the library only when something else reads it. Linear in operators.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/group/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "passes/group/Passes.h.inc"
} // namespace ssm

namespace {
/// A panel is mostly padding when the matrix has fewer columns.
constexpr int64_t kFewColumns = 16;

struct PackWeights : ssm::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SmallVector<Operation *> users;
    main.walk([&](Operation *op) {
      StringRef name = op->getName().getStringRef();
      if (name == "onnx.MatMul" || name == "onnx.Gemm")
        users.push_back(op);
    });
    for (Operation *op : users)
      pack(op);
    main.walk([&](Operation *op) {
      StringRef name = op->getName().getStringRef();
      if (name == "onnx.LSTM" || name == "onnx.GRU" || name == "onnx.RNN")
        packRecurrent(op);
    });
  }

  static bool isFloat(Type t) { return t.isF16() || t.isBF16() || t.isF32() || t.isF64(); }

  /// Panels of a constant; the user learns how many columns it has.
  Value panelsOf(Operation *user, Value constant, bool transposed) {
    OpBuilder b(user);
    if (auto loop = dyn_cast<RecurrenceOp>(user->getParentOp()))
      b.setInsertionPoint(loop); // its steps are one dispatch, which takes the panels
    auto type = cast<RankedTensorType>(constant.getType());
    SmallVector<int64_t> sizes(type.getShape().drop_back(2));
    ArrayRef<int64_t> matrix = type.getShape().take_back(2);
    sizes.append({(int64_t)llvm::divideCeil(matrix[!transposed], kPanelColumns), matrix[transposed], kPanelColumns});
    user->setAttr(kColumnsAttr, b.getI64IntegerAttr(matrix[!transposed]));
    ++numPacked;
    return PackOp::create(b, user->getLoc(), RankedTensorType::get(sizes, type.getElementType()), constant, transposed);
  }

  /// Both matrices of the gates, (directions, gates * hidden, inputs), or none.
  void packRecurrent(Operation *op) {
    for (unsigned i : {1, 2}) {
      auto type = dyn_cast<RankedTensorType>(op->getOperand(i).getType());
      if (!type || type.getRank() != 3 || type.getNumElements() == 0 || !isFloat(type.getElementType()) ||
          !onnx::constantValue(op->getOperand(i)))
        return;
    }
    for (unsigned i : {1, 2})
      op->setOperand(i, panelsOf(op, op->getOperand(i), true));
  }

  void pack(Operation *op) {
    bool gemm = op->getName().stripDialect() == "Gemm";
    bool transposed = gemm && onnx::intAttr(op, "transB");
    Value operand = op->getOperand(1), matrix = operand;
    // A transposed constant is the constant read the other way round.
    if (Operation *def = matrix.getDefiningOp(); def && def->getName().getStringRef() == "onnx.Transpose") {
      auto type = dyn_cast<RankedTensorType>(matrix.getType());
      SmallVector<int64_t> order = onnx::intsAttr(def, "perm");
      bool reversed = order.empty() || order == SmallVector<int64_t>{1, 0};
      if (type && type.getRank() == 2 && reversed) {
        matrix = def->getOperand(0);
        transposed = !transposed;
      }
    }
    auto type = dyn_cast<RankedTensorType>(matrix.getType());
    auto left = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
    if (!onnx::constantValue(matrix) || !type || !left || type.getRank() != 2 || !isFloat(type.getElementType()) ||
        type.getDimSize(transposed) == 0 || type.getDimSize(!transposed) < kFewColumns)
      return;
    op->setOperand(1, panelsOf(op, matrix, transposed));
    if (Operation *def = operand.getDefiningOp(); matrix != operand && def->use_empty())
      def->erase();
  }
};
} // namespace
