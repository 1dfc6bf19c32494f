#include "daemon/message/time_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace parallax {

// As so many decimal digits, with zeros before.
static char* put_digits(char* at, uint32_t value, int digits) {
  for (int i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
  return at + digits;
}

void append_time(int64_t seconds, int32_t nanos, std::string& out) {
  namespace chrono = std::chrono;
  constexpr int64_t kFirst = -62135596800, kLast = 253402300799;  // 0001-01-01T00:00:00Z, 9999-12-31T23:59:59Z
  seconds = std::clamp(seconds, kFirst, kLast);
  const auto part = static_cast<uint32_t>(std::clamp(nanos, 0, 999'999'999));
  const chrono::sys_seconds time{chrono::seconds{seconds}};
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date{day};
  const auto of_day = static_cast<uint32_t>((time - day).count());
  std::array<char, 40> text;
  char* at = put_digits(text.data(), static_cast<uint32_t>(static_cast<int>(date.year())), 4);
  for (const auto& [separator, value] :
       {std::pair{'-', static_cast<uint32_t>(static_cast<unsigned>(date.month()))},
        std::pair{'-', static_cast<uint32_t>(static_cast<unsigned>(date.day()))}, std::pair{'T', of_day / 3600},
        std::pair{':', of_day / 60 % 60}, std::pair{':', of_day % 60}}) {
    *at++ = separator;
    at = put_digits(at, value, 2);
  }
  if (part != 0) {
    *at++ = '.';
    at = part % 1'000 != 0       ? put_digits(at, part, 9)
         : part % 1'000'000 != 0 ? put_digits(at, part / 1'000, 6)
                                 : put_digits(at, part / 1'000'000, 3);
  }
  *at++ = 'Z';
  out.append(text.data(), at);
}

std::string time_text(int64_t seconds, int32_t nanos) {
  std::string text;
  append_time(seconds, nanos, text);
  return text;
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
