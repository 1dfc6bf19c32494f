// A slice of few legs reads the chunks that hold them, and loses no packet by that.
#include "capture/spool/spool_legs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>

#include "tests/support/packet_builder.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using test::address;

constexpr uint64_t kLegs = 2000;
constexpr uint64_t kPacketsOfLeg = 20;

// The client's port tells one leg from another.
std::vector<uint8_t> segment_of(uint64_t leg, bool from_client, size_t payload = 150) {
  test::Ip ip{.source = address("192.0.2.7"), .destination = address("198.51.100.1")};
  test::Tcp tcp{.source_port = static_cast<uint16_t>(1024 + leg), .destination_port = 443, .flags = 0x10};
  if (!from_client) std::swap(ip.source, ip.destination), std::swap(tcp.source_port, tcp.destination_port);
  return test::tcp_frame(ip, tcp, std::vector<uint8_t>(payload));
}

uint64_t key_of(uint64_t leg) {
  Sighting sighting{};
  sighting.protocol = 6;
  sighting.source = address("192.0.2.7"), sighting.source_port = static_cast<uint16_t>(1024 + leg);
  sighting.destination = address("198.51.100.1"), sighting.destination_port = 443;
  return spool_leg_key(sighting);
}

std::unique_ptr<Spool> open_spool(SpoolOptions options) {
  Result<std::unique_ptr<Spool>> spool = Spool::open(std::move(options), two_spool_ports());
  EXPECT_TRUE(spool) << (spool ? "" : spool.error());
  return std::move(*spool);
}

SpoolOptions spool_of_legs(const std::string& directory) {
  SpoolOptions options = small_spool(directory);
  options.limits.size = 64 << 20;
  options.lane_bytes = 32 << 20;              // so that nothing is dropped
  options.flush_interval_ns = 1'000'000'000;  // what a slow machine flushes early would begin more chunks
  return options;
}

// One leg after the other, as many at a time as a burst of new connections has; numbered by their time.
void append_legs(Spool& spool, int64_t& time_ns) {
  constexpr uint64_t kAtOnce = 100;
  for (uint64_t first = 0; first < kLegs; first += kAtOnce) {
    for (uint64_t packet = 0; packet < kPacketsOfLeg; ++packet) {
      for (uint64_t leg = first; leg < first + kAtOnce; ++leg) {
        const std::vector<uint8_t> frame = segment_of(leg, packet % 2 == 0);
        spool.lane(0).append(packet % 2 == 0 ? 0 : 1, raw_packet(frame, ++time_ns));
      }
    }
  }
}

struct LegReading {
  std::vector<int64_t> times;
  uint64_t read = 0, passed_over = 0;
};

LegReading read_leg(const Spool& spool, uint64_t leg) {
  const auto snapshot = spool.snapshot(kTimeMin, kTimeMax);
  SpoolReader reader(**snapshot, {key_of(leg), kAnyLeg});
  LegReading reading;
  SpoolLegKeys keys;
  for (SpooledPacket packet; reader.next(packet);) {
    const RawPacket& raw = packet.packet;
    if (keys.of({raw.data, raw.captured_length, raw.wire_length, raw.link_type}, raw.time_ns) == key_of(leg))
      reading.times.push_back(raw.time_ns);
  }
  reading.read = reader.chunks_read();
  reading.passed_over = reader.chunks_passed_over();
  return reading;
}

void spoil(const std::string& directory, const std::function<void(std::fstream&, uint64_t size)>& how) {
  for (const std::string& name : spool_files(directory)) {
    std::fstream file(directory + '/' + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    how(file, static_cast<uint64_t>(file.tellg()));
  }
}

TEST(SpoolLegs, OfOneLegFewChunksAreReadAndAllItsPacketsAreThere) {
  const TemporaryDirectory directory;
  const auto spool = open_spool(spool_of_legs(directory.path()));
  spool->start();
  int64_t time_ns = kSpoolTestStartNs;
  append_legs(*spool, time_ns);
  spool->stop();
  ASSERT_GT(spool->status().files, 3u);
  for (const uint64_t leg : {uint64_t{0}, kLegs / 2, kLegs - 1}) {
    const LegReading reading = read_leg(*spool, leg);
    EXPECT_EQ(reading.times.size(), kPacketsOfLeg) << leg;
    EXPECT_LE(reading.read, 4u) << leg;
    EXPECT_GT(reading.passed_over, 10u) << leg;
  }
  EXPECT_LE(read_leg(*spool, kLegs + 7).read, 1u);  // of a leg that is not there at the most by chance
}

TEST(SpoolLegs, AFileThatIsBeingWrittenHasThemToo) {
  const TemporaryDirectory directory;
  SpoolOptions options = spool_of_legs(directory.path());
  options.file_size = 32 << 20;
  const auto spool = open_spool(options);
  spool->start();
  int64_t time_ns = kSpoolTestStartNs;
  append_legs(*spool, time_ns);
  const uint64_t all = kLegs * kPacketsOfLeg;
  for (int i = 0; i < 1000 && spool->status().packets_written < all; ++i) usleep(10'000);
  ASSERT_EQ(spool->status().packets_written, all);
  ASSERT_EQ(spool_files(directory.path()), std::vector<std::string>{"parallax-current.pcapng"});
  const LegReading reading = read_leg(*spool, 5);
  EXPECT_EQ(reading.times.size(), kPacketsOfLeg);
  EXPECT_GT(reading.passed_over, 10u);
  EXPECT_EQ(read_leg(*spool, kLegs - 1).times.size(), kPacketsOfLeg);  // in the chunk that still grows
  spool->stop();
}

// The spool of earlier legs, opened again after somebody did that to each of its files.
LegReading read_again(const std::function<void(std::fstream&, uint64_t)>& how) {
  const TemporaryDirectory directory;
  {
    const auto spool = open_spool(spool_of_legs(directory.path()));
    spool->start();
    int64_t time_ns = kSpoolTestStartNs;
    append_legs(*spool, time_ns);
    spool->stop();
  }
  spoil(directory.path(), how);
  return read_leg(*open_spool(spool_of_legs(directory.path())), kLegs / 2);
}

// Where the index of the file begins: what ends there are the filters.
uint64_t index_begin(std::fstream& file, uint64_t size) {
  uint32_t length = 0;
  file.seekg(static_cast<std::streamoff>(size - 4));
  file.read(reinterpret_cast<char*>(&length), 4);
  return size - length;
}

TEST(SpoolLegs, TheyOutliveTheProcess) {
  const LegReading reading = read_again([](std::fstream&, uint64_t) {});
  EXPECT_EQ(reading.times.size(), kPacketsOfLeg);
  EXPECT_GT(reading.passed_over, 10u);
}

TEST(SpoolLegs, WithoutAnIndexTheyAreMadeAnew) {
  const LegReading reading = read_again([](std::fstream& file, uint64_t size) {  // one bit of the index's own length
    file.seekp(static_cast<std::streamoff>(size - 4));
    file.put(13);
  });
  EXPECT_EQ(reading.times.size(), kPacketsOfLeg);
  EXPECT_GT(reading.passed_over, 10u);
}

TEST(SpoolLegs, DamagedOnesAreNotBelieved) {
  const LegReading reading = read_again([](std::fstream& file, uint64_t size) {
    const uint64_t begin = index_begin(file, size);
    file.seekp(static_cast<std::streamoff>(begin - 60));  // among the words of the last filter
    for (int i = 0; i < 40; ++i) file.put(0);
  });
  EXPECT_EQ(reading.times.size(), kPacketsOfLeg);
  EXPECT_EQ(reading.passed_over, 0u);
}

TEST(SpoolLegs, AFileWithoutThemIsReadWhole) {
  const LegReading reading = read_again([](std::fstream& file, uint64_t size) {
    const uint64_t begin = index_begin(file, size);
    uint32_t length = 0;
    file.seekg(static_cast<std::streamoff>(begin - 4));
    file.read(reinterpret_cast<char*>(&length), 4);
    file.seekp(static_cast<std::streamoff>(begin - length + 8));  // the magic: as if another version had written something there
    file.put('?');
  });
  EXPECT_EQ(reading.times.size(), kPacketsOfLeg);
  EXPECT_EQ(reading.passed_over, 0u);
}

TEST(SpoolLegs, AFragmentHasTheKeyOfItsFirstOneAndWithoutItThatOfAnyLeg) {
  const test::Ip ip{.source = address("192.0.2.7"), .destination = address("198.51.100.1"), .id = 9, .dont_fragment = false};
  const test::Frame whole = test::udp_frame(ip, {.source_port = 5000, .destination_port = 53}, std::vector<uint8_t>(4000));
  const std::vector<test::Frame> fragments = test::in_fragments(whole);
  ASSERT_EQ(fragments.size(), 3u);
  const auto view = [](const test::Frame& frame) {
    const auto size = static_cast<uint32_t>(frame.size());
    return FrameView{frame.data(), size, size, LinkType::ethernet};
  };
  SpoolLegKeys keys;
  const uint64_t of_whole = keys.of(view(whole), 1);
  EXPECT_NE(of_whole, kNoLeg);
  EXPECT_NE(of_whole, kAnyLeg);
  EXPECT_EQ(keys.of(view(fragments[0]), 1), of_whole);
  EXPECT_EQ(keys.of(view(fragments[2]), 1), of_whole);
  EXPECT_EQ(SpoolLegKeys().of(view(fragments[1]), 1), kAnyLeg);
  const std::vector<uint8_t> other = numbered_frame(1);
  EXPECT_EQ(keys.of(view(other), 1), kNoLeg);
}

TEST(SpoolLegs, ASetHoldsEachKeyOnceHoweverManyThereAre) {
  SpoolLegSet set;
  for (int round = 0; round < 2; ++round) {
    set.clear();
    for (uint64_t key = 1; key <= 5000; ++key) {
      set.insert(key << 20);  // alike in the bits by which they are placed
      set.insert(key << 20);
    }
    std::set<uint64_t> held;
    set.for_each([&held](uint64_t key) { held.insert(key); });
    EXPECT_EQ(set.size(), 5000u);
    ASSERT_EQ(held.size(), 5000u);
    EXPECT_EQ(*held.rbegin(), uint64_t{5000} << 20);
  }
}

TEST(SpoolLegs, AFilterNeverDeniesWhatIsInItAndSeldomGrantsWhatIsNot) {
  SpoolLegSet in;
  for (uint64_t leg = 0; leg < 1000; ++leg) in.insert(key_of(leg));
  const SpoolLegFilter filter = make_leg_filter(in);
  EXPECT_EQ(filter.size() * sizeof(uint64_t), 2000u);
  in.for_each([&](uint64_t key) { EXPECT_TRUE(may_hold(filter, key)); });
  uint64_t granted = 0;
  for (uint64_t leg = 1000; leg < 61'000; ++leg) granted += may_hold(filter, key_of(leg));
  EXPECT_LT(granted, 90u);  // 0.06 % of 60,000 are 35
  EXPECT_FALSE(may_hold({}, key_of(1)));
  EXPECT_FALSE(may_hold(make_leg_filter({}), kAnyLeg));
}

}  // namespace
}  // namespace parallax
