#include "capture/spool/spool_batch.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "capture/file/pcapng_blocks.h"
#include "capture/file/pcapng_writer.h"
#include "capture/spool/spool_output.h"

namespace parallax {

namespace {

constexpr size_t kHugePage = SpoolBatch::kHugePageBytes + SpoolBatch::kPaddingBytes;
constexpr size_t aligned(size_t size) { return (size + SpoolOutput::kAlignment - 1) & ~(SpoolOutput::kAlignment - 1); }

}  // namespace

SpoolBatch::SpoolBatch(std::vector<SpoolLanePort> interfaces, size_t capacity)
    : interfaces_(std::move(interfaces)), capacity_(aligned(capacity)), by_interface_(interfaces_.size()) {
  const size_t bytes = capacity_ + kPaddingBytes;
  const bool is_huge = bytes % kHugePage == 0;
  memory_.reset(static_cast<uint8_t*>(std::aligned_alloc(is_huge ? kHugePage : SpoolOutput::kAlignment, bytes)));
  if (memory_ == nullptr) throw std::bad_alloc();
  if (is_huge) ::madvise(memory_.get(), bytes, MADV_HUGEPAGE);  // a wish: refused, nothing changes
  std::memset(memory_.get(), 0, bytes);
  clear();
}

void SpoolBatch::clear() {
  size_ = 0;
  packets_ = 0;
  chunks_.clear();
  legs_.clear();
  for (size_t i = 0; i < by_interface_.size(); ++i) by_interface_[i] = {kTimeMax, kTimeMin, 0, static_cast<uint32_t>(i), 0};
}

void SpoolBatch::add(std::span<const uint8_t> packets, const SpoolSnapRules& rules, SpoolLegKeys& leg_keys) {
  SpoolChunk chunk;
  chunk.offset = size_;
  const bool as_they_are = rules.empty();
  if (as_they_are) {
    std::memcpy(memory_.get() + size_, packets.data(), packets.size());
    size_ += packets.size();
  }
  SpooledHeaders headers;
  while (const auto block = first_block(packets)) {
    const auto packet = enhanced_packet(*block);
    chunk.add(packet->time_ns);
    SpoolLoss& interface = by_interface_[packet->interface];
    interface.from_ns = std::min(interface.from_ns, packet->time_ns);
    interface.to_ns = std::max(interface.to_ns, packet->time_ns);
    ++interface.count;
    const FrameView frame = frame_of(*packet, interfaces_[packet->interface].link_type);
    legs_.push_back(leg_keys.of(frame, packet->time_ns, headers));
    if (!as_they_are) add_cut(*block, *packet, rules.kept(frame, headers));
    packets = packets.subspan(block->bytes.size());
  }
  chunk.bytes = static_cast<uint32_t>(size_ - chunk.offset);
  packets_ += chunk.packets;
  chunks_.push_back(chunk);
}

void SpoolBatch::add_cut(const PcapngBlock& block, const EnhancedPacketView& packet, uint32_t kept) {
  uint8_t* const to = memory_.get() + size_;
  const uint32_t flags = interfaces_[packet.interface].flags;
  uint32_t size = write_enhanced_packet(to, packet.interface, static_cast<uint64_t>(packet.time_ns), packet.data.data(), kept,
                                        packet.original_length, flags);
  if (const uint64_t dropped = drop_count(block, packet); dropped > 0) size = add_drop_count(to, size, flags, dropped);
  size_ += size;
}

std::span<const uint8_t> SpoolBatch::padded_bytes() {
  PcapngBuffer padding;
  append_padding(padding, SpoolOutput::kAlignment, size_);
  if (!padding.empty()) std::memcpy(memory_.get() + size_, padding.data(), padding.size());
  return {memory_.get(), size_ + padding.size()};
}

}  // namespace parallax
