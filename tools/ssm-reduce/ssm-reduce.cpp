//===- ssm-reduce.cpp - make IR smaller that shows a mistake ---------------===//
// mlir-reduce with our dialects and passes: a reproducer of ssmc and a script that tells the mistake go in.
//===----------------------------------------------------------------------===//
#include "lib/Driver/Registration.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  ssm::registerDialects(registry);
  ssm::registerPasses();
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
