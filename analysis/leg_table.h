// The legs of one analysis worker: a hash table of fixed capacity with lists for expiry and eviction.
//
// Owned and used by one thread. Memory is taken in the constructor and never after. Buckets are one cache line of seven
// (tag, index) pairs; an entry that does not fit into its home bucket goes into one of the next kReach, and the home counts
// it, so that a look-up goes on only where it must. Slots of erased legs are reused with a new generation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/leg.h"

namespace parallax {

// Lists in order of age, oldest first: what can be evicted first comes first.
enum class LegList : uint8_t { free_slot, closed, half_open, open, count };

class LegTable {
 public:
  explicit LegTable(size_t capacity);

  size_t capacity() const { return hot_.size(); }
  size_t size() const { return size_; }
  size_t size(LegList list) const { return lists_[static_cast<size_t>(list)].size; }

  // Three steps, so that a burst overlaps its cache misses: prefetch the bucket, then guess (and prefetch the leg), then find.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[bucket_of(hash)]); }
  // The first leg with that tag in the home bucket, or kNone; holds() tells whether it is the one.
  uint32_t guess(uint64_t hash) const {
    const Bucket& bucket = buckets_[bucket_of(hash)];
    const uint32_t tag = tag_of(hash);
    for (const Entry& entry : bucket.entries) {
      if (entry.tag != tag || entry.index == kNone) continue;
      __builtin_prefetch(&hot_[entry.index], 1);
      __builtin_prefetch(&identity_[entry.index]);
      return entry.index;
    }
    return kNone;
  }
  // Whether `index` (kNone allowed) is still the leg of `key`.
  bool holds(uint32_t index, const LegKey& key) const { return index != kNone && live(index) && identity_[index].key == key; }
  // Index of the leg, or kNone.
  uint32_t find(uint64_t hash, const LegKey& key) const;

  // A new leg in `list`, its hot and cold parts zeroed. kNone: no slot, or no room near its bucket (evict and retry).
  // REQUIRES: find(leg_hash(flow_hash, key.point), key) == kNone.
  uint32_t insert(uint32_t flow_hash, const LegKey& key, LegList list);
  void erase(uint32_t index);

  // To the young end of `list`.
  void move_to(uint32_t index, LegList list);
  // Oldest of the list, kNone if empty. `open` is in order of opening, not of use.
  uint32_t oldest(LegList list) const { return lists_[static_cast<size_t>(list)].head; }
  // What to evict for a leg that hashes to `hash`, so that insert() succeeds: see the rule in the .cpp.
  uint32_t victim(uint64_t hash) const;

  bool live(uint32_t index) const { return identity_[index].list != 0; }
  LegHot& hot(uint32_t index) { return hot_[index]; }
  const LegHot& hot(uint32_t index) const { return hot_[index]; }
  LegCold& cold(uint32_t index) { return cold_[index]; }
  const LegCold& cold(uint32_t index) const { return cold_[index]; }
  const LegKey& key(uint32_t index) const { return identity_[index].key; }
  uint32_t& flow(uint32_t index) { return identity_[index].flow; }
  uint32_t flow(uint32_t index) const { return identity_[index].flow; }
  uint32_t generation(uint32_t index) const { return identity_[index].generation; }

 private:
  static constexpr size_t kEntries = 7;
  static constexpr size_t kReach = 8;  // buckets looked at after the home bucket
  struct Entry {
    uint32_t tag = 0, index = kNone;
  };
  struct alignas(64) Bucket {
    Entry entries[kEntries];
    uint32_t displaced = 0;  // entries whose home this is but which stand further on
    uint32_t padding = 0;
  };
  static_assert(sizeof(Bucket) == 64);
  struct List {
    uint32_t head = kNone, tail = kNone;
    size_t size = 0;
  };

  size_t bucket_of(uint64_t hash) const { return hash >> shift_; }
  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash); }
  void unlink(uint32_t index);
  void link(uint32_t index, LegList list);

  int shift_;
  std::vector<Bucket> buckets_;
  std::vector<LegHot> hot_;
  std::vector<LegIdentity> identity_;
  std::vector<LegCold> cold_;
  std::vector<uint32_t> free_;
  List lists_[static_cast<size_t>(LegList::count)];
  size_t size_ = 0;
};

}  // namespace parallax
