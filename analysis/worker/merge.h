// The merge: sightings of all ports in one order, (time, point, port, frame), under the ports' watermarks.
//
// One analysis worker's view of the rings that lead to it. A sighting is released when every port's watermark has passed its
// order time. Live, a port that lags behind and is no file holds the others for at most `wait_ns` of packet time; what comes
// later still is counted as late and released with the order time that the merge has reached. From such a port, and from one that
// brings more of a time that it said it had handed out, not everything of that time has been seen when others ask: the sensor's
// view says so.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "analysis/model/sensor_view.h"
#include "capture/core/port.h"

namespace parallax {

class Merge {
 public:
  static constexpr size_t kBurst = 128;

  Merge(SensorView& sensor, size_t worker, bool offline, int64_t wait_ns);

  // The next sightings in order, all before `gate_ns`; at most kBurst. They stay valid, and the caller's to write, until the
  // next call. Their order_ns never goes back.
  std::span<Sighting* const> next(int64_t gate_ns);

  // Every sighting before this has been handed out. kTimeMax: the input has ended.
  int64_t done_ns() const { return done_ns_; }
  uint64_t late() const { return late_; }

 private:
  struct Input {
    PortChannel* channel;
    LossLog* not_waited_for;
    SpscRing<Sighting>* ring;
    std::span<Sighting> head;
    size_t taken = 0;
    int64_t watermark_ns = kTimeMin;
  };
  int64_t safe_time();
  size_t take_run(Input& input, size_t count, int64_t end_ns);

  std::vector<Input> inputs_;
  std::array<Sighting*, kBurst> burst_{};
  const bool offline_;
  const int64_t wait_ns_;
  int64_t done_ns_ = kTimeMin;
  int64_t reached_ns_ = kTimeMin;
  uint64_t late_ = 0;
};

}  // namespace parallax
