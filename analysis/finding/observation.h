// What a detector says: one observation, which joins the finding that it belongs to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model/model.h"

namespace parallax {

struct Observation {
  FindingKind kind{};
  Where where;
  Origin origin = Origin::unknown;
  FindingDirection direction = FindingDirection::none;
  Endpoint service;  // the server as the client sees it
  uint64_t connection_id = 0;
  int64_t first_ns = 0, last_ns = 0;  // of the packets concerned
  uint64_t count = 1;                 // packets where the kind counts packets; connections for handshakes
  uint64_t attempts = 0;              // SYNs, for handshakes
  double confidence = 0;
  double time_lost_seconds = 0;  // 0: not applicable
  std::vector<Evidence> evidence;
  std::optional<Severity> severity;  // where it is not the kind's own; that of a finding only rises
  std::string remark;                // one sentence more; the first one is kept
};

}  // namespace parallax
