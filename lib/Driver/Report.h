//===- Report.h - what one compilation has to say ---------------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_REPORT_H
#define SSM_LIB_DRIVER_REPORT_H

#include "llvm/Support/JSON.h"
#include "mlir/IR/Diagnostics.h"
#include "ssm-mlir/Import.h"

namespace ssm {

/// Facts that outlive a crash of the compilation, and the file they go to.
struct Report {
  ImportReport nodes;
  std::vector<std::pair<std::string, double>> phases; // name and seconds
  llvm::json::Array raised, missed;
  std::optional<llvm::json::Array> verified; // only where it was asked for
  int64_t constants = 0;                              // bytes
  llvm::json::Value arena = 0;                        // bytes, or how they depend on the sizes of inputs
  /// Writes DESIGN's JSON; gives the reason when it cannot.
  std::string write(llvm::StringRef path) const;
};

/// Turns diagnostics into lines that speak to the owner of the file. Errors at nodes are kept until flush(), which
/// prints them as one report and adds them to `unsupported`.
class Diagnostics {
public:
  Diagnostics(mlir::MLIRContext &context, Report &report, llvm::StringRef file);
  /// Prints what is kept. With `internal` the errors are ours and each is printed as it is.
  void flush(bool internal);
  unsigned errors() const { return numErrors; }

private:
  struct Kept {
    std::string node, message;
  };
  void take(mlir::Diagnostic &diagnostic);
  Report &report;
  std::string file;
  std::vector<Kept> kept;
  unsigned numErrors = 0;
  mlir::ScopedDiagnosticHandler handler;
};

/// Prints remarks whose category matches the regular expression to stderr.
mlir::LogicalResult enableRemarks(mlir::MLIRContext &context, const std::string &categories);

} // namespace ssm
#endif
