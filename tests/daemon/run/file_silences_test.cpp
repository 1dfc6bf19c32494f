// A file that falls silent while the others go on is told from traffic that stops.
#include "daemon/run/file_silences.h"

#include <gtest/gtest.h>

#include "capture/core/port_activity.h"

namespace parallax {
namespace {

constexpr int64_t kStart = 1'700'000'000'000'000'000, kTick = PortActivity::kTickNs;

// Ten packets each tenth of a second for ten seconds, but not in ticks [from, to).
FileActivity activity(PointIndex point, int64_t from = 0, int64_t to = 0) {
  FileActivity file{point, {}};
  for (int64_t tick = 0; tick < 100; ++tick) {
    if (tick < from || tick >= to) file.bursts.push_back({kStart + tick * kTick + kTick / 2, 10});
  }
  return file;
}

TEST(FileSilences, FileThatFallsSilentWhileTheOtherGoesOnIsToldOf) {
  const auto silences = silences_of({activity(0), activity(1, 50, 60)});
  EXPECT_TRUE(silences[0].empty());
  ASSERT_EQ(silences[1].size(), 1u);
  EXPECT_EQ(silences[1][0], (PortOutage{OutageCause::silent, kStart + 49 * kTick + kTick / 2, kStart + 60 * kTick + kTick / 2}));
}

TEST(FileSilences, TrafficThatStopsEverywhereIsNoSilence) {
  for (const auto& silences : silences_of({activity(0, 50, 60), activity(1, 50, 60)})) EXPECT_TRUE(silences.empty());
}

TEST(FileSilences, FileThatEndsOrBeginsIsNotSilent) {
  for (const auto& silences : silences_of({activity(0), activity(1, 50, 100), activity(1, 0, 50)})) EXPECT_TRUE(silences.empty());
}

TEST(FileSilences, NothingIsSaidOfNothing) {
  EXPECT_TRUE(silences_of({}).empty());
  EXPECT_TRUE(silences_of({{0, {}}})[0].empty());
}

}  // namespace
}  // namespace parallax
