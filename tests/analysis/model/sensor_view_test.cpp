// What a point covers: every port that could have carried the packet, without a gap, loss or hidden packet.
#include "analysis/model/sensor_view.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kMs = 1'000'000;

class SensorViewTest : public testing::Test {
 protected:
  PortChannel& port(int64_t from_ms, int64_t to_ms, PortDirection direction = PortDirection::both,
                    std::optional<RecordingPart> part = std::nullopt) {
    auto channel = std::make_unique<PortChannel>(PortInfo{"p", 0, direction, "", part}, 1, 64);
    channel->covered_from_ns = from_ms * kMs;
    channel->covered_to_ns = to_ms * kMs;
    channel->watermark_ns = kTimeMax;
    channels_.push_back(std::move(channel));
    return *channels_.back();
  }
  bool covers(int64_t from_ms, int64_t to_ms, PortDirection direction = PortDirection::both) {
    std::vector<PortChannel*> channels;
    for (const auto& channel : channels_) channels.push_back(channel.get());
    return SensorView(channels, 1).covers(0, direction, from_ms * kMs, to_ms * kMs);
  }

  std::vector<std::unique_ptr<PortChannel>> channels_;
};

}  // namespace

TEST_F(SensorViewTest, PointWithoutPortsCoversNothing) { EXPECT_FALSE(covers(0, 1)); }

TEST_F(SensorViewTest, EveryMemberOfALinkMustCover) {
  port(0, 1000);
  port(500, 900);
  EXPECT_TRUE(covers(500, 900));
  EXPECT_FALSE(covers(400, 600));
  EXPECT_FALSE(covers(800, 950));
}

TEST_F(SensorViewTest, OtherDirectionNeedNotCover) {
  port(0, 1000, PortDirection::toward_inside);
  port(500, 600, PortDirection::toward_outside);
  EXPECT_TRUE(covers(0, 1000, PortDirection::toward_inside));
  EXPECT_FALSE(covers(0, 1000, PortDirection::toward_outside));
  EXPECT_FALSE(covers(0, 1000));
}

TEST_F(SensorViewTest, GapBetweenTheFilesOfARecordingIsNotCovered) {
  port(5000, 6000, PortDirection::both, RecordingPart{0, 2});  // named in whatever order
  port(0, 1000, PortDirection::both, RecordingPart{0, 0});
  port(1005, 2000, PortDirection::both, RecordingPart{0, 1});
  EXPECT_TRUE(covers(0, 1000));
  EXPECT_TRUE(covers(500, 1500));  // 5 ms between two files are no gap
  EXPECT_TRUE(covers(5000, 6000));
  EXPECT_FALSE(covers(1500, 5500));
  EXPECT_FALSE(covers(3000, 4000));
  EXPECT_FALSE(covers(2001, 2002));
  EXPECT_FALSE(covers(5500, 6500));
}

TEST_F(SensorViewTest, LostAndHiddenPacketsLeaveAHole) {
  PortChannel& channel = port(0, 1000);
  channel.hidden.add(300 * kMs, 300 * kMs, 1);
  channel.loss.add(600 * kMs, 620 * kMs, 5);
  EXPECT_TRUE(covers(0, 299));
  EXPECT_FALSE(covers(299, 301));
  EXPECT_TRUE(covers(301, 599));
  EXPECT_FALSE(covers(610, 700));
  EXPECT_TRUE(covers(621, 1000));
  EXPECT_EQ(SensorView({&channel}, 1).lost(), 5u);  // what is hidden is not lost
}

TEST_F(SensorViewTest, HolesThatAreNoLongerKeptAreHoles) {
  PortChannel& channel = port(0, 100'000);
  for (int64_t i = 1; i <= static_cast<int64_t>(PortChannel::kHiddenIntervals) + 1; ++i)
    channel.hidden.add(i * 10 * kMs, i * 10 * kMs, 1);
  EXPECT_FALSE(covers(1, 2));
  EXPECT_TRUE(covers(25, 26));
}

}  // namespace parallax
