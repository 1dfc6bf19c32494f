// The connections that are known: legs by id, pairings as edges between them; a connection is a component.
//
// The correlator's, one thread. Live it is bounded: what is over goes first, oldest first, else the oldest of all; counted.
// References to connections and legs hold until the next call that connects, separates or evicts.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/connection/ended_queue.h"
#include "analysis/event/recognition.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/shards.h"

namespace parallax {

struct LegPlace {
  Connection* connection = nullptr;  // null: none
  uint64_t connection_id = 0;        // 0: none
  size_t leg = 0;
};

class ConnectionStore {
 public:
  struct Totals {
    uint64_t connections = 0, paired_connections = 0, evicted = 0;
    std::array<uint64_t, kPointsMax> legs_opened{}, legs_paired{};
    uint64_t recognitions_refused = 0, messages_over = 0;  // no room in all; of one leg
    uint64_t sharings_forgotten = 0;                       // of legs that carry messages of more than LegState::kSharedMax
    uint64_t messages_forgotten = 0;                       // ended connections whose messages made room for others
  };

  explicit ConnectionStore(const EngineOptions& options) : options_(options) {}

  // A leg that has just opened, in a connection of its own.
  Connection& open(const LegEvent& event);
  // The leg's generation is over. Its connection is kept until it is evicted, or forgotten.
  void close(LegState& leg, Connection& connection, int64_t now_ns);
  // Live: makes room.
  void evict();
  // Offline: of those that are over, and have not been passed over, the one that ended first; null: none did before then.
  Connection* first_over(int64_t before_ns);
  void pass_over();  // the one that first_over() has given
  Connection forget(const Connection& connection);

  // An edge between two legs of different connections: the younger one goes into the older.
  Connection& connect(uint64_t leg_id, uint64_t other_id);
  // The two legs of an edge know that they are taken, each toward the other's point.
  void mark_paired(LegState& leg, LegState& other);
  // A leg beyond a proxy, of another connection, carries messages of this one, too, as one of them tells. False: that was known.
  bool share(LegState& leg, LegState& beyond, const PairingBasis& basis);
  // What the leg shares with legs at that point is disproved. Returns it.
  std::vector<Sharing> share_no_more(LegState& leg, PointIndex point);
  // The other connections that it shares a leg with, by id.
  std::vector<SharedPairingRecord> sharing(const Connection& connection) const;
  // Takes an edge back: its legs may pair again, but not with each other. Legs that nothing else connects become a connection of
  // their own, the one without the oldest leg. Returns it; null: everything still hangs together.
  Connection* disconnect(Connection& connection, size_t crossing);

  // The connection that its client opened instead of it; 0: none is known.
  uint64_t successor_of(const Connection& connection) const {
    const uint64_t id = place_of(connection.client_leg().successor).connection_id;
    return id == connection.id ? 0 : id;
  }

  // What a message said. Kept within the bounds of the leg and of all: those of connections that ended longest ago go first.
  void take(const RecognitionEvent& event);

  LegPlace place_of(uint64_t leg_id) const;  // LegId::value()
  // In three steps, each some time after the one before it: what place_of() reads, the connection, the leg.
  void prefetch_place(uint64_t leg_id) const { places_.of(LegIdHash{}(leg_id)).prefetch(leg_id); }
  void prefetch_connection(uint64_t leg_id) const;
  void prefetch_leg(uint64_t leg_id) const;
  Connection* find(uint64_t connection_id);
  const Connection* find(uint64_t connection_id) const;
  Connection* connection_of(uint64_t leg_id) { return place_of(leg_id).connection; }
  const Connection* connection_of(uint64_t leg_id) const { return place_of(leg_id).connection; }
  const LegState* leg(uint64_t leg_id) const { return leg(place_of(leg_id)); }
  static const LegState* leg(const LegPlace& place) {
    return place.connection == nullptr ? nullptr : &place.connection->legs[place.leg];
  }
  LegState* leg(uint64_t leg_id) { return const_cast<LegState*>(std::as_const(*this).leg(leg_id)); }

  // By id.
  const std::map<uint64_t, Connection>& all() const { return connections_; }
  std::map<uint64_t, Connection>& all() { return connections_; }
  const Totals& totals() const { return totals_; }
  uint64_t next_id() const { return next_id_; }
  EndedQueue& ended() { return ended_; }
  // Whether somebody takes each connection as it ends, from now on: not what is over. How many that waited for it are dropped.
  uint64_t tell_ends(bool tells);

 private:
  struct LegIdHash {
    size_t operator()(uint64_t id) const { return KeyedHash().add(id).value(); }
  };
  void forget_legs(const Connection& connection);
  void note_over(Connection& connection);
  void await_taking(Connection& connection);
  void pop_over();
  void forget_messages(const LegState& leg);
  bool make_room_for_messages();
  void mark_unpaired(const Connection& connection, LegState& leg, const LegState& other);
  void mark_free(LegState& leg, PointIndex point);

  const EngineOptions& options_;
  std::map<uint64_t, Connection> connections_;
  std::deque<uint64_t> over_;    // connections all of whose legs are over, oldest first
  size_t messages_gone_to_ = 0;  // into over_: what the connections before it have said is forgotten
  using Places = absl::flat_hash_map<uint64_t, LegPlace, LegIdHash>;
  Places& places_of(uint64_t leg_id) { return places_.of(LegIdHash{}(leg_id)); }
  Shards<Places> places_;
  size_t recognised_bytes_ = 0;
  uint64_t next_id_ = options_.first_connection_id;
  bool tells_ends_ = options_.tells_ends;
  EndedQueue ended_;
  Totals totals_;
};

}  // namespace parallax
