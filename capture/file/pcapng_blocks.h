// Walking over pcapng blocks in memory: only what Parallax itself writes (capture/file/pcapng_writer.h), in its own byte order.
// Files of others are read by capture/file/capture_file.h. Pure; nothing is read outside the given bytes, whatever stands in
// them.
#pragma once

#include <optional>
#include <span>

#include "capture/core/bytes.h"
#include "capture/file/pcapng_format.h"

namespace parallax {

struct PcapngBlock {
  uint32_t type;
  std::span<const uint8_t> bytes;  // the whole block, at least kBlockBytesMin
};

// The block that `bytes` begin with; nullopt: not a whole one, or none at all.
inline std::optional<PcapngBlock> first_block(std::span<const uint8_t> bytes) {
  if (bytes.size() < pcapng::kBlockBytesMin) return std::nullopt;
  const uint32_t size = load_native<uint32_t>(bytes.data() + 4);
  if (size < pcapng::kBlockBytesMin || size % 4 != 0 || size > pcapng::kBlockBytesMax || size > bytes.size()) return std::nullopt;
  if (load_native<uint32_t>(bytes.data() + size - 4) != size) return std::nullopt;
  return PcapngBlock{load_native<uint32_t>(bytes.data()), bytes.first(size)};
}

// Whether it is one of Parallax's own, of that kind.
inline bool is_own(const PcapngBlock& block, uint64_t magic) {
  return block.type == pcapng::kOwn && block.bytes.size() >= pcapng::kOwnBytesMin &&
         load_native<uint64_t>(block.bytes.data() + 8) == magic;
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
  const uint32_t captured = load_native<uint32_t>(at + 20);
  if (captured > block.bytes.size() - pcapng::kPacketOverheadBytes) return std::nullopt;
  const uint64_t time = uint64_t{load_native<uint32_t>(at + 12)} << 32 | load_native<uint32_t>(at + 16);
  return EnhancedPacketView{load_native<uint32_t>(at + 8), static_cast<int64_t>(time), load_native<uint32_t>(at + 24),
                            block.bytes.subspan(pcapng::kPacketHeaderBytes, captured)};
}

// How many packets of its interface were lost just before it, as its options say; 0: they say nothing of it.
// REQUIRES: `packet` is enhanced_packet(block).
inline uint64_t drop_count(const PcapngBlock& block, const EnhancedPacketView& packet) {
  const size_t begin = pcapng::kPacketHeaderBytes + pcapng::padded(static_cast<uint32_t>(packet.data.size()));
  const size_t end = block.bytes.size() - sizeof(uint32_t);
  for (size_t at = begin; at + 4 <= end;) {
    const auto code = load_native<uint16_t>(block.bytes.data() + at), length = load_native<uint16_t>(block.bytes.data() + at + 2);
    if (code == pcapng::kOptionEnd || at + 4 + pcapng::padded(length) > end) break;
    if (code == pcapng::kPacketDropCount && length == sizeof(uint64_t)) return load_native<uint64_t>(block.bytes.data() + at + 4);
    at += 4 + pcapng::padded(length);
  }
  return 0;
}

}  // namespace parallax
