// Walking over pcapng blocks in memory: only what Parallax itself writes (capture/pcapng_writer.h), in its own byte order.
// Files of others are read by capture/capture_file.h. Pure; nothing is read outside the given bytes, whatever stands in them.
#pragma once

#include <cstring>
#include <optional>
#include <span>

#include "capture/pcapng_format.h"

namespace parallax {

inline uint32_t load32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

struct PcapngBlock {
  uint32_t type;
  std::span<const uint8_t> bytes;  // the whole block, at least kBlockBytesMin
};

// The block that `bytes` begin with; nullopt: not a whole one, or none at all.
inline std::optional<PcapngBlock> first_block(std::span<const uint8_t> bytes) {
  if (bytes.size() < pcapng::kBlockBytesMin) return std::nullopt;
  const uint32_t size = load32(bytes.data() + 4);
  if (size < pcapng::kBlockBytesMin || size % 4 != 0 || size > pcapng::kBlockBytesMax || size > bytes.size()) return std::nullopt;
  if (load32(bytes.data() + size - 4) != size) return std::nullopt;
  return PcapngBlock{load32(bytes.data()), bytes.first(size)};
}

struct EnhancedPacketView {
  uint32_t interface;
  int64_t time_ns;
  uint32_t original_length;
  std::span<const uint8_t> data;
};

// REQUIRES: block.type == kEnhancedPacket. nullopt: its lengths contradict each other.
inline std::optional<EnhancedPacketView> enhanced_packet(const PcapngBlock& block) {
  if (block.bytes.size() < pcapng::kPacketOverheadBytes) return std::nullopt;
  const uint8_t* at = block.bytes.data();
  const uint32_t captured = load32(at + 20);
  if (captured > block.bytes.size() - pcapng::kPacketOverheadBytes) return std::nullopt;
  const uint64_t time = uint64_t{load32(at + 12)} << 32 | load32(at + 16);
  return EnhancedPacketView{load32(at + 8), static_cast<int64_t>(time), load32(at + 24),
                            block.bytes.subspan(pcapng::kPacketHeaderBytes, captured)};
}

}  // namespace parallax
