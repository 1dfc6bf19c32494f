// A file of the spool: the index that is kept of it in memory, how the index is stored at its end, and how it is found
// again where it is not. Pure functions over a file descriptor; the values belong to their holder.
//
// The index lists chunks: runs of whole blocks with the time range of their packets. A finished file ends with an index
// block, so that a restart reads a few KiB of each file; without a valid one the file is scanned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/core/result.h"
#include "capture/file/pcapng_writer.h"
#include "capture/spool/spool_legs.h"

namespace parallax {

struct SpoolChunk {
  uint64_t offset = 0;
  uint32_t bytes = 0;
  uint32_t packets = 0;
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;  // earliest and latest, whatever the order

  bool meets(int64_t from_ns, int64_t to_ns) const { return packets > 0 && first_ns <= to_ns && last_ns >= from_ns; }
  // Widens the range by a packet.
  void add(int64_t time_ns) {
    ++packets;
    first_ns = std::min(first_ns, time_ns);
    last_ns = std::max(last_ns, time_ns);
  }
};
static_assert(sizeof(SpoolChunk) == 32);

// Packets that should be in the file and are not: the sensor lost them, or was not running. What is absent within such a time
// proves nothing.
struct SpoolLoss {
  int64_t from_ns = 0, to_ns = 0;
  uint64_t count = 0;                   // 0: not known
  uint32_t interface = kAllInterfaces;  // of the file
  uint32_t reserved = 0;
  static constexpr uint32_t kAllInterfaces = ~uint32_t{0};
};
static_assert(sizeof(SpoolLoss) == 32);

// Small chunks are joined up to this size: the reader's unit, and what bounds the index (32 bytes for each 128 KiB and more).
inline constexpr uint32_t kSpoolChunkBytes = 256 << 10;

struct SpoolFileIndex {
  std::vector<SpoolChunk> chunks;  // in the order of their offset
  uint64_t packets = 0;
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;

  SpoolLegIndex legs;             // of a file that is being written; finished it is on disk alone
  std::vector<SpoolLoss> losses;  // at most kLossesMax; beyond it the last one of all grows

  static constexpr size_t kLossesMax = 1024;
  static constexpr int64_t kLossMergeNs = 1'000'000'000;  // losses closer than this are one

  // `legs`: the keys of its packets.
  void add(const SpoolChunk& chunk, std::span<const uint64_t> legs);
  void add(const SpoolLoss& loss);
  // In the totals alone.
  void count(const SpoolChunk& chunk);
};

struct SpoolFileHeader {
  std::vector<PcapngInterface> interfaces;
  uint64_t bytes = 0;  // up to the first block that is neither a section header nor an interface
};
// An error where the file is not one that this machine's Parallax began.
Result<SpoolFileHeader> read_spool_header(int fd);

struct SpoolScan {
  SpoolFileIndex index;
  uint64_t valid_bytes = 0;  // up to the end of the last whole block
};
// Reads the whole file, legs included. REQUIRES: `header` is that of the file.
SpoolScan scan_spool_file(int fd, const SpoolFileHeader& header);

// What a finished file ends with, so that it is found again: its legs and its index.
void append_spool_index(PcapngBuffer& out, const SpoolFileIndex& index);
// nullopt: the file does not end with a valid index.
std::optional<SpoolFileIndex> read_spool_index(int fd, uint64_t file_bytes);

// Reads exactly `out`; false: the file ends before, or an error.
bool read_exactly(int fd, std::span<uint8_t> out, uint64_t offset);

}  // namespace parallax
