// A sensor without wire or threads, for tests of what the daemon shows: an engine that has seen a few handshakes at two points.
#pragma once

#include <memory>
#include <vector>

#include "daemon/run/sensor_state.h"

namespace parallax::test {

class SmallSensor {
 public:
  // `dropped` connections whose SYN enters the device and never leaves, and `opened` that are opened across it.
  SmallSensor(size_t dropped, size_t opened);
  ~SmallSensor();

  SensorState state;
  static constexpr int64_t kStartNs = 1'700'000'000'000'000'000;

 private:
  void push(size_t port, const Sighting& segment);

  std::vector<std::unique_ptr<PortChannel>> channels_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace parallax::test
