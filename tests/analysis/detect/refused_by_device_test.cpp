// A connection that the device refuses in the server's place: the record of the device, the metric and the packets tell of its
// RSTs.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/run_text.h"

namespace parallax::test {
namespace {

constexpr size_t kPathLength = 20;  // of the first line
constexpr const char* kRefused = R"(path outside inside
endpoint other  192.0.2.11:50000  beyond outside ttl 60
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:443  beyond inside  ttl 64
@0.0000  outside inside  other > server  S  0
@0.0010  inside outside  server > other  S. 0 ack 1
@0.0020  outside inside  other > server  .  1 ack 1
@1.0000  outside         client > server  S  0
@1.0002  outside         server > client  R. 0 ack 1 win 0 ttl 64 id 0
@2.0000  outside         client > server  S  0
@2.0002  outside         server > client  R. 0 ack 1 win 0 ttl 64 id 0
expect anything
)";

TEST(RefusedByDevice, IsCountedWithWhatTheDeviceDidItself) {
  const PipelineOutput output = run_text(kRefused);
  ASSERT_EQ(output.devices.size(), 1u);
  const DeviceRecord& device = output.devices[0];
  EXPECT_EQ(device.resets_originated, 2u);
  EXPECT_EQ(device.traffic[Direction::toward_inside].answered_by_device, 2u);
  EXPECT_EQ(device.traffic[Direction::toward_inside].undecided, 0u);
  EXPECT_EQ(output.counters.resets[static_cast<size_t>(Origin::device)], 1u) << "by connection";
}

TEST(RefusedByDevice, ItsResetsAreLabelledAsItsOwn) {
  const PipelineOutput output = run_text(kRefused);
  EXPECT_EQ(std::count_if(output.packets.begin(), output.packets.end(),
                          [](const PacketRecord& packet) { return packet.labels & bit(PacketLabel::injected_by_device); }),
            2);
}

TEST(RefusedByDevice, ClosedTheConnection) {
  const PipelineOutput output = run_text(kRefused);
  const auto refused = std::find_if(output.connections.begin(), output.connections.end(),
                                    [](const ConnectionRecord& c) { return c.outcome == Outcome::refused; });
  ASSERT_NE(refused, output.connections.end());
  EXPECT_EQ(refused->closed_by, ClosedBy::device);
}

// Two interrupts of one port: what came second is stamped first.
TEST(RefusedByDevice, AnAnswerStampedBeforeItsSynCameAtOnce) {
  ParsedScenario parsed =
      parse_scenario("text", std::string("path outside inside\nspan outside\n") + (kRefused + kPathLength), Variant::fault);
  ASSERT_TRUE(parsed.scenario) << parsed.error;
  std::vector<TimedFrame>& frames = parsed.scenario->input.ports.front().frames;
  ASSERT_GT(frames.size(), 3u);  // the last one is a bystander's
  frames[frames.size() - 2].time_ns = frames[frames.size() - 3].time_ns - 3'500;
  for (const FindingRecord& finding : run(parsed.scenario->input, 1).findings) {
    if (finding.kind != FindingKind::syn_refused) continue;
    for (const Evidence& evidence : finding.evidence) {
      EXPECT_EQ(evidence.detail.find("client -"), std::string::npos) << evidence.detail;
      if (evidence.detail.starts_with("RST to the client at once after its SYN")) return;
    }
  }
  FAIL() << "no evidence says at once";
}

}  // namespace
}  // namespace parallax::test
