// A scrape says the same in each of the three forms; which one it is, the scraper's Accept header says.
#include "daemon/api/exposition.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <map>
#include <regex>
#include <sstream>

#include "daemon/api/metrics.h"
#include "daemon/api/metrics_server.h"
#include "tests/support/http_get.h"
#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

namespace client = io::prometheus::client;
using test::http_get;
using test::SmallSensor;
using Families = std::vector<client::MetricFamily>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const client::Histogram& histogram_of(const Families& families, const std::string& name, const std::string& labels) {
  for (const client::MetricFamily& family : families) {
    for (const client::Metric& metric : family.metric()) {
      std::string text;
      for (const client::LabelPair& label : metric.label()) text += label.value() + ' ';
      if (family.name() == name && text == labels) return metric.histogram();
    }
  }
  ADD_FAILURE() << name << " of " << labels << " is missing";
  return client::Histogram::default_instance();
}

// By the number of the bucket, as a reader of the protobuf counts them.
std::map<int, int64_t> native_counts(const client::Histogram& histogram) {
  std::map<int, int64_t> counts;
  int bucket = 0, delta = 0;
  int64_t count = 0;
  for (const client::BucketSpan& span : histogram.positive_span()) {
    bucket += span.offset();
    for (uint32_t i = 0; i < span.length(); ++i) counts[bucket++] = count += histogram.positive_delta(delta++);
  }
  EXPECT_EQ(delta, histogram.positive_delta_size());
  return counts;
}

TEST(Exposition, ScraperGetsWhatItLikesBest) {
  const std::string open = "application/openmetrics-text", plain = "text/plain;version=0.0.4";
  const std::string protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
  const std::pair<std::string, ExpositionFormat> kWishes[] = {
      {"", ExpositionFormat::text},
      {"*/*", ExpositionFormat::text},
      {"text/html,application/xhtml+xml,*/*;q=0.8", ExpositionFormat::text},
      {open + ";version=1.0.0," + open + ";version=0.0.1;q=0.75," + plain + ";q=0.5,*/*;q=0.1", ExpositionFormat::open_metrics},
      {protobuf + "," + open + ";version=1.0.0;q=0.8," + plain + ";q=0.5,*/*;q=0.1", ExpositionFormat::protobuf},
      {plain + ";q=0.9, " + open + "; version=1.0.0; charset=utf-8; q=0.2", ExpositionFormat::text},
      {open + ";version=2.0.0", ExpositionFormat::text},
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", ExpositionFormat::text},
      {open + ";version=1.0.0;q=zero,*/*;q=0.1", ExpositionFormat::text},
      {";;,,q=,=;q=1e9999", ExpositionFormat::text},
  };
  for (const auto& [accept, format] : kWishes) EXPECT_EQ(exposition_format(accept), format) << accept;
}

// The same samples, but for the exemplars and for # HELP and # TYPE, where OpenMetrics names a counter without its _total.
TEST(Exposition, OpenMetricsHasTheSamplesOfTheText) {
  const SmallSensor sensor(3, 5);
  const Families families = metric_families(sensor.state);
  const std::vector<std::string> text = lines_of(expose(families, ExpositionFormat::text));
  const std::vector<std::string> open = lines_of(expose(families, ExpositionFormat::open_metrics));
  ASSERT_FALSE(open.empty());
  EXPECT_EQ(open.back(), "# EOF");
  const auto samples = [](const std::vector<std::string>& lines) {
    std::map<std::string, double> values;
    for (const std::string& line : lines) {
      if (line[0] == '#') continue;
      const std::string sample = line.substr(0, line.find(" # "));
      const size_t space = sample.rfind(' ');
      EXPECT_TRUE(values.emplace(sample.substr(0, space), std::stod(sample.substr(space))).second) << line;
    }
    return values;
  };
  const std::map<std::string, double> in_text = samples(text), in_open = samples(open);
  ASSERT_EQ(in_text.size(), in_open.size());
  for (const auto& [name, value] : in_text) {
    ASSERT_TRUE(in_open.contains(name)) << name;
    EXPECT_NEAR(in_open.at(name), value, std::abs(value) * 1e-5) << name;
  }
  const std::string all = expose(families, ExpositionFormat::open_metrics);
  EXPECT_TRUE(has(all,
                  "# TYPE parallax_packets counter\n# HELP parallax_packets Packets received.\n"
                  "parallax_packets_total{point=\"outside\",port=\"tap0\"} 18\n"))
      << all;
  EXPECT_TRUE(has(all, "# TYPE parallax_handshake_rtt_seconds histogram\n"));
}

TEST(Exposition, AFindingIsTheExemplarOfItsCounter) {
  const SmallSensor sensor(3, 5);
  const std::string text = expose(metric_families(sensor.state), ExpositionFormat::open_metrics);
  const std::vector<FindingRecord> findings = sensor.state.engine->findings(0, 100);
  ASSERT_FALSE(findings.empty());
  const std::regex exemplar("parallax_findings_total\\{kind=\"" + std::string(name_of(findings.back().kind)) +
                            "\",[^}]*\\} 1 # \\{finding_id=\"" + std::to_string(findings.back().id) +
                            "\"\\} 1 [0-9]+\\.[0-9]{3}\n");
  EXPECT_TRUE(std::regex_search(text, exemplar)) << text;
  EXPECT_FALSE(has(expose(metric_families(sensor.state), ExpositionFormat::text), "finding_id"));
}

TEST(Exposition, ProtobufIsTheFamiliesOneAfterTheOther) {
  const SmallSensor sensor(3, 5);
  const Families families = metric_families(sensor.state);
  const std::string bytes = expose(families, ExpositionFormat::protobuf);
  google::protobuf::io::ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  for (const client::MetricFamily& family : families) {
    client::MetricFamily read;
    ASSERT_TRUE(google::protobuf::util::ParseDelimitedFromZeroCopyStream(&read, &in, nullptr));
    EXPECT_EQ(read.SerializeAsString(), family.SerializeAsString());
  }
  EXPECT_EQ(in.ByteCount(), static_cast<int64_t>(bytes.size()));
}

TEST(NativeHistogram, HoldsEachSampleNearItsValue) {
  const SmallSensor sensor(3, 5);
  const Families families = metric_families(sensor.state);
  const client::Histogram& histogram = histogram_of(families, "parallax_handshake_rtt_seconds", "outside server ");
  EXPECT_EQ(histogram.sample_count(), 5u);
  EXPECT_EQ(histogram.schema(), 3);
  EXPECT_GT(histogram.zero_threshold(), 0);
  int64_t sum = 0;
  double seconds = 0;
  for (const auto& [bucket, count] : native_counts(histogram)) {
    EXPECT_GT(count, 0) << bucket;
    sum += count;
    seconds += static_cast<double>(count) * std::exp2((bucket - 0.5) / 8);
  }
  EXPECT_EQ(sum, 5);
  EXPECT_NEAR(seconds, histogram.sample_sum(), 0.15 * histogram.sample_sum());
}

TEST(NativeHistogram, WithoutASampleIsKnownAsOne) {
  const SmallSensor sensor(0, 0);
  const Families families = metric_families(sensor.state);
  const client::Histogram& histogram =
      histogram_of(families, "parallax_device_transit_seconds", "between outside and inside toward_inside ");
  EXPECT_EQ(histogram.sample_count(), 0u);
  EXPECT_GT(histogram.zero_threshold(), 0);
  EXPECT_EQ(histogram.positive_delta_size(), 0);
}

std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

std::string unzipped(std::string bytes) {
  std::string text(1 << 20, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);  // with gzip's header
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

TEST(MetricsServer, AnswersInTheFormAskedFor) {
  const SmallSensor sensor(3, 5);
  std::string error;
  const auto server = MetricsServer::start(sensor.state, "127.0.0.1:0", error);
  ASSERT_NE(server, nullptr) << error;
  const std::string packets = "parallax_packets_total{point=\"outside\",port=\"tap0\"} 18\n";
  const std::string text = http_get(server->port(), "/metrics");
  EXPECT_TRUE(has(text, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n")) << text;
  EXPECT_TRUE(has(text, packets)) << text;
  EXPECT_TRUE(has(text, "Content-Length: " + std::to_string(body_of(text).size()) + "\r\n")) << text;
  const std::string open = http_get(server->port(), "/metrics", "Accept: application/openmetrics-text\r\n");
  EXPECT_TRUE(has(open, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n")) << open;
  EXPECT_TRUE(has(open, "\n# EOF\n"));
  const std::string packed = http_get(server->port(), "/metrics", "Accept-Encoding: deflate, gzip\r\n");
  EXPECT_TRUE(has(packed, "Content-Encoding: gzip\r\n"));
  EXPECT_TRUE(has(unzipped(body_of(packed)), packets));
  EXPECT_FALSE(has(http_get(server->port(), "/metrics", "Accept-Encoding: gzip;q=0\r\n"), "Content-Encoding"));
  EXPECT_TRUE(has(http_get(server->port(), "/"), "404 Not Found"));
}

}  // namespace
}  // namespace parallax
