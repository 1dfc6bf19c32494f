// Where an rx worker puts a copy of each packet that passes the spool's filter.
//
// One sink for each rx worker, called by its thread alone. It never blocks and never fails: what it cannot take, it
// drops and counts itself (a packet missing from the spool is not missing from the analysis).
#pragma once

#include "capture/core/packet_source.h"
#include "capture/core/port.h"

namespace parallax {

class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // The packet's bytes are valid during the call only.
  virtual void append(PortIndex port, const RawPacket& packet) = 0;
  // Packets of the port that never came here may be missing within, and those that came may be stamped late: up to `to_ns`.
  // Called before the packets after.
  virtual void append_gap(PortIndex port, int64_t from_ns, int64_t to_ns) = 0;
};

}  // namespace parallax
