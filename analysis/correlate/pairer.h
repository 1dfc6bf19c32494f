// Finds the leg at a neighbouring point that belongs to a leg: a table of methods, an index of what legs have shown.
//
// One thread. A wrong pairing is worse than none: below the threshold legs stay unpaired and are counted. Adding a method: a row
// in pairing_methods.cpp and its scenarios.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/correlate/pairing_index.h"
#include "analysis/model/engine_options.h"

namespace parallax {

// When a method looks for a partner; bits.
namespace pairing_trigger {
inline constexpr uint8_t opening = 1;  // a leg was met, or its SYN was seen again
inline constexpr uint8_t message = 2;  // a message of it was recognised
inline constexpr uint8_t packet = 4;   // a packet of a leg met in midstream
inline constexpr uint8_t answer = 8;   // its SYN-ACK
}  // namespace pairing_trigger

// Where the partner is: across a device, or at the same point, which both legs pass (a hairpin NAT, a one-armed load balancer).
enum class PairingReach : uint8_t { neighbours, same_point };

struct PairingMethodRow {
  PairingMethod method;
  PairingReach reach;
  uint8_t triggers;
  bool keeps_packets;  // a packet on one side is one on the other, so that each can be followed
  bool is_shown;       // the key of a leg can be found by others; else it is what another method's legs have shown
  // What a partner must have shown, too: a keyed hash. Empty: the leg has nothing of the kind.
  std::optional<uint64_t> (*key)(const LegState& leg);
  // How sure it is that the two are legs of one connection, 0 to 1; 0: they are not.
  double (*score)(const LegState& leg, const LegState& other);
};
// Strongest first.
std::span<const PairingMethodRow> pairing_methods();

// Of an initial sequence number that only one thing more confirms, such as that the server is the same.
inline constexpr double kConfirmedNumber = 0.957;

class Pairer {
 public:
  struct Match {
    uint64_t leg_id = 0;  // 0: none
    PairingMethod method = PairingMethod::none;
    bool keeps_packets = false;
    double confidence = 0;
    uint32_t rivals = 0;
    bool takes_over = false;  // one of the two is paired on less: see taken_back()
  };

  Pairer(const ConnectionStore& store, std::vector<KnownPairing> known) : store_(store), known_(std::move(known)) {}

  void expire(int64_t now_ns) { index_.expire(now_ns); }
  // The partner at `point`, a neighbour or the leg's own, if there is one that is clear. One that is paired already counts only
  // where this leg has clearly more in common with it than what it is paired with.
  Match find(uint64_t leg_id, int point, uint8_t trigger) const;
  // By what method and how sure the packets of one are those of the other, which it is paired with by likelihood: nobody else
  // shows the same. leg_id 0: they are not.
  Match surer(const LegState& leg, const LegState& partner, uint8_t trigger) const;
  // What the leg has shown so far can be found from now on.
  void add(const LegState& leg, uint8_t trigger, int64_t now_ns);

  // The newest legs of datagrams that come from the same client's end, at any point.
  PairingIndex::Candidates with_client_of(const LegState& leg) const;

  // How many of the methods that this triggers have something to look for.
  static size_t keys_shown(const LegState& leg, uint8_t trigger);

  uint64_t evicted() const { return index_.evicted(); }

 private:
  bool is_retry_of(const LegState& taken, const LegState& retry) const;
  bool faces(const LegState& leg, const LegState& neighbour) const;
  bool goes_on_as(const LegState& taken, const LegState& other) const;
  bool may_pair(const LegState& leg, const LegState& other, PairingReach reach) const;
  bool may_take_over(const PairingMethodRow& row, const LegState& leg, const LegState& other, double found) const;
  bool gives_way(const LegState& leg, PointIndex toward, const PairingMethodRow& row, double to) const;
  bool is_likely(const LegState& leg, PointIndex toward) const;
  bool known_to_pair(const LegState& a, const LegState& b) const;
  bool is_number_of_several(const LegState& leg, const LegState& other, const PairingIndex::Candidates& with_number) const;
  double score(const PairingMethodRow& row, const LegState& leg, const LegState& other) const;

  const ConnectionStore& store_;
  const std::vector<KnownPairing> known_;
  PairingIndex index_;
};

bool same_ends(const LegState& a, const LegState& b);

}  // namespace parallax
