// A server that takes long to answer, beside the way there and back; or that begins to answer and then holds the rest back.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/turn_times.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Not one long answer alone, which may be due to what was asked.
constexpr int64_t kBesideLongestNs = 500'000'000;
// Of blocks, all of one size, that could have gone out at once: a good part of one has been on its way at a time.
constexpr uint64_t kBlockBytesLeast = 16 * 1024, kInFlightShare = 4;
// And it took so many times longer than the round trips that so many flights take.
constexpr int64_t kTimes = 8;

double seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

std::optional<Observation> slow_to_answer(const Connection& c, const TurnTimes& times, const DetectorView& view) {
  const int64_t server_ns = times.parts.server_ns, longest_ns = times.last->summary.times.wait_max_ns[Side::server];
  const Thresholds& t = view.thresholds;
  if (times.turns() < t.slow_server_turns || server_ns < t.slow_server_mean_ns * times.turns() ||
      server_ns - longest_ns < kBesideLongestNs || longest_ns > t.slow_server_longest_ns || server_ns < times.network_ns())
    return std::nullopt;
  Observation o = turn_times_observation(c, times, FindingKind::slow_server, server_ns, view);
  o.origin = Origin::server;
  return o;
}

// Where all answers are as long as each other it is known how long one takes, from its first byte to its last.
std::optional<Observation> holds_the_rest_back(const Connection& c, const TurnTimes& times, const DetectorView& view) {
  const LegState& leg = *times.last;
  const FlowTimesSummary& t = leg.summary.times;
  const uint64_t turns = times.turns(), block = t.message_max[Side::server], bytes = leg.summary.bytes[Side::server];
  const bool are_blocks = block >= kBlockBytesLeast && block * turns <= bytes + bytes / 32;
  const Thresholds& limits = view.thresholds;
  if (turns < limits.slow_server_turns || !are_blocks || leg.summary.retransmissions[Side::server] > 0 ||
      t.in_flight_max[Side::server] < block / kInFlightShare)
    return std::nullopt;
  const int64_t took_ns = t.transfer_ns[Side::server] / static_cast<int64_t>(turns);
  const auto flights = static_cast<int64_t>(1 + block / t.in_flight_max[Side::server]);
  const int64_t trip_ns = t.trips[Side::client].smoothed_ns + t.trips[Side::server].smoothed_ns;
  if (took_ns < limits.slow_server_mean_ns || took_ns > limits.slow_server_longest_ns || took_ns < kTimes * flights * trip_ns)
    return std::nullopt;

  const int64_t lost_ns = t.transfer_ns[Side::server] - static_cast<int64_t>(turns) * flights * trip_ns;
  Observation o = turn_times_observation(c, times, FindingKind::slow_server, lost_ns, view);
  o.origin = Origin::unknown;  // beyond the point, and no more is known: a device there may hold it back
  o.confidence = kInferred;
  const int64_t cycle_ns = t.transfer_ns[Side::server] + t.wait_ns[Side::server] + t.wait_ns[Side::client];
  o.period_seconds = seconds(cycle_ns / static_cast<int64_t>(turns));
  o.remark = "blocks of " + std::to_string(block) + " bytes, one every " + seconds_of(o.period_seconds) + ", took " +
             duration_of(took_ns) + " each, where " + plural(static_cast<uint64_t>(flights), "round trip") + " of " +
             duration_of(trip_ns) + " would do: the server, or something beyond " + view.options.path[leg.point] +
             ", holds the rest back.";
  return o;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return c.told.contains(FindingKind::slow_server) ? kTimeMax : turn_times_due_ns(c, view);
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!c.told.insert(FindingKind::slow_server)) return;
  const auto times = turn_times_of(c, view);
  if (!times) return;
  auto o = slow_to_answer(c, *times, view);
  if (!o) o = holds_the_rest_back(c, *times, view);
  if (!o) return;
  o->where = beyond(times->last->point);
  o->direction = FindingDirection::server_to_client;
  out.tell(std::move(*o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const double lost = group.record.time_lost_seconds.value_or(0);
  return "Answers on " + words.connections + " came slowly from beyond " + words.first + ": " + seconds_of(lost) + " over " +
         plural(group.attempts, "turn") + ", " + seconds_of(lost / static_cast<double>(std::max<uint64_t>(1, group.attempts))) +
         " each, not counting the round trips." + words.example;
}

}  // namespace

const Detector slow_server = {
    .kind = FindingKind::slow_server,
    .severity = Severity::notice,
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "The time between a client's requests and the server's answers went by beyond the last point, and was not that "
                 "of the way there and back, or the server began to answer and then held the rest back.",
        .needs = "A TCP connection seen from its beginning to its end, with at least {slow_server_turns} turns, of which each "
                 "took {slow_server_mean} more than the round trip to the server on the average, and not one alone; the longest "
                 "not more than {slow_server_longest}. Or answers that are all of the same size, of which a quarter or more was "
                 "on its way at once, and that took eight times longer than the round trips explain: then the server is not "
                 "accused by name, for a device beyond the point may shape its traffic.",
        .errs =
            "A server that waits for something to happen before it answers (a long poll, a chat) is not slow. Of protocols in "
            "which the server need not answer, what it says next is taken for the answer.",
        .next =
            "Look at the server's load and at what those requests ask for. The shares say what the network has to do with it."}};

}  // namespace parallax::detect
