// What a device rewrites of a segment does not change the sum of its payload; another payload does.
#include "analysis/tcp/tcp_payload_sum.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/wire.h"

namespace parallax::test {
namespace {

uint32_t sum_of(const Ip& ip, const Tcp& tcp, std::span<const uint8_t> payload) {
  const Frame frame = tcp_frame(ip, tcp, payload);
  const Decoded d = decoded(Wire(frame.begin(), frame.end()));
  return tcp_payload_sum(d.sighting);
}

const Ip kOutside{.source = address("192.0.2.10"), .destination = address("198.51.100.1"), .ttl = 60, .id = 7};
const Tcp kEnters{.source_port = 40000,
                  .destination_port = 443,
                  .seq = 0xfffffff0,
                  .ack = 17,
                  .flags = tcp_flag::ack | tcp_flag::psh,
                  .window = 1234};

TEST(TcpPayloadSum, IsTheSameWhateverADeviceRewrites) {
  Tcp leaves = kEnters;
  leaves.source_port = 61001;
  leaves.destination_port = 8443;
  leaves.seq = 777'000;
  leaves.ack = 0x89abcdef;
  leaves.window = 64000;
  Ip inside = kOutside;
  inside.source = address("10.0.0.1");
  inside.destination = address("10.0.0.80");
  for (uint32_t length = 1; length < 300; ++length) {
    const auto payload = stream_bytes(1, length, length);
    EXPECT_EQ(sum_of(kOutside, kEnters, payload), sum_of(inside, leaves, payload)) << length;
    EXPECT_NE(sum_of(kOutside, kEnters, payload), 0u);
  }
}

TEST(TcpPayloadSum, AnotherPayloadHasAnother) {
  auto payload = stream_bytes(1, 0, 100);
  const uint32_t before = sum_of(kOutside, kEnters, payload);
  payload[50] ^= 0x20;
  EXPECT_NE(sum_of(kOutside, kEnters, payload), before);
}

TEST(TcpPayloadSum, IsUnknownWhereOptionsAreNotSummed) {
  Tcp tcp = kEnters;
  tcp.timestamps = {77, 88};
  EXPECT_EQ(sum_of(kOutside, tcp, stream_bytes(1, 0, 100)), 0u);
}

}  // namespace
}  // namespace parallax::test
