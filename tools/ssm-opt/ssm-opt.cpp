//===- ssm-opt.cpp - run passes on MLIR ------------------------------------===//
#include "lib/Driver/Registration.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  ssm::registerDialects(registry);
  ssm::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "ssm-mlir optimizer driver\n", registry));
}
