#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "benchmarks/figures.h"

namespace parallax::bench {
void register_pipeline();
void register_micro();
void register_tcp();
void register_files();
void register_flood();
}  // namespace parallax::bench

// `--tiny`: as small and short as it can be. Everything else is Google Benchmark's.
int main(int count, char** arguments) {
  std::vector<char*> kept;
  char min_time[] = "--benchmark_min_time=0.001";
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(arguments[i], "--tiny") == 0) {
      parallax::bench::tiny = true;
    } else {
      kept.push_back(arguments[i]);
    }
  }
  if (parallax::bench::tiny) kept.push_back(min_time);
  int kept_count = static_cast<int>(kept.size());
  parallax::bench::register_micro();
  parallax::bench::register_pipeline();
  parallax::bench::register_tcp();
  parallax::bench::register_files();
  parallax::bench::register_flood();
  benchmark::Initialize(&kept_count, kept.data());
  if (benchmark::ReportUnrecognizedArguments(kept_count, kept.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  parallax::bench::print_table();
  benchmark::Shutdown();
  return 0;
}
