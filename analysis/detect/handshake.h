// One connection's opening, by SYNs or by a first datagram, as the points saw it, with the questions that its detectors ask.
//
// A view that lives for one question. Points are walked from the client to the server or back, however many there are, and what
// is missing is missing between the first neighbours between which it is proved to be. The point of a hairpin is passed twice, on
// the way to the device and on the way from it. Claims nothing that rests on an absence but through AbsenceProof.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/detect/detector.h"
#include "analysis/model/absence_proof.h"

namespace parallax {

// Confidence where the ports or two legs tell the client's side, where it was learned or inferred, and where nobody is accused.
inline constexpr double kSure = 0.97, kInferred = 0.85, kUnblamed = 0.4;

class Handshake {
 public:
  // Where the connection is shown on its way.
  struct Stop {
    PointIndex point;
    bool is_turned = false;  // behind the hairpin at that point
    bool operator==(const Stop&) const = default;
  };

  Handshake(const Connection& connection, const DetectorView& view);

  const LegState& client_leg() const { return c_.client_leg(); }
  // The leg furthest toward the server that saw a SYN.
  const LegState& deepest() const;
  // Of the legs with an answer the one nearest to the client; null: none.
  const LegState* nearest_answer() const;
  Stop stop_of(const LegState& leg) const { return {leg.point, c_.is_beyond_hairpin(leg)}; }
  // The next one from `stop` toward the server, or toward the client; nothing where the path ends.
  std::optional<Stop> toward_server(Stop stop) const;
  std::optional<Stop> toward_client(Stop stop) const;
  // Whether connections to where the client's leg goes have been seen to go on from it.
  bool has_gone_on() const;
  // SYNs that were seen there, over all its legs (a NAT may give each retry a new port).
  uint32_t syns_at(Stop stop) const;
  // The first SYN-ACK there; null: none.
  const PacketFacts* answer_at(Stop stop) const;

  // That the SYNs of `leg` that `stop` has not shown did not come there on their way to the server.
  AbsenceProof syns_absent(const LegState& leg, Stop stop) const;
  // That the first SYNs of `leg` did not come to `stop` before `answer` was given.
  AbsenceProof syns_absent_before(const LegState& leg, Stop stop, const PacketFacts& answer) const;
  // That no answer to any SYN that `leg`'s point saw passed that point on its way to the client.
  AbsenceProof answers_absent(const LegState& leg) const;
  // That a packet of the client's, or what a device made of it, did not come to `stop` on its way to the server.
  AbsenceProof packet_absent(const PacketFacts& packet, Stop stop, bool has_rival) const;
  // That no answer came to the client after its last SYN and before `to_ns`.
  AbsenceProof silent_until(int64_t to_ns) const;
  // That `answer`, seen nearer to the server, did not come to `stop` within `wait_ns`.
  AbsenceProof answer_absent(const PacketFacts& answer, Stop stop, int64_t wait_ns) const;
  // That `answer` had not come to `stop`, nearer to the server, since the SYN before it.
  AbsenceProof answer_absent_before(const PacketFacts& answer, Stop stop) const;

  // Whether its stamp can be compared with those of other points.
  bool is_in_time(const PacketFacts& packet) const;

  // What all observations of the opening have in common.
  Observation observation(FindingKind kind) const;
  // Blames the device between the two, the client's side first, by the proof.
  void blame_device(Observation& o, Stop client_side, Stop server_side, const AbsenceProof& proof, std::string detail) const;
  void add_ttl_evidence(Observation& o, const PacketFacts& rst) const;

 private:
  Direction to_server() const { return c_.direction_of(Side::client); }
  Direction to_client() const { return c_.direction_of(Side::server); }
  // Whether the leg shows this opening: what is beyond a proxy is another one.
  bool belongs(const LegState& leg) const;
  std::optional<Stop> step(PointIndex point, Direction direction) const;
  PortDirection ports_at(Stop stop, Direction direction) const;
  AbsenceProof absence_at(Stop stop, Direction direction) const;
  bool misses(Stop stop, Direction direction, const PacketFacts& packet) const;
  AbsenceProof absence_of_syns(const LegState& leg, Stop stop, bool has_rival) const;
  bool may_be_hidden(PointIndex point, Stop stop) const;
  // Whether any device between the two rewrites names, or is not known to leave them alone.
  bool may_rename(PointIndex a, PointIndex b) const;
  bool has_rival(const LegState& leg, std::span<const PacketFacts> syns, Stop stop, int64_t until_ns) const;
  std::vector<PacketFacts> syns_unseen(const LegState& leg, Stop stop) const;

  const Connection& c_;
  const DetectorView& view_;
  std::optional<PointIndex> hairpin_;  // the point that it passes twice, or should have
};

// The fact alone, and why nobody is accused.
Observation without_blame(Observation o, const AbsenceProof& proof);

// When to look at an opening that was answered. That of those that look for a device's doing, too, for a look has its price.
// REQUIRES: the leg has a SYN.
int64_t answered_due_ns(const LegState& leg, const DetectorView& view);

inline Where beyond(PointIndex point) { return {Where::Kind::beyond, point, 0}; }
inline Where between(PointIndex client_side, PointIndex server_side) { return {Where::Kind::between, client_side, server_side}; }

}  // namespace parallax
