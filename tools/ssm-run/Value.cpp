//===- Value.cpp - tensors and sequences on the command line ---------------===//
#include "tools/ssm-run/Value.h"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

using namespace ssm;

const DtypeInfo *ssm::dtypeInfo(ssm_dtype dtype) {
  static const DtypeInfo table[] = {{},
                                    {"float32", 32, Number::Float, "<f4"},
                                    {"uint8", 8, Number::Unsigned, "|u1"},
                                    {"int8", 8, Number::Signed, "|i1"},
                                    {"uint16", 16, Number::Unsigned, "<u2"},
                                    {"int16", 16, Number::Signed, "<i2"},
                                    {"int32", 32, Number::Signed, "<i4"},
                                    {"int64", 64, Number::Signed, "<i8"},
                                    {},
                                    {"bool", 8, Number::Bool, "|b1"},
                                    {"float16", 16, Number::Float, "<f2"},
                                    {"float64", 64, Number::Float, "<f8"},
                                    {"uint32", 32, Number::Unsigned, "<u4"},
                                    {"uint64", 64, Number::Unsigned, "<u8"},
                                    {"complex64", 64, Number::Complex, "<c8"},
                                    {"complex128", 128, Number::Complex, "<c16"},
                                    {"bfloat16", 16, Number::Float, "<V2"},
                                    {"float8e4m3fn", 8, Number::Float, "|V1"},
                                    {"float8e4m3fnuz", 8, Number::Float, "|V1"},
                                    {"float8e5m2", 8, Number::Float, "|V1"},
                                    {"float8e5m2fnuz", 8, Number::Float, "|V1"},
                                    {"uint4", 4, Number::Unsigned, "|V1"},
                                    {"int4", 4, Number::Signed, "|V1"},
                                    {"float4e2m1", 4, Number::Float, "|V1"},
                                    {"float8e8m0", 8, Number::Float, "|V1"},
                                    {"uint2", 2, Number::Unsigned, "|V1"},
                                    {"int2", 2, Number::Signed, "|V1"}};
  bool known = dtype > 0 && dtype < int(std::size(table)) && table[dtype].name;
  return known ? &table[dtype] : nullptr;
}

std::string ssm::dtypeName(ssm_dtype dtype) {
  const DtypeInfo *info = dtypeInfo(dtype);
  return info ? info->name : dtype == 8 ? "string" : "type " + std::to_string(dtype);
}

Value::Value(ssm_dtype dtype, const std::vector<int64_t> &shape) {
  const DtypeInfo *info = dtypeInfo(dtype);
  if (!info)
    throw UserError("tensors of " + dtypeName(dtype) + " are not supported");
  if (shape.size() > SSM_MAX_RANK)
    throw UserError("a tensor of rank " + std::to_string(shape.size()) + " is not supported");
  raw.kind = SSM_TENSOR;
  raw.dtype = dtype;
  raw.rank = int32_t(shape.size());
  std::copy(shape.begin(), shape.end(), raw.shape);
  int64_t count = elementCount(raw);
  if (count < 0)
    throw UserError("a tensor has an impossible shape");
  raw.data = std::aligned_alloc(64, size_t(count) * info->bytes() / 64 * 64 + 64);
  if (!raw.data)
    throw std::bad_alloc();
  raw.owned = 1;
}

Value Value::sequence(std::vector<Value> elements) {
  Value v;
  v.raw.kind = SSM_SEQUENCE;
  v.raw.shape[0] = int64_t(elements.size());
  v.raw.data = std::calloc(elements.size() + 1, sizeof(ssm_value));
  v.raw.owned = 1;
  for (size_t i = 0; i < elements.size(); ++i)
    std::swap(static_cast<ssm_value *>(v.raw.data)[i], elements[i].raw);
  return v;
}

static void release(ssm_value &v) {
  if (v.kind == SSM_SEQUENCE && v.owned)
    for (int64_t i = 0; i < v.shape[0]; ++i)
      release(static_cast<ssm_value *>(v.data)[i]);
  if (v.owned)
    std::free(v.data);
  v = {};
}

void Value::clear() { release(raw); }

int64_t ssm::elementCount(const ssm_value &v) {
  int64_t count = 1;
  for (int32_t i = 0; i < v.rank; ++i)
    if (v.shape[i] < 0 || __builtin_mul_overflow(count, v.shape[i], &count) || count > (int64_t(1) << 46))
      return -1;
  return count;
}

std::string ssm::describe(const ssm_value &v) {
  if (v.kind == SSM_ABSENT)
    return "nothing";
  if (v.kind == SSM_SEQUENCE)
    return "sequence of " + std::to_string(v.shape[0]);
  std::string text = dtypeName(v.dtype) + " [";
  for (int32_t i = 0; i < v.rank; ++i)
    text += (i ? ", " : "") + std::to_string(v.shape[i]);
  return text + "]";
}

namespace {
/// A small float format: how its bits are read.
struct Small {
  int exponentBits, mantissaBits, bias;
  enum { Ieee, FiniteNan, Unsigned0, Finite } specials; // FiniteNan: only all ones is NaN; Unsigned0: -0 is NaN
};
} // namespace

static double decode(uint32_t bits, Small format) {
  int width = format.exponentBits + format.mantissaBits;
  uint32_t magnitude = bits & ((1u << width) - 1), sign = bits >> width & 1;
  uint32_t exponent = magnitude >> format.mantissaBits, mantissa = magnitude & ((1u << format.mantissaBits) - 1);
  uint32_t top = (1u << format.exponentBits) - 1;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  if (format.specials == Small::Ieee && exponent == top)
    return mantissa ? nan : sign ? -INFINITY : INFINITY;
  if (format.specials == Small::FiniteNan && magnitude == (1u << width) - 1)
    return nan;
  if (format.specials == Small::Unsigned0 && sign && !magnitude)
    return nan;
  double value = exponent ? std::ldexp(double((1u << format.mantissaBits) | mantissa),
                                       int(exponent) - format.bias - format.mantissaBits)
                          : std::ldexp(double(mantissa), 1 - format.bias - format.mantissaBits);
  return sign ? -value : value;
}

template <typename T> static double load(const void *data, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + i * sizeof(T), sizeof(T));
  return double(value);
}

template <typename T> static uint32_t loadBits(const void *data, int64_t i) { return uint32_t(load<T>(data, i)); }

double ssm::elementAt(const ssm_value &v, int64_t i, int part) {
  const void *d = v.data;
  switch (v.dtype) {
  case 1:
    return load<float>(d, i);
  case 4:
    return load<uint16_t>(d, i);
  case 5:
    return load<int16_t>(d, i);
  case 6:
    return load<int32_t>(d, i);
  case 7:
    return load<int64_t>(d, i);
  case 10:
    return decode(loadBits<uint16_t>(d, i), {5, 10, 15, Small::Ieee});
  case 11:
    return load<double>(d, i);
  case 12:
    return load<uint32_t>(d, i);
  case 13:
    return load<uint64_t>(d, i);
  case 14:
    return load<float>(d, 2 * i + part);
  case 15:
    return load<double>(d, 2 * i + part);
  case 16:
    return decode(loadBits<uint16_t>(d, i), {8, 7, 127, Small::Ieee});
  case 17:
    return decode(loadBits<uint8_t>(d, i), {4, 3, 7, Small::FiniteNan});
  case 18:
    return decode(loadBits<uint8_t>(d, i), {4, 3, 8, Small::Unsigned0});
  case 19:
    return decode(loadBits<uint8_t>(d, i), {5, 2, 15, Small::Ieee});
  case 20:
    return decode(loadBits<uint8_t>(d, i), {5, 2, 16, Small::Unsigned0});
  case 23:
    return decode(loadBits<uint8_t>(d, i) & 15, {2, 1, 1, Small::Finite});
  case 24: {
    uint32_t bits = loadBits<uint8_t>(d, i);
    return bits == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, int(bits) - 127);
  }
  case 3:
  case 22:
  case 26:
    return load<int8_t>(d, i);
  default:
    return load<uint8_t>(d, i);
  }
}
