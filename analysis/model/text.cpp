#include "analysis/model/text.h"

#include <cmath>
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

std::string_view by_number(uint64_t count, std::string_view one, std::string_view many) { return count == 1 ? one : many; }

std::string percent(uint64_t part, uint64_t whole) {
  const double share = whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return formatted(share < 0.1 ? "%.4f %%" : "%.1f %%", share);
}

std::string duration_of(int64_t ns) {
  constexpr int64_t kMicrosecond = 1'000, kMillisecond = 1'000'000, kSecond = 1'000'000'000, kMinute = 60 * kSecond;
  // In the larger unit already where rounding would give a thousand of the smaller one.
  const auto is_below = [ns](int64_t unit) { return ns < unit - unit / 2'000; };
  const auto in = [ns](int64_t unit, const char* name) {
    const double value = static_cast<double>(ns) / static_cast<double>(unit);
    return formatted(value < 9.95 ? "%.1f " : "%.0f ", value) + name;
  };
  if (is_below(kMillisecond)) return in(kMicrosecond, "us");
  if (is_below(kSecond)) return in(kMillisecond, "ms");
  if (ns < 10 * kMinute) return formatted("%.1f s", static_cast<double>(ns) / static_cast<double>(kSecond));
  const int64_t seconds = (ns + kSecond / 2) / kSecond;
  return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
}

std::string seconds_of(double seconds) { return duration_of(std::llround(seconds * 1e9)); }

}  // namespace parallax
