#include "analysis/correlate/access_log_requests.h"

#include <algorithm>

#include "analysis/event/recognition.h"

namespace parallax {
namespace {

constexpr size_t kKeyTarget = 128;  // bytes of the target
// An answer of more may take longer than its head.
constexpr uint64_t kLongAnswer = 64 << 10;

std::string key_of(std::string_view method, uint16_t status, std::string_view target) {
  std::string key(method);
  key += ' ' + std::to_string(status) + ' ';
  return key += target.substr(0, kKeyTarget);
}

}  // namespace

AccessLogIndex::AccessLogIndex(const AccessLog& log) {
  for (size_t i = 0; i < log.entries.size(); ++i) {
    const AccessLogEntry& entry = log.entries[i];
    Alike& alike = alike_[key_of(entry.method, entry.status, entry.target)];
    alike.entries.push_back(i);
    alike.widest_ns = std::max(alike.widest_ns, entry.to_ns - entry.from_ns);
    alike.has_long |= entry.bytes > kLongAnswer;
  }
  for (auto& [key, alike] : alike_) {
    std::stable_sort(alike.entries.begin(), alike.entries.end(),
                     [&](size_t a, size_t b) { return log.entries[a].from_ns < log.entries[b].from_ns; });
  }
}

// What a recogniser has cut is longer than what the key takes of it, but where the other texts have left no room: then there is
// none.
const AccessLogIndex::Alike* AccessLogIndex::find(const RecognisedRequest& request) const {
  const auto found = alike_.find(key_of(request.method, request.status, request.target));
  return found == alike_.end() ? nullptr : &found->second;
}

bool says_the_same(const AccessLogEntry& entry, const RecognisedRequest& request) {
  if (entry.method != request.method || entry.status != request.status) return false;
  if (entry.target == request.target) return true;
  const size_t kept = request.method.size() + request.host.size() + request.forwarded_for.size() + request.forwarded.size() +
                      request.target.size();
  return kept == sizeof(RecognitionEvent::bytes) && entry.target.starts_with(request.target);
}

// Some logs give the time of the request, some that of the answer's end; either is within what was captured of the two.
std::pair<int64_t, int64_t> log_offsets(const AccessLogEntry& entry, const LoggedRequest& request) {
  const int64_t end_ns = entry.bytes > kLongAnswer ? std::max(request.over_ns, request.answered_ns) : request.answered_ns;
  return {entry.from_ns - end_ns, entry.to_ns - request.asked_ns};
}

namespace {

using Offsets = std::vector<std::pair<int64_t, int64_t>>;

// The offset that the most of them allow, each give or take `slack_ns`.
LogClock most_allowed(const Offsets& offsets, int64_t slack_ns) {
  std::vector<std::pair<int64_t, int>> edges;
  size_t at_zero = 0;
  for (const auto& [first, last] : offsets) {
    edges.emplace_back(first - slack_ns, 0);
    edges.emplace_back(last + slack_ns, 1);
    at_zero += first - slack_ns <= 0 && last + slack_ns >= 0;
  }
  std::sort(edges.begin(), edges.end());
  size_t open = 0, most = 0;
  LogClock clock;
  for (size_t i = 0; i < edges.size(); ++i) {
    if (edges[i].second == 1) {
      --open;
    } else if (++open > most) {
      most = open;
      clock.offset_ns = edges[i].first + (edges[i + 1].first - edges[i].first) / 2;  // an end follows
    }
  }
  clock.known = 5 * most >= 4 * offsets.size();
  if (at_zero == most || !clock.known) clock.offset_ns = 0;
  return clock;
}

}  // namespace

LogClock log_clock(const Offsets& given) {
  constexpr size_t kLeast = 3, kTellExactness = 10;
  constexpr int64_t kFarthestNs = int64_t{1} << 58;  // nine years: a clock that is as wrong is none
  constexpr int64_t kExactNs = 2'000'000;
  Offsets offsets;
  for (const auto& [first, last] : given) {
    if (first > -kFarthestNs && last < kFarthestNs) offsets.emplace_back(first, last);
  }
  if (offsets.size() < kLeast || 5 * offsets.size() < 4 * given.size()) return {};
  LogClock clock = most_allowed(offsets, 0);
  if (!clock.known) clock = most_allowed(offsets, kLogSlackNs);
  if (!clock.known || offsets.size() < kTellExactness) return clock;
  int64_t widest_ns = 0;  // by which those that agree miss it
  for (const auto& [first, last] : offsets) {
    const int64_t miss_ns = std::max({first - clock.offset_ns, clock.offset_ns - last, int64_t{0}});
    if (miss_ns <= kLogSlackNs) widest_ns = std::max(widest_ns, miss_ns);
  }
  clock.slack_ns = std::clamp(2 * widest_ns, kExactNs, kLogSlackNs);
  return clock;
}

}  // namespace parallax
