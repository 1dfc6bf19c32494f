#include "analysis/protocol/quic_packet.h"

#include <algorithm>

#include "analysis/protocol/byte_reader.h"

namespace parallax {
namespace {

// The bit behind it is fixed no longer: many write anything there (RFC 9287).
constexpr uint8_t kLongHeader = 0x80, kTypeShift = 4, kTypeMask = 3;

// By the two bits of a first byte; RFC 9369, 3.2 gives them another meaning on purpose.
constexpr std::array kTypesOfVersion1{QuicPacketType::initial, QuicPacketType::zero_rtt, QuicPacketType::handshake,
                                      QuicPacketType::retry};
constexpr std::array kTypesOfVersion2{QuicPacketType::retry, QuicPacketType::initial, QuicPacketType::zero_rtt,
                                      QuicPacketType::handshake};

QuicId read_id(ByteReader& in, Scope& all) {
  const uint8_t length = in.u8(all);
  if (length > kQuicIdBytesMax) in.fail(ParseStatus::foreign);
  return quic_id_of(in.bytes(all, length));
}

void read_long_header(uint8_t first, ByteReader& in, Scope& all, QuicPacket& out) {
  out.version = in.u32(all);
  if (!in.ok()) return;
  const uint8_t type = first >> kTypeShift & kTypeMask;
  if (out.version == 0) {
    out.type = QuicPacketType::version_negotiation;
  } else if (out.version == kQuicVersion1 || out.version == kQuicVersion2) {
    out.type = (out.version == kQuicVersion1 ? kTypesOfVersion1 : kTypesOfVersion2)[type];
  } else {
    return in.fail(ParseStatus::foreign);
  }
  out.destination = read_id(in, all);
  out.source = read_id(in, all);
  // It lists the versions that the server speaks, at least one.
  if (out.type == QuicPacketType::version_negotiation) in.u32(all);
}

}  // namespace

QuicId quic_id_of(std::span<const uint8_t> bytes) {
  QuicId id;
  id.length = static_cast<uint8_t>(std::min(bytes.size(), kQuicIdBytesMax));
  std::copy_n(bytes.begin(), id.length, id.bytes.begin());
  return id;
}

ParseStatus parse_quic_packet(std::span<const uint8_t> bytes, QuicPacket& out) {
  out = {};
  ByteReader in(bytes);
  Scope all;
  const uint8_t first = in.u8(all);
  if (!in.ok()) return in.status();
  if (first & kLongHeader) {
    read_long_header(first, in, all, out);
  } else {
    out.type = QuicPacketType::one_rtt;
    out.destination = quic_id_of(bytes.subspan(1));
    if (out.destination.length < kQuicIdBytesMax) return ParseStatus::more;
  }
  return in.status();
}

}  // namespace parallax
