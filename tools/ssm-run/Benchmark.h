//===- Benchmark.h - times of a library -------------------------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_BENCHMARK_H
#define SSM_TOOLS_SSM_RUN_BENCHMARK_H

#include "tools/ssm-run/Library.h"

namespace ssm {

/// Keeps the threads of OpenMP on their cores; to be called before a library is opened.
void pinThreads(int threads);
void benchmark(Library &library, const std::vector<Value> &inputs, double seconds, bool json);
/// Times by source node, of several runs.
void printProfile(Library &library, const std::vector<Value> &inputs, double seconds);

} // namespace ssm
#endif
