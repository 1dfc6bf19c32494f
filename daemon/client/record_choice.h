// Which findings or connections a person wants to see, as typed, and the filter that it becomes. Pure but for the present time.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/client/sensor_client.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

struct RecordChoice {
  std::string client, service, host;  // as in the message; empty: any
  uint32_t port = 0;                  // 0: any
  std::string from, to;               // see time_option.h; empty: any
  uint32_t number = 0;                // the newest so many; 0: all
};

// Exit code 2 where a time is none. All else is for the daemon to refuse.
ClientOutcome to_filter(const RecordChoice& choice, v1::RecordFilter& filter);

}  // namespace parallax
