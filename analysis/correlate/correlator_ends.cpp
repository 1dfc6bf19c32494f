// Which connections have ended and are decided: what live is told of each once, as it ends.
#include <algorithm>

#include "analysis/correlate/correlator.h"

namespace parallax {
namespace {

constexpr size_t kLooksAtOnce = 256;
constexpr int64_t kLookAgainNs = 1'000'000'000;
constexpr int64_t kDecidedWithinNs = 60'000'000'000;  // what then is not decided is told as it is

}  // namespace

// Its home has told all, and no detector is going to look at it.
bool Correlator::is_decided(const Connection& connection, int64_t now_ns) const {
  const int64_t at_last_ns = connection.over_ns + kDecidedWithinNs;
  if (now_ns >= at_last_ns) return true;
  const auto is_open = [](const Crossing& c) { return c.is_followed && !c.is_closed; };
  return connection.check_due_ns >= at_last_ns && std::none_of(connection.crossings.begin(), connection.crossings.end(), is_open);
}

bool Correlator::take_ended(size_t limit, const GiveEnded& give) {
  EndedQueue& ended = store_.ended();
  auto& forgotten = ended.forgotten();
  for (; limit > 0 && !forgotten.empty(); --limit) {
    give(forgotten.front());
    forgotten.pop_front();
  }
  const int64_t now_ns = finished_ ? kTimeMax : links_.correlator_done_ns.load(std::memory_order_relaxed);
  auto& entries = ended.entries();
  size_t looks = 0;
  for (; limit > 0 && looks < kLooksAtOnce && !entries.empty() && entries.front().look_ns <= now_ns; ++looks) {
    const EndedQueue::Entry entry = entries.front();
    entries.pop_front();
    Connection* const connection = store_.find(entry.connection_id);
    if (connection == nullptr || !connection->awaits_taking) continue;  // part of another by now, or told when it was forgotten
    if (connection->legs_over != connection->legs.size()) {
      connection->awaits_taking = false;  // another leg has joined it, with whose end it comes again
    } else if (is_decided(*connection, now_ns)) {
      give(*connection);
      connection->awaits_taking = false;
      connection->was_taken = true;
      --limit;
    } else {
      entries.push_back({entry.connection_id, now_ns + kLookAgainNs});
    }
  }
  return !forgotten.empty() || (!entries.empty() && entries.front().look_ns <= now_ns);
}

}  // namespace parallax
