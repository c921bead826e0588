//===- Random.h - inputs drawn at random ------------------------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_RANDOM_H
#define SSM_TOOLS_SSM_RUN_RANDOM_H

#include "tools/ssm-run/Value.h"
#include <map>

namespace ssm {

struct RandomOptions {
  std::map<std::string, int64_t> dims; // sizes of symbols
  int64_t highest = 256;               // integers are drawn below it
  uint64_t seed = 0;
};

/// A size written as an expression of symbols, such as "past + 2 * length"; a symbol without a size is 1, and is noted
/// in `missing`.
int64_t evaluateSize(const std::string &expression, const std::map<std::string, int64_t> &dims,
                     std::map<std::string, int64_t> &missing);
std::vector<Value> drawInputs(const std::vector<ssm_io_desc> &inputs, const RandomOptions &options);

} // namespace ssm
#endif
