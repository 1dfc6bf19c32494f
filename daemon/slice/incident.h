// An incident: the findings that tell of the same connections, such as a reset that was not forwarded, and the stall that came of
// it. A finding is one incident with those that share a connection with it, and with theirs.
//
// It has no number of its own: any of its findings names it, and the one with the lowest id gives it its name. Look-ups in the
// engine, bounded; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/engine.h"

namespace parallax {

inline constexpr size_t kIncidentFindingsMax = 32;

struct Incident {
  uint64_t id = 0;
  std::vector<FindingRecord> findings;        // by id, at most kIncidentFindingsMax
  std::vector<ConnectionRecord> connections;  // those of the finding asked for first; related ones last
  size_t connections_forgotten = 0;           // the engine no longer keeps them
  size_t connections_beyond = 0;              // not looked at, nor for what else tells of them: more than there may be
  bool has_findings_beyond = false;
};

// Kinds of patterns and of the sensor itself tell of connections to which nothing has happened together: these join no incident,
// and are one by themselves.
bool joins_incidents(FindingKind kind);

// nullopt: there is no such finding.
std::optional<Incident> find_incident(const Engine& engine, uint64_t finding_id, size_t connections_max);

}  // namespace parallax
