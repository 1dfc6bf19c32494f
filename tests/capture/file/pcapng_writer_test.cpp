// The pcapng writer: what it writes is what tshark and capinfos read, without a warning.
#include "capture/file/pcapng_writer.h"

#include <gtest/gtest.h>

#include "capture/file/pcapng_blocks.h"
#include "tests/support/command.h"

namespace parallax {
namespace {

// An Ethernet frame with an ARP request in it: tshark has nothing to say against it.
std::vector<uint8_t> arp_frame() {
  std::vector<uint8_t> frame(60, 0);
  const uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                          1,    2,    0,    0,    0,    0,    1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};
  std::copy(std::begin(head), std::end(head), frame.begin());
  return frame;
}

PcapngBuffer two_ports() {
  PcapngBuffer out;
  PcapngSection section = section_of_this_machine("parallax test");
  section.comments = {"first comment", "second comment"};
  append_section_header(out, section);
  append_interface(out, {"tap0", interface_description("outside", PortDirection::toward_inside), LinkType::ethernet, 256});
  append_interface(out, {"tap1", interface_description("outside", PortDirection::toward_outside), LinkType::ethernet, 256});
  return out;
}

void append_statistics_of_both(PcapngBuffer& out) {
  append_statistics(out, {0, 1'000'000'000, 3'000'000'000, 10, 2, 9, 1, "all of it"});
  append_statistics(out, {1, 1'000'000'000, 3'000'000'000, 1, 0, 1, 1, {}});
}

TEST(PcapngWriter, TsharkReadsEveryFieldBack) {
  if (!have_command("tshark")) GTEST_SKIP() << "needs tshark and capinfos: apt-get install tshark";
  PcapngBuffer out = two_ports();
  const std::vector<uint8_t> frame = arp_frame();
  append_packet(out,
                {0, 1'700'000'000'123'456'789, frame, 1500, PortDirection::toward_inside, 0x1122334455667788, "parallax: here"});
  append_packet(out, {1, 1'700'000'000'123'456'790, frame, 60, PortDirection::toward_outside, 0, {}});
  append_statistics_of_both(out);
  const TemporaryFile file("writer.pcapng", out);
  const CommandResult fields = run("tshark -r " + file.path() +
                                   " -T fields -E separator='|' -e frame.time_epoch -e frame.len -e frame.cap_len"
                                   " -e frame.interface_name -e frame.interface_description -e frame.packet_flags_direction"
                                   " -e frame.packet_id -e frame.comment");
  EXPECT_EQ(fields.errors, "");
  EXPECT_EQ(fields.output,
            "1700000000.123456789|1500|60|tap0|outside, toward inside|0x00000001|1234605616436508552|parallax: here\n"
            "1700000000.123456790|60|60|tap1|outside, toward outside|0x00000002||\n");
}

TEST(PcapngWriter, PaddingAndOwnBlocksAreSkippedByOthers) {
  if (!have_command("tshark") || !have_command("capinfos")) GTEST_SKIP() << "needs tshark and capinfos: apt-get install tshark";
  PcapngBuffer out = two_ports();
  const std::vector<uint8_t> frame = arp_frame();
  for (size_t length : {60, 59, 58, 57, 42}) {
    append_packet(out, {0, 1'700'000'000'000'000'000, std::span(frame).first(length), 60, PortDirection::both, 0, {}});
    append_padding(out, 4096);
    EXPECT_EQ(out.size() % 4096, 0u);
  }
  append_own(out, pcapng::kSpoolIndexMagic, frame);
  append_statistics_of_both(out);
  const TemporaryFile file("padding.pcapng", out);
  expect_opens_without_warning(file.path(), 5);
  const CommandResult infos = run("capinfos " + file.path());
  EXPECT_NE(infos.output.find("parallax test"), std::string::npos) << infos.output;
}

TEST(PcapngWriter, PaddingIsNothingWhereTheSizeFitsAndLongerWhereTheGapIsTooSmallForABlock) {
  for (size_t size = 0; size <= 256; size += 4) {
    PcapngBuffer out(size);
    append_padding(out, 128);
    EXPECT_EQ(out.size() % 128, 0u);
    EXPECT_TRUE(out.size() == size || out.size() >= size + pcapng::kOwnBytesMin);
    EXPECT_LT(out.size(), size + 128 + pcapng::kOwnBytesMin);
  }
}

TEST(PcapngWriter, ThePacketRateWriterWritesTheSameBytes) {
  const std::vector<uint8_t> frame = arp_frame();
  for (uint32_t length = 0; length <= frame.size(); ++length) {
    for (const PortDirection direction : {PortDirection::both, PortDirection::toward_inside, PortDirection::toward_outside}) {
      PcapngBuffer slow;
      append_packet(slow, {3, 1'700'000'000'123'456'789, std::span(frame).first(length), 1500, direction, 0, {}});
      PcapngBuffer fast(enhanced_packet_size(length, pcapng_flags(direction)), 0xEE);
      EXPECT_EQ(
          write_enhanced_packet(fast.data(), 3, 1'700'000'000'123'456'789, frame.data(), length, 1500, pcapng_flags(direction)),
          fast.size());
      EXPECT_EQ(slow, fast) << length;
    }
  }
}

TEST(PcapngWriter, ADropCountIsAddedAndReadBack) {
  const std::vector<uint8_t> frame = arp_frame();
  for (const PortDirection direction : {PortDirection::both, PortDirection::toward_inside}) {
    const uint32_t flags = pcapng_flags(direction), plain = enhanced_packet_size(41, flags);
    PcapngBuffer slow;
    append_packet(slow, {3, 1'700'000'000'123'456'789, std::span(frame).first(41), 1500, direction, 0, {}, 7'000'000'001});
    PcapngBuffer fast(with_drop_count(plain, flags), 0xEE);
    write_enhanced_packet(fast.data(), 3, 1'700'000'000'123'456'789, frame.data(), 41, 1500, flags);
    const PcapngBlock before = *first_block(std::span(fast).first(plain));
    EXPECT_EQ(drop_count(before, *enhanced_packet(before)), 0u);
    EXPECT_EQ(add_drop_count(fast.data(), plain, flags, 7'000'000'001), fast.size());
    EXPECT_EQ(slow, fast);
    const PcapngBlock block = *first_block(fast);
    EXPECT_EQ(drop_count(block, *enhanced_packet(block)), 7'000'000'001u);
  }
}

TEST(PcapngWriter, DescriptionsComeBackAsPointAndDirection) {
  for (const PortDirection direction : {PortDirection::both, PortDirection::toward_inside, PortDirection::toward_outside}) {
    std::string point;
    PortDirection back{};
    parse_interface_description(interface_description("dmz, left", direction), point, back);
    EXPECT_EQ(point, "dmz, left");
    EXPECT_EQ(back, direction);
  }
}

TEST(PcapngWriter, ATimeBefore1970IsWrittenAs1970AndALongCommentIsCut) {
  PcapngBuffer out = two_ports();
  const std::vector<uint8_t> frame = arp_frame();
  const std::string comment(70'000, 'x');
  append_packet(out, {0, -1, frame, 60, PortDirection::both, 0, comment});
  const TemporaryFile file("old.pcapng", out);
  expect_opens_without_warning(file.path(), 1);
}

}  // namespace
}  // namespace parallax
