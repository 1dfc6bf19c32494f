// Where a packet's fate is told: as the packet went.
#include "analysis/detect/fate_observation.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

Where place_of(PointIndex seen, PointIndex absent, Side from, bool entered) {
  Connection connection;
  connection.legs.emplace_back();
  FateEvent event{};
  event.type = FateEventType::segment_lost;
  event.packet.point = seen;
  event.packet.from = from;
  event.absent_at = absent;
  event.entered = entered;
  return crossing_observation(connection, event, FindingKind::segment_loss, "segment").where;
}

TEST(FateObservation, TheClientsSideComesFirst) {
  const Where inward{Where::Kind::between, 0, 1};
  EXPECT_EQ(place_of(0, 1, Side::client, true), inward);
  EXPECT_EQ(place_of(1, 0, Side::server, true), inward);
  EXPECT_EQ(place_of(1, 0, Side::client, false), inward);
  EXPECT_EQ(place_of(0, 1, Side::server, false), inward);
}

TEST(FateObservation, PointsNamedInAnotherOrderThanThePathsAreToldAsThePacketWent) {
  const Where as_it_went{Where::Kind::between, 1, 0};
  EXPECT_EQ(place_of(1, 0, Side::client, true), as_it_went);
  EXPECT_EQ(place_of(0, 1, Side::server, true), as_it_went);
}

}  // namespace
}  // namespace parallax
