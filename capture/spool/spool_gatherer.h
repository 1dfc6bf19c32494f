// The spool's gatherer: empties the lanes into batches, each of which the writer puts on the disk with one write.
//
// A stage for a thread of its own, which never waits for the disk: while one batch is being written, the next is gathered. A
// block of a lane is free again once its packets are in a batch. Where every batch is on its way the lanes fill up, and drop.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "capture/core/pollable.h"
#include "capture/spool/spool.h"
#include "capture/spool/spool_batch.h"
#include "capture/spool/spool_batch_queue.h"
#include "capture/spool/spool_lane.h"
#include "capture/spool/spool_legs.h"

namespace parallax {

class SpoolGatherer final : public Pollable {
 public:
  static constexpr uint32_t kRestUs = 2000;  // the longest that a full block waits where nothing else does

  // `lanes` and queues outlive it.
  SpoolGatherer(const SpoolOptions& options, const std::vector<std::unique_ptr<SpoolLane>>& lanes, SpoolBatchQueue& empty,
                SpoolBatchQueue& full);
  ~SpoolGatherer() override;

  // Takes the blocks that are full, and the others where flush_interval_ns has gone by. Returns whether there were any.
  bool poll() override;
  Rest rest() override;
  bool finished() const override { return finished_.load(std::memory_order_acquire); }

  // Any thread: what the lanes hold is handed over, and that is all. REQUIRES: nobody appends to the lanes any more.
  void stop() { stopping_.store(true, std::memory_order_release); }
  // Any thread; of packets that are gathered from now on.
  void set_snap_rules(SpoolSnapRules rules) { snap_rules_.store(std::make_shared<const SpoolSnapRules>(std::move(rules))); }

 private:
  using Clock = std::chrono::steady_clock;

  bool poll_lane(SpoolLane& lane, bool unfinished_too);
  bool has_room_for(size_t bytes);
  void hand_over();

  const std::chrono::nanoseconds flush_interval_;
  const std::vector<std::unique_ptr<SpoolLane>>& lanes_;
  SpoolBatchQueue &empty_, &full_;
  std::atomic<std::shared_ptr<const SpoolSnapRules>> snap_rules_;  // never null
  SpoolLegKeys leg_keys_;
  SpoolBatch* batch_ = nullptr;  // null: all are on their way
  bool waits_ = false;           // for one of these
  Clock::time_point last_flush_{};
  std::atomic<bool> stopping_{false}, finished_{false};
};

}  // namespace parallax
