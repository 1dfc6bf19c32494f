#include "daemon/run/pinned_file.h"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "capture/core/bytes.h"
#include "capture/spool/spool_file.h"

namespace parallax {
namespace {

constexpr uint64_t kPinnedMagic = 0x316E'6970'786C'7250;  // "Prlxpin1"
constexpr size_t kPieceBytesMin = 64 << 10;               // 12 bytes of checksum for each
constexpr size_t kReadBytes = 1 << 20;
constexpr uint64_t kLoadBytesMax = 2 * pcapng::kBlockBytesMax;  // no piece that was written here is longer
constexpr size_t kLengths = 2 * sizeof(uint32_t);               // before the message: its length, its CRC-32

uint32_t crc32_of(std::span<const uint8_t> bytes) {
  return static_cast<uint32_t>(crc32_z(crc32_z(0, nullptr, 0), bytes.data(), bytes.size()));
}

bool is_pinned_end(const PcapngBlock& block) {
  return block.type == pcapng::kOwn && block.bytes.size() >= pcapng::kOwnBytesMin &&
         load_native<uint64_t>(block.bytes.data() + 8) == kPinnedMagic;
}

std::optional<v1::PinnedSlice> parse_end(const PcapngBlock& block) {
  if (!is_pinned_end(block)) return std::nullopt;
  const std::span<const uint8_t> content =
      block.bytes.subspan(pcapng::kOwnHeaderBytes, block.bytes.size() - pcapng::kOwnBytesMin);
  if (content.size() < kLengths) return std::nullopt;
  const auto length = load_native<uint32_t>(content.data());
  if (length > content.size() - kLengths) return std::nullopt;
  const std::span<const uint8_t> message = content.subspan(kLengths, length);
  v1::PinnedSlice slice;
  if (crc32_of(message) != load_native<uint32_t>(content.data() + sizeof(uint32_t)) ||
      !slice.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return std::nullopt;
  }
  return slice;
}

// As much as there is of `size` bytes at `offset`, behind what `buffer` has.
void read_behind(int fd, size_t size, uint64_t offset, PcapngBuffer& buffer) {
  const size_t before = buffer.size();
  buffer.resize(before + size);
  size_t got = 0;
  while (got < size) {
    const ssize_t n = pread(fd, buffer.data() + before + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  buffer.resize(before + got);
}

}  // namespace

void PinnedPieces::add(std::span<const uint8_t> chunk) {
  open_.insert(open_.end(), chunk.begin(), chunk.end());
  while (const auto block = first_block(std::span<const uint8_t>(open_).subspan(whole_))) {
    if (!headed_ && block->type == pcapng::kEnhancedPacket) {
      end_piece(whole_);
      headed_ = true;
      continue;
    }
    whole_ += block->bytes.size();
    if (headed_ && whole_ >= kPieceBytesMin) end_piece(whole_);
  }
}

void PinnedPieces::end_piece(size_t bytes) {
  if (bytes == 0) return;
  v1::PinnedPiece& piece = pieces_.emplace_back();
  piece.set_bytes(static_cast<uint32_t>(bytes));
  piece.set_crc32(crc32_of(std::span<const uint8_t>(open_).first(bytes)));
  open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(bytes));
  whole_ = 0;
}

std::vector<v1::PinnedPiece> PinnedPieces::take() {
  end_piece(whole_);
  return std::move(pieces_);
}

void append_pinned_end(PcapngBuffer& out, const v1::PinnedSlice& slice) {
  const std::string message = slice.SerializeAsString();
  PcapngBuffer content(kLengths + message.size());
  std::memcpy(content.data() + kLengths, message.data(), message.size());
  const auto length = static_cast<uint32_t>(message.size());
  const uint32_t sum = crc32_of(std::span<const uint8_t>(content).subspan(kLengths));
  std::memcpy(content.data(), &length, sizeof(length));
  std::memcpy(content.data() + sizeof(length), &sum, sizeof(sum));
  append_own(out, kPinnedMagic, content);
}

std::optional<v1::PinnedSlice> read_pinned_end(int fd, uint64_t file_bytes) {
  uint8_t last[4];
  if (file_bytes >= pcapng::kOwnBytesMin && read_exactly(fd, last, file_bytes - 4)) {
    const auto size = load_native<uint32_t>(last);
    if (size >= pcapng::kOwnBytesMin && size <= pcapng::kBlockBytesMax && size <= file_bytes) {
      PcapngBuffer bytes;
      read_behind(fd, size, file_bytes - size, bytes);
      const auto block = first_block(bytes);
      if (block && block->bytes.size() == size) {
        if (auto slice = parse_end(*block)) return slice;
      }
    }
  }
  // Torn off, perhaps while another one was written behind it: the last whole one is found from the beginning.
  std::optional<v1::PinnedSlice> found;
  PcapngBuffer buffer;
  for (uint64_t at = 0; at < file_bytes;) {
    const size_t before = buffer.size();
    read_behind(fd, std::min<uint64_t>(kReadBytes, file_bytes - at), at, buffer);
    if (buffer.size() == before) break;
    at += buffer.size() - before;
    std::span<const uint8_t> rest = buffer;
    while (const auto block = first_block(rest)) {
      if (auto slice = parse_end(*block)) found = std::move(slice);
      rest = rest.subspan(block->bytes.size());
    }
    if (rest.size() > pcapng::kBlockBytesMax) break;  // no block
    buffer.erase(buffer.begin(), buffer.end() - static_cast<std::ptrdiff_t>(rest.size()));
  }
  return found;
}

PinnedReader::PinnedReader(int fd, uint64_t file_bytes, const std::optional<v1::PinnedSlice>& end)
    : fd_(fd), file_bytes_(file_bytes), is_checked_(end.has_value()) {
  if (end) pieces_.assign(end->pieces().begin(), end->pieces().end());
}

// The next piece whose checksum is right. False: there is none.
bool PinnedReader::load_piece() {
  while (next_piece_ < pieces_.size()) {
    const v1::PinnedPiece& piece = pieces_[next_piece_++];
    buffer_.clear();
    if (piece.bytes() <= std::min(kLoadBytesMax, file_bytes_ - std::min(at_, file_bytes_)))
      read_behind(fd_, piece.bytes(), at_, buffer_);
    at_ += piece.bytes();
    if (buffer_.size() == piece.bytes() && crc32_of(buffer_) == piece.crc32()) {
      rest_ = buffer_;
      return true;
    }
    ++damaged_;
    if (next_piece_ == 1) {  // without the interfaces no packet can be read
      begins_well_ = false;
      return false;
    }
  }
  return false;
}

bool PinnedReader::load_unchecked() {
  const PcapngBuffer rest(rest_.begin(), rest_.end());
  if (rest.size() > pcapng::kBlockBytesMax) return false;
  buffer_ = rest;
  read_behind(fd_, std::min<uint64_t>(kReadBytes, file_bytes_ - std::min(at_, file_bytes_)), at_, buffer_);
  const size_t got = buffer_.size() - rest.size();
  at_ += got;
  rest_ = buffer_;
  return got > 0;
}

std::optional<PcapngBlock> PinnedReader::next() {
  while (!ended_) {
    const std::optional<PcapngBlock> block = first_block(rest_);
    if (!block) {
      if (is_checked_ ? !load_piece() : !load_unchecked()) ended_ = true;
      continue;
    }
    if (!has_begun_ && block->type != pcapng::kSectionHeader) {
      begins_well_ = false;
      ended_ = true;
      break;
    }
    if (block->type == pcapng::kOwn) {
      rest_ = rest_.subspan(block->bytes.size());
      continue;
    }
    const bool is_known = block->type == pcapng::kSectionHeader || block->type == pcapng::kInterfaceDescription ||
                          block->type == pcapng::kInterfaceStatistics ||
                          (block->type == pcapng::kEnhancedPacket && enhanced_packet(*block));
    if (!is_known) {  // only where nothing is checked
      ended_ = true;
      break;
    }
    rest_ = rest_.subspan(block->bytes.size());
    has_begun_ = true;
    return block;
  }
  begins_well_ = begins_well_ && has_begun_;
  return std::nullopt;
}

std::string PinnedReader::damage() const {
  if (!begins_well_) return "the pinned file is damaged at its beginning, and nothing of it can be read";
  if (is_checked_) {
    if (damaged_ == 0) return {};
    return fmt::format("{} of the {} pieces of the pinned file are damaged; their packets are left out", damaged_,
                       pieces_.size());
  }
  const uint64_t unread = file_bytes_ - std::min(file_bytes_, at_ - rest_.size());
  return fmt::format("the end of the pinned file is damaged: what it holds cannot be checked{}",
                     unread == 0 ? "" : fmt::format(", and its last {} bytes could not be read", unread));
}

}  // namespace parallax
