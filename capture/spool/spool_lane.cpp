#include "capture/spool/spool_lane.h"

#include <algorithm>
#include <utility>

#include "capture/file/pcapng_writer.h"

namespace parallax {

namespace {
constexpr size_t kLossSlots = 1024;
}  // namespace

SpoolLane::SpoolLane(std::vector<SpoolLanePort> ports, uint32_t snaplen, size_t block_bytes, size_t blocks)
    : ports_(std::move(ports)),
      snaplen_(snaplen),
      block_bytes_(static_cast<uint32_t>(block_bytes)),
      memory_(block_bytes * blocks),
      blocks_(blocks),
      free_(blocks),
      used_(blocks),
      loss_ring_(kLossSlots),
      dropped_by_port_(ports_.size()),
      unmarked_(ports_.size()),
      losses_(ports_.size()),
      gaps_(ports_.size(), {kTimeMax, kTimeMin}) {
  for (uint32_t i = 0; i < blocks; ++i) {
    blocks_[i].data = memory_.data() + size_t{i} * block_bytes;
    free_.push(i);
  }
}

SpoolLane::~SpoolLane() = default;

void SpoolLane::drop(PortIndex port, int64_t time_ns) {
  dropped_.add();
  dropped_by_port_[port].add();
  SpoolLoss& loss = losses_[port];
  if (loss.count == 0) loss = {time_ns, time_ns, 0, port, 0};
  loss.from_ns = std::min(loss.from_ns, time_ns);
  loss.to_ns = std::max(loss.to_ns, time_ns);
  ++loss.count;
  losing_ = true;
  ++unmarked_[port];
  has_unmarked_ = true;
}

// How many packets of the port are missing before the one of that block.
void SpoolLane::mark(PortIndex port, uint8_t* block, uint32_t& size) {
  size = add_drop_count(block, size, ports_[port].flags, std::exchange(unmarked_[port], 0));
  has_unmarked_ = std::any_of(unmarked_.begin(), unmarked_.end(), [](uint64_t dropped) { return dropped > 0; });
}

// Before the packet after a loss: the writer then knows of the loss when it sees the packet.
void SpoolLane::report_losses() {
  losing_ = false;
  for (SpoolLoss& loss : losses_) {
    if (loss.count == 0) continue;
    if (loss_ring_.push(loss)) {
      loss.count = 0;
    } else {
      losing_ = true;  // it grows until there is room
    }
  }
  for (size_t port = 0; port < gaps_.size(); ++port) {
    SpoolLoss& gap = gaps_[port];
    if (gap.to_ns == kTimeMin) continue;
    if (loss_ring_.push({gap.from_ns, gap.to_ns, 0, static_cast<uint32_t>(port), 0})) {
      gap = {kTimeMax, kTimeMin};
    } else {
      losing_ = true;
    }
  }
}

// Told at once: packets of other lanes are written while this one has none.
void SpoolLane::append_gap(PortIndex port, int64_t from_ns, int64_t to_ns) {
  SpoolLoss& gap = gaps_[port];
  gap.from_ns = std::min(gap.from_ns, from_ns);
  gap.to_ns = std::max(gap.to_ns, to_ns);
  report_losses();
}

bool SpoolLane::take_loss(SpoolLoss& loss) {
  const std::span<const SpoolLoss> losses = loss_ring_.peek();
  if (losses.empty()) return false;
  loss = losses[0];
  loss_ring_.pop(1);
  return true;
}

bool SpoolLane::next_block() {
  if (current_ != nullptr) current_->fill.store(fill_ | kClosed, std::memory_order_release);
  current_ = nullptr;
  const std::span<const uint32_t> free = free_.peek();
  if (free.empty()) return false;
  const uint32_t number = free[0];
  free_.pop(1);
  current_ = &blocks_[number];
  fill_ = 0;
  used_.push(number);  // never full: it has a slot for each block
  return true;
}

void SpoolLane::append(PortIndex port, const RawPacket& packet) {
  const SpoolLanePort& info = ports_[port];
  const uint32_t captured = std::min(packet.captured_length, snaplen_);
  uint32_t size = enhanced_packet_size(captured, info.flags);
  // One interface block has one link type: a packet of another would be misread.
  if (packet.link_type != info.link_type) return drop(port, packet.time_ns);
  const bool is_marked = has_unmarked_ && unmarked_[port] > 0;
  if (is_marked) [[unlikely]]
    size = with_drop_count(size, info.flags);
  if ((current_ == nullptr || size > block_bytes_ - fill_) && !next_block()) return drop(port, packet.time_ns);
  if (losing_) [[unlikely]]
    report_losses();
  const uint64_t time = packet.time_ns < 0 ? 0 : static_cast<uint64_t>(packet.time_ns);
  uint8_t* const block = current_->data + fill_;
  size = write_enhanced_packet(block, port, time, packet.data, captured, std::max(packet.wire_length, packet.captured_length),
                               info.flags);
  if (is_marked) [[unlikely]]
    mark(port, block, size);
  fill_ += size;
  current_->fill.store(fill_, std::memory_order_release);
}

std::span<const uint8_t> SpoolLane::pending(bool& closed) {
  closed = false;
  const std::span<const uint32_t> used = used_.peek();
  if (used.empty()) return {};
  const Block& block = blocks_[used[0]];
  const uint32_t fill = block.fill.load(std::memory_order_acquire);
  closed = (fill & kClosed) != 0;
  return {block.data + taken_, (fill & ~kClosed) - taken_};
}

void SpoolLane::taken(std::span<const uint8_t> bytes, bool closed) {
  taken_ += static_cast<uint32_t>(bytes.size());
  if (!closed) return;
  const uint32_t number = used_.peek()[0];
  blocks_[number].fill.store(0, std::memory_order_relaxed);  // the free ring publishes it
  taken_ = 0;
  used_.pop(1);
  free_.push(number);
}

}  // namespace parallax
