// Of whom a device drops more than it does of others, and when that is no chance.
#include "analysis/detect/source_drops.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr Where kAcross{Where::Kind::between, 0, 1};

class SourceDropsTest : public testing::Test {
 protected:
  // So many SYNs of the source come, a millisecond apart, of which every so manieth is dropped (0: none). Whether it was told.
  bool come(uint8_t source, uint32_t syns, uint32_t dropped_of) {
    Endpoint client;
    client.address[15] = source;
    bool told = false;
    for (uint32_t i = 1; i <= syns; ++i) {
      now_ns_ += kMillisecond;
      if (dropped_of == 0 || i % dropped_of != 0) {
        drops_.passed(client.address, service_, kAcross, now_ns_);
        continue;
      }
      Observation o;
      o.kind = FindingKind::syn_retried;
      o.origin = Origin::device;
      o.where = kAcross;
      o.direction = FindingDirection::client_to_server;
      o.source = client;
      o.service = service_;
      o.first_ns = o.last_ns = now_ns_;
      told |= drops_.take(o, Thresholds{});
    }
    return told;
  }

  const Endpoint service_{{}, 443};
  int64_t now_ns_ = 0;
  SourceDrops drops_;
};

TEST_F(SourceDropsTest, HalfOfOneAndNothingOfOthersIsAThrottle) {
  EXPECT_FALSE(come(1, 12, 0));
  EXPECT_TRUE(come(2, 24, 2));
}

TEST_F(SourceDropsTest, OneInAHundredOfEverybodyIsNone) {
  for (int round = 0; round < 10; ++round) {
    for (uint8_t source = 1; source <= 5; ++source) EXPECT_FALSE(come(source, 200, 100)) << round;
  }
}

TEST_F(SourceDropsTest, OneInFiftyOfOneIsLoss) {
  EXPECT_FALSE(come(1, 1000, 0));
  EXPECT_FALSE(come(2, 1000, 50));
}

TEST_F(SourceDropsTest, OthersOfWhomTooFewHaveComeSayNothing) {
  EXPECT_FALSE(come(1, 20, 0));
  EXPECT_FALSE(come(2, 200, 10)) << "two of the twenty would have been dropped: that none was is chance";
  EXPECT_FALSE(come(1, 20, 0));
  EXPECT_FALSE(come(2, 20, 10)) << "of forty four";
  EXPECT_FALSE(come(1, 20, 0));
  EXPECT_TRUE(come(2, 20, 10)) << "of sixty six";
}

}  // namespace
}  // namespace parallax
