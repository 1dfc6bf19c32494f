// The labels of ICMP errors: what entered a device on its way to the sender of what it quotes, and left it or did not.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr PointIndex kOutside = 0, kInside = 1;

// A client sends datagrams to a closed port, and each is answered by an error of which the device drops the second.
class PortUnreachable {
 public:
  explicit PortUnreachable(bool gives_ids) : gives_ids_(gives_ids) {
    input.options.path = {"outside", "inside"};
    input.options.offline = true;
    input.options.record_packets = true;
    for (const PointIndex point : {kOutside, kInside}) {
      for (const bool inward : {true, false}) {
        InputPort port;
        port.info.name = std::string(point == kOutside ? "outside" : "inside") + (inward ? "-in" : "-out");
        port.info.point = point;
        port.info.direction = inward ? PortDirection::toward_inside : PortDirection::toward_outside;
        for (const int64_t at_ns : {int64_t{0}, 20 * kSecond})  // what a port covers is told by its packets
          port.frames.push_back({kStartNs + at_ns, 0, arp_request_frame(server_, server_)});
        input.ports.push_back(port);
      }
    }
    for (int i = 0; i < 3; ++i) {
      const Frame asked = datagram(static_cast<uint16_t>(100 + i), 64), passed = datagram(static_cast<uint16_t>(100 + i), 63);
      const int64_t at_ns = kSecond + i * 500 * kMs;
      show(kOutside, true, at_ns, asked);
      show(kInside, true, at_ns + kMs, passed);
      show(kInside, false, at_ns + 2 * kMs, error(static_cast<uint16_t>(300 + i), 64, passed));
      if (i != 1) show(kOutside, false, at_ns + 3 * kMs, error(static_cast<uint16_t>(300 + i), 63, asked));
    }
    for (InputPort& port : input.ports) {
      std::stable_sort(port.frames.begin(), port.frames.end(),
                       [](const TimedFrame& a, const TimedFrame& b) { return a.time_ns < b.time_ns; });
    }
  }

  PipelineInput input;

 private:
  Frame datagram(uint16_t id, uint8_t ttl) const {
    const std::string payload(20u + id % 7, 'x');
    return udp_frame({.source = client_, .destination = server_, .ttl = ttl, .id = id},
                     {.source_port = 40000, .destination_port = 5000},
                     std::span(reinterpret_cast<const uint8_t*>(payload.data()), payload.size()));
  }
  Frame error(uint16_t id, uint8_t ttl, const Frame& quoted) const {
    return icmp_error_frame({.source = server_, .destination = client_, .ttl = ttl, .id = gives_ids_ ? id : uint16_t{0}},
                            {.type = 3, .code = 3}, quoted);
  }
  void show(PointIndex point, bool inward, int64_t at_ns, const Frame& frame) {
    input.ports[2u * point + (inward ? 0 : 1)].frames.push_back({kStartNs + at_ns, 0, frame});
  }

  const bool gives_ids_;
  const Address client_ = address("192.0.2.10"), server_ = address("203.0.113.80");
};

class IcmpNotesTest : public testing::TestWithParam<bool> {};

TEST_P(IcmpNotesTest, LabelWhatBecameOfErrors) {
  const PortUnreachable traffic(GetParam());
  const PipelineOutput output = run(traffic.input, 1);
  ASSERT_TRUE(output.finished);
  std::vector<PacketRecord> outside, inside;
  for (const PacketRecord& packet : output.packets) {
    if (packet.port == 1) outside.push_back(packet);  // toward the client
    if (packet.port == 3) inside.push_back(packet);
  }
  std::erase_if(outside, [](const PacketRecord& packet) { return packet.connection_id == 0; });
  std::erase_if(inside, [](const PacketRecord& packet) { return packet.connection_id == 0; });
  ASSERT_EQ(inside.size(), 3u);
  ASSERT_EQ(outside.size(), 2u);
  EXPECT_EQ(inside[0].labels, bit(PacketLabel::forwarded));
  EXPECT_EQ(inside[1].labels, bit(PacketLabel::lost_in_device));
  EXPECT_EQ(inside[2].labels, bit(PacketLabel::forwarded));
  for (const PacketRecord& packet : outside) EXPECT_EQ(packet.labels, bit(PacketLabel::forwarded));
  // One packet, seen twice.
  EXPECT_NE(inside[0].packet_id, 0u);
  EXPECT_EQ(inside[0].packet_id, outside[0].packet_id);
  EXPECT_EQ(inside[1].packet_id, 0u);
  EXPECT_EQ(inside[2].packet_id, outside[1].packet_id);
  ASSERT_EQ(output.devices.size(), 1u);
  EXPECT_EQ(output.text(traffic.input.options.path), run(traffic.input, 4).text(traffic.input.options.path));
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutIpIds, IcmpNotesTest, testing::Bool());

}  // namespace
}  // namespace parallax::test
