// Stamps of two points that contradict each other: what crosses the device between them one way leaves before it enters.
//
// All ports of a sensor are stamped by one clock, but what comes to a port may have waited in a mirror, a tunnel or a queue, or
// bear the stamp of another clock. Then one direction leaves before it enters, and the other seems to take longer. A packet here
// and there proves nothing (a retransmission may have been taken for its original), and where both directions go backwards the
// sides are mistaken for each other.
//
// The correlator's, one thread. One stretch of time for each device.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/model/device_index.h"
#include "capture/core/port.h"

namespace parallax {

class StampOrder {
 public:
  static constexpr int64_t kStretchNs = 1'000'000'000;
  static constexpr int64_t kToldEveryNs = 60'000'000'000;  // of a device, while it lasts
  static constexpr uint64_t kPacketsLeast = 20;            // each way, in a stretch

  struct Contradiction {
    DeviceIndex device;
    Direction direction;  // of the packets that left before they entered
    int64_t from_ns, to_ns;
    uint64_t crossed, backwards;
    int64_t by_ns;  // at most, beyond what the stamps may be wrong by
  };

  void add(const PassageCount& count);
  // Since it was last asked.
  std::vector<Contradiction> take() { return std::exchange(found_, {}); }

 private:
  struct Way {
    uint64_t crossed = 0, backwards = 0;
    int64_t by_ns = 0;
    bool is_counted() const { return crossed >= kPacketsLeast; }
    bool is_backwards() const { return is_counted() && 2 * backwards >= crossed; }
    bool is_forwards() const { return is_counted() && 10 * backwards <= crossed; }
  };
  struct Stretch {
    int64_t from_ns = kTimeMin;
    PerDirection<Way> ways{};
    int64_t told_ns = kTimeMin;
  };
  void end(DeviceIndex device, Stretch& stretch);

  std::array<Stretch, kDevicesMax> stretches_{};
  std::vector<Contradiction> found_;
};

}  // namespace parallax
