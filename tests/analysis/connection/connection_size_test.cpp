// What a connection costs: a hundred thousand that ended a moment ago are all kept (the peer may still repeat its FIN, and ports
// come again), so that each byte here is a tenth of a megabyte there. Pairs assert their size where they are.
#include <gtest/gtest.h>

#include "analysis/connection/connection.h"
#include "analysis/tcp/tcp_flow.h"

namespace parallax {
namespace {

TEST(ConnectionSize, RecordsHaveNoRoomForWhatIsSeldom) {
  EXPECT_LE(sizeof(LegState), 800u);
  EXPECT_LE(sizeof(Crossing), 112u);
  EXPECT_LE(sizeof(Connection), 168u);
  EXPECT_LE(sizeof(LegHot) + sizeof(LegIdentity) + sizeof(LegCold), 256u);
  EXPECT_LE(sizeof(TcpFlow), 320u);
}

TEST(ConnectionSize, AFlowIsZeroAndWithoutTroubleUntilSomethingGoesWrong) {
  TcpFlow flow{};
  EXPECT_FALSE(flow.trouble);
  EXPECT_EQ(flow.trouble_so_far().standstill.half[Side::client].times, 0);
  flow.own_trouble().hole[Side::client][0] = {1, 2};
  flow.has_fin[Side::server] = true;
  TcpFlow copy = flow;
  copy.swap_sides();
  EXPECT_EQ(copy.trouble_so_far().hole[Side::server][0].end, 2u);
  EXPECT_TRUE(copy.has_fin[Side::client]);
  EXPECT_EQ(flow.trouble_so_far().hole[Side::client][0].end, 2u) << "the trouble of a copy is its own";
}

}  // namespace
}  // namespace parallax
