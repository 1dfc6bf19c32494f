// What the sensor itself can vouch for: which time each point covers, and where packets may have been lost inside the sensor.
//
// Read by all stages; written by the owners of the loss logs. An absence may be held against the device only where
// covers() says yes for the whole interval in which the packet should have been seen.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "capture/core/loss_log.h"
#include "capture/core/port.h"

namespace parallax {

class SensorView {
 public:
  SensorView(std::vector<PortChannel*> channels, size_t workers) : channels_(std::move(channels)), worker_loss_(workers) {}

  const std::vector<PortChannel*>& channels() const { return channels_; }

  // A worker's own losses at a point (ring to the correlator or to another worker full). Written by that worker alone.
  LossLog& worker_loss(size_t worker, PointIndex point) { return worker_loss_[worker][point]; }

  // Whether everything that passed `point` in `direction` between the two times was seen and analysed.
  // REQUIRES: everything before `to_ns` has been released, or the input has ended.
  bool covers(PointIndex point, PortDirection direction, int64_t from_ns, int64_t to_ns) const {
    bool begun = false, going_on = false;
    for (const PortChannel* channel : channels_) {
      if (channel->info.point != point) continue;
      if (direction != PortDirection::both && channel->info.direction != PortDirection::both &&
          channel->info.direction != direction)
        continue;
      if (channel->may_lack(from_ns, to_ns)) return false;
      const int64_t watermark = channel->watermark_ns.load(std::memory_order_acquire);
      const int64_t until = watermark == kAfterAllNs ? channel->covered_to_ns.load(std::memory_order_acquire) : watermark;
      begun |= channel->covered_from_ns.load(std::memory_order_acquire) <= from_ns;
      going_on |= until >= to_ns;
    }
    if (!begun || !going_on) return false;
    return std::none_of(worker_loss_.begin(), worker_loss_.end(),
                        [&](const auto& points) { return points[point].losing(from_ns, to_ns); });
  }

  // Whether nothing of either direction was missed at the point meanwhile. No claim of an absence: those are AbsenceProof's.
  bool saw_everything(PointIndex point, int64_t from_ns, int64_t to_ns) const {
    return covers(point, PortDirection::both, from_ns, to_ns);
  }

  uint64_t lost() const {
    uint64_t sum = 0;
    for (const PortChannel* channel : channels_) sum += channel->loss.lost();
    for (const auto& points : worker_loss_)
      for (const LossLog& log : points) sum += log.lost();
    return sum;
  }

 private:
  std::vector<PortChannel*> channels_;
  std::vector<std::array<LossLog, kPointsMax>> worker_loss_;
};

}  // namespace parallax
