// Findings: observations of detectors, grouped so that an incident is one alert and not ten thousand.
//
// An observation joins the finding of the same kind, place, origin, direction and service if that one's last observation is not
// older than kIncidentGapNs. Bounded: the oldest finding goes first, counted. One thread (the correlator's).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/finding/finding_group.h"
#include "analysis/finding/observation.h"

namespace parallax {

inline constexpr int64_t kIncidentGapNs = 600'000'000'000;

class FindingStore {
 public:
  using Sentence = std::function<std::string(const FindingGroup&)>;
  // Kind, place ("between outside and inside"), severity.
  using Totals = std::map<std::tuple<FindingKind, std::string, Severity>, uint64_t>;

  FindingStore(std::vector<std::string> path, size_t capacity, Sentence sentence)
      : path_(std::move(path)), capacity_(capacity), sentence_(std::move(sentence)) {}

  // The id of the finding that it went into.
  uint64_t observe(const Observation& observation);

  std::vector<FindingRecord> after(uint64_t id, size_t limit) const;
  std::vector<FindingRecord> changed_after(uint64_t version, size_t limit) const;
  const Totals& totals() const { return totals_; }
  uint64_t evicted() const { return evicted_; }

 private:
  using Key = std::tuple<FindingKind, Where, Origin, FindingDirection, Endpoint>;
  FindingGroup& group_for(const Observation& observation);
  void make_room();
  std::string where_text(const Where& where) const;

  const std::vector<std::string> path_;
  const size_t capacity_;
  const Sentence sentence_;
  std::map<uint64_t, FindingGroup> groups_;
  std::map<Key, uint64_t> open_;
  std::map<uint64_t, uint64_t> by_version_;  // version -> id
  Totals totals_;
  uint64_t next_id_ = 1, version_ = 0, evicted_ = 0;
};

}  // namespace parallax
