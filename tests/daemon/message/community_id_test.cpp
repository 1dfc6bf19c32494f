// Community IDs: the specification's own examples, and those that Wireshark computes for the legs of real captures.
#include "daemon/message/community_id.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "analysis/model/address_text.h"
#include "daemon/message/to_proto.h"
#include "tests/support/captures.h"

namespace parallax {
namespace {

Endpoint endpoint(std::string_view address, uint16_t port) {
  Endpoint end{{}, port};
  EXPECT_TRUE(parse_address(address, end.address)) << address;
  return end;
}

// corelight/community-id-spec, baseline.
TEST(CommunityId, IsThatOfTheSpecificationsExamples) {
  const Endpoint client = endpoint("128.232.110.120", 34855), server = endpoint("66.35.250.204", 80);
  EXPECT_EQ(community_id(Protocol::tcp, client, server), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  EXPECT_EQ(community_id(Protocol::tcp, client, server, 1), "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
  EXPECT_EQ(community_id(Protocol::udp, endpoint("192.168.1.52", 54585), endpoint("8.8.8.8", 53)),
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
  EXPECT_EQ(community_id(Protocol::tcp, endpoint("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
                         endpoint("2607:f8b0:400c:c03::1a", 25)),
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=");
}

TEST(CommunityId, IsTheSameInBothDirections) {
  const Endpoint one = endpoint("192.0.2.1", 40000), other = endpoint("192.0.2.1", 80);
  EXPECT_EQ(community_id(Protocol::udp, one, other), community_id(Protocol::udp, other, one));
  EXPECT_NE(community_id(Protocol::udp, one, other), community_id(Protocol::tcp, one, other));
}

TEST(CommunityId, OfAFindingNamesEachLegOnce) {
  FindingRecord finding;
  const Endpoint client = endpoint("198.51.100.7", 40000), mapped = endpoint("10.0.0.1", 1024);
  const Endpoint server = endpoint("203.0.113.80", 80);
  finding.legs = {{1, Protocol::tcp, client, server}, {1, Protocol::tcp, mapped, server}, {2, Protocol::tcp, client, server}};
  const v1::Finding message = to_proto(finding, {{"outside", "inside"}, {}, false});
  ASSERT_EQ(message.community_ids_size(), 2);
  EXPECT_EQ(message.community_ids(0), community_id(Protocol::tcp, client, server));
  EXPECT_EQ(message.community_ids(1), community_id(Protocol::tcp, mapped, server));
}

TEST(CommunityId, OfEveryLegIsWhatWiresharkComputes) {
  NEEDS_CAPTURES();
  NEEDS_COMMAND("tshark");
  for (const std::string name : {"zeek__wikipedia.pcap", "zeek__smtp.pcap", "zeek__http-vlan-0.pcap", "ndpi__avast.pcap",
                                 "zeek__vxlan-encapsulated-http.pcap"}) {
    const std::string file = test::captures_directory() + "/" + name;
    const CommandResult tshark =
        run("tshark -n --enable-protocol communityid -r '" + file + "' -Y '(tcp or udp) and not icmp' -T fields -e communityid");
    ASSERT_EQ(tshark.status, 0) << tshark.errors;
    std::set<std::string> theirs, ours;
    for (const std::string& line : test::split(tshark.output, '\n')) {
      if (!line.empty()) theirs.insert(line);
    }
    const auto pipeline = test::analyzed(file);
    ASSERT_NE(pipeline, nullptr) << file;
    const MessageNames names{{"here"}, {}, true};
    for (const ConnectionRecord& connection : pipeline->engine().connections(0, SIZE_MAX)) {
      const v1::Connection message = to_proto(connection, names);
      for (const v1::Leg& leg : message.legs()) ours.insert(leg.community_id());
    }
    EXPECT_EQ(ours, theirs) << name;
    EXPECT_FALSE(ours.empty()) << name;
  }
}

}  // namespace
}  // namespace parallax
