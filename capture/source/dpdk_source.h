// Packets from a DPDK port: a PCI device, or any virtual device that a driver of DPDK makes (af_packet, af_xdp, tap, pcap).
//
// Opened and closed by the thread that wires the process, while eal_running(); polled by one rx worker.
// Stamps: af_packet ports bear the kernel's (AfPacketRing). No other driver available without such hardware offers receive
// timestamps, so that the clock's time after the poll is the stamp of a whole burst, and everything since the last poll that
// emptied the port is its uncertainty; where that is long (the sensor was held up), the time is an outage. Losses: the port's
// counters are read every millisecond or so (less often where that is slow), and the watermark stays at the last reading: a loss
// is known before the watermark passes the time at which it may have happened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/source/clock.h"

namespace parallax {

struct DpdkSourceOptions {
  const Clock* clock = nullptr;  // outlives the source
  uint32_t mbufs = 8191;         // packet buffers of the port; one less than a power of two is best
};

class DpdkSource : public PacketSource {
 public:
  // `device`: "0000:3b:00.0", or driver and arguments of a virtual device: "net_af_packet0,iface=eth1,framecnt=16384".
  // The error says which device, what failed and what would be right.
  static Result<std::unique_ptr<DpdkSource>> open(const std::string& device, const DpdkSourceOptions& options);
  ~DpdkSource() override;

  size_t poll(std::span<RawPacket> burst) override;
  int64_t watermark_ns() const override;
  int64_t losses_known_ns() const override;
  bool stamped_on_arrival() const override;
  int descriptor() const override;
  std::optional<SourceLoss> take_loss() override;
  std::optional<PortOutage> take_outage() override;
  bool link_up() const override;
  LinkType link_type() const override { return LinkType::ethernet; }

  // What it costs to read the port's loss counters, and how often that is done: for tuning.
  int64_t statistics_cost_ns() const;
  int64_t statistics_interval_ns() const;

 private:
  struct Port;
  explicit DpdkSource(std::unique_ptr<Port> port);
  std::unique_ptr<Port> port_;
};

}  // namespace parallax
