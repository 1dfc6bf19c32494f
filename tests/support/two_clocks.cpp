#include "tests/support/two_clocks.h"

#include <algorithm>
#include <cmath>

#include "tests/support/random.h"

namespace parallax::test {

namespace {

double unit(Random& random) { return static_cast<double>(random.next() >> 11) * 0x1.0p-53; }

// The delay that a queue adds, from one packet to the next.
class QueueDelay {
 public:
  QueueDelay(Queue queue, double mean_ns) : queue_(queue), mean_ns_(mean_ns) {}

  double next(Random& random, double now_s) {
    if (queue_ == Queue::none) return 0;
    double delay_ns = -mean_ns_ * std::log(1 - unit(random));
    if (queue_ == Queue::exponential) return delay_ns;
    // Bursts come each second or so, fill the queue in no time, and it drains within half a second.
    constexpr double kBurstsPerSecond = 1, kDrainSeconds = 0.5, kTimes = 50;
    if (random.chance(std::min(1.0, (now_s - last_s_) * kBurstsPerSecond))) {
      burst_s_ = now_s;
      burst_ns_ = kTimes * mean_ns_ * unit(random);
    }
    last_s_ = now_s;
    return delay_ns + std::max(0.0, burst_ns_ * (1 - (now_s - burst_s_) / kDrainSeconds));
  }

 private:
  const Queue queue_;
  const double mean_ns_;
  double last_s_ = 0, burst_s_ = -1e9, burst_ns_ = 0;
};

double gauss(Random& random) {
  return std::sqrt(-2 * std::log(1 - unit(random))) * std::cos(2 * 3.14159265358979 * unit(random));
}

}  // namespace

int64_t ahead_ns(const TwoClocks& clocks, int64_t first_ns) {
  const double since_ns = static_cast<double>(first_ns - kTwoClocksStartNs), step_ns = clocks.step_at * clocks.seconds * 1e9;
  double ahead = clocks.drift_ppm * 1e-6 * since_ns;
  if (since_ns >= step_ns) ahead += static_cast<double>(clocks.step_ns) + clocks.drift_after_ppm * 1e-6 * (since_ns - step_ns);
  return clocks.offset_ns + static_cast<int64_t>(ahead);
}

std::vector<ClockSamples> samples_of(const TwoClocks& clocks) {
  constexpr uint32_t kFlows = 8;  // at a time
  constexpr double kFlowEnds = 0.03;
  Random random(clocks.seed);
  std::vector<ClockSamples> points(2);
  QueueDelay inward(clocks.queue, clocks.inward_queue_ns), outward(clocks.queue, clocks.outward_queue_ns);
  uint32_t flows[kFlows], next_flow = 0;
  for (uint32_t& flow : flows) flow = next_flow++;
  uint32_t number = 0;
  const auto stamped = [&](double time_ns) {
    const auto ns = static_cast<int64_t>(time_ns + clocks.noise_ns * gauss(random));
    return kTwoClocksStartNs + ns / clocks.resolution_ns * clocks.resolution_ns;
  };
  for (double now_s = 0; now_s < clocks.seconds; now_s -= std::log(1 - unit(random)) / clocks.packets_per_second, ++number) {
    uint32_t& flow = flows[random.below(kFlows)];
    if (random.chance(kFlowEnds)) flow = next_flow++;
    const bool is_inward = clocks.one_way || random.chance(0.5);
    // Clients on both sides, so that an address says nothing of the direction.
    const bool low_to_high = is_inward == (flow % 2 == 0);
    const double transit_ns = is_inward ? static_cast<double>(clocks.inward_ns) + inward.next(random, now_s)
                                        : static_cast<double>(clocks.outward_ns) + outward.next(random, now_s);
    const double entered_ns = now_s * 1e9, left_ns = entered_ns + transit_ns;
    double at_second_ns = is_inward ? left_ns : entered_ns;
    const double at_first_ns = is_inward ? entered_ns : left_ns;
    if (random.chance(clocks.wrong_share)) {
      const double away_ns = 1e5 * std::pow(2e4, unit(random));
      at_second_ns += random.chance(0.5) ? away_ns : -away_ns;
    }
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.flow_hash = flow;
    frame.source_port = low_to_high ? 443 : 40000;
    frame.destination_port = low_to_high ? 40000 : 443;
    frame.seq = number;
    frame.ttl = clocks.has_ttl ? 60 : 0;
    points[0].add(frame, stamped(at_first_ns));
    if (clocks.has_ttl) frame.ttl = is_inward ? 59 : 61;
    const auto at_ns = kTwoClocksStartNs + static_cast<int64_t>(at_second_ns);
    points[1].add(frame, stamped(at_second_ns) + ahead_ns(clocks, at_ns));
  }
  return points;
}

}  // namespace parallax::test
