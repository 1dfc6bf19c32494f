// Offsets and drifts of clocks from packets that two points saw; and where there are none to be found.
#include "daemon/run/clock_alignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

namespace parallax {
namespace {

constexpr int64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'700'000'000 * kSecond;

struct Path {
  int64_t offset_ns = 0, transit_ns = 100'000, jitter_ns = 0;
  double drift = 0;
  int packets = 400;
  bool one_way = false, rewritten = false;
  int one_way_until = 0, one_way_after = INT_MAX;  // packets before and after these go one way, too
  bool has_timestamps = false, has_payload = false;
  uint16_t ids_ahead = 0;  // the device gives packets IDs of its own, and all say the same; 0: it does not
  int64_t step_ns = 0;     // of the second clock, in the middle
  bool has_ttl = false;
  int64_t turned_ns = 0;      // the second point shows each packet again, under another name, so much later; 0: it does not
  bool turned_alike = false;  // under the same name
  bool has_one_way_flows = false;
  bool is_full_after = false;  // packets after one_way_after wait nearly all of jitter_ns
};

std::vector<ClockSamples> samples_of(const Path& path) {
  std::mt19937 random(1);
  std::vector<ClockSamples> points(2);
  ClockSamples &first = points[0], &second = points[1];
  for (int i = 0; i < path.packets; ++i) {
    const bool toward_second = path.one_way || i < path.one_way_until || i > path.one_way_after || i % 2 == 0;
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.flow_hash = static_cast<uint32_t>(i / 20 + (path.has_one_way_flows && toward_second ? 1000 : 0));
    frame.source_port = toward_second ? 40000 : 443;
    frame.destination_port = toward_second ? 443 : 40000;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    frame.ip_id = static_cast<uint16_t>(i);
    frame.ttl = path.has_ttl ? 60 : 0;
    const auto number = static_cast<uint32_t>(i);
    if (path.has_timestamps) frame.flags |= bit(SightingFlag::has_timestamps);
    frame.tsval = number * 50;
    std::array<uint8_t, 16> payload{};
    if (path.ids_ahead == 0) std::memcpy(payload.data(), &number, sizeof(number));
    if (path.has_payload) {
      frame.payload = payload.data();
      frame.payload_length = frame.payload_captured = payload.size();
    }
    const int64_t entered = kStart + i * 50 * kMs;
    const int64_t drawn_ns = path.jitter_ns > 0 ? static_cast<int64_t>(random() % static_cast<uint64_t>(path.jitter_ns)) : 0;
    const int64_t waited_ns = path.is_full_after && i > path.one_way_after ? path.jitter_ns / 10 * 9 : drawn_ns;
    const int64_t left = entered + path.transit_ns + waited_ns;
    const int64_t at_first = toward_second ? entered : left, at_second = toward_second ? left : entered;
    const auto ahead = path.offset_ns + static_cast<int64_t>(path.drift * static_cast<double>(at_second - kStart)) +
                       (i > path.packets / 2 ? path.step_ns : 0);
    first.add(frame, at_first);
    if (path.rewritten) frame.seq += 12345;
    frame.ip_id = static_cast<uint16_t>(frame.ip_id + path.ids_ahead);
    if (path.has_ttl) frame.ttl = toward_second ? 59 : 61;
    frame.source_port = toward_second ? 1024 : 443;  // a NAT between
    second.add(frame, at_second + ahead);
    if (path.turned_ns == 0) continue;
    if (!path.turned_alike) frame.flow_hash += 1000;
    // What comes from the first point is sent on, what goes to it comes from there.
    second.add(frame, at_second + ahead + (toward_second ? path.turned_ns : -path.turned_ns));
  }
  return points;
}

PointClock compared(const Path& path) {
  const std::vector<ClockSamples> points = samples_of(path);
  return compare_clocks(points[0], points[1]);
}

// Of a pair whose clocks differ by one line.
ClockLine line_between(const Path& path) {
  const PointClock clock = compared(path);
  EXPECT_EQ(clock.correction.parts.size(), 1u);
  return clock.correction.none() ? ClockLine{} : clock.correction.parts.front().line;
}

// Of the second point.
std::vector<PortOutage> doubts_of(const Path& path, int64_t stepped_ns = kTimeMax) {
  const std::vector<ClockSamples> points = samples_of(path);
  return clock_limits(points, align_clocks(points), {kTimeMax, stepped_ns}).doubts[1];
}

// From when on nothing is compared, for whatever reason.
int64_t comparable(const Path& path, int64_t stepped_ns = kTimeMax) {
  int64_t from_ns = kTimeMax;
  for (const PortOutage& doubt : doubts_of(path, stepped_ns)) {
    if (doubt.goes_on()) from_ns = std::min(from_ns, doubt.from_ns);
  }
  return from_ns;
}

}  // namespace

TEST(ClockAlignment, OffsetIsFound) {
  for (const int64_t offset : {3 * kSecond, -3 * kSecond, 5 * kMs, -3600 * kSecond}) {
    const ClockLine clock = line_between({.offset_ns = offset});
    EXPECT_LT(std::abs(clock.offset_ns - offset), 1000) << offset;
    EXPECT_EQ(clock.drift, 0);
    EXPECT_NEAR(static_cast<double>(compared({.offset_ns = offset}).correction.uncertainty_ns), 100'000, 1000);  // the transit
  }
}

// As firewalls do that give connections initial numbers of their own.
TEST(ClockAlignment, OffsetIsFoundWhereSegmentsAreRenumbered) {
  for (const bool payload : {true, false}) {
    const ClockLine clock =
        line_between({.offset_ns = 3 * kSecond, .rewritten = true, .has_timestamps = true, .has_payload = payload});
    EXPECT_LT(std::abs(clock.offset_ns - 3 * kSecond), 1000);
  }
}

// Requests begin alike, and each leaves under the IP ID of one that came two seconds before.
TEST(ClockAlignment, IpIdsThatTheDeviceGivesSayNothingOfClocks) {
  for (const bool rewritten : {true, false}) {
    for (const bool timestamps : {true, false}) {
      const Path path{.rewritten = rewritten, .has_timestamps = timestamps, .has_payload = true, .ids_ahead = 40};
      EXPECT_TRUE(compared(path).correction.none());
      EXPECT_EQ(comparable(path), kTimeMax);
    }
  }
}

// A device at the second point gives back to the same link what it was given, under another name.
TEST(ClockAlignment, OffsetIsFoundWhereOnePointShowsPacketsOnTheirWayBackToo) {
  const ClockLine clock = line_between({.offset_ns = -20 * kMs, .turned_ns = 200'000});
  EXPECT_LT(std::abs(clock.offset_ns + 20 * kMs), 110'000);  // half of what the device takes is not told from the offset
  EXPECT_TRUE(compared({.offset_ns = -20 * kMs, .turned_ns = 200'000, .turned_alike = true}).correction.none());
  EXPECT_TRUE(compared({.offset_ns = -20 * kMs, .turned_ns = 30 * kMs}).correction.none());  // no device takes so long
}

TEST(ClockAlignment, OffsetIsFoundThroughQueues) {
  const PointClock clock = compared({.offset_ns = 3 * kSecond, .jitter_ns = 5 * kMs});
  ASSERT_EQ(clock.correction.parts.size(), 1u);
  const int64_t error_ns = std::abs(clock.correction.parts.front().line.offset_ns - 3 * kSecond);
  EXPECT_LT(error_ns, 50'000);
  EXPECT_LE(error_ns, clock.correction.uncertainty_ns);
}

TEST(ClockAlignment, DriftIsFound) {
  const ClockCorrection clock = compared({.offset_ns = 2 * kSecond, .drift = 50e-6, .packets = 2000}).correction;
  ASSERT_EQ(clock.parts.size(), 1u);
  EXPECT_NEAR(clock.parts.front().line.drift * 1e6, 50, 0.5);
  EXPECT_LT(std::abs(clock.corrected(kStart + 102 * kSecond + 5 * kMs) - (kStart + 100 * kSecond)), 50'000);
}

TEST(ClockAlignment, OneClockIsLeftAlone) {
  EXPECT_TRUE(compared({}).correction.none());
  EXPECT_TRUE(compared({.jitter_ns = 20 * kMs}).correction.none());
  EXPECT_TRUE(compared({.offset_ns = 50'000}).correction.none());  // within the transit: it cannot be told
  EXPECT_TRUE(compared({.packets = 10}).correction.none());
}

TEST(ClockAlignment, NothingIsConcludedFromTooLittle) {
  EXPECT_TRUE(compared({.offset_ns = 3 * kSecond, .one_way = true}).correction.none());
  EXPECT_TRUE(compared({.offset_ns = 3 * kSecond, .rewritten = true}).correction.none());
}

TEST(ClockAlignment, PacketsOfOneMomentDoNoHarm) {
  for (const int64_t offset : {int64_t{0}, kSecond}) {
    std::vector<ClockSamples> points(2);
    for (uint32_t i = 0; i < 200; ++i) {
      DecodedFrame frame{};
      frame.protocol = ip_protocol::tcp;
      frame.flow_hash = i / 2;
      frame.source_port = i % 2 == 0 ? 40000 : 443;
      frame.destination_port = i % 2 == 0 ? 443 : 40000;
      frame.seq = i;
      points[0].add(frame, kStart + i % 2 * kMs);
      points[1].add(frame, kStart + i % 2 * kMs + offset);
    }
    const PointClock clock = compare_clocks(points[0], points[1]);
    EXPECT_EQ(clock.correction.none(), offset == 0);
    EXPECT_EQ(clock.correction.corrected(kStart + offset), kStart);
  }
}

TEST(ClockAlignment, ClocksThatAgreeAreComparableThroughout) {
  EXPECT_EQ(comparable({}), kTimeMax);
  EXPECT_EQ(comparable({.offset_ns = 3 * kSecond}), kTimeMax);
  EXPECT_EQ(comparable({.jitter_ns = 20 * kMs}), kTimeMax);
  EXPECT_EQ(comparable({.transit_ns = 400 * kMs, .has_ttl = true}), kTimeMax);
}

TEST(ClockAlignment, BothSidesOfAStepAreAligned) {
  for (const int64_t step : {5 * kSecond, 300 * kMs, -150 * kMs, 3 * kMs}) {
    const PointClock clock = compared({.packets = 1000, .step_ns = step});
    ASSERT_EQ(clock.correction.parts.size(), 2u) << step;
    EXPECT_EQ(clock.correction.parts[0].line, ClockLine{}) << step;  // one clock until then
    const int64_t after = kStart + 40 * kSecond;
    EXPECT_LT(std::abs(clock.correction.corrected(after + step) - after), 1000) << step;
    // The step came after packet 500, of one each 50 ms.
    const int64_t at = kStart + 25 * kSecond;
    ASSERT_EQ(clock.steps.size(), 1u) << step;
    EXPECT_LT(clock.steps[0].from_ns, at) << step;
    EXPECT_GT(clock.steps[0].to_ns, at + 50 * kMs) << step;
    EXPECT_LT(clock.steps[0].to_ns - clock.steps[0].from_ns, 2 * kSecond) << step;
    EXPECT_EQ(comparable({.packets = 1000, .step_ns = step}), kTimeMax) << step;
  }
}

TEST(ClockAlignment, NoPacketGetsTheTimeOfTheOtherSideOfAStepForward) {
  constexpr int64_t kStep = 300 * kMs;
  const ClockCorrection clock = compared({.packets = 1000, .step_ns = kStep}).correction;
  const int64_t last = kStart + 25 * kSecond;  // not yet of the new time
  EXPECT_EQ(clock.corrected(last), last);
  EXPECT_LT(std::abs(clock.corrected(last + 50 * kMs + kStep) - (last + 50 * kMs)), 1000);
}

TEST(ClockAlignment, NothingIsComparedAfterAStepThatIsKnownFromTheFileAlone) {
  const int64_t stepped = kStart + 10 * kSecond;
  EXPECT_LE(comparable({}, stepped), stepped);
}

// As where the way there and the way back are of different connections, or a mirror shows half of each.
TEST(ClockAlignment, FlowsOfOneDirectionEachCompareClocksByTheirTtls) {
  const PointClock clock = compared({.offset_ns = -2 * kSecond, .has_ttl = true, .has_one_way_flows = true});
  ASSERT_EQ(clock.correction.parts.size(), 1u);
  EXPECT_NEAR(static_cast<double>(clock.correction.parts[0].line.offset_ns), -2.0 * kSecond, kMs);
  EXPECT_TRUE(doubts_of({.transit_ns = 400 * kMs, .jitter_ns = 60 * kMs, .has_ttl = true, .has_one_way_flows = true}).empty());
  EXPECT_TRUE(compared({.offset_ns = -2 * kSecond, .has_one_way_flows = true}).correction.none());
}

TEST(ClockAlignment, OneDirectionThatLeavesBeforeItCameIsNotCompared) {
  EXPECT_LE(comparable({.offset_ns = -2 * kSecond, .one_way = true, .has_ttl = true}), kStart);
  EXPECT_EQ(comparable({.offset_ns = 50'000, .one_way = true, .has_ttl = true}), kTimeMax);
}

TEST(ClockAlignment, AStepIsSeenFromOneDirectionAlone) {
  const auto from_ns = [](int64_t step_ns, int64_t offset_ns = 0) {
    return comparable({.offset_ns = offset_ns, .one_way = true, .step_ns = step_ns, .has_ttl = true});
  };
  const int64_t at = kStart + 10 * kSecond;  // after packet 200, of one each 50 ms
  for (const int64_t step : {30 * kMs, 700 * kMs, 5 * kSecond}) {
    EXPECT_LE(from_ns(step), at) << step;
    EXPECT_GT(from_ns(step), at - kSecond) << step;
  }
  // Which of the two times is the right one is not known.
  EXPECT_LT(from_ns(-700 * kMs, 700 * kMs), kStart);
  EXPECT_EQ(from_ns(10 * kMs), kTimeMax);  // of a device's queues
  EXPECT_EQ(comparable({.jitter_ns = 400 * kMs, .one_way = true, .has_ttl = true}), kTimeMax);
}

// No device takes so long of all packets: their clocks differ, and nothing tells by how much.
TEST(ClockAlignment, OneDirectionThatSeemsToTakeLongThroughoutIsNotCompared) {
  const auto causes = [](const Path& path) {
    std::vector<OutageCause> causes;
    for (const PortOutage& doubt : doubts_of(path)) causes.push_back(doubt.cause);
    return causes;
  };
  const std::vector<OutageCause> unknown{OutageCause::clocks_unknown};
  for (const int packets : {3, 400}) {
    for (const bool ttl : {true, false})
      EXPECT_EQ(causes({.offset_ns = 2 * kSecond, .packets = packets, .one_way = true, .has_ttl = ttl}), unknown) << packets;
    EXPECT_EQ(causes({.packets = packets, .one_way = true, .has_ttl = true}), std::vector<OutageCause>{});
  }
  EXPECT_EQ(causes({.offset_ns = 2 * kSecond, .packets = 2, .one_way = true, .has_ttl = true}), std::vector<OutageCause>{});
  // What jumps among packets that are all late is no second doubt.
  EXPECT_EQ(causes({.offset_ns = kSecond, .one_way = true, .step_ns = 300 * kMs, .has_ttl = true}), unknown);
  EXPECT_EQ(causes({.transit_ns = 400 * kMs, .has_ttl = true}), std::vector<OutageCause>{});  // as both directions tell
}

// Packets of both directions tell how far the clocks are apart, but not when they have been so.
TEST(ClockAlignment, AStepIsSeenWhereOneDirectionBeginsBeforeTheOther) {
  const int64_t step = kStart + 10 * kSecond;  // after packet 200, of one each 50 ms
  for (const int64_t by_ns : {60 * kMs, -700 * kMs, 5 * kSecond}) {
    const auto before = doubts_of({.one_way_until = 220, .step_ns = by_ns, .has_ttl = true});
    ASSERT_EQ(before.size(), 1u) << by_ns;
    EXPECT_EQ(before[0].cause, OutageCause::clock_jumped);
    EXPECT_EQ(before[0].from_ns, kTimeMin);
    EXPECT_GE(before[0].to_ns, step) << by_ns;
    EXPECT_LE(before[0].to_ns, step + 2 * kSecond) << by_ns;
    const auto after = doubts_of({.one_way_after = 180, .step_ns = by_ns, .has_ttl = true});
    ASSERT_EQ(after.size(), 1u) << by_ns;
    EXPECT_TRUE(after[0].goes_on());
    EXPECT_LE(after[0].from_ns, step) << by_ns;
    EXPECT_GE(after[0].from_ns, step - 2 * kSecond) << by_ns;
  }
  EXPECT_EQ(comparable({.one_way_until = 220, .has_ttl = true}), kTimeMax);
  // A device that holds packets for very different times may hold the last of them for long.
  EXPECT_TRUE(doubts_of({.jitter_ns = 400 * kMs, .one_way_after = 380, .has_ttl = true, .is_full_after = true}).empty());
  EXPECT_TRUE(doubts_of({.jitter_ns = 60 * kMs, .one_way_until = 220, .one_way_after = 300, .has_ttl = true}).empty());
}

TEST(ClockAlignment, OneDirectionAloneComparesNoClocks) {
  const auto is_compared = [](const Path& path) -> bool {
    const std::vector<ClockSamples> points = samples_of(path);
    return clock_limits(points, align_clocks(points), {kTimeMax, kTimeMax}).compared[1];
  };
  EXPECT_TRUE(is_compared({}));
  EXPECT_TRUE(is_compared({.offset_ns = 3 * kSecond}));
  EXPECT_FALSE(is_compared({.one_way = true}));
}

TEST(ClockAlignment, APointIsComparedWithBothItsNeighbours) {
  const ClockLimits limits{.doubts = {}, .compared = {true, true, false}};
  EXPECT_TRUE(limits.is_compared(0));
  EXPECT_FALSE(limits.is_compared(1));
  EXPECT_FALSE(limits.is_compared(2));
}

// What lies between two neighbours lies between all points on either side of them.
TEST(ClockAlignment, WhatCannotBeComparedAcrossADeviceCannotBeComparedAcrossSeveral) {
  const PortOutage apart{OutageCause::clocks_apart, 7, PortOutage::kGoesOn}, own{OutageCause::clock_step, 9, PortOutage::kGoesOn};
  const PortOutage hidden{OutageCause::no_common_clock, 7, PortOutage::kGoesOn};
  using Outages = std::vector<PortOutage>;
  const auto outages = [](std::vector<Outages> doubts) {
    const ClockLimits limits{.doubts = doubts, .compared = std::vector<bool>(doubts.size(), true)};
    std::vector<Outages> of;
    for (size_t point = 0; point < doubts.size(); ++point) of.push_back(limits.outages(point));
    return of;
  };
  EXPECT_EQ(outages({{}, {apart}}), (std::vector<Outages>{{}, {apart}}));
  EXPECT_EQ(outages({{}, {apart}, {}}), (std::vector<Outages>{{apart}, {}, {}}));
  EXPECT_EQ(outages({{}, {}, {apart}}), (std::vector<Outages>{{}, {}, {apart}}));
  EXPECT_EQ(outages({{}, {}, {apart}, {}}), (std::vector<Outages>{{}, {}, {apart}, {hidden}}));
  EXPECT_EQ(outages({{own}, {own}, {}}), (std::vector<Outages>{{own}, {own}, {}}));
  const PortOutage step{OutageCause::clock_step, 7, 8}, meanwhile{OutageCause::no_common_clock, 7, 8};
  EXPECT_EQ(outages({{}, {step}, {}}), (std::vector<Outages>{{}, {step}, {meanwhile}}));
}

TEST(ClockAlignment, OfOneDirectionTheDriftIsToldAlone) {
  const auto drift_of = [](const Path& path) {
    const std::vector<ClockSamples> points = samples_of(path);
    return one_way_drift(points[0], points[1]);
  };
  const Path path{.offset_ns = -2 * kSecond, .drift = 20e-6, .packets = 2000, .one_way = true, .has_ttl = true};
  EXPECT_TRUE(compared(path).correction.none());
  ASSERT_TRUE(drift_of(path));
  EXPECT_NEAR(*drift_of(path) * 1e6, 20, 0.5);
  EXPECT_FALSE(drift_of({.drift = 0.05, .packets = 2000, .one_way = true, .has_ttl = true}));  // a queue that fills
  EXPECT_FALSE(drift_of({.offset_ns = -2 * kSecond, .packets = 2000}));                        // both directions
  EXPECT_FALSE(drift_of({.offset_ns = -2 * kSecond, .packets = 2000, .one_way = true}));       // which one is not known
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
  const std::vector<PointClock> clocks = align_clocks(points);
  EXPECT_TRUE(clocks[0].correction.none());
  for (const size_t i : {1, 2}) {
    ASSERT_EQ(clocks[i].correction.parts.size(), 1u);
    EXPECT_EQ(clocks[i].correction.parts[0].line.offset_ns, 2 * kSecond);
  }
}

TEST(ClockAlignment, StepsOfTwoClocksAddUp) {
  std::vector<ClockSamples> points(3);
  const auto ahead = [](size_t point, int i) -> int64_t {
    if (point == 0) return 0;
    const int64_t of_second = 2 * kSecond + (i > 400 ? 5 * kSecond : 0);
    return point == 1 ? of_second : of_second - kSecond + (i > 700 ? 3 * kSecond : 0);
  };
  for (int i = 0; i < 1000; ++i) {
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.source_port = i % 2 == 0 ? 40000 : 443;
    frame.destination_port = i % 2 == 0 ? 443 : 40000;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    for (size_t point = 0; point < 3; ++point) points[point].add(frame, kStart + i * 10 * kMs + ahead(point, i));
  }
  const std::vector<PointClock> clocks = align_clocks(points);
  ASSERT_EQ(clocks[1].correction.parts.size(), 2u);
  ASSERT_EQ(clocks[2].correction.parts.size(), 3u);
  for (size_t point = 0; point < 3; ++point) {
    for (const int i : {0, 200, 395, 405, 600, 695, 705, 999}) {
      const int64_t at = kStart + i * 10 * kMs;
      EXPECT_LT(std::abs(clocks[point].correction.corrected(at + ahead(point, i)) - at), 1000) << point << ' ' << i;
    }
  }
  ASSERT_EQ(clocks[2].steps.size(), 1u);
  EXPECT_LT(clocks[2].steps[0].from_ns, kStart + 7 * kSecond);
  EXPECT_GT(clocks[2].steps[0].to_ns, kStart + 7 * kSecond);
}

}  // namespace parallax
