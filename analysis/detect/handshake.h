// One connection's opening as the points saw it, with the questions that its detectors ask.
//
// A view that lives for one question. Claims nothing that rests on an absence but through AbsenceProof.
#pragma once

#include <optional>

#include "analysis/detect/detector.h"
#include "analysis/model/absence_proof.h"

namespace parallax {

// Confidence where the ports tell the direction, and where it was inferred from which points saw the packets.
inline constexpr double kSure = 0.97, kInferred = 0.85, kRivalled = 0.4;

class Handshake {
 public:
  Handshake(const Connection& connection, const DetectorView& view) : c_(connection), view_(view) {}

  const LegState& client_leg() const { return c_.client_leg(); }
  // The leg furthest toward the server that saw a SYN.
  const LegState& deepest() const;
  // The next point from `point` toward the server, or toward the client; nothing where the path ends.
  std::optional<PointIndex> toward_server(PointIndex point) const { return step(point, c_.client_outer); }
  std::optional<PointIndex> toward_client(PointIndex point) const { return step(point, !c_.client_outer); }
  PortDirection travel_to_server() const {
    return c_.client_outer ? PortDirection::toward_inside : PortDirection::toward_outside;
  }
  PortDirection travel_to_client() const {
    return c_.client_outer ? PortDirection::toward_outside : PortDirection::toward_inside;
  }

  // That the first `count` SYNs of `leg` did not come to `point`, on their way to the server, until `until_ns`.
  AbsenceProof syns_absent(const LegState& leg, size_t count, PointIndex point, int64_t until_ns) const;
  // That no answer came to `point`, on its way to the client, between the two times.
  AbsenceProof answer_absent(PointIndex point, int64_t from_ns, int64_t to_ns) const;
  // Whether an opening that is still unpaired was seen at `point` that may be this connection's.
  bool has_rival(PointIndex point, int64_t from_ns, int64_t to_ns) const;

  // What all observations of the opening have in common.
  Observation observation(FindingKind kind) const;
  // Of an accusation of a device: lowers the confidence where nothing toward that destination has been seen to cross it.
  void doubt_destination(Observation& o, const LegState& leg) const;
  void add_ttl_evidence(Observation& o, const PacketFacts& rst) const;

 private:
  std::optional<PointIndex> step(PointIndex point, bool inward) const;
  bool may_be_hidden(PointIndex a, PointIndex b) const;

  const Connection& c_;
  const DetectorView& view_;
};

// The fact alone, where the absence that blame would rest on is not proved.
Observation without_blame(Observation o, const AbsenceProof& proof);

inline Where beyond(PointIndex point) { return {Where::Kind::beyond, point, 0}; }
inline Where between(PointIndex client_side, PointIndex server_side) { return {Where::Kind::between, client_side, server_side}; }

}  // namespace parallax
