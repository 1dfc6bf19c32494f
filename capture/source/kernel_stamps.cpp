#include "capture/source/kernel_stamps.h"

#include <time.h>

#include <algorithm>

namespace parallax {
namespace {

constexpr int kAttempts = 3;
constexpr int64_t kStepSettledNs = 1'000'000'000;  // packets stamped before a step have been handed out

int64_t system_now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

KernelStamps::KernelStamps(const Clock* clock, int64_t delivery_ns, uint32_t uncertainty_ns)
    : clock_(clock), delivery_ns_(delivery_ns), uncertainty_ns_(uncertainty_ns), timeline_(read_clocks()) {}

int64_t KernelStamps::now_ns() const { return clock_ == nullptr ? system_now_ns() : clock_->now_ns(); }

// The best of a few attempts: one that was not interrupted.
ClockPair KernelStamps::read_clocks() const {
  if (clock_ == nullptr) {
    const int64_t now_ns = system_now_ns();
    return {now_ns, now_ns, 0};
  }
  ClockPair best{0, 0, INT64_MAX};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int64_t before_ns = clock_->now_ns();
    const int64_t system_ns = system_now_ns();
    const int64_t width_ns = clock_->now_ns() - before_ns;
    if (width_ns < best.width_ns) best = {system_ns, before_ns + width_ns / 2, width_ns};
  }
  return best;
}

void KernelStamps::compare() {
  if (!timeline_.read(read_clocks(), delivery_ns_)) return;
  const PortOutage& now = timeline_.step();
  step_ = {OutageCause::clock_step, step_ ? std::min(step_->from_ns, now.from_ns) : now.from_ns, now.to_ns};
}

// The clock was set, or the packet was handed over later than was thought possible.
KernelStamp KernelStamps::place_implausible(int64_t kernel_ns) {
  compare();
  const int64_t now_ns = this->now_ns();
  latest_ns_ = std::max(latest_ns_, now_ns);
  if (const std::optional<int64_t> own_ns = timeline_.placed(kernel_ns, earliest_ns_, latest_ns_))
    return {*own_ns, uncertainty_ns_};
  const bool stepped_of_late = timeline_.step().to_ns + kStepSettledNs > now_ns;
  if (!stepped_of_late) return {timeline_.own(kernel_ns), uncertainty_ns_};
  const int64_t width_ns = std::clamp<int64_t>(now_ns - earliest_ns_, uncertainty_ns_, UINT32_MAX);
  return {now_ns, static_cast<uint32_t>(width_ns)};
}

}  // namespace parallax
