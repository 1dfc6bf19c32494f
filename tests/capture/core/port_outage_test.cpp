#include "capture/core/port_outage.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(OutageLog, OutageThatGoesOnIsOneOutage) {
  OutageLog log;
  log.add({OutageCause::link_down, 100, 200});
  log.add({OutageCause::link_down, 100, 300});
  EXPECT_EQ(log.total(), 1u);
  EXPECT_EQ(log.newest(), (PortOutage{OutageCause::link_down, 100, 300}));
  EXPECT_TRUE(log.out(250, 260));
  EXPECT_TRUE(log.out(0, 100));
  EXPECT_FALSE(log.out(0, 99));
  EXPECT_FALSE(log.out(301, 400));
}

TEST(OutageLog, SilenceIsOpenUntilItEnds) {
  OutageLog log;
  log.add({OutageCause::silent, 100, PortOutage::kGoesOn});
  EXPECT_TRUE(log.newest().goes_on());
  EXPECT_TRUE(log.out(1'000'000, 1'000'001));
  log.add({OutageCause::silent, 100, 500});
  EXPECT_EQ(log.total(), 1u);
  EXPECT_FALSE(log.newest().goes_on());
  EXPECT_FALSE(log.out(501, 600));
}

TEST(OutageLog, DifferentCausesAndTimesApartAreDifferentOutages) {
  OutageLog log;
  log.add({OutageCause::paused, 100, 200});
  log.add({OutageCause::clock_step, 150, 210});
  log.add({OutageCause::clock_step, 300, 310});
  const std::vector<PortOutage> kept = log.kept();
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[2], (PortOutage{OutageCause::clock_step, 300, 310}));
  EXPECT_FALSE(log.out(220, 290));
}

TEST(OutageLog, TimeBeforeTheOldestOutageKeptIsOut) {
  OutageLog log;
  for (int64_t i = 0; i < static_cast<int64_t>(2 * OutageLog::kOutages); ++i) {
    log.add({OutageCause::paused, 1'000 * i, 1'000 * i + 10});
  }
  EXPECT_TRUE(log.out(20, 30));
  EXPECT_FALSE(log.out(1'000 * (2 * OutageLog::kOutages - 1) - 100, 1'000 * (2 * OutageLog::kOutages - 1) - 50));
}

}  // namespace
}  // namespace parallax
