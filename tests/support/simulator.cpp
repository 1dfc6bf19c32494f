#include "tests/support/simulator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <queue>
#include <tuple>

#include "tests/support/random.h"
#include "tests/support/simulated_connection.h"
#include "tests/support/simulated_sensor.h"

namespace parallax::test {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

class World final : public Network {
 public:
  explicit World(const SimulatorOptions& options) : options_(options), random_(options.seed), sensor_(options, random_.next()) {}

  Simulation run() {
    EngineOptions& engine = simulation_.input.options;
    engine.path = options_.points == 2 ? std::vector<std::string>{"outside", "inside"}
                                       : std::vector<std::string>{"outside", "middle", "inside"};
    engine.offline = true;
    engine.legs = 1 << 12;  // small: an engine is built for each run
    engine.half_open_legs = 1 << 10;
    plan_devices();
    simulation_.truth.resize(static_cast<size_t>(options_.connections));
    std::vector<std::unique_ptr<SimulatedConnection>> connections;
    for (int i = 0; i < options_.connections; ++i) {
      TruthOfConnection& truth = simulation_.truth[static_cast<size_t>(i)];
      plan(i, truth);
      connections.push_back(std::make_unique<SimulatedConnection>(*this, truth, options_, random_.next()));
      truth.opened_ns = opening_ns(i);
      at(truth.opened_ns, [connection = connections.back().get()] { connection->open(); });
    }
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ns_ = event.time_ns;
      event.action();
    }
    sensor_.finish(now_ns_, simulation_);
    for (TruthOfConnection& truth : simulation_.truth) decide(truth);
    return std::move(simulation_);
  }

  int64_t now_ns() const override { return now_ns_; }
  void at(int64_t time_ns, std::function<void()> action) override {
    events_.push({std::max(time_ns, now_ns_), ++event_count_, std::move(action)});
  }
  uint64_t seen(PointIndex point, bool toward_inside, bool followed, Frame frame) override {
    return sensor_.see(point, toward_inside, followed, now_ns_, std::move(frame));
  }

 private:
  struct Event {
    int64_t time_ns;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const { return std::tie(other.time_ns, other.order) < std::tie(time_ns, order); }
  };

  void plan_devices() {
    const size_t devices = options_.points - 1;
    is_nat_.assign(devices, options_.nat);
    if (options_.nat && devices == 2 && random_.chance(0.7)) is_nat_[random_.below(2)] = false;
    if (options_.rewrites) rewriter_ = static_cast<PointIndex>(random_.below(devices));
  }

  // Names that come again do so when all the others have had their turn.
  int64_t opening_ns(int connection) {
    const auto within = [&](int64_t duration_ns) {
      return static_cast<int64_t>(random_.below(static_cast<uint64_t>(duration_ns)));
    };
    if (options_.names == 0) return within(options_.duration_ns);
    const int64_t each_ns = options_.duration_ns / options_.connections;
    return connection * each_ns + within(each_ns);
  }

  void plan(int connection, TruthOfConnection& truth) {
    const int index = options_.names == 0 ? connection : connection % options_.names;
    truth.client_inside = random_.chance(0.2);
    truth.fault = random_.chance(options_.fault_share) ? options_.faults[random_.below(options_.faults.size())] : Fault::none;
    truth.faulty_device = static_cast<PointIndex>(random_.below(is_nat_.size()));
    truth.rewriter = rewriter_;
    // Of a device that nothing sees through, a packet that leaks looks like one of a connection that passes unchanged.
    if (truth.fault == Fault::untranslated && rewriter_ == truth.faulty_device) truth.fault = Fault::none;
    for (uint32_t& by : truth.rewritten_by) by = static_cast<uint32_t>(random_.next());
    const Address client =
        address(truth.client_inside ? "10.0.0." + std::to_string(20 + index % 3) : "192.0.2." + std::to_string(10 + index % 5));
    const Address server = address(truth.client_inside ? "203.0.113." + std::to_string(1 + index % 2)
                                                       : "198.51.100." + std::to_string(1 + index % 2));
    TruthOfConnection::Ends ends{{client, static_cast<uint16_t>(20'000 + index)},
                                 {server, static_cast<uint16_t>(index % 3 == 0 ? 80 : 443)}};
    truth.ends.resize(options_.points);
    for (size_t hop = 0; hop < options_.points; ++hop) {
      const size_t point = truth.client_inside ? options_.points - 1 - hop : hop;
      if (hop > 0) translate(index, truth.client_inside ? point : point - 1, truth.client_inside, ends);
      truth.ends[point] = ends;
    }
  }

  void translate(int index, size_t device, bool client_inside, TruthOfConnection::Ends& ends) const {
    if (!is_nat_[device]) return;
    const std::string net = "10.0." + std::to_string(device) + ".";
    ends.first = {address(client_inside ? "198.51.100.25" + std::to_string(device) : net + "1"),
                  nat_port(61'000 - index * 7 - static_cast<int>(device) * 10'000)};
    if (!client_inside) ends.second.address = address(net + std::to_string(80 + index % 2));
  }

  static uint16_t nat_port(int number) {
    constexpr int kFirst = 1024, kPorts = 64'000;
    return static_cast<uint16_t>(kFirst + ((number - kFirst) % kPorts + kPorts) % kPorts);
  }

  // Which of the device's acts the sensor gets to see well enough to tell of them:
  // - the packet was shown at the one side of the device, with its headers whole,
  // - and both sides cover its direction from a second before to a second after: the time in which it, or copies of it, should
  //   have passed, and other absences would make the engine doubt the point;
  // - somebody went without it: data that its receiver had acknowledged before, and acknowledgements that a later one brings, are
  //   nobody's loss;
  // - for anything but a SYN: the legs at both sides are known to be one connection, and where each packet of that direction
  //   would be: something of it had been shown on both sides shortly before. Legs whose opening was not shown are paired by their
  //   names, if these are the same;
  // - for a SYN: no filter may hide its far side, and no device rename it and number it anew: there openings without IP IDs stay
  //   unpaired, any of which may be its continuation.
  // Of a device that leaves nothing by which its two sides could be paired none is decidable.
  void decide(TruthOfConnection& truth) const {
    const PointIndex outer = truth.faulty_device, inner = outer + 1;
    const bool renamed = truth.ends[outer] != truth.ends[inner];
    if (truth.is_opaque(outer)) return;
    const auto shown = [&](const TruthOfConnection::Journey& journey, PointIndex point) {
      return sensor_.shown(journey.sightings[is_inward(truth, journey.from) ? point : options_.points - 1 - point]);
    };
    for (const TruthOfConnection::Journey& journey : truth.journeys) {
      for (PointIndex point = 0; journey.opening && point + 1u < options_.points; ++point)
        truth.pairable |=
            !truth.is_opaque(point) && shown(journey, point) && shown(journey, point + 1) && covers_opening(journey, point);
    }
    const auto crossed_before = [&](const TruthOfConnection::Act& act, auto&& also) {
      return std::any_of(truth.journeys.begin(), truth.journeys.end(), [&](const TruthOfConnection::Journey& journey) {
        return journey.time_ns < act.time_ns && also(journey) && shown(journey, outer) && shown(journey, inner);
      });
    };
    for (TruthOfConnection::Act& act : truth.acts) {
      const bool covered = covers_around(outer, act) && covers_around(inner, act);
      const bool of_syn = truth.fault == Fault::syn_dropped || truth.fault == Fault::refused_by_device;
      bool known = of_syn && !sensor_.hides_names() && !(renamed && truth.rewriter == outer);
      if (!of_syn) {
        const bool opening = crossed_before(act, [](const auto& journey) { return journey.opening; });
        const bool way = crossed_before(act, [&](const auto& journey) { return journey.from == act.from; });
        const bool back = crossed_before(act, [&](const auto& journey) { return journey.from != act.from; });
        known = (opening || (!renamed && !truth.rewriter)) && way && back;
      }
      act.decidable = sensor_.shown(act.sighting) && covered && known && !act.needless;
      truth.decidable |= act.decidable;
      if (truth.fault == Fault::data_dropped) truth.data_drops_decidable[act.from] += act.decidable;
    }
  }
  static bool is_inward(const TruthOfConnection& truth, Side from) { return (from == Side::client) != truth.client_inside; }
  bool covers_around(PointIndex point, const TruthOfConnection::Act& act) const {
    const int64_t from_ns = act.time_ns - 1100 * kMillisecond, to_ns = act.time_ns + 1100 * kMillisecond;
    return sensor_.covers(point, act.toward_inside, from_ns, to_ns) && sensor_.covers(point, !act.toward_inside, from_ns, to_ns);
  }
  bool covers_opening(const TruthOfConnection::Journey& journey, PointIndex outer) const {
    return sensor_.covers(outer, true, journey.time_ns - kMillisecond, journey.time_ns) &&
           sensor_.covers(outer + 1, true, journey.time_ns - kMillisecond, journey.time_ns);
  }

  const SimulatorOptions options_;
  Random random_;
  SimulatedSensor sensor_;
  std::vector<bool> is_nat_;  // by device
  std::optional<PointIndex> rewriter_;
  int64_t now_ns_ = 0;
  uint64_t event_count_ = 0;
  std::priority_queue<Event> events_;
  Simulation simulation_;
};

}  // namespace

std::string_view name_of(Fault fault) {
  static constexpr std::array<std::string_view, kFaults> kNames = {
      "none",         "syn_dropped",     "refused_by_device", "refused_by_server",   "filtered_by_server",
      "data_dropped", "control_dropped", "untranslated",      "reset_not_forwarded", "reset_injected"};
  return kNames[static_cast<size_t>(fault)];
}

std::string_view name_of(Disturbance disturbance) {
  static constexpr std::array<std::string_view, kDisturbances> kNames = {
      "loss", "file_gap", "lag", "filter", "cut_frames", "one_way", "link_down", "clock_step", "clock_offset", "late_start"};
  return kNames[static_cast<size_t>(disturbance)];
}

std::vector<Fault> all_faults() {
  std::vector<Fault> faults;
  for (size_t fault = 1; fault < kFaults; ++fault) faults.push_back(static_cast<Fault>(fault));
  return faults;
}

SimulatorOptions options_of(uint64_t seed) {
  Random random(seed * 7919);
  SimulatorOptions options;
  options.seed = seed;
  options.points = random.chance(0.3) ? 3 : 2;
  options.nat = random.chance(0.5);
  options.rewrites = random.chance(0.25);
  options.poll_gap_ns = std::array<int64_t, 4>{5'000, 20'000, 100'000, 1'000'000}[random.below(4)];
  for (uint64_t n = random.below(4); n > 0; --n)
    options.disturbances.insert(static_cast<Disturbance>(random.below(kDisturbances)));
  // The stamps of a file of its own that begins after a step show nothing of it.
  if (options.has(Disturbance::clock_step)) options.disturbances.erase(Disturbance::file_gap);
  // Clocks are compared by packets that are the same at both points, and none is where sequence numbers are rewritten.
  if (options.has(Disturbance::clock_step) || options.has(Disturbance::clock_offset)) options.rewrites = false;
  return options;
}

std::string describe(const SimulatorOptions& options) {
  std::vector<std::string_view> disturbances;
  for (const Disturbance disturbance : options.disturbances) disturbances.push_back(name_of(disturbance));
  return fmt::format("seed {}: {} points{}{}, polls {} us, disturbed by [{}]", options.seed, options.points,
                     options.nat ? ", NAT" : "", options.rewrites ? ", sequences rewritten" : "", options.poll_gap_ns / 1000,
                     fmt::join(disturbances, " "));
}

Simulation simulate(const SimulatorOptions& options) { return World(options).run(); }

}  // namespace parallax::test
