// One order over all ports, and what becomes of a port that lags behind.
#include "analysis/worker/merge.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kWaitNs = 50 * kMs;

class MergeTest : public testing::Test {
 protected:
  void push(PortChannel& port, int64_t time_ms) {
    Sighting& slot = port.rings[0]->reserve(1)[0];
    slot = {};
    slot.time_ns = slot.order_ns = time_ms * kMs;
    port.rings[0]->commit(1);
  }
  void release(PortChannel& port, int64_t until_ms) {
    port.covered_to_ns = until_ms * kMs;
    port.watermark_ns = until_ms * kMs;
  }
  std::vector<int64_t> next(Merge& merge) {
    std::vector<int64_t> times;
    for (const Sighting* sighting : merge.next(kTimeMax)) times.push_back(sighting->time_ns / kMs);
    return times;
  }
  bool inside_covers(int64_t from_ms, int64_t to_ms) {
    return sensor_.covers(1, PortDirection::both, from_ms * kMs, to_ms * kMs);
  }

  PortChannel outside_{{"outside", 0, PortDirection::both, ""}, 1, 64}, inside_{{"inside", 1, PortDirection::both, ""}, 1, 64};
  SensorView sensor_{{&outside_, &inside_}, 1};
  Merge merge_{sensor_, 0, false, kWaitNs};

  void SetUp() override { outside_.covered_from_ns = inside_.covered_from_ns = 0; }
};

}  // namespace

TEST_F(MergeTest, ReleasesInTheOrderOfTimeWhatAllPortsHavePassed) {
  push(outside_, 1), push(inside_, 2), push(outside_, 3);
  release(outside_, 4), release(inside_, 3);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{1, 2}));
  release(inside_, 4);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{3}));
}

// As after a pause, when one port has more waiting than the other: time goes on without it, and nothing of that time is taken for
// absent at its point, also once it has caught up.
TEST_F(MergeTest, ATimeInWhichAPortWasNotWaitedForIsNotCoveredThere) {
  push(outside_, 10), push(outside_, 900);
  release(outside_, 1000), release(inside_, 500);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{10, 900}));
  push(inside_, 700);
  release(inside_, 1000);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{700}));
  EXPECT_EQ(merge_.late(), 1u);
  EXPECT_TRUE(inside_covers(100, 400));
  EXPECT_FALSE(inside_covers(600, 800));
  EXPECT_TRUE(inside_covers(960, 990));
  EXPECT_TRUE(sensor_.covers(0, PortDirection::both, 600 * kMs, 800 * kMs));
}

// As when the kernel delivers a packet later than a port of it reckons with: by then the others have asked about that time.
TEST_F(MergeTest, ATimeOfWhichAPortBringsMoreThanItSaidIsNotCoveredThere) {
  push(outside_, 10), push(outside_, 900);
  release(outside_, 1000), release(inside_, 1000);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{10, 900}));
  EXPECT_TRUE(inside_covers(600, 800));
  push(inside_, 700);
  release(outside_, 1100), release(inside_, 1100);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{700}));
  EXPECT_EQ(merge_.late(), 1u);
  EXPECT_TRUE(inside_covers(100, 600));
  EXPECT_FALSE(inside_covers(600, 800));
  EXPECT_TRUE(inside_covers(950, 1050));
  EXPECT_TRUE(sensor_.covers(0, PortDirection::both, 600 * kMs, 800 * kMs));
}

// A file loses nothing while it waits, and its time goes as fast as it is read.
TEST_F(MergeTest, AFileIsWaitedFor) {
  inside_.is_file = true;
  push(outside_, 10), push(outside_, 900);
  release(outside_, 1000), release(inside_, 500);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{10}));
  release(inside_, 1000);
  EXPECT_EQ(next(merge_), (std::vector<int64_t>{900}));
  EXPECT_TRUE(inside_covers(500, 900));
}

// A port is always a little behind: it looks at its counters of losses before it says that it has handed out everything.
TEST_F(MergeTest, AnOrdinaryLagIsCovered) {
  Merge impatient(sensor_, 0, false, kMs);
  push(outside_, 100);
  release(outside_, 110), release(inside_, 95);
  EXPECT_EQ(next(impatient), (std::vector<int64_t>{100}));
  release(inside_, 110);
  EXPECT_TRUE(inside_covers(90, 110));
}

}  // namespace parallax
