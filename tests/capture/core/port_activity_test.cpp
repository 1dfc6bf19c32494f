#include "capture/core/port_activity.h"

#include <gtest/gtest.h>

#include <map>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr PortDirection kIn = PortDirection::toward_inside, kOut = PortDirection::toward_outside;

// A TAP at each of two points: a port for each direction of each link.
constexpr PortIndex kOutsideRx = 0, kOutsideTx = 1, kInsideRx = 2, kInsideTx = 3;

struct Path {
  PortActivity activity{{{0, kIn}, {0, kOut}, {1, kIn}, {1, kOut}}, 0};
  std::map<PortIndex, uint64_t> per_tick;
  std::vector<PortActivity::Change> changes;
  int64_t now_ns = 0;

  Path() {
    for (PortIndex port = 0; port < 4; ++port) per_tick[port] = 20;
  }
  void run(double seconds) {
    for (const int64_t end_ns = now_ns + static_cast<int64_t>(seconds * kSecond); now_ns < end_ns;) {
      now_ns += PortActivity::kTickNs;
      for (const auto& [port, packets] : per_tick) activity.count(port, packets, now_ns - 1);
      const auto& more = activity.advance(now_ns);
      changes.assign(more.begin(), more.end());
      if (!changes.empty()) all.insert(all.end(), changes.begin(), changes.end());
    }
  }
  std::vector<PortActivity::Change> all;
};

TEST(PortActivity, PortThatStopsWhileTheOthersGoOnIsSilentWithinASecond) {
  Path path;
  path.run(5);
  path.per_tick[kInsideRx] = 0;
  path.run(0.9);
  ASSERT_EQ(path.all.size(), 1u);
  EXPECT_EQ(path.all[0].port, kInsideRx);
  EXPECT_EQ(path.all[0].silence, (PortOutage{OutageCause::silent, 5 * kSecond - 1, PortOutage::kGoesOn}));
  EXPECT_TRUE(path.activity.silent(kInsideRx));
}

TEST(PortActivity, SilenceGoesOnForMinutesAndEndsWithTheNextPacket) {
  Path path;
  path.run(5);
  path.per_tick[kInsideRx] = 0;
  path.run(120);
  ASSERT_EQ(path.all.size(), 1u);
  path.per_tick[kInsideRx] = 20;
  path.run(1);
  ASSERT_EQ(path.all.size(), 2u);
  EXPECT_EQ(path.all[1].silence.from_ns, 5 * kSecond - 1);
  EXPECT_EQ(path.all[1].silence.to_ns, 125 * kSecond + PortActivity::kTickNs - 1);
  EXPECT_FALSE(path.activity.silent(kInsideRx));
}

TEST(PortActivity, BothPortsOfAPointWhoseLinksFailTogetherAreSilent) {
  Path path;
  path.run(5);
  path.per_tick[kInsideRx] = path.per_tick[kInsideTx] = 0;
  path.run(0.9);
  EXPECT_TRUE(path.activity.silent(kInsideRx));
  EXPECT_TRUE(path.activity.silent(kInsideTx));
  EXPECT_FALSE(path.activity.silent(kOutsideRx));
}

TEST(PortActivity, DeviceThatStopsIsNoSilentPort) {
  Path path;
  path.run(5);
  // What is left are the clients' packets, sent again; nobody answers.
  path.per_tick[kInsideRx] = path.per_tick[kInsideTx] = path.per_tick[kOutsideTx] = 0;
  path.run(3);
  path.per_tick[kOutsideRx] = 3;
  path.run(10);
  EXPECT_TRUE(path.all.empty());
}

TEST(PortActivity, EverythingThatStopsIsNoSilentPort) {
  Path path;
  path.run(5);
  for (auto& [port, packets] : path.per_tick) packets = 0;
  path.run(60);
  EXPECT_TRUE(path.all.empty());
}

TEST(PortActivity, RareTrafficIsNotSilence) {
  Path path;
  path.per_tick[kInsideRx] = 0;
  for (int i = 0; i < 30; ++i) {
    path.run(1);
    path.activity.count(kInsideRx, 8, path.now_ns);  // once a second
  }
  path.run(30);
  EXPECT_TRUE(path.all.empty());
}

TEST(PortActivity, BurstsWithPausesAreNotSilence) {
  Path path;
  for (int i = 0; i < 30; ++i) {
    path.per_tick[kInsideRx] = 50;
    path.run(1.2);
    path.per_tick[kInsideRx] = 0;
    path.run(0.4 + 0.01 * i);
  }
  EXPECT_LE(path.all.size(), 2u) << "only the first pause is longer than any before";
  for (size_t i = 1; i < path.all.size(); ++i) EXPECT_LT(path.all[i].silence.from_ns, 3 * kSecond);
}

TEST(PortActivity, PortWithoutNeighboursIsNeverSilent) {
  PortActivity activity({{0, PortDirection::both}}, 0);
  for (int64_t tick = 1; tick < 100; ++tick) {
    if (tick < 50) activity.count(0, 20, tick * PortActivity::kTickNs - 1);
    EXPECT_TRUE(activity.advance(tick * PortActivity::kTickNs).empty());
  }
}

TEST(PortActivity, PortThatNeverCarriedAnythingIsNotSilent) {
  Path path;
  path.per_tick[kInsideRx] = 0;
  path.run(60);
  EXPECT_TRUE(path.all.empty());
}

TEST(PortActivity, AfterTheSensorWasHeldUpNothingIsUsual) {
  Path path;
  path.run(5);
  path.now_ns += 10 * kSecond;
  path.per_tick[kInsideRx] = 0;
  path.run(2);
  EXPECT_TRUE(path.all.empty());
}

TEST(PortActivity, SourceThatEndedIsNotAsked) {
  Path path;
  path.run(5);
  path.per_tick[kInsideRx] = 0;
  path.activity.end(kInsideRx);
  path.run(5);
  EXPECT_TRUE(path.all.empty());
}

}  // namespace
}  // namespace parallax
