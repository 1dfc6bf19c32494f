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
};

ClockCorrection compared(const Path& path) {
  std::mt19937 random(1);
  ClockSamples first, second;
  for (int i = 0; i < path.packets; ++i) {
    const bool toward_second = path.one_way || i % 2 == 0;
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.flow_hash = static_cast<uint32_t>(i / 20);
    frame.source_port = toward_second ? 40000 : 443;
    frame.destination_port = toward_second ? 443 : 40000;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    frame.ip_id = static_cast<uint16_t>(i);
    const int64_t entered = kStart + i * 50 * kMs;
    const int64_t left = entered + path.transit_ns +
                         (path.jitter_ns > 0 ? static_cast<int64_t>(random() % static_cast<uint64_t>(path.jitter_ns)) : 0);
    const int64_t at_first = toward_second ? entered : left, at_second = toward_second ? left : entered;
    const auto ahead = path.offset_ns + static_cast<int64_t>(path.drift * static_cast<double>(at_second - kStart)) +
                       (i > path.packets / 2 ? path.step_ns : 0);
    first.add(frame, at_first);
    if (path.rewritten) frame.seq += 12345;
    frame.source_port = toward_second ? 1024 : 443;  // a NAT between
    second.add(frame, at_second + ahead);
  }
  return compare_clocks(first, second);
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
