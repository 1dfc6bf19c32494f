// What a device held is the exemplar of the histogram of its transits.
#include "daemon/api/held_packet.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "daemon/api/exemplar.h"
#include "daemon/api/exposition.h"
#include "tests/support/scenario.h"

namespace parallax::test {
namespace {

namespace client = io::prometheus::client;

constexpr int64_t kMs = 1'000'000;

TEST(HeldPacket, IsTheLastOfAFindingOfDelays) {
  const std::string path = PARALLAX_SOURCE_DIR "/tests/scenarios/device_delay/now_and_then.scenario";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const ParsedScenario parsed = parse_scenario(path, text.str(), Variant::fault);
  ASSERT_TRUE(parsed.scenario) << parsed.error;
  const PipelineOutput output = run(parsed.scenario->input, 1);
  size_t delays = 0;
  for (const FindingRecord& finding : output.findings) {
    const auto held = held_packet(finding);
    EXPECT_EQ(held.has_value(), finding.kind == FindingKind::device_delay);
    if (!held) continue;
    ++delays;
    EXPECT_EQ(held->finding_id, finding.id);
    EXPECT_EQ(held->direction, Direction::toward_inside);
    EXPECT_EQ(std::pair(held->outer, held->inner), (std::pair<PointIndex, PointIndex>(0, 1)));
    EXPECT_GE(held->took_ns, 100 * kMs);
    EXPECT_LE(held->took_ns, 1000 * kMs);
  }
  EXPECT_EQ(delays, 1u);
}

TEST(HeldPacket, NeedsWhereItEnteredAndWhenItLeft) {
  FindingRecord finding;
  finding.kind = FindingKind::device_delay;
  EXPECT_FALSE(held_packet(finding));
  finding.evidence.push_back({.kind = "timing", .point = 1, .port = {}, .frame = 0, .time_ns = 5, .detail = ""});
  finding.evidence.push_back({.kind = "present_at", .point = 1, .port = {}, .frame = 0, .time_ns = 7, .detail = ""});
  EXPECT_FALSE(held_packet(finding));
  finding.evidence.push_back({.kind = "timing", .point = 0, .port = {}, .frame = 0, .time_ns = 9, .detail = ""});
  ASSERT_TRUE(held_packet(finding));
  EXPECT_EQ(held_packet(finding)->direction, Direction::toward_outside);
  EXPECT_EQ(held_packet(finding)->took_ns, 2);
}

client::MetricFamily histogram_of_two() {
  client::MetricFamily family;
  family.set_name("a_seconds");
  family.set_type(client::HISTOGRAM);
  client::Histogram& histogram = *family.add_metric()->mutable_histogram();
  for (const auto& [count, bound] : {std::pair(1, 0.001), std::pair(1, 0.25), std::pair(2, 1.0)}) {
    client::Bucket& bucket = *histogram.add_bucket();
    bucket.set_cumulative_count(static_cast<uint64_t>(count));
    bucket.set_upper_bound(bound);
  }
  histogram.set_sample_count(2);
  return family;
}

TEST(Exemplar, StandsInTheBucketOfItsValue) {
  client::MetricFamily family = histogram_of_two();
  attach(exemplar_of(7, 0.31, 1'700'000'000'500'000'000), *family.mutable_metric(0)->mutable_histogram());
  const std::string text = expose({family}, ExpositionFormat::open_metrics);
  EXPECT_NE(text.find("a_seconds_bucket{le=\"0.25\"} 1\n"
                      "a_seconds_bucket{le=\"1\"} 2 # {finding_id=\"7\"} 0.31 1700000000.500\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(expose({family}, ExpositionFormat::text).find("finding_id"), std::string::npos);
}

TEST(Exemplar, IsNoneOfABucketInWhichNothingWasCounted) {
  client::MetricFamily family = histogram_of_two();
  client::Histogram& histogram = *family.mutable_metric(0)->mutable_histogram();
  attach(exemplar_of(7, 0.1, 0), histogram);
  attach(exemplar_of(8, 60, 0), histogram);
  for (const client::Bucket& bucket : histogram.bucket()) EXPECT_FALSE(bucket.has_exemplar());
}

}  // namespace
}  // namespace parallax::test
