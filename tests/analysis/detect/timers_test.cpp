// Timers come in the order of their times, and those of connections that are gone do not pile up.
#include "analysis/detect/timers.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

class TimersTest : public testing::Test {
 protected:
  Connection& open(uint32_t leg, int64_t due_ns) {
    LegEvent event{};
    event.leg = LegId::make(0, leg, 0);
    Connection& connection = store_.open(event);
    connection.check_due_ns = due_ns;
    return connection;
  }

  const EngineOptions options_;
  ConnectionStore store_{options_};
  Timers timers_;
};

TEST_F(TimersTest, TheEarliestComesFirst) {
  for (const int64_t due_ns : {30, 10, 20}) timers_.push({due_ns, 1}, store_);
  for (const int64_t due_ns : {10, 20, 30}) EXPECT_EQ(timers_.pop().due_ns, due_ns);
  EXPECT_TRUE(timers_.empty());
}

TEST_F(TimersTest, ThoseThatNobodyWaitsForMakeRoom) {
  const uint64_t waiting = open(1, 5'000'000).id, brought_forward = open(2, 7).id;
  timers_.push({5'000'000, waiting}, store_);
  timers_.push({9, brought_forward}, store_);
  for (int64_t due_ns = 100; due_ns < 1'000'000; ++due_ns) {
    timers_.push({due_ns, 1000 + static_cast<uint64_t>(due_ns)}, store_);  // of a connection that has been evicted
    ASSERT_LE(timers_.size(), Timers::kThinnedFrom);
  }
  while (timers_.size() > 1) EXPECT_NE(timers_.pop().connection_id, brought_forward);
  EXPECT_EQ(timers_.earliest().connection_id, waiting);
}

TEST_F(TimersTest, ThoseThatAreWaitedForAllStay) {
  constexpr uint32_t kConnections = 3 * Timers::kThinnedFrom;
  for (uint32_t i = 0; i < kConnections; ++i) {
    const Connection& connection = open(i + 1, kConnections - i);
    timers_.push({connection.check_due_ns, connection.id}, store_);
  }
  EXPECT_EQ(timers_.size(), kConnections);
  for (int64_t due_ns = 1; due_ns <= kConnections; ++due_ns) ASSERT_EQ(timers_.pop().due_ns, due_ns);
}

}  // namespace
}  // namespace parallax
