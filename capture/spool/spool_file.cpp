#include "capture/spool/spool_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "capture/core/bytes.h"
#include "capture/file/pcapng_blocks.h"

namespace parallax {

namespace {

constexpr size_t kHeaderBytesMax = 16 << 20;
constexpr size_t kScanBytes = 1 << 20;

// As much as there is of `size` bytes at `offset`.
std::vector<uint8_t> read_some(int fd, size_t size, uint64_t offset) {
  std::vector<uint8_t> bytes(size);
  size_t got = 0;
  while (got < size) {
    const ssize_t n = pread(fd, bytes.data() + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

// REQUIRES: a whole IDB.
PcapngInterface parse_interface(std::span<const uint8_t> block) {
  PcapngInterface interface;
  if (block.size() < 20) return interface;
  interface.link_type = static_cast<LinkType>(load_native<uint32_t>(block.data() + 8) & 0xFFFF);
  interface.snaplen = load_native<uint32_t>(block.data() + 12);
  std::span<const uint8_t> options = block.subspan(16, block.size() - 20);
  while (options.size() >= 4) {
    const uint32_t head = load_native<uint32_t>(options.data());
    const auto code = static_cast<uint16_t>(head);
    const uint32_t length = head >> 16;
    if (code == pcapng::kOptionEnd || pcapng::padded(length) > options.size() - 4) break;
    const std::string text(reinterpret_cast<const char*>(options.data()) + 4, length);
    if (code == pcapng::kInterfaceName) interface.name = text;
    if (code == pcapng::kInterfaceText) interface.description = text;
    options = options.subspan(4 + pcapng::padded(length));
  }
  return interface;
}

}  // namespace

bool read_exactly(int fd, std::span<uint8_t> out, uint64_t offset) {
  while (!out.empty()) {
    const ssize_t n = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    out = out.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

void SpoolFileIndex::count(const SpoolChunk& chunk) {
  packets += chunk.packets;
  first_ns = std::min(first_ns, chunk.first_ns);
  last_ns = std::max(last_ns, chunk.last_ns);
}

void SpoolFileIndex::add(const SpoolChunk& chunk, std::span<const uint64_t> of_legs) {
  count(chunk);
  if (!chunks.empty()) {
    SpoolChunk& last = chunks.back();
    if (last.offset + last.bytes == chunk.offset && last.bytes + uint64_t{chunk.bytes} <= kSpoolChunkBytes) {
      last.bytes += chunk.bytes;
      last.packets += chunk.packets;
      last.first_ns = std::min(last.first_ns, chunk.first_ns);
      last.last_ns = std::max(last.last_ns, chunk.last_ns);
      legs.add(of_legs, false);
      return;
    }
  }
  chunks.push_back(chunk);
  legs.add(of_legs, true);
}

void SpoolFileIndex::add(const SpoolLoss& loss) {
  for (size_t back = 0; back < losses.size() && back < 8; ++back) {  // the ports' losses interleave
    SpoolLoss& known = losses[losses.size() - 1 - back];
    const bool near = loss.from_ns <= known.to_ns + kLossMergeNs && known.from_ns <= loss.to_ns + kLossMergeNs;
    const bool known_count = (loss.count > 0) == (known.count > 0);
    if (known.interface != loss.interface || !near || !known_count) continue;
    known.from_ns = std::min(known.from_ns, loss.from_ns);
    known.to_ns = std::max(known.to_ns, loss.to_ns);
    known.count += loss.count;
    return;
  }
  if (losses.size() < kLossesMax) {
    losses.push_back(loss);
    return;
  }
  SpoolLoss& last = losses.back();
  last.from_ns = std::min(last.from_ns, loss.from_ns);
  last.to_ns = std::max(last.to_ns, loss.to_ns);
  last.count += loss.count;
  if (last.interface != loss.interface) last.interface = SpoolLoss::kAllInterfaces;
}

Result<SpoolFileHeader> read_spool_header(int fd) {
  for (size_t size = 64 << 10;; size *= 4) {  // nearly always enough at once
    const std::vector<uint8_t> bytes = read_some(fd, size, 0);
    SpoolFileHeader header;
    std::span<const uint8_t> rest = bytes;
    std::optional<PcapngBlock> block = first_block(rest);
    if (!block || block->type != pcapng::kSectionHeader || block->bytes.size() < 28 ||
        load_native<uint32_t>(block->bytes.data() + 8) != pcapng::kByteOrderMagic) {
      return Error{"does not begin with a pcapng section header of this machine's byte order"};
    }
    do {
      if (block->type == pcapng::kInterfaceDescription) header.interfaces.push_back(parse_interface(block->bytes));
      header.bytes += block->bytes.size();
      rest = rest.subspan(block->bytes.size());
      block = first_block(rest);
    } while (block && block->type == pcapng::kInterfaceDescription);
    if (block || bytes.size() < size || size >= kHeaderBytesMax) return header;
  }
}

SpoolScan scan_spool_file(int fd, const SpoolFileHeader& header) {
  SpoolScan scan;
  uint64_t at = scan.valid_bytes = header.bytes;
  SpoolLegKeys keys;
  std::vector<uint64_t> legs;  // of the chunk
  size_t window = kScanBytes;
  while (true) {
    const std::vector<uint8_t> bytes = read_some(fd, window, at);
    std::span<const uint8_t> rest = bytes;
    SpoolChunk chunk;
    const auto end_chunk = [&] {
      if (chunk.bytes > 0) scan.index.add(chunk, legs);
      chunk = {};
      legs.clear();
    };
    bool sound = true;
    while (const std::optional<PcapngBlock> block = first_block(rest)) {
      if (block->type == pcapng::kEnhancedPacket) {
        const std::optional<EnhancedPacketView> packet = enhanced_packet(*block);
        if (!packet || packet->interface >= header.interfaces.size()) {
          sound = false;
          break;
        }
        if (chunk.bytes + block->bytes.size() > kSpoolChunkBytes) end_chunk();
        if (chunk.bytes == 0) chunk.offset = at;
        chunk.bytes += static_cast<uint32_t>(block->bytes.size());
        chunk.add(packet->time_ns);
        legs.push_back(keys.of(frame_of(*packet, header.interfaces[packet->interface].link_type), packet->time_ns));
      } else {
        end_chunk();
      }
      at += block->bytes.size();
      if (!is_own(*block, pcapng::kSpoolLegsMagic)) scan.valid_bytes = at;  // they are made anew
      rest = rest.subspan(block->bytes.size());
    }
    end_chunk();
    const bool whole_file = bytes.size() < window;
    if (!sound || whole_file) return scan;
    // A block longer than the window: only then is nothing of it used.
    if (rest.size() == bytes.size()) {
      if (window > pcapng::kBlockBytesMax) return scan;
      window *= 4;
    }
  }
}

// The content of an index block: the number of losses (64 bits), the losses, and chunks to its end.
void append_spool_index(PcapngBuffer& out, const SpoolFileIndex& index) {
  std::vector<uint64_t> offsets;
  for (const SpoolChunk& chunk : index.chunks) offsets.push_back(chunk.offset);
  append_spool_legs(out, offsets, index.legs);
  PcapngBuffer content(sizeof(uint64_t) + index.losses.size() * sizeof(SpoolLoss) + index.chunks.size() * sizeof(SpoolChunk));
  const uint64_t losses = index.losses.size();
  std::memcpy(content.data(), &losses, sizeof(losses));
  const auto copy = [&](size_t at, const void* from, size_t size) {
    if (size > 0) std::memcpy(content.data() + at, from, size);
  };
  copy(sizeof(losses), index.losses.data(), losses * sizeof(SpoolLoss));
  copy(sizeof(losses) + losses * sizeof(SpoolLoss), index.chunks.data(), index.chunks.size() * sizeof(SpoolChunk));
  append_own(out, pcapng::kSpoolIndexMagic, content);
}

namespace {

template <typename T>
T take(std::span<const uint8_t>& from) {
  T value;
  std::memcpy(static_cast<void*>(&value), from.data(), sizeof(T));
  from = from.subspan(sizeof(T));
  return value;
}

// nullopt: the content contradicts itself, or the file's first `data_bytes` bytes.
std::optional<SpoolFileIndex> parse_index(std::span<const uint8_t> content, uint64_t data_bytes) {
  if (content.size() < sizeof(uint64_t)) return std::nullopt;
  const auto losses = take<uint64_t>(content);
  if (losses > SpoolFileIndex::kLossesMax || losses * sizeof(SpoolLoss) > content.size()) return std::nullopt;
  SpoolFileIndex index;
  for (uint64_t i = 0; i < losses; ++i) index.losses.push_back(take<SpoolLoss>(content));
  if (content.size() % sizeof(SpoolChunk) != 0) return std::nullopt;
  uint64_t end = 0;
  while (!content.empty()) {
    const auto chunk = take<SpoolChunk>(content);
    if (chunk.offset < end || chunk.offset > data_bytes || chunk.bytes > data_bytes - chunk.offset ||
        chunk.bytes > pcapng::kBlockBytesMax) {
      return std::nullopt;
    }
    end = chunk.offset + chunk.bytes;
    index.count(chunk);
    index.chunks.push_back(chunk);  // as they were written: each has a filter of its own
  }
  return index;
}

}  // namespace

std::optional<SpoolFileIndex> read_spool_index(int fd, uint64_t file_bytes) {
  uint8_t last[4];
  if (file_bytes < pcapng::kOwnBytesMin || !read_exactly(fd, last, file_bytes - 4)) return std::nullopt;
  const auto size = load_native<uint32_t>(last);
  if (size < pcapng::kOwnBytesMin || size > pcapng::kBlockBytesMax || size > file_bytes) return std::nullopt;
  std::vector<uint8_t> bytes(size);
  if (!read_exactly(fd, bytes, file_bytes - size)) return std::nullopt;
  const std::optional<PcapngBlock> block = first_block(bytes);
  if (!block || block->bytes.size() != size || !is_own(*block, pcapng::kSpoolIndexMagic)) {
    return std::nullopt;
  }
  return parse_index(std::span<const uint8_t>(bytes).subspan(pcapng::kOwnHeaderBytes, size - pcapng::kOwnBytesMin),
                     file_bytes - size);
}

}  // namespace parallax
