// Offsets and drifts of clocks from packets that two points saw; and where there are none to be found.
#include "daemon/run/clock_alignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace parallax {
namespace {

constexpr int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'700'000'000 * kSecond;

struct Path {
  int64_t offset_ns = 0, transit_ns = 100'000, jitter_ns = 0;
  double drift = 0;
  int packets = 400;
  bool one_way = false, rewritten = false;
  int64_t step_ns = 0;  // of the second clock, in the middle
  bool has_ttl = false;
};

std::vector<ClockSamples> samples_of(const Path& path) {
  std::mt19937 random(1);
  std::vector<ClockSamples> points(2);
  ClockSamples &first = points[0], &second = points[1];
  for (int i = 0; i < path.packets; ++i) {
    const bool toward_second = path.one_way || i % 2 == 0;
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.flow_hash = static_cast<uint32_t>(i / 20);
    frame.source_port = toward_second ? 40000 : 443;
    frame.destination_port = toward_second ? 443 : 40000;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    frame.ip_id = static_cast<uint16_t>(i);
    frame.ttl = path.has_ttl ? 60 : 0;
    const int64_t entered = kStart + i * 50 * kMs;
    const int64_t left = entered + path.transit_ns +
                         (path.jitter_ns > 0 ? static_cast<int64_t>(random() % static_cast<uint64_t>(path.jitter_ns)) : 0);
    const int64_t at_first = toward_second ? entered : left, at_second = toward_second ? left : entered;
    const auto ahead = path.offset_ns + static_cast<int64_t>(path.drift * static_cast<double>(at_second - kStart)) +
                       (i > path.packets / 2 ? path.step_ns : 0);
    first.add(frame, at_first);
    if (path.rewritten) frame.seq += 12345;
    if (path.has_ttl) frame.ttl = toward_second ? 59 : 61;
    frame.source_port = toward_second ? 1024 : 443;  // a NAT between
    second.add(frame, at_second + ahead);
  }
  return points;
}

ClockCorrection compared(const Path& path) {
  const std::vector<ClockSamples> points = samples_of(path);
  return compare_clocks(points[0], points[1]);
}

// Of the second point.
int64_t comparable(const Path& path, int64_t stepped_ns = kTimeMax) {
  const std::vector<ClockSamples> points = samples_of(path);
  return comparable_until(points, align_clocks(points), {kTimeMax, stepped_ns})[1];
}

}  // namespace

TEST(ClockAlignment, OffsetIsFound) {
  for (const int64_t offset : {3 * kSecond, -3 * kSecond, 5 * kMs, -3600 * kSecond}) {
    const ClockCorrection clock = compared({.offset_ns = offset});
    EXPECT_LT(std::abs(clock.offset_ns - offset), 20'000) << offset;
    EXPECT_EQ(clock.drift, 0);
  }
}

TEST(ClockAlignment, OffsetIsFoundThroughQueues) {
  const ClockCorrection clock = compared({.offset_ns = 3 * kSecond, .jitter_ns = 5 * kMs});
  EXPECT_LT(std::abs(clock.offset_ns - 3 * kSecond), 2 * kMs);
}

TEST(ClockAlignment, DriftIsFound) {
  const ClockCorrection clock = compared({.offset_ns = 2 * kSecond, .drift = 50e-6, .packets = 2000});
  EXPECT_NEAR(clock.drift * 1e6, 50, 5);
  EXPECT_LT(std::abs(clock.corrected(kStart + 102 * kSecond + 5 * kMs) - (kStart + 100 * kSecond)), kMs);
}

TEST(ClockAlignment, OneClockIsLeftAlone) {
  EXPECT_TRUE(compared({}).none());
  EXPECT_TRUE(compared({.jitter_ns = 20 * kMs}).none());
  EXPECT_TRUE(compared({.offset_ns = 50'000}).none());  // within the transit: it cannot be told
  EXPECT_TRUE(compared({.packets = 10}).none());
}

TEST(ClockAlignment, NothingIsConcludedFromTooLittle) {
  EXPECT_TRUE(compared({.offset_ns = 3 * kSecond, .one_way = true}).none());
  EXPECT_TRUE(compared({.offset_ns = 3 * kSecond, .rewritten = true}).none());
  EXPECT_TRUE(compared({.step_ns = 5 * kSecond}).none());  // a step is not an offset
}

TEST(ClockAlignment, ClocksThatAgreeAreComparableThroughout) {
  EXPECT_EQ(comparable({}), kTimeMax);
  EXPECT_EQ(comparable({.offset_ns = 3 * kSecond}), kTimeMax);
  EXPECT_EQ(comparable({.jitter_ns = 20 * kMs}), kTimeMax);
  EXPECT_EQ(comparable({.transit_ns = 400 * kMs, .has_ttl = true}), kTimeMax);
}

TEST(ClockAlignment, NothingIsComparedAfterAStep) {
  for (const int64_t step : {5 * kSecond, -5 * kSecond, 300 * kMs, -300 * kMs}) {
    const int64_t until = comparable({.packets = 1000, .step_ns = step});
    EXPECT_LT(until, kStart + 27 * kSecond) << step;
  }
  // Nor where the step is known from the file alone.
  const int64_t stepped = kStart + 10 * kSecond;
  EXPECT_LE(comparable({}, stepped), stepped);
}

TEST(ClockAlignment, OneDirectionThatLeavesBeforeItCameIsNotCompared) {
  EXPECT_LE(comparable({.offset_ns = -2 * kSecond, .one_way = true, .has_ttl = true}), kStart);
  EXPECT_EQ(comparable({.offset_ns = 50'000, .one_way = true, .has_ttl = true}), kTimeMax);
}

TEST(ClockAlignment, PointsAreBroughtToTheFirst) {
  std::vector<ClockSamples> points(3);
  for (int i = 0; i < 100; ++i) {
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.source_port = i % 2 == 0 ? 40000 : 443;
    frame.destination_port = i % 2 == 0 ? 443 : 40000;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    const int64_t at = kStart + i * 10 * kMs;
    points[0].add(frame, at);
    points[1].add(frame, at + 2 * kSecond);
    points[2].add(frame, at + 2 * kSecond);
  }
  const std::vector<ClockCorrection> clocks = align_clocks(points);
  EXPECT_TRUE(clocks[0].none());
  EXPECT_EQ(clocks[1].offset_ns, 2 * kSecond);
  EXPECT_EQ(clocks[2].offset_ns, 2 * kSecond);
}

}  // namespace parallax
