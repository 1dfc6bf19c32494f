#include "daemon/api/exposition.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <fmt/format.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>

namespace parallax {
namespace {

namespace client = io::prometheus::client;

constexpr absl::string_view kTotal = "_total";

struct MediaRange {
  std::string type;  // in lower case, with its parameters but for the weight: "text/plain;version=0.0.4"
  double weight = 1;
};

std::vector<MediaRange> media_ranges(const std::string& accept) {
  std::vector<MediaRange> ranges;
  for (const absl::string_view text : absl::StrSplit(accept, ',')) {
    MediaRange range;
    for (const absl::string_view part : absl::StrSplit(text, ';')) {
      const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(part));
      if (absl::string_view weight = word; absl::ConsumePrefix(&weight, "q=")) {
        if (!absl::SimpleAtod(weight, &range.weight)) range.weight = 0;
      } else {
        if (!range.type.empty()) range.type += ';';
        range.type += word;
      }
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

bool is_protobuf(const std::string& type) {
  return absl::StartsWith(type, "application/vnd.google.protobuf;") &&
         absl::StrContains(type, "proto=io.prometheus.client.metricfamily") && absl::StrContains(type, "encoding=delimited");
}
bool is_open_metrics(const std::string& type) {
  return type == "application/openmetrics-text" || absl::StartsWith(type, "application/openmetrics-text;version=1.0.0");
}
bool is_text(const std::string& type) { return absl::StartsWith(type, "text/plain") || type == "text/*" || type == "*/*"; }

// prometheus-cpp writes the text.
std::vector<prometheus::ClientMetric::Label> labels_of(const client::Metric& metric) {
  std::vector<prometheus::ClientMetric::Label> labels;
  for (const client::LabelPair& label : metric.label()) labels.push_back({label.name(), label.value()});
  return labels;
}

prometheus::MetricType type_of(client::MetricType type) {
  switch (type) {
    case client::COUNTER:
      return prometheus::MetricType::Counter;
    case client::HISTOGRAM:
      return prometheus::MetricType::Histogram;
    default:
      return prometheus::MetricType::Gauge;
  }
}

std::string as_text(const std::vector<client::MetricFamily>& families) {
  std::vector<prometheus::MetricFamily> result;
  for (const client::MetricFamily& family : families) {
    prometheus::MetricFamily& to = result.emplace_back();
    to.name = family.name();
    to.help = family.help();
    to.type = type_of(family.type());
    for (const client::Metric& metric : family.metric()) {
      prometheus::ClientMetric& sample = to.metric.emplace_back();
      sample.label = labels_of(metric);
      sample.counter.value = metric.counter().value();
      sample.gauge.value = metric.gauge().value();
      const client::Histogram& histogram = metric.histogram();
      sample.histogram.sample_count = histogram.sample_count();
      sample.histogram.sample_sum = histogram.sample_sum();
      for (const client::Bucket& bucket : histogram.bucket())
        sample.histogram.bucket.push_back({bucket.cumulative_count(), bucket.upper_bound()});
      sample.histogram.bucket.push_back({histogram.sample_count(), std::numeric_limits<double>::infinity()});
    }
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, result);
  return text.str();
}

std::string escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\n", "\\n"}, {"\"", "\\\""}});
}

// `more`: a label that is not among them, as it is written.
std::string labels_text(const google::protobuf::RepeatedPtrField<client::LabelPair>& labels, const std::string& more = {}) {
  std::string text;
  for (const client::LabelPair& label : labels)
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", label.name(), escaped(label.value()));
  if (!more.empty()) text += (text.empty() ? "" : ",") + more;
  return text.empty() ? text : '{' + text + '}';
}

std::string exemplar_text(const client::Exemplar& exemplar) {
  const auto time = static_cast<double>(exemplar.timestamp().seconds()) + exemplar.timestamp().nanos() / 1e9;
  return fmt::format(" # {} {} {:.3f}", labels_text(exemplar.label()), exemplar.value(), time);
}

std::string open_metrics_samples(const client::MetricFamily& family, const std::string& name) {
  std::string text;
  for (const client::Metric& metric : family.metric()) {
    const std::string labels = labels_text(metric.label());
    if (metric.has_counter()) {
      const client::Counter& counter = metric.counter();
      text += fmt::format("{}_total{} {}{}\n", name, labels, counter.value(),
                          counter.has_exemplar() ? exemplar_text(counter.exemplar()) : "");
    } else if (metric.has_gauge()) {
      text += fmt::format("{}{} {}\n", name, labels, metric.gauge().value());
    } else {
      const client::Histogram& histogram = metric.histogram();
      // The bounds as the text has them, so that a series is the same in both.
      for (const client::Bucket& bucket : histogram.bucket()) {
        text +=
            fmt::format("{}_bucket{} {}{}\n", name, labels_text(metric.label(), fmt::format("le=\"{}\"", bucket.upper_bound())),
                        bucket.cumulative_count(), bucket.has_exemplar() ? exemplar_text(bucket.exemplar()) : "");
      }
      text += fmt::format("{}_bucket{} {}\n", name, labels_text(metric.label(), "le=\"+Inf\""), histogram.sample_count());
      text += fmt::format("{}_count{} {}\n{}_sum{} {}\n", name, labels, histogram.sample_count(), name, labels,
                          histogram.sample_sum());
    }
  }
  return text;
}

std::string as_open_metrics(const std::vector<client::MetricFamily>& families) {
  std::string text;
  for (const client::MetricFamily& family : families) {
    const bool is_counter = family.type() == client::COUNTER;
    const std::string name(is_counter ? absl::StripSuffix(family.name(), kTotal) : absl::string_view(family.name()));
    const char* type = is_counter ? "counter" : family.type() == client::HISTOGRAM ? "histogram" : "gauge";
    text += fmt::format("# TYPE {} {}\n# HELP {} {}\n{}", name, type, name, escaped(family.help()),
                        open_metrics_samples(family, name));
  }
  return text + "# EOF\n";
}

std::string as_protobuf(const std::vector<client::MetricFamily>& families) {
  std::ostringstream bytes;
  for (const client::MetricFamily& family : families) google::protobuf::util::SerializeDelimitedToOstream(family, &bytes);
  return bytes.str();
}

}  // namespace

ExpositionFormat exposition_format(std::string_view accept) {
  ExpositionFormat best = ExpositionFormat::text;
  double weight = 0;
  for (const MediaRange& range : media_ranges(std::string(accept))) {
    if (range.weight <= weight) continue;
    if (is_protobuf(range.type)) {
      best = ExpositionFormat::protobuf;
    } else if (is_open_metrics(range.type)) {
      best = ExpositionFormat::open_metrics;
    } else if (is_text(range.type)) {
      best = ExpositionFormat::text;
    } else {
      continue;
    }
    weight = range.weight;
  }
  return best;
}

std::string_view content_type(ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::open_metrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case ExpositionFormat::protobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    default:
      return "text/plain; version=0.0.4; charset=utf-8";
  }
}

std::string expose(const std::vector<client::MetricFamily>& families, ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::open_metrics:
      return as_open_metrics(families);
    case ExpositionFormat::protobuf:
      return as_protobuf(families);
    default:
      return as_text(families);
  }
}

}  // namespace parallax
