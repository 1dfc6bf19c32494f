// `parallax analyze` of packets that belong to no connection: they are counted, and no all-clear is given for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/client/client_text.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<uint8_t> pcap(const std::vector<test::Frame>& frames) {
  test::CaptureBytes bytes(false);
  bytes.pcap_header(0xa1b2c3d4);
  for (size_t i = 0; i < frames.size(); ++i)
    bytes.pcap_packet(1'709'210'096, static_cast<uint32_t>(i), frames[i], static_cast<uint32_t>(frames[i].size()));
  return bytes.bytes();
}

std::string analyzed(const std::string& format, const std::vector<std::string>& points) {
  AnalyzeOptions options;
  options.format = format;
  options.points = points;
  return test::analyze_outcome(options).out;
}

test::Ip ip(const char* source, const char* destination) {
  return {.source = test::address(source), .destination = test::address(destination)};
}

TEST(NotFollowed, PingsAreCountedAtEachPointAndTheReportSaysSo) {
  const test::Ip there = ip("192.0.2.1", "198.51.100.1"), back = ip("198.51.100.1", "192.0.2.1");
  const TemporaryFile outside("outside.pcap", pcap({test::icmp_echo_frame(there, 1), test::icmp_echo_frame(there, 2),
                                                    test::icmp_echo_frame(back, 2, true)}));
  const TemporaryFile inside("inside.pcap", pcap({test::icmp_echo_frame(there, 2), test::icmp_echo_frame(back, 2, true)}));
  const std::vector<std::string> points{"outside=" + outside.path(), "inside=" + inside.path()};
  EXPECT_THAT(analyzed("text", points),
              HasSubstr("Nothing is said of what is not followed: ICMP echo (3 packets at outside, 2 at inside)."));
  const std::string json = analyzed("json", points);
  EXPECT_THAT(json, HasSubstr(R"("not_followed":{"icmp_echo":3})"));
  EXPECT_THAT(json, HasSubstr(R"("not_followed":{"icmp_echo":2})"));
}

TEST(NotFollowed, FragmentsOfLargePingsAndIpv6AreCountedToo) {
  const test::Ip six = ip("2001:db8::1", "2001:db8:1::1");
  std::vector<test::Frame> frames = test::in_fragments(test::icmp_echo_frame(ip("192.0.2.1", "198.51.100.1"), 1), 8);
  ASSERT_EQ(frames.size(), 2u);
  frames.push_back(test::icmp_echo_frame(six, 1));
  const TemporaryFile file("here.pcap", pcap(frames));
  EXPECT_THAT(analyzed("json", {"here=" + file.path()}), HasSubstr(R"("not_followed":{"icmp_echo":3})"));
}

TEST(NotFollowed, OtherProtocolsAreCountedUnlessNoRouterPassesThemOn) {
  constexpr uint8_t kEsp = 50, kOspf = 89;
  constexpr size_t kProtocol = 14 + 9, kDestination = 14 + 16;
  test::Frame esp = test::udp_frame(ip("192.0.2.1", "198.51.100.1"), {});
  esp[kProtocol] = kEsp;
  test::Frame ospf = esp;
  ospf[kProtocol] = kOspf;
  ospf[kDestination] = 224;
  const TemporaryFile file("here.pcap", pcap({esp, ospf, test::icmp_echo_frame(ip("fe80::1", "fe80::2"), 1)}));
  EXPECT_THAT(analyzed("json", {"here=" + file.path()}), HasSubstr(R"("not_followed":{"other_protocols":1})"));
}

TEST(NotFollowed, TheStatusOfTheDaemonSaysSo) {
  v1::Status status;
  EXPECT_THAT(status_text(status), Not(HasSubstr("Not followed")));
  v1::Point& point = *status.add_points();
  point.set_name("outside");
  (*point.mutable_not_followed())["icmp_echo"] = 1;
  EXPECT_THAT(status_text(status), HasSubstr("\nNot followed: ICMP echo (1 packet at outside)\n"));
}

TEST(NotFollowed, WhereAllIsFollowedNothingIsSaid) {
  const TemporaryFile file("here.pcap", pcap({test::udp_frame(ip("192.0.2.1", "198.51.100.1"), {40000, 53})}));
  EXPECT_THAT(analyzed("text", {"here=" + file.path()}), Not(HasSubstr("not followed")));
}

}  // namespace
}  // namespace parallax
