#include "analysis/model/text.h"

#include <cstdio>

namespace parallax {
namespace {

std::string formatted(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string plural(uint64_t count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

std::string percent(uint64_t part, uint64_t whole) {
  const double share = whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return formatted(share < 0.1 ? "%.4f %%" : "%.1f %%", share);
}

std::string duration_of(int64_t ns) {
  return ns < 10'000'000 ? formatted("%.3f ms", static_cast<double>(ns) / 1e6)
                         : formatted("%.3f s", static_cast<double>(ns) / 1e9);
}

std::string seconds_of(double seconds) { return formatted(seconds < 0.1 ? "%.4f s" : "%.1f s", seconds); }

}  // namespace parallax
