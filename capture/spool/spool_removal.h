// What left the spool: counted by why, with the time that it held. Plain values.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "capture/spool/spool_file.h"

namespace parallax {

enum class SpoolRemovalReason : uint8_t { size, age, min_free, disk_full, others };
inline constexpr size_t kSpoolRemovalReasonCount = 5;

// As in metrics and messages. `size`, `age` and `min_free` are the limits that the configuration sets; `others`: not the
// spool's writer, but somebody with access to the directory.
constexpr std::string_view name_of(SpoolRemovalReason reason) {
  constexpr std::array<std::string_view, kSpoolRemovalReasonCount> kNames{"size", "age", "min_free", "disk_full", "others"};
  return kNames[static_cast<size_t>(reason)];
}

struct SpoolRemoval {
  uint64_t files = 0, bytes = 0, packets = 0;
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;  // of the packets

  void add(uint64_t file_bytes, const SpoolFileIndex& index) {
    ++files;
    bytes += file_bytes;
    packets += index.packets;
    first_ns = std::min(first_ns, index.first_ns);
    last_ns = std::max(last_ns, index.last_ns);
  }
  void add(const SpoolRemoval& other) {
    files += other.files;
    bytes += other.bytes;
    packets += other.packets;
    first_ns = std::min(first_ns, other.first_ns);
    last_ns = std::max(last_ns, other.last_ns);
  }
};

using SpoolRemovals = std::array<SpoolRemoval, kSpoolRemovalReasonCount>;  // by reason

}  // namespace parallax
