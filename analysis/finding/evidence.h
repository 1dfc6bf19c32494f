// Pieces of evidence that detectors share. An absence is evidence only by AbsenceProof.
#pragma once

#include <optional>
#include <string>

#include "analysis/connection/knowledge.h"
#include "analysis/event/events.h"
#include "analysis/model/model.h"

namespace parallax {

Evidence present_at(const PacketFacts& packet, std::string detail);
// `whose` packets arrive there with another one.
Evidence ttl_evidence(const PacketFacts& packet, const std::string& whose, uint8_t usual);
// Empty where the packet's TTL is that of the server's own packets there, or that is not known.
std::optional<Evidence> foreign_ttl(const PacketFacts& packet, const Address& server, const Knowledge& knowledge);

}  // namespace parallax
