// `parallax status --watch`: the status again and again, as top shows it, with what each stage has done since the time before.
#pragma once

#include <chrono>
#include <cstdio>

#include "daemon/client/sensor_client.h"

namespace parallax {

struct StatusWatch {
  std::chrono::milliseconds interval{2000};
  bool json = false;  // one object a refresh, without rates
};

// Until Ctrl-C, which is no failure. A terminal is cleared, and shows what fits it; elsewhere one status follows the other. A
// daemon that does not answer at first is an error; one that goes away later is waited for, and said, and so is its return.
ClientOutcome watch_status(SensorClient& client, const StatusWatch& watch, std::FILE* out, std::FILE* err);

}  // namespace parallax
