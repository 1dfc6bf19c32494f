// Findings: observations of detectors, grouped so that an incident is one alert and not ten thousand.
//
// An observation joins the finding of the same kind, place, origin, direction and service if that one's last observation is not
// older than kIncidentGapNs. Live it is closed once nothing has joined it for so long. What one client does to more than
// kSpreadServices services is one incident, too: a scan; of some kinds it is one from the first service on
// (Observation::is_of_source). Bounded, with a share for each kind, so that a flood of one pushes out no other: the least severe
// goes first, then the smallest, then the oldest; counted. One thread (the correlator's).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis/finding/finding_changes.h"
#include "analysis/finding/finding_group.h"
#include "analysis/finding/observation.h"
#include "analysis/model/engine_counters.h"

namespace parallax {

inline constexpr int64_t kIncidentGapNs = 600'000'000'000;
inline constexpr int64_t kPlaceGapNs = 3'600'000'000'000;  // of what many sources do there: Observation::is_of_place

class FindingStore {
 public:
  static constexpr size_t kSpreadServices = 16;
  static constexpr size_t kKindShare = 4;  // one kind may have one finding in so many

  using Sentence = std::function<std::string(const FindingGroup&)>;
  // Kind, place ("between outside and inside"), severity.
  using Totals = decltype(EngineCounters::findings);
  // A finding that has become part of another one, with the connections that knew it.
  struct Merged {
    uint64_t from, into;
    std::vector<uint64_t> connection_ids;
  };

  FindingStore(std::vector<std::string> path, size_t capacity, Sentence sentence, uint64_t first_id = 1)
      : path_(std::move(path)), capacity_(capacity), sentence_(std::move(sentence)), next_id_(first_id) {}

  // The id of the finding that it went into. REQUIRES: the observation says its severity.
  uint64_t observe(const Observation& observation);
  // Takes back what this finding tells of the connection, and returns it; empty: nothing. A finding with nothing left is
  // withdrawn: watchers are told, lists leave it out.
  std::optional<FindingGroup::Contribution> withdraw(uint64_t id, uint64_t connection_id);
  // What follows from what the finding tells of the connection has cost so much time.
  void charge(uint64_t id, uint64_t connection_id, double seconds);
  const FindingRecord* find(uint64_t id) const;
  const FindingGroup* group(uint64_t id) const;
  // Live: the stream's time has come so far. Closes the findings that nothing has joined for their gap, in the order of their
  // ends.
  void pass_time(int64_t now_ns);
  // The input has ended: nothing more joins any finding.
  void close_all();
  // Since the last call.
  std::vector<Merged> take_merged() { return std::exchange(merged_, {}); }

  std::vector<FindingRecord> after(uint64_t id, size_t limit) const;
  const FindingChanges& changes() const { return changes_; }
  const Totals& totals() const { return totals_; }  // raised: these only grow
  // Raised, and neither withdrawn nor told as part of another since.
  uint64_t standing(FindingKind kind) const { return standing_[static_cast<size_t>(kind)]; }
  uint64_t evicted() const { return evicted_; }
  uint64_t next_id() const { return next_id_; }

 private:
  using Key = std::tuple<FindingKind, Where, Origin, FindingDirection, Endpoint, std::optional<PortIndex>>;
  using SourceKey = std::tuple<FindingKind, Where, Origin, FindingDirection, Address>;
  struct Rank {  // least worth keeping first
    Severity severity;
    uint64_t count;
    int64_t last_ns;
    uint64_t id;
    auto operator<=>(const Rank&) const = default;
  };
  // Findings of one client alone, and when these are too many the one that they have become.
  struct Spread {
    std::vector<uint64_t> findings;
    uint64_t incident = 0;  // 0: none
  };

  bool is_over(const FindingGroup& group) const { return group.over_ns < passed_ns_; }
  FindingGroup* open_group(uint64_t id, int64_t first_ns);
  FindingGroup& group_for(const Observation& observation);
  FindingGroup& new_group(const Observation& observation);
  FindingGroup* spread_group(const Observation& observation);
  void absorb(FindingGroup& into, uint64_t id);
  void make_room(FindingKind kind);
  void erase(uint64_t id);
  void close(FindingGroup& group);
  void put_off_end(FindingGroup& group);
  void changed(FindingGroup& group);
  static Rank rank_of(const FindingRecord& r) { return {r.severity, r.count, r.last_seen_ns, r.id}; }
  std::set<Rank>& ranks_of(FindingKind kind) { return ranks_[static_cast<size_t>(kind)]; }
  std::string where_text(const Where& where) const;

  const std::vector<std::string> path_;
  const size_t capacity_;
  const Sentence sentence_;
  std::map<uint64_t, FindingGroup> groups_;
  std::map<Key, uint64_t> open_;
  std::map<SourceKey, Spread> spreads_;
  FindingChanges changes_;
  std::set<std::pair<int64_t, uint64_t>> ends_;  // of those that are not closed: FindingGroup::over_ns, id
  std::array<std::set<Rank>, kFindingKindCount> ranks_;
  std::vector<Merged> merged_;
  Totals totals_;
  std::array<uint64_t, kFindingKindCount> standing_{};
  uint64_t next_id_, evicted_ = 0;
  int64_t passed_ns_ = kTimeMin;
};

}  // namespace parallax
