// An answer that a finding says the device dropped is lost in the device's record too.
#include <gtest/gtest.h>

#include "tests/support/scenario.h"

namespace parallax::test {
namespace {

constexpr const char* kAnswerDropped = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:53  beyond inside  ttl 64
+0.000   outside inside  client > server  udp 48
fault +0.010   inside          server > client  udp 80
twin  +0.010   inside outside  server > client  udp 80
expect anything
)";

DeviceTraffic toward_clients(Variant variant) {
  ParsedScenario parsed = parse_scenario("text", kAnswerDropped, variant);
  EXPECT_TRUE(parsed.scenario) << parsed.error;
  if (!parsed.scenario) return {};
  const PipelineOutput output = run(parsed.scenario->input, 1);
  EXPECT_EQ(output.devices.size(), 1u);
  return output.devices.empty() ? DeviceTraffic{} : output.devices[0].traffic[Direction::toward_outside];
}

TEST(DroppedAnswer, IsLostInTheDevicesRecord) {
  const DeviceTraffic traffic = toward_clients(Variant::fault);
  EXPECT_EQ(traffic.entered, 1u);
  EXPECT_EQ(traffic.lost, 1u);
  EXPECT_EQ(traffic.undecided, 0u);
}

TEST(DroppedAnswer, IsNotIfItLeft) {
  const DeviceTraffic traffic = toward_clients(Variant::twin);
  EXPECT_EQ(traffic.forwarded, 1u);
  EXPECT_EQ(traffic.lost, 0u);
}

}  // namespace
}  // namespace parallax::test
