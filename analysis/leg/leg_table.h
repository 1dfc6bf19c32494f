// The legs of one analysis worker: a hash table with lists for expiry and eviction, of fixed capacity live, growing offline.
//
// Owned and used by one thread. Memory is taken in the constructor, and where it may grow when it is full. Buckets are one cache
// line of seven (tag, index) pairs; an entry that does not fit into its home bucket goes into one of the next kReach, and the
// home counts it, so that a look-up goes on only where it must. Slots of erased legs are reused with a new generation.
#pragma once

#include <emmintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/leg/leg.h"
#include "capture/core/large_table.h"

namespace parallax {

// Lists in order of age, oldest first: what can be evicted first comes first.
enum class LegList : uint8_t { free_slot, closed, half_open, open, count };

class LegTable {
 public:
  explicit LegTable(size_t capacity, bool may_grow = false);

  // Slots there are: indexes are below.
  size_t capacity() const { return near_.size(); }
  size_t size() const { return size_; }
  size_t size(LegList list) const { return lists_[static_cast<size_t>(list)].size; }

  // Three steps, so that a burst overlaps its cache misses: prefetch the bucket, then guess (and prefetch the leg), then find.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[bucket_of(hash)]); }
  // The first leg with that tag in the home bucket, or kNone; match() tells whether it is the one.
  uint32_t guess(uint64_t hash) const {
    const Bucket& bucket = buckets_[bucket_of(hash)];
    const uint32_t places = bucket.with_tag(tag_of(hash));
    if (places == 0) return kNone;
    const uint32_t index = bucket.indices[static_cast<size_t>(std::countr_zero(places))];
    if (index == kNone) return kNone;
    __builtin_prefetch(&near_[index].hot, 1);
    __builtin_prefetch(&near_[index].identity);
    return index;
  }
  // Whether `index` (kNone allowed) is still the leg of `s`, and how.
  KeyMatch match(uint32_t index, const Sighting& s) const {
    return index != kNone && live(index) ? parallax::match(near_[index].identity.key, s) : KeyMatch::none;
  }
  // Index of the leg, or kNone.
  uint32_t find(uint64_t hash, const LegKey& key) const;

  // A new leg in `list`, its hot and cold parts zeroed. kNone: no slot, or no room near its bucket (evict and retry); where the
  // table may grow only if dozens of legs have one hash. References to legs do not hold beyond it then. REQUIRES:
  // find(leg_hash(flow_hash, key.point), key) == kNone.
  uint32_t insert(uint32_t flow_hash, const LegKey& key, LegList list);
  void erase(uint32_t index);

  // To the young end of `list`.
  void move_to(uint32_t index, LegList list);
  // Oldest of the list, kNone if empty. `open` is in order of opening, not of use.
  uint32_t oldest(LegList list) const { return lists_[static_cast<size_t>(list)].head; }
  // What to evict for a leg that hashes to `hash`, so that insert() succeeds: see the rule in the .cpp.
  uint32_t victim(uint64_t hash) const;

  bool live(uint32_t index) const { return near_[index].identity.list != 0; }
  LegHot& hot(uint32_t index) { return near_[index].hot; }
  const LegHot& hot(uint32_t index) const { return near_[index].hot; }
  LegCold& cold(uint32_t index) { return cold_[index]; }
  const LegCold& cold(uint32_t index) const { return cold_[index]; }
  const LegKey& key(uint32_t index) const { return near_[index].identity.key; }
  uint32_t& flow(uint32_t index) { return near_[index].identity.flow; }
  uint32_t flow(uint32_t index) const { return near_[index].identity.flow; }
  uint32_t generation(uint32_t index) const { return near_[index].identity.generation; }

 private:
  static constexpr size_t kEntries = 7;
  static constexpr size_t kReach = 8;  // buckets looked at after the home bucket
  // Tags side by side, so that all are compared at once: which place holds a leg is chance, and a loop that stops there
  // mispredicts.
  struct alignas(64) Bucket {
    std::array<uint32_t, kEntries + 1> tags{};  // one more than there are, for two loads of four
    std::array<uint32_t, kEntries> indices;     // kNone: empty
    uint32_t displaced = 0;                     // entries whose home this is but which stand further on
    Bucket() { indices.fill(kNone); }

    // Bit i: place i has that tag; it may be empty.
    uint32_t with_tag(uint32_t tag) const {
      const __m128i wanted = _mm_set1_epi32(static_cast<int>(tag));
      const auto* at = reinterpret_cast<const __m128i*>(tags.data());
      const __m128i low = _mm_cmpeq_epi32(_mm_load_si128(at), wanted), high = _mm_cmpeq_epi32(_mm_load_si128(at + 1), wanted);
      const int bits = _mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128()));
      return static_cast<uint32_t>(bits) & ((1u << kEntries) - 1);
    }
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
  void add_slots(size_t count);
  void make_buckets(size_t count);
  bool place(uint32_t index);

  const bool may_grow_;
  int shift_;
  LargeTable<Bucket> buckets_;
  // Side by side, since each packet needs both: one page less to look up (3 to 5 % of the pipeline with 100 k and 1 M
  // connections).
  struct alignas(128) Near {
    LegHot hot;
    LegIdentity identity;
  };
  LargeTable<Near> near_;
  LargeTable<LegCold> cold_;
  std::vector<uint32_t> free_;
  List lists_[static_cast<size_t>(LegList::count)];
  size_t size_ = 0;
};

}  // namespace parallax
