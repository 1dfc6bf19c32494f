// The captured requests that an access log may tell of, and which of its entries each may be: the same method, target and status
// at a time that fits, asked by a client that the entry names.
//
// Made at the end of the analysis, when every request has its answer. One thread; the store must not change while it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/model/access_log.h"

namespace parallax {

struct LoggedRequest {
  uint64_t leg_id = 0;  // LegId::value()
  size_t index = 0;     // of the leg's requests
  PointIndex point = 0;
  int64_t asked_ns = 0, answered_ns = 0;  // the latter: the head of the answer
  int64_t over_ns = 0;                    // not later than this was the answer at its end
};

// Entries by what was asked, in the order of time.
class AccessLogIndex {
 public:
  struct Alike {
    std::vector<size_t> entries;  // numbers
    int64_t widest_ns = 0;        // the longest time that one of them spans
    bool has_long = false;        // an answer of one of them may have taken longer than its head
  };
  explicit AccessLogIndex(const AccessLog& log);
  // Every entry that says the same, whatever its time; null: none.
  const Alike* find(const RecognisedRequest& request) const;

 private:
  std::unordered_map<std::string, Alike> alike_;
};

// Clocks that are kept in step differ by less.
inline constexpr int64_t kLogSlackNs = 100'000'000;

// By how much the log's clock may be ahead, to the nanosecond, for the entry to be that request: from first to second.
std::pair<int64_t, int64_t> log_offsets(const AccessLogEntry& entry, const LoggedRequest& request);
// The request that the recogniser has kept may be cut.
bool says_the_same(const AccessLogEntry& entry, const RecognisedRequest& request);

// By how much the log's clock is ahead of the packets', from entries that fit one request alone, whatever the time. `known`:
// three or more, and four in five of them agree. Where many do, they tell how exact it is, too.
struct LogClock {
  bool known = false;
  int64_t offset_ns = 0;
  int64_t slack_ns = kLogSlackNs;
};
LogClock log_clock(const std::vector<std::pair<int64_t, int64_t>>& offsets);

}  // namespace parallax
