#include "analysis/detect/fate_observation.h"

#include "analysis/finding/evidence.h"
#include "analysis/model/absence_proof.h"

namespace parallax {

Observation crossing_observation(const Connection& connection, const FateEvent& event, FindingKind kind,
                                 const std::string& what) {
  const PacketFacts& packet = event.packet;
  const bool from_client = packet.from == Side::client;
  // By the way that the packet went, which stands where points were named in another order than the path's.
  const PointIndex enters = event.entered ? packet.point : event.absent_at,
                   leaves = event.entered ? event.absent_at : packet.point;
  Observation o;
  o.kind = kind;
  o.where = from_client ? Where{Where::Kind::between, enters, leaves} : Where{Where::Kind::between, leaves, enters};
  o.origin = Origin::device;
  o.direction = from_client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.service = connection.client_leg().server;
  o.connection_id = connection.id;
  o.first_ns = o.last_ns = packet.time_ns;
  o.confidence = 0.97;
  o.evidence.push_back(
      present_at(packet, what + ", ttl " + std::to_string(packet.ttl) + ", ip id " + std::to_string(packet.ip_id)));
  return o;
}

Observation fate_observation(const Connection& connection, const FateEvent& event, FindingKind kind, const std::string& what) {
  const PacketFacts& packet = event.packet;
  Observation o = crossing_observation(connection, event, kind, what);
  o.evidence.push_back(AbsenceProof::decided_by_home(
      event.absent_at, packet.time_ns,
      (event.absent_at == packet.point ? "not seen under its other name until " : "not seen there until ") +
          std::to_string((event.decided_ns - packet.order_ns) / 1'000'000) + " ms later"));
  return o;
}

}  // namespace parallax
