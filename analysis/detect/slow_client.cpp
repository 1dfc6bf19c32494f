// A client that lets the server wait: a program that fetches much and takes its time between one request and the next.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/turn_times.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Turns with so much data each are a program's and not a person's; who takes longer than that between them has nothing to ask
// for.
constexpr uint64_t kBytesOfTurn = 4096;
constexpr int64_t kMeanMostNs = 2'000'000'000, kTimesOther = 9;

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return c.told.contains(FindingKind::slow_client) ? kTimeMax : turn_times_due_ns(c, view);
}

// Nearly all the time: nine times what the server and the ways took and the data itself.
bool is_slow(const TurnTimes& times, const Thresholds& limits) {
  const LegSummary& leg = times.first->summary;
  const int64_t client_ns = times.parts.client_ns, turns = times.turns();
  const int64_t other_ns =
      times.network_ns() + times.parts.server_ns + leg.times.transfer_ns[Side::client] + leg.times.transfer_ns[Side::server];
  return times.turns() >= limits.slow_client_turns &&
         leg.bytes[Side::client] + leg.bytes[Side::server] >= kBytesOfTurn * times.turns() &&
         client_ns >= limits.slow_client_mean_ns * turns && client_ns <= kMeanMostNs * turns &&
         client_ns >= kTimesOther * other_ns && leg.times.wait_max_ns[Side::client] <= limits.slow_client_longest_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!c.told.insert(FindingKind::slow_client)) return;
  const auto times = turn_times_of(c, view);
  if (!times || times->asks_for_few_at_a_time() || !is_slow(*times, view.thresholds)) return;
  Observation o = turn_times_observation(c, *times, FindingKind::slow_client, times->parts.client_ns, view);
  o.where = beyond(times->first->point);
  o.origin = Origin::client;
  o.direction = FindingDirection::client_to_server;
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const double lost = group.record.time_lost_seconds.value_or(0);
  return "The client beyond " + words.first + " of " + words.connections + " kept the server waiting: " + seconds_of(lost) +
         " over " + plural(group.attempts, "turn") + ", " +
         seconds_of(lost / static_cast<double>(std::max<uint64_t>(1, group.attempts))) +
         " before each request, not counting the round trips." + words.example;
}

}  // namespace

const Detector slow_client = {
    .kind = FindingKind::slow_client,
    .severity = Severity::notice,
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A program at the client's end fetched or sent much data request by request, and most of the time went by while "
                 "it had an answer and had not asked for the next thing yet.",
        .needs = "A TCP connection seen from its beginning to its end, with at least {slow_client_turns} turns and 4 KiB for "
                 "each on the average; {slow_client_mean} to 2 s between an answer's end and the next request beside the round "
                 "trip to the client, and none of more than {slow_client_longest}; nine times as much in all as everything else "
                 "took.",
        .errs = "A program that is meant to pace itself (a player, a backup with a limit) is not at fault.",
        .next = "Look at what the client does with what it gets: its disk, its processor, a scanner that looks at each file."}};

}  // namespace parallax::detect
