#include "config/defaults.h"

namespace parallax {

v1::Config default_config() {
  v1::Config config;
  config.mutable_sensor()->set_name("parallax");

  config.mutable_workers()->set_count(1);
  config.mutable_workers()->set_rx_count(1);

  // Without a directory there is no spool; the rest is what one gets who names only directory and size.
  config.mutable_spool()->set_file_size(64 << 20);
  config.mutable_spool()->set_snaplen(256);

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
  config.mutable_metrics()->set_address("127.0.0.1:9464");
  config.mutable_eal()->set_memory_mib(512);
  config.mutable_service();
  return config;
}

}  // namespace parallax
