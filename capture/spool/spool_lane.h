// A lane of the spool: copies the packets of one rx worker into blocks of memory and hands these to the gatherer.
//
// Two threads: the rx worker appends, the gatherer takes; neither waits. A block travels free ring -> rx worker -> used ring
// -> gatherer -> free ring. It enters the used ring when it is begun, and its fill is published after each packet, so that
// the gatherer can take what a slow lane holds without asking the rx worker. Without a free block packets are dropped and
// counted.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "capture/core/counter.h"
#include "capture/core/large_table.h"
#include "capture/core/packet_sink.h"
#include "capture/core/spsc_ring.h"
#include "capture/spool/spool.h"
#include "capture/spool/spool_file.h"

namespace parallax {

struct SpoolLanePort {
  LinkType link_type = LinkType::ethernet;
  uint32_t flags = 0;  // of the EPB
};

inline std::vector<SpoolLanePort> lane_ports(const std::vector<SpoolPort>& ports) {
  std::vector<SpoolLanePort> lane_ports;
  for (const SpoolPort& port : ports) lane_ports.push_back({port.link_type, pcapng_flags(port.info.direction)});
  return lane_ports;
}

class SpoolLane : public PacketSink {
 public:
  // Takes all its memory here, and touches it. REQUIRES: block_bytes holds a packet of snaplen; at least two blocks.
  SpoolLane(std::vector<SpoolLanePort> ports, uint32_t snaplen, size_t block_bytes, size_t blocks);
  ~SpoolLane() override;

  // Rx worker. 11 ns for a packet of 112 bytes, 26 for 400 (benchmarks/spool_benchmark.cpp); it was 25 and 35 before the words
  // of the block were stored in pairs and small packets copied without a call.
  void append(PortIndex port, const RawPacket& packet) override;
  void append_gap(PortIndex port, int64_t from_ns, int64_t to_ns) override;

  // Gatherer: the oldest bytes not yet taken, whole EPBs of one block; `closed` says whether the rx worker is done with the
  // block.
  std::span<const uint8_t> pending(bool& closed);
  // Gatherer: everything that pending() gave has been taken. REQUIRES: it is called with just that and after each pending().
  void taken(std::span<const uint8_t> bytes, bool closed);

  // Writer: losses that have ended, each known before the packets that came after it. False: no more.
  bool take_loss(SpoolLoss& loss);

  // Any thread.
  uint64_t dropped() const { return dropped_.get(); }
  uint64_t dropped(PortIndex port) const { return dropped_by_port_[port].get(); }

 private:
  static constexpr uint32_t kClosed = 1u << 31;
  struct alignas(64) Block {
    std::atomic<uint32_t> fill{0};  // bytes, and kClosed
    uint8_t* data = nullptr;
  };
  bool next_block();
  void drop(PortIndex port, int64_t time_ns);
  void report_losses();
  void mark(PortIndex port, uint8_t* block, uint32_t& size);

  const std::vector<SpoolLanePort> ports_;
  const uint32_t snaplen_, block_bytes_;
  LargeTable<uint8_t> memory_;
  std::vector<Block> blocks_;
  SpscRing<uint32_t> free_, used_;
  SpscRing<SpoolLoss> loss_ring_;
  // Rx worker's.
  alignas(64) Block* current_ = nullptr;
  uint32_t fill_ = 0;
  Counter dropped_;
  std::vector<Counter> dropped_by_port_;
  bool losing_ = false;             // some loss is not yet reported
  bool has_unmarked_ = false;       // some
  std::vector<uint64_t> unmarked_;  // by port: were dropped since its last packet, which the next one tells (epb_dropcount)
  std::vector<SpoolLoss> losses_;   // by port; count 0: none
  std::vector<SpoolLoss> gaps_;     // by port, of which nobody counts what is missing; to_ns kTimeMin: none
  // Gatherer's.
  alignas(64) uint32_t taken_ = 0;  // of the oldest block
};

}  // namespace parallax
