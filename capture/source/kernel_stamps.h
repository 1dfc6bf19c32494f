// The stamps of one port whose packets the kernel stamps, as the sensor's own time.
//
// Owned by a source, one thread. compare() every few milliseconds; begin_poll() before the packets of a poll, which must have
// been stamped since the last poll that emptied the port: that is how a step of the system's clock is noticed with the first
// packet after.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "capture/source/clock.h"
#include "capture/source/kernel_timeline.h"

namespace parallax {

struct KernelStamp {
  int64_t time_ns;
  uint32_t uncertainty_ns;
};

class KernelStamps {
 public:
  // `clock` null: the system's clock is the sensor's (tests of one port). `delivery_ns`: a packet is handed over at most so late
  // after its stamp. `uncertainty_ns`: from the wire to the stamp.
  KernelStamps(const Clock* clock, int64_t delivery_ns, uint32_t uncertainty_ns);

  int64_t now_ns() const;
  void begin_poll(int64_t emptied_ns, int64_t begun_ns) {
    earliest_ns_ = emptied_ns - delivery_ns_;
    latest_ns_ = begun_ns + KernelTimeline::kAheadNs;
  }
  KernelStamp place(int64_t kernel_ns) {
    if (const std::optional<int64_t> own_ns = timeline_.placed(kernel_ns, earliest_ns_, latest_ns_)) [[likely]]
      return {*own_ns, uncertainty_ns_};
    return place_implausible(kernel_ns);
  }
  void compare();

  // A step of the system's clock since it was last asked: the time around it.
  std::optional<PortOutage> take_step() { return std::exchange(step_, std::nullopt); }

 private:
  ClockPair read_clocks() const;
  KernelStamp place_implausible(int64_t kernel_ns);

  const Clock* const clock_;
  const int64_t delivery_ns_;
  const uint32_t uncertainty_ns_;
  KernelTimeline timeline_;
  int64_t earliest_ns_ = 0, latest_ns_ = 0;
  std::optional<PortOutage> step_;
};

}  // namespace parallax
