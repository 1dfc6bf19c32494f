#include "config/defaults.h"

namespace parallax {

namespace {

// As in analysis/model/thresholds.def.
void set_thresholds(v1::ThresholdsConfig& thresholds) {
  thresholds.set_slow_server_turns(4);
  thresholds.set_slow_server_mean_seconds(0.2);
  thresholds.set_slow_server_longest_seconds(10);
  thresholds.set_slow_client_turns(20);
  thresholds.set_slow_client_mean_seconds(0.1);
  thresholds.set_slow_client_longest_seconds(10);
  thresholds.set_slow_path_turns(8);
  thresholds.set_slow_path_mean_seconds(0.05);
  thresholds.set_slow_path_total_seconds(0.5);
  thresholds.set_zero_window_stall_least_seconds(1);
  thresholds.set_zero_window_stall_warning_seconds(5);
  thresholds.set_stalled_connection_least_seconds(3);
  thresholds.set_idle_timeout_drop_silence_seconds(30);
  thresholds.set_device_delay_holds(4);
  thresholds.set_device_delay_within_seconds(600);
  thresholds.set_device_delay_times_usual(16);
  thresholds.set_spurious_retransmission_segments(5);
  thresholds.set_spurious_retransmission_percent(2);
  thresholds.set_spurious_retransmission_notice_percent(10);
  thresholds.set_arp_burst_requests(20);
  thresholds.set_arp_burst_within_seconds(0.01);
  thresholds.set_datagram_unanswered_conversations(3);
  thresholds.set_datagram_flood_datagrams(1000);
  thresholds.set_datagram_flood_per_second(500);
  thresholds.set_fragment_flood_fragments(1000);
  thresholds.set_fragment_flood_per_second(500);
  thresholds.set_periodic_connections_openings(5);
  thresholds.set_periodic_connections_period_seconds(10);
  thresholds.set_listener_saturated_accepted_per_second(5);
  thresholds.set_listener_saturated_failed_percent(20);
  thresholds.set_source_throttled_dropped(8);
  thresholds.set_source_throttled_passed(8);
  thresholds.set_fan_out_tries(16);
  thresholds.set_fan_out_percent(25);
  thresholds.set_fan_out_within_seconds(60);
  thresholds.set_capture_loss_warning_segments(10);
  thresholds.set_capture_loss_warning_percent(1);
}

}  // namespace

v1::Config default_config() {
  v1::Config config;
  config.mutable_sensor()->set_name("parallax");

  config.mutable_workers()->set_count(1);
  config.mutable_workers()->set_rx_count(1);

  // Without a directory there is no spool; the rest is what one gets who names only directory and size.
  config.mutable_spool()->set_file_size(64 << 20);
  config.mutable_spool()->set_snaplen(256);
  config.mutable_spool()->mutable_pinned()->set_size(1 << 30);

  // Without a directory there is no history.
  config.mutable_history()->set_findings(100'000);
  config.mutable_history()->set_max_age_seconds(90 * 86'400);
  config.mutable_history()->set_size(256 << 20);

  // Without a directory there is no log of connections.
  v1::ConnectionLogConfig& connection_log = *config.mutable_connection_log();
  connection_log.set_file_size(64 << 20);
  connection_log.set_file_age_seconds(86'400);
  connection_log.set_size(1 << 30);
  connection_log.set_files(1000);

  // Without a URL nothing is sent.
  v1::WebhookConfig& webhook = *config.mutable_webhook();
  webhook.set_minimum_severity(v1::SEVERITY_WARNING);
  webhook.set_timeout_seconds(10);
  webhook.set_update_seconds(60);
  webhook.set_receiver("parallax");

  config.mutable_filter();
  config.mutable_identity();

  v1::TimingConfig& timing = *config.mutable_timing();
  timing.set_merge_wait_seconds(0);  // chosen from the cores
  timing.set_device_timeout_seconds(1);
  timing.set_idle_timeout_seconds(300);
  timing.set_kernel_delivery_seconds(0.01);

  v1::LimitsConfig& limits = *config.mutable_limits();
  limits.set_legs(65536);
  limits.set_half_open_legs(16384);
  limits.set_connections(65536);
  limits.set_findings(4096);
  limits.set_ring_slots(4096);
  limits.set_mbufs(16383);  // a power of two less one: what rte_mempool uses best

  config.mutable_api()->set_address("unix:/run/parallax/grpc.sock");
  config.mutable_api()->mutable_limits()->set_watches(32);
  config.mutable_api()->mutable_limits()->set_slices(4);
  config.mutable_metrics()->set_address("127.0.0.1:9464");
  config.mutable_eal()->set_memory_mib(512);
  config.mutable_service()->set_sandbox(true);
  config.mutable_detectors();
  set_thresholds(*config.mutable_thresholds());
  return config;
}

void set_element_defaults(v1::Config& config) {
  for (v1::PinRuleConfig& rule : *config.mutable_spool()->mutable_pinned()->mutable_rules()) {
    if (!rule.has_severity()) rule.set_severity(v1::SEVERITY_INFO);
    if (!rule.has_before_seconds()) rule.set_before_seconds(10);
    if (!rule.has_after_seconds()) rule.set_after_seconds(10);
    if (!rule.has_size()) rule.set_size(64 << 20);
  }
}

}  // namespace parallax
