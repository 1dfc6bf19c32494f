#include "daemon/message/time_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace parallax {

std::string time_text(int64_t seconds, int32_t nanos) {
  namespace chrono = std::chrono;
  constexpr int64_t kFirst = -62135596800, kLast = 253402300799;  // 0001-01-01T00:00:00Z, 9999-12-31T23:59:59Z
  seconds = std::clamp(seconds, kFirst, kLast);
  nanos = std::clamp(nanos, 0, 999'999'999);
  const chrono::sys_seconds time{chrono::seconds{seconds}};
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date{day};
  const chrono::hh_mm_ss clock{time - day};
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (nanos % 1'000 != 0) {
    text += fmt::format(".{:09}", nanos);
  } else if (nanos % 1'000'000 != 0) {
    text += fmt::format(".{:06}", nanos / 1'000);
  } else if (nanos != 0) {
    text += fmt::format(".{:03}", nanos / 1'000'000);
  }
  return text + 'Z';
}

std::string time_text_ns(int64_t time_ns) {
  int64_t seconds = time_ns / 1'000'000'000, nanos = time_ns % 1'000'000'000;
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --seconds;
  }
  return time_text(seconds, static_cast<int32_t>(nanos));
}

}  // namespace parallax
