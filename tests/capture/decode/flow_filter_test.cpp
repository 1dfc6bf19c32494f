// What a filter of the analysis takes, beyond what libpcap says of the bytes.
#include "capture/decode/flow_filter.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

bool matches(const std::string& expression, const Frame& frame, size_t captured, size_t wire) {
  const Result<FlowFilter> filter = FlowFilter::compile(expression);
  EXPECT_TRUE(filter.ok());
  RawPacket packet{};
  packet.data = frame.data();
  packet.captured_length = static_cast<uint32_t>(captured);
  packet.wire_length = static_cast<uint32_t>(wire);
  packet.link_type = LinkType::ethernet;
  return filter.ok() && filter->matches(packet);
}

TEST(FlowFilter, CutFrameIsJudgedByTheLengthThatItsHeaderSays) {
  Ip ip;
  ip.source = address("192.0.2.1");
  ip.destination = address("198.51.100.1");
  const Frame frame = tcp_frame(ip, Tcp{}, std::vector<uint8_t>(1000));
  for (const size_t wire : {frame.size(), size_t{100}}) {  // as it was, and as a mirror cut it without a word
    EXPECT_FALSE(matches("less 700", frame, 100, wire)) << wire;
    EXPECT_TRUE(matches("greater 700", frame, 100, wire)) << wire;
    EXPECT_TRUE(matches("tcp", frame, 100, wire)) << wire;
  }
}

}  // namespace
}  // namespace parallax::test
