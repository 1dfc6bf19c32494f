// What the pipeline's benchmarks measured, for the table that is printed after them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace parallax::bench {

// Small inputs: ctest runs the benchmarks so that they do not rot, not to learn anything.
inline bool tiny = false;

// Of `parallax analyze` over files; processor time a packet.
struct FileFigures {
  std::string mix;
  double text_ns = 0, json_ns = 0;
  double tcptrace_ns = 0;  // 0: not installed
  double memory_mib = 0;
};
void record(const FileFigures& figures);

// Nanoseconds of processor time a packet; by row of the table and number of connections. Of several runs, the median.
void record(const std::string& row, uint32_t connections, double ns);
// The table is to say what the row costs more than the base.
void compare(const std::string& row, const std::string& base);
void print_table();

// Processor time of the calling thread.
int64_t thread_time_ns();

}  // namespace parallax::bench
