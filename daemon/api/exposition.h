// A scrape in the form that the scraper asks for: text, OpenMetrics or protobuf.
//
// All three say the same. OpenMetrics adds exemplars, and protobuf these and native histograms, which Prometheus keeps instead of
// the classic ones where it is told to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/prometheus/client/metrics.pb.h"

namespace parallax {

enum class ExpositionFormat { text, open_metrics, protobuf };

// What an Accept header (RFC 9110, 12.5.1) likes best of these, and as text what it does not name.
ExpositionFormat exposition_format(std::string_view accept);

// As the Content-Type header has it.
std::string_view content_type(ExpositionFormat format);

// REQUIRES: names of counters end in _total.
std::string expose(const std::vector<io::prometheus::client::MetricFamily>& families, ExpositionFormat format);

}  // namespace parallax
