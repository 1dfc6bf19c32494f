// PayloadPrefixes: the first bytes of messages that say who talks to whom (TLS hellos, HTTP heads, PROXY headers, DNS, DHCP), on
// their way from the rx worker to the analysis, beside the sightings.
//
// For each ring of sightings there is one of payload prefixes: 64-byte chunks, the first of which begins with the length. The
// payload prefix of a sighting with SightingFlag::has_payload prefix is pushed, whole, before the sighting; so whoever pops
// sightings in their order pops one payload prefix for each flagged one, whatever becomes of the sighting. One producer, one
// consumer, as of any SpscRing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "capture/core/spsc_ring.h"

namespace parallax {

// Of one payload prefix, and of all that is wanted of one message. A super-segment (TSO, GRO) brings a whole message at once.
inline constexpr uint32_t kPayloadPrefixBytesMax = 8192;
// Of a direction that begins with no message that is known: what fits into one chunk.
inline constexpr uint32_t kFirstBytes = 62;

using PayloadPrefixChunk = std::array<uint8_t, 64>;
inline constexpr size_t kPayloadPrefixLengthBytes = 2;

constexpr size_t payload_prefix_chunks(size_t bytes) {
  return (kPayloadPrefixLengthBytes + bytes + sizeof(PayloadPrefixChunk) - 1) / sizeof(PayloadPrefixChunk);
}

class PayloadPrefixRing {
 public:
  // The longest payload prefix fits thrice: see RxWorker on files whose packets all bear one time.
  static constexpr size_t kChunksMin = 512;
  static_assert(3 * payload_prefix_chunks(kPayloadPrefixBytesMax) <= kChunksMin);

  explicit PayloadPrefixRing(size_t chunks) : ring_(std::max(chunks, kChunksMin)) {}

  // Producer. All or nothing. REQUIRES: 0 < bytes.size() <= kPayloadPrefixBytesMax.
  bool push(std::span<const uint8_t> bytes) {
    const size_t chunks = payload_prefix_chunks(bytes.size());
    if (ring_.room(chunks) < chunks) return false;
    PayloadPrefixChunk edge;
    const auto length = static_cast<uint16_t>(bytes.size());
    std::memcpy(edge.data(), &length, kPayloadPrefixLengthBytes);
    const size_t in_first = std::min(bytes.size(), edge.size() - kPayloadPrefixLengthBytes);
    std::memcpy(edge.data() + kPayloadPrefixLengthBytes, bytes.data(), in_first);
    ring_.push(edge);
    bytes = bytes.subspan(in_first);
    // Nobody looks at the chunks before the sighting is there, so that they may go in by parts.
    for (; bytes.size() >= edge.size(); bytes = bytes.subspan(edge.size())) {
      std::memcpy(edge.data(), bytes.data(), edge.size());
      ring_.push(edge);
    }
    if (!bytes.empty()) {
      std::memcpy(edge.data(), bytes.data(), bytes.size());
      ring_.push(edge);
    }
    return true;
  }

  // Producer. At least half of it is free.
  bool is_half_free() { return ring_.room(capacity() / 2) == capacity() / 2; }

  // Consumer. Takes the oldest payload prefix out, into `buffer`; the result lies in it. REQUIRES: its sighting has been popped
  // or peeked.
  std::span<const uint8_t> pop(std::span<uint8_t, kPayloadPrefixBytesMax> buffer) {
    uint16_t length = 0;
    size_t copied = 0;
    bool first = true;
    do {
      const std::span<PayloadPrefixChunk> chunk = ring_.peek();
      if (chunk.empty()) return {};  // out of step with the sightings: a defect
      const uint8_t* from = chunk.front().data();
      size_t room = sizeof(PayloadPrefixChunk);
      if (first) {
        std::memcpy(&length, from, kPayloadPrefixLengthBytes);
        length = static_cast<uint16_t>(std::min<uint32_t>(length, kPayloadPrefixBytesMax));
        from += kPayloadPrefixLengthBytes;
        room -= kPayloadPrefixLengthBytes;
        first = false;
      }
      const size_t count = std::min<size_t>(room, length - copied);
      std::memcpy(buffer.data() + copied, from, count);
      copied += count;
      ring_.pop(1);
    } while (copied < length);
    return {buffer.data(), length};
  }

  size_t chunks_waiting() const { return ring_.size(); }
  size_t capacity() const { return ring_.capacity(); }

 private:
  SpscRing<PayloadPrefixChunk> ring_;
};

}  // namespace parallax
