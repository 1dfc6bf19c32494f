// Who has sent datagrams to whom lately, from which port: what answers a question under another address than the one asked.
//
// Of each point, end and port of the sender the newest first datagram of a leg. The correlator's, one thread; bounded, what was
// longest not shown goes first, counted.
#pragma once

#include <cstdint>

#include "analysis/event/events.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"

namespace parallax {

class ReplySources {
 public:
  static constexpr size_t kKeptMax = 1 << 14;

  struct Datagram {
    Endpoint from;
    PacketFacts packet{};
  };

  // The first packet of a leg.
  void add(const LegEvent& event) {
    if (event.protocol != ip_protocol::udp) return;
    // What comes from a service's port is taken for an answer: then the client is at the other end.
    const bool is_from_client = event.packet.from == Side::client;
    const Endpoint &from = is_from_client ? event.client : event.server, &to = is_from_client ? event.server : event.client;
    newest_.use({from.port, event.packet.point, to}) = {from, event.packet};
  }
  // To that end, from that port of any address; null: none.
  const Datagram* find(PointIndex point, const Endpoint& to, uint16_t from_port) const {
    return newest_.find({from_port, point, to});
  }

  uint64_t evicted() const { return newest_.evicted(); }

 private:
  struct Key {
    uint16_t from_port;
    PointIndex point;
    Endpoint to;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return KeyedHash().add(uint64_t{key.from_port} << 8 | key.point).add(key.to).value();
    }
  };
  LruTable<Key, Datagram, KeyHash> newest_{kKeptMax};
};

}  // namespace parallax
