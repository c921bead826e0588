//===- ssm-run.cpp - run, check and time a compiled library ----------------===//
#include "tools/ssm-run/Benchmark.h"
#include "tools/ssm-run/Compare.h"
#include "tools/ssm-run/Library.h"
#include "tools/ssm-run/Npz.h"
#include "tools/ssm-run/Proto.h"
#include "tools/ssm-run/Random.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>

using namespace ssm;
namespace fs = std::filesystem;

static const char kHelp[] =
    R"(usage: ssm-run LIBRARY.so [options]

Without options the inputs and outputs of the model are listed.

Inputs (one of):
  --data-set DIR         input_0.pb, input_1.pb, ... of an ONNX test data set
  --inputs FILE.npz      arrays by name; elements of a sequence S are S.0, S.1, ...
  --random               drawn from a fixed seed; --dims gives symbolic sizes
    --dims B=2,L=512     sizes of symbols (others are 1)
    --highest N          integers are drawn below N (256)
    --seed N             another draw (0)

Outputs:
  --save DIR             write output_0.pb, output_1.pb, ...
  --outputs FILE.npz     write arrays by name
  --no-compare           do not compare with output_*.pb of the data set
  --rtol X --atol X      |got - want| <= atol + rtol |want|; by element type when not given

Measuring:
  --benchmark[=json]     warm-up, then median, min and 95th percentile; threads pinned
  --profile              time per source node
  --seconds X            how long to measure (2)
  --threads N            threads of parallel loops (all)

Exit status: 0 success, 1 a mistake of the user, 2 a failure of the library, 3 outputs differ.
)";

namespace {
struct Options {
  std::string library, dataSet, save, inputs, outputs;
  bool random = false, noCompare = false, benchmark = false, json = false, profile = false;
  RandomOptions draw;
  Tolerance tolerance;
  double seconds = 2;
  int threads = 0;
};
} // namespace

static double parseNumber(const std::string &flag, const std::string &text) {
  char *end;
  double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end || !(value >= 0))
    throw UserError(flag + " needs a number that is not negative, got '" + text + "'");
  return value;
}

static void parseDims(const std::string &text, std::map<std::string, int64_t> &dims) {
  for (size_t at = 0; at < text.size();) {
    size_t comma = std::min(text.find(',', at), text.size()), equals = text.find('=', at);
    if (equals == std::string::npos || equals > comma)
      throw UserError("--dims needs NAME=SIZE,..., got '" + text + "'");
    dims[text.substr(at, equals - at)] = int64_t(parseNumber("--dims", text.substr(equals + 1, comma - equals - 1)));
    at = comma + 1;
  }
}

static Options parse(int argc, char **argv) {
  Options o;
  std::map<std::string, std::function<void(const std::string &)>> valued = {
      {"--data-set", [&](auto &v) { o.dataSet = v; }},
      {"--save", [&](auto &v) { o.save = v; }},
      {"--inputs", [&](auto &v) { o.inputs = v; }},
      {"--outputs", [&](auto &v) { o.outputs = v; }},
      {"--dims", [&](auto &v) { parseDims(v, o.draw.dims); }},
      {"--highest", [&](auto &v) { o.draw.highest = int64_t(parseNumber("--highest", v)); }},
      {"--seed", [&](auto &v) { o.draw.seed = uint64_t(parseNumber("--seed", v)); }},
      {"--rtol", [&](auto &v) { o.tolerance.rtol = parseNumber("--rtol", v); }},
      {"--atol", [&](auto &v) { o.tolerance.atol = parseNumber("--atol", v); }},
      {"--seconds", [&](auto &v) { o.seconds = parseNumber("--seconds", v); }},
      {"--threads", [&](auto &v) { o.threads = int(parseNumber("--threads", v)); }},
  };
  std::map<std::string, bool *> plain = {
      {"--random", &o.random}, {"--no-compare", &o.noCompare}, {"--profile", &o.profile}};
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i], name = argument.substr(0, argument.find('='));
    bool hasValue = name.size() < argument.size();
    std::string value = hasValue ? argument.substr(name.size() + 1) : "";
    if (argument.size() < 2 || argument[0] != '-') {
      if (!o.library.empty())
        throw UserError("more than one library: '" + o.library + "' and '" + argument + "'");
      o.library = argument;
    } else if (argument == "--help" || argument == "-h") {
      fputs(kHelp, stdout);
      std::exit(0);
    } else if (auto it = valued.find(name); it != valued.end()) {
      if (!hasValue && ++i == argc)
        throw UserError(name + " needs a value");
      it->second(hasValue ? value : argv[i]);
    } else if (name == "--benchmark" && (!hasValue || value == "json")) {
      o.benchmark = true;
      o.json = hasValue;
    } else if (auto flag = plain.find(argument); flag != plain.end()) {
      *flag->second = true;
    } else {
      throw UserError("unknown option '" + argument + "'; --help lists them");
    }
  }
  if (o.library.empty())
    throw UserError("no library given; --help shows the usage");
  if (int(!o.dataSet.empty()) + int(!o.inputs.empty()) + int(o.random) > 1)
    throw UserError("--data-set, --inputs and --random exclude one another");
  return o;
}

static std::string describeIo(const ssm_io_desc &io) {
  std::string text = io.optional ? "optional " : "";
  if (io.kind == SSM_SEQUENCE)
    return text + "sequence of " + dtypeName(io.dtype);
  text += dtypeName(io.dtype) + " [";
  for (int32_t i = 0; i < io.rank; ++i) {
    std::string size = io.dims[i] >= 0 ? std::to_string(io.dims[i]) : *io.symbols[i] ? io.symbols[i] : "?";
    text += (i ? ", " : "") + size;
  }
  return text + "]";
}

static void list(const Library &library) {
  for (const ssm_io_desc &io : library.inputs())
    printf("input  %s: %s\n", io.name, describeIo(io).c_str());
  for (const ssm_io_desc &io : library.outputs())
    printf("output %s: %s\n", io.name, describeIo(io).c_str());
}

static std::vector<Value> readDataSet(const Library &library, const std::string &folder) {
  if (!fs::is_directory(folder))
    throw UserError("'" + folder + "' is not a folder");
  size_t count = library.inputs().size();
  if (fs::exists(folder + "/input_" + std::to_string(count) + ".pb"))
    throw UserError("'" + folder + "' has more inputs than the model, which has " + std::to_string(count));
  std::vector<Value> values(count);
  for (size_t i = 0; i < count; ++i) {
    std::string path = folder + "/input_" + std::to_string(i) + ".pb";
    if (fs::exists(path))
      values[i] = readProto(path, library.inputs()[i]);
  }
  return values;
}

static std::vector<Value> readInputs(const Library &library, const std::string &path) {
  std::map<std::string, std::string> members = readNpz(path);
  std::vector<Value> values;
  size_t used = 0;
  for (const ssm_io_desc &input : library.inputs()) {
    if (auto it = members.find(input.name); it != members.end() && input.kind == SSM_TENSOR) {
      values.push_back(parseNpy(input.name, it->second, input.dtype));
      ++used;
      continue;
    }
    if (input.kind != SSM_SEQUENCE) {
      values.emplace_back(); // absent, or refused by the library
      continue;
    }
    std::vector<Value> elements;
    for (;; ++used) {
      std::string name = std::string(input.name) + "." + std::to_string(elements.size());
      auto element = members.find(name);
      if (element == members.end())
        break;
      elements.push_back(parseNpy(name, element->second, input.dtype));
    }
    values.push_back(Value::sequence(std::move(elements)));
  }
  if (used < members.size())
    for (auto &[name, content] : members) {
      bool known = false;
      for (const ssm_io_desc &input : library.inputs())
        known |= name == input.name || (input.kind == SSM_SEQUENCE && name.starts_with(std::string(input.name) + "."));
      if (!known)
        throw UserError("'" + path + "': the model has no input '" + name + "'");
    }
  return values;
}

static void writeOutputs(const Library &library, const std::vector<Value> &outputs, const std::string &path) {
  std::vector<std::pair<std::string, const ssm_value *>> arrays;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ssm_value &v = outputs[i].raw;
    std::string name = library.outputs()[i].name;
    if (v.kind == SSM_TENSOR)
      arrays.emplace_back(name, &v);
    for (int64_t k = 0; v.kind == SSM_SEQUENCE && k < v.shape[0]; ++k)
      arrays.emplace_back(name + "." + std::to_string(k), static_cast<const ssm_value *>(v.data) + k);
  }
  writeNpz(path, arrays);
}

static void saveOutputs(const Library &library, const std::vector<Value> &outputs, const std::string &folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    throw UserError("cannot create '" + folder + "': " + failed.message());
  for (size_t i = 0; i < outputs.size(); ++i)
    writeProto(folder + "/output_" + std::to_string(i) + ".pb", outputs[i].raw, library.outputs()[i]);
}

/// Compares with the outputs that the data set has; false when one differs.
static bool compareAll(const Library &library, const std::vector<Value> &outputs, const Options &o) {
  bool equal = true;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string path = o.dataSet + "/output_" + std::to_string(i) + ".pb";
    if (!fs::exists(path))
      continue;
    Value want = readProto(path, library.outputs()[i]);
    Comparison c = compare(outputs[i].raw, want.raw, o.tolerance);
    printf("output '%s': %s %s\n", library.outputs()[i].name, c.equal ? "ok," : "DIFFERS,", c.text.c_str());
    equal &= c.equal;
  }
  return equal;
}

static int runTool(int argc, char **argv) {
  Options o = parse(argc, argv);
  if (o.benchmark)
    pinThreads(o.threads);
  Library library(o.library);
  library.setThreads(o.threads);
  std::vector<Value> inputs;
  if (!o.dataSet.empty())
    inputs = readDataSet(library, o.dataSet);
  else if (!o.inputs.empty())
    inputs = readInputs(library, o.inputs);
  else if (o.random || library.inputs().empty())
    inputs = drawInputs(library.inputs(), o.draw);
  bool wantsRun = o.benchmark || o.profile || !o.save.empty() || !o.outputs.empty();
  if (inputs.size() != library.inputs().size() || (inputs.empty() && !wantsRun && o.dataSet.empty())) {
    if (wantsRun)
      throw UserError("no inputs: give --data-set, --inputs or --random");
    return list(library), 0;
  }
  std::vector<Value> outputs(library.outputs().size());
  library.run(inputs, outputs);
  if (!o.save.empty())
    saveOutputs(library, outputs, o.save);
  if (!o.outputs.empty())
    writeOutputs(library, outputs, o.outputs);
  bool equal = o.dataSet.empty() || o.noCompare || compareAll(library, outputs, o);
  if (o.random && !wantsRun)
    for (size_t i = 0; i < outputs.size(); ++i)
      printf("output '%s': %s\n", library.outputs()[i].name, describe(outputs[i].raw).c_str());
  if (o.benchmark)
    benchmark(library, inputs, o.seconds, o.json);
  if (o.profile)
    printProfile(library, inputs, o.seconds);
  return equal ? 0 : 3;
}

int main(int argc, char **argv) {
  int code = 2;
  try {
    code = runTool(argc, argv);
  } catch (const UserError &error) {
    fprintf(stderr, "ssm-run: %s\n", error.what());
    code = 1;
  } catch (const std::exception &error) {
    fprintf(stderr, "ssm-run: %s\n", error.what());
  }
  fflush(stdout);
  return code;
}
