// What is learned, bounded: when the table is full, what was longest not used goes, and is counted. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <utility>

namespace parallax {

template <typename Key, typename Value, typename Hash>
class LruTable {
 public:
  explicit LruTable(size_t capacity) : capacity_(capacity) {}

  // The value of the key, a new one if there is none; it is now the one used last.
  Value& use(const Key& key) {
    if (const auto it = index_.find(key); it != index_.end()) {
      entries_.splice(entries_.begin(), entries_, it->second);
      return it->second->second;
    }
    if (entries_.size() >= capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
      ++evicted_;
    }
    entries_.emplace_front(key, Value{});
    index_.emplace(key, entries_.begin());
    return entries_.front().second;
  }
  void erase(const Key& key) {
    const auto it = index_.find(key);
    if (it == index_.end()) return;
    entries_.erase(it->second);
    index_.erase(it);
  }
  // Null: not known (any more). A look does not count as use, so that asking changes nothing.
  const Value* find(const Key& key) const {
    const auto it = index_.find(key);
    return it == index_.end() ? nullptr : &it->second->second;
  }

  // Most recently used first.
  const std::list<std::pair<Key, Value>>& entries() const { return entries_; }
  uint64_t evicted() const { return evicted_; }

 private:
  using Entries = std::list<std::pair<Key, Value>>;
  const size_t capacity_;
  Entries entries_;
  absl::flat_hash_map<Key, typename Entries::iterator, Hash> index_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
