// Finds the legs at neighbouring points that may belong to a leg which has just opened.
//
// Two indexes over openings: by five-tuple (nothing rewritten) and by initial sequence number (a NAT keeps it). Entries age out
// in packet time. One thread. A candidate is scored by what agrees; a wrong pairing is worse than none.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/connection/connection.h"

namespace parallax {

class PairingIndex {
 public:
  static constexpr size_t kEntriesMax = 1 << 20;                  // of each kind; the oldest go first, counted
  static constexpr int64_t kOpeningWindowNs = 10'000'000'000;     // two openings of one connection are not further apart
  static constexpr int64_t kMidstreamWindowNs = 300'000'000'000;  // without an opening the first packets may be

  void add(const LegState& leg, int64_t now_ns);
  void expire(int64_t now_ns);

  // Legs (LegId::value()) that may have the same five-tuple, or the same initial sequence number, in the order in which they
  // came.
  std::vector<uint64_t> by_five_tuple(const LegState& leg) const;
  std::vector<uint64_t> by_sequence(const LegState& leg) const;
  uint64_t evicted() const { return evicted_; }

 private:
  struct Entry {
    int64_t until_ns;
    uint64_t key;
    uint64_t leg_id;
  };
  static uint64_t tuple_key(const LegState& leg);
  static uint64_t sequence_key(const LegState& leg) { return 1ull << 63 | leg.client_isn; }
  std::vector<uint64_t> find(uint64_t key) const;
  void insert(uint64_t key, uint64_t leg_id, int64_t until_ns, bool midstream);

  void forget_oldest(std::deque<Entry>& entries);

  std::unordered_map<uint64_t, std::vector<uint64_t>> legs_;
  std::deque<Entry> entries_, midstream_entries_;  // each in order of age
  uint64_t evicted_ = 0;
};

}  // namespace parallax
