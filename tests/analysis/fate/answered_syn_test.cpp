// A SYN that the device has answered in the server's place was answered, and not lost as well.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_text.h"

namespace parallax::test {
namespace {

constexpr const char* kSynCookie = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:80  beyond inside  ttl 64
+0.000   outside         client > server  S  0
+0.0001  outside         server > client  S. 0 ack 1
+0.060   outside inside  client > server  .  1 ack 1
+0.010   outside inside  client > server  P. 1:101 ack 1
+0.001   inside outside  server > client  .  1 ack 101
expect anything
)";
// The same, of which the device forwarded nothing until the SYN came again.
constexpr const char* kSynLost = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:80  beyond inside  ttl 64
+0.000   outside         client > server  S  0
+1.000   outside inside  client > server  S  0
+0.0001  inside outside  server > client  S. 0 ack 1
+0.060   outside inside  client > server  .  1 ack 1
expect anything
)";
// Forwarded, by stamps of which those inside are late by a few milliseconds when they like.
constexpr const char* kLateStamps = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60 zero-ip-id
endpoint server 198.51.100.1:80  beyond inside  ttl 64 zero-ip-id
@0.0000  outside  client > server  S  0
@0.0001  inside   client > server  S  0
@0.0010  outside  server > client  S. 0 ack 1
@0.0030  inside   server > client  S. 0 ack 1
@0.0030  outside  client > server  .  1 ack 1
@0.0031  inside   client > server  .  1 ack 1
@0.0100  outside  client > server  P. 1:101 ack 1
@0.0101  inside   client > server  P. 1:101 ack 1
@0.0110  inside   server > client  .  1 ack 101
@0.0111  outside  server > client  .  1 ack 101
expect anything
)";
constexpr const char* kRewritten = R"(
isn server > client 5000
at outside isn server > client 70000
)";

TEST(AnsweredSyn, IsNotLost) {
  const PipelineOutput output = run_text(kSynCookie);
  ASSERT_EQ(output.devices.size(), 1u);
  const DeviceTraffic& traffic = output.devices[0].traffic[Direction::toward_inside];
  EXPECT_EQ(traffic.answered_by_device, 1u);
  EXPECT_EQ(traffic.lost, 0u);
  EXPECT_EQ(traffic.forwarded, 2u);
  EXPECT_EQ(traffic.entered, 3u);
  for (const PacketRecord& packet : output.packets)
    EXPECT_FALSE(packet.labels & bit(PacketLabel::lost_in_device)) << packet.frame;
}

TEST(AnsweredSyn, IsLostIfNobodyAnswered) {
  const PipelineOutput output = run_text(kSynLost);
  ASSERT_EQ(output.devices.size(), 1u);
  const DeviceTraffic& traffic = output.devices[0].traffic[Direction::toward_inside];
  EXPECT_EQ(traffic.answered_by_device, 0u);
  EXPECT_EQ(traffic.lost, 1u);
}

void expect_not_answered_by_device(const PipelineOutput& output) {
  ASSERT_EQ(output.devices.size(), 1u);
  for (const Direction direction : kDirections) EXPECT_EQ(output.devices[0].traffic[direction].answered_by_device, 0u);
  for (const PacketRecord& packet : output.packets) EXPECT_FALSE(packet.labels & bit(PacketLabel::injected_by_device));
}

TEST(AnsweredSyn, IsForwardedIfTheAnswerBeginsWithTheSameNumberAtBothPoints) {
  const PipelineOutput output = run_text(kLateStamps);
  expect_not_answered_by_device(output);
  EXPECT_EQ(output.devices[0].traffic[Direction::toward_outside].forwarded, 2u);
}

TEST(AnsweredSyn, IsUndecidedWithinWhatStampsMayBeWrong) {
  std::string text = kLateStamps;
  text.insert(text.find("@0.0000"), kRewritten);
  const PipelineOutput output = run_text(text.c_str());
  expect_not_answered_by_device(output);
  EXPECT_EQ(output.devices[0].traffic[Direction::toward_outside].undecided, 1u);
}

}  // namespace
}  // namespace parallax::test
