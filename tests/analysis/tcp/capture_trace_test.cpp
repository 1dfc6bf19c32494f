// Copies and missed data, packet by packet, and on captures that have them. Conversations are in tests/scenarios.
#include "analysis/tcp/capture_trace.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "analysis/tcp/tcp_leg.h"
#include "tests/support/captures.h"

namespace parallax {
namespace {

using test::analyzed;
using test::captures_directory;

constexpr int64_t kMs = 1'000'000, kUs = 1000;

// A leg and its trace, as the analysis worker keeps them.
class CaptureTraceTest : public testing::Test {
 protected:
  CaptureTraceTest() { hot.flags = leg_flag::is_tcp; }

  Sighting tcp(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length, uint16_t ip_id) {
    Sighting s{};
    s.protocol = ip_protocol::tcp;
    s.tcp_flags = flags;
    s.seq = seq;
    s.ack = ack;
    s.payload_length = length;
    s.ip_id = ip_id;
    s.window = 1000;
    s.ttl = 60;
    return s;
  }
  DuplicateState take(Sighting s, Side from, int64_t after_ns = kMs) {
    now_ns += after_ns;
    s.order_ns = s.time_ns = now_ns;
    const DuplicateState same = traces.take(hot, cold, s, from);
    if (s.has(SightingFlag::later_fragment))
      take_fragment(hot, cold, flow, s, from, same);
    else
      tcp_step(hot, cold, flow, s, from, same);
    return same;
  }
  DuplicateState take_datagram(uint16_t ip_id, uint32_t length, int64_t after_ns) {
    Sighting s{};
    s.protocol = ip_protocol::udp;
    s.ip_id = ip_id;
    s.payload_length = length;
    now_ns += after_ns;
    s.order_ns = s.time_ns = now_ns;
    const DuplicateState same = traces.take_datagram(hot, cold, s, Side::client);
    udp_step(hot, cold, s, Side::client, same);
    return same;
  }
  void handshake() {
    using namespace tcp_flag;
    take(tcp(syn, 999, 0, 0, 1), Side::client);
    take(tcp(syn | ack, 4999, 1000, 0, 2), Side::server);
    take(tcp(ack, 1000, 5000, 0, 3), Side::client);
  }
  Sighting data(uint32_t seq, uint32_t length, uint16_t ip_id) { return tcp(tcp_flag::ack, seq, 5000, length, ip_id); }
  Sighting acknowledgement(uint32_t ack, uint16_t ip_id) { return tcp(tcp_flag::ack, 5000, ack, 0, ip_id); }
  CaptureReport report(bool over = true) { return traces.report(hot, cold, over); }

  LegHot hot{};
  LegCold cold{};
  TcpFlow flow{};
  CaptureTraces traces{4, false};
  int64_t now_ns = 1'700'000'000'000'000'000;
};

TEST_F(CaptureTraceTest, AHealthyLegHasNoTrace) {
  handshake();
  for (uint16_t i = 0; i < 10; ++i) {
    EXPECT_EQ(take(data(1000 + 100u * i, 100, static_cast<uint16_t>(10 + i)), Side::client), DuplicateState::fresh);
    EXPECT_EQ(take(acknowledgement(1100 + 100u * i, static_cast<uint16_t>(50 + i)), Side::server), DuplicateState::fresh);
  }
  EXPECT_FALSE(hot.flags & leg_flag::traced);
}

TEST_F(CaptureTraceTest, ASynSentAgainAfterMillisecondsIsAnAttempt) {
  take(tcp(tcp_flag::syn, 999, 0, 0, 1), Side::client);
  EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 2), Side::client, 3 * kMs), DuplicateState::fresh);
  EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 3), Side::client, 40 * kMs), DuplicateState::fresh);
  EXPECT_EQ(cold.attempts, 3);
  EXPECT_EQ(report().copies[Side::client], 0u);
}

TEST_F(CaptureTraceTest, ASynWithTheSameIdAtOnceIsACopyHoweverOften) {
  take(tcp(tcp_flag::syn, 999, 0, 0, 1), Side::client);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 1), Side::client, 20 * kUs), DuplicateState::copy);
  EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 2), Side::client, 3 * kMs), DuplicateState::fresh);
  EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 2), Side::client, 20 * kUs), DuplicateState::copy);
  EXPECT_EQ(cold.attempts, 2);
  EXPECT_EQ(report().copies[Side::client], 4u);
}

TEST_F(CaptureTraceTest, WithoutIdOnlyTheTimeTellsWhetherASynIsACopy) {
  take(tcp(tcp_flag::syn, 999, 0, 0, 0), Side::client);
  EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 0), Side::client, 100 * kUs), DuplicateState::copy);
  EXPECT_EQ(take(tcp(tcp_flag::syn, 999, 0, 0, 0), Side::client, 5 * kMs), DuplicateState::fresh);
  Sighting routed = tcp(tcp_flag::syn, 999, 0, 0, 0);
  routed.ttl = 59;
  EXPECT_EQ(take(routed, Side::client, 5 * kMs), DuplicateState::copy);
  EXPECT_EQ(cold.attempts, 2);
}

TEST_F(CaptureTraceTest, OneDirectionTwiceIsToldAndItsBytesCountOnce) {
  using namespace tcp_flag;
  take(tcp(syn, 999, 0, 0, 1), Side::client);
  const auto twice = [this](const Sighting& s) {
    EXPECT_EQ(take(s, Side::server), DuplicateState::fresh);
    EXPECT_EQ(take(s, Side::server, 21 * kUs), DuplicateState::copy);
  };
  twice(tcp(syn | ack, 4999, 1000, 0, 2));
  take(tcp(ack, 1000, 5000, 0, 3), Side::client);
  for (uint16_t i = 0; i < 5; ++i) {
    twice(tcp(ack, 5000u + 100u * i, 1000, 100, static_cast<uint16_t>(10 + i)));
    take(tcp(ack, 1000, 5100u + 100u * i, 0, static_cast<uint16_t>(50 + i)), Side::client);
  }
  const CaptureReport found = report();
  EXPECT_EQ(found.copies[Side::server], 6u);
  EXPECT_EQ(found.packets[Side::server], 12u);
  EXPECT_EQ(found.copies[Side::client], 0u);
  EXPECT_EQ(hot.bytes[Side::server], 500u);
  EXPECT_EQ(cold.retransmissions[Side::server], 0u);
}

TEST_F(CaptureTraceTest, AFinThatWasNotSeenIsNoMissedData) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(acknowledgement(1101, 50), Side::server);                         // the FIN too
  take(tcp(tcp_flag::ack, 1101, 5000, 0, 12), Side::client, 300 * kMs);  // which stood before this
  EXPECT_EQ(report().missed_bytes, 0u);
}

TEST_F(CaptureTraceTest, WithItsFinTheLastSegmentIsMissedWithoutIt) {
  handshake();
  take(acknowledgement(1101, 50), Side::server);
  take(tcp(tcp_flag::ack, 1101, 5000, 0, 12), Side::client, 300 * kMs);
  EXPECT_EQ(report().missed_bytes, 100u);
}

TEST_F(CaptureTraceTest, TheByteOfAKeepAliveIsNoMissedData) {
  take(tcp(tcp_flag::ack, 999, 5000, 0, 1), Side::client);  // met in midstream, while the client asks whether the server lives
  take(acknowledgement(1000, 2), Side::server);
  take(data(1000, 100, 3), Side::client, 300 * kMs);
  take(acknowledgement(1100, 4), Side::server);
  EXPECT_EQ(report().missed_bytes, 0u);
}

TEST_F(CaptureTraceTest, LaterFragmentsWereSeen) {
  handshake();
  Sighting first = data(1000, 500, 10), rest = tcp(0, 1500, 0, 300, 10);
  first.flags = bit(SightingFlag::fragment);
  rest.flags = bit(SightingFlag::fragment) | bit(SightingFlag::later_fragment);
  take(first, Side::client);
  take(rest, Side::client, kUs);
  take(acknowledgement(1800, 50), Side::server);
  take(data(1800, 100, 11), Side::client, 300 * kMs);
  EXPECT_EQ(report().missed_bytes, 0u);
  EXPECT_EQ(hot.bytes[Side::client], 900u);
}

TEST_F(CaptureTraceTest, NothingIsMissedBehindAFragmentWhoseRestIsNotKnown) {
  handshake();
  Sighting first = data(1000, 500, 10);
  first.flags = bit(SightingFlag::fragment);
  take(first, Side::client);
  take(acknowledgement(1800, 50), Side::server);
  take(data(1800, 100, 11), Side::client, 300 * kMs);
  take(data(2000, 100, 12), Side::client);  // and there is missed data elsewhere
  take(acknowledgement(2100, 51), Side::server);
  take(data(2100, 100, 13), Side::client, 300 * kMs);
  EXPECT_EQ(report().missed_bytes, 100u);
}

TEST_F(CaptureTraceTest, TheFirstCopyInMidstreamIsASuspectAndTheNextOnesAreProved) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  EXPECT_EQ(take(data(1000, 100, 10), Side::client, kUs), DuplicateState::suspect);
  take(data(1100, 100, 11), Side::client);
  EXPECT_EQ(take(data(1100, 100, 11), Side::client, 5 * kMs), DuplicateState::copy);
  EXPECT_EQ(report().copies[Side::client], 1u);
}

TEST_F(CaptureTraceTest, TheSameIdAfterATimerIsARetransmission) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(data(1000, 100, 10), Side::client, 200 * kMs);
  EXPECT_EQ(take(data(1000, 100, 10), Side::client, 200 * kMs), DuplicateState::fresh);
  EXPECT_EQ(report().copies[Side::client], 0u);
}

TEST_F(CaptureTraceTest, AnotherIdIsARetransmission) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(data(1200, 100, 12), Side::client);  // a hole: the leg is traced now
  take(data(1000, 100, 13), Side::client, 10 * kUs);
  EXPECT_EQ(take(data(1000, 100, 14), Side::client, 10 * kUs), DuplicateState::fresh);
}

TEST_F(CaptureTraceTest, DuplicateAcknowledgementsWithoutIdAreNoCopies) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(data(1200, 100, 12), Side::client);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(take(acknowledgement(1100, 0), Side::server, 2 * kUs), DuplicateState::fresh);
}

// Who knows no such connection answers each segment of a burst.
TEST_F(CaptureTraceTest, TheSameResetAtOnceIsNoCopyThatCountsUnlessItsIdSaysSo) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(data(1200, 100, 12), Side::client);  // a hole: the leg is traced now
  for (int i = 0; i < 9; ++i) take(tcp(tcp_flag::rst, 5000, 0, 0, 0), Side::server, 2 * kUs);
  EXPECT_EQ(report(false).copies[Side::server], 0u);
  for (int i = 0; i < 9; ++i) take(tcp(tcp_flag::rst, 5000, 0, 0, 7), Side::server, 2 * kUs);
  EXPECT_EQ(report().copies[Side::server], 8u);
}

TEST_F(CaptureTraceTest, AnIdThatDifferentPacketsShareTellsNothing) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(data(1200, 100, 12), Side::client);
  take(acknowledgement(1050, 7), Side::server, 2 * kUs);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(take(acknowledgement(1100, 7), Side::server, 2 * kUs), DuplicateState::fresh) << i;
}

TEST_F(CaptureTraceTest, WithoutIdAnAnswerBetweenMakesItARetransmission) {
  handshake();
  take(data(1000, 100, 0), Side::client);
  take(data(1200, 100, 0), Side::client);
  EXPECT_EQ(take(data(1200, 100, 0), Side::client, 10 * kUs), DuplicateState::copy);
  take(acknowledgement(1100, 0), Side::server, 10 * kUs);
  EXPECT_EQ(take(data(1200, 100, 0), Side::client, 10 * kUs), DuplicateState::fresh);
}

TEST_F(CaptureTraceTest, AnotherTtlIsTheSamePacketRouted) {
  handshake();
  take(data(1000, 100, 0), Side::client);
  take(data(1200, 100, 0), Side::client);
  Sighting routed = data(1200, 100, 0);
  routed.ttl = 58;
  EXPECT_EQ(take(routed, Side::client, 3 * kMs), DuplicateState::copy);
  routed.ttl = 40;  // no path is as long between two ports of one SPAN
  EXPECT_EQ(take(routed, Side::client, 3 * kMs), DuplicateState::fresh);
  EXPECT_EQ(report().routed_copies, 1u);
}

TEST_F(CaptureTraceTest, AcknowledgedHolesAreMissedOnceTheDirectionGoesOn) {
  handshake();
  take(data(1000, 100, 10), Side::client);
  take(acknowledgement(2600, 50), Side::server);  // 1,500 bytes that were not seen
  EXPECT_EQ(report().missed_bytes, 0u);           // nor has the direction been seen since
  take(data(2600, 100, 13), Side::client);
  EXPECT_EQ(report(false).missed_bytes, 0u);  // they may come yet
  take(data(2700, 100, 14), Side::client, CaptureTraces::kGraceNs + kMs);
  const CaptureReport found = report(false);
  EXPECT_EQ(found.missed_bytes, 1500u);
  EXPECT_EQ(found.missed_segments, 2u);
  EXPECT_EQ(report().missed_bytes, 0u);  // each is reported once
}

TEST_F(CaptureTraceTest, HolesThatAreFilledOrNotAcknowledgedAreNotMissed) {
  handshake();
  take(data(1200, 100, 12), Side::client);
  take(data(1000, 50, 13), Side::client);
  take(data(1100, 50, 14), Side::client);
  take(acknowledgement(1050, 50), Side::server);
  take(data(1050, 50, 15), Side::client);
  take(acknowledgement(1150, 51), Side::server);
  take(data(1300, 100, 16), Side::client);
  EXPECT_EQ(report().missed_bytes, 0u);  // 1150 to 1200 is open still
  take(acknowledgement(1400, 52), Side::server);
  EXPECT_EQ(report().missed_bytes, 50u);
}

TEST_F(CaptureTraceTest, MoreHolesThanThereIsRoomForCountAllTheSame) {
  handshake();
  for (uint32_t i = 0; i < 100; ++i) {
    take(data(1100 + 200 * i, 100, static_cast<uint16_t>(100 + i)), Side::client, 30 * kMs);
    take(acknowledgement(1200 + 200 * i, static_cast<uint16_t>(500 + i)), Side::server);
  }
  EXPECT_EQ(report().missed_segments, 100u);
}

TEST_F(CaptureTraceTest, ADatagramAgainIsACopyByItsId) {
  EXPECT_EQ(take_datagram(10, 60, kMs), DuplicateState::fresh);
  EXPECT_EQ(take_datagram(10, 60, kUs), DuplicateState::copy);
  EXPECT_EQ(take_datagram(11, 60, kMs), DuplicateState::fresh);
  EXPECT_EQ(take_datagram(11, 60, 100 * kMs), DuplicateState::fresh);
  EXPECT_EQ(take_datagram(0, 60, kMs), DuplicateState::fresh);
  EXPECT_EQ(take_datagram(0, 60, kUs), DuplicateState::fresh);
}

TEST_F(CaptureTraceTest, ASenderOfDatagramsThatDoesNotCountIsNotTakenForASpan) {
  take_datagram(7, 60, kMs);
  take_datagram(7, 60, kMs);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(take_datagram(7, 60, kMs), DuplicateState::fresh);
}

TEST_F(CaptureTraceTest, LiveThePoolIsBounded) {
  LegHot other{};
  LegCold cold_of_other{};
  CaptureTraces none(0, false);
  other.seen = 1;
  other.next_seq[Side::client] = 1000;
  EXPECT_EQ(none.take(other, cold_of_other, data(2000, 100, 1), Side::client), DuplicateState::fresh);
  EXPECT_EQ(none.refused(), 1u);
  EXPECT_FALSE(other.flags & leg_flag::traced);
}

TEST(CaptureOfOthers, CopiesAndLossAreThoseThatTheCapturesHave) {
  NEEDS_CAPTURES();
  struct Found {
    uint64_t missed, copies;
    bool operator==(const Found&) const = default;
  };
  // All of the captures with a finding of either kind.
  const std::map<std::string, Found> expected = {
      {"zeek__m57-long-49600-80.pcap", {0, 26}},  // each of its 52 packets twice, 1 us apart
      {"ndpi__psiphon3.pcap", {0, 31}},           // the same, up to 7 ms apart
      {"zeek__gap-data-missing.pcapng", {1, 0}},  // 1,342 bytes
      {"pp__DisplayFilters.pcapng", {6, 0}},      // six packets of a DNS conversation and an SMTP one cut out
      {"ws__tcp-badsegments.pcap", {4, 0}},
  };
  for (const auto& entry : std::filesystem::directory_iterator(captures_directory())) {
    const std::string name = entry.path().filename();
    if (name.find(".pcap") == name.npos) continue;
    const auto pipeline = analyzed(entry.path());
    if (!pipeline) continue;
    Found found{0, 0};
    for (const FindingRecord& f : pipeline->engine().findings(0, 1000)) {
      if (f.kind == FindingKind::capture_loss) found.missed += f.count;
      if (f.kind == FindingKind::duplicate_capture) found.copies += f.count;
    }
    const auto it = expected.find(name);
    EXPECT_EQ(found, (it == expected.end() ? Found{0, 0} : it->second))
        << name << ": " << found.missed << " missed, " << found.copies << " copies";
    if (found.copies == 0) continue;
    for (const ConnectionRecord& c : pipeline->engine().connections(0, 1000)) {
      for (const LegRecord& leg : c.legs)
        EXPECT_EQ(leg.retransmissions[Side::client] + leg.retransmissions[Side::server], 0u) << name;
    }
  }
}

}  // namespace
}  // namespace parallax
