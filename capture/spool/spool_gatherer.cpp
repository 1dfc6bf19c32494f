#include "capture/spool/spool_gatherer.h"

#include <utility>

namespace parallax {

namespace {
constexpr int kBlocksPerPoll = 16;  // of one lane before the next has its turn
}  // namespace

SpoolGatherer::SpoolGatherer(const SpoolOptions& options, const std::vector<std::unique_ptr<SpoolLane>>& lanes,
                             SpoolBatchQueue& empty, SpoolBatchQueue& full)
    : flush_interval_(options.flush_interval_ns),
      lanes_(lanes),
      empty_(empty),
      full_(full),
      snap_rules_(std::make_shared<const SpoolSnapRules>(options.snap_rules)) {}

SpoolGatherer::~SpoolGatherer() = default;

bool SpoolGatherer::poll() {
  const bool stopping = stopping_.load(std::memory_order_acquire);
  const Clock::time_point now = Clock::now();
  const bool due = stopping || now - last_flush_ >= flush_interval_;
  waits_ = false;
  bool worked = false;
  for (const auto& lane : lanes_) worked |= poll_lane(*lane, due);
  if (waits_ || (stopping && worked)) return worked;
  if (due) {
    hand_over();
    last_flush_ = now;
  }
  if (stopping) finished_.store(true, std::memory_order_release);
  return worked;
}

Rest SpoolGatherer::rest() {
  if (!waits_) return {kRestUs};
  return {kRestUs, empty_.descriptors()};
}

bool SpoolGatherer::poll_lane(SpoolLane& lane, bool unfinished_too) {
  const std::shared_ptr<const SpoolSnapRules> snap_rules = snap_rules_.load();
  bool worked = false;
  for (int i = 0; i < kBlocksPerPoll; ++i) {
    bool closed = false;
    const std::span<const uint8_t> bytes = lane.pending(closed);
    if (bytes.empty() && !closed) break;
    if (!closed && !unfinished_too) break;
    if (!bytes.empty()) {
      if (!has_room_for(bytes.size())) break;
      batch_->add(bytes, *snap_rules, leg_keys_);
    }
    lane.taken(bytes, closed);
    worked = true;
    if (!closed) break;
  }
  return worked;
}

bool SpoolGatherer::has_room_for(size_t bytes) {
  if (batch_ != nullptr && !batch_->has_room_for(bytes)) hand_over();
  if (batch_ == nullptr) batch_ = empty_.take();
  waits_ = batch_ == nullptr;
  return !waits_;
}

void SpoolGatherer::hand_over() {
  if (batch_ == nullptr || batch_->empty()) return;
  full_.push(*std::exchange(batch_, nullptr));
}

}  // namespace parallax
