#include "analysis/connection/quic_clients.h"

#include "analysis/protocol/byte_reader.h"

namespace parallax {

uint64_t QuicClients::key_of(const LegState& leg, const QuicId& server) {
  KeyedHash hash;
  hash.add(uint64_t{leg.point} << 32 | leg.tunnel_key).add(leg.server).add(server.length);
  for (const uint8_t byte : server.bytes) hash.add(byte);
  return hash.value();
}

LegState* QuicClients::take(LegState& leg, const RecognitionEvent& event, ConnectionStore& store) {
  if (!leg.recognised || !leg.recognised->quic) return nullptr;  // there was no room for it
  RecognisedQuic& quic = *leg.recognised->quic;
  LegState* before = nullptr;
  if (event.from == Side::client && quic.server.length == 0) {
    before = former(leg, event, store);
    if (before == nullptr) return nullptr;
    quic = *before->recognised->quic;
    quic.goes_on = true;
    before->successor = leg.id.value();
  }
  if (quic.server.length >= kIdBytesLeast) last_.use(key_of(leg, quic.server)) = leg.id.value();
  return before;
}

LegState* QuicClients::former(const LegState& leg, const RecognitionEvent& event, ConnectionStore& store) const {
  const auto destination = as_bytes(event.text(0));
  const bool has_end = static_cast<QuicPacketType>(event.code) != QuicPacketType::one_rtt;
  for (size_t length = has_end ? destination.size() : kIdBytesLeast; length <= destination.size(); ++length) {
    const QuicId server = quic_id_of(destination.first(length));
    const uint64_t* id = last_.find(key_of(leg, server));
    LegState* before = id != nullptr && *id != leg.id.value() ? store.leg(*id) : nullptr;
    const bool is_it = before != nullptr && before->protocol == leg.protocol && before->server == leg.server &&
                       before->recognised && before->recognised->quic && before->recognised->quic->server == server;
    if (is_it) return before;
  }
  return nullptr;
}

}  // namespace parallax
