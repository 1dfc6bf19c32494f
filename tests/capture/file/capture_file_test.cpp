// Capture files made in the test: both formats, both byte orders, every resolution, whole, cut and damaged.
#include "capture/file/capture_file.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "capture/source/file_source.h"
#include "tests/support/capture_bytes.h"

namespace parallax {

using namespace test;

namespace {

using Data = std::vector<uint8_t>;

const Data kFive = {1, 2, 3, 4, 5}, kThree = {9, 8, 7};
constexpr uint32_t kMicro = 0xa1b2c3d4, kNano = 0xa1b23c4d, kModified = 0xa1b2cd34;

struct Packet {
  Data data;
  uint32_t wire;
  int64_t time_ns;
  uint32_t frame;
  LinkType link_type;
  uint32_t interface;
  uint32_t uncertainty_ns;
};

struct Contents {
  std::string error, warning;
  std::vector<Packet> packets;
  std::vector<CaptureFile::Interface> interfaces;
};

Contents contents_of_path(const std::string& path, std::optional<uint32_t> only = std::nullopt, size_t burst = 4) {
  Contents contents;
  auto file = CaptureFile::open(path, only);
  if (!file.ok()) {
    contents.error = file.error();
    return contents;
  }
  std::vector<RawPacket> packets(burst);
  std::vector<uint32_t> interfaces(burst);
  while (!(*file)->finished()) {
    const size_t count = (*file)->read(packets, interfaces.data());
    for (size_t i = 0; i < count; ++i) {
      const RawPacket& p = packets[i];
      contents.packets.push_back({Data(p.data, p.data + p.captured_length), p.wire_length, p.time_ns, p.frame, p.link_type,
                                  interfaces[i], p.stamp_uncertainty_ns});
    }
  }
  contents.warning = (*file)->warning();
  contents.interfaces = (*file)->interfaces();
  return contents;
}

Contents contents_of(const Data& bytes, std::optional<uint32_t> only = std::nullopt, size_t burst = 4) {
  const TemporaryFile file(bytes);
  return contents_of_path(file.path(), only, burst);
}

Data gzip(const Data& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Data out(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = const_cast<uint8_t*>(bytes.data());
  stream.avail_in = static_cast<unsigned>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<unsigned>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Data zstd(const Data& bytes) {
  Data out(ZSTD_compressBound(bytes.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

Data joined(Data first, const Data& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class EitherByteOrder : public testing::TestWithParam<bool> {
 protected:
  CaptureBytes file() const { return CaptureBytes(GetParam()); }
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(CaptureFile, EitherByteOrder, testing::Bool(),
                         [](const auto& info) { return info.param ? "Big" : "Little"; });

TEST_P(EitherByteOrder, PcapMicroseconds) {
  const Contents c = contents_of(
      file().pcap_header(kMicro).pcap_packet(1700000000, 123456, kFive, 60).pcap_packet(4294967295u, 999999, kThree, 3).bytes());
  EXPECT_EQ(c.error + c.warning, "");
  ASSERT_EQ(c.packets.size(), 2u);
  EXPECT_EQ(c.packets[0].data, kFive);
  EXPECT_EQ(c.packets[0].wire, 60u);
  EXPECT_EQ(c.packets[0].time_ns, 1700000000'123456000);
  EXPECT_EQ(c.packets[0].frame, 1u);
  EXPECT_EQ(c.packets[0].uncertainty_ns, 1000u);
  EXPECT_EQ(c.packets[1].time_ns, 4294967295'999999000);
  EXPECT_EQ(c.packets[1].frame, 2u);
  EXPECT_EQ(c.packets[1].link_type, LinkType::ethernet);
}

TEST_P(EitherByteOrder, PcapNanoseconds) {
  const Contents c = contents_of(file().pcap_header(kNano, 113).pcap_packet(5, 123456789, kFive, 5).bytes());
  ASSERT_EQ(c.packets.size(), 1u);
  EXPECT_EQ(c.packets[0].time_ns, 5'123456789);
  EXPECT_EQ(c.packets[0].link_type, LinkType::linux_sll);
  EXPECT_EQ(c.packets[0].uncertainty_ns, 0u);
}

TEST_P(EitherByteOrder, PcapOfKuznetzov) {
  CaptureBytes bytes = file().pcap_header(kModified);
  for (int i = 0; i < 2; ++i) bytes.u32(5).u32(6).u32(5).u32(60).u32(2).u16(0x0800).u8(0).u8(0).raw(kFive);
  const Contents c = contents_of(bytes.bytes());
  EXPECT_EQ(c.warning, "");
  ASSERT_EQ(c.packets.size(), 2u);
  EXPECT_EQ(c.packets[1].data, kFive);
}

TEST_P(EitherByteOrder, OldPcapHasItsLengthsTheOtherWayRound) {
  CaptureBytes bytes = file().pcap_header(kMicro, 1, 2);
  bytes.u32(5).u32(6).u32(60).u32(5).raw(kFive);
  const Contents c = contents_of(bytes.bytes());
  ASSERT_EQ(c.packets.size(), 1u);
  EXPECT_EQ(c.packets[0].wire, 60u);
  EXPECT_EQ(c.packets[0].data, kFive);
}

TEST_P(EitherByteOrder, RawIpByItsSystemNumberIsRawIp) {
  EXPECT_EQ(contents_of(file().pcap_header(kMicro, 12).pcap_packet(0, 0, kFive, 5).bytes()).packets[0].link_type,
            LinkType::raw_ip);
  EXPECT_EQ(contents_of(file().pcap_header(kMicro, 0x54000001).pcap_packet(0, 0, kFive, 5).bytes()).packets[0].link_type,
            LinkType::ethernet);
}

TEST_P(EitherByteOrder, PcapngWithEveryPacketBlock) {
  CaptureBytes bytes = file().section().interface();
  bytes.enhanced(0, 1700000000'000001, kFive, 60)
      .block(0x0BAD, file().u32(7))
      .old_packet(0, 1700000000'000002, kThree, 3)
      .simple(kFive, 5);
  const Contents c = contents_of(bytes.bytes());
  EXPECT_EQ(c.error + c.warning, "");
  ASSERT_EQ(c.packets.size(), 3u);
  EXPECT_EQ(c.packets[0].time_ns, 1700000000'000001000);
  EXPECT_EQ(c.packets[0].data, kFive);
  EXPECT_EQ(c.packets[0].wire, 60u);
  EXPECT_EQ(c.packets[1].time_ns, 1700000000'000002000);
  EXPECT_EQ(c.packets[1].data, kThree);
  EXPECT_EQ(c.packets[2].time_ns, 1700000000'000002000) << "a simple packet has the time of the one before";
  EXPECT_EQ(c.packets[2].frame, 3u);
}

TEST_P(EitherByteOrder, SimplePacketIsCutAtTheSnapLength) {
  const Contents c = contents_of(file().section().interface(1, 3).simple(kThree, 1000).bytes());
  ASSERT_EQ(c.packets.size(), 1u);
  EXPECT_EQ(c.packets[0].data, kThree);
  EXPECT_EQ(c.packets[0].wire, 1000u);
}

TEST_P(EitherByteOrder, TimeResolutionsOfBothForms) {
  struct Case {
    uint8_t resolution;
    uint64_t stamp;
    int64_t time_ns;
    uint32_t uncertainty_ns;
  };
  const Case cases[] = {
      {0, 7, 7'000'000'000, 1'000'000'000},
      {3, 7, 7'000'000, 1'000'000},
      {6, 7, 7'000, 1000},
      {9, 7, 7, 0},
      {12, 7'999, 7, 0},
      {28, 18'000'000'000'000'000'000u, 1, 0},
      {29, 18'000'000'000'000'000'000u, 0, 0},
      {127, 18'000'000'000'000'000'000u, 0, 0},
      {0x80, 7, 7'000'000'000, 1'000'000'000},
      {0x80 | 1, 7, 3'500'000'000, 500'000'000},
      {0x80 | 32, uint64_t{7} << 32 | 0x80000000, 7'500'000'000, 0},
      {0x80 | 63, uint64_t{1} << 63, 1'000'000'000, 0},
      {0x80 | 127, ~uint64_t{0}, 0, 0},
  };
  for (const Case& c : cases) {
    const CaptureBytes options = file().option(9, {c.resolution}).option(0, {});
    const Contents read = contents_of(file().section().interface(1, 0, options).enhanced(0, c.stamp, kFive, 5).bytes());
    ASSERT_EQ(read.packets.size(), 1u) << read.error << read.warning;
    EXPECT_EQ(read.packets[0].time_ns, c.time_ns) << int{c.resolution};
    EXPECT_EQ(read.packets[0].uncertainty_ns, c.uncertainty_ns) << int{c.resolution};
  }
}

TEST_P(EitherByteOrder, TimeOffsetAndNamesOfInterfaces) {
  CaptureBytes offset = file();
  offset.u64(static_cast<uint64_t>(int64_t{-3}));
  const CaptureBytes options =
      file().option(14, offset.bytes()).option(2, {'e', 't', 'h', '7'}).option(3, {'i', 'n'}).option(9, {9});
  const Contents c = contents_of(file().section().interface(1, 96, options).enhanced(0, 5'000'000'001, kFive, 5).bytes());
  ASSERT_EQ(c.packets.size(), 1u);
  EXPECT_EQ(c.packets[0].time_ns, 2'000'000'001);
  EXPECT_EQ(c.interfaces[0].name, "eth7");
  EXPECT_EQ(c.interfaces[0].description, "in");
  EXPECT_EQ(c.interfaces[0].snaplen, 96u);
}

TEST_P(EitherByteOrder, TimesBeyondTheBoundAreHeldThereAndTold) {
  const CaptureBytes options = file().option(9, {0});
  const Contents c = contents_of(file().section().interface(1, 0, options).enhanced(0, ~uint64_t{0}, kFive, 5).bytes());
  ASSERT_EQ(c.packets.size(), 1u);
  EXPECT_EQ(c.packets[0].time_ns, CaptureFile::kTimeNsMax);
  EXPECT_TRUE(contains(c.warning, "146 years")) << c.warning;
}

TEST_P(EitherByteOrder, SectionsMayDifferInByteOrderAndHaveInterfacesOfTheirOwn) {
  CaptureBytes first = file().section().interface(1).interface(101).enhanced(1, 1, kFive, 5);
  first.raw(CaptureBytes(!GetParam()).section().interface(113).enhanced(0, 2, kThree, 3).bytes());
  const Contents c = contents_of(first.bytes());
  EXPECT_EQ(c.warning, "");
  ASSERT_EQ(c.packets.size(), 2u);
  EXPECT_EQ(c.packets[0].link_type, LinkType::raw_ip);
  EXPECT_EQ(c.packets[0].interface, 1u);
  EXPECT_EQ(c.packets[1].link_type, LinkType::linux_sll);
  EXPECT_EQ(c.packets[1].interface, 2u);
  EXPECT_EQ(c.packets[1].frame, 2u);
}

TEST_P(EitherByteOrder, OneInterfaceKeepsTheNumbersOfItsPackets) {
  CaptureBytes bytes = file().section().interface().interface();
  for (uint32_t i = 0; i < 6; ++i) bytes.enhanced(i % 2, i, kFive, 5);
  const Contents c = contents_of(bytes.bytes(), 1);
  ASSERT_EQ(c.packets.size(), 3u);
  EXPECT_EQ(c.packets[0].frame, 2u);
  EXPECT_EQ(c.packets[2].frame, 6u);
}

TEST_P(EitherByteOrder, PackedIsReadAsThePlainFile) {
  const Data plain = file().pcap_header(kMicro).pcap_packet(1, 2, kFive, 60).bytes();
  for (const Data& packed : {gzip(plain), zstd(plain)}) {
    const Contents c = contents_of(packed);
    EXPECT_EQ(c.error + c.warning, "");
    ASSERT_EQ(c.packets.size(), 1u);
    EXPECT_EQ(c.packets[0].data, kFive);
  }
}

// As `cat a.gz b.gz` makes them, and tools that pack in blocks.
TEST_P(EitherByteOrder, PackedPiecesOneAfterAnotherAreOneFile) {
  const Data plain = file().pcap_header(kMicro).pcap_packet(1, 2, kFive, 60).pcap_packet(2, 2, kThree, 60).bytes();
  const auto middle = plain.begin() + 31;
  const Data first(plain.begin(), middle), second(middle, plain.end());
  for (const Data& packed : {joined(gzip(first), gzip(second)), joined(zstd(first), zstd(second)),
                             joined(joined(gzip(first), gzip(second)), Data(5))}) {  // gzip ignores what is not its own
    const Contents c = contents_of(packed);
    EXPECT_EQ(c.error + c.warning, "");
    ASSERT_EQ(c.packets.size(), 2u);
    EXPECT_EQ(c.packets[1].data, kThree);
  }
}

TEST_P(EitherByteOrder, WhatUnpacksToMoreThanABufferIsReadWhole) {
  CaptureBytes bytes = file().pcap_header(kMicro);
  for (uint32_t i = 0; i < 3000; ++i) bytes.pcap_packet(i, 0, Data(1500, static_cast<uint8_t>(i)), 1500);
  for (const Data& packed : {gzip(bytes.bytes()), zstd(bytes.bytes())}) {
    const Contents c = contents_of(packed);
    EXPECT_EQ(c.error + c.warning, "");
    ASSERT_EQ(c.packets.size(), 3000u);
    EXPECT_EQ(c.packets.back().data, Data(1500, static_cast<uint8_t>(2999)));
  }
}

TEST_P(EitherByteOrder, CutAtEveryByteGivesTheWholePacketsAndAWord) {
  CaptureBytes old = file().pcap_header(kMicro), next = file().section().interface();
  std::vector<size_t> old_ends = {old.bytes().size()}, next_ends = {28, next.bytes().size()};
  for (uint32_t i = 0; i < 3; ++i) {
    old_ends.push_back(old.pcap_packet(i, 0, kFive, 60).bytes().size());
    next_ends.push_back(next.enhanced(0, i, kFive, 60).bytes().size());
  }
  for (const bool is_next : {false, true}) {
    const Data& whole = is_next ? next.bytes() : old.bytes();
    const std::vector<size_t>& ends = is_next ? next_ends : old_ends;
    const size_t before_packets = is_next ? 2 : 1;
    for (size_t cut = 0; cut <= whole.size(); ++cut) {
      const Contents c = contents_of(Data(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(cut)));
      const auto parts = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin());
      EXPECT_EQ(c.error.empty(), parts >= 1) << cut;
      if (parts == 0) continue;
      EXPECT_EQ(c.packets.size(), parts < before_packets ? 0 : parts - before_packets) << cut;
      const bool at_end_of_part = std::find(ends.begin(), ends.end(), cut) != ends.end();
      EXPECT_EQ(c.warning.empty(), at_end_of_part) << cut << c.warning;
      if (at_end_of_part) continue;
      EXPECT_TRUE(contains(c.warning, "packet " + std::to_string(c.packets.size() + 1))) << c.warning;
      EXPECT_TRUE(contains(c.warning, "begins at byte " + std::to_string(ends[parts - 1]))) << c.warning;
    }
  }
}

TEST_P(EitherByteOrder, CutPackedFileGivesTheWholePacketsAndAWord) {
  CaptureBytes bytes = file().pcap_header(kMicro);
  uint32_t noise = 1;
  for (uint32_t i = 0; i < 200; ++i) {
    Data data(100);
    for (uint8_t& b : data) b = static_cast<uint8_t>((noise = noise * 1664525 + 1013904223) >> 24);
    bytes.pcap_packet(i, 0, data, 100);
  }
  for (const auto& [packed, word] :
       {std::pair{gzip(bytes.bytes()), "gzip stream ends early"}, std::pair{zstd(bytes.bytes()), "zstd stream ends early"}}) {
    for (size_t cut = 0; cut < packed.size(); cut += 97) {
      const Contents c = contents_of(Data(packed.begin(), packed.begin() + static_cast<ptrdiff_t>(cut)));
      EXPECT_LE(c.packets.size(), 200u);
      EXPECT_FALSE(c.error.empty() && c.warning.empty()) << cut;
      if (c.error.empty()) {
        EXPECT_TRUE(contains(c.warning, word)) << c.warning;
      }
    }
  }
}

TEST_P(EitherByteOrder, DamageEndsTheReadingWithAReason) {
  const CaptureBytes good = file().section().interface().enhanced(0, 1, kFive, 5);
  const auto after = [&](const CaptureBytes& bad) {
    return contents_of(CaptureBytes(good).raw(bad.bytes()).enhanced(0, 2, kFive, 5).bytes());
  };
  struct Case {
    CaptureBytes bad;
    std::string word;
  };
  const Case cases[] = {
      {file().u32(6).u32(8), "a block of 8 bytes"},
      {file().u32(6).u32(30), "a block of 30 bytes"},
      {file().u32(6).u32(0x40000000), "a block of 1073741824 bytes"},
      {file().u32(9).u32(12).u32(16), "two lengths differ"},
      {file().block(6, file().u32(0)), "too short"},
      {file().block(2, file().u32(0)), "too short"},
      {file().block(3, file()), "too short"},
      {file().block(1, file().u32(0)), "too short"},
      {file().block(6, file().u32(0).u32(0).u32(0).u32(9).u32(9).u32(0)), "longer than its block"},
      {file().block(3, file().u32(9).u32(0)), "longer than its block"},
      {file().enhanced(1, 0, kFive, 5), "interface 1"},
      {file().interface(1, 0, file().u16(2).u16(500).u32(0)), "longer than its block"},
      {file().interface(1, 0, file().option(9, {1, 2})), "resolution"},
      {file().interface(1, 0, file().option(14, {1, 2})), "offset"},
      {file().block(0x0A0D0D0A, file().u32(0x12345678).u32(1).u64(0)), "magic"},
      {file().block(0x0A0D0D0A, file().u32(0x1A2B3C4D).u16(2).u16(0).u64(0)), "version 2"},
      {file().block(0x0A0D0D0A, file().u32(0x1A2B3C4D)), "too short"},
      {CaptureBytes(file()).section().simple(kFive, 5), "before the first interface"},
  };
  for (const Case& c : cases) {
    const Contents read = after(c.bad);
    EXPECT_EQ(read.packets.size(), 1u) << c.word;
    EXPECT_TRUE(contains(read.warning, "damaged at byte")) << c.word << ": " << read.warning;
    EXPECT_TRUE(contains(read.warning, "before packet 2")) << c.word << ": " << read.warning;
    EXPECT_TRUE(contains(read.warning, c.word)) << c.word << ": " << read.warning;
  }
  CaptureBytes pcap = file().pcap_header(kMicro).pcap_packet(0, 0, kFive, 5).u32(0).u32(0).u32(300000).u32(300000);
  EXPECT_TRUE(contains(contents_of(pcap.bytes()).warning, "a packet of 300000 bytes"));
}

TEST_P(EitherByteOrder, BlockLargerThanTheBufferIsRead) {
  const Data large(3 << 20, 0x5a);
  const Contents c = contents_of(
      file().section().interface().enhanced(0, 1, large, 1).block(0x0BAD, file().raw(large)).enhanced(0, 2, kFive, 5).bytes());
  EXPECT_EQ(c.warning, "");
  ASSERT_EQ(c.packets.size(), 2u);
  EXPECT_EQ(c.packets[0].data, large);
  EXPECT_EQ(c.packets[0].wire, large.size()) << "never less than is there";
}

TEST_P(EitherByteOrder, ManyPacketsAcrossManyRefills) {
  CaptureBytes old = file().pcap_header(kMicro), next = file().section().interface();
  constexpr uint32_t kPackets = 5000;
  for (uint32_t i = 0; i < kPackets; ++i) {
    const Data data(i % 1400, static_cast<uint8_t>(i));
    old.pcap_packet(i, 0, data, 1500);
    next.enhanced(0, i, data, 1500);
  }
  for (const Data& bytes : {old.bytes(), next.bytes()}) {
    for (const size_t burst : {1, 32, 256}) {
      const Contents c = contents_of(bytes, std::nullopt, burst);
      ASSERT_EQ(c.packets.size(), kPackets);
      for (uint32_t i = 0; i < kPackets; ++i) {
        ASSERT_EQ(c.packets[i].data, Data(i % 1400, static_cast<uint8_t>(i))) << i;
        ASSERT_EQ(c.packets[i].frame, i + 1);
      }
    }
  }
}

TEST(CaptureFile, WhatIsNoCaptureFileIsRefusedWithAReason) {
  EXPECT_TRUE(contains(contents_of_path("/nonexistent/file.pcap").error, "No such file"));
  EXPECT_TRUE(contains(contents_of_path("/tmp").error, "directory"));
  EXPECT_TRUE(contains(contents_of({}).error, "is empty"));
  EXPECT_TRUE(contains(contents_of({0xa1, 0xb2}).error, "2 bytes"));
  EXPECT_TRUE(contains(contents_of(Data(100, 'x')).error, "neither pcap nor pcapng"));
  EXPECT_TRUE(contains(contents_of(CaptureBytes(false).u32(kMicro).u16(7).u16(0).raw(Data(16)).bytes()).error, "version 7"));
  EXPECT_TRUE(contains(contents_of({0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff}).error, "gzip stream is damaged"));
  EXPECT_TRUE(contains(contents_of(joined({0x28, 0xb5, 0x2f, 0xfd, 0x08}, Data(16))).error, "zstd stream is damaged"));
}

TEST(FileSource, WatermarkIsTheNextPacketButNeverGoesBack) {
  CaptureBytes bytes = CaptureBytes(false).pcap_header(kNano);
  for (const uint32_t second : {5, 3, 4, 8}) bytes.pcap_packet(second, 0, kFive, 5);
  const TemporaryFile file(bytes.bytes());
  auto source = FileSource::open(file.path());
  ASSERT_TRUE(source.ok()) << source.error();
  constexpr int64_t kSecond = 1'000'000'000;
  RawPacket packet;
  for (const int64_t watermark : {3, 3, 4, 8}) {  // the first packet's stamp is wrong: the time is that of those around it
    EXPECT_EQ((*source)->watermark_ns(), watermark * kSecond);
    EXPECT_FALSE((*source)->finished());
    ASSERT_EQ((*source)->poll({&packet, 1}), 1u);
  }
  EXPECT_TRUE((*source)->finished());
  EXPECT_EQ((*source)->watermark_ns(), kTimeMax);
  EXPECT_EQ((*source)->poll({&packet, 1}), 0u);
  EXPECT_TRUE((*source)->is_file());
}

TEST(FileSource, HashSelectsAnInterface) {
  CaptureBytes bytes = CaptureBytes(false).section().interface(1).interface(101);
  bytes.enhanced(0, 1, kFive, 5).enhanced(1, 2, kThree, 3);
  const TemporaryFile file(bytes.bytes());
  auto source = FileSource::open(file.path() + "#1");
  ASSERT_TRUE(source.ok()) << source.error();
  EXPECT_EQ((*source)->link_type(), LinkType::raw_ip);
  RawPacket packets[4];
  ASSERT_EQ((*source)->poll(packets), 1u);
  EXPECT_EQ(packets[0].frame, 2u);
  EXPECT_TRUE((*source)->finished());
  EXPECT_FALSE(FileSource::open(file.path() + "#2").ok());
  EXPECT_FALSE(FileSource::open(file.path() + "#x").ok());
  const TemporaryFile pcap(CaptureBytes(false).pcap_header(kMicro).bytes());
  EXPECT_TRUE(FileSource::open(pcap.path() + "#0").ok());
  EXPECT_TRUE(contains(FileSource::open(pcap.path() + "#1").error(), "one interface"));
}

TEST(FileSource, FileWithoutPacketsIsFinishedAtOnce) {
  const TemporaryFile file(CaptureBytes(true).section().interface(113).bytes());
  auto source = FileSource::open(file.path());
  ASSERT_TRUE(source.ok());
  EXPECT_TRUE((*source)->finished());
  EXPECT_EQ((*source)->watermark_ns(), kTimeMax);
  EXPECT_EQ((*source)->link_type(), LinkType::linux_sll);
  EXPECT_EQ((*source)->warning(), "");
}

}  // namespace parallax
