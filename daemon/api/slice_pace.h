// Sends a slice no faster than a rate: waits after each chunk until so many bytes may have been sent. Belongs to one call.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

namespace parallax {

class SlicePace {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: any rate. `go_on`: asked now and then while it waits; false ends the waiting.
  SlicePace(uint64_t bytes_per_second, std::function<bool()> go_on) : rate_(bytes_per_second), go_on_(std::move(go_on)) {}

  // After `bytes` were sent. What was not used before, since the slice was slow to be made, is not made up for.
  void sent(uint64_t bytes) {
    if (rate_ == 0) return;
    const auto takes = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(rate_)));
    free_at_ = std::max(free_at_, Clock::now()) + takes;
    while (go_on_()) {
      const Clock::duration left = free_at_ - Clock::now();
      if (left <= Clock::duration::zero()) return;
      has_waited_ = true;
      std::this_thread::sleep_for(std::min<Clock::duration>(left, std::chrono::milliseconds(100)));
    }
  }
  bool has_waited() const { return has_waited_; }

 private:
  const uint64_t rate_;
  const std::function<bool()> go_on_;
  Clock::time_point free_at_{};
  bool has_waited_ = false;
};

}  // namespace parallax
