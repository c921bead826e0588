//===- PackWeights.cpp - constant matrices in the order contractions read -----===//
// Expects: @main of onnx operators with known shapes, before dispatches are formed. Leaves: MatMul and Gemm read constant
// matrices in panels (ssm.pack), which the compiler writes once; no dispatch packs them again at run time. The matrix
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
    if (!onnx::constantValue(matrix) || !type || !left || type.getRank() != 2 ||
        !(type.getElementType().isF16() || type.getElementType().isBF16() || type.getElementType().isF32() || type.getElementType().isF64()))
      return;
    int64_t rows = type.getDimSize(transposed), columns = type.getDimSize(!transposed);
    if (rows == 0 || columns < kFewColumns)
      return;
    int64_t count = (columns + kPanelColumns - 1) / kPanelColumns;
    auto panels = RankedTensorType::get({count, rows, kPanelColumns}, type.getElementType());
    OpBuilder b(op);
    op->setOperand(1, PackOp::create(b, op->getLoc(), panels, matrix, transposed));
    op->setAttr(kColumnsAttr, b.getI64IntegerAttr(columns));
    if (Operation *def = operand.getDefiningOp(); matrix != operand && def->use_empty())
      def->erase();
    ++numPacked;
  }
};
} // namespace
