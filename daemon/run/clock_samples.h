// Samples of a point's packets for comparing clocks: what a NAT leaves alone of each packet, hashed, and when it was seen.
//
// Bounded: as the table fills, packets are kept by ever more bits of their hash, so that two points keep the same ones however
// much traffic each has. A hash that comes twice (a retransmission, a packet that was captured twice) tells nothing. One thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "capture/decode/decode.h"

namespace parallax {

class ClockSamples {
 public:
  static constexpr size_t kSamplesMax = 1 << 15;

  struct Sample {
    int64_t time_ns;
    uint32_t flow;     // symmetric: both directions have the same
    bool low_to_high;  // direction within the flow, by address and port
    bool again = false;
  };

  ClockSamples() { samples_.reserve(2 * kSamplesMax); }

  void add(const DecodedFrame& frame, int64_t time_ns);
  // By invariant. Those with `again` are of no use.
  const std::unordered_map<uint64_t, Sample>& samples() const { return samples_; }

 private:
  std::unordered_map<uint64_t, Sample> samples_;
  uint64_t mask_ = 0;  // a hash is kept if it has none of these bits
};

}  // namespace parallax
