// A FIN that the device dropped, and that its sender sent again: the copy that left is how the receiver knows, so that the first
// one is lost, and accounted for.
#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000, kUs = 1'000;

class DroppedFin : public testing::Test {
 protected:
  DroppedFin() {
    input_.options.path = {"outside", "inside"};
    input_.options.offline = input_.options.record_packets = true;
    for (uint8_t point = 0; point < 2; ++point) {
      input_.ports.push_back(
          {.info = {input_.options.path[point] + ".pcap", point, PortDirection::both, {}}, .frames = {}, .losses = {}});
    }
  }
  void show(bool from_client, int64_t at_ms, Tcp tcp, bool passes = true) {
    tcp.source_port = from_client ? 40000 : 80;
    tcp.destination_port = from_client ? 80 : 40000;
    const Address client = address("192.0.2.10"), server = address("198.51.100.1");
    const Ip ip{.source = from_client ? client : server, .destination = from_client ? server : client, .id = id_++};
    const Frame frame = tcp_frame(ip, tcp, {});
    const size_t enters = from_client ? 0 : 1;
    input_.ports[enters].frames.push_back({kStartNs + at_ms * kMs, 0, frame});
    if (passes) input_.ports[1 - enters].frames.push_back({kStartNs + at_ms * kMs + 50 * kUs, 0, frame});
  }
  // A connection whose client sends its FIN twice.
  PipelineOutput output(bool first_passes, bool second_passes) {
    constexpr uint8_t kFin = tcp_flag::fin | tcp_flag::ack;
    show(true, 0, {.seq = 999, .flags = tcp_flag::syn});
    show(false, 1, {.seq = 4999, .ack = 1000, .flags = tcp_flag::syn | tcp_flag::ack});
    show(true, 2, {.seq = 1000, .ack = 5000, .flags = tcp_flag::ack});
    show(true, 10, {.seq = 1000, .ack = 5000, .flags = kFin}, first_passes);
    show(true, 210, {.seq = 1000, .ack = 5000, .flags = kFin}, second_passes);
    show(false, 211, {.seq = 5000, .ack = 1001, .flags = kFin});
    show(true, 212, {.seq = 1001, .ack = 5001, .flags = tcp_flag::ack});
    return run(input_, 1);
  }
  static std::vector<uint32_t> lost_frames(const PipelineOutput& output) {
    std::vector<uint32_t> frames;
    for (const PacketRecord& packet : output.packets) {
      if (packet.labels & bit(PacketLabel::lost_in_device)) frames.push_back(packet.frame);
    }
    return frames;
  }

  PipelineInput input_;
  uint16_t id_ = 1;
};

TEST_F(DroppedFin, ThatWasSentAgainIsLostAndItsCopyMakesUpForIt) {
  const PipelineOutput output = this->output(false, true);
  EXPECT_EQ(lost_frames(output), std::vector<uint32_t>{4});
  ASSERT_EQ(output.devices.size(), 1u);
  const DeviceTraffic& inward = output.devices[0].traffic[Direction::toward_inside];
  EXPECT_EQ(inward.superseded, 1u);
  EXPECT_EQ(inward.undecided, 0u);
}

// The receiver has acknowledged the first one, and nobody knows when.
TEST_F(DroppedFin, AfterOneThatLeftIsNoneThatItsReceiverLacks) {
  const PipelineOutput output = this->output(true, false);
  ASSERT_EQ(output.devices.size(), 1u);
  EXPECT_EQ(output.devices[0].traffic[Direction::toward_inside].lost, 0u);
  EXPECT_TRUE(output.findings.empty());
}

}  // namespace
}  // namespace parallax::test
