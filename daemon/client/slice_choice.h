// What a person chooses to pull out of the spool, as typed, and the request that it becomes. Pure but for the present time.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/client/sensor_client.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

// One of a finding, an incident, a connection, a community ID and a time.
struct SliceChoice {
  uint64_t finding = 0, incident = 0, connection = 0;  // 0: not this
  // RFC 3339, or an age: "90s", "10m", "2h", "1d" before now.
  std::string from;          // empty: no time
  std::string to;            // empty: now
  std::string community_id;  // empty: not this
  std::string filter;
  std::string resume;  // the file that holds its beginning; empty: it is pulled whole
};

// Exit code 2 where it names none or several, or no time.
ClientOutcome to_request(const SliceChoice& choice, v1::PullSliceRequest& request);

}  // namespace parallax
