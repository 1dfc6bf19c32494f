// What a detector says: one observation, which joins the finding that it belongs to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model/absence_proof.h"
#include "analysis/model/model.h"

namespace parallax {

// A server's end as it is seen at a point.
struct ServerAt {
  PointIndex point = 0;
  Endpoint end;
};

// How large packets were that a device lost, and those that passed it beside them: bytes of payload.
struct PayloadSizes {
  uint32_t least_lost = 0, most_passed = 0;

  void take(const PayloadSizes& other) {
    least_lost = std::min(least_lost, other.least_lost);
    most_passed = std::max(most_passed, other.most_passed);
  }
  // Something passed, and nothing of what is larger.
  bool are_apart() const { return most_passed > 0 && least_lost > most_passed; }
};

// Those of one kind, place, origin, direction and service (or source: is_of_source, or neither: is_of_place) become one finding.
// What its sentence may say is what FindingGroup keeps of them all.
struct Observation {
  FindingKind kind{};
  Where where;
  Origin origin = Origin::unknown;
  FindingDirection direction = FindingDirection::none;
  Endpoint service;               // the server as the client sees it
  std::optional<PortIndex> port;  // of the sensor, where the finding is about one
  Endpoint source;                // the client, where many services that it asks may be one incident
  std::optional<Address> client;  // of the connection: who is hit by it
  bool is_of_source = false;      // they are, from the first one on;
  bool is_of_place = false;       // and with them all others' of the place
  uint64_t connection_id = 0;
  std::vector<FindingLeg> legs;       // of it
  uint64_t leg_id = 0;                // one of its legs, by which it is found when it has become part of another connection
  int64_t first_ns = 0, last_ns = 0;  // of the packets concerned
  uint64_t count = 1;                 // packets where the kind counts packets; connections for handshakes
  uint64_t attempts = 0;              // SYNs, for handshakes
  uint64_t proved = 0;                // of the attempts: those of which what is said is proved
  std::optional<ServerAt> server;     // whose answers to others say something about this one
  double confidence = 0;
  double time_lost_seconds = 0;       // 0: not applicable
  std::optional<FindingKind> cause;   // what it follows from, told of the same connection: the time is lost by that one, too
  double rate_per_second = 0;         // 0: not applicable; that of a finding is the highest
  double period_seconds = 0;          // how far apart its repetitions are; 0: not applicable
  int64_t duration_ns = 0;            // of what is said; 0: not applicable
  std::optional<PayloadSizes> sizes;  // where both are known
  uint64_t related_id = 0;            // a connection that has to do with it; 0: none
  std::vector<Evidence> evidence;
  std::optional<Severity> severity;  // where it is not that of the detector's row; that of a finding only rises
  Doubt doubt = Doubt::none;         // why nobody is accused
  std::vector<Absence> absences;     // that it rests on: of all, or
  bool rests_on_any = false;         // of each for itself
  std::string remark;                // one sentence more; of the most severe ones the first is kept
};

}  // namespace parallax
