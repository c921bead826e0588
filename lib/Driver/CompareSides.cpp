//===- CompareSides.cpp - runs two libraries on the same inputs ------------===//
// The child process of --verify-raise. Inputs are drawn as float32 numbers in many kinds: normal, all equal, zero and
// one (as they stand or through exp, sigmoid and softplus these are the decays 0 and 1), large and small, one spike,
// impulses, minus infinity. Elements that are not finite before are compared with nothing; where none is, milder inputs
// follow.
//===----------------------------------------------------------------------===//
#include "lib/Driver/CompareSides.h"
#include "ssm-mlir-c/model.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cmath>
#include <dlfcn.h>
#include <limits>
#include <random>

using llvm::StringRef;

namespace {
enum class Pattern { Normal, Zero, One, Equal, Low, High, Spike, Impulse, Impulses, Masked };

struct Kind {
  const char *name;
  Pattern pattern;
  int input; // of each group, the others are normal; -1 for all
  unsigned seed;
};

constexpr int kNoInput = 1 << 20;

/// Every tensor in double: floats, and integers, which are exact.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> elements;
  bool exact = false;
};

int64_t widthOf(int32_t dtype) {
  switch (dtype) {
  case 4:
  case 5:
  case 10:
  case 16:
    return 2;
  case 1:
  case 6:
  case 12:
    return 4;
  case 7:
  case 11:
  case 13:
  case 14:
    return 8;
  case 15:
    return 16;
  default:
    return 1;
  }
}
bool isFloat(int32_t dtype) { return dtype == 1 || dtype == 10 || dtype == 11 || (dtype >= 14 && dtype <= 16); }
int64_t partsOf(int32_t dtype) { return dtype == 14 || dtype == 15 ? 2 : 1; }

const llvm::fltSemantics &semanticsOf(int32_t dtype) {
  return dtype == 10 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat();
}

void store(int32_t dtype, double v, char *to) {
  auto put = [&](auto x) { std::memcpy(to, &x, sizeof x); };
  switch (dtype) {
  case 1:
  case 14:
    return put(float(v));
  case 11:
  case 15:
    return put(v);
  case 10:
  case 16: {
    llvm::APFloat f(v);
    bool lossy;
    f.convert(semanticsOf(dtype), llvm::APFloat::rmNearestTiesToEven, &lossy);
    return put(uint16_t(f.bitcastToAPInt().getZExtValue()));
  }
  case 4:
  case 5:
    return put(int16_t(v));
  case 6:
  case 12:
    return put(int32_t(v));
  case 7:
  case 13:
    return put(int64_t(v));
  default:
    return put(int8_t(v));
  }
}

double load(int32_t dtype, const char *from) {
  auto get = [&](auto x) {
    std::memcpy(&x, from, sizeof x);
    return x;
  };
  switch (dtype) {
  case 1:
  case 14:
    return get(float());
  case 11:
  case 15:
    return get(double());
  case 10:
  case 16: {
    llvm::APFloat f(semanticsOf(dtype), llvm::APInt(16, get(uint16_t())));
    bool lossy;
    f.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lossy);
    return f.convertToDouble();
  }
  case 4:
    return get(uint16_t());
  case 5:
    return get(int16_t());
  case 6:
    return get(int32_t());
  case 12:
    return get(uint32_t());
  case 7:
  case 13:
    return double(get(int64_t()));
  case 3:
    return get(int8_t());
  default:
    return get(uint8_t());
  }
}

class Side {
public:
  std::string open(StringRef path);
  /// Empty when it ran.
  std::string run(const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs);
  const ssm_io_desc &input(int i) const { return *describe(model, i); }
  bool isOpen() const { return model; }

private:
  ssm_model *model = nullptr;
  decltype(&ssm_run) runModel = nullptr;
  decltype(&ssm_last_error) lastError = nullptr;
  decltype(&ssm_input) describe = nullptr;
  decltype(&ssm_value_free) release = nullptr;
  int32_t numOutputs = 0;
};

std::string Side::open(StringRef path) {
  void *library = dlopen(path.str().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return dlerror();
  auto find = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
  };
  decltype(&ssm_open) openModel;
  decltype(&ssm_num_outputs) count;
  decltype(&ssm_set_threads) setThreads;
  find(openModel, "ssm_open");
  find(count, "ssm_num_outputs");
  find(setThreads, "ssm_set_threads");
  find(runModel, "ssm_run");
  find(lastError, "ssm_last_error");
  find(describe, "ssm_input");
  find(release, "ssm_value_free");
  if (openModel(nullptr, &model))
    return lastError();
  setThreads(model, 1);
  numOutputs = count(model);
  return "";
}

std::string Side::run(const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs) {
  std::vector<std::vector<char>> memory;
  std::vector<ssm_value> in(inputs.size()), out(numOutputs);
  for (auto [i, t] : llvm::enumerate(inputs)) {
    int32_t dtype = input(i).dtype;
    int64_t part = widthOf(dtype) / partsOf(dtype);
    memory.emplace_back(std::max<size_t>(t.elements.size() * part, 1));
    for (auto [j, v] : llvm::enumerate(t.elements))
      store(dtype, v, memory.back().data() + j * part);
    in[i].kind = SSM_TENSOR;
    in[i].dtype = dtype;
    in[i].rank = t.shape.size();
    in[i].data = memory.back().data();
    llvm::copy(t.shape, in[i].shape);
  }
  if (runModel(model, in.data(), in.size(), out.data(), out.size()))
    return lastError();
  outputs.clear();
  for (ssm_value &v : out) {
    Tensor &t = outputs.emplace_back();
    t.shape.assign(v.shape, v.shape + v.rank);
    t.exact = !isFloat(v.dtype);
    int64_t part = widthOf(v.dtype) / partsOf(v.dtype), n = partsOf(v.dtype);
    for (int64_t s : t.shape)
      n *= s;
    for (int64_t j = 0; j < n; ++j)
      t.elements.push_back(load(v.dtype, (const char *)v.data + j * part));
    release(&v);
  }
  return "";
}

/// `mild`: what is extreme stays within what exp and its inverse take without loss.
void fill(Tensor &t, Pattern pattern, double scale, bool mild, std::mt19937 &random) {
  std::normal_distribution<double> normal;
  auto draw = [&](double times) {
    for (double &v : t.elements)
      v = float(times * normal(random));
  };
  auto constant = [&](double v) { llvm::fill(t.elements, v); };
  size_t n = t.elements.size();
  switch (pattern) {
  case Pattern::Normal:
    return draw(scale);
  case Pattern::Zero:
    return constant(0);
  case Pattern::One:
    return constant(1);
  case Pattern::Equal:
    return constant(0.5 * scale);
  case Pattern::Low:
    return constant(mild ? -3 : -40);
  case Pattern::High:
    return constant(mild ? 2 : 10);
  case Pattern::Spike:
    draw(scale);
    if (n)
      t.elements[n / 8] = mild ? 4 : 1e4;
    return;
  case Pattern::Impulse:
  case Pattern::Impulses:
    constant(0);
    for (int i = 0; n && i < (pattern == Pattern::Impulse ? 1 : 2); ++i)
      t.elements[random() % n] = 1;
    return;
  case Pattern::Masked:
    draw(scale);
    for (double &v : t.elements)
      if (random() % 3 == 0)
        v = -std::numeric_limits<double>::infinity();
    return;
  }
}

/// The error relative to the largest finite element; negative when none is finite. `floor` stands for elements of no
/// size.
double errorOf(const Tensor &want, const Tensor &got, double floor) {
  if (want.shape != got.shape)
    return std::numeric_limits<double>::infinity();
  double largest = 0, error = 0;
  bool any = want.elements.empty();
  for (auto [w, g] : llvm::zip(want.elements, got.elements)) {
    if (!std::isfinite(w))
      continue;
    any = true;
    largest = std::max(largest, std::abs(w));
    double e = std::isfinite(g) ? std::abs(w - g) : std::numeric_limits<double>::infinity();
    error = std::max(error, e);
  }
  if (!any)
    return -1;
  if (want.exact)
    return error > 0 ? std::numeric_limits<double>::infinity() : 0;
  return error == 0 ? 0 : error / std::max(largest, floor);
}

struct Group {
  std::vector<int64_t> inputs, outputs;
  int64_t runs = 0, compared = 0, extreme = 0, atSizes = -1, output = -1;
  double worst = 0, error = 0;
  std::string kind;
  bool testsNan = false;
};

class Comparison {
public:
  void read(const llvm::json::Object &plan);
  llvm::json::Object run();

private:
  std::vector<Kind> kinds() const;
  std::vector<Tensor> draw(const Kind &kind, size_t choice, double scale, bool mild = false);
  bool runAll(double scale);
  bool runOnce(const Kind &kind, size_t choice, double scale);
  bool agreesMildly(const Kind &kind, size_t choice, double scale);
  void judge(Group &g, const Kind &kind, size_t choice, double scale);

  Side before, after, single;
  double tolerance = 0, seconds = 60;
  std::chrono::steady_clock::time_point deadline;
  std::vector<std::vector<std::vector<int64_t>>> sizes;
  std::vector<Group> groups;
  std::vector<Tensor> want, got, rounded;
  std::string refusal, guarded;
};

void Comparison::read(const llvm::json::Object &plan) {
  auto numbers = [](const llvm::json::Value &v) {
    std::vector<int64_t> list;
    for (const llvm::json::Value &e : *v.getAsArray())
      list.push_back(*e.getAsInteger());
    return list;
  };
  tolerance = *plan.getNumber("tolerance");
  seconds = *plan.getNumber("seconds");
  for (const llvm::json::Value &choice : *plan.getArray("sizes")) {
    sizes.emplace_back();
    for (const llvm::json::Value &input : *choice.getAsArray())
      sizes.back().push_back(numbers(input));
  }
  for (const llvm::json::Value &g : *plan.getArray("groups")) {
    groups.emplace_back();
    groups.back().inputs = numbers(*g.getAsObject()->get("inputs"));
    groups.back().outputs = numbers(*g.getAsObject()->get("outputs"));
    groups.back().testsNan = *g.getAsObject()->getBoolean("tests_nan");
  }
  refusal = before.open(*plan.getString("before"));
  if (refusal.empty())
    refusal = after.open(*plan.getString("after"));
  if (StringRef path = *plan.getString("single"); refusal.empty() && !path.empty())
    refusal = single.open(path);
}

std::vector<Kind> Comparison::kinds() const {
  std::vector<Kind> all = {{"normal", Pattern::Normal, -1, 1},
                           {"normal", Pattern::Normal, -1, 2},
                           {"all equal", Pattern::Equal, -1, 3},
                           {"all zero", Pattern::Zero, -1, 4},
                           {"all one", Pattern::One, -1, 5}};
  size_t most = 0;
  for (const Group &g : groups)
    most = std::max(most, g.inputs.size());
  for (int i = 0; i < (int)std::min<size_t>(most, 24); ++i) {
    unsigned seed = 100 * (i + 1);
    all.push_back({"one input zero", Pattern::Zero, i, seed});
    all.push_back({"one input one", Pattern::One, i, seed + 1});
    all.push_back({"one input low", Pattern::Low, i, seed + 2});
    all.push_back({"one input high", Pattern::High, i, seed + 3});
    all.push_back({"one spike", Pattern::Spike, i, seed + 4});
    all.push_back({"impulse", Pattern::Impulse, i, seed + 5});
    all.push_back({"two impulses", Pattern::Impulses, i, seed + 6});
    all.push_back({"minus infinity", Pattern::Masked, i, seed + 7});
  }
  return all;
}

std::vector<Tensor> Comparison::draw(const Kind &kind, size_t choice, double scale, bool mild) {
  std::vector<Tensor> inputs(sizes[choice].size());
  std::mt19937 random(kind.seed);
  std::vector<bool> special(inputs.size(), kind.input < 0);
  for (const Group &g : groups)
    if (kind.input >= 0 && kind.input < (int)g.inputs.size())
      special[g.inputs[kind.input]] = true;
  for (auto [i, t] : llvm::enumerate(inputs)) {
    int32_t dtype = before.input(i).dtype;
    t.shape = sizes[choice][i];
    int64_t n = partsOf(dtype);
    for (int64_t s : t.shape)
      n *= s;
    t.elements.resize(n);
    if (isFloat(dtype))
      fill(t, special[i] ? kind.pattern : Pattern::Normal, scale, mild, random);
    else // positions, lengths and flags: what is in range everywhere
      for (double &v : t.elements)
        v = kind.pattern == Pattern::Zero ? 0 : random() % 2;
  }
  return inputs;
}

/// Whether all outputs are the same for mild inputs of an extreme kind. The source may have lost what is small beside
/// what is large, without infinities to tell it by, where the raised side has not.
bool Comparison::agreesMildly(const Kind &kind, size_t choice, double scale) {
  if (kind.pattern != Pattern::Low && kind.pattern != Pattern::High && kind.pattern != Pattern::Spike)
    return false;
  std::vector<Tensor> inputs = draw(kind, choice, scale, true), x, y;
  if (!before.run(inputs, x).empty() || !after.run(inputs, y).empty())
    return false;
  return llvm::all_of(llvm::zip(x, y),
                      [&](auto pair) { return errorOf(std::get<0>(pair), std::get<1>(pair), 1e-8) <= tolerance; });
}

void Comparison::judge(Group &g, const Kind &kind, size_t choice, double scale) {
  // What replaces NaN gives a number for an infinite query or key too, which no attention defines.
  if (g.testsNan && kind.pattern == Pattern::Masked)
    return;
  ++g.runs;
  bool compared = false;
  for (auto [i, output] : llvm::enumerate(g.outputs)) {
    double error = errorOf(want[output], got[output], 1e-8);
    if (error < 0)
      continue;
    if (error > tolerance && !rounded.empty()) {
      // float32 is 2^29 times coarser; one that says nothing leaves the case open.
      double coarse = errorOf(want[output], rounded[output], 1e-8);
      if (!(coarse < 0.05) || error < coarse * 1e3 / double(1 << 29))
        continue;
    }
    if (error > tolerance && std::isfinite(error) && agreesMildly(kind, choice, scale)) {
      ++g.extreme;
      continue;
    }
    compared = true;
    g.worst = std::max(g.worst, std::isfinite(error) ? error : 1e300);
    if (error > tolerance && g.kind.empty()) {
      g.error = std::isfinite(error) ? error : 1e300;
      g.kind = kind.name;
      if (kind.input >= 0)
        g.kind += " (input " + std::to_string(kind.input) + ")";
      g.atSizes = choice;
      g.output = i;
    }
  }
  g.compared += compared;
}

/// False when the side before refuses the inputs.
bool Comparison::runOnce(const Kind &kind, size_t choice, double scale) {
  std::vector<Tensor> inputs = draw(kind, choice, scale);
  std::string reason = before.run(inputs, want);
  if (!reason.empty()) {
    refusal = reason;
    return false;
  }
  rounded.clear();
  if (single.isOpen() && !single.run(inputs, rounded).empty())
    rounded.clear();
  if (reason = after.run(inputs, got); !reason.empty()) {
    guarded = reason;
    return true;
  }
  for (Group &g : groups)
    judge(g, kind, choice, scale);
  return true;
}

/// All kinds for all sizes; whether anything ran.
bool Comparison::runAll(double scale) {
  std::vector<Kind> all = kinds();
  bool ran = false;
  for (size_t choice = 0; choice < sizes.size(); ++choice)
    for (size_t k = 0; k < all.size(); ++k) {
      if (ran && std::chrono::steady_clock::now() > deadline)
        return true;
      bool fine = runOnce(all[k], choice, scale);
      ran |= fine;
      // Sizes that the model does not take are passed over; integers may have to be zero.
      if (!fine && k == 0 && !runOnce({"normal", Pattern::Zero, kNoInput, 7}, choice, scale))
        break;
    }
  return ran;
}

llvm::json::Object Comparison::run() {
  llvm::json::Array found;
  bool ran = false;
  if (refusal.empty()) {
    deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(int64_t(1e3 * seconds));
    for (double scale : {1.0, 0.1, 0.01}) {
      ran |= runAll(scale);
      if (!ran || llvm::all_of(groups, [](const Group &g) { return g.compared; }))
        break;
    }
  }
  for (const Group &g : groups)
    found.push_back(llvm::json::Object{{"runs", g.runs},
                                       {"compared", g.compared},
                                       {"extreme", g.extreme},
                                       {"worst", g.worst},
                                       {"kind", g.kind},
                                       {"sizes", g.atSizes},
                                       {"output", g.output},
                                       {"error", g.error}});
  return llvm::json::Object{{"refused", ran ? "" : llvm::json::fixUTF8(refusal)},
                            {"guarded", llvm::json::fixUTF8(guarded)},
                            {"groups", std::move(found)}};
}
} // namespace

int ssm::compareSides(StringRef plan, StringRef output) {
  auto file = llvm::MemoryBuffer::getFile(plan);
  if (!file)
    return 1;
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json) {
    llvm::consumeError(json.takeError());
    return 1;
  }
  Comparison comparison;
  std::error_code ec;
  llvm::raw_fd_ostream os(output, ec);
  if (ec)
    return 1;
  comparison.read(*json->getAsObject());
  os << llvm::json::Value(comparison.run()) << "\n";
  return 0;
}
