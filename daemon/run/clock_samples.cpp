#include "daemon/run/clock_samples.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>

namespace parallax {

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

// Of TCP the numbers of the segment, of UDP the beginning of the payload. 0: none.
uint64_t invariant_of(const DecodedFrame& frame) {
  constexpr uint32_t kPayloadBytes = 16;
  if ((frame.flags & (bit(SightingFlag::icmp_quote) | bit(SightingFlag::fragment) | bit(SightingFlag::outer_fragment))) != 0)
    return 0;
  uint64_t hash = mix(frame.protocol, frame.ip_id);
  if (frame.protocol == ip_protocol::tcp) {
    hash = mix(hash, uint64_t{frame.seq} << 32 | frame.ack);
    return mix(hash, uint64_t{frame.payload_length} << 32 | uint64_t{frame.window} << 8 | frame.tcp_flags);
  }
  if (frame.protocol != ip_protocol::udp || frame.payload_captured < kPayloadBytes) return 0;
  uint64_t first = 0, second = 0;
  std::memcpy(&first, frame.payload, sizeof(first));
  std::memcpy(&second, frame.payload + sizeof(first), sizeof(second));
  return mix(mix(mix(hash, first), second), frame.payload_length);
}

}  // namespace

void ClockSamples::add(const DecodedFrame& frame, int64_t time_ns) {
  const uint64_t invariant = invariant_of(frame);
  if (invariant == 0 || (invariant & mask_) != 0) return;
  const bool low_to_high = std::tie(frame.source, frame.source_port) < std::tie(frame.destination, frame.destination_port);
  Sample& sample = slots_[slot_of(invariant)];
  if (sample.invariant == invariant) {
    take_again(sample, frame.flow_hash, low_to_high, time_ns);
    return;
  }
  sample = {invariant, time_ns, frame.flow_hash, low_to_high, false, false, frame.ttl};
  if (++count_ > kSamplesMax) halve();
}

// Under another name and at once it has come back from a device at this point (a hairpin). When it was first seen bounds its
// transits all the same. Both directions are to be of one flow: of the two that they go by the one with the lower hash.
void ClockSamples::take_again(Sample& sample, uint32_t flow, bool low_to_high, int64_t time_ns) {
  constexpr int64_t kHeldNsMax = 20'000'000;
  if (flow == sample.flow || sample.turned || std::abs(time_ns - sample.time_ns) > kHeldNsMax) {
    sample.again = true;
    return;
  }
  sample.turned = true;
  sample.time_ns = std::min(sample.time_ns, time_ns);
  if (flow > sample.flow) return;
  sample.flow = flow;
  sample.low_to_high = low_to_high;
}

void ClockSamples::halve() {
  while (count_ > kSamplesMax) {
    mask_ = mask_ << 1 | 1;
    const std::vector<Sample> before = std::exchange(slots_, std::vector<Sample>(kSlots));
    count_ = 0;
    for (const Sample& sample : before) {
      if (sample.invariant == 0 || (sample.invariant & mask_) != 0) continue;
      slots_[slot_of(sample.invariant)] = sample;
      ++count_;
    }
  }
}

}  // namespace parallax
