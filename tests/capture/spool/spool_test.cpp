// The spool: the ring of files, what survives a crash, and what happens when the disk or memory does not suffice.
#include "capture/spool/spool.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <numeric>
#include <thread>

#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Spool> open_spool(const SpoolOptions& options) {
  auto spool = Spool::open(options, two_spool_ports());
  EXPECT_TRUE(spool) << spool.error();
  return spool ? std::move(*spool) : nullptr;
}

// Appends packets first .. first + count - 1, a microsecond apart, as fast as the spool takes them.
void append(Spool& spool, uint64_t first, uint64_t count, size_t length = 112, PortIndex port = 0) {
  const uint64_t packets_before = spool.status().packets_written + spool.status().dropped_packets;
  for (uint64_t i = 0; i < count; ++i) {
    const std::vector<uint8_t> frame = numbered_frame(first + i, length);
    spool.lane(0).append(port, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(first + i) * 1000));
    // Wait for the writer now and then, so that nothing is dropped.
    while (i % 1000 == 999 && spool.status().packets_written + spool.status().dropped_packets < packets_before + i - 500) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

bool wait_for(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

std::vector<uint64_t> numbers(uint64_t first, uint64_t count) {
  std::vector<uint64_t> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

TEST(Spool, WhatWasAppendedIsReadBackInTheOrderOfTime) {
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.lanes = 2;
  options.snaplen = 64;
  const auto spool = open_spool(options);
  spool->start();
  // Two lanes, alternating in time, lane 1 appended to first.
  for (const size_t lane : {1, 0}) {
    for (uint64_t i = 0; i < 500; ++i) {
      const uint64_t number = 2 * i + lane;
      const std::vector<uint8_t> frame = numbered_frame(number, 200);
      spool->lane(lane).append(static_cast<PortIndex>(lane), raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(number)));
    }
  }
  ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 1000; }));
  const auto snapshot = spool->snapshot(kTimeMin, kTimeMax);
  ASSERT_TRUE(snapshot) << snapshot.error();
  const ReadBack back = read_snapshot(**snapshot);
  EXPECT_EQ(back.numbers, numbers(0, 1000));
  EXPECT_EQ(back.times.front(), kSpoolTestStartNs);
  EXPECT_EQ(back.interfaces[0], 0);
  EXPECT_EQ(back.interfaces[1], 1);
  SpoolReader reader(**snapshot);
  SpooledPacket packet;
  ASSERT_TRUE(reader.next(packet));
  EXPECT_EQ(packet.packet.captured_length, 64u);
  EXPECT_EQ(packet.packet.wire_length, 200u);
  EXPECT_EQ(packet.packet.frame, 1u);
  EXPECT_EQ((*snapshot)->interfaces()[0].block.description, "outside, toward inside");
  EXPECT_EQ((*snapshot)->times().oldest_ns, kSpoolTestStartNs);
  EXPECT_EQ((*snapshot)->times().newest_ns, kSpoolTestStartNs + 999);
}

TEST(Spool, ATimeRangeIncludesBothItsEnds) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(small_spool(directory.path()));
  spool->start();
  append(*spool, 0, 5000);
  spool->stop();
  EXPECT_EQ(read_spool(*spool, kSpoolTestStartNs + 1'000'000, kSpoolTestStartNs + 2'000'000).numbers, numbers(1000, 1001));
  EXPECT_TRUE(read_spool(*spool, 0, kSpoolTestStartNs - 1).numbers.empty());
}

TEST(Spool, TheRingKeepsToItsSizeAndTheOldestGoesFirst) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(small_spool(directory.path()));
  spool->start();
  append(*spool, 0, 80'000);  // about 12 MB into 4 MiB
  spool->stop();
  const SpoolStatus status = spool->status();
  EXPECT_EQ(status.dropped_packets, 0u);
  EXPECT_EQ(status.packets_written, 80'000u);
  EXPECT_GT(status.files_removed(), 5u);
  EXPECT_LE(status.bytes, status.limit_bytes);
  EXPECT_GT(status.bytes, status.limit_bytes / 2);
  const ReadBack back = read_spool(*spool);
  ASSERT_FALSE(back.numbers.empty());
  EXPECT_EQ(back.numbers, numbers(80'000 - back.numbers.size(), back.numbers.size()));
  EXPECT_EQ(status.oldest_packet_ns, back.times.front());
  EXPECT_EQ(status.newest_packet_ns, back.times.back());
  uint64_t on_disk = 0;
  for (const std::string& name : spool_files(directory.path())) on_disk += fs::file_size(directory.path() + '/' + name);
  EXPECT_EQ(on_disk, status.bytes);
  EXPECT_EQ(spool_files(directory.path()).size(), status.files);
}

TEST(Spool, NamesSortByTimeAndEveryFileOpensWithoutAWarningAlsoTheCurrentOne) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(small_spool(directory.path()));
  spool->start();
  append(*spool, 0, 10'000);
  ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 10'000; }));
  const std::vector<std::string> names = spool_files(directory.path());
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0], "parallax-20231114T221320Z-00000001.pcapng");
  EXPECT_EQ(names[1], "parallax-current.pcapng");
  uint64_t packets = 0;
  for (const std::string& name : names) {
    const auto count = [&] {
      const std::string output =
          run("tshark -n -r " + directory.path() + '/' + name + " -T fields -e frame.number | wc -l").output;
      return std::strtoull(output.c_str(), nullptr, 10);
    };
    if (!have_command("tshark")) GTEST_SKIP() << "needs tshark: apt-get install tshark";
    expect_opens_without_warning(directory.path() + '/' + name, count());
    packets += count();
  }
  EXPECT_EQ(packets, 10'000u);
}

TEST(Spool, APartialBlockIsOnDiskAfterTheFlushIntervalWithoutAnotherPacket) {
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.flush_interval_ns = 50'000'000;
  const auto spool = open_spool(options);
  spool->start();
  append(*spool, 0, 1);
  ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 1; }));
  append(*spool, 1, 1);
  ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 2; }));
  EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 2));
}

TEST(Spool, ManyPacketsAreWrittenPastThePageCacheAndFewAsTheyAreWithoutPadding) {
  for (const bool direct : {true, false}) {
    const TemporaryDirectory directory;
    SpoolOptions options = small_spool(directory.path());
    options.limits.size = 64 << 20;
    options.file_size = 16 << 20;
    options.flush_interval_ns = 20'000'000;
    options.direct = direct;
    const auto spool = open_spool(options);
    spool->start();
    append(*spool, 0, 10);
    ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 10; }));
    EXPECT_LT(spool->status().bytes_written, 2500u);
    EXPECT_EQ(spool->status().bytes_written_direct, 0u);
    for (uint64_t i = 10; i < 6000; ++i) {
      const std::vector<uint8_t> frame = numbered_frame(i);
      spool->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(i) * 1000));
    }
    ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 6000; }));
    append(*spool, 6000, 10);
    ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 6010; }));
    const uint64_t written_direct = spool->status().bytes_written_direct;
    EXPECT_TRUE(direct || written_direct == 0);
    if (direct && written_direct == 0) GTEST_SKIP() << "the file system of " << directory.path() << " has no direct writes";
    EXPECT_EQ(written_direct % 4096, 0u);
    EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 6010));
    if (have_command("tshark")) expect_opens_without_warning(directory.path() + "/parallax-current.pcapng", 6010);
    spool->stop();
    EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 6010));
    EXPECT_EQ(spool->status().bytes, std::filesystem::file_size(directory.path() + '/' + spool_files(directory.path()).back()));
  }
}

TEST(Spool, WithoutAFreeBlockPacketsAreDroppedAndCounted) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(small_spool(directory.path()));  // not started: nobody frees a block
  for (uint64_t i = 0; i < 20'000; ++i) {
    const std::vector<uint8_t> frame = numbered_frame(i);
    spool->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs));
  }
  const uint64_t dropped = spool->status().dropped_packets;
  EXPECT_GT(dropped, 0u);
  spool->start();
  spool->stop();
  EXPECT_EQ(spool->status().packets_written + dropped, 20'000u);
  EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 20'000 - dropped));
  if (have_command("capinfos")) {
    const std::string file = directory.path() + '/' + spool_files(directory.path()).back();
    const std::string statistics = run("capinfos " + file).output;
    EXPECT_NE(statistics.find("Number of stat entries = 1"), std::string::npos) << statistics;
  }
}

TEST(Spool, TheFirstPacketAfterADropTellsHowManyOfItsPortAreMissing) {
  for (const bool cut : {false, true}) {
    SCOPED_TRACE(cut);
    const TemporaryDirectory directory;
    SpoolOptions options = small_spool(directory.path());
    if (cut) options.snap_rules = *SpoolSnapRules::compile({{"", 64, {}}});
    const auto spool = open_spool(options);  // not started: nobody frees a block
    for (uint64_t i = 0; i < 20'000; ++i) {
      const std::vector<uint8_t> frame = numbered_frame(i);
      spool->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs));
    }
    const uint64_t dropped = spool->status().dropped_packets, written = 20'000 - dropped;
    spool->start();
    EXPECT_TRUE(wait_for([&] { return spool->status().packets_written == written; }));
    append(*spool, 20'000, 1, 112, 1);
    append(*spool, 20'001, 2);
    spool->stop();
    std::vector<uint64_t> told;
    const auto snapshot = std::move(spool->snapshot(kTimeMin, kTimeMax).value());
    SpoolReader reader(*snapshot);
    for (SpooledPacket packet; reader.next(packet);) told.push_back(packet.drop_count);
    std::vector<uint64_t> expected(written + 3, 0);
    expected[written + 1] = dropped;  // after the packet of the other port
    EXPECT_EQ(told, expected);
    if (!have_command("tshark")) continue;
    const std::string file = directory.path() + '/' + spool_files(directory.path()).back();
    EXPECT_EQ(run("tshark -r " + file + " -T fields -e frame.drop_count -Y frame.drop_count").output,
              std::to_string(dropped) + "\n");
  }
}

TEST(Spool, APacketOfAnotherLinkTypeThanItsPortIsDroppedAndCounted) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(small_spool(directory.path()));
  const std::vector<uint8_t> frame = numbered_frame(1);
  RawPacket packet = raw_packet(frame, kSpoolTestStartNs);
  packet.link_type = LinkType::raw_ip;
  spool->lane(0).append(0, packet);
  EXPECT_EQ(spool->status().dropped_packets, 1u);
}

TEST(Spool, CutAtAnyByteTheLastFileIsRepairedAndEverythingOlderIsThere) {
  const TemporaryDirectory original;
  {
    const auto spool = open_spool(small_spool(original.path()));
    spool->start();
    append(*spool, 0, 3);
    spool->stop();
  }
  std::string older, current;
  uint64_t header_bytes = 0;
  {
    const auto spool = open_spool(small_spool(original.path()));
    spool->start();
    append(*spool, 3, 4);
    ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 4; }));
    // As a kill leaves it: not finished.
    const TemporaryDirectory killed;
    const auto read = [](const std::string& path) {
      std::ifstream in(path, std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(in), {});
    };
    current = read(original.path() + "/parallax-current.pcapng");
    older = read(original.path() + '/' + spool_files(original.path())[0]);
    header_bytes = current.size() - 4 * (32 + 112 + 12);
  }
  for (size_t size = 0; size <= current.size(); ++size) {
    const TemporaryDirectory directory;
    std::ofstream(directory.path() + "/parallax-20231114T221320Z-00000001.pcapng", std::ios::binary) << older;
    std::ofstream(directory.path() + "/parallax-current.pcapng", std::ios::binary) << current.substr(0, size);
    SpoolOptions options = small_spool(directory.path());
    options.lane_bytes = 0;  // the least: there are a thousand of them
    const auto spool = open_spool(options);
    ASSERT_NE(spool, nullptr);
    const uint64_t whole = size < header_bytes ? 0 : (size - header_bytes) / (32 + 112 + 12);
    ASSERT_EQ(read_spool(*spool).numbers, numbers(0, 3 + whole)) << "cut to " << size;
    EXPECT_FALSE(fs::exists(directory.path() + "/parallax-current.pcapng"));
    if (size % 197 == 0) {
      for (const std::string& name : spool_files(directory.path())) {
        const bool first = name.find("00000001") != std::string::npos;
        expect_opens_without_warning(directory.path() + '/' + name, first ? 3 : whole);
      }
    }
    if (size % 7 != 0) continue;
    // And it goes on.
    spool->start();
    append(*spool, 3 + whole, 1);
    spool->stop();
    ASSERT_EQ(read_spool(*spool).numbers, numbers(0, 4 + whole));
  }
}

TEST(Spool, ZerosAtTheEndOfAFileAreCutOff) {
  const TemporaryDirectory directory;
  {
    const auto spool = open_spool(small_spool(directory.path()));
    spool->start();
    append(*spool, 0, 10);
  }
  const std::string path = directory.path() + '/' + spool_files(directory.path())[0];
  fs::resize_file(path, fs::file_size(path) + 5000);
  const auto spool = open_spool(small_spool(directory.path()));
  EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 10));
  EXPECT_EQ(spool->status().repairs.size(), 1u);
  expect_opens_without_warning(path, 10);
}

TEST(Spool, GarbageInTheDirectoryStopsNothing) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() + "/parallax-current.pcapng") << std::string(10'000, 'x');
  std::ofstream(directory.path() + "/parallax-20231114T221320Z-00000007.pcapng") << "not a capture";
  std::ofstream(directory.path() + "/parallax-20231114T221320Z-x7.pcapng") << "not ours";
  std::ofstream(directory.path() + "/holiday.jpg") << "not ours";
  const auto spool = open_spool(small_spool(directory.path()));
  ASSERT_NE(spool, nullptr);
  EXPECT_EQ(spool->status().repairs.size(), 2u);
  spool->start();
  append(*spool, 0, 10);
  spool->stop();
  EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 10));
  EXPECT_TRUE(fs::exists(directory.path() + "/holiday.jpg"));
  EXPECT_TRUE(fs::exists(directory.path() + "/parallax-20231114T221320Z-00000008.pcapng"));
}

TEST(Spool, WithoutItsIndexBlockAFileIsScanned) {
  const TemporaryDirectory directory;
  SpoolStatus before;
  {
    const auto spool = open_spool(small_spool(directory.path()));
    spool->start();
    append(*spool, 0, 20'000);
    spool->stop();
    before = spool->status();
  }
  for (const std::string& name : spool_files(directory.path())) {  // one bit of the index's own length
    const std::string path = directory.path() + '/' + name;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4, std::ios::end);
    file.put(13);
  }
  const auto spool = open_spool(small_spool(directory.path()));
  EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 20'000));
  EXPECT_EQ(spool->status().oldest_packet_ns, before.oldest_packet_ns);
  EXPECT_EQ(spool->status().bytes, before.bytes + before.files * sizeof(SpoolLoss));  // each says that its losses are not known
}

TEST(Spool, ASecondOwnerIsRefusedAndToldWhoHoldsTheDirectory) {
  const TemporaryDirectory directory;
  const auto first = open_spool(small_spool(directory.path()));
  const auto second = Spool::open(small_spool(directory.path()), two_spool_ports());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), "spool directory " + directory.path() + " is in use by process " + std::to_string(getpid()) +
                                "; each daemon needs its own");
}

TEST(Spool, ImpossibleSizesAndDirectoriesAreRefusedWithTheValue) {
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.limits.size = 1000;
  EXPECT_EQ(Spool::open(options, two_spool_ports()).error(), "spool.size is 1000 bytes; at least 4194304");
  options = small_spool(directory.path());
  options.file_size = 4 << 20;
  EXPECT_NE(Spool::open(options, two_spool_ports()).error().find("at most half of spool.size"), std::string::npos);
  options = small_spool("/proc/nowhere");
  EXPECT_NE(Spool::open(options, two_spool_ports()).error().find("cannot make spool directory /proc/nowhere"), std::string::npos);
}

TEST(Spool, ASnapshotStaysReadableWhileTheRingRemovesItsFiles) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(small_spool(directory.path()));
  spool->start();
  append(*spool, 0, 10'000);
  ASSERT_TRUE(wait_for([&] { return spool->status().packets_written == 10'000; }));
  const auto snapshot = spool->snapshot(kTimeMin, kTimeMax);
  ASSERT_TRUE(snapshot);
  append(*spool, 10'000, 60'000);
  spool->stop();
  EXPECT_GT(spool->status().oldest_packet_ns, kSpoolTestStartNs + 10'000'000);
  EXPECT_EQ(read_snapshot(**snapshot).numbers, numbers(0, 10'000));
}

TEST(Spool, PortsOfAnEarlierRunKeepTheirNamesAndComeAfterThePresentOnes) {
  const TemporaryDirectory directory;
  {
    const auto spool = open_spool(small_spool(directory.path()));
    spool->start();
    append(*spool, 0, 1, 112, 0);
    append(*spool, 1, 1, 112, 1);
  }
  std::vector<SpoolPort> ports = two_spool_ports();
  std::swap(ports[0], ports[1]);
  ports[1].info.name = "tap9";
  const auto spool = std::move(*Spool::open(small_spool(directory.path()), ports));
  const auto snapshot = spool->snapshot(kTimeMin, kTimeMax);
  ASSERT_TRUE(snapshot);
  ASSERT_EQ((*snapshot)->interfaces().size(), 3u);
  EXPECT_EQ((*snapshot)->interfaces()[2].block.name, "tap0");
  EXPECT_EQ((*snapshot)->interfaces()[2].point, "outside");
  EXPECT_EQ((*snapshot)->interfaces()[2].direction, PortDirection::toward_inside);
  EXPECT_EQ(read_snapshot(**snapshot).interfaces, (std::vector<uint16_t>{2, 0}));
}

TEST(Spool, MoreOverlapThanTheReaderHoldsIsReadInFullAndCounted) {
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.limits.size = 128 << 20;
  options.file_size = 64 << 20;
  const auto spool = open_spool(options);
  spool->start();
  // The same second again and again, each in a chunk of its own.
  const uint64_t rounds = SpoolReader::kOpenChunksMax + 20, packets = kSpoolChunkBytes / 8000 + 1;
  for (uint64_t round = 0; round < rounds; ++round) {
    for (uint64_t i = 0; i < packets; ++i) {
      const std::vector<uint8_t> frame = numbered_frame(i, 256);
      for (int copy = 0; copy < 27; ++copy)
        spool->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(i)));
    }
    ASSERT_TRUE(wait_for([&] { return spool->status().packets_written >= (round + 1) * packets * 27; }));
  }
  const ReadBack back = read_spool(*spool);
  EXPECT_EQ(back.numbers.size(), rounds * packets * 27);
  EXPECT_EQ(back.damaged, 0u);
}

TEST(Spool, AFullDiskCostsTheOldestFilesAndIsSaidAndCounted) {
  const TemporaryDirectory directory;
  if (geteuid() != 0 || mount("none", directory.path().c_str(), "tmpfs", 0, "size=6m") != 0)
    GTEST_SKIP() << "needs a small disk to fill, a tmpfs: run as root, with CAP_SYS_ADMIN";
  {
    SpoolOptions options = small_spool(directory.path());
    options.limits.size = 64 << 20;
    options.file_size = 2 << 20;
    const auto spool = open_spool(options);
    spool->start();
    append(*spool, 0, 60'000);  // 9 MB
    spool->stop();
    const SpoolStatus status = spool->status();
    EXPECT_GT(status.write_errors, 0u);
    EXPECT_NE(status.error.find("No space left on device"), std::string::npos) << status.error;
    EXPECT_GT(status.files_removed(), 0u);
    EXPECT_EQ(status.packets_written + status.dropped_packets, 60'000u);
    EXPECT_EQ(read_spool(*spool).damaged, 0u);
    EXPECT_GT(status.oldest_packet_ns, kSpoolTestStartNs);
  }
  for (const std::string& name : spool_files(directory.path())) {
    if (!have_command("capinfos")) continue;
    EXPECT_EQ(run("capinfos -c " + directory.path() + '/' + name).errors, "");
  }
  {  // All of it is taken by others: packets are dropped, and once there is space it goes on.
    for (const std::string& name : spool_files(directory.path())) fs::remove(directory.path() + '/' + name);
    const auto spool = open_spool(small_spool(directory.path()));
    std::ofstream(directory.path() + "/others") << std::string(8 << 20, 'x');
    spool->start();
    append(*spool, 100'000, 30'000);
    EXPECT_TRUE(wait_for([&] { return spool->status().packets_written + spool->status().dropped_packets == 30'000; }));
    EXPECT_EQ(spool->status().packets_written, 0u);
    EXPECT_GT(spool->status().write_errors, 0u);
    fs::remove(directory.path() + "/others");
    const uint64_t dropped = spool->status().dropped_packets;
    append(*spool, 200'000, 1000);
    EXPECT_TRUE(wait_for([&] { return spool->status().packets_written + dropped == 31'000; }));
    EXPECT_EQ(read_spool(*spool, kSpoolTestStartNs + 200'000'000).numbers, numbers(200'000, 1000));
  }
  umount(directory.path().c_str());
}

TEST(Spool, ALimitOnTheSizeOfFilesMakesSmallerFiles) {
  const TemporaryDirectory directory;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  SpoolOptions options = small_spool(directory.path());
  options.limits.size = 64 << 20;
  options.file_size = 8 << 20;
  const auto spool = open_spool(options);
  const rlimit limit{3 << 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  spool->start();  // its thread has SIGXFSZ blocked
  append(*spool, 0, 60'000);
  spool->stop();
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(spool->status().packets_written, 60'000u);
  EXPECT_EQ(read_spool(*spool).numbers, numbers(0, 60'000));
  EXPECT_GT(spool->status().write_errors, 0u);
  EXPECT_GE(spool->status().files, 3u);
}

}  // namespace
}  // namespace parallax
