// The kernel's stamps of the packets that an af_packet port of DPDK is about to hand out.
//
// The driver copies the packets out of a ring that it shares with the kernel (TPACKET_V2, packet(7)) and leaves the stamps there.
// This class looks at the same ring, just before the driver does: how many of the next packets are ready, and when each was
// stamped. It finds the driver's mapping in /proc/self/maps, and keeps in step by counting; the lengths of the packets show
// whether it is. Where that fails once, the port is stamped at poll time for good. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace parallax {

struct AfPacketRingShape {
  size_t block_bytes, frame_bytes, frames;
};

class AfPacketRing {
 public:
  static constexpr size_t kReadyMax = 64;
  struct Waiting {
    int64_t stamp_ns;  // of the system's clock
    uint32_t length;   // with the tag that the driver puts back
  };

  // nullopt: the mapping of `socket` is not there, or not of that shape. `taken`: packets that the driver has handed out.
  static std::optional<AfPacketRing> find(int socket, const AfPacketRingShape& shape, size_t taken);

  // For tests: a ring in memory of one's own.
  AfPacketRing(const uint8_t* ring, const AfPacketRingShape& shape, size_t taken)
      : ring_(ring), shape_(shape), next_(taken % shape.frames) {}

  // Looks at the next packets, kReadyMax at most; how many of them are ready.
  size_t look(size_t wanted);
  const Waiting& waiting(size_t i) const { return waiting_[i]; }
  // The driver has handed out so many of them.
  void taken(size_t count) { next_ = (next_ + count) % shape_.frames; }

 private:
  const uint8_t* ring_;
  AfPacketRingShape shape_;
  size_t next_;
  std::array<Waiting, kReadyMax> waiting_{};
};

}  // namespace parallax
