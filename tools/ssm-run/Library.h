//===- Library.h - a compiled library, opened -------------------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_LIBRARY_H
#define SSM_TOOLS_SSM_RUN_LIBRARY_H

#include "tools/ssm-run/Value.h"
#include <map>

namespace ssm {

/// The library failed: exit status 2.
struct LibraryError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Library {
public:
  explicit Library(const std::string &path);
  ~Library();
  Library(const Library &) = delete;

  const std::vector<ssm_io_desc> &inputs() const { return ins; }
  const std::vector<ssm_io_desc> &outputs() const { return outs; }
  std::string metadata() const { return functions.metadata(model); }
  /// Outputs that already hold tensors are written in place.
  void run(const std::vector<Value> &inputs, std::vector<Value> &outputs);
  void setThreads(int threads) { functions.setThreads(model, threads); }
  void profile(bool on) { functions.profile(model, on); }
  /// Seconds and calls by profile id.
  std::vector<std::pair<double, int64_t>> profiled() const;
  int64_t peakBytes() const { return functions.peakBytes(model); }

private:
  void check(int32_t code) const;

  struct {
    decltype(&ssm_abi_version) abiVersion;
    decltype(&ssm_last_error) lastError;
    decltype(&ssm_open) open;
    decltype(&ssm_close) close;
    decltype(&ssm_num_inputs) numInputs;
    decltype(&ssm_num_outputs) numOutputs;
    decltype(&ssm_input) input;
    decltype(&ssm_output) output;
    decltype(&ssm_metadata) metadata;
    decltype(&ssm_run) run;
    decltype(&ssm_set_threads) setThreads;
    decltype(&ssm_profile) profile;
    decltype(&ssm_profile_read) readProfile;
    decltype(&ssm_peak_bytes) peakBytes;
  } functions = {};
  ssm_model *model = nullptr;
  std::vector<ssm_io_desc> ins, outs;
};

/// Text behind "key": in the library's JSON, or an empty string.
std::string jsonField(const std::string &json, const std::string &key);
/// Strings of a JSON array.
std::vector<std::string> jsonStrings(const std::string &array);
std::string jsonQuote(const std::string &text);

} // namespace ssm
#endif
