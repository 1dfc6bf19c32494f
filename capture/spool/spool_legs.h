// Which legs a chunk of the spool holds packets of, so that a slice of a few legs reads the chunks that it needs, and hardly any
// other.
//
// A filter for each chunk (a Bloom filter: two bytes for each leg in it). It never denies a leg that is there; of 1,700 chunks
// without it about one is read in vain. They stand in blocks of their own at the end of a finished file, before its index, and
// are read for each slice; in memory are those of the file being written. A file without them is read whole.
//
// A key is made of protocol and ends, both directions alike, with constants: it outlives the process. Whoever makes legs whose
// keys are equal has chunks read in vain, and no more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "capture/core/sighting.h"
#include "capture/decode/decode.h"
#include "capture/decode/fragment_table.h"
#include "capture/file/pcapng_blocks.h"
#include "capture/file/pcapng_writer.h"

namespace parallax {

// A packet as it stands in the spool.
inline FrameView frame_of(const EnhancedPacketView& packet, LinkType link_type) {
  const auto captured = static_cast<uint32_t>(packet.data.size());
  return {packet.data.data(), captured, std::max(packet.original_length, captured), link_type};
}

// Of a leg, by what the sightings of its packets say, fragments included once they are attributed.
uint64_t spool_leg_key(const Sighting& sighting);
inline constexpr uint64_t kNoLeg = 0;
inline constexpr uint64_t kAnyLeg =
    0x452821e638d01377;  // of a fragment whose first one is not known; its bits are spread as a key's are

// What a packet was decoded to, ports of a later fragment included.
struct SpooledHeaders : DecodedFrame {
  DecodeError error = DecodeError::none;  // then no more than headers_end holds
  bool is_whole = false;                  // neither an error, nor a later fragment of which the first is not known
};

// The keys of packets in the order of their writing. Belongs to one thread.
class SpoolLegKeys {
 public:
  uint64_t of(const FrameView& frame, int64_t time_ns) {
    SpooledHeaders headers;
    return of(frame, time_ns, headers);
  }
  // And what it was decoded to for that.
  uint64_t of(const FrameView& frame, int64_t time_ns, SpooledHeaders& headers);

 private:
  FragmentTable fragments_;
};

// Keys, each once: a hash table with linear probing over what are hashes already. It keeps its memory when it is cleared, which
// it is for each chunk (a fifth of the writer's time otherwise).
class SpoolLegSet {
 public:
  // REQUIRES: key != kNoLeg.
  void insert(uint64_t key);
  void clear();
  size_t size() const { return size_; }
  // Calls `take` with each key, in no order.
  template <typename Take>
  void for_each(const Take& take) const {
    for (const uint64_t key : slots_) {
      if (key != kNoLeg) take(key);
    }
  }

 private:
  static constexpr size_t kSlotsAtFirst = 1024;
  void grow();
  std::vector<uint64_t> slots_ = std::vector<uint64_t>(kSlotsAtFirst, kNoLeg);  // a power of two, at most half of them taken
  size_t size_ = 0;
};

using SpoolLegFilter = std::vector<uint64_t>;
SpoolLegFilter make_leg_filter(const SpoolLegSet& keys);
// Whether the chunk may hold packets of that leg. Any words are a filter; none at all holds nothing.
bool may_hold(std::span<const uint64_t> filter, uint64_t key);

// Those of a file that is being written.
class SpoolLegIndex {
 public:
  // Of the packets that the last chunk has grown by; `begins`: it is a new one.
  void add(std::span<const uint64_t> keys, bool begins);
  // By number of the chunk; beyond the end: it still grows.
  const std::vector<std::shared_ptr<const SpoolLegFilter>>& closed() const { return closed_; }
  SpoolLegFilter last() const { return make_leg_filter(keys_); }
  uint64_t bytes() const { return words_ * sizeof(uint64_t) + keys_.size() * 2; }

 private:
  std::vector<std::shared_ptr<const SpoolLegFilter>> closed_;
  SpoolLegSet keys_;  // of the last chunk
  uint64_t words_ = 0;
  bool has_begun_ = false;
};

// For the end of the file, before its index. `offsets` of its chunks, by their number.
void append_spool_legs(PcapngBuffer& out, std::span<const uint64_t> offsets, const SpoolLegIndex& legs);
// The filters of a finished file, by their chunks' offsets, in no order; what is damaged is left out.
void read_spool_legs(int fd, const std::function<void(uint64_t offset, std::span<const uint64_t> filter)>& take);

}  // namespace parallax
