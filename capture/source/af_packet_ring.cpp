#include "capture/source/af_packet_ring.h"

#include <linux/if_packet.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

namespace parallax {

std::optional<AfPacketRing> AfPacketRing::find(int socket, const AfPacketRingShape& shape, size_t taken) {
  const bool plain = shape.frame_bytes > 0 && shape.frames > 0 && shape.block_bytes % shape.frame_bytes == 0;
  struct stat status {};
  if (!plain || fstat(socket, &status) != 0) return std::nullopt;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    // "7f0000000000-7f0000100000 rw-s 00000000 00:08 12345    socket:[12345]"
    unsigned long begin = 0, end = 0, offset = 0, inode = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*4s %lx %*x:%*x %lu", &begin, &end, &offset, &inode) != 4) continue;
    const bool ours = inode == status.st_ino && line.find("socket:[") != std::string::npos && offset == 0;
    if (!ours || end - begin < shape.frames * shape.frame_bytes) continue;
    return AfPacketRing(reinterpret_cast<const uint8_t*>(begin), shape, taken);
  }
  return std::nullopt;
}

size_t AfPacketRing::look(size_t wanted) {
  constexpr uint32_t kTag = 4;
  const size_t most = std::min({wanted, kReadyMax, shape_.frames});
  for (size_t i = 0; i < most; ++i) {
    const auto* header = reinterpret_cast<const tpacket2_hdr*>(ring_ + (next_ + i) % shape_.frames * shape_.frame_bytes);
    // The kernel writes the status last.
    const uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0) return i;
    waiting_[i].stamp_ns = int64_t{header->tp_sec} * 1'000'000'000 + header->tp_nsec;
    waiting_[i].length = header->tp_snaplen + ((status & TP_STATUS_VLAN_VALID) != 0 ? kTag : 0);
  }
  return most;
}

}  // namespace parallax
