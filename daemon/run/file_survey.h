// A first look at capture files before they are analysed: the time that each covers, and samples of its packets by which the
// clocks of the points are compared (those before a file's time goes back).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/core/port.h"
#include "daemon/run/clock_samples.h"
#include "daemon/run/file_silences.h"

namespace parallax {

// Whether `path` (which may end in #N) can be read twice: a pipe cannot.
bool can_be_surveyed(const std::string& path);
// REQUIRES of both: can_be_surveyed(path).
uint64_t file_bytes(const std::string& path);  // as it is stored
// About how many bytes of capture it holds: a gzip file is taken for ten times its size.
uint64_t capture_bytes(const std::string& path);

struct FileSurvey {
  TimeSpan span;
  int64_t stepped_ns = kTimeMax;      // the time went back for good, the first time to this; kTimeMax: it did not
  std::vector<PacketBurst> bursts{};  // until then, as stamped
};

// Reads the whole file. `samples` null: only its time is asked for. nullopt: no packet. `read`: told now and then how many bytes
// of the file have been read. REQUIRES: can_be_surveyed(path).
std::optional<FileSurvey> survey(const std::string& path, ClockSamples* samples, const std::function<void(uint64_t)>& read = {});

}  // namespace parallax
