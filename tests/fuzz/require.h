// An invariant of a fuzz target: aborts where it does not hold, which is what a fuzzer looks for.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace parallax::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}
#define REQUIRE(condition) ::parallax::fuzz::require(condition, #condition)

}  // namespace parallax::fuzz
