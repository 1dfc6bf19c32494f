// The connection IDs of QUIC packets, by either version's long header, and behind a short one.
#include "analysis/protocol/quic_packet.h"

#include <gtest/gtest.h>

#include <string_view>

#include "analysis/protocol/byte_reader.h"
#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

struct Result {
  ParseStatus status;
  QuicPacket packet;
};
Result parsed(const Wire& bytes) {
  Result result;
  result.status = parse_quic_packet(bytes, result.packet);
  return result;
}

Wire counted(std::string_view id) { return Wire{static_cast<uint8_t>(id.size())} + text(id); }
Wire long_header(uint8_t first, uint32_t version, std::string_view destination, std::string_view source) {
  return Wire{first} + be32(version) + counted(destination) + counted(source);
}
std::string_view shown(const QuicId& id) { return as_text({id.bytes.data(), id.length}); }

TEST(QuicPacket, LongHeaderShowsBothIds) {
  const Result r = parsed(long_header(0xc3, kQuicVersion1, "FirstOne", "me") + zeros(100));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.packet.type, QuicPacketType::initial);
  EXPECT_EQ(shown(r.packet.destination), "FirstOne");
  EXPECT_EQ(shown(r.packet.source), "me");
}

TEST(QuicPacket, TheTypeMeansAnotherInVersion2) {
  const auto type = [](uint8_t first, uint32_t version) { return parsed(long_header(first, version, "a", "b")).packet.type; };
  EXPECT_EQ(type(0xc0, kQuicVersion1), QuicPacketType::initial);
  EXPECT_EQ(type(0xd0, kQuicVersion1), QuicPacketType::zero_rtt);
  EXPECT_EQ(type(0xe0, kQuicVersion1), QuicPacketType::handshake);
  EXPECT_EQ(type(0xf0, kQuicVersion1), QuicPacketType::retry);
  EXPECT_EQ(type(0xc0, kQuicVersion2), QuicPacketType::retry);
  EXPECT_EQ(type(0xd0, kQuicVersion2), QuicPacketType::initial);
  EXPECT_EQ(type(0xe0, kQuicVersion2), QuicPacketType::zero_rtt);
  EXPECT_EQ(type(0xf0, kQuicVersion2), QuicPacketType::handshake);
}

TEST(QuicPacket, VersionNegotiationNeedsNoFixedBit) {
  const Result r = parsed(long_header(0x80, 0, "me", "FirstOne") + be32(kQuicVersion1));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.packet.type, QuicPacketType::version_negotiation);
  EXPECT_EQ(shown(r.packet.source), "FirstOne");
  EXPECT_EQ(parsed(long_header(0x80, 0, "me", "FirstOne")).status, ParseStatus::more) << "it names no version";
}

TEST(QuicPacket, BehindAShortHeaderTheIdHasNoEnd) {
  const Result r = parsed(Wire{0x41} + text("ServerI1 and what is encrypted"));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.packet.type, QuicPacketType::one_rtt);
  EXPECT_EQ(shown(r.packet.destination), "ServerI1 and what is");
}

// RFC 9287; ngtcp2 and others write anything there.
TEST(QuicPacket, TheFixedBitNeedNotBeSet) {
  EXPECT_EQ(parsed(long_header(0xad, kQuicVersion1, "me", "ServerI1")).packet.type, QuicPacketType::handshake);
  EXPECT_EQ(shown(parsed(Wire{0x06} + text("ServerI1 and what is encrypted")).packet.destination), "ServerI1 and what is");
}

TEST(QuicPacket, WhatCannotBeQuicIsForeign) {
  EXPECT_EQ(parsed(long_header(0xc3, 0x51303433, "a", "b")).status, ParseStatus::foreign) << "Google's own";
  EXPECT_EQ(parsed(Wire{0xc3} + be32(1) + Wire{21} + zeros(40)).status, ParseStatus::foreign) << "IDs have 20 bytes at most";
}

TEST(QuicPacket, CutAnywhereAsksForMore) {
  const Wire whole = long_header(0xc3, kQuicVersion1, "FirstOne", "me");
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(parsed(first(whole, size)).status, ParseStatus::more) << size;
}

}  // namespace
}  // namespace parallax::test
