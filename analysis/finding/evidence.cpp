#include "analysis/finding/evidence.h"

#include <utility>

namespace parallax {
namespace {

Evidence about(const PacketFacts& packet, std::string kind, std::string detail) {
  return {.kind = std::move(kind),
          .point = packet.point,
          .port = packet.port,
          .frame = packet.frame,
          .time_ns = packet.time_ns,
          .detail = std::move(detail)};
}

}  // namespace

Evidence present_at(const PacketFacts& packet, std::string detail) { return about(packet, "present_at", std::move(detail)); }

Evidence ttl_evidence(const PacketFacts& packet, const std::string& whose, uint8_t usual) {
  return about(
      packet, "ttl",
      "ttl " + std::to_string(packet.ttl) + ", while the " + whose + "'s packets arrive here with " + std::to_string(usual));
}

std::optional<Evidence> foreign_ttl(const PacketFacts& packet, const Address& server, const Knowledge& knowledge) {
  const uint8_t usual = knowledge.server_ttl(packet.point, server);
  if (usual == 0 || usual == packet.ttl) return std::nullopt;
  return ttl_evidence(packet, "server", usual);
}

}  // namespace parallax
