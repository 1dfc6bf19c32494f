// Packets of strangers: legs met in midstream that lack a partner at a neighbouring point, and have no conversation. One of them
// may be a packet that a device seems to have lost, or the origin of one that it seems to have made: it passed the other point
// under another name, because the device did not translate it.
//
// Found by what a translation leaves alone: sequence and acknowledgement number, length, flags and IP ID. Workers tell so many
// packets of such legs (LegEventType::stranger, witness), and then that one goes on: what it has shown since may be any packet
// with numbers near. The correlator's, one thread; bounded, the oldest go first, counted; what is forgotten proves nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <tuple>

#include "analysis/connection/connection_store.h"
#include "analysis/event/events.h"

namespace parallax {

struct Stranger {
  PacketFacts packet;
  Endpoint source, destination;  // as the packet names them
};

class StrangerIndex {
 public:
  static constexpr size_t kPacketsMax = 1 << 16, kGoingOnMax = 1 << 10;

  explicit StrangerIndex(size_t packets = kPacketsMax, size_t going_on = kGoingOnMax)
      : capacity_(packets), going_on_capacity_(going_on) {}

  // REQUIRES: an event of one packet, in the order of time.
  void add(const LegEvent& event);
  // A leg is over, whichever.
  void end(const LegEvent& event);
  // The packet that `event` misses, at the point where it is absent and in the time in which it should have been there; null:
  // none. REQUIRES: every worker has passed event.decided_ns.
  const Stranger* find(const FateEvent& event, int64_t device_timeout_ns) const;
  // Whether a stranger may have shown it there without being told of: one that is no leg of `connection`. REQUIRES: as above.
  bool may_hide(const FateEvent& event, const Connection& connection, const ConnectionStore& store,
                int64_t device_timeout_ns) const;

  uint64_t evicted() const { return evicted_; }

 private:
  // The invariants of a packet, then its time.
  using Key = std::tuple<PointIndex, uint32_t, uint32_t, uint32_t, uint16_t, uint8_t, int64_t>;
  using Packets = std::multimap<Key, Stranger>;
  static Key key_of(const PacketFacts& packet, PointIndex point, int64_t order_ns) {
    return {point, packet.seq, packet.ack, packet.payload_length, packet.ip_id, packet.tcp_flags, order_ns};
  }
  struct GoingOn {
    PacketFacts since;
    int64_t until_ns;
  };
  void note_going_on(const LegEvent& event);
  // What was forgotten, of one kind: at that point, with data or without.
  static std::pair<PointIndex, bool> kind_of(const PacketFacts& packet, PointIndex point) {
    return {point, packet.payload_length > 0};
  }

  const size_t capacity_, going_on_capacity_;
  Packets packets_;
  std::deque<Packets::iterator> by_age_;
  std::map<uint64_t, GoingOn> going_on_;  // by leg
  std::deque<uint64_t> going_on_by_age_;
  std::map<std::pair<PointIndex, bool>, int64_t> forgotten_until_ns_;
  uint64_t evicted_ = 0;
};

}  // namespace parallax
