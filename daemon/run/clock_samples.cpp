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

// Before what it says: of another kind, so that the two agree with none but their own.
enum class Invariant : uint64_t { numbers = 1, content };

uint64_t begin(Invariant kind, const DecodedFrame& frame) {
  return mix(mix(mix(static_cast<uint64_t>(kind), frame.protocol), frame.ip_id), frame.payload_length);
}

// 0: none.
uint64_t by_numbers(const DecodedFrame& frame) {
  if (frame.protocol != ip_protocol::tcp) return 0;
  const uint64_t hash = mix(begin(Invariant::numbers, frame), uint64_t{frame.seq} << 32 | frame.ack);
  return mix(hash, uint64_t{frame.window} << 8 | frame.tcp_flags);
}

// By the beginning of the payload, and of TCP by the timestamps, never without: requests of many clients begin alike, and where a
// device gives packets IDs of its own, one may come out under the ID of another. 0: none.
uint64_t by_content(const DecodedFrame& frame) {
  constexpr uint32_t kPayloadBytes = 16;
  const bool has_payload = frame.payload_captured >= kPayloadBytes;
  const bool has_timestamps = (frame.flags & bit(SightingFlag::has_timestamps)) != 0;
  if (frame.protocol == ip_protocol::udp ? !has_payload : !has_timestamps) return 0;
  uint64_t hash = begin(Invariant::content, frame);
  if (has_timestamps) hash = mix(hash, uint64_t{frame.tsval} << 32 | frame.tsecr);
  if (!has_payload) return hash;
  uint64_t first = 0, second = 0;
  std::memcpy(&first, frame.payload, sizeof(first));
  std::memcpy(&second, frame.payload + sizeof(first), sizeof(second));
  return mix(mix(hash, first), second);
}

}  // namespace

void ClockSamples::add(const DecodedFrame& frame, int64_t time_ns) {
  if ((frame.flags & (bit(SightingFlag::icmp_quote) | bit(SightingFlag::fragment) | bit(SightingFlag::outer_fragment))) != 0)
    return;
  if (frame.protocol != ip_protocol::tcp && frame.protocol != ip_protocol::udp) return;
  add(by_numbers(frame), frame, time_ns);
  add(by_content(frame), frame, time_ns);
}

void ClockSamples::add(uint64_t invariant, const DecodedFrame& frame, int64_t time_ns) {
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
