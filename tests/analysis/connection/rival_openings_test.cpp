// Openings that another may have gone on as: whether somebody has asked before must not matter.
#include "analysis/connection/rival_openings.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

LegState leg_at(PointIndex point, uint32_t slot, int64_t order_ns, uint32_t isn = 5000) {
  LegState leg;
  leg.id = LegId::make(0, slot, 1);
  leg.point = point;
  leg.protocol = ip_protocol::tcp;
  leg.client.port = static_cast<uint16_t>(40000 + slot);
  leg.client.address[15] = static_cast<uint8_t>(slot);
  leg.server.port = 443;
  leg.client_isn = isn;
  leg.first.order_ns = order_ns;
  leg.first.seq = isn;
  leg.attempts = {leg.first};
  leg.attempt_count = 1;
  return leg;
}

// `asked_before`: of something else, when there is nothing to find yet.
class RivalOpeningsTest : public testing::TestWithParam<bool> {
 protected:
  // A SYN that enters at the outer point, and may go on at the inner one.
  const LegState dropped_ = leg_at(0, 1, kSecond);

  void open(LegState& leg, int64_t order_ns) {
    openings_.add(leg, order_ns, leg.client_isn, PortDirection::toward_inside);
    if (GetParam()) any(0, kSecond);
  }
  bool any(int64_t from_ns, int64_t to_ns, std::optional<uint32_t> isn = std::nullopt, std::vector<uint64_t> own = {}) {
    return openings_.any(dropped_, {.point = 1, .either_way = false, .isn = isn, .own = std::move(own)}, from_ns, to_ns);
  }

  RivalOpenings openings_;
};

TEST_P(RivalOpeningsTest, OneWithoutAPartnerMayGoOnFromAnother) {
  LegState rival = leg_at(1, 2, kSecond + 1000);
  open(rival, kSecond + 1000);
  EXPECT_TRUE(any(kSecond, 2 * kSecond));
  EXPECT_FALSE(any(kSecond + 2000, 2 * kSecond)) << "it came before";
  EXPECT_TRUE(any(kSecond, 2 * kSecond, 5000u));
  EXPECT_FALSE(any(kSecond, 2 * kSecond, 5001u)) << "another sequence number";
  EXPECT_FALSE(any(kSecond, 2 * kSecond, std::nullopt, {rival.id.value()})) << "its own";
}

TEST_P(RivalOpeningsTest, OneThatHasFoundItsPartnerDoesNot) {
  LegState rival = leg_at(1, 2, kSecond + 1000);
  open(rival, kSecond + 1000);
  openings_.remove(rival, 0);
  EXPECT_FALSE(any(kSecond, 2 * kSecond));
  openings_.restore(rival, 0, PortDirection::toward_inside);
  EXPECT_TRUE(any(kSecond, 2 * kSecond)) << "it has lost it again";
  openings_.remove(rival, 0);
  EXPECT_FALSE(any(kSecond, 2 * kSecond));
}

TEST_P(RivalOpeningsTest, EachSynCounts) {
  LegState rival = leg_at(1, 2, kSecond + 1000);
  open(rival, kSecond + 1000);
  LegState between = leg_at(1, 3, kSecond + 2000);
  open(between, kSecond + 2000);
  PacketFacts again = rival.first;
  again.order_ns = kSecond + 3000;
  rival.attempts.push_back(again);
  rival.attempt_count = 2;
  open(rival, again.order_ns);
  const std::vector<uint64_t> but_it{between.id.value()};
  EXPECT_TRUE(any(kSecond + 2500, 2 * kSecond, std::nullopt, but_it));
  openings_.remove(rival, 0);
  EXPECT_FALSE(any(kSecond, 2 * kSecond, std::nullopt, but_it)) << "all of them are gone with it";
  EXPECT_TRUE(any(kSecond, 2 * kSecond)) << "and no other";
}

TEST_P(RivalOpeningsTest, WhatIsOldIsForgotten) {
  LegState rival = leg_at(1, 2, kSecond + 1000);
  open(rival, kSecond + 1000);
  LegState later = leg_at(1, 3, kSecond + 2000 + RivalOpenings::kKeptNs);
  open(later, later.first.order_ns);
  EXPECT_FALSE(any(kSecond, 2 * kSecond));
  openings_.remove(rival, 0);  // nothing is left of it
  EXPECT_TRUE(any(kSecond, later.first.order_ns));
  EXPECT_EQ(openings_.evicted(), 0u) << "of old age, and not for want of room";
}

INSTANTIATE_TEST_SUITE_P(Asked, RivalOpeningsTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Before" : "OnlyNow"; });

}  // namespace
}  // namespace parallax
