// Packets of pairs that wait for their other sighting: queues, oldest first, in one pool.
//
// Owned by the pair table, one thread. Live, memory is taken at the start and append() refuses; offline the pool grows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analysis/event/events.h"
#include "capture/core/large_table.h"

namespace parallax {

struct Pending {
  int64_t order_ns, time_ns;
  uint32_t seq, ack, length;
  uint32_t frame;
  uint32_t stamp_uncertainty_ns;
  uint32_t next;
  PortIndex port;
  uint16_t ip_id;
  uint16_t checksum, window;  // as of PairSighting
  uint8_t tcp_flags, ttl;
  bool data : 1;
  bool zero_window : 1;
  bool covered : 1;       // another copy of these bytes was seen leaving since
  bool acknowledged : 1;  // when it entered, its receiver had it already
  bool again : 1;         // what it says had left before
  bool repeats : 1;       // its sender sends again: bytes that had entered before, or after it these, or such before them
  bool checksum_fits : 1;
  bool is_next : 1;        // by its IP ID it is what its sender sent after what had left before
  bool is_cut : 1;         // a part of it has left, in a packet of its own: this is the rest
  bool may_have_left : 1;  // what left was taken for another packet shown twice, and nothing tells that it was not this one
  uint32_t covered_us;     // how long after it had entered the first of those copies left; 0: none has

  // Sighting, PairSighting.
  template <typename Packet>
  explicit Pending(const Packet& s)
      : order_ns(s.order_ns),
        time_ns(s.time_ns),
        seq(s.seq),
        ack(s.ack),
        length(s.payload_length),
        frame(s.frame),
        stamp_uncertainty_ns(s.stamp_uncertainty_ns),
        next(kNone),
        port(s.port),
        ip_id(s.ip_id),
        checksum(comparable_checksum(s)),
        window(s.window),
        tcp_flags(s.tcp_flags),
        ttl(s.ttl),
        data(s.payload_length > 0),
        zero_window(s.window == 0),
        covered(false),
        acknowledged(false),
        again(false),
        repeats(false),
        checksum_fits(parallax::checksum_fits(s)),
        is_next(false),
        is_cut(false),
        may_have_left(false),
        covered_us(0) {}
  Pending() = default;

  void cover_by(int64_t left_ns) {
    if (!covered) covered_us = static_cast<uint32_t>(std::clamp<int64_t>((left_ns - time_ns) / 1000, 1, UINT32_MAX));
    covered = true;
  }
  bool has(uint8_t flags) const { return (tcp_flags & flags) != 0; }
  // The sequence number after it; of a packet that takes none, what it would be if it took one: a keep-alive is below, as
  // what it repeats.
  uint32_t end() const {
    const uint32_t taken = length + (has(tcp_flag::fin) ? 1 : 0) + (has(tcp_flag::syn) ? 1 : 0);
    return seq + (taken > 0 ? taken : 1);
  }
};
static_assert(sizeof(Pending) == 56);

struct PacketQueue {
  uint32_t head = kNone, tail = kNone, size = 0;
};

class PacketPool {
 public:
  PacketPool(size_t capacity, bool may_grow) : may_grow_(may_grow) {
    if (may_grow) reserve_room(nodes_);
    nodes_.resize(capacity);
    for (size_t i = nodes_.size(); i-- > 0;) release(static_cast<uint32_t>(i));
  }

  Pending& operator[](uint32_t node) { return nodes_[node]; }
  const Pending& operator[](uint32_t node) const { return nodes_[node]; }

  bool has_room_for_two() const { return may_grow_ || (free_ != kNone && nodes_[free_].next != kNone); }
  // False: no room.
  bool append(PacketQueue& queue, const Pending& p) {
    if (free_ == kNone) {
      if (!may_grow_) return false;
      nodes_.push_back({});
      release(static_cast<uint32_t>(nodes_.size() - 1));
    }
    const uint32_t node = free_;
    free_ = nodes_[node].next;
    nodes_[node] = p;
    nodes_[node].next = kNone;
    (queue.tail == kNone ? queue.head : nodes_[queue.tail].next) = node;
    queue.tail = node;
    ++queue.size;
    return true;
  }
  // Takes out what comes after `previous` (kNone: the head).
  Pending remove(PacketQueue& queue, uint32_t previous, uint32_t node) {
    const Pending taken = nodes_[node];
    (previous == kNone ? queue.head : nodes_[previous].next) = taken.next;
    if (queue.tail == node) queue.tail = previous;
    --queue.size;
    release(node);
    return taken;
  }
  Pending pop(PacketQueue& queue) { return remove(queue, kNone, queue.head); }

 private:
  void release(uint32_t node) {
    nodes_[node].next = free_;
    free_ = node;
  }
  const bool may_grow_;
  LargeTable<Pending> nodes_;
  uint32_t free_ = kNone;
};

}  // namespace parallax
