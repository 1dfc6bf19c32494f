// Live: connections that have ended, until somebody has taken them; and of those that had to make room before, what was known.
//
// The store's, one thread. Bounded: a connection waits once, and is in the store as long as it does; of the forgotten
// kForgottenMax wait, what is beyond is counted. Without a taker (EngineOptions::tells_ends, Engine::tell_ends) it stays
// empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "analysis/connection/connection.h"

namespace parallax {

class EndedQueue {
 public:
  static constexpr size_t kForgottenMax = 4096;
  struct Entry {
    uint64_t connection_id;
    int64_t look_ns;  // from then on all of it may be decided
  };

  void add(Connection& connection, int64_t look_ns) {
    if (std::exchange(connection.awaits_taking, true)) return;
    entries_.push_back({connection.id, look_ns});
  }
  // It makes room for others.
  void add_forgotten(Connection connection) {
    if (forgotten_.size() < kForgottenMax) {
      forgotten_.push_back(std::move(connection));
    } else {
      ++not_kept_;
    }
  }
  // Entries of connections that are gone; they stay in line, where that is long only until now and then.
  template <typename IsKnown>
  void sweep(size_t known, IsKnown&& is_known) {
    constexpr size_t kSlack = 4096;
    if (entries_.size() < 2 * known + kSlack) return;
    std::erase_if(entries_, [&](const Entry& entry) { return !is_known(entry.connection_id); });
  }

  std::deque<Entry>& entries() { return entries_; }
  std::deque<Connection>& forgotten() { return forgotten_; }
  uint64_t take_not_kept() { return std::exchange(not_kept_, 0); }

 private:
  std::deque<Entry> entries_;
  std::deque<Connection> forgotten_;
  uint64_t not_kept_ = 0;
};

}  // namespace parallax
