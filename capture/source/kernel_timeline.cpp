#include "capture/source/kernel_timeline.h"

#include <cstdlib>

namespace parallax {

bool KernelTimeline::read(const ClockPair& now, int64_t delivery_ns) {
  if (now.width_ns > kWidthMaxNs) return false;
  const int64_t offset_ns = now.system_ns - now.own_ns;
  const int64_t change_ns = offset_ns - offset_ns_;
  const int64_t plausible_ns =
      kStepLeastNs + static_cast<int64_t>(kSlewMax * static_cast<double>(now.own_ns - read_ns_)) + now.width_ns;
  const bool step = std::abs(change_ns) > plausible_ns;
  if (step) {
    step_ = {OutageCause::clock_step, read_ns_ - delivery_ns, now.own_ns};
    former_offset_ns_ = offset_ns_;
    stepped_ = true;
  }
  if (step || std::abs(change_ns) > kNoiseNs + now.width_ns) offset_ns_ = offset_ns;
  read_ns_ = now.own_ns;
  return step;
}

}  // namespace parallax
