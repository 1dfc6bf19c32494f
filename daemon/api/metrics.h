// Prometheus metrics: the names of the contract, summed from the workers' own counter blocks when a scrape asks.
//
// Nothing is counted here. A scrape costs the packet path nothing but the cache lines it reads. Every metric whose label
// values are known beforehand is there from the first scrape, also when zero, so that increase() sees the first event.
#pragma once

#include <string>
#include <vector>

#include "daemon/run/sensor_state.h"
#include "io/prometheus/client/metrics.pb.h"

namespace parallax {

// Histograms are both classic and native (schema 3: eight buckets an octave, quantiles within 15 %); the counter of findings
// bears the id of the newest one as its exemplar.
std::vector<io::prometheus::client::MetricFamily> metric_families(const SensorState& state);

// The page as text, as a scrape would get it.
std::string metrics_text(const SensorState& state);

}  // namespace parallax
