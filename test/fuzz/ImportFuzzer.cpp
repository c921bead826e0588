//===- ImportFuzzer.cpp - libFuzzer target for the importer ----------------===//
// Any bytes: the importer gives a module that verifies, or an error. lib/Import is built anew with coverage for it.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "ssm-mlir/Import.h"
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>

using namespace mlir;

/// A context keeps every type and attribute it has seen, so it is renewed now and then.
static MLIRContext &context() {
  static std::unique_ptr<MLIRContext> current;
  static unsigned runs = 0;
  if (runs++ % 2000 == 0) {
    current = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
    current->loadDialect<ssm::onnx::OnnxDialect, ssm::SsmDialect, func::FuncDialect>();
  }
  return *current;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::string path = [] {
    char folder[] = "/tmp/ssm-import-fuzzer-XXXXXX";
    return std::string(mkdtemp(folder)) + "/model.onnx";
  }();
  FILE *file = fopen(path.c_str(), "wb");
  if (!file)
    abort();
  fwrite(data, 1, size, file);
  fclose(file);
  std::string errors;
  ScopedDiagnosticHandler handler(&context(), [&](Diagnostic &d) { errors += d.str(); });
  ssm::ImportReport report;
  auto module = ssm::importModel(context(), path, report);
  unlink(path.c_str());
  if (!module && errors.empty()) {
    fprintf(stderr, "refused without a message\n");
    abort();
  }
  if (module)
    (void)succeeded(verify(*module)); // what it refuses is reported too; it may not crash
  return 0;
}
