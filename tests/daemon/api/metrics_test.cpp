// What a scrape gets: every metric of the contract, also when zero, in a form that promtool accepts.
#include "daemon/api/metrics.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <regex>

#include "daemon/api/listen_address.h"
#include "daemon/api/metrics_server.h"
#include "tests/support/child_process.h"
#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

using test::SmallSensor;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Metrics, EveryMetricOfTheContractIsThereFromTheFirstScrape) {
  const SmallSensor sensor(0, 0);
  const std::string text = metrics_text(sensor.state);
  for (const char* sample : {
           "parallax_build_info{version=\"0\"} 1",
           "parallax_packets_total{point=\"outside\",port=\"tap0\"} 0",
           "parallax_bytes_total{point=\"inside\",port=\"tap1\"} 0",
           "parallax_port_up{point=\"outside\",port=\"tap0\"} 1",
           "parallax_port_outages_total{point=\"inside\",port=\"tap1\"} 0",
           "parallax_stamp_uncertainty_seconds{point=\"inside\",port=\"tap1\"} 0",
           "parallax_capture_drops_total{point=\"outside\",port=\"tap0\",reason=\"nic\"} 0",
           "parallax_capture_drops_total{point=\"outside\",port=\"tap0\",reason=\"ring_full\"} 0",
           "parallax_decode_errors_total{point=\"inside\",reason=\"ip_header_cut\"} 0",
           "parallax_connections_active{protocol=\"tcp\"} 0",
           "parallax_connections_active{protocol=\"udp\"} 0",
           "parallax_handshakes_total{point=\"outside\",outcome=\"refused\"} 0",
           "parallax_handshake_rtt_seconds_bucket{point=\"outside\",side=\"client\",le=\"+Inf\"} 0",
           "parallax_handshake_rtt_seconds_sum{point=\"inside\",side=\"server\"} 0",
           "parallax_rtt_seconds_bucket{point=\"outside\",side=\"client\",method=\"ack\",le=\"+Inf\"} 0",
           "parallax_rtt_seconds_sum{point=\"inside\",side=\"server\",method=\"timestamp\"} 0",
           "parallax_retransmissions_total{point=\"outside\",direction=\"client_to_server\",kind=\"retransmission\"} 0",
           "parallax_capture_loss_segments_total{point=\"outside\"} 0",
           "parallax_capture_copies_total{point=\"inside\"} 0",
           "parallax_segments_lost_total{where=\"between outside and inside\",direction=\"toward_inside\"} 0",
           "parallax_resets_total{origin=\"device\"} 0",
           "parallax_device_transit_seconds_count{device=\"between outside and inside\",direction=\"toward_outside\"} 0",
           "parallax_pairings_total{method=\"five_tuple\"} 0",
           "parallax_pairings_total{method=\"sequence\"} 0",
           "parallax_unpaired_legs_total{point=\"inside\"} 0",
           "parallax_findings_total{kind=\"syn_unanswered\",where=\"between outside and inside\",severity=\"warning\"} 0",
           "parallax_findings_total{kind=\"syn_refused\",where=\"beyond inside\",severity=\"warning\"} 0",
           "parallax_watch_findings_dropped_total 0",
           "parallax_spool_bytes_written_total 0",
           "parallax_spool_dropped_packets_total 0",
           "parallax_spool_oldest_packet_timestamp_seconds 0",
           "parallax_spool_newest_packet_timestamp_seconds 0",
           "parallax_spool_limit_bytes 0",
           "parallax_spool_disk_free_bytes 0",
           "parallax_spool_error 0",
           "parallax_spool_write_errors_total 0",
           "parallax_spool_files_removed_total{reason=\"size\"} 0",
           "parallax_spool_files_removed_total{reason=\"age\"} 0",
           "parallax_spool_files_removed_total{reason=\"min_free\"} 0",
           "parallax_spool_files_removed_total{reason=\"disk_full\"} 0",
           "parallax_spool_files_removed_total{reason=\"others\"} 0",
           "parallax_api_calls_denied_total{method=\"GetStatus\",role=\"none\"} 0",
           "parallax_api_calls_denied_total{method=\"PullSlice\",role=\"viewer\"} 0",
           "parallax_api_calls_limited_total{limit=\"watches\"} 0",
           "parallax_api_calls_limited_total{limit=\"watches_per_caller\"} 0",
           "parallax_api_calls_limited_total{limit=\"slices\"} 0",
           "parallax_api_calls_limited_total{limit=\"slices_per_caller\"} 0",
           "parallax_api_calls_limited_total{limit=\"slice_size\"} 0",
           "parallax_api_calls_limited_total{limit=\"slice_rate\"} 0",
           "parallax_clock_uncertainty_seconds 1.5e-06",
           "parallax_ring_occupancy_ratio{worker=\"0\"} 0",
       }) {
    EXPECT_TRUE(has(text, sample)) << sample << " is missing in\n" << text;
  }
}

TEST(Metrics, DaemonSaysWhatItTakesOfTheMachine) {
  const std::string text = metrics_text(SmallSensor(0, 0).state);
  const auto value_of = [&](const std::string& name) {
    return std::stod(text.substr(text.find('\n' + name + ' ') + name.size() + 2));
  };
  EXPECT_GT(value_of("parallax_process_cpu_seconds_total"), 0);
  EXPECT_GT(value_of("parallax_process_resident_memory_bytes"), 1e6);
}

TEST(Metrics, PortThatIsDownOrSilentIsNotUp) {
  const SmallSensor sensor(0, 0);
  const std::string up = "parallax_port_up{point=\"outside\",port=\"tap0\"} 1";
  PortChannel& channel = *sensor.state.channels[0];
  channel.outages.add({OutageCause::link_down, 100, 200});
  EXPECT_TRUE(has(metrics_text(sensor.state), up)) << "it was down, and is up again";
  channel.link_up = false;
  EXPECT_FALSE(has(metrics_text(sensor.state), up));
  channel.link_up = true;
  channel.silences.add({OutageCause::silent, 300, PortOutage::kGoesOn});
  const std::string text = metrics_text(sensor.state);
  EXPECT_FALSE(has(text, up));
  EXPECT_TRUE(has(text, "parallax_port_outages_total{point=\"outside\",port=\"tap0\"} 2")) << text;
  channel.silences.add({OutageCause::silent, 300, 400});
  EXPECT_TRUE(has(metrics_text(sensor.state), up));
}

TEST(Metrics, UncertaintyIsTheOneThatHolds) {
  const SmallSensor sensor(0, 0);
  sensor.state.channels[1]->stamp_uncertainty_ns = 63'000;
  const std::string text = metrics_text(sensor.state);
  EXPECT_TRUE(has(text, "parallax_stamp_uncertainty_seconds{point=\"inside\",port=\"tap1\"} 6.3e-05")) << text;
  EXPECT_TRUE(has(text, "parallax_clock_uncertainty_seconds 6.45e-05")) << text;
}

TEST(Metrics, CountWhatTheEngineSaw) {
  const SmallSensor sensor(3, 5);
  const std::string text = metrics_text(sensor.state);
  EXPECT_TRUE(has(text, "parallax_packets_total{point=\"outside\",port=\"tap0\"} 18")) << text;
  EXPECT_TRUE(has(text, "parallax_handshakes_total{point=\"outside\",outcome=\"established\"} 5")) << text;
  EXPECT_TRUE(has(text, "parallax_handshakes_total{point=\"outside\",outcome=\"unanswered\"} 3")) << text;
  EXPECT_TRUE(has(text, "parallax_handshake_rtt_seconds_count{point=\"outside\",side=\"server\"} 5")) << text;
  EXPECT_TRUE(has(text, "parallax_pairings_total{method=\"five_tuple\"} 5")) << text;
  EXPECT_FALSE(has(text, "192.0.2.1")) << "an address is no label";
}

TEST(Metrics, PromtoolFindsNothingToMend) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "needs promtool: apt-get install prometheus (which starts a service)";
  const SmallSensor sensor(3, 5);
  const test::TemporaryDirectory directory;
  const std::string file = directory / "metrics";
  std::ofstream(file) << metrics_text(sensor.state);
  test::ChildProcess promtool({"sh", "-c", "promtool check metrics < " + file});
  EXPECT_EQ(promtool.wait(std::chrono::seconds(20)), 0);
  EXPECT_EQ(promtool.err() + promtool.out(), "");
}

TEST(MetricsServer, AddressInUseIsSaid) {
  const SmallSensor sensor(0, 0);
  std::string error;
  const auto first = MetricsServer::start(sensor.state, "127.0.0.1:0", error);
  ASSERT_NE(first, nullptr) << error;
  const std::string taken = "127.0.0.1:" + std::to_string(first->port());
  EXPECT_EQ(MetricsServer::start(sensor.state, taken, error), nullptr);
  EXPECT_EQ(error, "metrics.address " + taken + ": Address already in use");
}

TEST(MetricsServer, AddressThatIsNoneIsSaid) {
  const SmallSensor sensor(0, 0);
  std::string error;
  for (const char* address : {"9464", ":9464", "127.0.0.1:", "127.0.0.1:99999", "::1:9464", "127.0.0.1:94x"}) {
    EXPECT_EQ(MetricsServer::start(sensor.state, address, error), nullptr) << address;
    EXPECT_TRUE(has(error, address) && has(error, "host:port")) << error;
  }
}

TEST(ListenAddress, IsReadWithNameAndInBrackets) {
  EXPECT_EQ(parse_host_port("localhost:80")->host, "localhost");
  EXPECT_EQ(parse_host_port("[::1]:9464")->host, "::1");
  EXPECT_EQ(parse_host_port("[::1]:9464")->port, 9464);
  EXPECT_FALSE(parse_host_port("[]:9464"));
}

}  // namespace
}  // namespace parallax
