#include "analysis/leg/leg_table.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace parallax {

// At most four legs a bucket of seven on average: displacement is rare and short.
constexpr size_t kLegsPerBucket = 4;
// What more buckets than that do not part has one hash.
constexpr size_t kBucketsPerSlotMax = 4;

// Grown by so many at a time, so that few of those that memory is taken for are not used.
constexpr size_t kSlotsMore = 4096;

LegTable::LegTable(size_t capacity, bool may_grow) : may_grow_(may_grow) {
  if (may_grow) reserve_room(near_), reserve_room(cold_);
  add_slots(capacity);
  make_buckets(std::bit_ceil(std::max<size_t>(16, capacity / kLegsPerBucket)));
}

void LegTable::add_slots(size_t count) {
  const size_t begin = near_.size();
  near_.resize(begin + count);
  cold_.resize(begin + count);
  free_.reserve(begin + count);
  for (size_t i = begin + count; i-- > begin;) free_.push_back(static_cast<uint32_t>(i));
}

// Empty ones, into which all legs go. Where one finds no place, twice as many. REQUIRES: count is a power of two.
void LegTable::make_buckets(size_t count) {
  for (bool all_placed = false; !all_placed; count *= 2) {
    shift_ = 64 - std::countr_zero(count);
    buckets_.clear();
    buckets_.resize(count + kReach);  // the last home bucket has its reach too
    all_placed = true;
    for (uint32_t index = 0; size_ > 0 && index < near_.size() && all_placed; ++index) all_placed = !live(index) || place(index);
  }
}

// Into the first free place that its hash allows; false: there is none.
bool LegTable::place(uint32_t index) {
  const LegIdentity& identity = near_[index].identity;
  const uint64_t hash = leg_hash(identity.flow_hash, identity.key.point);
  const size_t home = bucket_of(hash);
  for (size_t b = home; b <= home + kReach; ++b) {
    for (size_t place = 0; place < kEntries; ++place) {
      if (buckets_[b].indices[place] != kNone) continue;
      buckets_[b].tags[place] = tag_of(hash);
      buckets_[b].indices[place] = index;
      if (b != home) ++buckets_[home].displaced;
      return true;
    }
  }
  return false;
}

uint32_t LegTable::find(uint64_t hash, const LegKey& key) const {
  const size_t home = bucket_of(hash);
  const uint32_t tag = tag_of(hash);
  const size_t last = home + (buckets_[home].displaced > 0 ? kReach : 0);
  for (size_t b = home; b <= last; ++b) {
    const Bucket& bucket = buckets_[b];
    for (uint32_t places = bucket.with_tag(tag); places != 0; places &= places - 1) {
      const uint32_t index = bucket.indices[static_cast<size_t>(std::countr_zero(places))];
      if (index != kNone && near_[index].identity.key == key) return index;
    }
  }
  return kNone;
}

uint32_t LegTable::insert(uint32_t flow_hash, const LegKey& key, LegList list) {
  if (free_.empty() && may_grow_) {
    add_slots(std::min(near_.size(), kSlotsMore));
    if (near_.size() > buckets_.size() * kLegsPerBucket) make_buckets(2 * (buckets_.size() - kReach));
  }
  if (free_.empty()) return kNone;
  const uint32_t index = free_.back();
  LegIdentity& identity = near_[index].identity;
  identity.key = key;
  identity.flow_hash = flow_hash;
  while (!place(index)) {
    if (!may_grow_ || buckets_.size() > kBucketsPerSlotMax * near_.size()) return kNone;
    make_buckets(2 * (buckets_.size() - kReach));
  }
  free_.pop_back();
  near_[index].hot = {};
  cold_[index] = {};
  identity.flow = kNone;
  identity.generation = identity.generation + 1;
  link(index, list);
  ++size_;
  return index;
}

void LegTable::erase(uint32_t index) {
  const LegIdentity& identity = near_[index].identity;
  const size_t home = bucket_of(leg_hash(identity.flow_hash, identity.key.point));
  for (size_t b = home; b <= home + kReach; ++b) {
    for (uint32_t& entry : buckets_[b].indices) {
      if (entry != index) continue;
      entry = kNone;
      if (b != home) --buckets_[home].displaced;
      unlink(index);
      near_[index].identity.list = static_cast<uint8_t>(LegList::free_slot);
      free_.push_back(index);
      --size_;
      return;
    }
  }
}

void LegTable::link(uint32_t index, LegList list) {
  List& to = lists_[static_cast<size_t>(list)];
  near_[index].identity.link = {to.tail, kNone};
  (to.tail == kNone ? to.head : near_[to.tail].identity.link.next) = index;
  to.tail = index;
  ++to.size;
  near_[index].identity.list = static_cast<uint8_t>(list);
}

void LegTable::unlink(uint32_t index) {
  List& from = lists_[near_[index].identity.list];
  const auto [previous, next] = near_[index].identity.link;
  (previous == kNone ? from.head : near_[previous].identity.link.next) = next;
  (next == kNone ? from.tail : near_[next].identity.link.previous) = previous;
  --from.size;
}

void LegTable::move_to(uint32_t index, LegList list) {
  unlink(index);
  link(index, list);
}

// The rule at the bound: with slots left it is the neighbourhood that is full, so something there must go, in the order of the
// lists (closed, half-open, open) and of those the longest idle; otherwise the oldest closed leg, else the oldest half-open one,
// else the longest idle of the 64 that opened first.
uint32_t LegTable::victim(uint64_t hash) const {
  if (!free_.empty()) {
    const size_t home = bucket_of(hash);
    uint32_t first = kNone;
    const auto rank = [this](uint32_t index) { return std::pair(near_[index].identity.list + 0, near_[index].hot.last_ns); };
    for (size_t b = home; b <= home + kReach; ++b) {
      for (const uint32_t entry : buckets_[b].indices) {
        if (entry != kNone && (first == kNone || rank(entry) < rank(first))) first = entry;
      }
    }
    return first;
  }
  if (oldest(LegList::closed) != kNone) return oldest(LegList::closed);
  if (oldest(LegList::half_open) != kNone) return oldest(LegList::half_open);
  uint32_t idlest = oldest(LegList::open), candidate = idlest;
  for (int i = 0; i < 64 && candidate != kNone; ++i, candidate = near_[candidate].identity.link.next) {
    if (near_[candidate].hot.last_ns < near_[idlest].hot.last_ns) idlest = candidate;
  }
  return idlest;
}

}  // namespace parallax
