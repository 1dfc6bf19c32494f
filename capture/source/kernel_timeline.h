// Stamps of the kernel, which are of the system's clock, on the sensor's own timeline.
//
// The system's clock may be set, forwards and backwards; the sensor's never jumps. The difference between the two is read every
// few milliseconds. It changes slowly (the one is slewed after the other), so that a larger change is a step, and the packets
// stamped around it are placed by the times between which they must have been stamped. Pure; one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "capture/core/port_outage.h"

namespace parallax {

// Both clocks read together. `width_ns`: how long that took, the error of the comparison.
struct ClockPair {
  int64_t system_ns;
  int64_t own_ns;
  int64_t width_ns;
};

class KernelTimeline {
 public:
  static constexpr int64_t kStepLeastNs = 1'000'000;  // less than that is taken for slewing
  static constexpr double kSlewMax = 0.006;           // the sensor's clock slews by 0.5 %, the system's by 0.05 %
  static constexpr int64_t kNoiseNs = 200;            // of the comparison: not followed, so that stamps keep their order
  static constexpr int64_t kWidthMaxNs = 50'000;      // a worse comparison (the thread was interrupted) is not used
  static constexpr int64_t kAheadNs = 1'000'000;      // a stamp so much later than the poll's beginning is still plausible

  explicit KernelTimeline(const ClockPair& first) : read_ns_(first.own_ns), offset_ns_(first.system_ns - first.own_ns) {}

  // `delivery_ns`: a packet is handed over at most so late after its stamp. True: the system's clock was stepped since the last
  // call, and step() says when.
  bool read(const ClockPair& now, int64_t delivery_ns);
  const PortOutage& step() const { return step_; }

  int64_t own(int64_t kernel_ns) const { return kernel_ns - offset_ns_; }

  // `kernel_ns` as own time, if it can be that of a packet stamped between the two times; nullopt: read(), and ask again.
  std::optional<int64_t> placed(int64_t kernel_ns, int64_t earliest_ns, int64_t latest_ns) const {
    const int64_t own_ns = own(kernel_ns);
    if (own_ns >= earliest_ns && own_ns <= latest_ns) [[likely]]
      return own_ns;
    if (!stepped_) return std::nullopt;
    const int64_t before_ns = kernel_ns - former_offset_ns_;
    if (before_ns >= earliest_ns && before_ns <= latest_ns) return before_ns;
    return std::nullopt;
  }

 private:
  static constexpr int64_t kNeverNs = -(int64_t{1} << 62);

  int64_t read_ns_;
  int64_t offset_ns_, former_offset_ns_ = 0;  // system less own
  bool stepped_ = false;
  PortOutage step_{OutageCause::clock_step, kNeverNs, kNeverNs};
};

}  // namespace parallax
