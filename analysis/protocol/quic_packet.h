// The connection IDs of a QUIC packet: all that it says in the clear of whose it is. Long headers (RFC 8999, 5.1) of versions 1
// (RFC 9000, 17.2) and 2 (RFC 9369), version negotiation, and the short header (RFC 9000, 17.3), which says neither that it is
// QUIC nor how long its ID is: both have to be known from before. Promises: parse_status.h.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>

#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr size_t kQuicIdBytesMax = 20;  // RFC 9000, 17.2
inline constexpr uint32_t kQuicVersion1 = 1, kQuicVersion2 = 0x6b3343cf;

struct QuicId {
  std::array<uint8_t, kQuicIdBytesMax> bytes{};  // zeros behind the length
  uint8_t length = 0;

  auto operator<=>(const QuicId&) const = default;
};
// The first bytes of `bytes`, as many as an ID may have.
QuicId quic_id_of(std::span<const uint8_t> bytes);

enum class QuicPacketType : uint8_t { initial, zero_rtt, handshake, retry, version_negotiation, one_rtt };

struct QuicPacket {
  QuicPacketType type{};
  uint32_t version = 0;  // of a long header; 0: version negotiation
  QuicId destination;    // one_rtt: begins with the ID, and may go on with what is none of it
  QuicId source;         // of a long header
};

// A datagram's payload; of several packets in it the first is read.
ParseStatus parse_quic_packet(std::span<const uint8_t> bytes, QuicPacket& out);

}  // namespace parallax
