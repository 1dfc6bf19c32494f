// More packets on their way through the device than a pair follows: of those nothing is said, at either point.
#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000, kUs = 1'000;
constexpr uint32_t kSegments = 1500;  // three times what waits for its far side

// A download whose `kSegments` all enter within 15 ms and leave in the same order 100 ms later, as out of a long queue.
PipelineInput queue_in_the_device() {
  PipelineInput input;
  input.options.path = {"outside", "inside"};
  input.options.offline = input.options.record_packets = true;
  for (uint8_t point = 0; point < 2; ++point) {
    input.ports.push_back(
        {.info = {input.options.path[point] + ".pcap", point, PortDirection::both, {}}, .frames = {}, .losses = {}});
  }
  const Address client = address("192.0.2.10"), server = address("198.51.100.1");
  uint16_t id = 1;
  const auto show = [&](bool from_client, int64_t outside_ns, int64_t inside_ns, Tcp tcp, uint32_t length) {
    tcp.source_port = from_client ? 40000 : 80;
    tcp.destination_port = from_client ? 80 : 40000;
    const Ip ip{.source = from_client ? client : server, .destination = from_client ? server : client, .id = id++};
    const Frame frame = tcp_frame(ip, tcp, stream_bytes(1, tcp.seq, length));
    input.ports[0].frames.push_back({kStartNs + outside_ns, 0, frame});
    input.ports[1].frames.push_back({kStartNs + inside_ns, 0, frame});
  };
  show(true, 0, 50 * kUs, {.seq = 999, .flags = tcp_flag::syn}, 0);
  show(false, 200 * kUs, 150 * kUs, {.seq = 4999, .ack = 1000, .flags = tcp_flag::syn | tcp_flag::ack}, 0);
  show(true, 300 * kUs, 350 * kUs, {.seq = 1000, .ack = 5000, .flags = tcp_flag::ack}, 0);
  show(true, 400 * kUs, 450 * kUs, {.seq = 1000, .ack = 5000, .flags = tcp_flag::ack | tcp_flag::psh}, 100);
  for (uint32_t i = 0; i < kSegments; ++i) {
    const int64_t enters_ns = kMs + i * 10 * kUs;
    show(false, enters_ns + 100 * kMs, enters_ns, {.seq = 5000 + 1000 * i, .ack = 1100, .flags = tcp_flag::ack}, 1000);
  }
  for (uint32_t i = 0; i < 4; ++i) {  // time goes on
    const uint32_t seq = 1100 + 10 * i;
    show(true, (500 + i * 1000) * kMs, (500 + i * 1000) * kMs + 50 * kUs,
         {.seq = seq, .ack = 5000 + 1000 * kSegments, .flags = tcp_flag::ack}, 10);
  }
  return input;
}

}  // namespace

TEST(PendingBound, WhatIsNotFollowedIsNeitherLostNorMade) {
  const PipelineOutput output = run(queue_in_the_device(), 1);
  ASSERT_TRUE(output.finished);
  for (const PacketRecord& packet : output.packets) {
    ASSERT_FALSE(packet.labels & (bit(PacketLabel::lost_in_device) | bit(PacketLabel::injected_by_device)))
        << "frame " << packet.frame << " at point " << int{packet.point};
  }
  EXPECT_TRUE(output.findings.empty());
  ASSERT_EQ(output.devices.size(), 1u);
  const auto& toward_outside = output.devices[0].traffic[Direction::toward_outside];
  EXPECT_GT(toward_outside.undecided, 0u) << "the bound was not met: this shows nothing";
}

}  // namespace parallax::test
