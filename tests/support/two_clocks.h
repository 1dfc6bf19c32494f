// A device between two points whose stamps are of two clocks, seeded: queues, wrong matches, drift and steps, with the truth
// beside what the points saw.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/run/clock_samples.h"

namespace parallax::test {

enum class Queue : uint8_t { none, exponential, bursty };

struct TwoClocks {
  uint64_t seed = 1;
  double seconds = 60;
  double packets_per_second = 100;
  int64_t offset_ns = 0;  // of the second clock, at the start
  double drift_ppm = 0;
  // One way through the device: at least so long, and longer by its queue.
  int64_t inward_ns = 100'000, outward_ns = 100'000;
  Queue queue = Queue::exponential;
  double inward_queue_ns = 200'000, outward_queue_ns = 200'000;  // in the mean; bursts come to fifty times as much
  double wrong_share = 0;                                        // of the matches: other packets, 100 us to 2 s away
  double noise_ns = 0;                                           // of each stamp, standard deviation
  int64_t resolution_ns = 1;
  int64_t step_ns = 0;  // of the second clock, at step_at of the time
  double step_at = 0.5;
  double drift_after_ppm = 0;  // in addition, from then on
  bool one_way = false;
  bool has_ttl = false;
};

inline constexpr int64_t kTwoClocksStartNs = 1'700'000'000'000'000'000;

// Of the first point and of the second.
std::vector<ClockSamples> samples_of(const TwoClocks& clocks);

// How far the second clock is ahead at a time of the first.
int64_t ahead_ns(const TwoClocks& clocks, int64_t first_ns);

}  // namespace parallax::test
