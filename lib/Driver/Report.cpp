//===- Report.cpp - diagnostics, remarks and the JSON report ---------------===//
#include "lib/Driver/Report.h"
#include "llvm/Support/FileSystem.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace ssm;

/// Name of the node a location stands for, empty when it stands for none.
static std::string nodeOf(Location loc) {
  std::string name;
  loc->walk([&](Location l) {
    if (auto n = dyn_cast<NameLoc>(l); n && name.empty())
      name = n.getName().str();
    return name.empty() ? WalkResult::advance() : WalkResult::interrupt();
  });
  return name;
}

static std::string fileOf(Location loc) {
  std::string name;
  loc->walk([&](Location l) {
    if (auto f = dyn_cast<FileLineColLoc>(l); f && name.empty()) {
      name = f.getFilename().str();
      if (f.getLine()) // IR that was read; nodes have names instead
        name += ":" + std::to_string(f.getLine()) + ":" + std::to_string(f.getColumn());
    }
    return WalkResult::advance();
  });
  return name;
}

Diagnostics::Diagnostics(MLIRContext &context, Report &report, StringRef file)
    : report(report), file(file), handler(&context, [this](Diagnostic &d) { take(d); }) {}

void Diagnostics::take(Diagnostic &d) {
  std::string node = nodeOf(d.getLocation());
  if (d.getSeverity() == DiagnosticSeverity::Error) {
    ++numErrors;
    if (!node.empty()) {
      kept.push_back({node, d.str()});
      return;
    }
  }
  StringRef kind = d.getSeverity() == DiagnosticSeverity::Error     ? "error: "
                   : d.getSeverity() == DiagnosticSeverity::Warning ? "warning: "
                   : d.getSeverity() == DiagnosticSeverity::Remark  ? "remark: "
                                                                    : "";
  std::string where = node.empty() ? fileOf(d.getLocation()) : "node '" + node + "'";
  llvm::errs() << kind << where << (where.empty() ? "" : ": ") << d.str() << "\n";
}

void Diagnostics::flush(bool internal) {
  if (kept.empty())
    return;
  if (!internal) {
    size_t total = std::max<size_t>(report.nodes.nodes.size(), kept.size());
    llvm::errs() << "error: " << file << ": cannot compile, " << kept.size() << " of " << total
                 << " nodes are not supported:\n";
  }
  for (const Kept &k : kept) {
    UnsupportedNode entry;
    auto it = report.nodes.nodes.find(k.node);
    if (it != report.nodes.nodes.end())
      entry = it->second;
    entry.node = k.node;
    entry.reason = k.message;
    llvm::errs() << (internal ? "error: " : "  ") << "node '" << k.node << "'";
    if (!entry.op.empty())
      llvm::errs() << " (" << entry.domain << " " << entry.op << "-" << entry.opset << ")";
    llvm::errs() << ": " << k.message << "\n";
    if (!internal)
      report.nodes.unsupported.push_back(std::move(entry));
  }
  kept.clear();
}

std::string Report::write(StringRef path) const {
  using namespace llvm::json;
  auto text = [](StringRef s) { return fixUTF8(s); };
  Array unsupported, timed;
  for (const UnsupportedNode &n : nodes.unsupported)
    unsupported.push_back(Object{{"node", text(n.node)},
                                 {"domain", text(n.domain)},
                                 {"operator", text(n.op)},
                                 {"opset", n.opset},
                                 {"reason", text(n.reason)}});
  for (const auto &[name, seconds] : phases)
    timed.push_back(Object{{"name", name}, {"seconds", seconds}});
  Object all{{"raised", Array(raised)},
             {"missed", Array(missed)},
             {"unsupported", std::move(unsupported)},
             {"phases", std::move(timed)},
             {"memory", Object{{"constants", constants}, {"arena", arena}}}};
  if (verified)
    all["verified"] = llvm::json::Array(*verified);
  std::string temporary = (path + ".tmp").str();
  std::error_code ec;
  {
    llvm::raw_fd_ostream os(temporary, ec);
    if (ec)
      return ec.message();
    os << llvm::formatv("{0:2}", llvm::json::Value(std::move(all))) << "\n";
    os.close();
    if (os.has_error()) {
      ec = os.error();
      os.clear_error();
    }
  }
  if (!ec)
    ec = llvm::sys::fs::rename(temporary, path);
  if (ec) {
    llvm::sys::fs::remove(temporary);
    return ec.message();
  }
  return "";
}

namespace {
/// One line a remark: kind, node, category and text.
class RemarkLines : public remark::detail::MLIRRemarkStreamerBase {
public:
  void streamOptimizationRemark(const remark::detail::Remark &r) override {
    std::string node = nodeOf(r.getLocation());
    llvm::errs() << "remark: ";
    if (!node.empty())
      llvm::errs() << "node '" << node << "': ";
    llvm::errs() << r.getCombinedCategoryName() << ": " << r.getMsg() << "\n";
  }
};
} // namespace

LogicalResult ssm::enableRemarks(MLIRContext &context, const std::string &categories) {
  // `all` alone enables nothing in this version: every kind has to be named.
  remark::RemarkCategories kinds{categories, categories, categories, categories, categories};
  return remark::enableOptimizationRemarks(context, std::make_unique<RemarkLines>(),
                                           std::make_unique<remark::RemarkEmittingPolicyAll>(), kinds);
}
