// Numbers of records that are left out, or counted alike, where stamps or protocols differ.
#include <gtest/gtest.h>

#include "tests/support/run_text.h"

namespace parallax::test {
namespace {

TEST(RecordNumbers, AnAnswerStampedBeforeItsQuestionHasNoRoundTrip) {
  const PipelineOutput output = run_text(R"(path here
endpoint client 192.0.2.10:40000  beyond here ttl 60
endpoint server 198.51.100.1:80  beyond here after ttl 64
@0.0000  here  server > client  S. 0 ack 1
@0.0001  here  client > server  S  0
@0.0002  here  client > server  .  1 ack 1
@0.0003  here  client > server  P. 1:101 ack 1
expect anything
)");
  ASSERT_EQ(output.connections.size(), 1u);
  ASSERT_EQ(output.connections[0].legs.size(), 1u);
  EXPECT_FALSE(output.connections[0].legs[0].handshake_server_rtt_ns);
  EXPECT_EQ(output.connections[0].legs[0].handshake_client_rtt_ns, 200'000);
}

TEST(RecordNumbers, DatagramsLostCountForTheDeviceAsForTheConnection) {
  const PipelineOutput output = run_text(R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:4000 beyond inside  ttl 64
+0.000  outside inside  client > server  udp 160
+0.010  inside outside  server > client  udp 160
+0.010  outside inside  client > server  udp 170
+0.010  outside         client > server  udp 180
+0.010  outside inside  client > server  udp 190
+0.010  inside outside  server > client  udp 160
expect anything
)");
  ASSERT_EQ(output.connections.size(), 1u);
  ASSERT_EQ(output.connections[0].crossings.size(), 1u);
  EXPECT_EQ(output.connections[0].crossings[0].lost[Side::client], 1u);
  ASSERT_EQ(output.devices.size(), 1u);
  EXPECT_EQ(output.devices[0].segments_lost[Direction::toward_inside], 1u);
}

}  // namespace
}  // namespace parallax::test
