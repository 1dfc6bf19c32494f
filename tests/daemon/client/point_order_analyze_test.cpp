// `parallax analyze` of points that are named in another order than packets pass them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

// SYNs, as a point shows them that so many routers stand before.
std::vector<uint8_t> syns_behind(uint8_t routers) {
  test::CaptureBytes bytes(false);
  bytes.pcap_header(0xa1b2c3d4);
  for (uint16_t i = 0; i < 20; ++i) {
    test::Ip ip{.source = test::address("192.0.2.1"), .destination = test::address("198.51.100.1")};
    ip.ttl = static_cast<uint8_t>(64 - routers);
    ip.id = static_cast<uint16_t>(i + 1);
    test::Tcp tcp{};
    tcp.source_port = static_cast<uint16_t>(40000 + i);
    tcp.destination_port = 443;
    tcp.seq = 1000u * i;
    tcp.flags = tcp_flag::syn;
    const test::Frame frame = test::tcp_frame(ip, tcp);
    bytes.pcap_packet(1'709'210'096, 1000u * i + 10u * routers, frame, static_cast<uint32_t>(frame.size()));
  }
  return bytes.bytes();
}

TEST(PointOrderAnalyze, AnotherOrderIsSaidAndTheRightOneIsNot) {
  const TemporaryFile first("a.pcap", syns_behind(1)), second("b.pcap", syns_behind(2)), third("c.pcap", syns_behind(3));
  const std::string outside = "outside=" + first.path(), inside = "inside=" + second.path(), server = "server=" + third.path();
  const auto analyzed = [](const std::vector<std::string>& points) {
    AnalyzeOptions options;
    options.format = "json";
    options.points = points;
    return test::analyze_outcome(options).out;
  };
  const std::string said = "20 of the 20 packets that all points show pass these in the order outside, inside, server";
  EXPECT_THAT(analyzed({outside, server, inside}), HasSubstr(said));
  EXPECT_THAT(analyzed({inside, outside, server}), HasSubstr(said));
  EXPECT_THAT(analyzed({outside, inside, server}), Not(HasSubstr("in the order")));
  EXPECT_THAT(analyzed({server, inside, outside}), Not(HasSubstr("in the order")));
}

}  // namespace
}  // namespace parallax
