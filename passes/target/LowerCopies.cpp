//===- LowerCopies.cpp - memory copies as loops ----------------------------===//
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_LOWERCOPIES
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
struct LowerCopiesPass : ssm::impl::LowerCopiesBase<LowerCopiesPass> {
  void runOnOperation() override {
    getOperation().walk([](memref::CopyOp copy) {
      OpBuilder b(copy);
      linalg::makeMemRefCopyOp(b, copy.getLoc(), copy.getSource(), copy.getTarget());
      copy.erase();
    });
  }
};
} // namespace
