// `parallax analyze` in this process: its exit code, and what it wrote.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "daemon/client/analyze.h"

namespace parallax::test {

struct AnalyzeOutcome {
  int exit_code;
  std::string out, err;
};

inline AnalyzeOutcome analyze_outcome(const AnalyzeOptions& options) {
  char *out = nullptr, *err = nullptr;
  size_t out_size = 0, err_size = 0;
  FILE* const out_file = open_memstream(&out, &out_size);
  FILE* const err_file = open_memstream(&err, &err_size);
  AnalyzeOutcome outcome{analyze(options, out_file, err_file), "", ""};
  std::fclose(out_file);
  std::fclose(err_file);
  outcome.out.assign(out, out_size);
  outcome.err.assign(err, err_size);
  std::free(out);
  std::free(err);
  return outcome;
}

}  // namespace parallax::test
