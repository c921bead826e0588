//===- ssm-translate.cpp - ONNX files to the onnx dialect and back ---------===//
#include "lib/Driver/Registration.h"
#include "llvm/Support/SourceMgr.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "ssm-mlir/Import.h"

using namespace mlir;

static OwningOpRef<Operation *> importFile(llvm::SourceMgr &sources, MLIRContext *context) {
  // By name, because external data lies beside the file.
  StringRef path = sources.getMemoryBuffer(sources.getMainFileID())->getBufferIdentifier();
  ssm::ImportReport report;
  return OwningOpRef<Operation *>(ssm::importModel(*context, path, report).release().getOperation());
}

int main(int argc, char **argv) {
  DialectRegistry dialects;
  ssm::registerDialects(dialects);
  TranslateToMLIRRegistration import("import-onnx", "an ONNX file into the onnx dialect", importFile,
                                     [&](DialectRegistry &registry) { ssm::registerDialects(registry); });
  TranslateFromMLIRRegistration exported(
      "export-onnx", "the onnx dialect, as import leaves it, into an ONNX file",
      [](ModuleOp module, llvm::raw_ostream &os) { return ssm::exportModel(module, os); },
      [&](DialectRegistry &registry) { ssm::registerDialects(registry); });
  return failed(mlirTranslateMain(argc, argv, "ONNX files to MLIR and back\n"));
}
