// The frames that tests are made of: what was asked for is what decoding finds, and the checksums hold.
#include "tests/support/packet_builder.h"

#include <gtest/gtest.h>

#include "capture/decode/decode.h"

namespace parallax::test {
namespace {

Sighting decoded(const Frame& frame) {
  Sighting sighting{};
  const auto length = static_cast<uint32_t>(frame.size());
  EXPECT_EQ(decode({frame.data(), length, length, LinkType::ethernet}, sighting), DecodeError::none);
  return sighting;
}

// The ones' complement sum of the bytes: 0xffff over a header that includes its own right checksum (RFC 1071).
uint16_t ones_sum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

Ip between(const char* source, const char* destination) {
  Ip ip;
  ip.source = address(source);
  ip.destination = address(destination);
  return ip;
}

TEST(PacketBuilder, TcpComesBackAsItWasAskedFor) {
  Ip ip = between("192.0.2.1", "198.51.100.9");
  ip.ttl = 57;
  ip.id = 4242;
  Tcp tcp{.source_port = 40000,
          .destination_port = 443,
          .seq = 0xfffffff0,
          .ack = 17,
          .flags = tcp_flag::syn | tcp_flag::ack,
          .window = 1234};
  tcp.mss = 1400;
  tcp.window_scale = 7;
  tcp.sack_permitted = true;
  tcp.timestamps = {77, 88};
  const Sighting s = decoded(tcp_frame(ip, tcp, stream_bytes(1, 0, 33)));
  EXPECT_EQ(s.source, ip.source);
  EXPECT_EQ(s.destination, ip.destination);
  EXPECT_EQ(s.source_port, 40000);
  EXPECT_EQ(s.destination_port, 443);
  EXPECT_EQ(s.seq, 0xfffffff0u);
  EXPECT_EQ(s.ack, 17u);
  EXPECT_EQ(s.tcp_flags, tcp.flags);
  EXPECT_EQ(s.window, 1234);
  EXPECT_EQ(s.ttl, 57);
  EXPECT_EQ(s.ip_id, 4242);
  EXPECT_EQ(s.payload_length, 33u);
  EXPECT_EQ(s.mss, 1400);
  EXPECT_EQ(s.window_scale, 7);
  EXPECT_EQ(s.tsval, 77u);
  EXPECT_EQ(s.tsecr, 88u);
  EXPECT_TRUE(s.options & tcp_option::sack_permitted);
  EXPECT_FALSE(s.has(SightingFlag::options_malformed));
}

TEST(PacketBuilder, ChecksumsHold) {
  const Ip ip = between("192.0.2.1", "198.51.100.9");
  for (const uint32_t length : {0u, 1u, 2u, 1459u}) {
    const Frame frame = tcp_frame(ip, {.source_port = 1, .destination_port = 2, .seq = 3, .ack = 4, .flags = tcp_flag::ack},
                                  stream_bytes(2, 5, length));
    const std::span<const uint8_t> bytes(frame);
    EXPECT_EQ(ones_sum(bytes.subspan(14, 20)), 0xffff);
    const uint32_t pseudo = ones_sum(bytes.subspan(26, 8)) + 6u + 20 + length;
    EXPECT_EQ(ones_sum(bytes.subspan(34), pseudo), 0xffff) << length;
  }
}

TEST(PacketBuilder, DatagramsErrorsAndVlans) {
  Ip ip = between("2001:db8::1", "2001:db8::2");
  ip.vlan = 100;
  const Sighting udp = decoded(udp_frame(ip, {5000, 53}, stream_bytes(0, 0, 60)));
  EXPECT_EQ(udp.protocol, ip_protocol::udp);
  EXPECT_TRUE(udp.has(SightingFlag::ipv6));
  EXPECT_EQ(udp.payload_length, 60u);

  const Ip asked = between("192.0.2.1", "198.51.100.9"), refused = between("198.51.100.9", "192.0.2.1");
  const Sighting error = decoded(icmp_error_frame(refused, {3, 3}, udp_frame(asked, {5000, 53})));
  EXPECT_TRUE(error.has(SightingFlag::icmp_quote));
  EXPECT_EQ(error.protocol, ip_protocol::udp);
  EXPECT_TRUE(decoded(arp_request_frame(address("192.0.2.1"), address("192.0.2.2"))).has(SightingFlag::arp));
}

TEST(PacketBuilder, BothDirectionsHashAlike) {
  const Sighting there = decoded(tcp_frame(between("192.0.2.1", "198.51.100.9"), {.source_port = 1, .destination_port = 2}));
  const Sighting back = decoded(tcp_frame(between("198.51.100.9", "192.0.2.1"), {.source_port = 2, .destination_port = 1}));
  EXPECT_EQ(there.flow_hash, back.flow_hash);
}

}  // namespace
}  // namespace parallax::test
