#include "tests/support/simulated_sensor.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>

#include "capture/source/time_order.h"
#include "daemon/run/clock_samples.h"

namespace parallax::test {
namespace {

constexpr int64_t kEpochNs = kSimulatorEpochNs, kSecond = 1'000'000'000, kMillisecond = 1'000'000;
constexpr int64_t kCoverAfterNs = 10 * kSecond;
constexpr int64_t kAlways = std::numeric_limits<int64_t>::max() / 4;
// How often the NIC's drop counter is read: a loss taints the whole interval.
constexpr int64_t kCounterIntervalNs = 10 * kMillisecond;
constexpr uint32_t kHeaders = 54;  // Ethernet, IPv4, TCP without options
constexpr size_t kTcpFlagsAt = 47;
constexpr int64_t kClockErrorNs = kMillisecond;  // clocks that agree better are right

// Gives packets the time of the poll that finds them. Polls of a port are about `gap` apart and not quite regular, and the
// ports are polled one after the other.
class PollClock {
 public:
  PollClock(uint64_t seed, size_t port, int64_t gap_ns) : seed_(seed), port_(static_cast<int64_t>(port)), gap_ns_(gap_ns) {}
  int64_t poll_ns(int64_t round) const {
    return round * gap_ns_ +
           static_cast<int64_t>(
               Random(seed_ * 1'000'003 + static_cast<uint64_t>(round)).below(static_cast<uint64_t>(gap_ns_ / 2))) +
           port_ * (gap_ns_ / 20);
  }
  int64_t round_after(int64_t time_ns) const {
    int64_t round = time_ns / gap_ns_ - 2;
    while (poll_ns(round) < time_ns) ++round;
    return round;
  }

 private:
  uint64_t seed_;
  int64_t port_;
  int64_t gap_ns_;
};

// As a LAG spreads them: by addresses and ports, the same in both directions.
int member_of(const Frame& frame) {
  unsigned sum = 0;
  for (size_t i = 26; i < 38 && i < frame.size(); ++i) sum += frame[i];
  return static_cast<int>(sum % 2);
}

bool overlaps(int64_t a_from, int64_t a_to, int64_t b_from, int64_t b_to) { return a_from <= b_to && b_from <= a_to; }

}  // namespace

SimulatedSensor::SimulatedSensor(const SimulatorOptions& options, uint64_t seed)
    : options_(options), random_(seed), is_span_(options.points), offset_ns_(options.points) {
  draw(options.duration_ns);
}

void SimulatedSensor::draw(int64_t duration_ns) {
  const auto time = [&] { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(duration_ns))); };
  const auto duration = [&] { return static_cast<int64_t>(random_.between(50 * kMillisecond, 800 * kMillisecond)); };
  for (size_t point = 0; point < options_.points; ++point) is_span_[point] = random_.chance(0.2);
  if (options_.has(Disturbance::file_gap)) {
    const PointIndex point = any_point();
    const std::optional<bool> inward = is_span_[point] ? std::nullopt : std::optional(random_.chance(0.5));
    const int64_t from = time();
    blinds_.push_back({point, inward, std::nullopt, from, from + duration(), Word::edge});
  }
  if (options_.has(Disturbance::lag)) {
    lag_ = any_point();
    const int member = static_cast<int>(random_.below(2));
    const auto how = random_.below(4);
    const int64_t at = time();
    if (how == 0) blinds_.push_back({*lag_, std::nullopt, member, -kAlways, at, Word::edge});
    if (how == 1) blinds_.push_back({*lag_, std::nullopt, member, at, kAlways, Word::edge});
    if (how == 2) blinds_.push_back({*lag_, std::nullopt, member, -kAlways, kAlways, Word::edge});
    if (how == 3) blinds_.push_back({*lag_, std::nullopt, member, at, at + duration(), Word::loss});
  }
  if (options_.has(Disturbance::filter)) {
    static constexpr const char* kFilters[] = {"tcp port 443",   "host 192.0.2.11 or host 198.51.100.1",
                                               "net 10.0.0.0/8", "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0",
                                               "less 700",       "tcp"};
    filter_ = kFilters[random_.below(std::size(kFilters))];
    if (filter_ == "tcp") tagged_ = any_point();
    Result<FlowFilter> compiled = FlowFilter::compile(filter_);
    if (!compiled.ok()) std::abort();
    compiled_ = std::move(*compiled);
  }
  if (options_.has(Disturbance::cut_frames)) {
    static constexpr uint32_t kBytes[] = {40, 54, 58, 66, 100, 300, 1000};
    cut_ = any_point();
    cut_bytes_ = kBytes[random_.below(std::size(kBytes))];
    // Without headers clocks cannot be compared either.
    if (options_.has(Disturbance::clock_offset)) cut_bytes_ = std::max(cut_bytes_, kHeaders);
    cut_is_said_ = random_.chance(0.3);
  }
  if (options_.has(Disturbance::one_way)) {
    const PointIndex point = any_point();
    is_span_[point] = true;
    const bool always = random_.chance(0.5);
    const int64_t from = always ? -kAlways : time();
    blinds_.push_back({point, random_.chance(0.5), std::nullopt, from, always ? kAlways : from + duration(), Word::none});
  }
  if (options_.has(Disturbance::link_down)) {
    const PointIndex point = any_point();
    const std::optional<bool> inward = is_span_[point] ? std::nullopt : std::optional(random_.chance(0.5));
    const int64_t from = time();
    blinds_.push_back({point, inward, std::nullopt, from, from + 2 * duration(), Word::outage});
  }
  if (options_.has(Disturbance::clock_step)) {
    stepping_ = any_point();
    step_at_ns_ = time();
    step_ns_ = static_cast<int64_t>(random_.between(250 * kMillisecond, 3000 * kMillisecond));
    // Back by more than what counts as disorder, or forward, or back by so little that the file does not show it.
    if (const int64_t way = step_ns_ % 3; way != 0) step_ns_ = way == 1 ? -step_ns_ : step_ns_ / 20;
  }
  if (options_.has(Disturbance::clock_offset)) {
    for (size_t point = 1; point < options_.points; ++point) {
      const int64_t offset = static_cast<int64_t>(random_.between(kMillisecond, 4 * kSecond));
      offset_ns_[point] = random_.chance(0.5) ? offset : -offset;
    }
  }
  if (options_.has(Disturbance::late_start)) begin_ns_ = time();
}

uint64_t SimulatedSensor::see(PointIndex point, bool toward_inside, bool followed, int64_t time_ns, Frame frame) {
  const uint64_t number = sighted_.size();
  sighted_.push_back({time_ns, number, point, toward_inside, followed, std::move(frame)});
  return number;
}

std::vector<SimulatedSensor::Port> SimulatedSensor::ports() const {
  std::vector<Port> ports;
  for (PointIndex point = 0; point < options_.points; ++point) {
    for (int member = 0; member < (lag_ == point ? 2 : 1); ++member) {
      if (is_span_[point]) {
        ports.push_back({point, std::nullopt, member});
      } else {
        ports.push_back({point, true, member});
        ports.push_back({point, false, member});
      }
    }
  }
  return ports;
}

bool SimulatedSensor::Port::shows(const Sighted& sighted) const {
  return sighted.point == point && (!toward_inside || sighted.toward_inside == *toward_inside);
}

void SimulatedSensor::finish(int64_t end_ns, Simulation& simulation) {
  end_ns_ = end_ns;
  shown_.assign(sighted_.size(), false);
  simulation.packets = sighted_.size();
  simulation.input.filter = filter_;
  std::stable_sort(sighted_.begin(), sighted_.end(), [](const Sighted& a, const Sighted& b) { return a.time_ns < b.time_ns; });
  for (Blind& blind : blinds_) widen(blind);
  for (const Port& port : ports()) make_port(port, simulation);
  align(simulation);
}

// A mirror that hides no more than a packet or two, and says nothing, cannot be told from a device that drops them. So where it
// hides any it hides a few that show it: data and FINs, which their receivers acknowledge, and of these such as no filter hides
// from the analysis at both sides.
void SimulatedSensor::widen(Blind& blind) const {
  constexpr auto kTellingLeast = 4;
  if (blind.word != Word::none || blind.to_ns == kAlways) return;
  const auto is_hidden = [&](const Sighted& s) {
    return s.followed && blind.concerns(s.point, s.toward_inside) && s.time_ns >= blind.from_ns && s.time_ns <= blind.to_ns;
  };
  const auto is_telling = [&](const Sighted& s) {
    const bool is_acknowledged = s.frame.size() > kHeaders || (s.frame[kTcpFlagsAt] & tcp_flag::fin);
    const bool opens_or_resets = s.frame[kTcpFlagsAt] & (tcp_flag::syn | tcp_flag::rst);
    return is_hidden(s) && is_acknowledged && !opens_or_resets && passes_filter({0, 0, s.frame});
  };
  const auto is_told = [&] { return std::count_if(sighted_.begin(), sighted_.end(), is_telling) >= kTellingLeast; };
  if (std::none_of(sighted_.begin(), sighted_.end(), is_hidden)) return;
  while (!is_told() && blind.to_ns < end_ns_) blind.to_ns += 100 * kMillisecond;
}

bool SimulatedSensor::passes_filter(const TimedFrame& frame) const {
  if (!compiled_) return true;
  const auto length = static_cast<uint32_t>(frame.bytes.size());
  return compiled_->matches({frame.bytes.data(), length, std::max(length, frame.wire_length), 0, 0, 0, LinkType::ethernet});
}

void SimulatedSensor::make_port(const Port& port, Simulation& simulation) {
  InputPort input;
  const size_t number = simulation.input.ports.size();
  input.info.point = port.point;
  if (port.toward_inside)
    input.info.direction = *port.toward_inside ? PortDirection::toward_inside : PortDirection::toward_outside;
  input.info.name = simulation.input.options.path[port.point] + "-" + std::to_string(number);
  input.info.source = "simulator";
  input.as_file = stepping_.has_value();

  std::vector<const Sighted*> sighted;
  int64_t from_ns = begin_ns_, to_ns = end_ns_ + kCoverAfterNs;
  std::optional<Blind> gap;
  for (const Blind& blind : blinds_) {
    const bool concerns = blind.point == port.point && (!blind.member || *blind.member == port.member) &&
                          (!blind.toward_inside || !port.toward_inside || *blind.toward_inside == *port.toward_inside);
    if (!concerns) continue;
    if (blind.word == Word::outage)
      input.outages.push_back(
          {OutageCause::link_down, kEpochNs + stamp(port.point, blind.from_ns), kEpochNs + stamp(port.point, blind.to_ns)});
    if (blind.word != Word::edge) continue;
    if (blind.from_ns == -kAlways) {
      from_ns = std::max(from_ns, blind.to_ns);
    } else if (blind.to_ns == kAlways) {
      to_ns = std::min(to_ns, blind.from_ns);
    } else {
      gap = blind;
    }
  }
  for (const Sighted& s : sighted_) {
    if (port.shows(s) && s.time_ns > from_ns && s.time_ns < to_ns && (lag_ != port.point || member_of(s.frame) == port.member) &&
        !is_blind(port, s))
      sighted.push_back(&s);
  }
  lose(port, sighted, input, simulation);

  const Frame bystander = arp_request_frame(address("198.18.0.1"), address("198.18.0.2"));
  const PollClock clock(options_.seed, number, options_.poll_gap_ns);
  const auto listen = [&](InputPort& part, int64_t part_from_ns, int64_t part_to_ns) {
    if (part_from_ns >= part_to_ns) return;  // an empty file
    part.frames.push_back({kEpochNs + stamp(port.point, part_from_ns), 0, bystander});
    for (const Sighted* s : sighted) {
      if (s->time_ns <= part_from_ns || s->time_ns >= part_to_ns) continue;
      TimedFrame frame = capture(port, *s);
      if (part.as_file) {
        frame.time_ns = s->time_ns;
      } else {
        const int64_t round = clock.round_after(s->time_ns);
        frame.time_ns = clock.poll_ns(round);
        frame.stamp_uncertainty_ns = static_cast<uint32_t>(frame.time_ns - clock.poll_ns(round - 1));
      }
      frame.time_ns = kEpochNs + stamp(port.point, frame.time_ns);
      shown_[s->number] = frame.bytes.size() >= kHeaders && passes_filter(frame);
      part.frames.push_back(std::move(frame));
    }
    part.frames.push_back({kEpochNs + stamp(port.point, part_to_ns), 0, bystander});
  };
  if (!gap || gap->from_ns <= from_ns || gap->to_ns >= to_ns) {
    listen(input, from_ns, gap && gap->from_ns <= from_ns ? from_ns : to_ns);
    simulation.input.ports.push_back(std::move(input));
    return;
  }
  InputPort second = input;
  input.info.part = RecordingPart{static_cast<uint32_t>(number), 0};
  second.info.part = RecordingPart{static_cast<uint32_t>(number), 1};
  listen(input, from_ns, gap->from_ns);
  listen(second, gap->to_ns, to_ns);
  simulation.input.ports.push_back(std::move(input));
  simulation.input.ports.push_back(std::move(second));
}

bool SimulatedSensor::is_blind(const Port& port, const Sighted& sighted) const {
  return std::any_of(blinds_.begin(), blinds_.end(), [&](const Blind& blind) {
    return blind.concerns(sighted.point, sighted.toward_inside) && (!blind.member || *blind.member == port.member) &&
           blind.word != Word::loss && sighted.time_ns >= blind.from_ns && sighted.time_ns <= blind.to_ns;
  });
}

// Now and then, or half of what a blind member of a LAG should have shown; told by a counter that is read at intervals.
void SimulatedSensor::lose(const Port& port, std::vector<const Sighted*>& sighted, InputPort& input, Simulation& simulation) {
  std::map<int64_t, uint64_t> lost_by_interval;
  int64_t losing_until_ns = -1;
  std::erase_if(sighted, [&](const Sighted* s) {
    if (options_.has(Disturbance::loss) && s->time_ns > losing_until_ns && random_.chance(0.004))
      losing_until_ns = s->time_ns + static_cast<int64_t>(random_.below(20 * kMillisecond));
    bool losing = s->time_ns <= losing_until_ns;
    for (const Blind& blind : blinds_) {
      losing |= blind.word == Word::loss && blind.concerns(s->point, s->toward_inside) && *blind.member == port.member &&
                s->time_ns >= blind.from_ns && s->time_ns <= blind.to_ns;
    }
    if (!losing || !random_.chance(0.5)) return false;
    ++lost_by_interval[s->time_ns / kCounterIntervalNs];
    ++simulation.sensor_dropped;
    return true;
  });
  for (const auto& [interval, count] : lost_by_interval) {
    const int64_t from_ns = interval * kCounterIntervalNs;
    // A packet may be stamped up to a poll after it arrived.
    const int64_t to_ns = from_ns + kCounterIntervalNs + 2 * options_.poll_gap_ns;
    input.losses.push_back({DropReason::nic, count, kEpochNs + stamp(port.point, from_ns), kEpochNs + stamp(port.point, to_ns)});
    blinds_.push_back({port.point, port.toward_inside, port.member, from_ns, to_ns, Word::loss});
  }
}

TimedFrame SimulatedSensor::capture(const Port& port, const Sighted& sighted) const {
  TimedFrame frame{0, 0, sighted.frame};
  if (tagged_ == port.point && member_of(sighted.frame) == 0) {
    const Frame tag = {0x81, 0x00, 0x00, 0x07};
    frame.bytes.insert(frame.bytes.begin() + 12, tag.begin(), tag.end());
  }
  if (cut_ == port.point && frame.bytes.size() > cut_bytes_) {
    if (cut_is_said_) frame.wire_length = static_cast<uint32_t>(frame.bytes.size());
    frame.bytes.resize(cut_bytes_);
  }
  return frame;
}

// What the point's clock says at a (true) time.
int64_t SimulatedSensor::stamp(PointIndex point, int64_t time_ns) const {
  const bool steps = stepping_ == point && time_ns >= step_at_ns_;
  const double drift = point == 0 ? 0 : options_.drift_ppm * 1e-6;
  return time_ns + offset_ns_[point] + static_cast<int64_t>(static_cast<double>(time_ns) * drift) - (steps ? step_ns_ : 0);
}

// As `analyze` does before it begins.
void SimulatedSensor::align(Simulation& simulation) {
  if (!options_.has(Disturbance::clock_step) && !options_.has(Disturbance::clock_offset)) return;
  std::vector<ClockSamples> samples(options_.points);
  std::vector<int64_t> stepped_ns(options_.points, kTimeMax);
  for (const InputPort& port : simulation.input.ports) {
    int64_t newest_ns = 0;
    for (const TimedFrame& frame : port.frames) {
      newest_ns = std::max(newest_ns, frame.time_ns);
      if (frame.time_ns < newest_ns - TimeOrder::kWindowNs) {
        int64_t& stepped = stepped_ns[port.info.point];
        stepped = std::min(stepped, frame.time_ns);
        break;
      }
      DecodedFrame decoded{};
      const auto length = static_cast<uint32_t>(frame.bytes.size());
      const FrameView view{frame.bytes.data(), length, std::max(length, frame.wire_length), LinkType::ethernet};
      if (decode(view, decoded) == DecodeError::none) samples[port.info.point].add(decoded, frame.time_ns);
    }
  }
  clocks_ = align_clocks(samples);
  limits_ = clock_limits(samples, clocks_, stepped_ns);
  for (InputPort& port : simulation.input.ports) {
    const ClockCorrection& clock = clocks_[port.info.point].correction;
    for (TimedFrame& frame : port.frames) frame.time_ns = clock.corrected(frame.time_ns);
    for (SourceLoss& loss : port.losses)
      loss = {loss.reason, loss.count, clock.corrected(loss.from_ns), clock.corrected(loss.to_ns)};
    for (PortOutage& o : port.outages) o = {o.cause, clock.corrected(o.from_ns), clock.corrected(o.to_ns)};
    if (!limits_.is_compared(port.info.point) && !port.outages.empty())
      port.outages.push_back({OutageCause::no_common_clock, kTimeMin, PortOutage::kGoesOn});
    for (const PortOutage& outage : limits_.outages(port.info.point)) port.outages.push_back(outage);
  }
  for (PointIndex point = 1; point < options_.points; ++point) {
    const int64_t first_ns = clock_error_ns(point, 0), last_ns = clock_error_ns(point, end_ns_);
    simulation.clock_error_ns = std::max({simulation.clock_error_ns, std::abs(first_ns), std::abs(last_ns)});
    const double drift_ppm = static_cast<double>(last_ns - first_ns) / static_cast<double>(end_ns_) * 1e6;
    simulation.drift_error_ppm = std::max(simulation.drift_error_ppm, std::abs(drift_ppm));
  }
}

// By how much a corrected stamp is off.
int64_t SimulatedSensor::clock_error_ns(PointIndex point, int64_t time_ns) const {
  return clocks_[point].correction.corrected(kEpochNs + stamp(point, time_ns)) - kEpochNs - time_ns;
}

// Its stamps are right then as they are corrected, and nothing says that they may not be.
bool SimulatedSensor::clock_is_right(PointIndex point, int64_t from_ns, int64_t to_ns) const {
  if (clocks_.empty()) return true;
  const auto is_right = [&](int64_t time_ns) { return std::abs(clock_error_ns(point, time_ns)) < kClockErrorNs; };
  if (!is_right(from_ns) || !is_right(to_ns)) return false;
  const std::vector<PortOutage> outages = limits_.outages(point);
  return std::none_of(outages.begin(), outages.end(), [&](const PortOutage& outage) {
    const int64_t near_ns = outage.goes_on() ? 0 : kSecond;
    return overlaps(kEpochNs + from_ns - near_ns, kEpochNs + to_ns + near_ns, outage.from_ns, outage.to_ns);
  });
}

bool SimulatedSensor::covers(PointIndex point, bool toward_inside, int64_t from_ns, int64_t to_ns) const {
  if (from_ns < begin_ns_ || to_ns > end_ns_ + kCoverAfterNs || !clock_is_right(point, from_ns, to_ns)) return false;
  return std::none_of(blinds_.begin(), blinds_.end(), [&](const Blind& blind) {
    return blind.concerns(point, toward_inside) && overlaps(from_ns, to_ns, blind.from_ns, blind.to_ns);
  });
}

}  // namespace parallax::test
