#include "daemon/client/time_option.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <charconv>
#include <chrono>

namespace parallax {

using google::protobuf::util::TimeUtil;

Result<google::protobuf::Timestamp> parse_time_option(const char* option, const std::string& text) {
  google::protobuf::Timestamp time;
  if (TimeUtil::FromString(text, &time)) return time;
  const Error error{
      fmt::format("{} {}: want a time such as 2026-01-31T12:00:00Z, or an age such as 90s, 10m, 2h, 1d", option, text)};
  uint64_t count = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, count);
  if (failure != std::errc{} || last - end != 1 || count > 1'000'000'000) return error;
  const std::string units = "smhd";
  constexpr int64_t kSeconds[] = {1, 60, 3600, 86400};
  const size_t unit = units.find(*end);
  if (unit == std::string::npos) return error;
  const int64_t now_ns = std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  const int64_t age = static_cast<int64_t>(count) * kSeconds[unit];
  if (age > now_ns / 1'000'000'000) return error;
  return TimeUtil::NanosecondsToTimestamp(now_ns - age * 1'000'000'000);
}

}  // namespace parallax
