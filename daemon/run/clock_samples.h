// Samples of a point's packets for comparing clocks: what a NAT leaves alone of each packet, hashed, and when it was seen. A
// packet has two where that of the one kind may be all that is left of it: by the numbers of its segment; and by its content,
// which firewalls that renumber connections leave alone (of TCP only with timestamps).
//
// Bounded: as the table fills, packets are kept by ever more bits of their hash, so that two points keep the same ones however
// much traffic each has. A hash that comes twice (a retransmission, a packet that was captured twice) tells nothing, unless a
// device at the point has sent the packet back under another name. One thread.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "capture/decode/decode.h"

namespace parallax {

class ClockSamples {
 public:
  static constexpr size_t kSamplesMax = 1 << 15;

  struct Sample {
    uint64_t invariant = 0;  // 0: none
    int64_t time_ns;
    uint32_t flow;       // symmetric: both directions have the same
    bool low_to_high;    // direction within the flow, by address and port
    bool again, turned;  // seen a second time: as it was; under another name
    uint8_t ttl;
  };

  void add(const DecodedFrame& frame, int64_t time_ns);
  // By invariant; null: none. Those with `again` are of no use.
  const Sample* find(uint64_t invariant) const {
    const Sample& sample = slots_[slot_of(invariant)];
    return sample.invariant == invariant ? &sample : nullptr;
  }
  // In no order that means anything.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Sample& sample : slots_) {
      if (sample.invariant != 0) visit(sample);
    }
  }

 private:
  static constexpr size_t kSlots = 2 * kSamplesMax;

  // Where it is, or would be. Open addressing: at most half of the slots are taken.
  size_t slot_of(uint64_t invariant) const {
    size_t slot = invariant >> (64 - std::bit_width(kSlots - 1));  // the mask is of the low bits
    while (slots_[slot].invariant != 0 && slots_[slot].invariant != invariant) slot = (slot + 1) % kSlots;
    return slot;
  }
  void add(uint64_t invariant, const DecodedFrame& frame, int64_t time_ns);
  static void take_again(Sample& sample, uint32_t flow, bool low_to_high, int64_t time_ns);
  void halve();

  std::vector<Sample> slots_ = std::vector<Sample>(kSlots);
  size_t count_ = 0;
  uint64_t mask_ = 0;  // a hash is kept if it has none of these bits
};

}  // namespace parallax
