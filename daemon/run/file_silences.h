// Which capture files fell silent while the others of the path went on: live the ports are watched for that (PortActivity), and
// files are read once before they are analysed.
#pragma once

#include <vector>

#include "capture/core/port.h"

namespace parallax {

// Packets of one file that follow one another within a PortActivity::kTickNs.
struct PacketBurst {
  int64_t newest_ns;
  uint64_t packets;
};
struct FileActivity {
  PointIndex point = 0;
  std::vector<PacketBurst> bursts;  // in order of time, by the clock that all have in common
};

// Of each file, in the order in which they began.
std::vector<std::vector<PortOutage>> silences_of(const std::vector<FileActivity>& files);

}  // namespace parallax
