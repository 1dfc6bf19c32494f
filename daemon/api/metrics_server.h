// Answers scrapes: GET /metrics over HTTP, in the form that the scraper asks for, compressed where it can read that.
#pragma once

#include <memory>
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

}  // namespace parallax
