//===- Compare.h - outputs against expected ones ----------------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_COMPARE_H
#define SSM_TOOLS_SSM_RUN_COMPARE_H

#include "tools/ssm-run/Value.h"
#include <optional>

namespace ssm {

struct Tolerance {
  std::optional<double> rtol, atol; // given by the user, else by the element type
};

struct Comparison {
  bool equal = true;
  std::string text; // how they differ, or the largest error
};

/// |got - want| <= atol + rtol |want|, NaN equal to NaN; integers and bools exactly.
Comparison compare(const ssm_value &got, const ssm_value &want, const Tolerance &tolerance);

} // namespace ssm
#endif
