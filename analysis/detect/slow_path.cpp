// A way that is long for how often it is gone: neither end is slow, but each waits a round trip for the other, turn after turn.
#include <algorithm>
#include <array>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/turn_times.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Of all the time from the first data to the last.
constexpr int64_t kShareOf = 5, kShare = 3;

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return c.told.contains(FindingKind::slow_path) ? kTimeMax : turn_times_due_ns(c, view);
}

bool is_slow(const TurnTimes& times, const Thresholds& limits) {
  const FlowTimesSummary& t = times.first->summary.times;
  const int64_t network_ns = times.network_ns(), transfer_ns = t.transfer_ns[Side::client] + t.transfer_ns[Side::server];
  return times.turns() >= limits.slow_path_turns &&
         network_ns >= std::max(limits.slow_path_total_ns, limits.slow_path_mean_ns * times.turns()) &&
         kShareOf * network_ns >= kShare * (times.waited_ns() + transfer_ns);
}

// The part of the way that took most.
Where longest_part(const TurnTimes& times) {
  const WaitingRecord& p = times.parts;
  if (p.device_ns >= p.before_device_ns && p.device_ns >= p.after_device_ns && times.first != times.last)
    return between(times.first->point, times.last->point);
  return beyond(p.before_device_ns > p.after_device_ns ? times.first->point : times.last->point);
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!c.told.insert(FindingKind::slow_path)) return;
  const auto times = turn_times_of(c, view);
  if (!times || times->asks_for_few_at_a_time() || !is_slow(*times, view.thresholds)) return;
  Observation o = turn_times_observation(c, *times, FindingKind::slow_path, times->network_ns(), view);
  o.where = longest_part(*times);
  o.origin = Origin::path;
  o.direction = FindingDirection::both;
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const double lost = group.record.time_lost_seconds.value_or(0);
  const bool is_between = group.record.where.kind == Where::Kind::between;
  return "Neither end of " + words.connections + " is slow, the path is, mostly " +
         (is_between ? "from " + words.first + " to " + words.second : "beyond " + words.first) + ": " + seconds_of(lost) +
         " over " + plural(group.attempts, "turn") + ", " +
         seconds_of(lost / static_cast<double>(std::max<uint64_t>(1, group.attempts))) + " each." + words.example;
}

}  // namespace

const Detector slow_path = {
    .kind = FindingKind::slow_path,
    .severity = Severity::notice,
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "Client and server both answer at once, and yet each waits for the other: the time went by on the way, once "
                 "for each turn. To the client the server looks slow, to the server the client.",
        .needs = "A TCP connection seen from its beginning to its end, with at least {slow_path_turns} turns, {slow_path_mean} "
                 "of network time for each on the average, {slow_path_total} in all, and three fifths of all the time that the "
                 "connection took. The place is the part of the way that took most; the shares of the others are in the "
                 "sentence.",
        .errs = "What data that was lost before the point and sent again took counts as the network's, up to when it was sent.",
        .next = "Bring the two ends nearer together, or have the application ask for more at once. Between two points it may "
                "be the distance or the device; device_delay tells of that where it takes longer than it mostly does."}};

}  // namespace parallax::detect
