// A pinned file: the slice of a finding, kept for when the ring has turned. An ordinary pcapng, and behind it a block of
// Parallax's own, which other readers skip: what the file is of, and checksums of its pieces (parallax/v1/pinned.proto).
//
// A piece is a run of whole blocks, so that one that is damaged is left out and the others are still read. Where the block at the
// end is missing or damaged, the packets are read up to the first block that contradicts itself. Values belong to their holder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/file/pcapng_blocks.h"
#include "capture/file/pcapng_writer.h"
#include "parallax/v1/pinned.pb.h"

namespace parallax {

// Checksums of the pieces of a pcapng, which comes in chunks that end anywhere.
class PinnedPieces {
 public:
  void add(std::span<const uint8_t> chunk);
  // REQUIRES: all chunks have come, and end on a block.
  std::vector<v1::PinnedPiece> take();

 private:
  void end_piece(size_t bytes);

  PcapngBuffer open_;    // begins with the piece
  size_t whole_ = 0;     // bytes of it in whole blocks
  bool headed_ = false;  // the first piece has ended
  std::vector<v1::PinnedPiece> pieces_;
};

void append_pinned_end(PcapngBuffer& out, const v1::PinnedSlice& slice);

// The last whole one of the file, where several stand behind one another, also if its end was torn off; nullopt: there is none.
std::optional<v1::PinnedSlice> read_pinned_end(int fd, uint64_t file_bytes);

// What stands in a pinned file, block by block.
class PinnedReader {
 public:
  // `end`: nullopt where it is damaged.
  PinnedReader(int fd, uint64_t file_bytes, const std::optional<v1::PinnedSlice>& end);

  // The next block, not Parallax's own; valid until the next call. nullopt: that was all.
  std::optional<PcapngBlock> next();

  bool begins_well() const { return begins_well_; }  // once next() was asked: there is a header that can be relied on
  std::string damage() const;                        // once next() is through: what could not be read; empty: nothing

 private:
  bool load_piece();
  bool load_unchecked();

  const int fd_;
  const uint64_t file_bytes_;
  const bool is_checked_;
  std::vector<v1::PinnedPiece> pieces_;
  size_t next_piece_ = 0, damaged_ = 0;
  uint64_t at_ = 0;  // in the file, of the end of buffer_
  PcapngBuffer buffer_;
  std::span<const uint8_t> rest_;  // of buffer_
  bool begins_well_ = true, has_begun_ = false, ended_ = false;
};

}  // namespace parallax
