// Excerpts: the first bytes of messages that say who talks to whom (TLS hellos, HTTP heads, PROXY headers, DNS, DHCP), on their
// way from the rx worker to the analysis, beside the sightings.
//
// For each ring of sightings there is one of excerpts: 64-byte chunks, the first of which begins with the length. The excerpt of
// a sighting with SightingFlag::has_excerpt is pushed, whole, before the sighting; so whoever pops sightings in their order pops
// one excerpt for each flagged one, whatever becomes of the sighting. One producer, one consumer, as of any SpscRing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "capture/core/spsc_ring.h"

namespace parallax {

// Of one excerpt, and of all that is wanted of one message. A super-segment (TSO, GRO) brings a whole message at once.
inline constexpr uint32_t kExcerptBytesMax = 8192;

using ExcerptChunk = std::array<uint8_t, 64>;
inline constexpr size_t kExcerptLengthBytes = 2;

constexpr size_t excerpt_chunks(size_t bytes) {
  return (kExcerptLengthBytes + bytes + sizeof(ExcerptChunk) - 1) / sizeof(ExcerptChunk);
}

class ExcerptRing {
 public:
  // The longest excerpt fits thrice: see RxWorker on files whose packets all bear one time.
  static constexpr size_t kChunksMin = 512;
  static_assert(3 * excerpt_chunks(kExcerptBytesMax) <= kChunksMin);

  explicit ExcerptRing(size_t chunks) : ring_(std::max(chunks, kChunksMin)) {}

  // Producer. All or nothing. REQUIRES: 0 < bytes.size() <= kExcerptBytesMax.
  bool push(std::span<const uint8_t> bytes) {
    const size_t chunks = excerpt_chunks(bytes.size());
    if (ring_.room(chunks) < chunks) return false;
    ExcerptChunk edge;
    const auto length = static_cast<uint16_t>(bytes.size());
    std::memcpy(edge.data(), &length, kExcerptLengthBytes);
    const size_t in_first = std::min(bytes.size(), edge.size() - kExcerptLengthBytes);
    std::memcpy(edge.data() + kExcerptLengthBytes, bytes.data(), in_first);
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

  // Consumer. Takes the oldest excerpt out, into `buffer`; the result lies in it. REQUIRES: its sighting has been popped or
  // peeked.
  std::span<const uint8_t> pop(std::span<uint8_t, kExcerptBytesMax> buffer) {
    uint16_t length = 0;
    size_t copied = 0;
    bool first = true;
    do {
      const std::span<ExcerptChunk> chunk = ring_.peek();
      if (chunk.empty()) return {};  // out of step with the sightings: a defect
      const uint8_t* from = chunk.front().data();
      size_t room = sizeof(ExcerptChunk);
      if (first) {
        std::memcpy(&length, from, kExcerptLengthBytes);
        length = static_cast<uint16_t>(std::min<uint32_t>(length, kExcerptBytesMax));
        from += kExcerptLengthBytes;
        room -= kExcerptLengthBytes;
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
  SpscRing<ExcerptChunk> ring_;
};

}  // namespace parallax
