// Labels of single packets: where Parallax says more than Wireshark does, and what must not disturb either.
#include <gtest/gtest.h>

#include "analysis/tcp/tcp_leg.h"

namespace parallax {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr uint32_t kClientIsn = 0xffffff00, kServerIsn = 5000;  // the client's numbers wrap after 255 bytes

struct Segment {
  Side from;
  uint32_t seq, ack;  // relative: data begins at 1
  uint32_t length = 0;
  uint8_t flags = tcp_flag::ack;
  uint16_t window = 1000;
  std::array<uint32_t, 4> sack{};
};

// One leg, packet by packet.
class Conversation {
 public:
  Conversation() { cold_.window_scale = {-1, -1}; }

  // A handshake with a round trip of 40 ms.
  Conversation& established() {
    send(0, {.from = Side::client, .seq = 0, .ack = 0, .flags = tcp_flag::syn});
    send(40, {.from = Side::server, .seq = 0, .ack = 1, .flags = tcp_flag::syn | tcp_flag::ack});
    send(40, {.from = Side::client, .seq = 1, .ack = 1});
    return *this;
  }

  LegStep send(int64_t at_ms, const Segment& segment, DuplicateState same = DuplicateState::fresh) {
    Sighting s{};
    const bool up = segment.from == Side::client;
    s.time_ns = s.order_ns = 1'000'000'000'000 + at_ms * kMillisecond;
    s.frame = ++frame_;
    s.protocol = ip_protocol::tcp;
    s.seq = segment.seq + (up ? kClientIsn : kServerIsn);
    s.ack = segment.flags & tcp_flag::ack ? segment.ack + (up ? kServerIsn : kClientIsn) : 0;
    s.payload_length = segment.length;
    s.tcp_flags = segment.flags;
    s.window = segment.window;
    if (segment.sack[0] != segment.sack[1]) s.options = tcp_option::sack;
    for (size_t i = 0; i < segment.sack.size(); ++i) {
      if (segment.sack[i] != 0) s.sack[i] = segment.sack[i] + (up ? kServerIsn : kClientIsn);
    }
    return tcp_step(hot_, cold_, flow_, s, segment.from, same);
  }

  int scale_at_least(Side side) const { return flow_.half[side].scale_at_least; }
  uint32_t retransmissions(Side side) const { return cold_.retransmissions[side]; }

 private:
  LegHot hot_{};
  LegCold cold_{};
  TcpFlow flow_{};
  uint32_t frame_ = 0;
};

Segment data(uint32_t seq, uint32_t length) { return {.from = Side::client, .seq = seq, .ack = 1, .length = length}; }
Segment ack(uint32_t number) { return {.from = Side::server, .seq = 1, .ack = number}; }

bool has(const LegStep& step, PacketLabel label) { return step.labels & bit(label); }

}  // namespace

TEST(TcpLabels, AnAcknowledgementNumberCountsOnlyWithItsFlag) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(140, ack(101));
  c.send(150, {.from = Side::server, .seq = 1, .ack = 0, .flags = tcp_flag::rst});  // its number is 0, which lies ahead
  EXPECT_EQ(c.send(151, data(101, 100)).labels, 0u);
  EXPECT_EQ(c.send(152, data(201, 100)).labels, 0u);
  EXPECT_EQ(c.retransmissions(Side::client), 0u);
}

TEST(TcpLabels, DataBeforeAnyAcknowledgementIsNotSpurious) {
  Conversation c;
  c.send(0, {.from = Side::server, .seq = 1, .ack = 0, .flags = tcp_flag::rst});
  EXPECT_EQ(c.send(10, data(0xffffff00u, 100)).labels, 0u);
}

TEST(TcpVerdicts, SegmentsThatOvertookOneAnotherAreNoRetransmissions) {
  Conversation c;
  c.established();
  for (uint32_t i = 0; i < 6; ++i) c.send(100, data(101 + 200 * i, 100));  // every other one is late, and more than are kept
  for (uint32_t i = 0; i < 6; ++i) c.send(110, data(1 + 200 * i, 100));
  EXPECT_EQ(c.retransmissions(Side::client), 0u);
  c.send(120, data(1001, 100));
  EXPECT_EQ(c.retransmissions(Side::client), 1u);
}

TEST(TcpVerdicts, BytesSeenTwiceAreARetransmissionHoweverTheyAreCut) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(100, data(201, 100));
  c.send(400, data(1, 200));  // the first hundred again, together with what was missing
  EXPECT_EQ(c.retransmissions(Side::client), 1u);
}

TEST(TcpVerdicts, LastSegmentAgainAfterTwoRoundTripsIsATailLossProbe) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(100, data(101, 100));
  c.send(100, data(201, 100));
  const LegStep probe = c.send(185, data(201, 100));
  EXPECT_TRUE(has(probe, PacketLabel::tail_loss_probe));
  EXPECT_TRUE(has(probe, PacketLabel::retransmission)) << "beside Wireshark's label, not instead";
  EXPECT_FALSE(has(probe, PacketLabel::timeout_retransmission));
}

TEST(TcpVerdicts, EarliestSegmentAgainAfterSilenceIsATimeout) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(100, data(101, 100));
  const LegStep again = c.send(345, data(1, 100));
  EXPECT_TRUE(has(again, PacketLabel::timeout_retransmission));
  EXPECT_TRUE(has(again, PacketLabel::retransmission));
  EXPECT_FALSE(has(again, PacketLabel::tail_loss_probe));
}

// Wireshark calls both of these plain retransmissions: the second one comes more than 20 ms after the last duplicate ACK.
TEST(TcpVerdicts, FastRecoveryIsNoTimeout) {
  Conversation c;
  c.established();
  for (uint32_t i = 0; i < 6; ++i) c.send(100, data(1 + i * 100, 100));
  c.send(140, ack(101));
  for (int i = 0; i < 3; ++i) c.send(141, ack(101));
  const LegStep fast = c.send(142, data(101, 100));
  EXPECT_TRUE(has(fast, PacketLabel::fast_retransmission));
  EXPECT_FALSE(has(fast, PacketLabel::timeout_retransmission));
  c.send(182, ack(201));
  const LegStep recovery = c.send(204, data(201, 100));
  EXPECT_TRUE(has(recovery, PacketLabel::retransmission));
  EXPECT_FALSE(has(recovery, PacketLabel::timeout_retransmission));
  EXPECT_FALSE(has(recovery, PacketLabel::tail_loss_probe));
}

TEST(TcpVerdicts, SynSentAgainWasATimeout) {
  Conversation c;
  c.send(0, {.from = Side::client, .seq = 0, .ack = 0, .flags = tcp_flag::syn});
  const LegStep again = c.send(1000, {.from = Side::client, .seq = 0, .ack = 0, .flags = tcp_flag::syn});
  EXPECT_TRUE(has(again, PacketLabel::timeout_retransmission));
  EXPECT_TRUE(has(again, PacketLabel::retransmission));
  EXPECT_EQ(c.retransmissions(Side::client), 1u);
}

TEST(TcpVerdicts, DuplicateSackTellsOfTheSegmentThatWasSentInVain) {
  Conversation c;
  c.established().send(100, data(1, 100));  // frame 4
  c.send(345, data(1, 100));                // frame 5: in vain, the ACK was late
  EXPECT_FALSE(c.send(350, ack(101)).needless);
  Segment duplicate = ack(101);
  duplicate.sack = {1, 101};
  const LegStep told = c.send(390, duplicate);
  ASSERT_TRUE(told.needless);
  EXPECT_EQ(told.needless->frame, 5u);
  EXPECT_FALSE(c.send(391, duplicate).needless) << "told once";
}

TEST(TcpVerdicts, CopyIsLabelledButNobodySentItAgain) {
  Conversation c;
  c.established().send(100, data(1, 100));
  EXPECT_TRUE(c.send(101, data(1, 100), DuplicateState::copy).labels & bit(PacketLabel::retransmission));
  EXPECT_EQ(c.retransmissions(Side::client), 0u);
  c.send(345, data(1, 100));  // this one is sent again, and in vain
  EXPECT_EQ(c.retransmissions(Side::client), 1u);
  Segment duplicate = ack(101);
  duplicate.sack = {1, 101};
  EXPECT_FALSE(c.send(390, duplicate, DuplicateState::copy).needless) << "what a copy says has been said";
  EXPECT_TRUE(c.send(390, duplicate).needless);
  EXPECT_FALSE(c.send(391, duplicate).needless) << "of one segment, not of its copy as well";
}

TEST(TcpVerdicts, SackOfWhatIsMissingIsNoDuplicateSack) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(100, data(101, 100));
  c.send(345, data(101, 100));
  Segment selective = ack(1);
  selective.sack = {101, 201};
  EXPECT_FALSE(c.send(390, selective).needless);
}

// Wireshark compares boundaries and time, and says out of order.
TEST(TcpVerdicts, SegmentsJoinedByOffloadAreKnownToBeSentAgain) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(100, data(101, 100));
  c.send(100, data(201, 100));
  const LegStep joined = c.send(101, data(1, 200));  // two segments as one, so soon that Wireshark takes them for late
  EXPECT_TRUE(has(joined, PacketLabel::out_of_order));
  EXPECT_EQ(c.retransmissions(Side::client), 1u);
}

TEST(TcpVerdicts, PartOfALargeSegmentAgainIsSentAgain) {
  Conversation c;
  c.established().send(100, data(1, 4000));
  c.send(100, data(4001, 100));
  c.send(101, data(1001, 1000));
  EXPECT_EQ(c.retransmissions(Side::client), 1u);
}

TEST(TcpVerdicts, LateSegmentThatFillsAHoleWasSentOnce) {
  Conversation c;
  c.established().send(100, data(1, 100));
  EXPECT_TRUE(has(c.send(100, data(201, 100)), PacketLabel::lost_segment));
  const LegStep late = c.send(101, data(101, 100));
  EXPECT_TRUE(has(late, PacketLabel::out_of_order));
  EXPECT_EQ(c.retransmissions(Side::client), 0u);
}

TEST(TcpLabels, NumbersMayWrap) {
  Conversation c;
  c.established();
  EXPECT_EQ(c.send(100, data(1, 250)).labels, 0u);
  EXPECT_EQ(c.send(101, data(251, 250)).labels, 0u) << "across 2^32";
  EXPECT_EQ(c.send(140, ack(501)).labels, 0u);
  EXPECT_EQ(c.send(141, data(501, 10)).labels, 0u);
  EXPECT_TRUE(has(c.send(500, data(251, 250)), PacketLabel::spurious_retransmission));
}

TEST(TcpLabels, UrgentDataIsData) {
  Conversation c;
  c.established();
  Segment urgent = data(1, 5);
  urgent.flags |= tcp_flag::urg;
  EXPECT_EQ(c.send(100, urgent).labels, 0u);
  EXPECT_EQ(c.send(140, ack(6)).labels, 0u);
}

TEST(TcpLabels, BothSidesMayOpenAtOnce) {
  Conversation c;
  c.send(0, {.from = Side::client, .seq = 0, .ack = 0, .flags = tcp_flag::syn});
  EXPECT_EQ(c.send(1, {.from = Side::server, .seq = 0, .ack = 0, .flags = tcp_flag::syn}).labels, 0u);
  // The SYNs stand where they stood: Wireshark calls the SYN-ACKs retransmissions.
  EXPECT_EQ(c.send(40, {.from = Side::server, .seq = 0, .ack = 1, .flags = tcp_flag::syn | tcp_flag::ack}).labels &
                ~bit(PacketLabel::timeout_retransmission),
            bit(PacketLabel::retransmission));
  EXPECT_EQ(c.send(100, data(1, 10)).labels, 0u);
}

TEST(TcpLabels, WindowsAreScaledOnceTheHandshakeIsOver) {
  Conversation c;
  c.established();
  EXPECT_TRUE(has(c.send(100, data(1, 1000)), PacketLabel::window_full)) << "no scaling was offered: 1000 is 1000";
  EXPECT_EQ(c.send(140, {.from = Side::server, .seq = 1, .ack = 1001, .window = 0}).labels, bit(PacketLabel::zero_window));
  EXPECT_EQ(c.send(300, data(1001, 1)).labels, bit(PacketLabel::zero_window_probe));
  EXPECT_EQ(c.send(340, {.from = Side::server, .seq = 1, .ack = 1001, .window = 0}).labels,
            bit(PacketLabel::zero_window_probe_ack) | bit(PacketLabel::zero_window));
  EXPECT_EQ(c.send(400, {.from = Side::server, .seq = 1, .ack = 1001, .window = 500}).labels, bit(PacketLabel::window_update));
}

TEST(TcpLabels, ScaleOfWindowsMetInMidstreamFollowsFromBytesInFlight) {
  Conversation c;
  c.send(0, data(1, 1000));
  c.send(40, ack(1001));  // a window of 1000, as it stands there
  EXPECT_EQ(c.scale_at_least(Side::server), 0);
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(c.send(41, data(1001 + i * 1000, 1000)).labels, 0u);
  EXPECT_EQ(c.scale_at_least(Side::server), 3) << "5000 bytes do not fit into 1000 << 2";
  EXPECT_EQ(c.scale_at_least(Side::client), 0);
}

TEST(TcpLabels, ScaleThatWasOfferedIsNotGuessed) {
  Conversation c;
  c.established();
  for (uint32_t i = 0; i < 5; ++i) c.send(100, data(1 + i * 1000, 1000));
  EXPECT_EQ(c.scale_at_least(Side::server), 0);
}

TEST(TcpLabels, KeepAliveIsNotSentAgain) {
  Conversation c;
  c.established().send(100, data(1, 100));
  c.send(140, ack(101));
  EXPECT_EQ(c.send(10'000, data(100, 1)).labels, bit(PacketLabel::keep_alive));
  EXPECT_EQ(c.send(10'040, ack(101)).labels, bit(PacketLabel::keep_alive_ack));
  EXPECT_EQ(c.retransmissions(Side::client), 0u);
}

}  // namespace parallax
