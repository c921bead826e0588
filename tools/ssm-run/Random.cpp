//===- Random.cpp - inputs drawn at random ---------------------------------===//
#include "tools/ssm-run/Random.h"
#include <cctype>
#include <cmath>
#include <cstring>
#include <random>

using namespace ssm;

namespace {
/// sum := product (('+' | '-') product)*; product := factor (('*' | '/' | '//') factor)*.
class SizeParser {
public:
  SizeParser(const std::string &text, const std::map<std::string, int64_t> &dims,
             std::map<std::string, int64_t> &missing)
      : text(text), dims(dims), missing(missing) {}

  int64_t parse() {
    auto whole = dims.find(text);
    if (whole != dims.end())
      return whole->second;
    int64_t value = sum();
    if (peek())
      throw fail();
    return value;
  }

private:
  UserError fail() const {
    return UserError("the size '" + text + "' is not understood; give it with --dims '" + text + "=N'");
  }
  char peek() {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])))
      ++at;
    return at < text.size() ? text[at] : '\0';
  }
  int64_t sum() {
    int64_t value = product();
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      ++at;
      int64_t other = product();
      value = c == '+' ? value + other : value - other;
    }
    return value;
  }
  int64_t product() {
    int64_t value = factor();
    for (char c = peek(); c == '*' || c == '/'; c = peek()) {
      at += c == '/' && at + 1 < text.size() && text[at + 1] == '/' ? 2 : 1;
      int64_t other = factor();
      if (c == '/' && other == 0)
        throw fail();
      value = c == '*' ? value * other : value / other;
    }
    return value;
  }
  int64_t factor() {
    char c = peek();
    if (c == '(') {
      ++at;
      int64_t value = sum();
      if (peek() != ')')
        throw fail();
      ++at;
      return value;
    }
    size_t start = at;
    while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || std::strchr("_.:", text[at])))
      ++at;
    std::string word = text.substr(start, at - start);
    if (word.empty())
      throw fail();
    if (std::isdigit(static_cast<unsigned char>(word[0])))
      return std::strtoll(word.c_str(), nullptr, 10);
    if (auto it = dims.find(word); it != dims.end())
      return it->second;
    return missing[word] = 1;
  }

  const std::string &text;
  const std::map<std::string, int64_t> &dims;
  std::map<std::string, int64_t> &missing;
  size_t at = 0;
};
} // namespace

int64_t ssm::evaluateSize(const std::string &expression, const std::map<std::string, int64_t> &dims,
                          std::map<std::string, int64_t> &missing) {
  return SizeParser(expression, dims, missing).parse();
}

static uint16_t halfBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  int exponent = int(bits >> 23 & 255) - 112;
  uint32_t sign = bits >> 16 & 0x8000;
  return uint16_t(exponent <= 0 ? sign
                                : sign | uint32_t(exponent) << 10 | (bits >> 13 & 1023)); // drawn values are below 8
}

static uint16_t bfloatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return uint16_t(bits >> 16);
}

template <typename T> static void store(void *data, int64_t i, T value) {
  std::memcpy(static_cast<char *>(data) + i * sizeof(T), &value, sizeof(T));
}

static void fillFloat(Value &v, std::mt19937_64 &generator) {
  std::normal_distribution<float> normal(0, 0.5);
  int64_t count = elementCount(v.raw);
  for (int64_t i = 0; i < count; ++i) {
    float x = std::fmax(-7.f, std::fmin(7.f, normal(generator)));
    switch (v.raw.dtype) {
    case 1:
      store(v.raw.data, i, x);
      break;
    case 10:
      store(v.raw.data, i, halfBits(x));
      break;
    case 11:
      store(v.raw.data, i, double(x));
      break;
    case 14:
      store(v.raw.data, 2 * i, x);
      store(v.raw.data, 2 * i + 1, normal(generator));
      break;
    case 15:
      store(v.raw.data, 2 * i, double(x));
      store(v.raw.data, 2 * i + 1, double(normal(generator)));
      break;
    case 16:
      store(v.raw.data, i, bfloatBits(x));
      break;
    case 23:
      store(v.raw.data, i, uint8_t(generator() & 15));
      break;
    default: // 8-bit floats: any pattern of a middle exponent
      store(v.raw.data, i, uint8_t(0x30 | (generator() & 0x8f)));
    }
  }
}

static void fillIntegers(Value &v, const std::string &name, int64_t highest, std::mt19937_64 &generator) {
  const DtypeInfo &info = *dtypeInfo(v.raw.dtype);
  int64_t count = elementCount(v.raw);
  int digits = (info.bits < 64 ? info.bits : 63) - (info.kind == Number::Signed);
  int64_t limit = std::min(highest, digits >= 62 ? INT64_MAX : int64_t(1) << digits);
  // A mask of zeros would make a model do nothing.
  bool ones = info.kind == Number::Bool || name.find("mask") != std::string::npos;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t x = ones ? 1 : generator() % uint64_t(std::max<int64_t>(limit, 1));
    std::memcpy(static_cast<char *>(v.raw.data) + i * info.bytes(), &x, size_t(info.bytes()));
  }
}

std::vector<Value> ssm::drawInputs(const std::vector<ssm_io_desc> &inputs, const RandomOptions &options) {
  std::map<std::string, int64_t> missing;
  std::mt19937_64 generator(options.seed);
  std::vector<Value> values;
  for (const ssm_io_desc &input : inputs) {
    if (input.kind == SSM_SEQUENCE) {
      values.push_back(Value::sequence({}));
      continue;
    }
    std::vector<int64_t> shape;
    for (int32_t i = 0; i < input.rank; ++i) {
      std::string symbol = input.dims[i] < 0 ? input.symbols[i] : "";
      if (input.dims[i] < 0 && symbol.empty())
        symbol = std::string(input.name) + "." + std::to_string(i);
      shape.push_back(symbol.empty() ? input.dims[i] : evaluateSize(symbol, options.dims, missing));
    }
    Value v(input.dtype, shape);
    const DtypeInfo &info = *dtypeInfo(input.dtype);
    if (info.kind == Number::Float || info.kind == Number::Complex)
      fillFloat(v, generator);
    else
      fillIntegers(v, input.name, options.highest, generator);
    values.push_back(std::move(v));
  }
  for (auto &[name, size] : missing)
    fprintf(stderr, "note: size '%s' is 1; give --dims %s=N\n", name.c_str(), name.c_str());
  return values;
}
