// How a connection's packets are drawn.
#include "daemon/client/ladder.h"

#include <gtest/gtest.h>

#include "analysis/model/vocabulary.h"
#include "tests/support/ladder_steps.h"

namespace parallax {
namespace {

using test::ladder_step;

std::string drawn(std::vector<LadderStep> steps, LadderStyle style = {}) {
  return ladder_text({.title = {}, .lanes = {"outside", "inside"}, .steps = std::move(steps)}, style);
}

TEST(Ladder, EachPacketIsALineWithItsSightings) {
  EXPECT_EQ(drawn({ladder_step(Side::client, tcp_flag::syn, 0, {1000, 1001}),
                   ladder_step(Side::server, tcp_flag::ack, 120, {1031, 1030})}),
            "                       device\n"
            "             client   outside  inside   server\n"
            "    0.000000 |--------o========o------->|  SYN seq 0 +1 ms #7/8\n"
            "    0.030000 |<-------o========o--------|  seq 0 len 120 +1 ms #7/8\n");
}

TEST(Ladder, WhatIsLostEndsInTheDeviceAndWhatIsMadeBeginsThere) {
  LadderStep lost = ladder_step(Side::client, tcp_flag::ack, 10, {0, -1}, bit(PacketLabel::lost_in_device));
  lost.decisive = true;
  EXPECT_EQ(drawn({lost, ladder_step(Side::server, tcp_flag::rst, 0, {1, -1}, bit(PacketLabel::injected_by_device)),
                   ladder_step(Side::client, tcp_flag::ack, 0, {2, -1})}),
            "                       device\n"
            "             client   outside  inside   server\n"
            "!   0.000000 |--------o===X    |        |  seq 0 len 10 #7/-\n"
            "    0.001000 |<-------o====*   |        |  RST seq 0 #7/-\n"
            "    0.002000 |--------o===?    |        |  ack 0 #7/-\n");
}

TEST(Ladder, ALongPauseIsSaid) {
  EXPECT_EQ(drawn({ladder_step(Side::client, tcp_flag::ack, 10, {0, 0}),
                   ladder_step(Side::client, tcp_flag::ack, 10, {3000, 3000}, bit(PacketLabel::retransmission))}),
            "                       device\n"
            "             client   outside  inside   server\n"
            "    0.000000 |--------o========o------->|  seq 0 len 10 +0 ns #7/8\n"
            "             :        :        :        :  3.0 s\n"
            "    3.000000 |--------o========o------->|  seq 0 len 10 [retrans.] +0 ns #7/8\n");
}

TEST(Ladder, ManyPacketsAreFoldedButNotThoseThatMatter) {
  std::vector<LadderStep> steps;
  for (int64_t i = 0; i < 100; ++i) steps.push_back(ladder_step(Side::client, tcp_flag::ack, 10, {i, i}));
  steps[50] = ladder_step(Side::client, tcp_flag::ack, 10, {50, -1}, bit(PacketLabel::lost_in_device));
  const std::string text = drawn(steps, {.ascii = true, .steps_max = 20});
  EXPECT_NE(text.find("o===X"), std::string::npos);
  EXPECT_NE(text.find(":  41 packets\n"), std::string::npos);
  EXPECT_NE(text.find(":  42 packets\n"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 8 + 1 + 3 + 1 + 6);
}

TEST(Ladder, WhatADeviceRewritesShowsOldAndNew) {
  LadderStep syn = ladder_step(Side::client, tcp_flag::syn, 0, {0, 0});
  for (auto& sighting : syn.sightings) sighting->packet.options = tcp_option::mss;
  syn.sightings[0]->packet.mss = 1460;
  syn.sightings[1]->packet.mss = 1380;
  EXPECT_NE(drawn({syn}).find("SYN seq 0 mss 1460>1380"), std::string::npos);
}

TEST(Ladder, NoLineIsLongerThanAHundredColumns) {
  for (const size_t points : {1u, 2u, 3u, 8u}) {
    Ladder ladder;
    for (size_t i = 0; i < points; ++i) ladder.lanes.push_back("a point with a long name");
    ladder.steps.push_back(ladder_step(Side::client, tcp_flag::ack, 1'000'000, std::vector<int64_t>(points, 100'000'000),
                                       bit(PacketLabel::timeout_retransmission) | bit(PacketLabel::needless_retransmission)));
    const std::string text = ladder_text(ladder, {});
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      EXPECT_LE(end - begin, 100u) << text;
      begin = end + 1;
    }
  }
}

}  // namespace
}  // namespace parallax
