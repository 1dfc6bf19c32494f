// An outage of a port is told as it grows: at its end, and meanwhile not each time that it is asked for.
#include "analysis/detect/capture_totals.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

class GrownOutages : public testing::Test {
 protected:
  // Asked each second from `from_s` to `to_s`: at which of them an outage was given out.
  std::vector<int64_t> given(int64_t from_s, int64_t to_s) {
    std::vector<int64_t> at;
    for (int64_t s = from_s; s <= to_s; ++s) {
      for (const auto& [port, outage] : totals.grown_outages(s * kSecond)) {
        EXPECT_EQ(port, 0u);
        last = outage;
        at.push_back(s);
      }
    }
    return at;
  }

  PortChannel channel{{"tap0", 0, PortDirection::both, "pcap:tap0"}, 1, 64};
  SensorView sensor{{&channel}, 1};
  CaptureTotals totals{sensor};
  PortOutage last{};
};

TEST_F(GrownOutages, OneThatGoesOnIsGivenOutAsItBecomesTwiceAsLongAndOnceMoreWhenItHasEnded) {
  channel.silences.add({OutageCause::silent, 10 * kSecond, PortOutage::kGoesOn});
  EXPECT_EQ(given(11, 20), (std::vector<int64_t>{11, 12, 14, 18}));
  EXPECT_EQ(last.to_ns, 18 * kSecond);
  EXPECT_EQ(given(21, 120), (std::vector<int64_t>{26, 42, 72, 102}));
  channel.silences.add({OutageCause::silent, 10 * kSecond, 121 * kSecond});
  EXPECT_EQ(given(122, 200), (std::vector<int64_t>{123}));
  EXPECT_EQ(last.to_ns, 121 * kSecond);
}

TEST_F(GrownOutages, OneThatIsMadeLongerAsItIsSeenIsTheSame) {
  for (int64_t s = 1; s <= 5; ++s) {
    channel.outages.add({OutageCause::link_down, 0, s * kSecond});
    given(s, s);
  }
  EXPECT_EQ(last.to_ns, 4 * kSecond);
  EXPECT_EQ(given(6, 10), (std::vector<int64_t>{6}));
  EXPECT_EQ(last.to_ns, 5 * kSecond);
}

TEST_F(GrownOutages, OneThatWasOverWhenItWasToldIsNotGivenOutAgain) {
  channel.outages.add({OutageCause::link_down, 0, 3 * kSecond});
  EXPECT_TRUE(given(4, 10).empty());
}

}  // namespace
}  // namespace parallax
