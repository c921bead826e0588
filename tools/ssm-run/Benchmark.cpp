//===- Benchmark.cpp - times of a library ----------------------------------===//
#include "tools/ssm-run/Benchmark.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

using namespace ssm;
using Clock = std::chrono::steady_clock;

static double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void ssm::pinThreads(int threads) {
  setenv("OMP_PROC_BIND", "close", 0);
  setenv("OMP_PLACES", "cores", 0);
  if (threads > 0)
    setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
}

/// Seconds of each run; there are at least `least`, and as many as fit.
static std::vector<double> timeRuns(const std::function<void()> &run, double seconds, size_t least) {
  std::vector<double> times;
  for (auto start = Clock::now(); times.size() < least || since(start) < seconds;) {
    auto begin = Clock::now();
    run();
    times.push_back(since(begin));
  }
  return times;
}

/// A number that the compiler may have left in the metadata; 0 when it did not.
static double known(const Library &library, const char *key) {
  return std::atof(jsonField(library.metadata(), key).c_str());
}

void ssm::benchmark(Library &library, const std::vector<Value> &inputs, double seconds, bool json) {
  std::vector<Value> outputs(library.outputs().size());
  auto run = [&] { library.run(inputs, outputs); };
  double first = timeRuns(run, 0, 1)[0];
  timeRuns(run, std::min(0.3, seconds), 3); // warm-up
  std::vector<double> times = timeRuns(run, seconds, 10);
  std::sort(times.begin(), times.end());
  size_t n = times.size();
  double median = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2,
         p95 = times[std::min(n - 1, n * 95 / 100)];
  double flops = known(library, "flops"), bytes = known(library, "bytes");
  if (!json) {
    printf("%zu runs: median %.4f ms, min %.4f ms, p95 %.4f ms, first %.4f ms, buffers %.1f MiB", n, median * 1e3,
           times[0] * 1e3, p95 * 1e3, first * 1e3, double(library.peakBytes()) / (1 << 20));
    if (flops > 0)
      printf(", %.1f GFLOP/s", flops / median * 1e-9);
    if (bytes > 0)
      printf(", %.1f GB/s", bytes / median * 1e-9);
    printf("\n");
    return;
  }
  printf("{\"runs\": %zu, \"median_ms\": %.6f, \"min_ms\": %.6f, \"p95_ms\": %.6f, \"first_ms\": %.6f, \"peak_bytes\": "
         "%lld",
         n, median * 1e3, times[0] * 1e3, p95 * 1e3, first * 1e3, (long long)library.peakBytes());
  if (flops > 0)
    printf(", \"gflops\": %.3f", flops / median * 1e-9);
  if (bytes > 0)
    printf(", \"gbytes\": %.3f", bytes / median * 1e-9);
  printf("}\n");
}

void ssm::printProfile(Library &library, const std::vector<Value> &inputs, double seconds) {
  std::vector<Value> outputs(library.outputs().size());
  auto run = [&] { library.run(inputs, outputs); };
  timeRuns(run, 0, 2); // warm-up
  library.profile(true);
  size_t runs = timeRuns(run, std::min(seconds, 1.0), 3).size();
  library.profile(false);
  std::vector<std::string> names = jsonStrings(jsonField(library.metadata(), "profile"));
  auto rows = library.profiled();
  std::vector<size_t> order;
  double total = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    total += rows[i].first;
    if (rows[i].second)
      order.push_back(i);
  }
  if (order.empty()) {
    printf("the library holds no profile points\n");
    return;
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a].first > rows[b].first; });
  printf("%10s %7s %9s  node\n", "ms/run", "share", "calls/run");
  for (size_t i : order)
    printf("%10.4f %6.1f%% %9.1f  %s\n", rows[i].first / double(runs) * 1e3, 100 * rows[i].first / total,
           double(rows[i].second) / double(runs), i < names.size() ? names[i].c_str() : std::to_string(i).c_str());
  printf("%10.4f %6.1f%% %9s  all\n", total / double(runs) * 1e3, 100.0, "");
}
