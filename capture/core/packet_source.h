// Where packets come from: a DPDK port, a libpcap interface, a file, or memory in tests.
//
// Owned and called by one rx worker. A source hands out views in bursts; they are valid until its next poll().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "capture/core/link_type.h"
#include "capture/core/port.h"

namespace parallax {

struct RawPacket {
  const uint8_t* data;
  uint32_t captured_length;
  uint32_t wire_length;
  int64_t time_ns;                // UTC
  uint32_t stamp_uncertainty_ns;  // it arrived at most this long before time_ns
  uint32_t frame;                 // 1-based in its file; live: running count
  LinkType link_type;
};

// Packets that a source lost, since it was last asked.
struct SourceLoss {
  DropReason reason;
  uint64_t count;
  int64_t from_ns;  // the loss lies within: a polled counter taints everything since the last look
  int64_t to_ns;
};

struct TimeSpan {
  int64_t from_ns, to_ns;
};

class PacketSource {
 public:
  virtual ~PacketSource() = default;

  // Up to burst.size() packets in the order of the wire; returns how many. 0: nothing now, or finished(). An empty burst takes
  // none: they wait in the ring of the kernel or the NIC, while losses and the link are looked at as ever.
  virtual size_t poll(std::span<RawPacket> burst) = 0;

  // Every packet stamped before this has been handed out. For a file: the time of its next packet; kTimeMax at the end.
  virtual int64_t watermark_ns() const = 0;

  // Every loss before this has been told by take_loss(). For who orders packets by the time at which they were handed out: to
  // that the watermark is bound to no more.
  virtual int64_t losses_known_ns() const { return kTimeMax; }

  // Whether packets are stamped when they arrive, so that they may wait for others. Otherwise they are when poll() takes them.
  virtual bool stamped_on_arrival() const { return false; }

  // Readable as soon as there are packets; negative: only poll() shows them. May change with each poll().
  virtual int descriptor() const { return -1; }

  // Nothing will come any more.
  virtual bool finished() const { return false; }

  // Whether poll() returns packets of the past as fast as asked: the reader waits when a ring is full, nothing is dropped.
  virtual bool is_file() const { return false; }

  // Called after each poll() and before its packets are released; nullopt: nothing more to tell.
  virtual std::optional<SourceLoss> take_loss() { return std::nullopt; }

  // A time of which the source cannot say what was seen when, since stamps are wrong. Called as take_loss() is.
  virtual std::optional<TimeSpan> take_uncertain_time() { return std::nullopt; }
  // Called like take_loss(). An outage that goes on is told again and again, each time up to now: it is known before the
  // watermark passes it.
  virtual std::optional<PortOutage> take_outage() { return std::nullopt; }

  // As last seen by poll().
  virtual bool link_up() const { return true; }

  // What the person should know, such as "cut in the middle of packet 17". Empty: nothing. Stable once finished().
  virtual std::string warning() const { return {}; }

  // The link type of the first interface or packet, for reports.
  virtual LinkType link_type() const = 0;
};

}  // namespace parallax
