// Messages that legs have shown, by what they say, each to be found once.
//
// One thread. Entries age out in packet time and by a bound, the oldest first. A message may be shown under several keys: once it
// has been taken under one, no other finds it. Keys are keyed hashes: nobody outside can choose those that collide.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "analysis/event/events.h"

namespace parallax {

class MessageIndex {
 public:
  static constexpr size_t kEntriesMax = 1 << 18;
  static constexpr size_t kCandidatesMax = 16;  // of a point, the newest
  static constexpr size_t kLookedAtMax = 256;   // of a key, the newest, whatever their point
  static constexpr int64_t kWindowNs = 10'000'000'000;

  struct Message {
    uint64_t number = 0;
    uint64_t leg_id = 0;  // LegId::value()
    int64_t order_ns = 0;
    uint32_t stamp_uncertainty_ns = 0;
    uint32_t seq = 0;  // TCP
    PointIndex point = 0;
    bool taken = false;
    bool named = false;  // it names its client, by whom alone it is looked for
  };
  struct Candidates {
    std::vector<Message> messages;  // the newest first, at most kCandidatesMax
    size_t others = 0;              // older ones, or beyond kLookedAtMax
  };

  // Its number is given. REQUIRES: `order_ns` never goes back.
  void add(std::span<const uint64_t> keys, const Message& message);
  void expire(int64_t now_ns);
  // That were shown at `point` and not taken.
  Candidates find(uint64_t key, PointIndex point) const;
  // How many a second `point` shows under the key, taken or not, of late. Of those that are looked for by more than a name.
  double rate(uint64_t key, PointIndex point, int64_t now_ns) const;
  // How many a second of them nobody takes.
  double rate_of_untaken(uint64_t key, PointIndex point) const {
    const Candidates untaken = find(key, point);
    return static_cast<double>(untaken.messages.size() + untaken.others) / (static_cast<double>(kWindowNs) * 1e-9);
  }
  void take(uint64_t number);
  uint64_t evicted() const { return evicted_; }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};
  struct Entry {
    uint64_t key;
    uint64_t message;   // number
    uint64_t previous;  // number of the entry before it in its chain
  };
  struct Chain {
    uint64_t newest = kNone;
    size_t size = 0;
  };
  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }
  };
  void forget_oldest();
  const Message& message(uint64_t number) const { return messages_[number - first_message_]; }

  // Numbered for ever: entry n is entries_[n - first_entry_].
  std::deque<Entry> entries_;
  std::deque<Message> messages_;
  uint64_t first_entry_ = 0, first_message_ = 0;
  absl::flat_hash_map<uint64_t, Chain, SameHash> chains_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
