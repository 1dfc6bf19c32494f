#include "daemon/run/point_order.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace parallax {
namespace {

using Order = std::vector<size_t>;

// What packets of both directions, by turns, show at points that stand so many routers from the client.
std::vector<ClockSamples> samples_of(const std::vector<int>& hops, int packets = 40, int first = 0) {
  std::vector<ClockSamples> points(hops.size());
  for (int i = first; i < first + packets; ++i) {
    const bool from_client = i % 2 == 0;
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.source_port = from_client ? 40000 : 443;
    frame.destination_port = from_client ? 443 : 40000;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    for (size_t point = 0; point < hops.size(); ++point) {
      frame.ttl = static_cast<uint8_t>(from_client ? 64 - hops[point] : 48 + hops[point]);
      points[point].add(frame, i * 1'000'000);
    }
  }
  return points;
}

// As the TTLs tell; that in which they were given where they tell no other.
Order order_of(const std::vector<ClockSamples>& points) {
  const std::optional<PointOrder> found = order_by_ttl(points);
  return found ? found->order : Order{};
}

TEST(PointOrder, IsToldWhereItIsNotTheOneGiven) {
  EXPECT_EQ(order_of(samples_of({1, 3, 2})), (Order{0, 2, 1}));
  EXPECT_EQ(order_of(samples_of({2, 1, 3})), (Order{1, 0, 2}));
  EXPECT_EQ(order_of(samples_of({1, 4, 2, 3})), (Order{0, 2, 3, 1}));
  const std::optional<PointOrder> found = order_by_ttl(samples_of({1, 3, 2}));
  EXPECT_EQ(found->packets, 40u);
  EXPECT_EQ(found->seen, 40u);
}

TEST(PointOrder, IsTheOneGivenFromEitherEnd) {
  EXPECT_EQ(order_of(samples_of({1, 2, 3})), Order{});
  EXPECT_EQ(order_of(samples_of({3, 2, 1})), Order{});
}

TEST(PointOrder, IsNotToldByTooLittle) {
  EXPECT_EQ(order_of(samples_of({2, 1})), Order{});        // which of the two is outside, no TTL tells
  EXPECT_EQ(order_of(samples_of({1, 3, 3})), Order{});     // between two of them there is no router
  EXPECT_EQ(order_of(samples_of({1, 3, 2}, 7)), Order{});  // few packets
  EXPECT_NE(order_of(samples_of({1, 3, 2}, 8)), Order{});
}

// Some pass the points one way and some another: then there is no order.
TEST(PointOrder, IsNotToldWherePacketsDisagree) {
  std::vector<ClockSamples> points = samples_of({1, 3, 2}, 20);
  for (int i = 20; i < 24; ++i) {
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.source_port = 40000;
    frame.destination_port = 443;
    frame.seq = static_cast<uint32_t>(i) * 1000;
    for (size_t point = 0; point < points.size(); ++point) {
      frame.ttl = static_cast<uint8_t>(64 - point);
      points[point].add(frame, i * 1'000'000);
    }
  }
  EXPECT_EQ(order_of(points), Order{});
}

}  // namespace
}  // namespace parallax
