// Files out of time order: what is sorted, what is taken by its place, and what is said of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "capture/source/file_source.h"
#include "tests/support/capture_bytes.h"

namespace parallax {

using test::CaptureBytes;
using test::TemporaryFile;

namespace {

constexpr int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr uint32_t kNanosecondMagic = 0xa1b23c4d;

struct Read {
  std::vector<int64_t> times_ms;
  std::vector<uint32_t> frames;
  std::vector<TimeSpan> uncertain;
  std::string warning;
};

// The first packet is stamped at 100 s, so that times before it can be written.
Read read(const std::vector<int64_t>& times_ms, size_t burst_size = 32) {
  CaptureBytes bytes(false);
  bytes.pcap_header(kNanosecondMagic);
  for (const int64_t ms : times_ms) {
    const int64_t ns = 100 * kSecond + ms * kMs;
    bytes.pcap_packet(static_cast<uint32_t>(ns / kSecond), static_cast<uint32_t>(ns % kSecond), {1, 2, 3}, 3);
  }
  const TemporaryFile file(bytes.bytes());
  auto source = FileSource::open(file.path());
  EXPECT_TRUE(source.ok());
  Read result;
  std::vector<RawPacket> burst(burst_size);
  int64_t watermark_ns = kTimeMin;
  while (!(*source)->finished()) {
    const size_t count = (*source)->poll(burst);
    for (size_t i = 0; i < count; ++i) {
      result.times_ms.push_back((burst[i].time_ns - 100 * kSecond) / kMs);
      result.frames.push_back(burst[i].frame);
      EXPECT_EQ(burst[i].data[2], 3);
    }
    while (const auto span = (*source)->take_uncertain_time()) {
      result.uncertain.push_back({(span->from_ns - 100 * kSecond) / kMs, (span->to_ns - 100 * kSecond) / kMs});
    }
    EXPECT_GE((*source)->watermark_ns(), watermark_ns);
    watermark_ns = (*source)->watermark_ns();
  }
  result.warning = (*source)->warning();
  return result;
}

std::vector<int64_t> counting(int64_t from, int64_t to, int64_t step) {
  std::vector<int64_t> times;
  for (int64_t t = from; t < to; t += step) times.push_back(t);
  return times;
}

}  // namespace

TEST(TimeOrder, RecordsWithinTheWindowAreSorted) {
  const Read r = read({0, 50, 10, 60, 20, 150, 70});
  EXPECT_EQ(r.times_ms, (std::vector<int64_t>{0, 10, 20, 50, 60, 70, 150}));
  EXPECT_EQ(r.frames, (std::vector<uint32_t>{1, 3, 5, 2, 4, 7, 6}));
  EXPECT_EQ(r.warning, "");
  EXPECT_TRUE(r.uncertain.empty());
}

TEST(TimeOrder, RecordsAreSortedAcrossBlocks) {
  std::vector<int64_t> times = counting(0, 20'000, 1);
  for (size_t i = 0; i + 7 < times.size(); i += 7) std::swap(times[i], times[i + 6]);
  const Read r = read(times, 5);
  EXPECT_EQ(r.times_ms, counting(0, 20'000, 1));
  EXPECT_EQ(r.warning, "");
}

TEST(TimeOrder, RecordStampedAheadTakesTheTimeOfItsPlace) {
  std::vector<int64_t> times = counting(0, 1000, 10);
  times[40] += 3000;
  const Read r = read(times);
  EXPECT_EQ(r.frames[40], 41u);
  EXPECT_EQ(r.times_ms[40], 410);  // at most that, and more than 390
  ASSERT_EQ(r.uncertain.size(), 1u);
  EXPECT_EQ(r.uncertain[0].from_ns, 390);
  EXPECT_EQ(r.uncertain[0].to_ns, 410);
  EXPECT_EQ(r.times_ms.back(), 990);
  EXPECT_NE(r.warning.find("not in time order: 1 packet is stamped up to 2.9 s away"), std::string::npos) << r.warning;
  EXPECT_NE(r.warning.find("packet 41"), std::string::npos) << r.warning;
}

TEST(TimeOrder, RecordStampedBehindTakesTheTimeOfItsPlace) {
  std::vector<int64_t> times = counting(0, 1000, 10);
  times[40] -= 5000;
  const Read r = read(times);
  EXPECT_EQ(r.times_ms[40], 410);
  EXPECT_EQ(r.uncertain.size(), 1u);
  EXPECT_NE(r.warning.find("not in time order"), std::string::npos);
}

TEST(TimeOrder, FirstAndSeveralRecordsMayBeStampedAhead) {
  std::vector<int64_t> times = counting(0, 1000, 10);
  for (const size_t i : {0, 50, 51, 52}) times[i] += 3000;
  const Read r = read(times);
  EXPECT_EQ(r.times_ms[0], 10);
  for (const size_t i : {50, 51, 52}) EXPECT_EQ(r.times_ms[i], 530);
  EXPECT_EQ(r.uncertain.size(), 4u);
}

TEST(TimeOrder, PauseIsNoWrongStamp) {
  std::vector<int64_t> times = {0, 1000, 3000, 7000};
  for (int i = 0; i < 40; ++i) times.push_back(20'000 + i);
  const Read r = read(times);
  EXPECT_EQ(r.times_ms, times);
  EXPECT_TRUE(r.uncertain.empty());
  EXPECT_EQ(r.warning, "");
}

TEST(TimeOrder, TimeThatGoesBackForGoodKeepsTheOrderOfTheFile) {
  std::vector<int64_t> times = counting(0, 5000, 10);
  const std::vector<int64_t> again = counting(0, 5000, 10);
  times.insert(times.end(), again.begin(), again.end());
  const Read r = read(times);
  EXPECT_EQ(r.times_ms, times);
  ASSERT_EQ(r.uncertain.size(), 1u);
  EXPECT_EQ(r.uncertain[0].from_ns, 0);
  EXPECT_EQ(r.uncertain[0].to_ns, (CaptureFile::kTimeNsMax - 100 * kSecond) / kMs)
      << "whose clock the later times are of is not known";
  EXPECT_NE(r.warning.find("the time goes back once by up to 4.9 s, first at packet 501"), std::string::npos) << r.warning;
}

TEST(TimeOrder, RunOfRecordsFromAnotherTimeKeepsItsTimes) {
  std::vector<int64_t> times = counting(10'000, 11'000, 10);
  for (size_t i = 40; i < 47; ++i) times[i] -= 8000;  // as a file that was sorted by connection has them
  const Read r = read(times);
  EXPECT_EQ(r.times_ms, times);
  EXPECT_NE(r.warning.find("the time goes back once"), std::string::npos) << r.warning;
}

TEST(TimeOrder, StampsAreBroughtToTheClockOfThePath) {
  CaptureBytes bytes(false);
  bytes.pcap_header(kNanosecondMagic).pcap_packet(103, 0, {1}, 1).pcap_packet(203, 0, {1}, 1).pcap_packet(305, 0, {1}, 1);
  const TemporaryFile file(bytes.bytes());
  auto source = FileSource::open(file.path());
  ASSERT_TRUE(source.ok());
  const ClockLine drifting{.offset_ns = 3 * kSecond, .drift = 1e-4, .since_ns = 103 * kSecond};
  const ClockLine after_a_step{.offset_ns = 5 * kSecond};
  (*source)->set_clock({.parts = {{kTimeMin, drifting}, {300 * kSecond, after_a_step}}});
  RawPacket packets[3];
  ASSERT_EQ((*source)->poll(packets), 3u);
  EXPECT_EQ(packets[0].time_ns, 100 * kSecond);
  EXPECT_EQ(packets[1].time_ns, 200 * kSecond - 10 * kMs);
  EXPECT_EQ(packets[2].time_ns, 300 * kSecond);
}

}  // namespace parallax
