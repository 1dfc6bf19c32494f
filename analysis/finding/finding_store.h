// Findings: observations of detectors, grouped so that an incident is one alert and not ten thousand.
//
// An observation joins the finding of the same kind, place, origin, direction and service if that one's last observation is not
// older than kIncidentGapNs. Bounded: the oldest finding goes first, counted. One thread (the correlator's).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/model/model.h"

namespace parallax {

inline constexpr int64_t kIncidentGapNs = 600'000'000'000;

struct Observation {
  FindingKind kind{};
  Where where;
  Origin origin = Origin::unknown;
  FindingDirection direction = FindingDirection::none;
  Endpoint service;  // the server as the client sees it
  uint64_t connection_id = 0;
  int64_t first_ns = 0, last_ns = 0;  // of the packets concerned
  uint64_t count = 1;                 // segments for segment_loss; connections for handshakes and resets
  uint64_t attempts = 0;              // SYNs, for handshakes
  double confidence = 0;
  double time_lost_seconds = 0;  // 0: not applicable
  std::vector<Evidence> evidence;
  std::optional<Severity> severity;  // where it is not the kind's own; that of a finding only rises
  std::string sentence;              // the whole, where the detector knows it better than the finding
  std::string remark;                // one clause more for the sentence; the first one is kept
};

class FindingStore {
 public:
  FindingStore(std::vector<std::string> path, size_t capacity) : path_(std::move(path)), capacity_(capacity) {}

  // The id of the finding that it went into, and whether it is one connection's first.
  uint64_t observe(const Observation& observation);

  std::vector<FindingRecord> after(uint64_t id, size_t limit) const;
  std::vector<FindingRecord> changed_after(uint64_t version, size_t limit) const;
  const std::map<std::tuple<FindingKind, std::string, Severity>, uint64_t>& totals() const { return totals_; }
  uint64_t evicted() const { return evicted_; }
  std::string where_text(const Where& where) const;

 private:
  struct Group {
    FindingRecord record;
    uint64_t connections = 0;  // also those beyond kFindingConnectionsMax
    uint64_t attempts = 0;
    std::string remark;
  };
  using Key = std::tuple<FindingKind, Where, Origin, FindingDirection, Endpoint>;
  std::string sentence(const Group& group) const;

  std::vector<std::string> path_;
  const size_t capacity_;
  std::map<uint64_t, Group> groups_;
  std::map<Key, uint64_t> open_;
  std::map<uint64_t, uint64_t> by_version_;  // version -> id
  std::map<std::tuple<FindingKind, std::string, Severity>, uint64_t> totals_;
  uint64_t next_id_ = 1, version_ = 0, evicted_ = 0;
};

}  // namespace parallax
