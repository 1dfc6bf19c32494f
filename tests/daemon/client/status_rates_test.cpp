// Rates between two statuses: what grew, over the daemon's own time.
#include "daemon/client/status_rates.h"

#include <gmock/gmock.h>

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::Status status(double uptime_seconds, uint64_t packets) {
  v1::Status status;
  status.mutable_started()->set_seconds(1'700'000'000);
  status.set_uptime_seconds(uptime_seconds);
  v1::PortStatus& port = *status.add_ports();
  port.set_name("tap0");
  port.set_packets(packets);
  port.set_bytes(packets * 100);
  port.set_drops(packets / 100);
  status.mutable_summary()->set_packets(packets / 2);
  status.mutable_summary()->set_connections(packets / 1000);
  (*status.mutable_summary()->mutable_findings_by_kind())["syn_refused"] = packets / 10'000;
  return status;
}

TEST(StatusRates, AreWhatGrewASecond) {
  const std::string text = rates_text(status(10, 100'000), status(12, 150'000));
  EXPECT_THAT(text, HasSubstr("A SECOND, OVER 2.0 s"));
  EXPECT_THAT(text, testing::ContainsRegex("capture tap0 +25,000 +2\\.4 MiB/s +250"));
  EXPECT_THAT(text, testing::ContainsRegex("analysis +12,500"));
  EXPECT_THAT(text, HasSubstr("25 connections and 2.5 findings a second\n"));
  EXPECT_THAT(text, Not(HasSubstr("spool")));
}

TEST(StatusRates, SpoolAndPinsAreTheirsWhereThereAreAny) {
  v1::Status before = status(10, 0), now = status(20, 0);
  now.mutable_spool()->set_directory("/spool");
  now.mutable_spool()->set_written_packets(1'000);
  now.mutable_spool()->set_written_bytes(10 << 20);
  now.mutable_spool()->set_dropped_packets(20);
  now.mutable_spool()->mutable_pinned()->set_made(5);
  const std::string text = rates_text(before, now);
  EXPECT_THAT(text, testing::ContainsRegex("spool +100 +1\\.0 MiB/s +2\\.0"));
  EXPECT_THAT(text, HasSubstr(", 0.5 of them pinned\n"));
}

TEST(StatusRates, ACounterThatWentBackDidNotGrow) {
  EXPECT_THAT(rates_text(status(10, 150'000), status(12, 100'000)), testing::ContainsRegex("capture tap0 +0 +0 B/s +0"));
}

TEST(StatusRates, TwoRunsHaveNoRate) {
  v1::Status other = status(12, 150'000);
  other.mutable_started()->set_seconds(1'700'000'100);
  EXPECT_FALSE(are_of_one_run(status(10, 100'000), other));
  EXPECT_FALSE(are_of_one_run(status(10, 100'000), status(10, 100'000)));
  EXPECT_TRUE(are_of_one_run(status(10, 100'000), status(12, 100'000)));
}

}  // namespace
}  // namespace parallax
