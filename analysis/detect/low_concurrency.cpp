// A client that fetches blocks a few at a time, and waits for them before it asks for the next, where many would be on their way
// at once.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/turn_times.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

int64_t due_ns(const Connection& c, const DetectorView& view) {
  return c.told.contains(FindingKind::low_concurrency) ? kTimeMax : turn_times_due_ns(c, view);
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!c.told.insert(FindingKind::low_concurrency)) return;
  const auto times = turn_times_of(c, view);
  if (!times || !times->asks_for_few_at_a_time()) return;
  Observation o = turn_times_observation(c, *times, FindingKind::low_concurrency, times->waited_ns(), view);
  o.where = beyond(times->first->point);
  o.origin = Origin::client;
  o.direction = FindingDirection::client_to_server;
  // As many as it takes that the first is there when the last has been asked for.
  const int64_t transfer_ns = std::max<int64_t>(1, times->transfer_ns());
  const auto would_fit = static_cast<uint64_t>(times->at_a_time() * (times->waited_ns() + transfer_ns) / transfer_ns);
  o.remark = "it asked for at most " + plural(times->at_a_time(), "block") + " of " + std::to_string(times->block_bytes()) +
             " bytes at a time; " + std::to_string(would_fit) + " would fit.";
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const double lost = group.record.time_lost_seconds.value_or(0);
  return "The client beyond " + words.first + " asked for too little at a time on " + words.connections + ": " +
         seconds_of(lost) + " of idle path over " + plural(group.attempts, "turn") + "." + words.example;
}

}  // namespace

const Detector low_concurrency = {
    .kind = FindingKind::low_concurrency,
    .severity = Severity::notice,
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A client fetched data in blocks of one size, few of them at a time, and more than half of the time went by while "
            "none was on its way: in round trips, or until it asked again.",
        .needs =
            "A TCP connection seen from its beginning to its end; at least 6 turns whose answers are of one size, 16 KiB or "
            "more for each block, asked for by not more than 4 requests of 1 KiB at a time; 0.25 s of waiting in all, and not "
            "more than 0.5 s for each turn; less than half of it the server's.",
        .errs = "A program may pace itself on purpose.",
        .next = "Have the client ask for more at once or for larger blocks (read-ahead, more requests outstanding, a larger "
                "buffer): copying the same file with another program shows what the way can do."}};

}  // namespace parallax::detect
