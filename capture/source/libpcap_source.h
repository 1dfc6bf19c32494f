// Packets from an interface of the kernel through libpcap: stamped by the kernel in nanoseconds, with exact counts of drops.
//
// Opened by the thread that wires the process, polled by one rx worker. Sees what comes in (also for others: promiscuous),
// not what the machine itself sends. Packets are copied out of the kernel's ring, and valid until the next poll.
// Stamps are placed on the sensor's own timeline, so that a system clock that is set does no harm beyond that moment.
// A link that goes down is an outage, noticed within some 10 ms, and so is an interface that disappears: the port waits, and
// opens the interface again when it is back. Watermark: the kernel hands over a packet at most `delivery_ns` after its stamp.
// Losses are read every few milliseconds, and the watermark stays at the last reading, so that a loss is known before the
// watermark passes its time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/source/clock.h"

namespace parallax {

struct LibpcapSourceOptions {
  const Clock* clock = nullptr;            // outlives the source; null: the system's time as it is (a port by itself)
  int buffer_bytes = 64 << 20;             // the kernel's ring
  int snaplen = 9234;                      // jumbo frames of 9216 bytes with a VLAN tag; longer ones are cut, and say so
  int64_t delivery_ns = 10'000'000;        // a stamped packet is handed over at most so late
  uint32_t stamp_uncertainty_ns = 10'000;  // from the wire to the stamp: interrupt and softirq
};

class LibpcapSource : public PacketSource {
 public:
  // The error says which interface, what failed and what would be right.
  static Result<std::unique_ptr<LibpcapSource>> open(const std::string& interface, const LibpcapSourceOptions& options = {});
  ~LibpcapSource() override;

  size_t poll(std::span<RawPacket> burst) override;
  int64_t watermark_ns() const override;
  int64_t losses_known_ns() const override;
  bool stamped_on_arrival() const override { return true; }
  int descriptor() const override;
  bool finished() const override;  // the interface came back as one of another kind
  std::optional<SourceLoss> take_loss() override;
  std::optional<PortOutage> take_outage() override;
  bool link_up() const override;
  std::string warning() const override;
  LinkType link_type() const override;

 private:
  struct Capture;
  explicit LibpcapSource(std::unique_ptr<Capture> capture);
  std::unique_ptr<Capture> capture_;
};

}  // namespace parallax
