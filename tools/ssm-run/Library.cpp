//===- Library.cpp - a compiled library, opened ----------------------------===//
#include "tools/ssm-run/Library.h"
#include <dlfcn.h>

using namespace ssm;

Library::Library(const std::string &path) {
  // A name without a slash would be searched for in the system's folders.
  std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void *handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    throw UserError("cannot load the library: " + std::string(dlerror()));
  auto find = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (!function)
      throw UserError("'" + path + "' was not written by ssmc: it has no function " + name);
  };
  find(functions.abiVersion, "ssm_abi_version");
  find(functions.lastError, "ssm_last_error");
  find(functions.open, "ssm_open");
  find(functions.close, "ssm_close");
  find(functions.numInputs, "ssm_num_inputs");
  find(functions.numOutputs, "ssm_num_outputs");
  find(functions.input, "ssm_input");
  find(functions.output, "ssm_output");
  find(functions.metadata, "ssm_metadata");
  find(functions.run, "ssm_run");
  find(functions.setThreads, "ssm_set_threads");
  find(functions.profile, "ssm_profile");
  find(functions.readProfile, "ssm_profile_read");
  find(functions.peakBytes, "ssm_peak_bytes");
  if (functions.abiVersion() != 1)
    throw UserError("'" + path + "' has version " + std::to_string(functions.abiVersion()) +
                    " of the interface, expected 1");
  check(functions.open(nullptr, &model));
  for (int32_t i = 0; i < functions.numInputs(model); ++i)
    ins.push_back(*functions.input(model, i));
  for (int32_t i = 0; i < functions.numOutputs(model); ++i)
    outs.push_back(*functions.output(model, i));
}

Library::~Library() {
  // The library stays loaded: its OpenMP threads may still be about.
  functions.close(model);
}

void Library::check(int32_t code) const {
  if (code == 1)
    throw UserError(functions.lastError());
  if (code)
    throw LibraryError(functions.lastError());
}

void Library::run(const std::vector<Value> &inputs, std::vector<Value> &outputs) {
  std::vector<ssm_value> in(inputs.size()), out(outputs.size());
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = inputs[i].raw;
  for (size_t i = 0; i < out.size(); ++i) {
    if (outputs[i].raw.kind == SSM_SEQUENCE)
      outputs[i].clear();
    out[i] = outputs[i].raw;
  }
  check(functions.run(model, in.data(), int32_t(in.size()), out.data(), int32_t(out.size())));
  for (size_t i = 0; i < out.size(); ++i)
    outputs[i].raw = out[i];
}

std::vector<std::pair<double, int64_t>> Library::profiled() const {
  int32_t count = functions.readProfile(model, nullptr, nullptr, 0);
  std::vector<double> seconds(count);
  std::vector<int64_t> calls(count);
  functions.readProfile(model, seconds.data(), calls.data(), count);
  std::vector<std::pair<double, int64_t>> rows;
  for (int32_t i = 0; i < count; ++i)
    rows.emplace_back(seconds[i], calls[i]);
  return rows;
}

std::string ssm::jsonField(const std::string &json, const std::string &key) {
  size_t at = json.find("\"" + key + "\":");
  return at == std::string::npos ? "" : json.substr(at + key.size() + 3);
}

static void appendUtf8(std::string &text, unsigned code) {
  if (code < 0x80) {
    text += char(code);
  } else if (code < 0x800) {
    text += char(0xc0 | code >> 6);
    text += char(0x80 | (code & 63));
  } else {
    text += char(0xe0 | code >> 12);
    text += char(0x80 | (code >> 6 & 63));
    text += char(0x80 | (code & 63));
  }
}

std::vector<std::string> ssm::jsonStrings(const std::string &array) {
  std::vector<std::string> strings;
  bool inside = false;
  for (size_t i = 0; i < array.size(); ++i) {
    char c = array[i];
    if (!inside) {
      if (c == ']')
        break;
      if ((inside = c == '"'))
        strings.emplace_back();
    } else if (c == '"') {
      inside = false;
    } else if (c != '\\') {
      strings.back() += c;
    } else if (++i < array.size()) {
      if (array[i] == 'u' && i + 4 < array.size()) {
        appendUtf8(strings.back(), unsigned(std::stoul(array.substr(i + 1, 4), nullptr, 16)));
        i += 4;
      } else {
        strings.back() += array[i] == 'n' ? '\n' : array[i] == 't' ? '\t' : array[i];
      }
    }
  }
  return strings;
}

std::string ssm::jsonQuote(const std::string &text) {
  std::string quoted = "\"";
  for (char c : text) {
    char escaped[8];
    if (static_cast<unsigned char>(c) < 32) {
      snprintf(escaped, sizeof escaped, "\\u%04x", c);
      quoted += escaped;
      continue;
    }
    if (c == '"' || c == '\\')
      quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}
