// Which leg goes on with a QUIC connection that has been met on another: its client has moved, or a NAT has given it another
// port.
//
// What identifies a connection is the ID that its server has chosen, which the client's packets bear wherever they come from (RFC
// 9000, 9). Behind a short header nothing says how long it is: each length is tried. A client that moves on purpose takes another
// ID, agreed on under encryption, and is a stranger here; so is one whose server has chosen an ID too short to tell one
// connection from another.
//
// The correlator's, one thread. By point, for a leg is seen there under one name; bounded, the connection that was longest quiet
// goes first, counted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "analysis/connection/connection_store.h"
#include "analysis/model/lru_table.h"

namespace parallax {

class QuicClients {
 public:
  static constexpr size_t kKnownMax = 1 << 16;
  static constexpr size_t kIdBytesLeast = 4;

  // What the leg's packet has shown, which the leg knows of. Where it goes on with another's connection, that one has a successor
  // and this one its IDs. Returns the former; null: there is none. REQUIRES: the event is of QUIC.
  LegState* take(LegState& leg, const RecognitionEvent& event, ConnectionStore& store);

  uint64_t evicted() const { return last_.evicted(); }

 private:
  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }  // keys are keyed hashes already
  };
  static uint64_t key_of(const LegState& leg, const QuicId& server);
  LegState* former(const LegState& leg, const RecognitionEvent& event, ConnectionStore& store) const;

  LruTable<uint64_t, uint64_t, SameHash> last_{kKnownMax};  // legs (LegId::value())
};

}  // namespace parallax
