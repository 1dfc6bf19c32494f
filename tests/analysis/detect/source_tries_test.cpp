// Which sources are told, when, and with which of their tries.
#include "analysis/detect/source_tries.h"

#include <gtest/gtest.h>

#include <vector>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Endpoint end_of(uint32_t number, uint32_t port) {
  Endpoint end;
  for (size_t i = 0; i < 4; ++i) end.address[12 + i] = static_cast<uint8_t>(number >> 8 * i);
  end.port = static_cast<uint16_t>(port);
  return end;
}

Observation attempt(uint32_t source, uint32_t host, uint32_t port, int64_t time_ns) {
  Observation o;
  o.kind = FindingKind::fan_out;
  o.source = end_of(source, 40000);
  o.service = end_of(host, port);
  o.first_ns = o.last_ns = time_ns;
  o.attempts = o.proved = 1;
  return o;
}

using End = SourceTries::End;

class SourceTriesTest : public testing::Test {
 protected:
  static constexpr Thresholds kThresholds{};
  static constexpr uint32_t kMany = kThresholds.fan_out_tries;

  // How many observations the try has brought.
  size_t take(uint32_t source, uint32_t host, uint32_t port, int64_t time_ns, End end = End::in_vain) {
    told_.clear();
    tries_.take(attempt(source, host, port, time_ns), end, kThresholds, told_);
    return told_.size();
  }

  SourceTries tries_;
  std::vector<Observation> told_;
};

TEST_F(SourceTriesTest, AllAreToldOnceTheyAreMany) {
  for (uint32_t i = 1; i < kMany; ++i) EXPECT_EQ(take(1, i, i, i), 0u);
  EXPECT_EQ(take(1, kMany, kMany, kMany), kMany);
  EXPECT_EQ(take(1, 1, 1, 100), 1u);
  EXPECT_EQ(take(2, 1, 1, 100), 0u) << "another source";
}

TEST_F(SourceTriesTest, HostByHostIsFoundOutWithWhatWasPassedOver) {
  for (uint32_t host = 1; host < kMany; ++host) {
    for (uint32_t port = 1; port <= 100; ++port) ASSERT_EQ(take(1, host, port, host * kSecond), 0u);
  }
  for (uint32_t port = 1; port < kMany; ++port) ASSERT_EQ(take(1, kMany, port, kMany * kSecond), 0u);
  ASSERT_EQ(take(1, kMany, kMany, kMany * kSecond), kMany);
  EXPECT_EQ(told_.front().attempts, 1 + 100 * (kMany - 1) - (kMany - 1) + (kMany - 1));
  EXPECT_EQ(told_.front().proved, 1u);
}

TEST_F(SourceTriesTest, OnePortOrOneHostIsNone) {
  for (uint32_t i = 1; i < 1000; ++i) {
    EXPECT_EQ(take(1, i, 53, i), 0u);
    EXPECT_EQ(take(2, 1, i, i), 0u);
  }
}

TEST_F(SourceTriesTest, ManyClosedPortsOfOneHostAreAScanIfServicesAreAmongThem) {
  // Data connections of a service that announces their ports.
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(take(1, 1, 50000 + i, i, End::syn_in_vain), 0u);
  for (uint32_t i = 1; i < SourceTries::kLowPortsLeast; ++i) EXPECT_EQ(take(1, 1, i, 1000, End::syn_in_vain), 0u);
  EXPECT_FALSE(tries_.is_scan(end_of(1, 0).address));
  EXPECT_EQ(take(1, 1, SourceTries::kLowPortsLeast, 1000, End::syn_in_vain), kMany + 1);
  EXPECT_TRUE(tries_.is_scan(end_of(1, 0).address));
  EXPECT_EQ(tries_.take_passed_legs().size(), SourceTries::kPassedMax);
}

TEST_F(SourceTriesTest, WhoIsAnsweredIsNoScan) {
  take(1, 1, 443, 0, End::answered);
  for (uint32_t i = 1; i <= kMany; ++i) take(1, i, i, 0);
  EXPECT_EQ(told_.size(), kMany);
  EXPECT_FALSE(tries_.is_scan(end_of(1, 0).address));
}

TEST_F(SourceTriesTest, MostOfItsTriesComeToConversations) {
  for (uint32_t i = 0; i < kMany * 100 / kThresholds.fan_out_percent; ++i) take(1, i, 443, 0, End::answered);
  for (uint32_t i = 1; i <= kMany; ++i) EXPECT_EQ(take(1, i, i, 0), 0u);
}

TEST_F(SourceTriesTest, SlowOnesAreForgotten) {
  for (uint32_t i = 1; i < kMany; ++i) take(1, i, i, 0);
  EXPECT_EQ(take(1, kMany, kMany, kThresholds.fan_out_within_ns + 1), 0u);
}

TEST_F(SourceTriesTest, TheSourceThatWasLongestQuietGoesFirst) {
  for (uint32_t i = 1; i < kMany; ++i) take(1, i, i, 0);
  for (uint32_t source = 2; source < 2 + SourceTries::kSourcesMax; ++source) take(source, 1, 1, 0);
  EXPECT_EQ(tries_.evicted(), 1u);
  EXPECT_EQ(take(1, kMany, kMany, 0), 0u);
}

TEST_F(SourceTriesTest, InAFloodWhoComesOftenEnoughIsCountedExactly) {
  constexpr uint32_t kOthers = SourceTries::kSourcesMax - 1;  // new ones between two tries
  uint32_t flood = 1000;
  for (uint32_t i = 1; i < kMany; ++i) {
    ASSERT_EQ(take(1, i, i, i * kSecond / 10), 0u);
    for (uint32_t other = 0; other < kOthers; ++other) ASSERT_EQ(take(++flood, 1, 80, i * kSecond / 10), 0u);
  }
  EXPECT_EQ(take(1, kMany, kMany, kMany * kSecond / 10), kMany);
}

TEST_F(SourceTriesTest, WhomAFloodHasPushedOutIsNotGuessed) {
  uint32_t flood = 1000;
  for (uint32_t i = 1; i <= 2 * kMany; ++i) {
    EXPECT_EQ(take(1, i, i, i * kSecond / 10), 0u)
        << "it is forgotten each time, and none of the others' tries is put down to it";
    for (uint32_t other = 0; other < SourceTries::kSourcesMax; ++other) take(++flood, 1, 80, i * kSecond / 10);
  }
  EXPECT_GT(tries_.evicted(), 0u);
}

}  // namespace
}  // namespace parallax
