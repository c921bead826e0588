//===- Compare.cpp - outputs against expected ones -------------------------===//
#include "tools/ssm-run/Compare.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace ssm;

static Comparison compareNumbers(const ssm_value &got, const ssm_value &want, double rtol, double atol, int parts) {
  int64_t count = elementCount(want), wrong = 0, first = -1;
  double largest = 0;
  for (int64_t i = 0; i < count * parts; ++i) {
    double g = elementAt(got, i / parts, int(i % parts)), w = elementAt(want, i / parts, int(i % parts));
    if (g == w || (std::isnan(g) && std::isnan(w)))
      continue;
    double error = std::abs(g - w);
    if (std::isfinite(error))
      largest = std::max(largest, error);
    if (std::isinf(w) || !(error <= atol + rtol * std::abs(w))) {
      ++wrong;
      first = first < 0 ? i / parts : first;
    }
  }
  char text[256];
  snprintf(text, sizeof text, "max abs error %.3g (tolerance %g + %g*|x|)", largest, atol, rtol);
  if (!wrong)
    return {true, text};
  std::string more = std::string(text) + ", " + std::to_string(wrong) + " of " + std::to_string(count) + " differ";
  snprintf(text, sizeof text, ", first at %lld: %g instead of %g", (long long)first, elementAt(got, first),
           elementAt(want, first));
  return {false, more + text};
}

static Comparison compareExactly(const ssm_value &got, const ssm_value &want, int bytes) {
  int64_t count = elementCount(want);
  auto *g = static_cast<const char *>(got.data), *w = static_cast<const char *>(want.data);
  for (int64_t i = 0; i < count; ++i)
    if (std::memcmp(g + i * bytes, w + i * bytes, size_t(bytes)) != 0) {
      char text[128];
      snprintf(text, sizeof text, "values differ, first at %lld: %.17g instead of %.17g", (long long)i,
               elementAt(got, i), elementAt(want, i));
      return {false, text};
    }
  return {true, "equal"};
}

Comparison ssm::compare(const ssm_value &got, const ssm_value &want, const Tolerance &tolerance) {
  bool sameKind = got.kind == want.kind;
  bool sameShape = sameKind && (got.kind != SSM_TENSOR || (got.dtype == want.dtype && got.rank == want.rank &&
                                                           std::equal(got.shape, got.shape + got.rank, want.shape)));
  if (!sameShape || (got.kind == SSM_SEQUENCE && got.shape[0] != want.shape[0]))
    return {false, describe(got) + " instead of " + describe(want)};
  if (got.kind == SSM_ABSENT)
    return {true, "absent"};
  if (got.kind == SSM_SEQUENCE) {
    for (int64_t i = 0; i < got.shape[0]; ++i) {
      Comparison c = compare(static_cast<ssm_value *>(got.data)[i], static_cast<ssm_value *>(want.data)[i], tolerance);
      if (!c.equal)
        return {false, "element " + std::to_string(i) + ": " + c.text};
    }
    return {true, "all elements agree"};
  }
  const DtypeInfo &info = *dtypeInfo(got.dtype);
  if (info.kind != Number::Float && info.kind != Number::Complex)
    return compareExactly(got, want, info.bytes());
  double fallback = got.dtype == 10 ? 1e-2 : got.dtype == 16 ? 4e-2 : 0;
  double rtol = tolerance.rtol.value_or(fallback ? fallback : 1e-3),
         atol = tolerance.atol.value_or(fallback ? fallback : 1e-4);
  return compareNumbers(got, want, rtol, atol, info.kind == Number::Complex ? 2 : 1);
}
