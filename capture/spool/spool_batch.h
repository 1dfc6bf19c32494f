// What the spool writes at once: packets in aligned memory of its own, and what the index is to say of them.
//
// The gatherer's until it is full, then the writer's until it is empty again (SpoolBatchQueue). Memory is taken in the
// constructor, but for the list of keys.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "capture/file/pcapng_blocks.h"
#include "capture/spool/spool_file.h"
#include "capture/spool/spool_lane.h"
#include "capture/spool/spool_legs.h"
#include "capture/spool/spool_output.h"
#include "capture/spool/spool_snap_rules.h"

namespace parallax {

class SpoolBatch {
 public:
  // A block of padding may need a whole step, and a little of the one before.
  static constexpr size_t kPaddingBytes = 2 * SpoolOutput::kAlignment;
  // The capacity with which it takes a huge page: to fill and to write one costs an eighth less (docs/decisions/0019).
  static constexpr size_t kHugePageBytes = (2 << 20) - kPaddingBytes;

  SpoolBatch(std::vector<SpoolLanePort> interfaces, size_t capacity);

  bool has_room_for(size_t bytes) const { return bytes <= capacity_ - size_; }
  // Takes whole EPBs, as one chunk, each cut as the rules say. `leg_keys`: of all packets in the order of their writing.
  // REQUIRES: has_room_for() their size.
  void add(std::span<const uint8_t> packets, const SpoolSnapRules& rules, SpoolLegKeys& leg_keys);
  void clear();

  bool empty() const { return size_ == 0; }
  // From memory that is aligned for direct I/O.
  std::span<const uint8_t> bytes() const { return {memory_.get(), size_}; }
  // The same and a block of padding, up to a multiple of SpoolOutput::kAlignment.
  std::span<const uint8_t> padded_bytes();

  uint64_t packets() const { return packets_; }
  // Calls `take` with each chunk and the keys of its packets; offsets count from the batch's begin.
  template <typename Take>
  void for_each_chunk(const Take& take) const {
    size_t key = 0;
    for (const SpoolChunk& chunk : chunks_) {
      take(chunk, std::span<const uint64_t>(legs_).subspan(key, chunk.packets));
      key += chunk.packets;
    }
  }
  // By interface: how many packets, and their times; count 0: none.
  const std::vector<SpoolLoss>& by_interface() const { return by_interface_; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  void add_cut(const PcapngBlock& block, const EnhancedPacketView& packet, uint32_t kept);

  const std::vector<SpoolLanePort> interfaces_;
  const size_t capacity_;
  std::unique_ptr<uint8_t[], Free> memory_;  // capacity_, and room for the padding
  size_t size_ = 0;
  uint64_t packets_ = 0;
  std::vector<SpoolChunk> chunks_;
  std::vector<uint64_t> legs_;
  std::vector<SpoolLoss> by_interface_;
};

}  // namespace parallax
