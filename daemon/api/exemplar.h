// Exemplars: findings that samples name, so that one gets from a graph to packets. `parallax slice --finding` takes the id.
#pragma once

#include <cstdint>

#include "io/prometheus/client/metrics.pb.h"

namespace parallax {

// `value`: what was measured, in the sample's unit; `time_ns`: when.
io::prometheus::client::Exemplar exemplar_of(uint64_t finding_id, double value, int64_t time_ns);

// To the bucket that has its value, where anything is counted in that: one of another is no example of it.
void attach(io::prometheus::client::Exemplar exemplar, io::prometheus::client::Histogram& histogram);

}  // namespace parallax
