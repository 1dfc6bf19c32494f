// What belongs to an incident, within its bounds; which findings are one is in incident_daemon_test.
#include "daemon/slice/incident.h"

#include <gtest/gtest.h>

#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

TEST(Incident, AFindingThatIsNotThereHasNone) {
  const test::SmallSensor sensor(3, 1);
  EXPECT_FALSE(find_incident(*sensor.state.engine, 0, 100));
  EXPECT_FALSE(find_incident(*sensor.state.engine, 999'999, 100));
}

TEST(Incident, OfAFindingAloneIsItsConnections) {
  const test::SmallSensor sensor(3, 5);
  const FindingRecord finding = sensor.state.engine->findings(0, 1).at(0);
  const auto incident = find_incident(*sensor.state.engine, finding.id, 100);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->id, finding.id);
  EXPECT_EQ(incident->findings.size(), 1u);
  EXPECT_EQ(incident->connections.size(), 3u);
  EXPECT_EQ(incident->connections_beyond + incident->connections_forgotten, 0u);
  EXPECT_FALSE(incident->has_findings_beyond);
}

TEST(Incident, ConnectionsBeyondTheBoundAreCounted) {
  const test::SmallSensor sensor(20, 1);
  const FindingRecord finding = sensor.state.engine->findings(0, 1).at(0);
  ASSERT_EQ(finding.connection_ids.size(), 20u);
  const auto incident = find_incident(*sensor.state.engine, finding.id, 5);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->connections.size(), 5u);
  EXPECT_EQ(incident->connections_beyond, 15u);
}

TEST(Incident, PatternsAndTheSensorItselfJoinNone) {
  for (const FindingKind kind : {FindingKind::fan_out, FindingKind::periodic_connections, FindingKind::capture_loss})
    EXPECT_FALSE(joins_incidents(kind)) << name_of(kind);
  for (const FindingKind kind : {FindingKind::segment_loss, FindingKind::stalled_connection, FindingKind::reset_not_forwarded})
    EXPECT_TRUE(joins_incidents(kind)) << name_of(kind);
}

}  // namespace
}  // namespace parallax
