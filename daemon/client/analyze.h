// `parallax analyze`: the engine over capture files, and its results as JSON Lines or as a report for people.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace parallax {

struct AnalyzeOptions {
  std::vector<std::string> points;  // POINT=FILE[,FILE...], in path order
  std::string format = "text";      // text or json
  bool packets = false;
  std::string config_file;
  std::string filter;  // BPF; empty: that of the configuration
  std::string align_clocks = "auto";
  std::string access_log;  // file; empty: none
  std::string html_file;   // the report as a page, besides; empty: none
  uint64_t ladder = 0;     // the connection of which to print the ladder, instead of the report; 0: none
  size_t workers = 1;
};

inline constexpr size_t kAnalyzeWorkersMax = 64;

// The program's exit codes.
inline constexpr int kExitDone = 0, kExitFailed = 1, kExitUsage = 2;

// Returns an exit code. Results go to `out`, errors and warnings to `err`, one line each.
int analyze(const AnalyzeOptions& options, FILE* out, FILE* err);

}  // namespace parallax
