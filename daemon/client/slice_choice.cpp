#include "daemon/client/slice_choice.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <charconv>
#include <chrono>
#include <optional>

namespace parallax {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kExitUsage = 2;

std::optional<google::protobuf::Timestamp> parse_time(const std::string& text) {
  google::protobuf::Timestamp time;
  if (TimeUtil::FromString(text, &time)) return time;
  uint64_t count = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, count);
  if (failure != std::errc{} || last - end != 1 || count > 1'000'000'000) return std::nullopt;
  const std::string units = "smhd";
  constexpr int64_t kSeconds[] = {1, 60, 3600, 86400};
  const size_t unit = units.find(*end);
  if (unit == std::string::npos) return std::nullopt;
  const int64_t now_ns = std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  const int64_t age = static_cast<int64_t>(count) * kSeconds[unit];
  if (age > now_ns / 1'000'000'000) return std::nullopt;
  return TimeUtil::NanosecondsToTimestamp(now_ns - age * 1'000'000'000);
}

}  // namespace

ClientOutcome to_request(const SliceChoice& choice, v1::PullSliceRequest& request) {
  const int chosen = (choice.finding != 0) + (choice.connection != 0) + !choice.from.empty() + !choice.community_id.empty();
  if (chosen != 1) return {kExitUsage, "say what to pull: one of --finding, --connection, --community-id and --from"};
  if (!choice.community_id.empty()) request.set_community_id(choice.community_id);
  if (choice.finding != 0) request.set_finding_id(choice.finding);
  if (choice.connection != 0) request.set_connection_id(choice.connection);
  if (!choice.from.empty()) {
    const auto from = parse_time(choice.from);
    const auto to = parse_time(choice.to.empty() ? "0s" : choice.to);
    google::protobuf::Timestamp none;
    if (!choice.resume.empty() && (!TimeUtil::FromString(choice.from, &none) || !TimeUtil::FromString(choice.to, &none))) {
      return {kExitUsage,
              fmt::format("--resume: give --from and --to as times, not as ages, which mean another time now: those of {} "
                          "stand in its comment (`capinfos -k`)",
                          choice.resume)};
    }
    if (!from || !to) {
      return {kExitUsage, fmt::format("{}: want a time such as 2026-01-31T12:00:00Z, or an age such as 90s, 10m, 2h, 1d",
                                      !from ? "--from " + choice.from : "--to " + choice.to)};
    }
    *request.mutable_time_range()->mutable_from() = *from;
    *request.mutable_time_range()->mutable_to() = *to;
  }
  request.set_filter(choice.filter);
  return {};
}

}  // namespace parallax
