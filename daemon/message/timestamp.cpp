#include "daemon/message/timestamp.h"

namespace parallax {

std::optional<int64_t> time_ns(const google::protobuf::Timestamp& time) {
  constexpr int64_t kSecondsMax = 9'223'372'035;  // int64 nanoseconds reach from 1677 to 2262
  if (time.seconds() < -kSecondsMax || time.seconds() > kSecondsMax) return std::nullopt;
  if (time.nanos() < 0 || time.nanos() > 999'999'999) return std::nullopt;
  return time.seconds() * 1'000'000'000 + time.nanos();
}

}  // namespace parallax
