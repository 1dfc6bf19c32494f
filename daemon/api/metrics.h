// Prometheus metrics: the names of the contract, summed from the workers' own counter blocks when a scrape asks.
//
// Nothing is counted here. A scrape costs the packet path nothing but the cache lines it reads. Every metric whose label
// values are known beforehand is there from the first scrape, also when zero, so that increase() sees the first event.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/run/sensor_state.h"

namespace parallax {

class MetricsServer {
 public:
  // Listens on `address` (host:port; port 0: any free one). `state` outlives the server. On failure nullptr and `error`.
  static std::unique_ptr<MetricsServer> start(const SensorState& state, const std::string& address, std::string& error);
  ~MetricsServer();

  int port() const;

 private:
  struct Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The page as text, as a scrape would get it (without the server's own metrics).
std::string metrics_text(const SensorState& state);

}  // namespace parallax
