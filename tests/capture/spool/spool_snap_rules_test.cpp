// Rules of how much of which packets the spool keeps, as the files have it and as tshark reads it: headers are whole, payload is
// gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/support/packet_builder.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using test::Frame;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSecret = "SECRET-PAYLOAD-SECRET-PAYLOAD-SECRET-PAYLOAD-SECRET-PAYLOAD-";

std::vector<uint8_t> secret(size_t times = 1) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += kSecret;
  return {text.begin(), text.end()};
}

test::Ip ip4(const char* source = "10.0.0.1") {
  return {.source = test::address(source), .destination = test::address("198.51.100.1"), .id = 7, .dont_fragment = false};
}
test::Ip ip6() { return {.source = test::address("2001:db8::1"), .destination = test::address("2001:db8::2")}; }
test::Tcp to_port(uint16_t port) {
  return {.source_port = 40000, .destination_port = port, .seq = 1, .ack = 1, .flags = tcp_flag::ack, .timestamps = {{1, 2}}};
}
test::Udp udp_to(uint16_t port) { return {.source_port = 40000, .destination_port = port}; }

struct Kept {
  std::vector<uint32_t> captured, lengths;
  std::string file;  // its bytes
};

// The frames, one after another, through a spool with these rules.
Kept spooled(const std::vector<SpoolSnapRule>& rules, const std::vector<Frame>& frames, uint32_t snaplen = 512,
             const std::function<void(const std::string&)>& look = {}) {
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.snaplen = snaplen;
  auto compiled = SpoolSnapRules::compile(rules, std::vector{LinkType::ethernet});
  EXPECT_TRUE(compiled) << compiled.error();
  options.snap_rules = *compiled;
  auto spool = Spool::open(options, two_spool_ports());
  EXPECT_TRUE(spool) << spool.error();
  (*spool)->start();
  for (size_t i = 0; i < frames.size(); ++i)
    (*spool)->lane(0).append(0, raw_packet(frames[i], kSpoolTestStartNs + static_cast<int64_t>(i) * 1000));
  (*spool)->stop();
  EXPECT_EQ((*spool)->status().packets_written, frames.size());
  Kept kept;
  const auto snapshot = (*spool)->snapshot(kTimeMin, kTimeMax);
  SpoolReader reader(**snapshot);
  for (SpooledPacket packet; reader.next(packet);) {
    kept.captured.push_back(packet.packet.captured_length);
    kept.lengths.push_back(packet.packet.wire_length);
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().extension() != ".pcapng") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    kept.file.assign(std::istreambuf_iterator<char>(in), {});
    if (look) look(entry.path());
  }
  return kept;
}

const std::vector<SpoolSnapRule> kNoPayloadOf443{{"port 443", {}, 0}};

TEST(SpoolSnapRules, PayloadOfTheChosenPortIsGoneAndItsHeadersAreWhole) {
  const Kept kept =
      spooled(kNoPayloadOf443, {test::tcp_frame(ip4(), to_port(443), secret()), test::udp_frame(ip4(), udp_to(443), secret()),
                                test::tcp_frame(ip6(), to_port(443), secret())});
  EXPECT_THAT(kept.captured, ElementsAre(14 + 20 + 32, 14 + 20 + 8, 14 + 40 + 32));
  EXPECT_THAT(kept.lengths, ElementsAre(14 + 20 + 32 + 60, 14 + 20 + 8 + 60, 14 + 40 + 32 + 60));
  EXPECT_THAT(kept.file, Not(HasSubstr("SECRET")));
}

TEST(SpoolSnapRules, WhatNoRuleMeansIsKeptUpToTheSnapLength) {
  const Kept kept = spooled(
      kNoPayloadOf443, {test::tcp_frame(ip4(), to_port(80), secret()), test::tcp_frame(ip4(), to_port(80), secret(10))}, 200);
  EXPECT_THAT(kept.captured, ElementsAre(126, 200));
  EXPECT_THAT(kept.file, HasSubstr("SECRET"));
}

TEST(SpoolSnapRules, TheFirstRuleThatMeansAPacketHolds) {
  const std::vector<SpoolSnapRule> rules{{"port 53", {}, {}}, {"net 10.0.0.0/8", 80, {}}, {"", {}, 16}};
  const Kept kept = spooled(rules, {test::udp_frame(ip4(), udp_to(53), secret()), test::udp_frame(ip4(), udp_to(54), secret()),
                                    test::udp_frame(ip4("192.0.2.1"), udp_to(54), secret())});
  EXPECT_THAT(kept.captured, ElementsAre(102, 80, 42 + 16));
}

TEST(SpoolSnapRules, TagsAndTunnelsHideNoPacketFromItsRule) {
  test::Ip tagged = ip4();
  tagged.vlan = 100;
  const Frame inner = test::tcp_frame(ip4(), to_port(443), secret()), acknowledgement = test::tcp_frame(ip4(), to_port(443));
  const Kept kept = spooled(kNoPayloadOf443, {test::tcp_frame(tagged, to_port(443), secret()), test::in_vxlan(7, inner),
                                              test::in_vxlan(7, acknowledgement)});
  constexpr uint32_t kVxlan = 14 + 20 + 8 + 8;
  EXPECT_THAT(kept.captured, ElementsAre(14 + 4 + 20 + 32, kVxlan + 66, kVxlan + 66));
  EXPECT_THAT(kept.file, Not(HasSubstr("SECRET")));
}

TEST(SpoolSnapRules, LaterFragmentsAreCutAsTheirFirst) {
  const Frame meant = test::udp_frame(ip4(), udp_to(443), secret(50)),
              other = test::udp_frame(ip4("10.0.0.9"), udp_to(80), secret(50));
  std::vector<Frame> frames = test::in_fragments(meant);
  for (const Frame& frame : test::in_fragments(other)) frames.push_back(frame);
  ASSERT_EQ(frames.size(), 6u);
  const Kept kept = spooled(kNoPayloadOf443, frames);
  EXPECT_THAT(kept.captured, ElementsAre(42, 34, 34, 512, 512, std::min<uint32_t>(512, static_cast<uint32_t>(frames[5].size()))));
}

TEST(SpoolSnapRules, AFragmentOfWhichTheFirstIsNotKnownIsCutAsIfARuleMeantIt) {
  const std::vector<Frame> frames = test::in_fragments(test::udp_frame(ip4(), udp_to(80), secret(50)));
  EXPECT_THAT(spooled(kNoPayloadOf443, {frames[1]}).captured, ElementsAre(34));
  EXPECT_THAT(spooled({{"port 443", 96, {}}}, {frames[1]}).captured, ElementsAre(512)) << "this rule is about no payload";
}

TEST(SpoolSnapRules, WhatAnIcmpErrorQuotesIsPayloadToo) {
  const Frame quoted = test::udp_frame(ip4(), udp_to(443), secret());
  const Kept kept = spooled(kNoPayloadOf443, {test::icmp_error_frame(ip4("10.0.0.254"), {.type = 3, .code = 3}, quoted)});
  EXPECT_THAT(kept.captured, ElementsAre(14 + 20 + 8 + 20 + 8));
  EXPECT_THAT(kept.file, Not(HasSubstr("SECRET")));
}

TEST(SpoolSnapRules, PaddingBehindAPacketIsGoneWithThePayload) {
  Frame frame = test::tcp_frame(ip4(), to_port(443));
  for (const uint8_t byte : secret()) frame.push_back(byte);  // what a card's buffer held before
  EXPECT_THAT(spooled(kNoPayloadOf443, {frame}).file, Not(HasSubstr("SECRET")));
}

TEST(SpoolSnapRules, OfWhatCannotBeDecodedTheLinkHeaderIsLeft) {
  Frame broken = test::tcp_frame(ip4(), to_port(443), secret());
  broken[14] = 0x42;  // an IP header of eight bytes
  EXPECT_THAT(spooled(kNoPayloadOf443, {broken}).captured, ElementsAre(14));
  EXPECT_THAT(spooled(kNoPayloadOf443, {numbered_frame(1)}).captured, ElementsAre(14))
      << "an Ethernet type that nobody knows may hold anything";
}

TEST(SpoolSnapRules, HeadersBeyondTheSnapLengthAreNotClaimed) {
  EXPECT_THAT(spooled({{"", {}, 100}}, {test::tcp_frame(ip6(), to_port(443), secret())}, 64).captured, ElementsAre(64));
}

TEST(SpoolSnapRules, ACutFileAnswersForItsLegsAfterItsIndexIsLost) {
  const Frame frame = test::tcp_frame(ip4(), to_port(443), secret());
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.snap_rules = *SpoolSnapRules::compile(kNoPayloadOf443);
  {
    auto spool = Spool::open(options, two_spool_ports());
    (*spool)->start();
    (*spool)->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs));
    (*spool)->stop();
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().extension() == ".pcapng")
      std::filesystem::resize_file(entry.path(), std::filesystem::file_size(entry.path()) - 4);
  }
  auto spool = Spool::open(options, two_spool_ports());
  SpoolLegKeys keys;
  const uint64_t key =
      keys.of({frame.data(), static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(frame.size()), LinkType::ethernet}, 1);
  const auto snapshot = (*spool)->snapshot(kTimeMin, kTimeMax);
  SpoolReader reader(**snapshot, {key});
  SpooledPacket packet;
  EXPECT_TRUE(reader.next(packet));
}

TEST(SpoolSnapRules, ChangedRulesHoldForWhatIsWrittenFromThenOn) {
  const TemporaryDirectory directory;
  auto spool = Spool::open(small_spool(directory.path()), two_spool_ports());
  (*spool)->start();
  const Frame frame = test::tcp_frame(ip4(), to_port(443), secret());
  const auto append = [&](uint64_t number) {
    (*spool)->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(number)));
    while ((*spool)->status().packets_written < number) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  append(1);
  (*spool)->set_snap_rules(*SpoolSnapRules::compile(kNoPayloadOf443));
  append(2);
  const auto snapshot = (*spool)->snapshot(kTimeMin, kTimeMax);
  SpoolReader reader(**snapshot);
  std::vector<uint32_t> captured;
  for (SpooledPacket packet; reader.next(packet);) captured.push_back(packet.packet.captured_length);
  EXPECT_THAT(captured, ElementsAre(126, 66));
}

TEST(SpoolSnapRules, TsharkSeesWholeHeadersTheLengthOnTheWireAndTheGreatestSnapLength) {
  if (!have_command("tshark")) GTEST_SKIP() << "needs tshark: apt-get install tshark";
  spooled(kNoPayloadOf443, {test::tcp_frame(ip4(), to_port(443), secret()), test::udp_frame(ip4(), udp_to(80), secret())}, 512,
          [](const std::string& path) {
            expect_opens_without_warning(path, 2);
            EXPECT_EQ(run("tshark -n -r " + path +
                          " -T fields -e frame.cap_len -e frame.len -e tcp.len -e tcp.options.timestamp.tsval "
                          "-e udp.length -E separator=,")
                          .output,
                      "66,126,60,1,\n102,102,,,68\n");
            EXPECT_THAT(run("capinfos -I " + path).output, HasSubstr("Capture length = 512"));
          });
}

TEST(SpoolSnapRules, AFilterThatIsNoneIsNamed) {
  const auto compiled = SpoolSnapRules::compile({{"port 1", {}, {}}, {"prot 2", {}, {}}});
  ASSERT_FALSE(compiled);
  EXPECT_THAT(compiled.error(), HasSubstr("[1].filter: "));
}

}  // namespace
}  // namespace parallax
