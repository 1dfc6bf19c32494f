// Cases of docs/cases.md that need files: scenarios through `parallax analyze`, with a clock for each capture, and what it
// counts.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/client/analyze.h"
#include "parallax/v1/types.pb.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/scenario.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

// How a capture's clock differs from the true one, and how much of each frame the capture holds.
struct Clock {
  double ahead_seconds = 0;
  double drift_ppm = 0;
  size_t snap_length = 65535;
};

class CasesAnalyzeTest : public testing::Test {
 protected:
  static test::Scenario scenario(const std::string& name, const std::string& more = "") {
    std::ifstream in(PARALLAX_SOURCE_DIR "/tests/scenarios/" + name + ".scenario");
    std::ostringstream text;
    text << in.rdbuf() << more;
    test::ParsedScenario parsed = test::parse_scenario(name, text.str(), test::Variant::fault);
    EXPECT_TRUE(parsed.scenario) << parsed.error;
    return std::move(*parsed.scenario);
  }

  // A file for each point, stamped by its clock.
  void write(const test::Scenario& scenario, const std::vector<Clock>& clocks = {}) {
    const auto& path = scenario.input.options.path;
    options_.points.clear();
    for (size_t point = 0; point < path.size(); ++point) {
      std::vector<test::TimedFrame> frames;
      for (const test::InputPort& port : scenario.input.ports) {
        if (port.info.point == point) frames.insert(frames.end(), port.frames.begin(), port.frames.end());
      }
      std::stable_sort(frames.begin(), frames.end(), [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
      const Clock clock = point < clocks.size() ? clocks[point] : Clock{};
      test::CaptureBytes bytes(false);
      bytes.pcap_header(0xa1b23c4d);
      for (const test::TimedFrame& frame : frames) {
        const auto drifted =
            static_cast<int64_t>(static_cast<double>(frame.time_ns - frames.front().time_ns) * clock.drift_ppm * 1e-6);
        const int64_t stamp = frame.time_ns + drifted + static_cast<int64_t>(clock.ahead_seconds * 1e9);
        const auto held = static_cast<std::ptrdiff_t>(std::min(frame.bytes.size(), clock.snap_length));
        bytes.pcap_packet(static_cast<uint32_t>(stamp / 1'000'000'000), static_cast<uint32_t>(stamp % 1'000'000'000),
                          {frame.bytes.begin(), frame.bytes.begin() + held}, static_cast<uint32_t>(frame.bytes.size()));
      }
      const std::string file = directory_.path() + "/" + path[point] + ".pcap";
      std::ofstream(file, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.bytes().data()), static_cast<std::streamsize>(bytes.bytes().size()));
      options_.points.push_back(path[point] + "=" + file);
    }
  }

  std::string run(const std::string& format) {
    options_.format = format;
    const test::AnalyzeOutcome outcome = test::analyze_outcome(options_);
    EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
    return outcome.out;
  }
  std::vector<v1::Record> records() {
    std::vector<v1::Record> result;
    std::istringstream lines(run("json"));
    for (std::string line; std::getline(lines, line);) {
      // Enumerators are spelled otherwise than protobuf's own parser reads them: they are taken as unknown.
      google::protobuf::util::JsonParseOptions lenient;
      lenient.ignore_unknown_fields = true;
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &result.emplace_back(), lenient).ok()) << line;
    }
    return result;
  }

  AnalyzeOptions options_;
  TemporaryDirectory directory_;
};

// Connections of others meanwhile, from which the clocks can be told.
std::string others() {
  std::string text;
  for (int i = 0; i < 20; ++i) {
    const double at = 1 + 7.3 * i;
    text += fmt::format(
        "endpoint o{0} 10.0.0.{1}:50000 beyond pc ttl 128\nat eth2 o{0} is 198.51.100.7:{2}\nat bigip o{0} is 198.51.100.7:{2}\n",
        i, 110 + i, 20000 + i);
    text += fmt::format(
        "@{0:.4f} pc eth2 bigip o{4} > server S 0\n@{1:.4f} bigip eth2 pc server > o{4} S. 0 ack 1\n@{2:.4f} pc eth2 bigip o{4} "
        "> server . 1 ack 1\n"
        "@{2:.4f} pc eth2 bigip o{4} > server P. 1:201 ack 1\n@{3:.4f} bigip eth2 pc server > o{4} P. 1:901 ack 201\n",
        at, at + 0.002, at + 0.003, at + 0.02, i);
  }
  return text;
}

std::multiset<std::string> sentences(const std::vector<v1::Record>& records) {
  std::multiset<std::string> result;
  for (const v1::Record& record : records) {
    if (record.has_finding()) result.insert(record.finding().summary());
  }
  return result;
}

// 004-7: the PC's clock is 41.828 s ahead of the firewall's and the load balancer's 152.117 s, each with a drift of 8 ms a day.
TEST_F(CasesAnalyzeTest, ThreeClocksAreAlignedAndThenItIsAsIfOnOne) {
  const test::Scenario booking = scenario("stalled_connection/posts_in_vain_until_another_connection", others());
  write(booking);
  const auto on_one_clock = sentences(records());
  EXPECT_EQ(on_one_clock.size(), 3u);  // what became of the RST, of the connection and of its data
  constexpr double kDriftPpm = 0.008 / 86400 * 1e6;
  write(booking, {{0, 0}, {-41.828, kDriftPpm}, {-41.828 + 152.117, -kDriftPpm}});
  const std::vector<v1::Record> all = records();
  EXPECT_NEAR(all[1].point().clock_offset_seconds(), -41.828, 0.0005);
  EXPECT_NEAR(all[2].point().clock_offset_seconds(), -41.828 + 152.117, 0.0005);
  EXPECT_EQ(sentences(all), on_one_clock);
}

// 002-12 and 002-9: counted, and nobody is blamed for what a host leaves to its network card.
TEST_F(CasesAnalyzeTest, ChecksumsLeftToANetworkCardAreCounted) {
  write(scenario("oversize_frames/total_length_left_to_the_network_card"));
  const std::vector<v1::Record> all = records();
  EXPECT_EQ(all[0].point().offloaded_checksums(), 1u);  // of those with data
  EXPECT_EQ(all[0].point().wrong_checksums(), 0u);
  EXPECT_EQ(all[0].point().decode_errors(), 0u);
  const auto said = sentences(all);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_THAT(*said.begin(), HasSubstr("no device is to blame"));
}

TEST_F(CasesAnalyzeTest, ChecksumsThatTheDeviceSpoiledAreCountedBehindIt) {
  write(scenario("checksum_spoiled/segments_leave_with_a_wrong_checksum"));
  const std::vector<v1::Record> all = records();
  EXPECT_EQ(all[0].point().wrong_checksums(), 2u);
  EXPECT_EQ(all[1].point().wrong_checksums(), 0u);
}

TEST_F(CasesAnalyzeTest, AChecksumOfWhatWasCutIsNotTakenForRight) {
  const test::Scenario spoiled = scenario("checksum_spoiled/segments_leave_with_a_wrong_checksum");
  const auto tells = [&] {
    const auto said = sentences(records());
    return std::any_of(said.begin(), said.end(), [](const std::string& text) { return text.find("spoiled") != text.npos; });
  };
  write(spoiled);
  EXPECT_TRUE(tells());
  constexpr size_t kHeaders = 68;
  write(spoiled, {{}, {.snap_length = kHeaders}});
  EXPECT_FALSE(tells()) << "nobody can say that it fitted inside, where the server's segments enter the device";
}

// 000-1: with the numbers.
TEST_F(CasesAnalyzeTest, TheNetworkBetweenIsNotTheCause) {
  write(scenario("pairing/captures_that_differ_by_microseconds"));
  std::string text = run("text");
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (size_t at; (at = text.find("  ")) != text.npos;) text.erase(at, 1);
  EXPECT_THAT(text, HasSubstr("is not the cause: 12 of 12 packets"));
  EXPECT_THAT(text, Not(HasSubstr("warning")));
}

}  // namespace
}  // namespace parallax
