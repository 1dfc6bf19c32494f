// A ladder as SVG: one group a packet, marked by what became of it.
#include "daemon/client/page/ladder_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/model/vocabulary.h"
#include "daemon/client/page/packet_table.h"
#include "tests/support/ladder_steps.h"

namespace parallax {
namespace {

using test::ladder_step;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Ladder ladder(std::vector<LadderStep> steps) { return {.title = {}, .lanes = {"outside", "inside"}, .steps = std::move(steps)}; }

size_t count_of(const std::string& what, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(LadderSvg, EachPacketIsAGroupWithItsSightings) {
  const std::string svg = ladder_svg(
      ladder({ladder_step(Side::client, tcp_flag::syn, 0, {0, 1}), ladder_step(Side::server, tcp_flag::ack, 120, {31, 30})}));
  EXPECT_EQ(count_of("<g class=\"step\">", svg), 2u);
  EXPECT_EQ(count_of("<circle", svg), 4u);
  EXPECT_EQ(count_of("class=\"tip\"", svg), 2u);
  EXPECT_THAT(svg, HasSubstr("inside: 1970-01-01T00:00:00.001Z, frame 8"));
}

TEST(LadderSvg, WhatIsLostEndsInTheDeviceAndWhatIsMadeBeginsThere) {
  LadderStep lost = ladder_step(Side::client, tcp_flag::ack, 10, {0, -1}, bit(PacketLabel::lost_in_device));
  lost.decisive = true;
  const Ladder drawn = ladder({lost, ladder_step(Side::server, tcp_flag::rst, 0, {1, -1}, bit(PacketLabel::injected_by_device)),
                               ladder_step(Side::client, tcp_flag::ack, 0, {2, -1})});
  const std::string svg = ladder_svg(drawn);
  EXPECT_THAT(svg, HasSubstr("<g class=\"step decisive lost\">"));
  EXPECT_THAT(svg, HasSubstr("<g class=\"step injected\">"));
  EXPECT_EQ(count_of("class=\"fate\"", svg), 2u);
  EXPECT_EQ(count_of("class=\"tip\"", svg), 1u);  // only the answer arrives
  EXPECT_EQ(count_of(">?</text>", svg), 1u);
  EXPECT_THAT(svg, HasSubstr("inside: not seen"));
  EXPECT_THAT(ladder_legend(drawn), HasSubstr("lost in the device"));
}

TEST(LadderSvg, TheLegendHasOnlyWhatOccurs) {
  const std::string legend = ladder_legend(ladder({ladder_step(Side::client, tcp_flag::syn, 0, {0, 1})}));
  EXPECT_THAT(legend, HasSubstr("seen at this point"));
  EXPECT_THAT(legend, Not(HasSubstr("lost in the device")));
}

TEST(LadderSvg, FramesAreOfTheFileThatHoldsThem) {
  Ladder tapped = ladder({ladder_step(Side::client, tcp_flag::syn, 0, {0, 1})});
  tapped.files = {"/captures/tap0.pcap", "/captures/tap1.pcap", "/captures/span.pcap"};
  tapped.steps[0].sightings[1]->packet.port = 2;
  EXPECT_THAT(ladder_svg(tapped), HasSubstr("frame 7 of tap0.pcap"));
  EXPECT_THAT(ladder_svg(tapped), HasSubstr("frame 8 of span.pcap"));
  EXPECT_THAT(packet_table(tapped, "t"), Not(HasSubstr("span.pcap"))) << "one file a point: its frames are enough";
  tapped.steps.push_back(ladder_step(Side::server, tcp_flag::ack, 0, {3, 2}));
  tapped.steps[1].sightings[0]->packet.port = 1;
  tapped.steps[1].sightings[1]->packet.port = 2;
  EXPECT_THAT(packet_table(tapped, "t"), AllOf(HasSubstr(">7</td><td>tap0.pcap</td>"), HasSubstr(">7</td><td>tap1.pcap</td>")));
}

TEST(LadderSvg, NamesOfPointsAreText) {
  Ladder hostile = ladder({ladder_step(Side::client, tcp_flag::syn, 0, {0, 1})});
  hostile.lanes = {"<script>", "\"><img>"};
  for (const std::string& html : {ladder_svg(hostile), packet_table(hostile, "t")}) {
    EXPECT_THAT(html, Not(HasSubstr("<script")));
    EXPECT_THAT(html, Not(HasSubstr("<img")));
  }
}

TEST(PacketTable, WhatADeviceRewroteShowsOldAndNew) {
  LadderStep syn = ladder_step(Side::server, tcp_flag::syn | tcp_flag::ack, 0, {31, 30});
  for (auto& sighting : syn.sightings) sighting->packet.options = tcp_option::mss | tcp_option::window_scale;
  syn.sightings[1]->packet.mss = 1460;  // the server's side
  syn.sightings[0]->packet.mss = 1380;
  syn.sightings[0]->packet.options = tcp_option::mss;
  syn.sightings[0]->packet.source_port = 443;
  syn.sightings[1]->packet.source_port = 8443;
  const std::string html = packet_table(ladder({syn}), "t");
  EXPECT_THAT(html, HasSubstr("source [::]:8443 &gt; [::]:443, MSS 1460 &gt; 1380, options MSS+window scale &gt; MSS"));
  EXPECT_THAT(html, HasSubstr("1970-01-01T00:00:00.031Z"));
  EXPECT_THAT(html, HasSubstr("data-sort=\"1000000\">1 ms<"));  // transit
}

}  // namespace
}  // namespace parallax
