#include "benchmarks/figures.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace parallax::bench {
namespace {

// Rows in the order in which they were first recorded; the first is the floor.
std::vector<std::pair<std::string, std::map<uint32_t, std::vector<double>>>> rows;

std::vector<FileFigures> of_files;
std::vector<std::pair<std::string, std::string>> compared;  // row and base

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

void record(const std::string& row, uint32_t connections, double ns) {
  auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.first == row; });
  if (found == rows.end()) found = rows.insert(rows.end(), {row, {}});
  found->second[connections].push_back(ns);
}

void record(const FileFigures& figures) { of_files.push_back(figures); }

void compare(const std::string& row, const std::string& base) {
  const std::pair pair(row, base);
  if (std::find(compared.begin(), compared.end(), pair) == compared.end()) compared.push_back(pair);
}

namespace {

void print_files() {
  if (of_files.empty()) return;
  std::printf(
      "\nProcessor time of parallax analyze, ns a packet (a sighting at one point); in brackets how many times faster than "
      "tcptrace\n");
  std::printf("%-34s%20s%20s%12s%12s\n", "", "text", "JSON", "tcptrace", "memory");
  for (const FileFigures& f : of_files) {
    const auto cell = [&f](double ns) {
      char text[32];
      if (f.tcptrace_ns == 0) {
        std::snprintf(text, sizeof text, "%.0f", ns);
      } else {
        std::snprintf(text, sizeof text, "%.0f (%.1f)", ns, f.tcptrace_ns / ns);
      }
      return std::string(text);
    };
    std::printf("%-34s%20s%20s%12s%8.0f MiB\n", f.mix.c_str(), cell(f.text_ns).c_str(), cell(f.json_ns).c_str(),
                f.tcptrace_ns == 0 ? "-" : std::to_string(static_cast<int>(f.tcptrace_ns)).c_str(), f.memory_mib);
  }
}

const std::map<uint32_t, std::vector<double>>* figures_of(const std::string& row) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.first == row; });
  return found == rows.end() ? nullptr : &found->second;
}

void print_differences() {
  for (const auto& [row, base] : compared) {
    std::printf("%-26s", ("  " + row + ", more").c_str());
    const auto &more = *figures_of(row), &less = *figures_of(base);
    for (const auto& [connections, values] : rows.front().second) {
      if (!more.contains(connections) || !less.contains(connections)) {
        std::printf("%18s", "-");
        continue;
      }
      const double ns = median(more.at(connections)) - median(less.at(connections));
      std::printf("%+8.1f ns %+5.2f F", ns, ns / median(values));
    }
    std::printf("  than %s\n", base.c_str());
  }
}

}  // namespace

void print_table() {
  print_files();
  if (rows.empty()) return;
  const auto& floor = rows.front().second;
  std::printf(
      "\nProcessor time a packet (a sighting at one point), and in multiples of the floor F: decode, hash, one prefetched "
      "look-up\n%-26s",
      "");
  for (const auto& [connections, values] : floor) std::printf("%18u", connections);
  std::printf("  connections\n");
  for (const auto& [name, figures] : rows) {
    std::printf("%-26s", name.c_str());
    for (const auto& [connections, values] : floor) {
      const auto found = figures.find(connections);
      if (found == figures.end()) {
        std::printf("%18s", "-");
      } else {
        const double ns = median(found->second);
        std::printf("%9.1f ns %4.1f F", ns, ns / median(values));
      }
    }
    std::printf("\n");
  }
  print_differences();
  std::printf("%-26stargets: one-sided 2 F, two-sided 2.8 F, detectors 0.25 F\n", "");
}

int64_t thread_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

}  // namespace parallax::bench
