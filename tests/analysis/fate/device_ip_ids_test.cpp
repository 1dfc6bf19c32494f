// Devices that take IP IDs away, or give packets IDs of their own: what the IDs then seem to say is not held against anyone.
#include <gtest/gtest.h>

#include "tests/support/run_text.h"

namespace parallax::test {
namespace {

// The first SYN-ACK is lost, and two come at once to the second SYN: the client acknowledges twice in a row. The device clears
// the IDs, so that at inside the second acknowledgement looks like the first shown once more.
constexpr const char* kIdsCleared = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:80  beyond inside  ttl 64
+0.000    outside  client > server  S  0 id 100
+0.0003   inside   client > server  S  0 id 0
+0.0001   inside   server > client  S. 0 ack 1 id 0
+1.000    outside  client > server  S  0 id 101
+0.0003   inside   client > server  S  0 id 0
+0.0001   inside   server > client  S. 0 ack 1 id 0
+0.00002  inside   server > client  S. 0 ack 1 id 0
+0.0005   outside  server > client  S. 0 ack 1 id 0
+0.00006  outside  client > server  .  1 ack 1 id 102
+0.00015  outside  server > client  S. 0 ack 1 id 0
+0.00001  outside  client > server  .  1 ack 1 id 103
+0.00026  inside   client > server  .  1 ack 1 id 0
+0.00013  inside   client > server  .  1 ack 1 id 0
+0.001    outside  client > server  P. 1:101 ack 1 id 104
+0.0003   inside   client > server  P. 1:101 ack 1 id 0
+0.001    inside   server > client  .  1 ack 101 id 7003
+0.0003   outside  server > client  .  1 ack 101 id 0
+0.001    outside  client > server  P. 101:201 ack 1 id 105
+0.0003   inside   client > server  P. 101:201 ack 1 id 0
expect anything
)";

// A segment is lost and sent again, which by chance leaves under the ID that the first had.
constexpr const char* kIdsRenewed = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:80  beyond inside  ttl 64
+0.000   outside  client > server  S  0 id 101
+0.0001  inside   client > server  S  0 id 9001
+0.0001  inside   server > client  S. 0 ack 1 id 0
+0.0001  outside  server > client  S. 0 ack 1 id 9101
+0.0001  outside  client > server  .  1 ack 1 id 102
+0.0001  inside   client > server  .  1 ack 1 id 9002
+0.001   outside  client > server  P. 1:101 ack 1 id 103
+0.0001  outside  client > server  P. 101:201 ack 1 id 104
+0.0001  inside   client > server  P. 101:201 ack 1 id 9003
+0.005   outside  client > server  P. 1:101 ack 1 id 105
+0.0002  inside   client > server  P. 1:101 ack 1 id 103
+0.0001  inside   server > client  .  1 ack 201 id 7002
+0.0001  outside  server > client  .  1 ack 201 id 9102
expect anything
)";

std::vector<uint32_t> frames_with(const PipelineOutput& output, PacketLabel label) {
  std::vector<uint32_t> frames;
  for (const PacketRecord& packet : output.packets)
    if (packet.labels & bit(label)) frames.push_back(packet.frame);
  return frames;
}

TEST(DeviceIpIds, TwoAlikeAreNotOneShownTwice) {
  const PipelineOutput output = run_text(kIdsCleared);
  EXPECT_EQ(frames_with(output, PacketLabel::lost_in_device), std::vector<uint32_t>{2});  // of inside: the SYN-ACK
  ASSERT_EQ(output.devices.size(), 1u);
  EXPECT_EQ(output.devices[0].traffic[Direction::toward_inside].undecided, 1u);
}

TEST(DeviceIpIds, AChanceAgreementIsNoReordering) {
  const PipelineOutput output = run_text(kIdsRenewed);
  EXPECT_EQ(frames_with(output, PacketLabel::reordered_by_device), std::vector<uint32_t>{});
  EXPECT_EQ(frames_with(output, PacketLabel::lost_in_device), std::vector<uint32_t>{4});  // of outside
}

}  // namespace
}  // namespace parallax::test
