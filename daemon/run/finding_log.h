// Findings into the log: a line for each, when it is first told, with fields for the journal (log.h). Of each kind so many within
// a while (log_limit.h).
//
// Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "analysis/model/finding_watch.h"
#include "daemon/run/log.h"
#include "daemon/run/sensor_state.h"

namespace parallax {

class FindingLog {
 public:
  // All findings have it in the journal: `journalctl MESSAGE_ID=`.
  static constexpr std::string_view kMessageId = "6f8a1d0c5be14c07a4a1f7d3e2b95c68";
  using Write = std::function<void(std::string_view kind, LogLevel, std::string_view text, std::span<const LogField>)>;

  // `state` outlives it.
  explicit FindingLog(const SensorState& state, Write write = log_limited) : state_(state), write_(std::move(write)) {}

  void tell();  // what is new since the last time

 private:
  void tell(const FindingRecord& finding);

  const SensorState& state_;
  const Write write_;
  FindingWatch watch_;
  uint64_t dropped_told_ = 0;
  std::set<uint64_t> told_;  // ids; bounded
};

}  // namespace parallax
