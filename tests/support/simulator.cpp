#include "tests/support/simulator.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <tuple>

#include "tests/support/random.h"
#include "tests/support/simulated_connection.h"

namespace parallax::test {
namespace {

constexpr int64_t kEpochNs = 1'700'000'000'000'000'000;
constexpr int64_t kCoverAfterNs = 10'000'000'000;
// How often the NIC's drop counter is read: a loss taints the whole interval.
constexpr int64_t kCounterIntervalNs = 10'000'000;

// What arrived at a port, before the port was polled.
struct Arrival {
  int64_t time_ns;
  uint64_t order;
  Frame frame;
};

// Gives arrivals the time of the poll that finds them. Polls of a port are about `gap` apart and not quite regular, and the
// ports are polled one after the other.
class PollClock {
 public:
  PollClock(uint64_t seed, int port, int64_t gap_ns) : seed_(seed), port_(port), gap_ns_(gap_ns) {}
  int64_t poll_ns(int64_t round) const {
    return round * gap_ns_ +
           static_cast<int64_t>(
               Random(seed_ * 1'000'003 + static_cast<uint64_t>(round)).below(static_cast<uint64_t>(gap_ns_ / 2))) +
           port_ * (gap_ns_ / 10);
  }
  int64_t round_after(int64_t time_ns) const {
    int64_t round = time_ns / gap_ns_ - 2;
    while (poll_ns(round) < time_ns) ++round;
    return round;
  }

 private:
  uint64_t seed_;
  int port_;
  int64_t gap_ns_;
};

class World final : public Network {
 public:
  explicit World(const SimulatorOptions& options) : options_(options), random_(options.seed) {}

  Simulation run() {
    simulation_.input.options.path = {"outside", "inside"};
    simulation_.input.options.offline = true;
    simulation_.input.options.legs = 1 << 12;  // small: an engine is built for each run
    simulation_.input.options.half_open_legs = 1 << 10;
    simulation_.truth.resize(static_cast<size_t>(options_.connections));
    std::vector<std::unique_ptr<SimulatedConnection>> connections;
    for (int i = 0; i < options_.connections; ++i) {
      TruthOfConnection& truth = simulation_.truth[static_cast<size_t>(i)];
      plan(i, truth);
      connections.push_back(std::make_unique<SimulatedConnection>(*this, truth, random_.next()));
      at(static_cast<int64_t>(random_.below(static_cast<uint64_t>(options_.duration_ns))),
         [connection = connections.back().get()] { connection->open(); });
    }
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ns_ = event.time_ns;
      event.action();
    }
    for (int port = 0; port < 4; ++port) simulation_.input.ports.push_back(make_port(port));
    return std::move(simulation_);
  }

  int64_t now_ns() const override { return now_ns_; }
  void at(int64_t time_ns, std::function<void()> action) override {
    events_.push({std::max(time_ns, now_ns_), ++event_count_, std::move(action)});
  }
  void seen(PointIndex point, bool toward_inside, Frame frame) override {
    arrivals_[static_cast<size_t>(point * 2 + (toward_inside ? 0 : 1))].push_back({now_ns_, ++event_count_, std::move(frame)});
  }

 private:
  struct Event {
    int64_t time_ns;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const { return std::tie(other.time_ns, other.order) < std::tie(time_ns, order); }
  };

  void plan(int index, TruthOfConnection& truth) {
    static const std::array<Fault, 7> kFaults = {Fault::syn_dropped,        Fault::refused_by_device, Fault::refused_by_server,
                                                 Fault::filtered_by_server, Fault::data_dropped,      Fault::reset_swallowed,
                                                 Fault::reset_injected};
    const auto port = static_cast<uint16_t>(20'000 + index);
    const auto mapped_port = static_cast<uint16_t>(options_.nat ? 61'000 - index * 7 % 20'000 : port);
    truth.client_inside = random_.chance(0.2);
    truth.fault = random_.chance(options_.fault_share) ? kFaults[random_.below(kFaults.size())] : Fault::none;
    const Address client =
        address(truth.client_inside ? "10.0.0." + std::to_string(20 + index % 3) : "192.0.2." + std::to_string(10 + index % 5));
    const Address server = address(truth.client_inside ? "203.0.113." + std::to_string(1 + index % 2)
                                                       : "198.51.100." + std::to_string(1 + index % 2));
    truth.client = {client, port};
    truth.server = {server, static_cast<uint16_t>(index % 3 == 0 ? 80 : 443)};
    truth.far_client = truth.client;
    truth.far_server = truth.server;
    if (options_.nat) {
      truth.far_client = {address(truth.client_inside ? "198.51.100.254" : "10.0.0.1"), mapped_port};
      if (!truth.client_inside) truth.far_server = {address("10.0.0." + std::to_string(80 + index % 2)), truth.server.port};
    }
  }

  InputPort make_port(int port) {
    InputPort input;
    input.info.point = static_cast<PointIndex>(port / 2);
    input.info.direction = port % 2 == 0 ? PortDirection::toward_inside : PortDirection::toward_outside;
    input.info.name = std::string(port / 2 == 0 ? "outside" : "inside") + (port % 2 == 0 ? "-in" : "-out");
    input.info.source = "simulator";
    std::vector<Arrival>& arrivals = arrivals_[static_cast<size_t>(port)];
    std::sort(arrivals.begin(), arrivals.end(),
              [](const Arrival& a, const Arrival& b) { return std::tie(a.time_ns, a.order) < std::tie(b.time_ns, b.order); });
    const Frame bystander = arp_request_frame(address("198.18.0.1"), address("198.18.0.2"));
    input.frames.push_back({kEpochNs - 1'000'000'000, 0, bystander});
    const PollClock clock(options_.seed, port, options_.poll_gap_ns);
    std::map<int64_t, uint64_t> dropped_by_interval;
    int64_t losing_until_ns = -1;
    for (Arrival& arrival : arrivals) {
      ++simulation_.packets;
      if (options_.sensor_loss && arrival.time_ns > losing_until_ns && random_.chance(0.004)) {
        losing_until_ns = arrival.time_ns + static_cast<int64_t>(random_.below(20'000'000));
      }
      if (arrival.time_ns <= losing_until_ns && random_.chance(0.5)) {
        ++dropped_by_interval[arrival.time_ns / kCounterIntervalNs];
        ++simulation_.sensor_dropped;
        continue;
      }
      const int64_t round = clock.round_after(arrival.time_ns);
      const int64_t stamp_ns = clock.poll_ns(round);
      input.frames.push_back(
          {kEpochNs + stamp_ns, static_cast<uint32_t>(stamp_ns - clock.poll_ns(round - 1)), std::move(arrival.frame)});
    }
    input.frames.push_back({kEpochNs + now_ns_ + kCoverAfterNs, 0, bystander});
    for (const auto& [interval, count] : dropped_by_interval) {
      // A packet may be stamped up to a poll after it arrived.
      input.losses.push_back({DropReason::nic, count, kEpochNs + interval * kCounterIntervalNs,
                              kEpochNs + (interval + 1) * kCounterIntervalNs + 2 * options_.poll_gap_ns});
    }
    return input;
  }

  const SimulatorOptions options_;
  Random random_;
  int64_t now_ns_ = 0;
  uint64_t event_count_ = 0;
  std::priority_queue<Event> events_;
  std::array<std::vector<Arrival>, 4> arrivals_;
  Simulation simulation_;
};

}  // namespace

std::string_view name_of(Fault fault) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "none",         "syn_dropped",     "refused_by_device", "refused_by_server", "filtered_by_server",
      "data_dropped", "reset_swallowed", "reset_injected"};
  return kNames[static_cast<size_t>(fault)];
}

Simulation simulate(const SimulatorOptions& options) { return World(options).run(); }

}  // namespace parallax::test
